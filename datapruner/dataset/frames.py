"""polars and pandas."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from datapruner.core.types import AnyArray, IntArray
from datapruner.dataset.base import Keep, arranged
from datapruner.dataset.memory import ColumnarSource
from datapruner.dataset.source import BLOCK_ROWS, Order
from datapruner.dataset.tables import TableSource, check_rows, refuse_equal_names
from datapruner.errors import InputError

__all__ = ["LazySource", "PandasSource", "PolarsSource"]


class PolarsSource(TableSource):
    """Rows of a polars DataFrame."""

    def __init__(self, frame: Any) -> None:
        self._frame = frame
        self.columns = tuple(frame.columns)
        self.description = f"polars.DataFrame, {frame.height} rows"

    def schema(self) -> Any:
        """The schema that polars gives to Arrow."""
        return self._frame.head(0).to_arrow().schema

    def tables(self, columns: Sequence[str] | None) -> Iterator[Any]:
        """Slices of the frame as Arrow tables."""
        frame = self._frame if columns is None else self._frame.select(list(columns))
        for start in range(0, self._frame.height, BLOCK_ROWS):
            rows = min(BLOCK_ROWS, self._frame.height - start)
            yield _sized(frame.slice(start, rows), rows)

    def take(self, rows: IntArray, *, order: Order = "source") -> Any:
        """The rows as a DataFrame."""
        return self._frame[check_rows(arranged(rows, order), self._frame.height)]


def _sized(frame: Any, rows: int) -> Any:
    """An Arrow table that knows its number of rows even without columns."""
    if frame.width:
        return frame.to_arrow()
    import pyarrow as pa

    return pa.table({"": pa.nulls(rows)}).select([])


class LazySource(TableSource):
    """Rows of a polars LazyFrame, which is run anew for every pass and never collected whole.

    The plan must give the same rows in the same order every time.
    """

    def __init__(self, frame: Any) -> None:
        self._frame = frame
        self._schema = frame.collect_schema()
        self.columns = tuple(self._schema.names())
        self.description = "polars.LazyFrame"

    def schema(self) -> Any:
        """The schema that polars gives to Arrow."""
        return self._schema.to_frame().to_arrow().schema

    def tables(self, columns: Sequence[str] | None) -> Iterator[Any]:
        """Slices of the result as Arrow tables."""
        # Without a column there would be nothing to count, so the first one serves.
        wanted = self.columns if columns is None else (tuple(columns) or self.columns[:1])
        for frame in self._frames(self._frame.select(wanted)):
            for start in range(0, frame.height, BLOCK_ROWS):
                yield frame.slice(start, BLOCK_ROWS).to_arrow()

    def _frames(self, frame: Any) -> Iterator[Any]:
        if hasattr(frame, "collect_batches"):
            import warnings

            with warnings.catch_warnings():  # polars calls it unstable; the fallback below is not
                warnings.simplefilter("ignore")
                batches = frame.collect_batches(chunk_size=BLOCK_ROWS, maintain_order=True)
            yield from batches
            return
        start = 0
        while (part := frame.slice(start, BLOCK_ROWS).collect()).height:
            yield part
            start += part.height

    def take(self, rows: IntArray, *, order: Order = "source") -> Any:
        """The rows as a LazyFrame; a number beyond the end fails when that is collected."""
        import polars as pl

        return self._frame.select(pl.all().gather(pl.lit(pl.Series(arranged(rows, order)))))


class PandasSource(ColumnarSource):
    """Rows of a pandas DataFrame; missing values of any kind are None.

    The index stays with the rows in ``take`` and in Parquet, but is no column.
    """

    def __init__(self, frame: Any) -> None:
        if frame.columns.nlevels > 1:
            raise InputError(
                "a pandas DataFrame with several levels of columns; flatten them first."
            )
        self._frame = frame
        self.columns = refuse_equal_names([str(name) for name in frame.columns], "pandas.DataFrame")
        self.rows = len(frame)
        self.description = f"pandas.DataFrame, {self.rows} rows"

    def part(self, name: str, start: int, stop: int) -> Sequence[Any] | AnyArray:
        """See ``ColumnarSource.part``."""
        series = self._frame.iloc[start:stop, self.columns.index(name)]
        missing = series.isna()
        if series.dtype.kind in "iuf" and not missing.any():
            return series.to_numpy()  # type: ignore[no-any-return]
        pairs = zip(series.tolist(), missing.tolist(), strict=True)
        return [None if gone else value for value, gone in pairs]

    def to_arrow(self, keep: Keep) -> tuple[Any, Iterator[Any]]:
        """The schema and the tables as pandas gives them to Arrow, index and metadata included."""
        import pyarrow as pa

        keep.part(0, self.rows)
        keep.check_end(self.rows)
        try:
            schema = pa.Schema.from_pandas(self._frame)
        except (pa.ArrowException, TypeError) as error:
            message = f"a column of {self.description} has no Arrow type: {error}"
            raise InputError(f"{message}. Write JSON lines (.jsonl) instead.") from error
        return schema, self._tables(keep, schema)

    def _tables(self, keep: Keep, schema: Any) -> Iterator[Any]:
        import pyarrow as pa

        for start in range(0, self.rows, BLOCK_ROWS):
            mask = keep.part(start, min(BLOCK_ROWS, self.rows - start))
            if mask.any():
                part = self._frame.iloc[start : start + len(mask)][mask]
                yield pa.Table.from_pandas(part, schema=schema)

    def take(self, rows: IntArray, *, order: Order = "source") -> Any:
        """The rows as a DataFrame with their index."""
        return self._frame.iloc[check_rows(arranged(rows, order), self.rows)]
