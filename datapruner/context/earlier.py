"""What an earlier answer has told already: kept in front, paid for, and not repeated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from datapruner.context.result import PrunedContext
from datapruner.context.units import Units

__all__ = ["already_told", "paid"]


def already_told(units: Units, previous: PrunedContext) -> frozenset[int]:
    """The rows that stand in the text of an earlier answer.

    A sentence is told if a chunk of the same text was cut at the same place then, and it was kept
    whole. Ids play no part: retrievers number anew in every call.

    Args:
        units: of this call.
        previous: the earlier answer, which may itself stand on one before it.
    """
    return frozenset(row for row in range(units.items.n) if units.place(row) in previous.told)


def paid(units: Units, told: frozenset[int]) -> Units:
    """The units with the told rows pinned, at no further cost.

    Args:
        units: of this call.
        told: rows whose text stands in front already.
    """
    if not told:
        return units
    rows = np.array(sorted(told), dtype=np.int64)
    cost, pinned = units.items.cost.copy(), units.items.pinned.copy()
    cost[rows], pinned[rows] = 0.0, True
    return replace(units, items=replace(units.items, cost=cost, pinned=pinned))
