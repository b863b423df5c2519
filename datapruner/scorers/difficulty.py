"""Difficulty from a logged run: EL2N, GraNd and the area under the margin.

All three read what a training loop logged (``logits`` and ``label_codes`` of every row at one or
more snapshots); none trains anything. High means harder, throughout. The hardest rows are also
where wrong labels sit: set some aside (``Strata(cut=...)``) or take ``moderate`` unless labels are
clean. Where less than a third is kept, keeping the hard end falls below a random draw on the
published benchmarks; spread the budget over the levels instead (``mixed``, ``ccs``, ``d2``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from datapruner.core.types import FloatArray
from datapruner.scorers.logged import Block
from datapruner.scorers.meanscore import ENOUGH, MeanScore

__all__ = ["AUM", "EL2N", "GraNd"]


@dataclass(frozen=True)
class EL2N(MeanScore):
    """How far the model's probabilities are from the label early in training.

    ``|p - onehot(label)|``, the Euclidean length, in [0, sqrt(2)]; the mean over snapshots. Adding
    a constant to a row's logits changes nothing.

    Attributes:
        snapshots, on_bad: as for ``MeanScore``. By default the first ten: ten short runs, as in the
            paper, or the first ten epochs of one run, as others do, which is not the same but ranks
            alike.

    Source: Paul, Ganguli and Dziugaite 2021, "Deep learning on a data diet", arXiv:2107.07075.
    """

    snapshots: int | None = ENOUGH

    method: ClassVar[str] = "el2n"
    columns: ClassVar[tuple[str, ...]] = ("logits", "label_codes")
    needs: ClassVar[frozenset[str]] = frozenset(columns)

    def term(self, block: Block) -> FloatArray:
        """Shape (m,), float64, in [0, sqrt(2)]."""
        return error_length(block)

    def advice(self, used: int) -> tuple[str, ...]:
        """A single snapshot is a noisy judge; says so below ten."""
        return _few(self.method, used)


@dataclass(frozen=True)
class GraNd(MeanScore):
    """The length of the gradient that a row gives the last layer, early in training.

    For a linear last layer with a bias on features h, under cross-entropy, it is exactly
    ``|p - onehot(label)| * sqrt(1 + |h|**2)``: no backward pass is needed. The mean over snapshots;
    not negative, without an upper bound.

    Attributes:
        snapshots, on_bad: as for ``EL2N``.

    Source: as for ``EL2N``. Departs from the paper in: the last layer alone, as is common.
    """

    snapshots: int | None = ENOUGH

    method: ClassVar[str] = "grand"
    columns: ClassVar[tuple[str, ...]] = ("logits", "label_codes", "features")
    needs: ClassVar[frozenset[str]] = frozenset(columns)

    def term(self, block: Block) -> FloatArray:
        """Shape (m,), float64, not negative."""
        assert block.features is not None
        length: FloatArray = np.sqrt(1 + (block.features * block.features).sum(axis=1))
        return error_length(block) * length

    def advice(self, used: int) -> tuple[str, ...]:
        """A single snapshot is a noisy judge; says so below ten."""
        return _few(self.method, used)


@dataclass(frozen=True)
class AUM(MeanScore):
    """The area under the margin, with a minus: how much another class was preferred to the label.

    ``max over the other classes of p - p(label)``, in [-1, 1]: below 0 where the model is right.
    The mean over all epochs of a run. Mislabelled rows stay high to the end; hard ones come down.

    Attributes:
        snapshots, on_bad: as for ``MeanScore``.

    Source: Pleiss et al. 2020, "Identifying mislabeled data using the area under the margin
    ranking", arXiv:2001.10528. Departs from it in: probabilities instead of logits, as the
    coverage-centric strata use them; the sign, so that high means harder as everywhere here.
    """

    method: ClassVar[str] = "aum"
    columns: ClassVar[tuple[str, ...]] = ("logits", "label_codes")
    needs: ClassVar[frozenset[str]] = frozenset(columns)

    def term(self, block: Block) -> FloatArray:
        """Shape (m,), float64, in [-1, 1]."""
        own, other = block.of_label(block.probabilities())
        return other - own


def error_length(block: Block) -> FloatArray:
    """Shape (m,), float64: the Euclidean distance of the probabilities from the label."""
    error = block.probabilities()
    error[np.arange(len(error)), block.labels] -= 1
    length: FloatArray = np.sqrt((error * error).sum(axis=1))
    return length


def _few(method: str, used: int) -> tuple[str, ...]:
    if used >= ENOUGH:
        return ()
    return (
        f"{method}: the mean of {used} snapshot{'s' if used > 1 else ''}; single runs disagree, "
        f"{ENOUGH} or more are advised",
    )
