"""Pickers that walk along the ranking: from the top, the bottom, the middle, or in even steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from datapruner.core.ledger import Ledger
from datapruner.core.order import best_first
from datapruner.core.reason import Reason
from datapruner.core.scores import Scores
from datapruner.core.types import IntArray
from datapruner.errors import BudgetError

__all__ = ["Band", "distinct", "even_steps", "high", "low", "middle", "mixed"]


def high(scores: Scores, ledger: Ledger, *, rng: np.random.Generator) -> None:
    """Highest scores first; equal scores in the order of their tie keys."""
    ledger.admit_many(_ranked(scores, descending=True))


def low(scores: Scores, ledger: Ledger, *, rng: np.random.Generator) -> None:
    """Lowest scores first; equal scores in the order of their tie keys."""
    ledger.admit_many(_ranked(scores, descending=False))


def distinct(scores: Scores, ledger: Ledger, *, rng: np.random.Generator) -> None:
    """Lowest scores first, without the rows that the scorer found to duplicate another.

    Scores without twins have no duplicates: then this is ``low``.
    """
    order = _ranked(scores, descending=False)
    if scores.twins is not None:
        repeated = scores.twins.is_duplicate[order]
        for row in order[repeated].tolist():
            ledger.refuse(row, Reason.DUPLICATE)
        order = order[~repeated]
    ledger.admit_many(order)


def middle(scores: Scores, ledger: Ledger, *, rng: np.random.Generator) -> None:
    """The median rank first, then outwards; of two equally far ranks the lower score first."""
    order = _ranked(scores, descending=False)
    away = np.abs(2 * np.arange(order.size) - (order.size - 1))
    ledger.admit_many(order[np.argsort(away, kind="stable")])


def mixed(scores: Scores, ledger: Ledger, *, rng: np.random.Generator) -> None:
    """Even steps along the ranking: every level of score in proportion, both ends included.

    The order is nested: a larger budget keeps the steps of a smaller one and puts new ones between
    them, so any prefix is spread about evenly.
    """
    order = _ranked(scores, descending=True)
    ledger.admit_many(order[even_steps(order.size)])


@dataclass(frozen=True)
class Band:
    """Only the rows between two quantiles of the score, highest first.

    Attributes:
        lower, upper: quantiles, 0 <= lower < upper <= 1; of n rows, floor(lower n) score too low to
            be offered, and all but floor(upper n) too high.

    Raises:
        BudgetError: quantiles out of order.
    """

    lower: float
    upper: float
    side: ClassVar[str] = "any"

    def __post_init__(self) -> None:
        """Refuse an empty band."""
        if not 0 <= self.lower < self.upper <= 1:
            raise BudgetError(
                f"the band [{self.lower}, {self.upper}] is not one; give 0 <= lower < upper <= 1."
            )

    def __call__(self, scores: Scores, ledger: Ledger, *, rng: np.random.Generator) -> None:
        """Offer the band, the highest scores first."""
        order = _ranked(scores, descending=True)
        first = int(self.lower * order.size + 1e-9)
        last = int(self.upper * order.size + 1e-9)
        ledger.admit_many(order[order.size - last : order.size - first])


def even_steps(n: int) -> IntArray:
    """Ranks 0 .. n-1 so ordered that any prefix is spread about evenly: both ends, then halves.

    Returns:
        Shape (n,), int64, a permutation: 0, n-1, then bit-reversed order of the rest.
    """
    if n < 3:
        return np.arange(n, dtype=np.int64)
    bits = int(n - 1).bit_length()
    codes = np.arange(1 << bits, dtype=np.int64)
    reverse = np.zeros_like(codes)
    for bit in range(bits):
        reverse |= ((codes >> bit) & 1) << (bits - 1 - bit)
    inner = reverse[(reverse > 0) & (reverse < n - 1)]
    return np.concatenate([[0, n - 1], inner])


def _ranked(scores: Scores, *, descending: bool) -> IntArray:
    order = best_first(scores.values, scores.items.tie_keys(), descending=descending)
    return scores.only_contenders(order)
