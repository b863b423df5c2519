"""An (n, d) matrix of floats read block by block, whatever it lives in.

A caller never learns whether the vectors are an array, a memory map or an Arrow column: it
iterates over ``blocks`` or asks for some rows with ``take`` and gets float32 copies. Pages of a
memory map are given back after each block, so resident memory stays at one block however long the
file is. ``datapruner.vectors.sources`` turns what the user has into the parts that are read here.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from datapruner.core.types import AnyArray, IntArray, UInt8Array, UInt64Array
from datapruner.errors import InputError, OutputError

__all__ = ["VectorWriter", "Vectors", "as_float32", "open_vectors"]

BLOCK_BYTES = 16 * 2**20
"""Size of a default block: large enough for the libraries, small beside any machine's memory."""

TAKE_ROWS = 2048
"""Rows gathered before pages are given back: the kernel maps up to 64 KiB around each one."""

HEADER_BYTES = 128
"""Room for the .npy header; the longest one (19-digit n, 10-digit d) takes 102 bytes."""


class Vectors:
    """An (n, d) float matrix that is read in pieces; made by ``open_vectors``.

    Attributes:
        n: number of rows.
        d: number of columns.
        dtype: how the values are stored, for example ``"float16"``; blocks are float32 all the
            same.
        description: where they come from, for messages and reports.
        scanned: what ``content.scan`` found, once somebody asked; None before.
    """

    def __init__(
        self,
        parts: Sequence[AnyArray],
        d: int,
        *,
        dtype: str,
        description: str,
        keep_alive: object = None,
    ) -> None:
        """Put parts of shape (n_i, d) under each other; uint16 parts hold bfloat16 bits."""
        # As plain arrays: indexing the memmap subclass costs several times as much (measured).
        self._parts = [np.asarray(part) for part in parts]
        self._starts = np.cumsum([0, *(len(part) for part in self._parts)], dtype=np.int64)
        self._maps = [_file_map(part) for part in parts]
        self._keep_alive = keep_alive
        self.scanned: tuple[UInt64Array, UInt8Array] | None = None
        self.n = int(self._starts[-1])
        self.d = d
        self.dtype = dtype
        self.description = description

    def __len__(self) -> int:
        return self.n

    def __repr__(self) -> str:
        return f"Vectors(n={self.n}, d={self.d}, dtype={self.dtype}, from {self.description})"

    def blocks(self, rows: int | None = None) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
        """All rows in order, some at a time.

        Args:
            rows: rows in a block; the last one may be shorter. None: as many as fit in 16 MiB.

        Yields:
            (start, block): the number of the first row, and a float32 copy of shape (rows, d),
            C-contiguous and writable. Nothing at all for an empty matrix.

        Raises:
            InputError: rows is below 1.
        """
        if rows is None:
            rows = max(1, BLOCK_BYTES // (4 * max(1, self.d)))
        if rows < 1:
            raise InputError(f"A block needs at least one row, not {rows}.")
        for start in range(0, self.n, rows):
            yield start, self.block(start, min(start + rows, self.n))

    def take(self, rows: IntArray) -> npt.NDArray[np.float32]:
        """Some rows, in the order asked; a row may be asked for twice.

        Args:
            rows: shape (m,), integers in [0, n).

        Returns:
            Shape (m, d), float32.

        Raises:
            InputError: a row is out of range.
        """
        rows = np.asarray(rows, dtype=np.int64)
        if len(rows) and (rows.min() < 0 or rows.max() >= self.n):
            wrong = rows[(rows < 0) | (rows >= self.n)][0]
            raise InputError(f"Row {wrong} was asked for, but there are {self.n} rows.")
        out = np.empty((len(rows), self.d), dtype=np.float32)
        order = np.argsort(rows, kind="stable")  # reading forwards keeps the touched pages together
        forwards = bool((order[1:] > order[:-1]).all())
        for first in range(0, len(rows), TAKE_ROWS):
            chunk = order[first : first + TAKE_ROWS]
            owner = np.searchsorted(self._starts, rows[chunk], side="right") - 1
            for p in np.unique(owner):
                where = chunk[owner == p]
                picked = rows[where] - self._starts[p]
                if forwards:  # they stand together, and need no memory in between
                    _pick(self._parts[p], picked, out[where[0] : where[-1] + 1])
                else:
                    out[where] = _pick(self._parts[p], picked)
                self._give_back(p)
        return out

    def block(self, start: int, stop: int) -> npt.NDArray[np.float32]:
        """The rows from ``start`` up to ``stop``, 0 <= start <= stop <= n, as float32.

        Returns:
            Shape (stop - start, d), C-contiguous and writable.
        """
        out = np.empty((stop - start, self.d), dtype=np.float32)
        first = int(np.searchsorted(self._starts, start, side="right")) - 1
        for p in range(first, len(self._parts)):
            base, end = int(self._starts[p]), int(self._starts[p + 1])
            if base >= stop:
                break
            low, high = max(start, base), min(stop, end)
            with np.errstate(over="ignore"):  # a float64 beyond float32 becomes inf: a bad row
                part = self._parts[p][low - base : high - base]
                out[low - start : high - start] = (
                    as_float32(part) if part.dtype == np.uint16 else part
                )
            self._give_back(p)
        return out

    @property
    def parts(self) -> tuple[AnyArray, ...]:
        """The matrices that stand under each other, as they are stored."""
        return tuple(self._parts)

    def _give_back(self, part: int) -> None:
        """Drop the pages that reading has mapped; the file stays in the system's cache."""
        held = self._maps[part]
        if held is not None and hasattr(mmap, "MADV_DONTNEED"):
            held.madvise(mmap.MADV_DONTNEED)


def _pick(part: AnyArray, rows: IntArray, out: AnyArray | None = None) -> npt.NDArray[np.float32]:
    """Some rows of a part; written to ``out``, shape (len(rows), d), float32, if it is given."""
    # ``take`` is faster, but copies a whole part that is not in C order; with another mode than
    # "clip" it would use memory of its own, too. No row is out of range.
    if out is not None and part.dtype == np.float32 and part.flags.c_contiguous:
        return np.take(part, rows, axis=0, out=out, mode="clip")
    found = as_float32(part.take(rows, axis=0) if part.flags.c_contiguous else part[rows])
    if out is not None:
        out[...] = found
    return found


def as_float32(values: AnyArray) -> npt.NDArray[np.float32]:
    """The values as float32; uint16 is read as the bits of bfloat16, which NumPy does not know."""
    if values.dtype == np.uint16:
        return (values.astype(np.uint32) << np.uint32(16)).view(np.float32)
    with np.errstate(over="ignore"):
        return values.astype(np.float32, copy=False)


def _file_map(part: AnyArray) -> mmap.mmap | None:
    """The map behind an array whose pages can be dropped safely: shared with its file."""
    base: Any = part
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap) and getattr(base, "mode", "c") in ("r", "r+"):
            held = getattr(base, "_mmap", None)
            # A private map ("c") would lose the changes made in memory, so it is left alone.
            return held if isinstance(held, mmap.mmap) else None
        base = base.base
    return None


def open_vectors(source: object, *, name: str = "embedding") -> Vectors:
    """Vectors over whatever holds them; nothing is read before it is needed.

    Args:
        source: a 2-D array or memory map of any float dtype; a path to ``.npy``, ``.safetensors``
            (one 2-D tensor, or ``"file.safetensors:tensor"``) or ``"file.parquet:column"``; an
            Arrow or polars column of lists; a torch tensor; a list of lists; or Vectors, returned
            as they are. A Parquet column is copied block by block to a temporary .npy, removed
            with the Vectors.
        name: what messages call them; also the column of a Parquet path that names none.

    Returns:
        The Vectors, n = 0 where the source has no rows.

    Raises:
        InputError: integers, objects, ragged rows, nulls, one dimension, a missing file or column.
        FormatError: the file is not what its name says.
    """
    from datapruner.vectors.sources import read_source

    return source if isinstance(source, Vectors) else read_source(source, name)


class VectorWriter:
    """Writes blocks to a .npy file whose number of rows is known only at the end.

    The header is reserved and filled in by ``close``, which then syncs and renames from a temporary
    name: under ``path`` there is the whole file or what was there before. As a context manager an
    error inside removes the temporary file.

    Args:
        path: the .npy file to make; its folder must exist.
        d: columns.
        dtype: ``"float32"`` or ``"float16"``.

    Raises:
        OutputError: the file cannot be written (also from ``append`` and ``close``).
    """

    def __init__(self, path: str | os.PathLike[str], d: int, dtype: str = "float32") -> None:
        self.path = Path(path)
        self.d = d
        self.dtype = np.dtype(dtype).newbyteorder("<")
        self.n = 0
        self._temporary = self.path.with_name(f"{self.path.name}.tmp-{uuid.uuid4().hex[:8]}")
        self._file: IO[bytes] | None = None
        self._file = self._guard(lambda: self._temporary.open("xb"))
        self._guard(lambda: self._open_file().write(self._header()))

    def append(self, block: npt.ArrayLike) -> None:
        """Write rows of shape (m, d) after those written so far.

        Raises:
            InputError: the block has another width.
        """
        rows = np.ascontiguousarray(block, dtype=self.dtype)
        if rows.ndim != 2 or rows.shape[1] != self.d:
            raise InputError(
                f"A block of shape {rows.shape} does not fit vectors of width {self.d}."
            )
        self._guard(lambda: self._open_file().write(rows.data))
        self.n += len(rows)

    def close(self) -> None:
        """Finish the file and put it under its name; a second call does nothing."""
        if self._file is not None:
            self._guard(self._finish)
            self._file = None

    def abort(self) -> None:
        """Throw away what was written; what stood under the name before is untouched."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None
        self._temporary.unlink(missing_ok=True)

    def __enter__(self) -> VectorWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def _open_file(self) -> IO[bytes]:
        if self._file is None:
            raise InputError(f"{self.path} is closed already.")
        return self._file

    def _header(self) -> bytes:
        entry = {"descr": self.dtype.str, "fortran_order": False, "shape": (self.n, self.d)}
        text = f"{entry!r}".encode("ascii")
        room = HEADER_BYTES - 10
        return b"\x93NUMPY\x01\x00" + room.to_bytes(2, "little") + text.ljust(room - 1) + b"\n"

    def _finish(self) -> None:
        file = self._open_file()
        file.seek(0)
        file.write(self._header())
        file.flush()
        os.fsync(file.fileno())
        file.close()
        os.replace(self._temporary, self.path)

    def _guard(self, act: Callable[[], Any]) -> Any:
        try:
            return act()
        except OSError as error:
            self.abort()
            raise OutputError(f"Cannot write {self.path}: {error.strerror or error}.") from error
