"""Small stand-ins that keep their promises: a scorer that reads its values off a feature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from datapruner.core.items import Items
from datapruner.core.ledger import Ledger
from datapruner.core.scores import Scores

__all__ = ["FeatureScorer", "OfferAll"]


@dataclass(frozen=True)
class FeatureScorer:
    """The score of a row is what the named feature says; rows without a number are barred."""

    feature: str = "value"

    def __call__(self, items: Items, *, query: str | None = None, seed: int = 0) -> Scores:
        values = np.asarray(items.feature(self.feature, "fake"), dtype=np.float64)
        unreadable = ~np.isfinite(values)
        return Scores(np.where(unreadable, 0, values), items.bar(unreadable), "larger", "fake")


class OfferAll:
    """A picker that offers every row in row order, one by one, and vetoes those it was told to."""

    def __init__(self, veto: tuple[int, ...] = ()) -> None:
        self.veto = veto

    def __call__(self, scores: Scores, ledger: Ledger, *, rng: Any) -> None:
        for row in range(scores.items.n):
            if row in self.veto:
                ledger.refuse(row)
            else:
                ledger.admit(row)
