"""The loop that greedy pickers share: offer the best row, and let what is kept change the rest.

A greedy keeps a state of its own and never a budget: it names the row it would like best next, and
is then told whether the ledger took it. A row that was refused changes nothing but that it is not
named again, so a full group does not hide the neighbours of a row that is not there.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from datapruner.core.ledger import Ledger
from datapruner.core.scores import Scores
from datapruner.core.types import BoolArray

__all__ = ["Greedy", "offer", "usable_rows"]


class Greedy(Protocol):
    """A state from which the next row follows."""

    def best(self) -> int:
        """The row to offer next; -1 when none is left. Exact ties go to the smaller tie key."""
        ...

    def cover(self, row: int) -> None:
        """The row is kept."""
        ...

    def drop(self, row: int) -> None:
        """The row was refused: it is not named again."""
        ...


def usable_rows(scores: Scores, ledger: Ledger) -> BoolArray:
    """Shape (n,), bool: the rows that may be offered, and those that the ledger holds already.

    An ancestor of a pinned row stays even where it was ruled out, so it counts as one of the rows.
    """
    usable = scores.contenders.copy()
    usable[ledger.order] = True
    return usable


def offer(greedy: Greedy, ledger: Ledger) -> None:
    """Cover what the ledger holds already, then offer row after row until it is full."""
    for row in np.asarray(ledger.order).tolist():
        greedy.cover(row)
    while not ledger.full:
        row = greedy.best()
        if row < 0:
            break
        if ledger.admit(row):
            greedy.cover(row)
        else:
            greedy.drop(row)
