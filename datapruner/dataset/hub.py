"""Hugging Face datasets: a Dataset, and a DatasetDict as one corpus."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from datapruner.core.types import IntArray
from datapruner.dataset.base import arranged
from datapruner.dataset.source import BLOCK_ROWS, Order
from datapruner.dataset.tables import TableSource, check_rows
from datapruner.errors import InputError

__all__ = ["DatasetDictSource", "DatasetSource"]


class DatasetSource(TableSource):
    """Rows of a ``datasets.Dataset``, read as stored: formats and transforms do not apply.

    Images and audio are not decoded; their column holds the stored bytes and path.
    """

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset
        self.columns = tuple(dataset.column_names)
        self.description = f"datasets.Dataset, {len(dataset)} rows"

    def schema(self) -> Any:
        """The Arrow schema, with the features in its metadata."""
        return self._dataset.features.arrow_schema

    def tables(self, columns: Sequence[str] | None) -> Iterator[Any]:
        """Slices of the dataset, through its indices if it has any."""
        # Without a column there would be nothing to count, so the first one serves.
        wanted = self.columns if columns is None else (tuple(columns) or self.columns[:1])
        if not wanted:
            return
        rows = len(self._dataset)
        stored = self._dataset.select_columns(list(wanted)).with_format("arrow")
        for start in range(0, rows, BLOCK_ROWS):
            yield stored[start : min(start + BLOCK_ROWS, rows)]

    def take(self, rows: IntArray, *, order: Order = "source") -> Any:
        """The rows as a Dataset with the same features and format."""
        return self._dataset.select(check_rows(arranged(rows, order), len(self._dataset)))


class DatasetDictSource(TableSource):
    """The rows of all splits of a ``datasets.DatasetDict``, in split order."""

    def __init__(self, splits: Any) -> None:
        self._splits = splits
        self._parts = [DatasetSource(split) for split in splits.values()]
        self._ends = np.cumsum([len(split) for split in splits.values()], dtype=np.int64)
        shared = [set(part.columns) for part in self._parts]
        first = self._parts[0].columns if self._parts else ()
        self.columns = tuple(name for name in first if all(name in names for names in shared))
        rows = int(self._ends[-1]) if self._parts else 0
        self.description = f"datasets.DatasetDict ({', '.join(splits)}), {rows} rows"

    def schema(self) -> Any:
        """The Arrow schema that all splits share.

        Raises:
            InputError: the splits differ, so that they do not fit into one file.
        """
        if not self._parts:
            import pyarrow as pa

            return pa.schema([])
        first = self._splits[next(iter(self._splits))].features
        for name, split in self._splits.items():
            if split.features != first:
                raise InputError(
                    f'split "{name}" has other features than the first; write JSON lines.'
                )
        return self._parts[0].schema()

    def tables(self, columns: Sequence[str] | None) -> Iterator[Any]:
        """The slices of one split after the other; None for the columns that all splits have."""
        for part in self._parts:
            yield from part.tables(self.columns if columns is None else columns)

    def take(self, rows: IntArray, *, order: Order = "source") -> Any:
        """The rows as a DatasetDict with the same splits; the order counts within each split."""
        total = int(self._ends[-1]) if self._parts else 0
        chosen = check_rows(arranged(rows, order), total)
        home = np.searchsorted(self._ends, chosen, side="right")
        starts = np.concatenate([[0], self._ends[:-1]]).astype(np.int64)
        kept = {
            name: split.select(chosen[home == at] - starts[at])
            for at, (name, split) in enumerate(self._splits.items())
        }
        return type(self._splits)(kept)
