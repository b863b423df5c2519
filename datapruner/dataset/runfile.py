"""The file of a logged run: one flat file of epochs, and a JSON header that says which are whole.

    run.log         labels int32 (n); of a log with ids their keys uint64 (n), by which rows are
                    found again; then one slab an epoch: times uint16 (n), logits (n, C), features
                    (n, d) where asked for; each part starts at a multiple of 64 bytes
    run.log.json    shape, dtype, and of every whole epoch how many rows it holds

Numbers are little-endian. The header is written after the slab it speaks of is on the disk, and
appears whole or not at all, so whatever it lists can be read, also after the writer was killed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from datapruner.core.types import AnyArray, UInt64Array
from datapruner.errors import FormatError, InputError
from datapruner.output import atomic_write_bytes
from datapruner.rng import hash_ids, mix

__all__ = [
    "DTYPES",
    "Epoch",
    "Header",
    "Layout",
    "digest_of_ids",
    "header_path",
    "keys_of_ids",
    "read_header",
]

FORMAT = "datapruner.runlog"
VERSION = 2
ALIGN = 64
DTYPES = ("float32", "float16")


@dataclass(frozen=True)
class Epoch:
    """What a whole epoch of a log holds.

    Attributes:
        epoch: its number, as the training loop gave it.
        logged: rows that were recorded at least once.
        missing: rows that were not.
        repeated: rows that were recorded more than once; the last time counts.
    """

    epoch: int
    logged: int
    missing: int
    repeated: int


@dataclass(frozen=True)
class Header:
    """What a log is of.

    Attributes:
        n: rows.
        classes: logits a row.
        width: features a row; 0: none are logged.
        dtype: ``"float32"`` or ``"float16"``, of logits and features.
        ids: digest of the ids in their order; None where rows go by number.
        epochs: the whole ones, in the order of their recording, which is that of their numbers.
    """

    n: int
    classes: int
    width: int
    dtype: str
    ids: str | None
    epochs: tuple[Epoch, ...] = ()

    def write(self, path: Path) -> None:
        """Put the header beside the log, whole or not at all.

        Raises:
            OutputError: it cannot be written.
        """
        body = {"format": FORMAT, "version": VERSION, **asdict(self)}
        text = json.dumps(body, indent=1) + "\n"
        atomic_write_bytes(header_path(path), text.encode(), overwrite=True)


class Layout:
    """Where each part of a log lies in its file.

    Args:
        header: what the log is of.
    """

    def __init__(self, header: Header) -> None:
        item = np.dtype(header.dtype).itemsize
        self.header = header
        self.labels = _aligned(4 * header.n)
        self.head = self.labels + (0 if header.ids is None else _aligned(8 * header.n))
        self.times = _aligned(2 * header.n)
        self.logits = _aligned(item * header.n * header.classes)
        self.features = _aligned(item * header.n * header.width)

    @property
    def slab(self) -> int:
        """Bytes an epoch takes."""
        return self.times + self.logits + self.features

    def size(self, epochs: int) -> int:
        """Bytes of a file with so many epochs."""
        return self.head + epochs * self.slab

    def map_labels(self, path: Path, mode: Any) -> AnyArray:
        """Shape (n,), int32; -1 where no label was seen yet."""
        return _mapped(path, "<i4", mode, 0, (self.header.n,))

    def map_keys(self, path: Path, mode: Any) -> AnyArray:
        """Shape (n,), uint64: a hash of every row's id; of a log with ids alone."""
        return _mapped(path, "<u8", mode, self.labels, (self.header.n,))

    def map_times(self, path: Path, mode: Any, place: int) -> AnyArray:
        """Shape (n,), uint16: how often each row was recorded in the epoch at this place."""
        return _mapped(path, "<u2", mode, self.size(place), (self.header.n,))

    def map_logits(self, path: Path, mode: Any, place: int) -> AnyArray:
        """Shape (n, C), of the log's dtype."""
        shape = (self.header.n, self.header.classes)
        return _mapped(path, self._dtype, mode, self.size(place) + self.times, shape)

    def map_features(self, path: Path, mode: Any, place: int) -> AnyArray:
        """Shape (n, d), of the log's dtype."""
        start = self.size(place) + self.times + self.logits
        return _mapped(path, self._dtype, mode, start, (self.header.n, self.header.width))

    @property
    def _dtype(self) -> str:
        return np.dtype(self.header.dtype).newbyteorder("<").str


def read_header(path: Path) -> Header:
    """The header of a log, checked against the size of its file.

    Raises:
        InputError: there is no such log.
        FormatError: not a run log, damaged, or of another version.
    """
    beside = header_path(path)
    for file in (path, beside):
        if not file.is_file():
            raise InputError(f"there is no file {file}; check the name and the folder.")
    try:
        body = json.loads(beside.read_text(encoding="utf-8"))
        if body.pop("format", None) != FORMAT:
            raise ValueError("it is not the header of a run log")
        version = body.pop("version", None)
        if version == VERSION:
            epochs = tuple(Epoch(**epoch) for epoch in body.pop("epochs"))
            header = Header(**body, epochs=epochs)
            if header.dtype not in DTYPES or min(header.n, header.classes, header.width) < 0:
                raise ValueError(f"its shape or dtype cannot be: {header}")
            need, there = Layout(header).size(len(epochs)), path.stat().st_size
            if there < need:
                raise ValueError(f"{path} has {there} bytes of {need}")
            return header
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise FormatError(f"{beside} cannot be read: {error}. Log the run again.") from error
    raise FormatError(
        f"{beside} has format version {version}; this datapruner reads {VERSION}. Log the run "
        "again with this version."
    )


def header_path(path: Path) -> Path:
    """Where the header of a log lies: beside it."""
    return path.with_name(f"{path.name}.json")


def keys_of_ids(ids: Sequence[Any] | AnyArray) -> UInt64Array:
    """Shape (n,), uint64: a hash of each id; ``"7"`` and 7 have the same."""
    return hash_ids([str(one) for one in (ids.tolist() if isinstance(ids, np.ndarray) else ids)])


def digest_of_ids(ids: Sequence[Any] | AnyArray) -> str:
    """16 hex digits that tell ids in their order; ``"7"`` and 7 are the same."""
    keys = keys_of_ids(ids)
    with np.errstate(over="ignore"):
        places = mix(np.arange(len(keys)), 1)
        return f"{int(mix(keys ^ places).sum(dtype=np.uint64)):016x}"


def _aligned(size: int) -> int:
    return -(-size // ALIGN) * ALIGN


def _mapped(path: Path, dtype: str, mode: Any, offset: int, shape: tuple[int, ...]) -> AnyArray:
    if 0 in shape:  # nothing can be mapped
        return np.zeros(shape, dtype=dtype)
    # As a plain array: indexing the memmap subclass costs several times as much.
    return np.asarray(np.memmap(path, dtype=dtype, mode=mode, offset=offset, shape=shape))
