"""Where vectors lie on disk, so that another process can open them itself."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass

import numpy as np

from datapruner.core.types import AnyArray
from datapruner.errors import InputError
from datapruner.vectors.store import Vectors

__all__ = ["FilePart", "Files", "files_of"]


@dataclass(frozen=True)
class FilePart:
    """A matrix inside a file, row after row.

    Attributes:
        path: the file, as an absolute path.
        offset: bytes before the first value.
        dtype: of the values, with their byte order, for example ``"<f2"``.
        rows, d: the shape.
    """

    path: str
    offset: int
    dtype: str
    rows: int
    d: int

    def open(self) -> AnyArray:
        """The matrix, shape (rows, d), mapped into memory.

        Raises:
            InputError: this machine has no such file, or a shorter one.
        """
        shape = (self.rows, self.d)
        try:
            return np.memmap(self.path, np.dtype(self.dtype), "r", self.offset, shape)
        except (OSError, ValueError) as error:
            raise InputError(
                f"the machine {socket.gethostname()} cannot read the vectors in {self.path}: "
                f"{error}. Put them on storage that every machine sees under that name."
            ) from error


@dataclass(frozen=True)
class Files:
    """Vectors that are nothing but files.

    Attributes:
        parts: the matrices that stand under each other.
        d, dtype, description: as of ``Vectors``.
    """

    parts: tuple[FilePart, ...]
    d: int
    dtype: str
    description: str

    def open(self) -> Vectors:
        """The same vectors, in this process.

        Raises:
            InputError: as ``FilePart.open``.
        """
        parts = [part.open() for part in self.parts]
        return Vectors(parts, self.d, dtype=self.dtype, description=self.description)


def files_of(vectors: Vectors) -> Files | None:
    """Where the vectors lie; None where some of them are in memory, or in a file without a name."""
    found = [_file_part(part) for part in vectors.parts]
    parts = tuple(part for part in found if part is not None)
    if not parts or len(parts) < len(found):
        return None
    return Files(parts, vectors.d, vectors.dtype, vectors.description)


def _file_part(part: AnyArray) -> FilePart | None:
    """The place of an array in the file that it maps; None unless it is that file, row by row."""
    base = part
    while not isinstance(base, np.memmap) or isinstance(base.base, np.memmap):
        if not isinstance(base.base, np.ndarray):
            return None
        base = base.base
    # A private map ("c") may have been changed in memory, and the file would not know.
    if base.mode not in ("r", "r+") or base.filename is None or not part.flags.c_contiguous:
        return None
    path = os.path.abspath(base.filename)
    if not os.path.isfile(path):
        return None
    skipped = part.__array_interface__["data"][0] - base.__array_interface__["data"][0]
    offset = base.offset + skipped
    return FilePart(path, offset, part.dtype.str, part.shape[0], part.shape[1])
