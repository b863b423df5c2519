"""Blocks of a data set that no process sees as a whole: their columns, faults, vectors and samples.

Every function takes an Arrow table and gives one; what it says of a row depends on that row and on
parameters alone. Nothing here knows Ray: whoever has the blocks may run them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from datapruner import rng
from datapruner.core.items import Items
from datapruner.core.types import AnyArray, BoolArray, UInt64Array
from datapruner.dataset.ids import ids_from_column
from datapruner.errors import DataPrunerError, InputError, MissingColumnError, nearest
from datapruner.vectors.content import scan
from datapruner.vectors.embed import resolve_embedder
from datapruner.vectors.store import Vectors, open_vectors

__all__ = [
    "EMBEDDING",
    "PREFIX",
    "Check",
    "Draw",
    "Embed",
    "Table",
    "column",
    "drawn_sample",
    "masked",
    "table_of",
    "ties_of",
    "vectors_of",
    "with_columns",
]

Table: TypeAlias = Any
"""A ``pyarrow.Table``."""

PREFIX = "datapruner_"
"""Of the columns that are ours while a run lasts."""

EMBEDDING = f"{PREFIX}embedding"

_SHOWN = 5


@dataclass(frozen=True)
class Check:
    """Count the rows of a block and those that cannot be used; find faults before work begins.

    Attributes:
        id: column of ids.
        text: column of texts to look at; None: none.
        embedding: column of vectors to look at; None: none.
    """

    id: str
    text: str | None
    embedding: str | None

    @property
    def columns(self) -> tuple[str, ...]:
        """What it looks at."""
        return tuple(name for name in (self.id, self.text, self.embedding) if name is not None)

    def __call__(self, table: Table) -> Table:
        """One row: ``rows``, ``bad``, ``shown`` (of the first bad ones), ``width``, or a fault."""
        found: dict[str, Any] = {"rows": len(table), "bad": 0, "shown": [], "width": 0}
        fault: DataPrunerError | None = None
        try:
            _ids(table, self.id)
            if self.text is not None:
                self._note(found, table, _bad_texts(table, self.text), f'"{self.text}" is empty')
            if self.embedding is not None:
                vectors = vectors_of(table, self.embedding)
                found["width"] = vectors.d
                self._note(found, table, scan(vectors)[1] > 0, "its vector cannot be used")
        except DataPrunerError as error:
            fault = error
        names = {"fault": "", "told": ""}
        if fault is not None:
            names = {"fault": type(fault).__name__, "told": str(fault)}
        return table_of({**{key: [value] for key, value in (found | names).items()}})

    def _note(self, found: dict[str, Any], table: Table, bad: BoolArray, why: str) -> None:
        rows = np.flatnonzero(bad)
        found["bad"] += int(rows.size)
        ids = column(table, self.id).take(rows[:_SHOWN]).to_pylist()
        found["shown"] += [f"{self.id} {value!r:.60}: {why}" for value in ids]


class Embed:
    """Adds the vectors of a column of texts; an actor, for a model takes long to load.

    Args:
        text: the column.
        embedder: as for ``resolve_embedder``.
        device: as for ``resolve_embedder``.
    """

    def __init__(self, text: str, embedder: Any, device: str) -> None:
        self.text = text
        self.embedder = resolve_embedder(embedder, device=device)

    def __call__(self, table: Table) -> Table:
        """The table with a column of vectors; zeros for a row without text."""
        import pyarrow

        bad = _bad_texts(table, self.text)
        texts = [value or "" for value in column(table, self.text).to_pylist()]
        distinct = list(dict.fromkeys(texts))
        place = {text: i for i, text in enumerate(distinct)}
        vectors = np.zeros((len(texts), self.embedder.dimensions), dtype=np.float32)
        if distinct:
            vectors[:] = self.embedder.encode(distinct)[[place[text] for text in texts]]
        vectors[bad] = 0
        flat = pyarrow.array(vectors.reshape(-1))
        made = pyarrow.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
        return table.append_column(EMBEDDING, made)


@dataclass(frozen=True)
class Draw:
    """The rows of a block that may belong to the training sample, each content once.

    Attributes:
        embedding: column of vectors.
        seed: the user's seed.
        bound: only hashes up to this.
    """

    embedding: str
    seed: int
    bound: int

    def __call__(self, table: Table) -> Table:
        """One row: ``hashes``, ``counts`` and ``values`` of the contents, as bytes."""
        vectors = vectors_of(table, self.embedding)
        keys, bad = scan(vectors)
        hashes = rng.mix(keys, self.seed)
        rows = np.flatnonzero((bad == 0) & (hashes <= np.uint64(self.bound)))
        drawn, first, counts = np.unique(hashes[rows], return_index=True, return_counts=True)
        return table_of(
            {
                "hashes": [drawn.tobytes()],
                "counts": [counts.astype(np.int64).tobytes()],
                "values": [vectors.take(rows[first]).tobytes()],
            }
        )


def drawn_sample(
    tables: Iterable[Mapping[str, bytes]], size: int, d: int
) -> tuple[npt.NDArray[np.float32], UInt64Array]:
    """The training sample from what ``Draw`` gave of all blocks.

    Args:
        tables: its rows, in any order.
        size: how many rows the sample should have.
        d: width of the vectors.

    Returns:
        (x, hashes): the rows of smallest hash, shape (m, d), float32, and those hashes, rising; m
        is the size, or less if the bound was too low.
    """
    found = list(tables)
    hashes = _joined(found, "hashes", np.uint64)
    counts = _joined(found, "counts", np.int64)
    values = _joined(found, "values", np.float32).reshape(-1, d)
    order = np.argsort(hashes, kind="stable")
    repeated = np.repeat(order, counts[order])[:size]
    return values[repeated], hashes[repeated]


def _joined(found: list[Mapping[str, bytes]], name: str, dtype: type) -> AnyArray:
    parts: list[AnyArray] = [np.frombuffer(one[name], dtype=dtype) for one in found]
    return np.concatenate([np.zeros(0, dtype=dtype), *parts])


def column(table: Table, name: str) -> Any:
    """The column as one array.

    Raises:
        MissingColumnError: there is none; the message names the nearest.
    """
    if name not in table.column_names:
        known = [one for one in table.column_names if not one.startswith(PREFIX)]
        raise MissingColumnError(f'no column "{name}" in the data set. {nearest(name, known)}')
    whole = table[name].combine_chunks()
    return whole.combine_chunks() if hasattr(whole, "combine_chunks") else whole


def vectors_of(table: Table, name: str) -> Vectors:
    """The vectors in a column of lists of floats; an InputError where there are none."""
    return open_vectors(column(table, name), name=name)


def _ids(table: Table, name: str) -> Any:
    import pyarrow

    values = column(table, name)
    is_whole = pyarrow.types.is_integer(values.type) and not values.null_count
    ids = ids_from_column(values.to_numpy() if is_whole else values.to_pylist(), name=name)
    if isinstance(ids, np.ndarray):
        return ids
    return np.array(ids, dtype=object if not ids or isinstance(ids[0], str) else np.int64)


def ties_of(table: Table, name: str) -> UInt64Array:
    """Shape (m,): ``Items.tie_keys`` of rows with these ids."""
    return Items.of(len(table), id=_ids(table, name)).tie_keys()


def _bad_texts(table: Table, name: str) -> npt.NDArray[np.bool_]:
    """Which texts are missing or empty.

    Raises:
        InputError: the column does not hold texts.
    """
    import pyarrow

    values = column(table, name)
    kinds = pyarrow.types
    if not (kinds.is_string(values.type) or kinds.is_large_string(values.type)):
        raise InputError(f'"{name}" is a column of {values.type}, not of text.')
    return np.array([not (text or "").strip() for text in values.to_pylist()], dtype=bool)


def with_columns(table: Table, columns: Mapping[str, AnyArray]) -> Table:
    """The table with these columns as well; one that it has stays as it is."""
    import pyarrow

    for name, values in columns.items():
        if name not in table.column_names:
            table = table.append_column(name, pyarrow.array(values))
    return table


def masked(table: Table, rows: BoolArray) -> Table:
    """These rows of the table alone."""
    import pyarrow

    return table.filter(pyarrow.array(rows))


def table_of(columns: Mapping[str, Any]) -> Table:
    """A table of these columns."""
    import pyarrow

    return pyarrow.table(dict(columns))
