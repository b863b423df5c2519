"""One streamed pass over a source: ids, labels, prices and vectors, ready to be scored.

Rows that cannot be used keep their number. They are barred, never counted, and noted with a reason.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from datapruner.core.items import Items
from datapruner.core.types import AnyArray, BoolArray
from datapruner.dataset.ids import ids_from_column, ids_from_content
from datapruner.dataset.source import BadRow, Block, Source
from datapruner.errors import InputError, MissingColumnError, nearest
from datapruner.tokens import TokenCounter
from datapruner.vectors.embed import Embedder, embed_texts
from datapruner.vectors.store import Vectors, VectorWriter, open_vectors

__all__ = ["Columns", "Loaded", "column_or_vectors", "load_rows", "load_vectors"]

Progress = Callable[[str, int, int], None]

NO_LABEL = "(no label)"


@dataclass(frozen=True)
class Columns:
    """Which column plays which part.

    Attributes:
        text: what is embedded and priced in tokens.
        embedding: a column of vectors, used instead of embedding the text.
        label: groups for floors, balance and the number of prototypes.
        id: the user's ids; None: ids from the content of the rows.
        cost: a column of prices.
    """

    text: str | None = None
    embedding: str | None = None
    label: str | None = None
    id: str | None = None
    cost: str | None = None

    def names(self) -> list[str]:
        """The columns to read, without repeats."""
        wanted = (self.text, self.embedding, self.label, self.id, self.cost)
        return list(dict.fromkeys(name for name in wanted if name is not None))


@dataclass(frozen=True)
class Loaded:
    """What a pass over the rows gave.

    Attributes:
        items: the rows, with an ``embedding`` feature of ``Vectors`` if any were wanted.
        bad: the rows that are barred, ascending, with reasons.
    """

    items: Items
    bad: tuple[BadRow, ...]


@dataclass
class _Gathered:
    """Columns as they grow, block by block."""

    ids: list[Any] = field(default_factory=list)
    labels: list[Any] = field(default_factory=list)
    costs: list[AnyArray] = field(default_factory=list)
    bad: dict[int, BadRow] = field(default_factory=dict)
    n: int = 0

    def note(self, row: int, source: Source, reason: str, value: Any) -> None:
        if row not in self.bad:
            self.bad[row] = BadRow(row, f"{source.description} row {row}", reason, repr(value))


def load_rows(
    source: Source,
    columns: Columns,
    *,
    embedder: Embedder | None = None,
    counter: TokenCounter | None = None,
    unit: str = "tokens",
    cache: Any = None,
    spill: Path | None = None,
    on_bad: Literal["error", "drop"] = "error",
    progress: Progress | None = None,
) -> Loaded:
    """Items of every row of the source, in one pass.

    Args:
        source: the rows.
        columns: which column plays which part.
        embedder: turns ``columns.text`` into vectors; None when nothing is to be embedded.
        counter: prices rows by the tokens of ``columns.text``; None: one a row, or ``columns.cost``.
        unit: what the counter's prices are called.
        cache: an ``EmbeddingCache`` that finished vectors are kept in.
        spill: folder for the vectors while the job runs; None: the system's temporary folder.
        on_bad: ``"error"``, or ``"drop"`` to bar rows that cannot be used.
        progress: called with (stage, rows done, 0).

    Raises:
        InputError: bad rows under ``on_bad="error"``, or ids that are not unique.
        MissingColumnError: a column that is not there.
    """
    got = _Gathered()
    blocks = _gather(source, columns, counter, got, progress)
    vectors: Vectors | None = None
    if embedder is not None and columns.embedding is None:
        vectors = _embed(blocks, columns, embedder, cache, spill)
    elif columns.embedding is not None:
        vectors = _copy_vectors(blocks, columns.embedding, source, got, spill)
    else:
        for _ in blocks:
            pass
    bad = tuple(got.bad[row] for row in sorted(got.bad))
    if bad and on_bad == "error":
        shown = "; ".join(f"{b.where}: {b.reason}" for b in bad[:5])
        raise InputError(
            f"{len(bad)} of {got.n} rows cannot be used. The first: {shown}. "
            'Mend them, or leave them out with on_bad="drop" (--on-bad drop).'
        )
    return Loaded(_items(got, columns, unit if counter is not None else "cost", vectors), bad)


def _items(
    got: _Gathered, columns: Columns, unit: str, vectors: Vectors | None
) -> Items:
    barred = np.zeros(got.n, dtype=bool)
    barred[list(got.bad)] = True
    features = {} if vectors is None else {"embedding": vectors}
    items = Items.of(
        got.n,
        id=_ids(got, columns, barred),
        cost=np.concatenate(got.costs) if got.costs else None,
        unit=unit if got.costs else None,
        group=None if columns.label is None else _labels(got.labels),
        **features,
    )
    return items.bar(barred) if barred.any() else items


def _ids(got: _Gathered, columns: Columns, barred: BoolArray) -> Any:
    if columns.id is None:
        return np.array(ids_from_content(got.ids), dtype=object)
    if not barred.any():
        ids = ids_from_column(got.ids, name=columns.id)
        return ids if isinstance(ids, np.ndarray) else np.array(ids, dtype=object)
    # A row that could not be read has no id of its own; its number stands in.
    kept = ids_from_column(
        [v for v, b in zip(got.ids, barred, strict=True) if not b], name=columns.id
    )
    names = iter(str(v) for v in (kept.tolist() if isinstance(kept, np.ndarray) else kept))
    return np.array([f"(bad row {r})" if b else next(names) for r, b in enumerate(barred)], object)


def _labels(values: list[Any]) -> list[str]:
    return [NO_LABEL if v is None else str(v) for v in values]


def _gather(
    source: Source,
    columns: Columns,
    counter: TokenCounter | None,
    got: _Gathered,
    progress: Progress | None,
) -> Iterator[Block]:
    """Pass the blocks on, noting ids, labels, prices and bad rows on the way."""
    for block in source.blocks(columns.names(), content=columns.id is None):
        for row in block.bad:
            got.bad[row.row] = row
        if columns.text is not None:
            _check_texts(block, columns.text, source, got)
        if columns.id is None:
            got.ids.extend(block.content or ())
        else:
            got.ids.extend(_plain(block.columns[columns.id]))
        if columns.label is not None:
            got.labels.extend(_plain(block.columns[columns.label]))
        if counter is not None and columns.text is not None:
            texts = _texts(block, columns.text)
            got.costs.append(np.asarray(counter.count(texts), dtype=np.float64))
        elif columns.cost is not None:
            got.costs.append(_prices(block, columns.cost, source, got))
        got.n = block.start + block.rows
        yield block
        if progress is not None:
            progress("read", got.n, 0)


def _plain(values: Any) -> list[Any]:
    return values.tolist() if isinstance(values, np.ndarray) else list(values)


def _check_texts(block: Block, name: str, source: Source, got: _Gathered) -> None:
    for row, value in enumerate(block.columns[name], block.start):
        if row in got.bad:
            continue
        if not isinstance(value, str):
            kind = "missing" if value is None else f"{type(value).__name__}, not text"
            got.note(row, source, f'"{name}" is {kind}', value)
        elif not value.strip():
            got.note(row, source, f'"{name}" is empty', value)


def _texts(block: Block, name: str) -> list[str]:
    return [value if isinstance(value, str) else "" for value in block.columns[name]]


def _prices(block: Block, name: str, source: Source, got: _Gathered) -> AnyArray:
    prices = np.zeros(block.rows)
    for place, value in enumerate(_plain(block.columns[name])):
        good = isinstance(value, (int, float)) and not isinstance(value, bool)
        if good and np.isfinite(value) and value >= 0:
            prices[place] = value
        else:
            got.note(block.start + place, source, f'"{name}" is not a price', value)
    return prices


def _embed(
    blocks: Iterator[Block], columns: Columns, embedder: Embedder, cache: Any, spill: Path | None
) -> Vectors:
    name = columns.text
    if name is None:
        raise MissingColumnError('nothing to embed: name the text column with text="..." (--text).')

    def batches() -> Iterator[Sequence[str]]:
        for block in blocks:
            yield _texts(block, name)

    return _spilled(
        spill,
        embedder.dimensions,
        lambda writer: embed_texts(batches(), embedder, writer, cache=cache),
    )


def _copy_vectors(
    blocks: Iterator[Block], name: str, source: Source, got: _Gathered, spill: Path | None
) -> Vectors:
    first = next(blocks, None)
    if first is None:
        return open_vectors(np.zeros((0, 1), dtype=np.float32))
    width = next((len(v) for v in first.columns[name] if v is not None), 0)
    if not width:
        raise InputError(f'the first rows of "{name}" hold no vectors; is it the right column?')

    def copy(writer: VectorWriter) -> None:
        block: Block | None = first
        while block is not None:
            writer.append(_rectangle(block, name, width, source, got))
            block = next(blocks, None)

    return _spilled(spill, width, copy)


def _rectangle(block: Block, name: str, width: int, source: Source, got: _Gathered) -> AnyArray:
    values = block.columns[name]
    if isinstance(values, np.ndarray) and values.ndim == 2 and values.shape[1] == width:
        return values.astype(np.float32)
    rows = np.zeros((block.rows, width), dtype=np.float32)
    for place, value in enumerate(values):
        try:
            vector = np.asarray(value, dtype=np.float32)
        except (TypeError, ValueError):
            vector = np.empty(0, dtype=np.float32)
        if vector.shape == (width,):
            rows[place] = vector
        else:
            got.note(block.start + place, source, f'"{name}" is not {width} numbers', value)
    return rows


def _spilled(folder: Path | None, width: int, fill: Callable[[VectorWriter], object]) -> Vectors:
    """Vectors in a file without a name: memory stays free, and no crash leaves it behind."""
    handle, path = tempfile.mkstemp(".npy", "datapruner-", folder)
    os.close(handle)
    try:
        with VectorWriter(path, width) as writer:
            fill(writer)
        return open_vectors(
            np.load(path, mmap_mode="r", allow_pickle=False)
            if writer.n
            else np.zeros((0, width), dtype=np.float32)
        )
    finally:
        Path(path).unlink(missing_ok=True)


def load_vectors(vectors: Vectors, label: Any = None, id: Any = None) -> Items:
    """Items of rows that are nothing but vectors.

    Args:
        vectors: shape (n, d).
        label: n labels, or None.
        id: n ids; None: the row numbers. Then equal scores are ordered by the vectors' content.
    """
    tie = None
    if id is None:
        from datapruner.vectors.content import scan

        tie = scan(vectors)[0]
    return Items.of(vectors.n, id=id, group=label, tie=tie, embedding=vectors)


def column_or_vectors(embedding: Any, source: Source) -> tuple[str | None, Vectors | None]:
    """Whether ``embedding`` names a column of the source, or is vectors of its own.

    Raises:
        MissingColumnError: a name that is neither a column nor a file.
    """
    if embedding is None:
        return None, None
    if isinstance(embedding, str) and embedding in source.columns:
        return embedding, None
    if isinstance(embedding, str) and not Path(embedding.partition(":")[0]).exists():
        raise MissingColumnError(
            f'"{embedding}" is neither a column of {source.description} nor a file. '
            f"{nearest(embedding, source.columns)}"
        )
    return None, open_vectors(embedding)
