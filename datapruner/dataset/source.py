"""Where rows come from and how they go back: the contract, and the door that finds the right
reader.

A source hands its rows out in blocks, a few columns at a time, as often as asked; it takes a choice
of rows back in the type they came in; and it writes a choice of rows to a file without holding them
all. Nothing here imports a library that the caller has not imported already.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np

from datapruner.core.types import AnyArray, BoolArray, IntArray
from datapruner.errors import InputError, MissingColumnError, nearest

__all__ = ["BLOCK_ROWS", "BadRow", "Block", "Order", "Source", "check_columns", "open_source"]

# Large enough that the cost of a block vanishes, small enough that one of 100 kB rows fits in
# memory.
BLOCK_ROWS = 8192

# "source": ascending row numbers, as the input has them; "given": in the order of the argument.
Order: TypeAlias = Literal["source", "given"]

_TEXT_SHOWN = 200


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that could not be read. It keeps its number, so that masks line up.

    Attributes:
        row: its number over all files.
        where: for people: ``"corpus.jsonl line 17"``.
        reason: what is wrong with it.
        text: its first 200 characters, as far as they can be read.
    """

    row: int
    where: str
    reason: str
    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", self.text[:_TEXT_SHOWN])


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive rows of a source, some columns of them.

    Attributes:
        start: number of the first row, over all files.
        rows: how many.
        columns: for each column asked for, ``rows`` values: a list of Python values (None where the
            value is null, the key is missing or the row is bad), or an array of shape (rows,) or
            (rows, d) for numbers without nulls.
        content: the 16-byte digest of each whole row, if asked for.
        bad: rows that could not be read, ascending.
    """

    start: int
    rows: int
    columns: Mapping[str, Sequence[Any] | AnyArray]
    content: list[bytes] | None = None
    bad: tuple[BadRow, ...] = ()


@runtime_checkable
class Source(Protocol):
    """Rows in, rows out.

    Attributes:
        description: for messages and the manifest: ``"corpus.jsonl"``, ``"polars.DataFrame, 9
        rows"``. columns: the names known before reading: the schema, the CSV header, or the first
            rows' keys.
    """

    description: str
    columns: tuple[str, ...]

    def blocks(self, columns: Sequence[str] = (), *, content: bool = False) -> Iterator[Block]:
        """Every row, in blocks; may be called any number of times.

        Raises:
            MissingColumnError: a column that is not in the schema, or a key that no row has.
            InputError: the input is damaged, or changed since it was opened.
        """
        ...

    def digest(self) -> str:
        """SHA-256, in hex: of the files' bytes in order; in memory, of the rows' digests."""
        ...

    def take(self, rows: IntArray, *, order: Order = "source") -> Any:
        """These rows, in the type that came in (see ``open_source``)."""
        ...

    def write(
        self, mask: BoolArray, path: Path, *, overwrite: bool = False, format: str | None = None
    ) -> int:
        """Write the rows whose mask is true to one file, all or nothing; returns how many.

        The format follows the suffix of the path unless it is given.
        """
        ...


def check_columns(wanted: Sequence[str], known: Sequence[str], description: str) -> None:
    """Refuse a name that the schema does not have.

    Raises:
        MissingColumnError: names the source and the nearest column.
    """
    for name in wanted:
        if name not in known:
            raise MissingColumnError(f'no column "{name}" in {description}. {nearest(name, known)}')


def open_source(data: Any, *, format: str | None = None) -> Source:
    """A source for whatever the user has.

    ==============================================  ==========================================
    in                                              ``take`` gives
    ==============================================  ==========================================
    str or Path: a file, folder, glob or ``-``      list of dicts; Parquet: a pyarrow.Table
    list of Path: several files, in that order      the same
    list (or tuple) of dicts                        list (or tuple) of the same dicts
    list (or tuple) of str: texts, column ``text``  list (or tuple) of str
    dict of columns (lists, arrays, tensors)        dict of columns, each of its own type
    2-D NumPy array: column ``embedding``           2-D NumPy array
    polars DataFrame, LazyFrame                     DataFrame, LazyFrame
    pandas DataFrame                                DataFrame with its index
    pyarrow Table                                   Table
    datasets.Dataset, DatasetDict                   Dataset with its features, DatasetDict with its
    splits torch map-style Dataset                         torch.utils.data.Subset
    ==============================================  ==========================================

    A DatasetDict is one corpus over its splits, in split order.

    Args:
        data: the rows, or where they are.
        format: for files whose name does not tell: ``jsonl``, ``parquet``, ``csv`` or ``tsv``.

    Raises:
        InputError: nothing there, or a type that no reader knows.
    """
    if isinstance(data, str | Path):
        return _open_files([Path(data)], format)
    if isinstance(data, list | tuple) and data and all(isinstance(item, Path) for item in data):
        return _open_files(list(data), format)
    if format is not None:
        raise InputError(f"format={format!r} is for files; this is a {type(data).__name__}.")
    if isinstance(data, list | tuple | np.ndarray) or type(data) is dict:
        return _open_builtin(data)
    found = _open_library(data)
    if found is not None:
        return found
    if isinstance(data, Mapping):
        return _open_builtin(data)
    raise InputError(
        f"cannot read rows from a {type(data).__module__}.{type(data).__qualname__}; give a path, "
        "a list of dicts or texts, a dict of columns, a 2-D array, a polars, pandas or pyarrow "
        "table, a datasets.Dataset or a torch Dataset with __len__ and __getitem__."
    )


def _open_files(paths: list[Path], format: str | None) -> Source:
    from datapruner.dataset.discover import find_files

    found = find_files(paths, format)
    if found.format == "jsonl":
        from datapruner.dataset.jsonl import JsonlSource

        return JsonlSource(found)
    if found.format == "parquet":
        from datapruner.dataset.parquet import ParquetSource

        return ParquetSource(found)
    from datapruner.dataset.delimited import DelimitedSource

    return DelimitedSource(found)


def _open_builtin(data: Any) -> Source:
    from datapruner.dataset import memory

    if isinstance(data, np.ndarray):
        return memory.ArraySource(data)
    if isinstance(data, Mapping):
        return memory.ColumnsSource(data)
    first = next((item for item in data if item is not None), None)
    if isinstance(first, str):
        return memory.TextsSource(data)
    if isinstance(first, Mapping) or first is None:
        return memory.DictsSource(data)
    raise InputError(
        f"a {type(data).__name__} of {type(first).__name__} holds no rows; give a list of dicts, "
        "of texts, or of pathlib.Path."
    )


def _open_library(data: Any) -> Source | None:
    """By the name of the type's package: an object's library is imported already."""
    name = type(data).__name__
    packages = {kind.__module__.split(".")[0] for kind in type(data).__mro__}
    if "polars" in packages and name in ("DataFrame", "LazyFrame"):
        from datapruner.dataset import frames

        return frames.PolarsSource(data) if name == "DataFrame" else frames.LazySource(data)
    if "pandas" in packages and "DataFrame" in {kind.__name__ for kind in type(data).__mro__}:
        from datapruner.dataset.frames import PandasSource

        return PandasSource(data)
    if "pyarrow" in packages and name == "Table":
        from datapruner.dataset.tables import ArrowSource

        return ArrowSource(data)
    if "datasets" in packages and name in ("Dataset", "DatasetDict"):
        from datapruner.dataset import hub

        return hub.DatasetSource(data) if name == "Dataset" else hub.DatasetDictSource(data)
    torch_data = sys.modules.get("torch.utils.data")
    if torch_data is not None and isinstance(data, torch_data.Dataset):
        from datapruner.dataset.memory import TorchSource

        return TorchSource(data)
    return None
