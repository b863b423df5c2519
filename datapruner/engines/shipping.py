"""What travels between an engine and its workers, as Arrow tables.

A piece of work is one row of a table: where its rows are (numbers of rows in files that the worker
opens itself) or the rows as such. Its answer is one row, too: the columns of the task as bytes, 8
to 13 for each row of data, or the message of an error that is ours. Errors travel as values, so
that they arrive as what they were.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from datapruner import errors
from datapruner.core.types import AnyArray, IntArray, UInt64Array
from datapruner.engines.base import Columns, GroupTask, RowTask
from datapruner.errors import DataPrunerError
from datapruner.vectors.files import Files
from datapruner.vectors.store import Vectors

__all__ = ["GroupWork", "RowWork", "group_pieces", "put_together", "raise_fault", "row_pieces"]

Span = tuple[int, int]


def row_pieces(
    vectors: Vectors, spans: Sequence[Span], together: int, *, by_path: bool
) -> Iterator[Any]:
    """Tables of pieces, each a span of rows.

    Args:
        vectors: where the rows are.
        spans: (start, stop) of every piece.
        together: pieces in a table, which one worker takes on.
        by_path: the worker opens the files; else the rows travel.
    """
    for first in range(0, len(spans), together):
        some = spans[first : first + together]
        columns: dict[str, Any] = {
            "place": list(range(first, first + len(some))),
            "start": [start for start, _ in some],
            "stop": [stop for _, stop in some],
        }
        if not by_path:
            columns["values"] = _bytes(vectors.block(start, stop) for start, stop in some)
        yield _table(columns)


def group_pieces(
    vectors: Vectors,
    batches: Sequence[Sequence[IntArray]],
    keys: UInt64Array,
    *,
    by_path: bool,
) -> Iterator[Any]:
    """Tables of one piece, each a batch of groups.

    Args:
        vectors: where the rows are.
        batches: the groups of every piece, as row numbers.
        keys: shape (n,), ``content.row_keys`` of every row.
        by_path: the worker opens the files; else the rows travel.
    """
    for place, batch in enumerate(batches):
        rows = np.concatenate(batch)
        sizes = np.array([len(group) for group in batch], dtype=np.int64)
        where = rows.astype(np.int64) if by_path else vectors.take(rows)
        yield _table(
            {
                "place": [place],
                "sizes": _bytes([sizes]),
                "keys": _bytes([keys[rows]]),
                "rows" if by_path else "values": _bytes([where]),
            }
        )


@dataclass(frozen=True)
class RowWork:
    """What a worker does with a table of spans.

    Attributes:
        task: the function over a block.
        d: width of the vectors.
        files: where the rows are; None where they travel.
    """

    task: RowTask
    d: int
    files: Files | None

    def __call__(self, table: Any) -> Any:
        """The answers, one row a piece."""
        return _answered(table, self._one)

    def _one(self, piece: dict[str, Any]) -> Columns:
        if self.files is not None:
            return self.task(self.files.open().block(piece["start"], piece["stop"]))
        return self.task(_rows(piece["values"], self.d))


@dataclass(frozen=True)
class GroupWork:
    """What a worker does with a batch of groups: reads its rows, and numbers them anew.

    Attributes:
        task: the function over groups.
        d: width of the vectors.
        files: where the rows are; None where they travel.
    """

    task: GroupTask
    d: int
    files: Files | None

    def __call__(self, table: Any) -> Any:
        """The answers, one row a piece."""
        return _answered(table, self._one)

    def _one(self, piece: dict[str, Any]) -> Columns:
        sizes = np.frombuffer(piece["sizes"], dtype=np.int64)
        keys = np.frombuffer(piece["keys"], dtype=np.uint64)
        if self.files is not None:
            block = self.files.open().take(np.frombuffer(piece["rows"], dtype=np.int64))
        else:
            block = _rows(piece["values"], self.d)
        here = Vectors([block], self.d, dtype="float32", description="a batch of groups")
        groups = np.split(np.arange(len(block), dtype=np.int64), np.cumsum(sizes)[:-1])
        return self.task(here, groups, keys)


def put_together(table: Any, starts: IntArray, out: Columns) -> int:
    """Write the answers of a table where they belong.

    Args:
        table: as a worker gave it.
        starts: shape (pieces + 1,), where the rows of every piece begin, and the last one ends.
        out: the columns of all rows.

    Returns:
        How many rows were written.

    Raises:
        DataPrunerError: the one that a piece ended with.
    """
    done = 0
    for piece in table.to_pylist():
        raise_fault(piece["fault"], piece["told"])
        start, stop = int(starts[piece["place"]]), int(starts[piece["place"] + 1])
        for i, column in enumerate(out):
            column[start:stop] = np.frombuffer(piece[f"c{i}"], dtype=column.dtype)
        done += stop - start
    return done


def raise_fault(fault: str | None, told: str | None) -> None:
    """Raise the error of that name and message; nothing where there is none."""
    if fault:
        raise getattr(errors, fault, DataPrunerError)(told)


def _answered(table: Any, one: Any) -> Any:
    places: list[int] = []
    faults: list[tuple[str, str]] = []
    answers: list[Columns] = []
    for piece in table.to_pylist():
        places.append(piece["place"])
        try:
            answers.append(one(piece))
            faults.append(("", ""))
        except DataPrunerError as error:
            answers.append(())
            faults.append((type(error).__name__, str(error)))
    width = max(len(answer) for answer in answers)
    columns = {
        f"c{i}": _bytes(answer[i] if answer else np.zeros(0) for answer in answers)
        for i in range(width)
    }
    names, messages = zip(*faults, strict=True)
    return _table({"place": places, "fault": names, "told": messages, **columns})


def _rows(values: bytes, d: int) -> npt.NDArray[np.float32]:
    """The rows as an array of their own: tasks may write to a block."""
    return np.frombuffer(values, dtype=np.float32).reshape(-1, d).copy()


def _bytes(arrays: Any) -> Any:
    import pyarrow

    # Offsets of 64 bits: the rows of one large group can take more than 2 GiB.
    return pyarrow.array([_raw(array) for array in arrays], pyarrow.large_binary())


def _raw(array: AnyArray) -> bytes:
    return np.ascontiguousarray(array).tobytes()


def _table(columns: dict[str, Any]) -> Any:
    import pyarrow

    return pyarrow.table(columns)
