"""Coverage-centric strata: cut the hardest rows, then the same from every level of difficulty.

The range of the scores is cut into bins of equal width. The paper hands the budget to the bins
smallest first (the rest divided by the bins that are left, rounded down) and draws inside each.
Dealing the rows out in rounds, one from every bin that has any left and the larger bins first,
gives just these numbers for every budget at once: so this picker needs no budget, and a larger one
keeps a superset.

Source: Zheng et al. 2023, "Coverage-centric coreset selection for high pruning rates",
arXiv:2210.15809. Departs from the released code in: rows beyond the cut come last instead of never,
so the budget is met; one ranking for all classes (take ``allocate`` or a floor for class balance).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from datapruner.core.ledger import Ledger
from datapruner.core.order import best_first, rank_within
from datapruner.core.scores import Scores
from datapruner.core.types import FloatArray, IntArray
from datapruner.errors import BudgetError
from datapruner.pickers.sampled import luck

__all__ = ["Strata", "ccs", "dealt_out", "equal_width_bins"]


@dataclass(frozen=True)
class Strata:
    """As many rows from each stratum of the score as from the next, as far as it reaches.

    Attributes:
        bins: number of strata of equal width between the lowest and the highest score.
        cut: share of the highest scores that is set aside first and offered last: 0 for clean data,
            0.1 to 0.3 where labels are noisy or a fifth or less is kept.

    Raises:
        BudgetError: no bins, or a cut outside [0, 1).
    """

    bins: int = 50
    cut: float = 0.0
    side: ClassVar[str] = "any"

    def __post_init__(self) -> None:
        """Refuse strata that hold nothing."""
        if self.bins < 1 or not 0 <= self.cut < 1:
            raise BudgetError(
                f"{self.bins} bins with a cut of {self.cut} are no strata; give one bin or more "
                "and 0 <= cut < 1."
            )

    def __call__(self, scores: Scores, ledger: Ledger, *, rng: np.random.Generator) -> None:
        """Offer the strata in rounds, then what was cut, its lowest scores first."""
        order = scores.only_contenders(best_first(scores.values, scores.items.tie_keys()))
        aside = int(self.cut * order.size + 1e-9)
        rest = order[aside:]
        bins = equal_width_bins(scores.values[rest].astype(np.float64), self.bins)
        chances = luck(scores, rng)[rest]
        ledger.admit_many(np.concatenate([rest[dealt_out(bins, chances)], order[:aside][::-1]]))


def ccs(scores: Scores, ledger: Ledger, *, rng: np.random.Generator) -> None:
    """Fifty strata and no cut; for others pass ``Strata(bins, cut)``."""
    Strata()(scores, ledger, rng=rng)


def equal_width_bins(values: FloatArray, bins: int) -> IntArray:
    """The bin of every value, 0 for the lowest.

    Args:
        values: shape (m,), finite.
        bins: how many, between the lowest and the highest value, which belongs to the last one.

    Returns:
        Shape (m,), int64, in [0, bins); 0 where all values are equal.
    """
    if not values.size:
        return np.zeros(0, dtype=np.int64)
    low = float(values.min())
    width = float(values.max()) - low
    if not 0 < width < np.inf:
        return np.zeros(values.size, dtype=np.int64)
    found: IntArray = np.minimum((values - low) / width * bins, bins - 1).astype(np.int64)
    return found


def dealt_out(bins: IntArray, chances: FloatArray) -> IntArray:
    """An order in which the bins take turns, the larger ones first in every round.

    Args:
        bins: shape (m,), the bin of every row.
        chances: shape (m,), distinct; inside a bin the lower one goes first.

    Returns:
        Shape (m,), int64, a permutation. Any prefix of length N holds from each bin what smallest
        first hands it: min(its size, what is left // bins that are left). Of bins of equal size the
        one with the higher number counts as the larger.
    """
    by_chance = np.argsort(chances, kind="stable")
    turn = np.empty(bins.size, dtype=np.int64)
    turn[by_chance] = rank_within(bins[by_chance])
    sizes = np.bincount(bins)
    small_first = np.argsort(sizes, kind="stable")
    place = np.empty(sizes.size, dtype=np.int64)
    place[small_first] = np.arange(sizes.size)
    order: IntArray = np.lexsort((-place[bins], turn))
    return order
