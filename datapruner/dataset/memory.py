"""Rows that are in memory already: lists, dicts of columns, arrays, torch datasets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from datapruner.core.types import AnyArray, IntArray
from datapruner.dataset.base import Keep, RecordSource, SourceBase, arranged
from datapruner.dataset.canonical import row_digest
from datapruner.dataset.source import BLOCK_ROWS, BadRow, Block, Order, check_columns
from datapruner.dataset.tables import check_rows
from datapruner.errors import InputError

__all__ = [
    "ArraySource",
    "ColumnarSource",
    "ColumnsSource",
    "DictsSource",
    "TextsSource",
    "TorchSource",
]

_PEEKED = 100


class _SequenceSource(RecordSource):
    """Rows by position: a subclass turns one item into a dict."""

    def __init__(self, items: Any, kind: str) -> None:
        self._items = items
        self.description = f"{kind}, {len(items)} rows"

    def _row(self, item: Any, number: int) -> dict[str, Any] | BadRow:
        raise NotImplementedError

    def record_blocks(self) -> Iterator[tuple[int, list[dict[str, Any] | BadRow]]]:
        """See ``RecordSource.record_blocks``."""
        count = len(self._items)
        for start in range(0, count, BLOCK_ROWS):
            numbers = range(start, min(start + BLOCK_ROWS, count))
            yield start, [self._row(self._items[number], number) for number in numbers]

    def take(self, rows: IntArray, *, order: Order = "source") -> Any:
        """The very items, in a list or tuple as they came."""
        chosen = check_rows(arranged(rows, order), len(self._items)).tolist()
        picked = [self._items[row] for row in chosen]
        return tuple(picked) if isinstance(self._items, tuple) else picked


class DictsSource(_SequenceSource):
    """A list of dicts; an item that is no mapping is a bad row."""

    def __init__(self, items: Sequence[Any]) -> None:
        super().__init__(items, f"{type(items).__name__} of dicts")
        first = (item for item in items[:_PEEKED] if isinstance(item, Mapping))
        self.columns = tuple(dict.fromkeys(str(key) for item in first for key in item))

    def _row(self, item: Any, number: int) -> dict[str, Any] | BadRow:
        if type(item) is dict:
            return item
        if isinstance(item, Mapping):
            return dict(item)
        reason = f"the item is a {type(item).__name__}, not a dict"
        return BadRow(number, f"item {number}", reason, str(item))


class TextsSource(_SequenceSource):
    """A list of texts; their column is called ``text``."""

    has_schema = True

    def __init__(self, items: Sequence[Any]) -> None:
        super().__init__(items, f"{type(items).__name__} of texts")
        self.columns = ("text",)

    def _row(self, item: Any, number: int) -> dict[str, Any]:
        return {"text": item}

    def blocks(self, columns: Sequence[str] = (), *, content: bool = False) -> Iterator[Block]:
        """See ``Source.blocks``."""
        check_columns(columns, self.columns, self.description)
        return super().blocks(columns, content=content)


class TorchSource(_SequenceSource):
    """A map-style torch dataset.

    Items that are dicts have their own keys; the parts of a tuple are columns ``0``, ``1``...; any
    other item is the column ``item``. Tensors become arrays.
    """

    def __init__(self, dataset: Any) -> None:
        if not hasattr(dataset, "__len__"):
            message = "an iterable torch Dataset cannot be pruned: rows are read more than once"
            raise InputError(f"{message}; give a map-style one (__len__ and __getitem__).")
        super().__init__(dataset, "torch Dataset")
        self.columns = tuple(self._row(dataset[0], 0)) if len(dataset) else ()

    def _row(self, item: Any, number: int) -> dict[str, Any]:
        if isinstance(item, Mapping):
            pairs = {str(key): value for key, value in item.items()}
        elif isinstance(item, tuple | list):
            pairs = {str(at): value for at, value in enumerate(item)}
        else:
            pairs = {"item": item}
        return {key: _from_tensor(value) for key, value in pairs.items()}

    def take(self, rows: IntArray, *, order: Order = "source") -> Any:
        """The rows as a ``torch.utils.data.Subset``."""
        from torch.utils.data import Subset

        chosen = check_rows(arranged(rows, order), len(self._items))
        return Subset(self._items, chosen.tolist())


def _from_tensor(value: Any) -> Any:
    """A tensor as an array, on the CPU; one number as a Python number."""
    if not hasattr(value, "detach"):
        return value
    array = value.detach().cpu()
    return array.item() if array.ndim == 0 else array.numpy()


class ColumnarSource(SourceBase):
    """Columns of one length, each of which can be sliced.

    A subclass sets ``description``, ``columns`` and ``rows``, and gives ``part`` and ``take``.
    """

    rows: int

    def part(self, name: str, start: int, stop: int) -> Sequence[Any] | AnyArray:
        """Values of a column, as a list or an array."""
        raise NotImplementedError

    def blocks(self, columns: Sequence[str] = (), *, content: bool = False) -> Iterator[Block]:
        """See ``Source.blocks``."""
        check_columns(columns, self.columns, self.description)
        return self._blocks(columns, content)

    def _blocks(self, columns: Sequence[str], content: bool) -> Iterator[Block]:
        for start in range(0, self.rows, BLOCK_ROWS):
            stop = min(start + BLOCK_ROWS, self.rows)
            values = {name: self.part(name, start, stop) for name in columns}
            digests = [row_digest(row) for row in self._dicts(start, stop)] if content else None
            yield Block(start, stop - start, values, digests)

    def _dicts(self, start: int, stop: int) -> Iterator[dict[str, Any]]:
        parts = [self.part(name, start, stop) for name in self.columns]
        lists = [part.tolist() if isinstance(part, np.ndarray) else part for part in parts]
        for row in zip(*lists, strict=True):
            yield dict(zip(self.columns, row, strict=True))

    def records(self, keep: Keep) -> Iterator[tuple[int, dict[str, Any]]]:
        """See ``SourceBase.records``."""
        keep.part(0, self.rows)
        keep.check_end(self.rows)
        for start in range(0, self.rows, BLOCK_ROWS):
            stop = min(start + BLOCK_ROWS, self.rows)
            mask = keep.part(start, stop - start)
            if mask.any():
                for number, row in enumerate(self._dicts(start, stop), start):
                    if mask[number - start]:
                        yield number, row


class ColumnsSource(ColumnarSource):
    """A dict of columns: lists, tuples, arrays, tensors or series of one length."""

    def __init__(self, data: Mapping[Any, Any]) -> None:
        self._data = {str(name): values for name, values in data.items()}
        self._keys = list(data)
        lengths = {name: _length(name, values) for name, values in self._data.items()}
        if len(set(lengths.values())) > 1:
            shown = ", ".join(f"{name} {length}" for name, length in lengths.items())
            raise InputError(f"the columns of a dict must have one length, but: {shown}.")
        self.columns = tuple(self._data)
        self.rows = next(iter(lengths.values()), 0)
        self.description = f"dict of {len(lengths)} columns, {self.rows} rows"

    def part(self, name: str, start: int, stop: int) -> Sequence[Any] | AnyArray:
        """See ``ColumnarSource.part``."""
        values = self._data[name][start:stop]
        if hasattr(values, "detach"):
            return values.detach().cpu().numpy()  # type: ignore[no-any-return]
        if isinstance(values, np.ndarray):
            return values if values.dtype.kind in "iuf" else values.tolist()
        return list(values)

    def take(self, rows: IntArray, *, order: Order = "source") -> dict[Any, Any]:
        """The rows as a dict of columns, each of the type it had."""
        chosen = check_rows(arranged(rows, order), self.rows)
        return {
            key: _pick(values, chosen)
            for key, values in zip(self._keys, self._data.values(), strict=True)
        }


def _length(name: str, values: Any) -> int:
    if isinstance(values, str | bytes | Mapping) or not hasattr(values, "__len__"):
        raise InputError(
            f'the value of "{name}" is a {type(values).__name__}, not a column; a dict must hold '
            "columns "
            "(lists or arrays). For a single row, give a list of one dict."
        )
    return len(values)


def _pick(values: Any, rows: IntArray) -> Any:
    if isinstance(values, list | tuple):
        return type(values)([values[row] for row in rows.tolist()])
    if hasattr(values, "iloc"):
        return values.iloc[rows]
    if hasattr(values, "gather") and not hasattr(
        values, "detach"
    ):  # a polars Series; tensors have it too
        return values.gather(rows)
    return values[rows]


class ArraySource(ColumnsSource):
    """The rows of a 2-D array, as the column ``embedding``."""

    def __init__(self, array: AnyArray) -> None:
        if array.ndim != 2:
            raise InputError(
                f"an array of rows has shape (n, d), not {array.shape}; for one column give a "
                "dict, "
                '{"label": array}, and for texts a list.'
            )
        super().__init__({"embedding": array})
        self.description = f"numpy array, {array.shape[0]} x {array.shape[1]} {array.dtype}"

    def take(self, rows: IntArray, *, order: Order = "source") -> Any:
        """The rows as a 2-D array."""
        return super().take(rows, order=order)["embedding"]
