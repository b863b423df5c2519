"""No run may write over what it reads, nor two of its files over each other."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from pathlib import Path

from datapruner.dataset.discover import format_of
from datapruner.dataset.staging import is_stream
from datapruner.errors import OutputError

__all__ = ["files_of_inputs", "files_of_options", "refuse_overlap"]

# These never mean a file, even where one of that name lies.
_WORDS = ("auto", "minilm", "offline", "words", "characters", "bytes")


def refuse_overlap(read: Iterable[Path], written: Iterable[Path]) -> None:
    """Stop, before any work, a run that would destroy one of its own files.

    Symbolic links are followed, and hard links recognised. Pipes and devices replace nothing.

    Args:
        read: files that are read; a folder stands for all there is in it, at any depth.
        written: files that will be written, replaced or removed.

    Raises:
        OutputError: a file to be written is one that is read, or two of them are one.
    """
    sources, targets = list(read), list(written)
    if sum(str(path) == "-" for path in targets) > 1:
        raise OutputError("two outputs would both go to standard output (-); name a file for one.")
    targets = [path for path in targets if not is_stream(path)]
    for place, target in enumerate(targets):
        for source in sources:
            if _is_same(source, target) or (source.is_dir() and _is_within(target, source)):
                raise OutputError(
                    f"{target} is the input{'' if str(source) == str(target) else f' {source}'}, "
                    "or part of it; choose another name for what is written."
                )
        for other in targets[:place]:
            if _is_same(other, target):
                raise OutputError(
                    f"{other} and {target}, both to be written, are one file; choose another name."
                )


def _is_same(one: Path, other: Path) -> bool:
    try:
        if os.path.samefile(one, other):
            return True
    except (OSError, ValueError):  # one of them is not there yet
        pass
    return _resolved(one) == _resolved(other)


def _is_within(target: Path, folder: Path) -> bool:
    return target.exists() and _resolved(target).is_relative_to(_resolved(folder))


def _resolved(path: Path) -> Path:
    return Path(os.path.realpath(path))


def files_of_inputs(names: Iterable[str], format: str | None) -> list[Path]:
    """The files that the names of inputs mean: themselves, a folder's or a pattern's."""
    found: list[Path] = []
    for name in names:
        path = Path(name)
        if path.is_dir():
            found += [p for p in path.iterdir() if p.is_file() and (format or format_of(p))]
        elif path.exists():
            found.append(path)
        elif glob.has_magic(name):
            found += [p for p in map(Path, glob.glob(name)) if p.is_file()]
        else:
            found += _with_part(name)
    return found


def files_of_options(*values: str | None) -> list[Path]:
    """The files, and folders of models, among values that may as well be names of other things."""
    found: list[Path] = []
    for value in values:
        if value is None or value in _WORDS:
            continue
        path = Path(value)
        found += [path] if path.exists() else _with_part(value)
    return found


def _with_part(name: str) -> list[Path]:
    """``file.parquet:column`` reads the file."""
    path = Path(name.partition(":")[0])
    return [path] if ":" in name and path.is_file() else []
