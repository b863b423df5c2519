"""Vectors of texts that were embedded before, on disk.

A cache is a folder of segments, each a safetensors file with 128-bit keys (of the text and the
model's
fingerprint) and vectors, written under a temporary name and renamed. Processes may share a folder:
they only ever add files. Opening reads the keys; vectors are mapped when asked for, and their
checksum is
verified at the first use of a segment. A damaged segment is passed over with a warning in the log:
its texts are embedded again, and nothing wrong is ever returned.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from datapruner.core.types import AnyArray, IntArray, UInt64Array
from datapruner.errors import InputError, OutputError
from datapruner.vectors.store import open_vectors

__all__ = ["EmbeddingCache", "default_folder", "text_keys"]

log = logging.getLogger("datapruner")

Float32Array: TypeAlias = npt.NDArray[np.float32]

FORMAT = "datapruner-embeddings-1"
LOOSE_SEGMENTS = 64
"""New segments searched one by one before they are merged into the sorted index."""


def default_folder(fingerprint: str) -> Path:
    """Where a model's vectors are kept: $DATAPRUNER_CACHE, else ~/.cache/datapruner/embeddings."""
    root = os.environ.get("DATAPRUNER_CACHE")
    base = Path(root) if root else Path.home() / ".cache" / "datapruner"
    mark = hashlib.blake2b(fingerprint.encode(), digest_size=8).hexdigest()
    return base / "embeddings" / mark


def text_keys(texts: Sequence[str], fingerprint: str) -> UInt64Array:
    """128-bit keys of texts under one model.

    Returns:
        Shape (len(texts), 2), uint64: BLAKE2b of the text, keyed by the model's fingerprint.
    """
    salt = hashlib.blake2b(fingerprint.encode(), digest_size=32).digest()
    made = b"".join(
        hashlib.blake2b(t.encode("utf-8", "surrogatepass"), digest_size=16, key=salt).digest()
        for t in texts
    )
    return np.frombuffer(made, dtype="<u8").astype(np.uint64).reshape(-1, 2)


@dataclass(frozen=True, slots=True)
class _Index:
    """Keys sorted by their first word; ``segment`` and ``row`` say where the vector is."""

    keys: UInt64Array
    segment: IntArray
    row: IntArray

    @classmethod
    def of(cls, keys: UInt64Array, segment: IntArray, row: IntArray) -> _Index:
        order = np.argsort(keys[:, 0], kind="stable")
        return cls(keys[order], segment[order], row[order])

    def find(self, keys: UInt64Array) -> IntArray:
        """Position of each key, -1 for one that is not here."""
        if not len(self.keys):
            return np.full(len(keys), -1, dtype=np.int64)
        # Two keys that share their first 64 bits would hide one another: a miss, never a wrong hit.
        place = np.searchsorted(self.keys[:, 0], keys[:, 0]).astype(np.int64)
        place = np.minimum(place, len(self.keys) - 1)
        return np.where((self.keys[place] == keys).all(axis=1), place, -1)


class EmbeddingCache:
    """The cache in one folder, made if it does not exist.

    Args:
        folder: any folder of its own; models may share it, since keys hold the fingerprint.

    Raises:
        OutputError: the folder cannot be made.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"Cannot make the cache {folder}: {error.strerror}.") from error
        self._files: list[Path] = []
        self._verified: dict[int, bool] = {}
        self._sums: list[str] = []
        self._indexes: list[_Index] = []
        for path in sorted(self.folder.glob("*.safetensors")):
            self._admit(path)
        self._merge()

    def __len__(self) -> int:
        """How many vectors it knows (before damaged segments are found out)."""
        return sum(len(index.keys) for index in self._indexes)

    def get(self, keys: UInt64Array) -> tuple[IntArray, Float32Array]:
        """The vectors of those keys that are known.

        Args:
            keys: shape (m, 2), from ``text_keys``.

        Returns:
            (known, vectors): positions in ``keys``, rising, shape (h,), int64; shape (h, d),
            float32, (0, 0) if none is known. Keys whose vectors differ in width: only the first
            width's.
        """
        segment = np.full(len(keys), -1, dtype=np.int64)
        row = np.zeros(len(keys), dtype=np.int64)
        for index in self._indexes:
            place = index.find(keys)
            hit = (place >= 0) & (segment < 0)
            segment[hit], row[hit] = index.segment[place[hit]], index.row[place[hit]]
        found: dict[int, Float32Array] = {}
        for number in np.unique(segment[segment >= 0]).tolist():
            if self._is_sound(number):
                source = open_vectors(f"{self._files[number]}:vectors")
                found[number] = source.take(row[segment == number])
        widths = [vectors.shape[1] for vectors in found.values()]
        width = widths[0] if widths else 0
        numbers = [number for number, vectors in found.items() if vectors.shape[1] == width]
        known = np.flatnonzero(np.isin(segment, numbers))
        out = np.empty((len(known), width), dtype=np.float32)
        for number in numbers:
            out[segment[known] == number] = found[number]
        return known, out

    def put(self, keys: UInt64Array, vectors: Float32Array) -> None:
        """Keep vectors; on return they are on the disk.

        Args:
            keys: shape (m, 2), from ``text_keys``.
            vectors: shape (m, d), float32.

        Raises:
            InputError: the numbers of keys and vectors differ.
            OutputError: the segment cannot be written.
        """
        from safetensors.numpy import save

        if keys.shape != (len(vectors), 2) or vectors.ndim != 2:
            raise InputError(f"Keys of shape {keys.shape} do not fit vectors {vectors.shape}.")
        if not len(vectors):
            return
        keys = np.ascontiguousarray(keys, dtype=np.uint64)
        vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        facts = {"format": FORMAT, "keys": _sum(keys), "vectors": _sum(vectors)}
        path = self.folder / f"{uuid.uuid4().hex}.safetensors"
        temporary = path.with_suffix(".tmp")
        try:
            with temporary.open("xb") as file:
                file.write(save({"keys": keys, "vectors": vectors}, facts))
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise OutputError(f"Cannot write {path}: {error.strerror or error}.") from error
        self._admit(path)
        if len(self._indexes) > LOOSE_SEGMENTS:
            self._merge()

    def _admit(self, path: Path) -> None:
        """Read the keys of a segment; one that is not whole is left out."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="np") as file:
                facts = file.metadata() or {}
                keys = file.get_tensor("keys")
            if facts["format"] != FORMAT or facts["keys"] != _sum(keys) or keys.shape[1:] != (2,):
                raise ValueError("its checksum or version is wrong")
            total = facts["vectors"]
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            log.warning("cache segment %s is left out: %s", path, error)
            return
        number = np.full(len(keys), len(self._files), dtype=np.int64)
        self._files.append(path)
        self._sums.append(total)
        self._indexes.append(_Index.of(keys, number, np.arange(len(keys))))

    def _merge(self) -> None:
        if len(self._indexes) > 1:
            self._indexes = [
                _Index.of(
                    np.concatenate([index.keys for index in self._indexes]),
                    np.concatenate([index.segment for index in self._indexes]),
                    np.concatenate([index.row for index in self._indexes]),
                )
            ]

    def _is_sound(self, number: int) -> bool:
        """Whether the vectors of a segment are those that were written; asked once for each."""
        from safetensors import SafetensorError, safe_open

        if number not in self._verified:
            try:
                with safe_open(self._files[number], framework="np") as file:
                    sound = _sum(file.get_tensor("vectors")) == self._sums[number]
            except (SafetensorError, OSError):
                sound = False
            if not sound:
                log.warning("cache segment %s is damaged and left out", self._files[number])
            self._verified[number] = sound
        return self._verified[number]


def _sum(values: AnyArray) -> str:
    return hashlib.blake2b(np.ascontiguousarray(values).data, digest_size=16).hexdigest()
