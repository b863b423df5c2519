"""Uncertainty of a model about a row, without looking at its label: margin, entropy, confidence.

One convention for all three: high means harder, that is, less certain. Uniform probabilities give
the highest value and a sure answer the lowest, so ``high`` keeps what the model is unsure of, with
and without class balance. (A widely used library stores the negatives and keeps the most certain
rows when it does not balance classes, and takes logits for probabilities in one of the three; tests
hold against both.)

By default the last snapshot counts, the model at the end of its training. Give a model that has not
seen the rows, or has not learnt them by heart: one that has is certain of everything.

Source: Settles 2009, "Active learning literature survey"; Coleman et al. 2020, "Selection via
proxy", arXiv:1906.11829.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from datapruner.core.types import FloatArray
from datapruner.scorers.logged import Block
from datapruner.scorers.meanscore import MeanScore

__all__ = ["Confidence", "Entropy", "Margin"]


@dataclass(frozen=True)
class Margin(MeanScore):
    """The lead of the most probable class over the second, with a minus: in [-1, 0].

    Attributes:
        snapshots, on_bad: as for ``MeanScore``; by default the last snapshot.
    """

    snapshots: int | None = -1

    method: ClassVar[str] = "margin"
    columns: ClassVar[tuple[str, ...]] = ("logits",)
    needs: ClassVar[frozenset[str]] = frozenset(columns)

    def term(self, block: Block) -> FloatArray:
        """Shape (m,), float64, in [-1, 0]; 0 where two classes share the lead."""
        top = np.partition(block.probabilities(), -2, axis=1)
        lead: FloatArray = top[:, -2] - top[:, -1]
        return lead


@dataclass(frozen=True)
class Entropy(MeanScore):
    """The entropy of the probabilities, in nats: in [0, log C].

    Attributes:
        snapshots, on_bad: as for ``MeanScore``; by default the last snapshot.
    """

    snapshots: int | None = -1

    method: ClassVar[str] = "entropy"
    columns: ClassVar[tuple[str, ...]] = ("logits",)
    needs: ClassVar[frozenset[str]] = frozenset(columns)

    def term(self, block: Block) -> FloatArray:
        """Shape (m,), float64, not negative."""
        log_p = block.log_probabilities()
        entropy: FloatArray = np.maximum(-(np.exp(log_p) * log_p).sum(axis=1), 0)
        return entropy


@dataclass(frozen=True)
class Confidence(MeanScore):
    """One minus the largest probability (least confidence): in [0, 1 - 1/C].

    Attributes:
        snapshots, on_bad: as for ``MeanScore``; by default the last snapshot.
    """

    snapshots: int | None = -1

    method: ClassVar[str] = "confidence"
    columns: ClassVar[tuple[str, ...]] = ("logits",)
    needs: ClassVar[frozenset[str]] = frozenset(columns)

    def term(self, block: Block) -> FloatArray:
        """Shape (m,), float64, in [0, 1 - 1/C]."""
        doubt: FloatArray = 1 - block.probabilities().max(axis=1)
        return doubt
