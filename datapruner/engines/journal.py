"""Finished pieces of work on disk, found again by what they were made from.

A record is named by a digest of the content of its rows, of the task with all its parameters and of
this package's version. So a journal cannot be mistaken for another: a run with another input or
another configuration finds nothing in it and does its work anew. A record appears whole or not at
all; one that is damaged all the same is passed over with a warning, and its work done again.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import numpy as np

from datapruner.core.archive import read_archive, write_archive
from datapruner.core.types import AnyArray
from datapruner.errors import FormatError, InputError, OutputError

__all__ = ["Journal", "digest"]

log = logging.getLogger("datapruner")

FORMAT = "datapruner-journal-1"
_OURS = re.compile(r"^\.?[a-z]+-[0-9a-f]{32}\.npz(\..*)?$")  # records, and drafts of them


def digest(*parts: bytes | str | int | float | AnyArray) -> bytes:
    """16 bytes that stand for these values, each told apart from its neighbours.

    Args:
        *parts: arrays count by dtype, shape and content.
    """
    made = hashlib.blake2b(digest_size=16)
    for part in parts:
        if isinstance(part, bytes | str | int | float):
            data = part if isinstance(part, bytes) else repr(part).encode()
            made.update(f"{type(part).__name__} {len(data)} ".encode())
            made.update(data)
        else:
            made.update(f"{part.dtype.str} {part.shape} ".encode())
            made.update(np.ascontiguousarray(part).data)
    return made.digest()


class Journal:
    """The records in one folder, which is made when the first one is written.

    Args:
        folder: a folder of its own.

    Raises:
        OutputError: it is a file, or holds files that no journal wrote.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        if self.folder.exists() and not self.folder.is_dir():
            raise OutputError(f"the journal {folder} is a file; name a folder.")
        foreign = [path.name for path in self._entries() if not _OURS.match(path.name)]
        if foreign:
            raise OutputError(
                f"the folder {folder} holds {min(foreign)}, which no journal wrote; name a folder "
                "of its own for the journal."
            )

    def get(self, name: str, key: bytes) -> Mapping[str, AnyArray] | None:
        """The arrays of a record; None where there is none, or a damaged one."""
        path = self._path(name, key)
        if not path.exists():
            return None
        try:
            return read_archive(path, "journal")[1]
        except (FormatError, InputError) as error:
            log.warning("journal record %s is passed over: %s", path, error)
            return None

    def put(self, name: str, key: bytes, arrays: Mapping[str, AnyArray]) -> None:
        """Keep the arrays of finished work.

        Raises:
            OutputError: they cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"cannot make the journal {self.folder}: {error.strerror}."
            ) from error
        write_archive(self._path(name, key), "journal", {}, arrays, overwrite=True)

    def clear(self) -> None:
        """Remove the records, and the folder if nothing else is in it."""
        for path in self._entries():
            if _OURS.match(path.name):
                path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.folder.rmdir()

    def _entries(self) -> list[Path]:
        return list(self.folder.iterdir()) if self.folder.is_dir() else []

    def _path(self, name: str, key: bytes) -> Path:
        own = digest(FORMAT, version("datapruner"), name, key)
        return self.folder / f"{name}-{own.hex()}.npz"
