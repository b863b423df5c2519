"""Vectors that are needed while a job runs, in a file without a name: no crash leaves it behind."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np

from datapruner.core.types import AnyArray
from datapruner.errors import OutputError
from datapruner.vectors.store import Vectors, VectorWriter, open_vectors

__all__ = ["spilled"]


def spilled(folder: Path | None, width: int, fill: Callable[[VectorWriter], object]) -> Vectors:
    """Vectors in a file without a name: memory stays free, and no crash leaves it behind."""
    with _Nameless(folder, width) as writer:
        fill(writer)
        return open_vectors(writer.mapped())  # while the file is open


class _Nameless(VectorWriter):
    """Writes the bare values to a file that has no name, and is gone with the last map of it.

    Args:
        folder: where its blocks lie; None: the system's temporary folder.
        d: columns.

    Raises:
        OutputError: the file cannot be written; the message names the folder.
    """

    def __init__(self, folder: Path | None, d: int) -> None:
        self.path = Path(tempfile.gettempdir()) if folder is None else folder
        self.d, self.n, self.dtype = d, 0, np.dtype("<f4")
        self._file: IO[bytes] | None = None
        self._file = self._guard(lambda: tempfile.TemporaryFile(dir=self.path))  # noqa: SIM115

    def mapped(self) -> AnyArray:
        """What was written, shape (n, d); the map outlives this writer."""
        file = self._open_file()
        if not self.n:
            return np.zeros((0, self.d), dtype=np.float32)
        self._guard(file.flush)
        shape = (self.n, self.d)
        return np.memmap(file, self.dtype, "r", shape=shape)

    def close(self) -> None:
        """Let go of the file; what is mapped stays until its array goes."""
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):  # a full disk was reported already
                file.close()

    abort = close

    def __enter__(self) -> _Nameless:
        return self

    def _guard(self, act: Callable[[], Any]) -> Any:
        try:
            return act()
        except OSError as error:
            self.close()
            raise OutputError(
                f"cannot write temporary vectors in {self.path}: {error.strerror or error}. "
                "Free space there, or name another folder in TMPDIR."
            ) from error
