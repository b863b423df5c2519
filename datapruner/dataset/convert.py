"""Kept rows to one file: in the input's own format if it can be, else converted on the way."""

from __future__ import annotations

import csv
import io
from base64 import b64encode
from collections.abc import Mapping
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from datapruner.dataset.canonical import to_json
from datapruner.dataset.discover import output_format
from datapruner.errors import InputError
from datapruner.output import check_writable, open_output

if TYPE_CHECKING:
    from datapruner.dataset.base import Keep, SourceBase

__all__ = ["write_parquet", "write_rows"]

# A row group is closed at whichever comes first. Readers skip and parallelise by row group, so it
# should not be tiny; and it is held in memory, so it must not be huge.
_GROUP_ROWS = 1 << 17
_GROUP_BYTES = 64 << 20
_JSON_BYTES = 1 << 20

# What the csv module writes well by itself.
_FIELDS = frozenset({str, int, float, type(None)})


def write_rows(
    source: SourceBase, keep: Keep, path: Path, *, overwrite: bool, format: str | None
) -> int:
    """Write the kept rows to a file that appears whole or not at all; returns how many.

    Raises:
        InputError: the mask does not fit, a kept row cannot be read, or the format cannot hold it.
        OutputError: the file cannot be written, or its format cannot be told.
    """
    target = output_format(path, format, source.format)
    check_writable(path, overwrite)
    with open_output(path, overwrite=overwrite) as out:
        if target == source.format:
            return source.copy_rows(keep, out)
        if target == "parquet":
            return write_parquet(source, keep, out)
        if target == "jsonl":
            return _write_jsonl(source, keep, out)
        return _write_delimited(source, keep, out, "\t" if target == "tsv" else ",")


def _write_jsonl(source: SourceBase, keep: Keep, out: Any) -> int:
    """One object a line, keys in column order, nulls included."""
    kept, lines, size = 0, [], 0
    for number, row in source.records(keep):
        try:
            lines.append(to_json(row))
        except InputError as error:
            raise InputError(f"row {number}: {error}") from None
        kept += 1
        size += len(lines[-1])
        if size >= _JSON_BYTES:
            out.write(b"\n".join(lines) + b"\n")
            lines, size = [], 0
    if lines:
        out.write(b"\n".join(lines) + b"\n")
    return kept


def _write_delimited(source: SourceBase, keep: Keep, out: Any, delimiter: str) -> int:
    """A header and a record a row; null becomes the empty field."""
    names = source.names(keep)
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerow(names)
    kept = 0
    for number, row in source.records(keep):
        writer.writerow([_field(row.get(name), name, number) for name in names])
        kept += 1
        if text.tell() >= _JSON_BYTES:
            out.write(text.getvalue().encode("utf-8"))
            text = io.StringIO()
            writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    out.write(text.getvalue().encode("utf-8"))
    return kept


def _field(value: Any, name: str, number: int) -> Any:
    if type(value) in _FIELDS:
        return value
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return b64encode(value).decode("ascii")
    if isinstance(value, Mapping | list | tuple) or hasattr(value, "tolist"):
        raise InputError(
            f'column "{name}", row {number}: a {type(value).__name__} does not fit into a CSV '
            "field; "
            "write .jsonl or .parquet instead."
        )
    return value


def write_parquet(source: SourceBase, keep: Keep, out: Any, **options: Any) -> int:
    """Write Parquet in row groups of bounded size; the schema is the source's own if it has one.

    Args:
        source: the rows.
        keep: which of them.
        out: where the bytes go.
        options: of ``pyarrow.parquet.ParquetWriter``; compression is Zstandard unless given.

    Returns:
        The number of rows written.

    Raises:
        InputError: Parquet has no form for a column.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema, tables = source.to_arrow(keep)
    kept, held, size, rows = 0, [], 0, 0
    try:
        with pq.ParquetWriter(out, schema, **{"compression": "zstd", **options}) as writer:
            for table in tables:
                held.append(table)
                rows += table.num_rows
                size += table.nbytes
                kept += table.num_rows
                if rows >= _GROUP_ROWS or size >= _GROUP_BYTES:
                    writer.write_table(pa.concat_tables(held), row_group_size=_GROUP_ROWS)
                    held, size, rows = [], 0, 0
            if held:
                writer.write_table(pa.concat_tables(held), row_group_size=_GROUP_ROWS)
    except pa.ArrowException as error:
        raise InputError(
            f"{source.description} cannot be written as Parquet: {error}. Write JSON lines instead."
        ) from error
    return kept
