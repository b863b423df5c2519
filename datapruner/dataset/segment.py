"""A segment of an index: the rows that one shard kept, in files named by what they hold."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datapruner.core.archive import read_archive, write_archive
from datapruner.core.items import Items
from datapruner.core.types import AnyArray, IntArray
from datapruner.dataset.manifest import file_digest
from datapruner.errors import FormatError, OutputError
from datapruner.scorers.minhash import Prints
from datapruner.vectors.store import Vectors, VectorWriter, open_vectors

__all__ = ["OURS", "Segment", "made_folder", "read_segment", "write_segment"]

OURS = re.compile(r"\.?segment-[0-9a-f]{16}\.(npz|npy)(\..*)?")
"""The names of segments' files, finished or not; nothing else in a folder is ever removed."""

_ROWS = 4096  # of vectors copied at a time


@dataclass(frozen=True)
class Segment:
    """The rows that one shard kept.

    Attributes:
        name: of its files, without their endings; made of their content.
        rows: how many.
        files: SHA-256 of each file, by its ending.
        run: stands for the run that wrote it: one output made of one input. A run that was killed
            before its output appeared finds its own segment by this, and does not take its rows
            for an earlier shard's. Empty: nobody knows.
    """

    name: str
    rows: int
    files: dict[str, str]
    run: str = ""


def read_segment(folder: Path, segment: Segment) -> tuple[dict[str, AnyArray], AnyArray | None]:
    """The arrays of a segment, and its vectors, mapped; None where it has none.

    Raises:
        FormatError: a file is missing or damaged, or of another version.
    """
    for ending, told in segment.files.items():
        path = folder / f"{segment.name}{ending}"
        if not path.is_file() or file_digest(path) != told:
            what = "is damaged" if path.is_file() else "is missing"
            raise FormatError(
                f"{path}, a segment of the index, {what}. Put it back from a copy, or make the "
                "index again."
            )
    _, arrays = read_archive(folder / f"{segment.name}.npz", "index-segment")
    if ".npy" not in segment.files:
        return arrays, None
    return arrays, np.load(folder / f"{segment.name}.npy", mmap_mode="r")


def write_segment(
    folder: str | os.PathLike[str], items: Items, rows: IntArray, *, run: str = ""
) -> Segment:
    """The files of the rows that a shard keeps; no list names them yet.

    Args:
        folder: made if it is not there.
        items: the shard, with ``prints`` and ``embedding`` as far as the recipe has them.
        rows: shape (k,), int64, those it keeps; written in the order of their ties, so the same
            rows make the same files.
        run: as in ``Segment``.

    Raises:
        OutputError: they cannot be written.
    """
    made = made_folder(folder)
    ties = items.tie_keys()
    rows = rows[np.argsort(ties[rows], kind="stable")]
    arrays: dict[str, AnyArray] = {"id": items.ids[rows], "tie": ties[rows]}
    prints: Prints | None = items.features.get("prints")
    if prints is not None:
        some = prints.take(rows)
        arrays |= {"exact": some.exact, "signature": some.signature, "has_words": some.has_words}
    draft = made / f"segment-{os.getpid():016x}.npz"
    write_archive(draft, "index-segment", {"rows": int(rows.size)}, arrays, overwrite=True)
    drafts = {".npz": draft}
    if items.features.get("embedding") is not None:
        drafts[".npy"] = draft.with_suffix(".npy")
        _write_vectors(drafts[".npy"], open_vectors(items.feature("embedding")), rows)
    files = {ending: file_digest(path) for ending, path in drafts.items()}
    name = f"segment-{_joined(files)[:16]}"
    for ending, path in drafts.items():
        os.replace(path, made / f"{name}{ending}")
    return Segment(name, int(rows.size), files, run)


def _joined(files: dict[str, str]) -> str:
    return hashlib.sha256("".join(files.values()).encode()).hexdigest()


def _write_vectors(path: Path, vectors: Vectors, rows: IntArray) -> None:
    kind = "float16" if np.dtype(vectors.dtype) == np.float16 else "float32"
    with VectorWriter(path, vectors.d, kind) as writer:
        for start in range(0, rows.size, _ROWS):
            writer.append(vectors.take(rows[start : start + _ROWS]))


def made_folder(folder: str | os.PathLike[str]) -> Path:
    """The folder of an index, made if it is not there.

    Raises:
        OutputError: it cannot be made.
    """
    try:
        Path(folder).mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the index {folder}: {error.strerror or error}.") from error
    return Path(folder)
