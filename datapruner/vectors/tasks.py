"""The passes over every row, as functions over a block that any engine can run."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from datapruner.core.types import AnyArray
from datapruner.vectors.assign import BlockAssigner
from datapruner.vectors.centroids import Centroids
from datapruner.vectors.content import bad_rows, row_keys

__all__ = ["Assign", "Scan"]

Float32Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Scan:
    """Key and bad-row code of every row: ``content.row_keys`` and ``content.bad_rows``."""

    name: ClassVar[str] = "scan"
    key: ClassVar[bytes] = b""
    dtypes: ClassVar[tuple[str, ...]] = ("uint64", "uint8")

    def __call__(self, block: Float32Array) -> tuple[AnyArray, ...]:
        """Shapes (m,), uint64 and uint8."""
        return row_keys(block), bad_rows(block)


@dataclass(frozen=True, eq=False)
class Assign:
    """Nearest centroid of every row and how far it is, exactly (``vectors.assign``).

    Attributes:
        centroids: from ``kmeans.fit_centroids``.
        backend: who multiplies; changes nothing in the answer.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``; changes nothing in the answer.
    """

    centroids: Centroids
    backend: str = "auto"
    device: str = "auto"

    name: ClassVar[str] = "assign"
    dtypes: ClassVar[tuple[str, ...]] = ("int32", "float32")

    @property
    def key(self) -> bytes:
        """Of the centroids and their metric."""
        rows = self.centroids.centroids
        made = hashlib.blake2b(f"{self.centroids.metric} {rows.shape}".encode(), digest_size=16)
        made.update(np.ascontiguousarray(rows).data)
        return made.digest()

    def __call__(self, block: Float32Array) -> tuple[AnyArray, ...]:
        """Shapes (m,): labels, int32, -1 for a bad row; distances, float32, NaN for a bad row."""
        labels, distance, _ = self._assigner(block)
        return labels, distance

    @cached_property
    def _assigner(self) -> BlockAssigner:
        return BlockAssigner(self.centroids, self.backend, self.device)

    def __getstate__(self) -> dict[str, Any]:
        """Without the tables, which every process makes for itself."""
        return {name: value for name, value in self.__dict__.items() if name != "_assigner"}
