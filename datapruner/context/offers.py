"""In which order sentences are offered to the ledger: floors first, then the best with company."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from datapruner.context.knapsack import best_subset
from datapruner.core.ledger import Ledger
from datapruner.core.order import best_first, rank_within
from datapruner.core.reason import Reason
from datapruner.core.scores import Scores
from datapruner.core.types import BoolArray, FloatArray, IntArray

__all__ = ["PICKS", "Offers"]

PICKS = ("high", "density", "exact")
"""How sentences may be ranked: by score, by score per token, or as the best set of all."""


@dataclass
class Offers:
    """A picker for sentences.

    Attributes:
        pick: one of ``PICKS``.
        threshold: rows below it are refused, except those that come along with another.
        floor: the best rows of every chunk that are offered before all others.
        neighbours: rows on either side of a kept one, inside its chunk, that are offered with it.
        price: rows whose score is below this much a token are refused as under the threshold.
        guaranteed: after the call, the rows that the floor put first.
        company: after the call, the rows that were admitted as neighbours.
    """

    pick: str = "high"
    threshold: float | None = None
    floor: int = 0
    neighbours: int = 0
    price: float | None = None
    guaranteed: list[int] = field(default_factory=list)
    company: list[int] = field(default_factory=list)

    side: ClassVar[str] = "high"
    draws: ClassVar[bool] = False

    @property
    def __name__(self) -> str:
        """What the provenance calls it."""
        return self.pick

    def __call__(self, scores: Scores, ledger: Ledger, *, rng: np.random.Generator) -> None:
        """Offer the rows; nothing is drawn."""
        order = scores.only_contenders(
            best_first(_keys(scores, self.pick), scores.items.tie_keys())
        )
        met = np.ones(order.size, dtype=bool)
        if self.threshold is not None:
            met = scores.values[order] >= self.threshold
        if self.price is not None:
            met &= scores.values[order] >= self.price * scores.items.cost[order]
        wanted = order[met]
        if self.floor:
            # Floors go by the score alone: the best of a chunk is not its shortest sentence.
            by_score = best_first(scores.values, scores.items.tie_keys())
            by_score = by_score[np.isin(by_score, wanted)]
            first = by_score[rank_within(scores.groups[by_score]) < self.floor]
            self.guaranteed = first.tolist()
            self._offer(first, scores, ledger)
        if self.pick == "exact":
            wanted = _best_set_first(wanted, scores, ledger)
        self._offer(wanted, scores, ledger)
        for row in order[~met].tolist():
            ledger.refuse(row, Reason.THRESHOLD)

    def _offer(self, rows: IntArray, scores: Scores, ledger: Ledger) -> None:
        if not self.neighbours:
            ledger.admit_many(rows)
            return
        for row in rows.tolist():
            if not ledger.admit(row):
                continue
            for beside in _beside(row, scores, self.neighbours):
                if not ledger.is_kept(beside) and ledger.admit(beside):
                    self.company.append(beside)


def _beside(row: int, scores: Scores, reach: int) -> Iterator[int]:
    """The rows around this one in its chunk, the nearest first, of two the one before."""
    groups = scores.groups
    for step in range(1, reach + 1):
        for other in (row - step, row + step):
            if 0 <= other < groups.size and groups[other] == groups[row]:
                yield other


def _keys(scores: Scores, pick: str) -> FloatArray:
    if pick != "density":
        return scores.values
    # A score below 0 does not get better by being long; a free sentence costs at least something.
    values = scores.values.astype(np.float64)
    price = np.maximum(scores.items.cost, 0.5)
    return np.where(values > 0, values / price, values)


def _best_set_first(rows: IntArray, scores: Scores, ledger: Ledger) -> IntArray:
    open_rows = np.array([row for row in rows.tolist() if not ledger.is_kept(row)], dtype=np.int64)
    best: BoolArray = best_subset(
        scores.values[open_rows], scores.items.cost[open_rows], ledger.cost_limit - ledger.cost
    )
    return np.concatenate([open_rows[best], open_rows[~best]])
