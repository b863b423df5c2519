"""Parquet files, one or many of one schema, read a few thousand rows at a time.

Row groups in which no row is kept are not read when the rows are written out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from datapruner.core.types import AnyArray, IntArray
from datapruner.dataset.base import Keep, arranged
from datapruner.dataset.discover import Files
from datapruner.dataset.source import BLOCK_ROWS, Order
from datapruner.dataset.tables import TableSource, check_rows, refuse_equal_names
from datapruner.errors import InputError

__all__ = ["ParquetSource"]

# Column chunks are read through a buffer of this size instead of whole: a row group can be
# gigabytes.
_BUFFER = 1 << 20


class ParquetSource(TableSource):
    """Rows of Parquet files.

    Args:
        files: what ``find_files`` found.

    Raises:
        InputError: a file is empty or not Parquet, or the schemas disagree.
    """

    format = "parquet"
    _schema: Any = None
    _codec: Any = None

    def __init__(self, files: Files) -> None:
        self._files = files
        self.description = files.description
        self.place = f"{files.description} row"
        self._groups: list[tuple[Path, str, list[int]]] = []  # path, name, rows of each row group
        for path, name in zip(files.paths, files.names, strict=True):
            self._add(path, name)
        self.columns = refuse_equal_names(self._schema.names, files.description)
        self._rows = sum(sum(groups) for _, _, groups in self._groups)

    def _add(self, path: Path, name: str) -> None:
        with _open(path, name) as file:
            meta, schema = file.metadata, file.schema_arrow
            groups = [meta.row_group(group).num_rows for group in range(meta.num_row_groups)]
            if self._schema is None:
                self._schema, self._codec = schema, _codec(meta)
            elif not schema.equals(self._schema):
                raise InputError(
                    f"{name}: {_difference(schema, self._schema, self._files.names[0])}"
                )
            self._groups.append((path, name, groups))

    @property
    def compression(self) -> Any:
        """How the first file is compressed, in the terms of ``pyarrow.parquet.ParquetWriter``."""
        return self._codec

    def schema(self) -> Any:
        """The schema of the first file with its metadata."""
        return self._schema

    def tables(self, columns: Sequence[str] | None) -> Iterator[Any]:
        """All rows in batches."""
        for _, table in self._read(columns, None):
            yield table

    def kept_tables(self, keep: Keep) -> Iterator[tuple[int, Any, AnyArray]]:
        """See ``TableSource.kept_tables``; skips row groups without kept rows."""
        import pyarrow as pa

        keep.part(0, self._rows)
        keep.check_end(self._rows)
        for start, table in self._read(None, keep):
            part = keep.part(start, table.num_rows)
            if part.any():
                yield start, table.filter(pa.array(part)), start + np.flatnonzero(part)

    def _read(self, columns: Sequence[str] | None, keep: Keep | None) -> Iterator[tuple[int, Any]]:
        """Row number and table of each batch, of all row groups or of those with a kept row."""
        self._files.check_unchanged()
        start = 0
        for path, name, groups in self._groups:
            with _open(path, name) as file:
                for group, rows in enumerate(groups):
                    if keep is None or keep.part(start, rows).any():
                        yield from self._read_group(file, name, group, start, columns)
                    start += rows

    def _read_group(
        self, file: Any, name: str, group: int, start: int, columns: Sequence[str] | None
    ) -> Iterator[tuple[int, Any]]:
        import pyarrow as pa

        wanted = list(self.columns if columns is None else columns)
        schema = pa.schema([self._schema.field(column) for column in wanted], self._schema.metadata)
        batches = file.iter_batches(BLOCK_ROWS, row_groups=[group], columns=wanted)
        done = 0
        while True:
            try:
                batch = next(batches)
            except StopIteration:
                return
            except (pa.ArrowException, OSError) as error:
                message = f"{name}: row group {group} cannot be read ({_first_line(error)})"
                raise InputError(f"{message}; {done} of its rows were read before.") from error
            arrays = [batch.column(column) for column in wanted]
            yield start + done, _table(arrays, schema, batch.num_rows)
            done += batch.num_rows

    def copy_rows(self, keep: Keep, out: Any) -> int:
        """The kept rows under the same schema, compressed as the first file is."""
        from datapruner.dataset.convert import write_parquet

        # Compliant nesting would rename the fields inside lists: the schema is kept to the letter.
        names = {"use_compliant_nested_type": False}
        return write_parquet(self, keep, out, compression=self._codec, **names)

    def digest(self) -> str:
        """SHA-256, in hex, of the files' bytes in order."""
        return self._files.digest()

    def take(self, rows: IntArray, *, order: Order = "source") -> Any:
        """The rows as a pyarrow Table of the same schema."""
        import pyarrow as pa

        chosen = check_rows(arranged(rows, order), self._rows)
        mask = np.zeros(self._rows, dtype=bool)
        mask[chosen] = True
        parts = [table for _, table, _ in self.kept_tables(Keep(mask))]
        table = pa.concat_tables(parts) if parts else self._schema.empty_table()
        return table.take(np.searchsorted(np.flatnonzero(mask), chosen))


def _table(arrays: list[Any], schema: Any, rows: int) -> Any:
    """A table of these columns; one without columns still knows its number of rows."""
    import pyarrow as pa

    if arrays:
        return pa.Table.from_arrays(arrays, schema=schema)
    return pa.table({"": pa.nulls(rows)}).select([])


def _open(path: Path, name: str) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path, buffer_size=_BUFFER, pre_buffer=False)
    except (pa.ArrowException, OSError) as error:
        message = f"{name} is not a readable Parquet file ({_first_line(error)})"
        raise InputError(f"{message}; it may be cut off: fetch or write it again.") from error


def _first_line(error: BaseException) -> str:
    return str(error).split("\n")[0].rstrip(". ")


def _codec(meta: Any) -> Any:
    """One name if all columns agree, else a name for each; Zstandard for a file without rows."""
    if not meta.num_row_groups:
        return "zstd"
    group = meta.row_group(0)
    chunks = [group.column(at) for at in range(group.num_columns)]
    names = {chunk.path_in_schema: _writer_name(chunk.compression) for chunk in chunks}
    distinct = set(names.values())
    return distinct.pop() if len(distinct) == 1 else names


def _writer_name(compression: str) -> str:
    return {"UNCOMPRESSED": "none", "LZ4_RAW": "lz4"}.get(compression, compression.lower())


def _difference(schema: Any, first: Any, first_name: str) -> str:
    """The first column in which two schemas differ, as a sentence."""
    for column in first.names:
        if column not in schema.names:
            return f'the column "{column}" of {first_name} is missing; all files need one schema.'
    for column in schema.names:
        if column not in first.names:
            return f'the column "{column}" is not in {first_name}; all files need one schema.'
    for column in first.names:
        mine, other = schema.field(column), first.field(column)
        if not mine.equals(other):
            kinds = f"{_field(mine)} here but {_field(other)} in {first_name}"
            return f'the column "{column}" is {kinds}; all files need one schema.'
    return f"the columns stand in another order than in {first_name}; all files need one schema."


def _field(field: Any) -> str:
    return f"{field.type}{'' if field.nullable else ' not null'}"
