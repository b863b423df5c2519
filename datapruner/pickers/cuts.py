"""A pick as one cut through one order, so that rows can be judged where they are.

Some picks walk along an order that follows from each row alone: its score, or a draw from its tie
key. What they keep of a group is then everything up to some last row, and whoever knows that row
can judge any other without seeing the rest. Picks that look at all rows at once (``mixed`` steps
along the ranking, ``kcentre`` measures distances) have no such cut.

Finding the last row of a quota among more rows than one process can hold takes no sort: rows are
counted by the first 16 bits of their place in the order, then, among those that share the right
ones, by the next 16 (``histogram``, ``narrowed``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from datapruner import rng
from datapruner.core.budget import Budget
from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.core.select import select
from datapruner.core.types import BoolArray, FloatArray, IntArray, UInt64Array
from datapruner.errors import BudgetError
from datapruner.pickers.sampled import luck

__all__ = [
    "CUTTABLE",
    "DIGITS",
    "Cut",
    "check_cuttable",
    "cut_of",
    "histogram",
    "narrowed",
    "places",
    "sharing",
]

CUTTABLE = ("high", "low", "distinct", "uniform")

DIGITS = 8
"""Sixteen bits each: four of the place, four of the tie key."""

_BASE = 1 << 16
_SIGN = np.uint64(1 << 63)


@dataclass(frozen=True)
class Cut:
    """The last row that is kept.

    Attributes:
        place: its ``places``, in [0, 2**64).
        tie: its tie key, in [0, 2**64).
    """

    place: int
    tie: int

    def keeps(self, place: UInt64Array, tie: UInt64Array) -> BoolArray:
        """Shape (m,), bool: the rows that stand no later; both arguments have shape (m,)."""
        limit = np.uint64(self.place)
        kept: BoolArray = (place < limit) | ((place == limit) & (tie <= np.uint64(self.tie)))
        return kept


def check_cuttable(pick: str) -> None:
    """Refuse a pick that looks at all rows at once.

    Raises:
        BudgetError: names those that can be had.
    """
    if pick not in CUTTABLE:
        raise BudgetError(
            f"pick {pick!r} looks at all rows at once, which nobody does here: rows are judged "
            f"where they are. Take one of {', '.join(CUTTABLE)}, or prune on one machine."
        )


def places(pick: str, values: FloatArray, tie: UInt64Array, seed: int) -> UInt64Array:
    """Where a pick puts every row: the smallest is offered first, and equals go by their tie key.

    Args:
        pick: one of ``CUTTABLE``; for ``distinct`` of rows that duplicate nothing.
        values: shape (m,), finite, float32 or float64.
        tie: shape (m,), see ``Items.tie_keys``.
        seed: the user's seed.

    Returns:
        Shape (m,), uint64; a row's place does not depend on the other rows.
    """
    check_cuttable(pick)
    if pick == "uniform":
        draw = luck(_scores(values, tie), rng.stream(seed, f"pick:{pick}"))
        return _ordered(-draw)
    wide = values.astype(np.float64)
    return _ordered(-wide if pick == "high" else wide)


def cut_of(pick: str, values: FloatArray, tie: UInt64Array, count: int, seed: int) -> Cut | None:
    """The last of the ``count`` rows that ``select`` keeps of a group.

    Args:
        pick, values, tie, seed: as in ``places``.
        count: the group's quota.

    Returns:
        The cut; None where nothing is kept.
    """
    check_cuttable(pick)
    budget = Budget(count=count)
    kept = select(_scores(values, tie), budget, pick=pick, allocate="whole", seed=seed).order
    if not kept.size:
        return None
    last = kept[-1:]
    return Cut(int(places(pick, values[last], tie[last], seed)[0]), int(tie[last[0]]))


def sharing(place: UInt64Array, tie: UInt64Array, prefix: tuple[int, ...]) -> BoolArray:
    """Shape (m,), bool: the rows whose first digits are these; the first two have shape (m,)."""
    same = np.ones(place.shape, dtype=bool)
    for number, digit in enumerate(prefix):
        same &= _digit(place, tie, number) == digit
    return same


def histogram(place: UInt64Array, tie: UInt64Array, prefix: tuple[int, ...]) -> IntArray:
    """Shape (65536,), int64: how many rows of that prefix have each next digit.

    Histograms of blocks simply add up.
    """
    some = sharing(place, tie, prefix)
    digits = _digit(place[some], tie[some], len(prefix))
    return np.bincount(digits.astype(np.int64), minlength=_BASE)


def narrowed(counts: IntArray, wanted: int) -> tuple[int, int]:
    """The digit that the ``wanted``-th row has, and its number among the rows of that digit.

    Args:
        counts: shape (65536,), as ``histogram`` gives them.
        wanted: from 1 to the sum of the counts.
    """
    upto = np.cumsum(counts)
    digit = int(np.searchsorted(upto, wanted))
    return digit, wanted - int(upto[digit] - counts[digit])


def _digit(place: UInt64Array, tie: UInt64Array, number: int) -> UInt64Array:
    word = place if number < DIGITS // 2 else tie
    shift = np.uint64(48 - 16 * (number % (DIGITS // 2)))
    digit: UInt64Array = (word >> shift) & np.uint64(_BASE - 1)
    return digit


def _ordered(keys: FloatArray) -> UInt64Array:
    """The numbers as unsigned ones of the same order."""
    bits = (keys + 0.0).view(np.uint64)  # no negative zero: the two zeros are equal
    return np.where(bits & _SIGN, ~bits, bits | _SIGN)


def _scores(values: FloatArray, tie: UInt64Array) -> Scores:
    return Scores(values, Items.of(len(values), tie=tie))
