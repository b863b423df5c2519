"""Sources with an Arrow schema: pyarrow tables, and all that can hand some out in slices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from datapruner.core.types import AnyArray, IntArray
from datapruner.dataset.base import Keep, SourceBase, arranged
from datapruner.dataset.canonical import row_digest, text_digest
from datapruner.dataset.source import BLOCK_ROWS, BadRow, Block, Order, check_columns
from datapruner.errors import InputError

__all__ = ["ArrowSource", "TableSource", "check_rows", "column_values", "refuse_equal_names"]


class TableSource(SourceBase):
    """A source that hands out Arrow tables.

    A subclass sets ``description`` and ``columns`` and gives ``schema``, ``tables`` and ``take``.
    """

    # What ``where`` of a bad row starts with.
    place = "row"

    def schema(self) -> Any:
        """The pyarrow schema with its metadata."""
        raise NotImplementedError

    def tables(self, columns: Sequence[str] | None) -> Iterator[Any]:
        """All rows, as tables of at most BLOCK_ROWS rows; None for all columns."""
        raise NotImplementedError

    def blocks(self, columns: Sequence[str] = (), *, content: bool = False) -> Iterator[Block]:
        """See ``Source.blocks``."""
        check_columns(columns, self.columns, self.description)
        return self._blocks(list(dict.fromkeys(columns)), content)

    def _blocks(self, columns: list[str], content: bool) -> Iterator[Block]:
        start = 0
        for table in self.tables(None if content else columns):
            broken: dict[int, str] = {}
            wanted = self.columns if content else columns
            values = {name: column_values(table.column(name), broken) for name in wanted}
            digests = None if not content else _digests(values, table.num_rows, broken)
            chosen = {name: _without(values[name], broken) for name in columns}
            bad = tuple(
                BadRow(start + at, f"{self.place} {start + at}", "invalid UTF-8", text)
                for at, text in sorted(broken.items())
            )
            yield Block(start, table.num_rows, chosen, digests, bad)
            start += table.num_rows

    def kept_tables(self, keep: Keep) -> Iterator[tuple[int, Any, AnyArray]]:
        """First row number, table of the kept rows, and their numbers, where there are any."""
        import pyarrow as pa

        start = 0
        for table in self.tables(None):
            part = keep.part(start, table.num_rows)
            if part.any():
                yield start, table.filter(pa.array(part)), start + np.flatnonzero(part)
            start += table.num_rows
        keep.check_end(start)

    def records(self, keep: Keep) -> Iterator[tuple[int, dict[str, Any]]]:
        """See ``SourceBase.records``.

        Raises:
            InputError: a kept row holds text that is not UTF-8.
        """
        for _, table, numbers in self.kept_tables(keep):
            broken: dict[int, str] = {}
            values = {
                name: _listed(column_values(table.column(name), broken)) for name in self.columns
            }
            if broken:
                where = f"{self.place} {numbers[min(broken)]}"
                raise InputError(f"{where} is kept but cannot be read: invalid UTF-8.")
            rows = zip(*values.values(), strict=True) if values else iter([()] * table.num_rows)
            for number, row in zip(numbers.tolist(), rows, strict=True):
                yield number, dict(zip(values, row, strict=True))

    def to_arrow(self, keep: Keep) -> tuple[Any, Iterator[Any]]:
        """The source's own schema, and the tables of its kept rows."""
        return self.schema(), (table for _, table, _ in self.kept_tables(keep))


class ArrowSource(TableSource):
    """Rows of a pyarrow Table."""

    def __init__(self, table: Any) -> None:
        self._table = table
        self.columns = refuse_equal_names(table.column_names, "pyarrow.Table")
        self.description = f"pyarrow.Table, {table.num_rows} rows"

    def schema(self) -> Any:
        """The table's schema."""
        return self._table.schema

    def tables(self, columns: Sequence[str] | None) -> Iterator[Any]:
        """Slices of the table; no copies."""
        for start in range(0, self._table.num_rows, BLOCK_ROWS):
            # The length is given because slices of a table without columns do not stop at its end.
            part = self._table.slice(start, min(BLOCK_ROWS, self._table.num_rows - start))
            yield part if columns is None else part.select(list(columns))

    def take(self, rows: IntArray, *, order: Order = "source") -> Any:
        """The rows as a table of the same schema."""
        return self._table.take(check_rows(arranged(rows, order), self._table.num_rows))


def check_rows(rows: IntArray, n: int) -> IntArray:
    """Refuse row numbers beyond the end."""
    if rows.size and rows.max() >= n:
        raise InputError(f"row {rows.max()} is out of range; there are {n} rows.")
    return rows


def refuse_equal_names(names: Sequence[str], description: str) -> tuple[str, ...]:
    """The names, if no two are alike."""
    for name in names:
        if list(names).count(name) > 1:
            raise InputError(f'{description}: two columns are named "{name}"; rename one.')
    return tuple(names)


def column_values(column: Any, broken: dict[int, str]) -> Sequence[Any] | AnyArray:
    """Values of an Arrow column as Python objects, or as an array for numbers without nulls.

    Args:
        column: a pyarrow ChunkedArray.
        broken: gets, by place, the readable part of texts that are not UTF-8; their value is None.

    Returns:
        A list; or an array of shape (rows,) for numbers, (rows, d) for lists of d floats.
    """
    import pyarrow as pa

    kind = column.type
    if column.null_count == 0 and len(column):
        if pa.types.is_integer(kind) or pa.types.is_floating(kind):
            return column.to_numpy()  # type: ignore[no-any-return]
        if _is_vector(kind):
            vectors = _as_matrix(column.combine_chunks())
            if vectors is not None:
                return vectors
    try:
        return column.to_pylist()  # type: ignore[no-any-return]
    except UnicodeDecodeError:
        return [_readable(value, at, broken) for at, value in enumerate(column)]


def _is_vector(kind: Any) -> bool:
    import pyarrow as pa

    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    return bool(is_list or pa.types.is_fixed_size_list(kind)) and bool(
        pa.types.is_floating(kind.value_type)
    )


def _as_matrix(array: Any) -> AnyArray | None:
    """Lists of one length, without nulls, as a matrix; else None."""
    import pyarrow.compute as pc

    flat = array.flatten()
    lengths = pc.list_value_length(array)
    width = lengths[0].as_py()
    if flat.null_count or not width or not pc.all(pc.equal(lengths, width)).as_py():
        return None
    return flat.to_numpy(zero_copy_only=False).reshape(len(array), width)  # type: ignore[no-any-return]


def _readable(value: Any, at: int, broken: dict[int, str]) -> Any:
    try:
        return value.as_py()
    except UnicodeDecodeError as error:
        broken.setdefault(at, error.object.decode("utf-8", "replace"))
        return None


def _listed(values: Sequence[Any] | AnyArray) -> Sequence[Any]:
    return values.tolist() if isinstance(values, np.ndarray) else values


def _without(values: Sequence[Any] | AnyArray, broken: dict[int, str]) -> Sequence[Any] | AnyArray:
    """A bad row has no values in any column."""
    if not broken:
        return values
    return [None if at in broken else value for at, value in enumerate(_listed(values))]


def _digests(
    values: dict[str, Sequence[Any] | AnyArray], count: int, broken: dict[int, str]
) -> list[bytes]:
    names = list(values)
    columns = [_listed(column) for column in values.values()]
    rows = zip(*columns, strict=True) if columns else iter([()] * count)
    digests = [row_digest(dict(zip(names, row, strict=True))) for row in rows]
    for at, text in broken.items():
        digests[at] = text_digest(text)
    return digests
