"""Other data sets that rows are compared with: a test set, an index of what was kept."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from datapruner.core.scores import Scores
from datapruner.core.types import IntArray
from datapruner.dataset.index import HEAD, Index, check_target, is_same_folder
from datapruner.dataset.reading import (
    Reading,
    is_source,
    is_vectors,
    load_vectors,
    read_items,
)
from datapruner.dataset.recipe import (
    Recipe,
    check_comparable,
    check_extendable,
    recipe_of_run,
)
from datapruner.dataset.segment import write_segment
from datapruner.dataset.source import Source, open_source
from datapruner.engines.base import Engine
from datapruner.errors import InputError, MissingColumnError, nearest
from datapruner.scorers.against import Reference
from datapruner.scorers.clustered import bar_bad, scanned
from datapruner.scorers.dedup import Dedup
from datapruner.vectors.store import open_vectors

__all__ = [
    "Outside",
    "check_widths",
    "keep_index",
    "read_against",
    "read_others",
    "with_embedder",
]


@dataclass(frozen=True, kw_only=True)
class Outside:
    """What rows are compared with beside each other; the fields are parameters of ``dedup``.

    Attributes:
        against: rows in any container or file; what is close to one of them goes.
        against_text: its column of texts; None: the same name as the rows' own.
        against_id: its column of ids; None: the same name as the rows' own where it has one, else
            its row numbers.
        against_embedding: its vectors; None: the same column as the rows' own.
        index: the folder of an index; what is close to one of its rows goes.
        segments: of the index, the first ones by name, which are compared with; None: all.
        save_index: the folder that the kept rows are put in; the same as ``index`` extends it.
    """

    against: Any = None
    against_text: str | None = None
    against_id: str | None = None
    against_embedding: Any = None
    index: str | os.PathLike[str] | None = None
    segments: tuple[str, ...] | None = None
    save_index: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        """Refuse words about a data set that is not there."""
        if self.against is None:
            for name in ("against_text", "against_id", "against_embedding"):
                if getattr(self, name) is not None:
                    raise InputError(
                        f"{name} is {getattr(self, name)!r}, but there is no against (--against)."
                    )

    @property
    def extends(self) -> bool:
        """Whether the kept rows go into the index that was read."""
        if self.index is None or self.save_index is None:
            return False
        return is_same_folder(self.index, self.save_index)

    def open_index(self) -> Index | None:
        """The index to compare with; None where there is none, or it is only to be made.

        Raises:
            InputError: no such index, and it is not to be made either.
            FormatError: it is damaged, or of another version.
        """
        if self.index is None:
            return None
        if self.extends and not (Path(self.index) / HEAD).is_file():
            return None
        found = Index.open(self.index)
        return found if self.segments is None else found.upto(self.segments)

    def check_target(self, *, run: str = "") -> None:
        """Refuse to write an index over something else.

        Raises:
            OutputError: see ``index.check_target``.
        """
        if self.save_index is not None and not (self.extends and self.open_index() is not None):
            check_target(self.save_index, run=run)


def read_against(
    outside: Outside, reading: Reading, scorer: Dedup, needs: tuple[str, ...], engine: Engine
) -> Reference:
    """The other data set, read like the rows themselves.

    Args:
        outside: what and by which columns.
        reading: how the rows themselves are read.
        scorer: the stages.
        needs: what will be read of every row.
        engine: who looks for vectors that cannot be used.

    Raises:
        InputError: it has not what the rows have, or rows that cannot be used under
            ``on_bad="error"``.
        ScoreError: vectors that cannot be used, likewise.
    """
    data = outside.against
    ids: IntArray | None = None
    if is_vectors(data):
        if "embedding" in needs and reading.embedding is None and "prints" in needs:
            raise InputError(
                "against is vectors alone, but the rows' own are made of their texts; give rows "
                "with texts, or vectors of both (embedding, --embedding)."
            )
        vectors = open_vectors(data)
        name, items = vectors.description, load_vectors(vectors)
    else:
        source: Source = data if is_source(data) else open_source(data)
        name = source.description
        theirs = _reading(outside, reading, needs, source)
        items = read_items(source, theirs, needs, progress=None)[0].items
        ids = np.arange(items.n) if theirs.id is None else None
    if "embedding" in needs and scorer.semantic.eps > 0:
        codes = scanned(open_vectors(items.feature("embedding", "against")), engine)[1]
        items = bar_bad(items, codes, reading.on_bad, f"against {name}")
    return Reference.of(name.removesuffix(f", {items.n} rows"), items, ids)


def _reading(outside: Outside, reading: Reading, needs: tuple[str, ...], source: Source) -> Reading:
    """How the other data set is read: by its own columns, else by those of the same names."""
    name, known = source.description, source.columns
    text = outside.against_text or reading.text or "text"
    if "prints" in needs and known and text not in known:
        raise MissingColumnError(
            f'which column of {name} holds the text? There is no "{text}"; name it with '
            f"against_text (--against-text). {nearest(text, known)}"
        )
    embedding = outside.against_embedding
    has_column = isinstance(reading.embedding, str) and reading.embedding in known
    if embedding is None and has_column:
        embedding = reading.embedding
    is_given = reading.embedding is not None or "prints" not in needs
    if "embedding" in needs and embedding is None and is_given:
        raise MissingColumnError(
            f"which vectors belong to {name}? Those of the rows were given; name these with "
            f"against_embedding (--against-embedding). {nearest(str(reading.embedding), known)}"
        )
    id = outside.against_id
    if id is None and isinstance(reading.id, str) and reading.id in known:
        id = reading.id
    return Reading(
        text=text if "prints" in needs or embedding is None else None,
        embedding=embedding,
        id=id,
        ignore_case=reading.ignore_case,
        signatures=reading.signatures,
        embedder=reading.embedder,
        device=reading.device,
        cache=reading.cache,
        on_bad=reading.on_bad,
        spill=reading.spill,
    )


def with_embedder(reading: Reading, needs: tuple[str, ...]) -> Reading:
    """The embedder resolved once, for all that is read."""
    if "embedding" not in needs or reading.embedding is not None:
        return reading
    from datapruner.vectors.embed import resolve_embedder

    embedder = resolve_embedder(reading.embedder, device=reading.device)
    return dataclasses.replace(reading, embedder=embedder)


def read_others(
    outside: Outside, reading: Reading, scorer: Dedup, needs: tuple[str, ...], engine: Engine
) -> tuple[list[Reference], dict[str, Any]]:
    """The other data sets, and what the provenance tells of them; arguments as in ``read_against``.

    Raises:
        DataPrunerError: one is not there, is damaged, or cannot be compared with.
    """
    index, told = outside.open_index(), {}
    others: list[Reference] = []
    if (
        index is not None and index.segments
    ):  # checked first: whether it fits is known before anything is embedded
        ours = recipe_of_run(reading, scorer, needs)
        check_comparable(index.recipe, ours, str(index.folder))
        if outside.save_index is not None:
            check_extendable(index.recipe, ours, str(index.folder))
        others.append(index.reference())
        names = [segment.name for segment in index.segments]
        told["index"] = {"rows": index.rows, "segments": names}
    if outside.against is not None:
        others.append(read_against(outside, reading, scorer, needs, engine))
    return others, told


def check_widths(embedding: Any, others: list[Reference]) -> None:
    """Refuse vectors of different widths.

    Args:
        embedding: the rows' own vectors; None where there are none.
        others: the other data sets.

    Raises:
        InputError: says which widths.
    """
    for other in others:
        if embedding is None or other.vectors is None or not len(other):
            continue
        ours, theirs = open_vectors(embedding).d, other.vectors.d
        if ours != theirs:
            raise InputError(
                f"the rows' vectors have width {ours}, those of {other.name} {theirs}; they cannot "
                "be compared. Give vectors of one model."
            )


def keep_index(
    outside: Outside, scores: Scores, rows: IntArray, recipe: Recipe, *, run: str = ""
) -> None:
    """Put the kept rows into the index that ``save_index`` names; the list is written last.

    Args:
        outside: where.
        scores: of all rows, with the features that were read.
        rows: shape (k,), int64, the kept ones.
        recipe: from ``recipe_of``.
        run: as in ``segment.Segment``.

    Raises:
        OutputError: it cannot be written, or another run has extended it meanwhile.
    """
    assert outside.save_index is not None
    folder, before = Path(outside.save_index), outside.open_index()
    segment = write_segment(folder, scores.items, rows, run=run)
    if before is None:
        Index(folder, recipe, (segment,)).commit()
    elif outside.extends:
        used = [one.name for one in before.segments]
        Index.open(folder).extended(segment, used).commit()
    else:
        copied = before.copied(folder)
        dataclasses.replace(copied, segments=(*copied.segments, segment)).commit()
