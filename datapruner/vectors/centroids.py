"""Centroids: the product of a clustering, with what is needed to say how they were made."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from datapruner.core.types import BoolArray
from datapruner.errors import FormatError, InputError, OutputError
from datapruner.vectors.content import row_dot, row_keys, unit_rows

__all__ = ["Centroids", "Metric", "distinct", "tidy"]

Metric: TypeAlias = Literal["cosine", "l2"]

FORMAT = "datapruner-centroids-1"

SAME_COSINE = 1 - 1e-6
"""Centroids closer than this are one: some roundings of float32."""

PRODUCT_ROWS = 1024


@dataclass(frozen=True, slots=True)
class Centroids:
    """Centres of clusters, in an order that follows from their values alone.

    Attributes:
        centroids: shape (k, d), float32; of unit length for ``"cosine"``.
        k_asked: how many were asked for; ``k`` is lower when rows or centroids coincide.
        metric: ``"cosine"`` (spherical) or ``"l2"``.
        backend: ``"faiss"`` or ``"sklearn"``, whichever ran.
        device: ``"cpu"`` or ``"cuda"``, whichever ran.
        sample_size: rows they were trained on.
        iterations: the limit that training was given.
        seed: the user's seed.
    """

    centroids: npt.NDArray[np.float32]
    k_asked: int
    metric: Metric
    backend: str
    device: str
    sample_size: int
    iterations: int
    seed: int

    def __post_init__(self) -> None:
        shape, dtype = self.centroids.shape, self.centroids.dtype
        if len(shape) != 2 or shape[0] < 1 or dtype != np.float32:
            raise InputError(
                f"Centroids need shape (k, d) with k >= 1 in float32, not {shape} {dtype}."
            )
        if self.metric not in ("cosine", "l2"):
            raise InputError(f'Centroids have metric "{self.metric}"; known: cosine, l2.')

    @property
    def k(self) -> int:
        """How many there are."""
        return len(self.centroids)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a safetensors file, whole or not at all.

        Raises:
            OutputError: it cannot be written.
        """
        from safetensors.numpy import save

        facts = {key: getattr(self, key) for key in self.__slots__ if key != "centroids"}
        array = np.ascontiguousarray(self.centroids)
        data = save({"centroids": array}, {"format": FORMAT, "facts": json.dumps(facts)})
        temporary = Path(f"{os.fspath(path)}.{os.getpid()}.tmp")
        try:
            temporary.write_bytes(data)
            os.replace(temporary, path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise OutputError(f"Cannot write {path}: {error.strerror or error}.") from error

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Centroids:
        """Read what ``save`` wrote.

        Raises:
            FormatError: the file is damaged, or not one of ours.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="np") as file:
                metadata = file.metadata() or {}
                if metadata.get("format") != FORMAT:
                    raise FormatError(f"{path} does not hold centroids of this version ({FORMAT}).")
                return cls(file.get_tensor("centroids"), **json.loads(metadata["facts"]))
        except (SafetensorError, OSError, KeyError, TypeError, json.JSONDecodeError) as error:
            raise FormatError(f"{path} cannot be read as centroids: {error}") from error


def tidy(centroids: npt.NDArray[np.float32], metric: Metric) -> npt.NDArray[np.float32]:
    """Centroids normalised if spherical, in canonical order, each once.

    Args:
        centroids: shape (k, d), float32, as they came out of training.
        metric: ``"cosine"`` drops centroids without a direction and those whose cosine with an
            earlier one exceeds 1 - 1e-6; ``"l2"`` drops exact repeats only, since no distance is
            small without knowing the scale of the data.

    Returns:
        Shape (k', d), k' <= k, ordered by the hash of their values.
    """
    usable = np.isfinite(centroids).all(axis=1)
    if metric == "cosine":
        usable &= centroids.any(axis=1)
    rows = centroids[usable] + np.float32(0)  # no negative zeros, so that equal means equal bytes
    if metric == "cosine":
        rows = unit_rows(rows)[0]
    keys, first = np.unique(row_keys(rows), return_index=True)
    rows = rows[first]
    return rows[distinct(rows)] if metric == "cosine" and len(keys) > 1 else rows


def distinct(unit: npt.NDArray[np.float32]) -> BoolArray:
    """Which rows have no near-equal kept row before them; near-equality is settled in float64."""
    keep = np.ones(len(unit), dtype=np.bool_)
    margin = 4 * unit.shape[1] * 2.0**-24
    pairs = []
    for start in range(0, len(unit), PRODUCT_ROWS):
        block = unit[start : start + PRODUCT_ROWS]
        later, earlier = np.nonzero(block @ unit.T > SAME_COSINE - margin)
        pairs.append(np.stack([later + start, earlier], axis=1))
    both = np.concatenate(pairs)
    both = both[both[:, 1] < both[:, 0]]
    if len(both):
        wide = unit.astype(np.float64)
        wide /= np.sqrt(row_dot(wide, wide))[:, None]
        both = both[row_dot(wide[both[:, 0]], wide[both[:, 1]]) > SAME_COSINE]
    for later, earlier in both.tolist():  # in rising order of the later row
        if keep[earlier]:
            keep[later] = False
    return keep
