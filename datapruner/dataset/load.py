"""One streamed pass over a source: ids, labels, prices and vectors, ready to be scored.

Rows that cannot be used keep their number. They are barred, never counted, and noted with a reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from datapruner.core.items import Items
from datapruner.core.types import AnyArray, BoolArray
from datapruner.dataset.canonical import to_json
from datapruner.dataset.ids import ids_from_column, ids_from_content
from datapruner.dataset.numbers import numbers, plain, prices
from datapruner.dataset.source import BadRow, Block, Source
from datapruner.dataset.spill import spilled
from datapruner.errors import InputError, MissingColumnError, nearest
from datapruner.scorers.minhash import Printer
from datapruner.tokens import TokenCounter
from datapruner.vectors.embed import Embedder, embed_texts
from datapruner.vectors.store import Vectors, VectorWriter, open_vectors

__all__ = ["Columns", "Loaded", "Progress", "load_rows"]

Progress = Callable[[str, int, int], None]

NO_LABEL = "(no label)"
_SHOWN = 5


@dataclass(frozen=True)
class Columns:
    """Which column plays which part.

    Attributes:
        text: what is embedded and priced in tokens.
        embedding: a column of vectors, used instead of embedding the text.
        label: groups for floors, balance and the number of prototypes.
        id: the user's ids; None: ids from the content of the rows.
        cost: a column of prices.
        by: a column of numbers that becomes a feature of its own name.
    """

    text: str | None = None
    embedding: str | None = None
    label: str | None = None
    id: str | None = None
    cost: str | None = None
    by: str | None = None

    def names(self) -> list[str]:
        """The columns to read, without repeats."""
        wanted = (self.text, self.embedding, self.label, self.id, self.cost, self.by)
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
    numbers: list[AnyArray] = field(default_factory=list)
    prints: Printer | None = None
    bad: dict[int, BadRow] = field(default_factory=dict)
    n: int = 0
    on_bad: Literal["error", "drop"] = "error"
    tell: Callable[[BadRow], object] | None = None

    def add(self, row: BadRow) -> None:
        if row.row not in self.bad:
            self.bad[row.row] = row
            if self.tell is not None:
                self.tell(row)

    def note(self, row: int, source: Source, reason: str, value: Any) -> None:
        self.add(BadRow(row, f"{source.description} row {row}", reason, _shown(value)))

    def stop_if_bad(self) -> None:
        """End the run at the first block with bad rows: embedding the rest would be for nothing."""
        if not self.bad or self.on_bad == "drop":
            return
        first = [self.bad[row] for row in sorted(self.bad)][:_SHOWN]
        shown = "; ".join(f"{bad.where}: {bad.reason}" for bad in first)
        raise InputError(
            f"{len(self.bad):,} of the first {self.n:,} rows cannot be used: {shown}"
            f"{'; ...' if len(self.bad) > _SHOWN else '.'} "
            'Mend them, or leave such rows out with on_bad="drop" (--on-bad drop).'
        )


def _shown(value: Any) -> str:
    """The value as JSON, for that is what the line it stands in is read as."""
    if isinstance(value, str):
        return value
    if isinstance(value, np.ndarray):
        value = value.tolist()
    try:
        return to_json({"": value})[len('{"":') : -1].decode("utf-8")
    except (InputError, TypeError, ValueError):
        return repr(value)


def load_rows(
    source: Source,
    columns: Columns,
    *,
    embedder: Embedder | None = None,
    counter: TokenCounter | None = None,
    unit: str = "tokens",
    prints: Printer | None = None,
    cache: Any = None,
    spill: Path | None = None,
    on_bad: Literal["error", "drop"] = "error",
    progress: Progress | None = None,
    note: Callable[[BadRow], object] | None = None,
) -> Loaded:
    """Items of every row of the source, in one pass.

    Args:
        source: the rows.
        columns: which column plays which part.
        embedder: turns ``columns.text`` into vectors; None when nothing is to be embedded.
        counter: prices rows by the tokens of ``columns.text``; None: by ``columns.cost``, or one
            a row.
        unit: what the counter's or the column's prices are called.
        prints: makes the ``prints`` feature from ``columns.text``.
        cache: an ``EmbeddingCache`` that finished vectors are kept in.
        spill: folder for the vectors while the job runs; None: the system's temporary folder.
        on_bad: ``"error"``, or ``"drop"`` to bar rows that cannot be used.
        progress: called with (stage, rows done, 0).
        note: called with each bad row when it is found; may raise to end the run.

    Raises:
        InputError: bad rows under ``on_bad="error"``, or ids that are not unique.
        MissingColumnError: a column that is not there.
    """
    got = _Gathered(on_bad=on_bad, tell=note, prints=prints)
    blocks = _gather(source, columns, counter, got, progress)
    vectors: Vectors | None = None
    if embedder is not None and columns.embedding is None:
        vectors = _embed(blocks, columns, embedder, cache, spill, progress)
    elif columns.embedding is not None:
        vectors = _copy_vectors(blocks, columns.embedding, source, got, spill)
    else:
        for _ in blocks:
            pass
    bad = tuple(got.bad[row] for row in sorted(got.bad))
    is_priced = counter is not None or columns.cost is not None
    return Loaded(_items(got, columns, unit if is_priced else None, vectors), bad)


def _items(got: _Gathered, columns: Columns, unit: str | None, vectors: Vectors | None) -> Items:
    barred = np.zeros(got.n, dtype=bool)
    barred[list(got.bad)] = True
    features: dict[str, Any] = {} if vectors is None else {"embedding": vectors}
    if got.prints is not None:
        features["prints"] = got.prints.finish()
    if columns.by is not None:
        features[columns.by] = np.concatenate([np.zeros(0), *got.numbers])
    items = Items.of(
        got.n,
        id=_ids(got, columns, barred),
        cost=None if unit is None else np.concatenate([np.zeros(0), *got.costs]),
        unit=unit,
        group=None if columns.label is None else _labels(got.labels, barred),
        **features,
    )
    return items.bar(barred) if barred.any() else items


def _ids(got: _Gathered, columns: Columns, barred: BoolArray) -> Any:
    if columns.id is None:
        return np.array(ids_from_content(got.ids), dtype=object)
    if not barred.any():
        return _as_array(ids_from_column(got.ids, name=columns.id))
    kept = _as_array(
        ids_from_column([v for v, b in zip(got.ids, barred, strict=True) if not b], name=columns.id)
    ).tolist()
    # A bad row keeps its id where it has a usable one; else its number stands in.
    taken, names = set(kept), iter(kept)
    kind = str if not kept or isinstance(kept[0], str) else int
    ids: list[Any] = []
    for row, (value, is_bad) in enumerate(zip(got.ids, barred.tolist(), strict=True)):
        if is_bad and (type(value) is not kind or value in taken):
            value = f"(bad row {row})"
        ids.append(value if is_bad else next(names))
        taken.add(value)
    if any(isinstance(value, str) for value in ids):
        ids = [str(value) for value in ids]
    return _as_array(ids)


def _as_array(ids: Any) -> AnyArray:
    if isinstance(ids, np.ndarray):
        return ids
    return np.array(ids, dtype=object if not ids or isinstance(ids[0], str) else np.int64)


def _labels(values: list[Any], barred: BoolArray) -> list[str]:
    labels = [NO_LABEL if v is None or v != v else str(v) for v in values]
    # A row that cannot be read has no label either; it must not make a group of its own.
    known = [label for label, bad in zip(labels, barred.tolist(), strict=True) if not bad]
    spare = min(known, default=NO_LABEL)
    return [spare if bad else label for label, bad in zip(labels, barred.tolist(), strict=True)]


def _gather(
    source: Source,
    columns: Columns,
    counter: TokenCounter | None,
    got: _Gathered,
    progress: Progress | None,
) -> Iterator[Block]:
    """Pass the blocks on, noting ids, labels, prices and bad rows on the way."""
    for block in source.blocks(columns.names(), content=columns.id is None):
        got.n = block.start + block.rows
        if not block.start:
            _check_names(block, columns.names(), source)
        for row in block.bad:
            got.add(row)
        if columns.text is not None:
            _check_texts(block, columns.text, source, got)
        if columns.id is None:
            got.ids.extend(block.content or ())
        else:
            got.ids.extend(plain(block.columns[columns.id]))
        if columns.label is not None:
            got.labels.extend(plain(block.columns[columns.label]))
        if counter is not None and columns.text is not None:
            texts = _texts(block, columns.text)
            got.costs.append(np.asarray(counter.count(texts), dtype=np.float64))
        elif columns.cost is not None:
            got.costs.append(prices(block, columns.cost, source, got.note))
        if got.prints is not None and columns.text is not None:
            got.prints.add(_texts(block, columns.text))
        if columns.by is not None:
            got.numbers.append(numbers(block, columns.by, source, got.note))
        got.stop_if_bad()
        yield block
        got.stop_if_bad()
        if progress is not None:
            progress("read", got.n, 0)


def _check_names(block: Block, names: Sequence[str], source: Source) -> None:
    """A column that no row of the first block has is misspelt; say so before the work, not after.

    Sources without a schema know the keys of their first rows alone, and find out at the end.
    """
    good = block.rows - len(block.bad)
    for name in names:
        if good and name not in source.columns and all(v is None for v in block.columns[name]):
            hint = nearest(name, source.columns)
            raise MissingColumnError(f'no column "{name}" in {source.description}. {hint}')


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


def _embed(
    blocks: Iterator[Block],
    columns: Columns,
    embedder: Embedder,
    cache: Any,
    spill: Path | None,
    progress: Progress | None,
) -> Vectors:
    name = columns.text
    if name is None:
        raise MissingColumnError('nothing to embed: name the text column with text="..." (--text).')

    def batches() -> Iterator[Sequence[str]]:
        for block in blocks:
            yield _texts(block, name)

    return spilled(
        spill,
        embedder.dimensions,
        lambda writer: embed_texts(batches(), embedder, writer, cache=cache, progress=progress),
    )


def _copy_vectors(
    blocks: Iterator[Block], name: str, source: Source, got: _Gathered, spill: Path | None
) -> Vectors:
    first = next(blocks, None)
    if first is None:
        return open_vectors(np.zeros((0, 1), dtype=np.float32))
    width = _width(first.columns[name])
    if not width:
        raise InputError(
            f'the first rows of "{name}" in {source.description} hold no vectors (lists of '
            "numbers of one length); is it the right column?"
        )

    def copy(writer: VectorWriter) -> None:
        block: Block | None = first
        while block is not None:
            writer.append(_rectangle(block, name, width, source, got))
            block = next(blocks, None)

    return spilled(spill, width, copy)


def _width(values: Any) -> int:
    """The length that most vectors have; 0 if nothing is a vector."""
    if isinstance(values, np.ndarray):
        return int(values.shape[1]) if values.ndim == 2 else 0
    sizes = Counter(len(v) for v in values if isinstance(v, list | tuple | np.ndarray))
    return max(sizes, key=lambda size: (sizes[size], size), default=0)


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
