"""Twins: for each row the one it resembles most, how much, and which test called it a duplicate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from datapruner.core.types import AnyArray, BoolArray, IntArray, UInt8Array
from datapruner.errors import ScoreError

__all__ = ["NO_TWIN", "Twins"]

NO_TWIN = -1
_MOST_STAGES = 255


@dataclass(frozen=True, eq=False)
class Twins:
    """The evidence behind a duplicate, one entry a row.

    Attributes:
        row: shape (n,), int64, the row that this one duplicates or, for a row that duplicates
            none, the nearest it was compared with; -1 where there is none.
        similarity: shape (n,), float32, to that row, in the measure of the stage; 0 without one.
        stage: shape (n,), uint8, 0 for a row that duplicates none; else the number, from 1, of the
            test that found it.
        stages: the names of those tests, for example ``("exact", "MinHash", "semantic")``.

    Raises:
        ScoreError: lengths, rows or stages that do not fit each other.
    """

    row: IntArray
    similarity: npt.NDArray[np.float32]
    stage: UInt8Array
    stages: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check once, for files are read through here as well."""
        row = np.asarray(self.row, dtype=np.int64)
        similarity = np.asarray(self.similarity, dtype=np.float32)
        stage = np.asarray(self.stage)
        if not row.shape == similarity.shape == stage.shape or row.ndim != 1:
            raise ScoreError(
                f"twins have shapes {row.shape}, {similarity.shape} and {stage.shape}; each needs "
                "one entry a row."
            )
        if row.size and not NO_TWIN <= row.min() <= row.max() < row.size:
            raise ScoreError(
                f"twins name rows {row.min()} to {row.max()}, but there are {row.size}."
            )
        if not np.isfinite(similarity).all():
            raise ScoreError("similarities of twins must be finite.")
        if len(self.stages) > _MOST_STAGES or stage.max(initial=0) > len(self.stages):
            raise ScoreError(
                f"twins name stage {stage.max(initial=0)}, but there are {len(self.stages)}."
            )
        if np.any((stage > 0) & (row == NO_TWIN)):
            raise ScoreError("a duplicate must name the row that it duplicates.")
        object.__setattr__(self, "row", row)
        object.__setattr__(self, "similarity", similarity)
        object.__setattr__(self, "stage", stage.astype(np.uint8, copy=False))
        object.__setattr__(self, "stages", tuple(self.stages))

    @classmethod
    def none(cls, n: int, stages: Sequence[str]) -> Twins:
        """Nobody resembles anybody yet."""
        return cls(
            np.full(n, NO_TWIN, dtype=np.int64),
            np.zeros(n, dtype=np.float32),
            np.zeros(n, dtype=np.uint8),
            tuple(stages),
        )

    def to_arrays(self) -> dict[str, AnyArray]:
        """What an archive holds, beside the names of the stages."""
        return {
            "twin": self.row,
            "twin_similarity": self.similarity,
            "twin_stage": self.stage,
        }

    @classmethod
    def from_arrays(
        cls, stages: Sequence[str] | None, arrays: Mapping[str, AnyArray]
    ) -> Twins | None:
        """What ``to_arrays`` gave; None where an archive names no stages."""
        if stages is None:
            return None
        columns = (arrays["twin"], arrays["twin_similarity"], arrays["twin_stage"])
        return cls(*columns, tuple(stages))

    @property
    def is_duplicate(self) -> BoolArray:
        """Shape (n,), bool: the rows that some stage called a duplicate."""
        found: BoolArray = self.stage > 0
        return found

    def take(self, rows: AnyArray) -> Twins:
        """The twins of these rows, renumbered; a twin that is not among them is forgotten.

        A duplicate whose twin is forgotten is none any more: nothing is left that it repeats.
        """
        place = np.full(self.row.size + 1, NO_TWIN, dtype=np.int64)
        place[rows] = np.arange(len(rows))
        row = place[self.row[rows]]
        gone = row == NO_TWIN
        return replace(
            self,
            row=row,
            similarity=np.where(gone, np.float32(0), self.similarity[rows]),
            stage=np.where(gone, np.uint8(0), self.stage[rows]),
        )
