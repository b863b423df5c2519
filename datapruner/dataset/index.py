"""An index: what a later shard needs to know of the rows that earlier shards kept.

A folder with one segment a shard and ``index.json``, which lists them. A segment is an ``.npz`` of
ids, exact digests and MinHash signatures, and an ``.npy`` of vectors, named by what they hold. The
list is written last and takes its name in one step: an index is extended wholly or not at all, and
whatever a killed run has left beside it is swept by the next.

Vectors are kept as they came, not scaled to length one, in float16 where they came so and else in
float32: then a shard is decided to the last bit as it would be against the rows themselves.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import orjson

from datapruner.core.types import AnyArray
from datapruner.dataset.recipe import Recipe
from datapruner.dataset.segment import OURS, Segment, made_folder, read_segment
from datapruner.errors import FormatError, InputError, OutputError
from datapruner.output import atomic_write_bytes
from datapruner.scorers.against import Reference
from datapruner.scorers.minhash import Prints
from datapruner.vectors.store import Vectors

__all__ = ["HEAD", "Index", "check_target", "is_same_folder"]

HEAD = "index.json"
FORMAT, VERSION = "datapruner.index", 2
_JSON = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE


@dataclass(frozen=True)
class Index:
    """What earlier shards kept.

    Attributes:
        folder: where it is.
        recipe: what was compared, and how; a later shard must be comparable.
        segments: one a shard, in the order they came.
    """

    folder: Path
    recipe: Recipe
    segments: tuple[Segment, ...] = field(default=())

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> Index:
        """The index in a folder; of its segments nothing is read yet.

        Raises:
            InputError: there is none.
            FormatError: its list is damaged, or of another version.
        """
        path = Path(folder) / HEAD
        if not path.is_file():
            raise InputError(
                f"there is no index {folder}: {path} is missing. Make it with save_index "
                "(--save-index)."
            )
        try:
            told = orjson.loads(path.read_bytes())
            if told["format"] != FORMAT:
                raise ValueError(f"it holds {told['format']!r}")
            if told["version"] == VERSION:
                segments = tuple(Segment(**one) for one in told["segments"])
                return cls(Path(folder), Recipe(**told["recipe"]), segments)
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            raise FormatError(
                f"{path} is not the list of an index, or is damaged: {error}. Make the index again."
            ) from error
        raise FormatError(
            f"{path} has format version {told['version']}; this datapruner reads {VERSION}. Make "
            "the index again with this version."
        )

    @property
    def rows(self) -> int:
        """How many rows it holds."""
        return sum(segment.rows for segment in self.segments)

    def upto(self, names: Sequence[str]) -> Index:
        """The same index with its first segments only.

        Args:
            names: of those segments, in order.

        Raises:
            InputError: it does not start with these.
        """
        held = tuple(segment.name for segment in self.segments[: len(names)])
        if held != tuple(names):
            raise InputError(
                f"the index {self.folder} does not start with the {len(names)} segments that were "
                "asked for: it was made again since. Run the job again."
            )
        return Index(self.folder, self.recipe, self.segments[: len(names)])

    def reference(self) -> Reference:
        """Its rows, to be compared with; vectors stay in their files.

        Raises:
            FormatError: a segment is missing, damaged or of another version.
        """
        read = [read_segment(self.folder, segment) for segment in self.segments]
        ids = [arrays["id"] for arrays, _ in read]
        plain = [part if part.dtype.kind == "i" else part.astype(object) for part in ids]
        nothing = np.empty(0, dtype=np.int64 if all(p.dtype.kind == "i" for p in plain) else object)
        ties = [np.empty(0, dtype=np.uint64), *(arrays["tie"] for arrays, _ in read)]
        name = f"the index {self.folder.name}"
        return Reference(
            name=name,
            ids=np.concatenate([nothing, *plain]),
            ties=np.concatenate(ties),
            usable=np.ones(self.rows, dtype=bool),
            prints=self._prints([arrays for arrays, _ in read]),
            vectors=self._vectors([part for _, part in read if part is not None], name),
        )

    def _prints(self, read: Sequence[dict[str, AnyArray]]) -> Prints | None:
        if not self.recipe.has_texts:
            return None
        none = Prints.none(self.recipe.permutations)
        names = ("exact", "signature", "has_words")
        return Prints(
            *(np.concatenate([getattr(none, n), *(arrays[n] for arrays in read)]) for n in names)
        )

    def _vectors(self, parts: Sequence[AnyArray], name: str) -> Vectors | None:
        width = self.recipe.width
        if width is None:
            return None
        nothing = np.empty((0, width), dtype=np.float32)
        kind = str(parts[0].dtype) if parts else "float32"
        return Vectors([*parts, nothing], width, dtype=kind, description=name)

    def extended(self, segment: Segment, used: Sequence[str]) -> Index:
        """The list once a shard was pruned against the first segments and has written its own.

        Args:
            segment: the shard's; its files are in the folder already.
            used: names of the segments that it was pruned against.

        Raises:
            OutputError: the index was extended meanwhile, or later shards were pruned against
                another answer of this same run.
        """
        before, rest = self.upto(used).segments, self.segments[len(used) :]
        is_again = bool(rest) and bool(segment.run) and rest[0].run == segment.run
        if not rest or (is_again and len(rest) == 1):
            return Index(self.folder, self.recipe, (*before, segment))
        if not is_again:
            raise OutputError(
                f"the index {self.folder} was extended by another run meanwhile; nothing was "
                "added. Run this shard again."
            )
        if rest[0].name != segment.name:
            raise OutputError(
                f"the index {self.folder} holds other rows of this shard, and later shards were "
                "pruned against them. Write to a new index with save_index (--save-index)."
            )
        return self

    def commit(self) -> None:
        """Write the list, and sweep what no list names.

        Raises:
            OutputError: it cannot be written; the index is as it was.
        """
        told = {
            "format": FORMAT,
            "version": VERSION,
            "recipe": asdict(self.recipe),
            "segments": [asdict(segment) for segment in self.segments],
        }
        data = orjson.dumps(told, option=_JSON)
        path = self.folder / HEAD
        if not path.is_file() or path.read_bytes() != data:
            atomic_write_bytes(path, data, overwrite=True)
        named = {f"{s.name}{ending}" for s in self.segments for ending in s.files}
        for stray in self.folder.iterdir():
            leftover = stray.name.startswith(f"{HEAD}.tmp-")
            if leftover or (OURS.fullmatch(stray.name) and stray.name not in named):
                with contextlib.suppress(OSError):
                    stray.unlink()

    def copied(self, folder: Path) -> Index:
        """The same segments in another folder, which gets a list only by ``commit``.

        Raises:
            OutputError: they cannot be copied.
        """
        made = made_folder(folder)
        for segment in self.segments:
            for ending in segment.files:
                name = f"{segment.name}{ending}"
                try:
                    shutil.copyfile(self.folder / name, made / name)
                except OSError as error:
                    raise OutputError(
                        f"cannot copy {name} of the index {self.folder} to {folder}: "
                        f"{error.strerror or error}."
                    ) from error
        return Index(made, self.recipe, self.segments)


def is_same_folder(one: str | os.PathLike[str], other: str | os.PathLike[str]) -> bool:
    """Whether two names mean one folder, whether or not it is there."""
    return os.path.realpath(one) == os.path.realpath(other)


def check_target(folder: str | os.PathLike[str], *, run: str = "") -> None:
    """Refuse to make a new index over something else.

    Args:
        folder: where it will be.
        run: as in ``Segment``; what this same run has left there may be replaced.

    Raises:
        OutputError: a file, a folder with something in it, or no folder above it.
    """
    path = Path(folder)
    if not path.parent.is_dir():
        raise OutputError(f"cannot write {path}: there is no folder {path.parent}; make it first.")
    if path.exists() and not path.is_dir():
        raise OutputError(f"{path} is a file; an index is a folder. Choose another name.")
    left = [stray.name for stray in path.iterdir()] if path.is_dir() else []
    if all(OURS.fullmatch(name) or name.startswith(f"{HEAD}.tmp-") for name in left):
        return
    if HEAD in left and run:
        segments = Index.open(path).segments
        if segments and segments[-1].run == run:
            return
    what = "is an index" if HEAD in left else "is a folder with other files in it"
    raise OutputError(
        f"{path} {what}; choose another name, pass --overwrite to replace an index, or give it as "
        "index (--index), too, to extend it."
    )
