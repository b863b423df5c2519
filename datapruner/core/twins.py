"""Twins: for each row the one it resembles most, how much, and which test called it a duplicate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from datapruner.core.types import AnyArray, BoolArray, IntArray, UInt8Array
from datapruner.errors import ScoreError

__all__ = ["NO_TWIN", "Twins"]

NO_TWIN = -1
_ELSEWHERE = -2  # and below: a place in ``foreign``, counted downwards
_MOST_STAGES = 255


def _nobody() -> AnyArray:
    return np.empty(0, dtype=object)


@dataclass(frozen=True, eq=False)
class Twins:
    """The evidence behind a duplicate, one entry a row.

    Attributes:
        row: shape (n,), int64, the row that this one duplicates or, for a row that duplicates
            none, the nearest it was compared with; -1 where there is none. A row of another data
            set, the i-th of ``foreign``, is -2 - i.
        similarity: shape (n,), float32, to that row, in the measure of the stage; 0 without one.
        stage: shape (n,), uint8, 0 for a row that duplicates none; else the number, from 1, of the
            test that found it.
        stages: the names of those tests, for example ``("exact", "MinHash", "semantic")``. Tests
            against another data set name it: ``"exact against test.jsonl"``.
        foreign: shape (f,), text, ids of rows of other data sets that are somebody's twins; empty
            where nothing was compared with another data set.

    Raises:
        ScoreError: lengths, rows or stages that do not fit each other.
    """

    row: IntArray
    similarity: npt.NDArray[np.float32]
    stage: UInt8Array
    stages: tuple[str, ...]
    foreign: AnyArray = field(default_factory=_nobody)

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
        lowest = _ELSEWHERE + 1 - len(self.foreign)
        if row.size and not lowest <= row.min() <= row.max() < row.size:
            raise ScoreError(
                f"twins name rows {row.min()} to {row.max()}, but there are {row.size}, and "
                f"{len(self.foreign)} of other data sets."
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
        arrays: dict[str, AnyArray] = {
            "twin": self.row,
            "twin_similarity": self.similarity,
            "twin_stage": self.stage,
        }
        return arrays if not len(self.foreign) else {**arrays, "twin_foreign": self.foreign}

    @classmethod
    def from_arrays(
        cls, stages: Sequence[str] | None, arrays: Mapping[str, AnyArray]
    ) -> Twins | None:
        """What ``to_arrays`` gave; None where an archive names no stages."""
        if stages is None:
            return None
        columns = (arrays["twin"], arrays["twin_similarity"], arrays["twin_stage"])
        return cls(*columns, tuple(stages), arrays.get("twin_foreign", _nobody()))

    @property
    def is_duplicate(self) -> BoolArray:
        """Shape (n,), bool: the rows that some stage called a duplicate."""
        found: BoolArray = self.stage > 0
        return found

    @property
    def has_twin(self) -> BoolArray:
        """Shape (n,), bool: the rows that have a twin, here or in another data set."""
        found: BoolArray = self.row != NO_TWIN
        return found

    def foreign_id(self, row: int) -> str | None:
        """The id of a row's twin in another data set; None where its twin is not in one."""
        twin = int(self.row[row])
        return None if twin > _ELSEWHERE else str(self.foreign[_ELSEWHERE - twin])

    def with_foreign(
        self, rows: IntArray, ids: AnyArray, similarity: AnyArray, stage: AnyArray
    ) -> Twins:
        """The twins with some rows' twins in other data sets.

        Args:
            rows: shape (m,), whose twins they are.
            ids: shape (m,), of the twins; they are kept as text.
            similarity: shape (m,), to them.
            stage: shape (m,), the number of the test that found them, 0 for no duplicate.
        """
        named = np.array([str(id) for id in ids.tolist()], dtype=object)
        names, place = np.unique(named, return_inverse=True)
        twin, likeness, found = self.row.copy(), self.similarity.copy(), self.stage.copy()
        twin[rows] = _ELSEWHERE - len(self.foreign) - place
        likeness[rows], found[rows] = similarity, stage
        foreign = np.concatenate([self.foreign, names])
        return replace(self, row=twin, similarity=likeness, stage=found, foreign=foreign)

    def take(self, rows: AnyArray) -> Twins:
        """The twins of these rows, renumbered; a twin here that is not among them is forgotten.

        A duplicate whose twin is forgotten is none any more: nothing is left that it repeats.
        """
        place = np.full(self.row.size + 1, NO_TWIN, dtype=np.int64)
        place[rows] = np.arange(len(rows))
        twin = self.row[rows]
        row = np.where(twin <= _ELSEWHERE, twin, place[np.maximum(twin, NO_TWIN)])
        gone = row == NO_TWIN
        return replace(
            self,
            row=row,
            similarity=np.where(gone, np.float32(0), self.similarity[rows]),
            stage=np.where(gone, np.uint8(0), self.stage[rows]),
        )
