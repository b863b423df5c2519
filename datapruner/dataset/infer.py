"""An Arrow schema for rows that have none, found in one pass and used in the next."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from datapruner.dataset.source import BLOCK_ROWS
from datapruner.errors import InputError

if TYPE_CHECKING:
    from datapruner.dataset.base import Keep, SourceBase

__all__ = ["infer_tables"]

_HINT = (
    "A Parquet column has one type: make the values alike, or write JSON lines (.jsonl) instead."
)


def infer_tables(source: SourceBase, keep: Keep) -> tuple[Any, Iterator[Any]]:
    """The schema of the kept rows and tables of them.

    Ints and floats in one column make floats; nulls go with anything; fields of nested objects are
    united. A column of nothing but nulls keeps the null type.

    Returns:
        A pyarrow schema with the columns in order of appearance, and an iterator of pyarrow tables.

    Raises:
        InputError: a column mixes types; names the column, both types and the row.
    """
    import pyarrow as pa

    types: dict[str, Any] = {}
    for rows in _bundles(source.records(keep)):
        for name in dict.fromkeys(key for _, row in rows for key in row):
            types[name] = _unite(types.get(name, pa.null()), name, rows)
    for name in source.columns if not types else ():
        types[name] = pa.null()
    schema = pa.schema(list(types.items()))
    return schema, _tables(source, keep, schema)


def _tables(source: SourceBase, keep: Keep, schema: Any) -> Iterator[Any]:
    import pyarrow as pa

    for rows in _bundles(source.records(keep)):
        arrays = [_array(field.name, field.type, rows) for field in schema]
        yield pa.Table.from_arrays(arrays, schema=schema)


def _bundles(
    records: Iterator[tuple[int, dict[str, Any]]],
) -> Iterator[list[tuple[int, dict[str, Any]]]]:
    while rows := list(islice(records, BLOCK_ROWS)):
        yield rows


def _array(name: str, kind: Any, rows: list[tuple[int, dict[str, Any]]]) -> Any:
    import pyarrow as pa

    try:
        return pa.array([_known(row.get(name)) for _, row in rows], kind)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        first, last = rows[0][0], rows[-1][0]
        raise InputError(f'column "{name}", rows {first} to {last}: {error}. {_HINT}') from error


def _unite(known: Any, name: str, rows: list[tuple[int, dict[str, Any]]]) -> Any:
    """The type of a column so far, widened by more values."""
    import pyarrow as pa

    values = [_known(row.get(name)) for _, row in rows]
    try:
        return _wider(known, pa.array(values).type)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        pass
    # Some value does not go with the others, or Arrow just needs to see them one by one.
    for (number, _), value in zip(rows, values, strict=True):
        try:
            kind = pa.array([value]).type
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            raise InputError(f'column "{name}", row {number}: {error}. {_HINT}') from error
        try:
            known = _wider(known, kind)
        except pa.ArrowException:
            message = f'column "{name}" mixes types: {known} up to row {number}, which has {kind}'
            raise InputError(f"{message} ({value!r:.60}). {_HINT}") from None
    return known


def _wider(known: Any, more: Any) -> Any:
    import pyarrow as pa

    if known.equals(more):
        return known
    schemas = [pa.schema([("", known)]), pa.schema([("", more)])]
    return pa.unify_schemas(schemas, promote_options="permissive").field(0).type


def _known(value: Any) -> Any:
    """Tensors and other foreign arrays as lists; Arrow knows the rest."""
    convert = getattr(value, "tolist", None)
    return value if convert is None else convert()
