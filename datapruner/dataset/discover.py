"""From what the user typed to a list of files of one format."""

from __future__ import annotations

import glob
import os
import shutil
import sys
import tempfile
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from hashlib import sha256
from pathlib import Path

from datapruner.errors import InputError, OutputError

__all__ = ["FORMATS", "Files", "find_files", "format_of", "output_format"]

FORMATS = ("jsonl", "parquet", "csv", "tsv")

_BY_SUFFIX = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".tsv": "tsv",
}
_COMPRESSED = (".gz", ".zst")
# Endings that promise a compression which is not written here.
_UNWRITTEN = (".bz2", ".xz", ".lz4", ".zip", ".7z", ".br", ".lzma")
_KNOWN = ".jsonl, .ndjson, .csv, .tsv (each also .gz or .zst) and .parquet"


@dataclass(frozen=True, eq=False)
class Files:
    """Files of one format in the order of their rows.

    Attributes:
        paths: the files.
        format: one of ``FORMATS``.
        description: short, for messages: one file's name, or how many files and the first.
        names: what to call each file in messages.
        stamps: (size, modification time in ns) of each when it was found.
    """

    paths: tuple[Path, ...]
    format: str
    description: str
    names: tuple[str, ...]
    stamps: tuple[tuple[int, int], ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "stamps", tuple(map(_stamp, self.paths)))

    def check_unchanged(self) -> None:
        """Several passes must read the same rows, or a mask would keep the wrong ones.

        Raises:
            InputError: a file is gone, or has another size or time than when it was opened.
        """
        for path, name, stamp in zip(self.paths, self.names, self.stamps, strict=True):
            if _stamp(path) != stamp:
                raise InputError(f"{name} changed while it was being read; run again.")

    def digest(self) -> str:
        """SHA-256, in hex, of the bytes of all files in order."""
        self.check_unchanged()
        total = sha256()
        for path in self.paths:
            with path.open("rb") as file:
                while chunk := file.read(1 << 20):
                    total.update(chunk)
        return total.hexdigest()


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}.") from error
    return status.st_size, status.st_mtime_ns


def format_of(path: Path) -> str | None:
    """The format that a name promises, or None; ``a.jsonl.gz`` is JSONL."""
    name = path.name.lower()
    for tail in _COMPRESSED:
        name = name.removesuffix(tail)
    return _BY_SUFFIX.get(Path(name).suffix)


def output_format(path: Path, format: str | None, own: str | None) -> str:
    """The format to write: what was asked for, else the suffix; without one, the input's own.

    Args:
        path: where to; ``-`` is standard output.
        format: asked for by name, or None.
        own: the format of the input, None if that is in memory.

    Raises:
        InputError: an unknown format, or a compressed Parquet file (it compresses inside).
        OutputError: nothing tells the format, or the name promises another.
    """
    if format is not None:
        _check_format(format)
    suffix = path.suffix.lower()
    if suffix in _UNWRITTEN:
        raise OutputError(f"{path.name}: {suffix} is not written; known endings are {_KNOWN}.")
    stem = path.stem if suffix in _COMPRESSED else path.name
    spare = None if Path(stem).suffix else own or ("jsonl" if str(path) == "-" else None)
    found = format or format_of(path) or spare
    if found is None:
        message = f"cannot tell the format of {path.name} from its name"
        raise OutputError(
            f"{message}; known endings are {_KNOWN}. Choose one, or say the format "
            "(--format jsonl, parquet, csv or tsv)."
        )
    if found == "parquet" and path.suffix.lower() in _COMPRESSED:
        raise InputError(
            f"{path.name}: Parquet compresses its own pages; leave {path.suffix} away."
        )
    return found


def _check_format(format: str) -> None:
    if format not in FORMATS:
        raise InputError(f"unknown format {format!r}. Known: {', '.join(FORMATS)}.")


def find_files(inputs: Sequence[Path], format: str | None = None) -> Files:
    """The files meant by names, folders, patterns or ``-``.

    Folders and patterns are sorted by name; in folders, files of other endings and those that start
    with a dot or an underscore are left out, and subfolders are not entered. ``-`` is standard
    input, spooled to a temporary file because rows are read more than once, as JSONL unless
    ``format`` says otherwise.

    Raises:
        InputError: no such file, nothing in the folder, or more than one format.
    """
    if format is not None:
        _check_format(format)
    if [str(path) for path in inputs] == ["-"]:
        return _spool(format or "jsonl")
    paths = [path for given in inputs for path in _expand(given, format)]
    kinds = {path: format or format_of(path) for path in paths}
    for path, kind in kinds.items():
        if kind is None:
            raise InputError(
                f"cannot tell the format of {path.name} from its name; known endings are {_KNOWN}. "
                "Rename it, or say the format (jsonl, parquet, csv or tsv)."
            )
    first = paths[0]
    for path in paths:
        if kinds[path] != kinds[first]:
            raise InputError(
                f"{first.name} is {kinds[first]} but {path.name} is {kinds[path]}; "
                "all input files must have one format."
            )
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    names = tuple(path.name for path in paths)
    if len(set(names)) < len(names):
        names = tuple(str(path) for path in paths)
    return Files(tuple(paths), str(kinds[first]), first.name + more, names)


def _expand(given: Path, format: str | None) -> list[Path]:
    if str(given) == "-":
        raise InputError("standard input (-) cannot be mixed with other files.")
    if given.is_dir():
        paths = sorted(p for p in given.iterdir() if p.is_file() and p.name[0] not in "._")
        paths = paths if format else [path for path in paths if format_of(path)]
        if not paths:
            raise InputError(f"folder {given} holds no data files; known endings are {_KNOWN}.")
        return paths
    if given.exists():
        return [given]
    if glob.has_magic(str(given)):
        paths = sorted(path for path in map(Path, glob.glob(str(given))) if path.is_file())
        if not paths:
            raise InputError(f"no file matches {given}.")
        return paths
    folder = given.parent
    beside = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    close = get_close_matches(given.name, beside, n=1)
    hint = f' Did you mean "{close[0]}"?' if close else ""
    where = "" if folder.is_dir() else f" (nor a folder {folder})"
    raise InputError(f"no file {given}{where}.{hint}")


def _spool(format: str) -> Files:
    """Standard input, copied to a file that goes away with the returned object."""
    handle, name = tempfile.mkstemp(prefix="datapruner-stdin-")
    try:
        with os.fdopen(handle, "wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file, 1 << 20)
        files = Files((Path(name),), format, "stdin", ("stdin",))
    except BaseException:
        os.unlink(name)
        raise
    weakref.finalize(files, _remove, name)
    return files


def _remove(name: str) -> None:
    Path(name).unlink(missing_ok=True)
