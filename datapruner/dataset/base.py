"""What all sources share: digests, choosing rows, and writing them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np

from datapruner.core.types import BoolArray, IntArray
from datapruner.dataset.canonical import row_digest, text_digest
from datapruner.dataset.source import BadRow, Block, Order
from datapruner.errors import InputError, MissingColumnError, nearest

__all__ = ["Keep", "RecordSource", "SourceBase", "arranged"]

_MASK_HINT = "The mask must be made from the same input."


class Keep:
    """A mask that is consumed block by block and must fit the rows exactly."""

    def __init__(self, mask: Any) -> None:
        values = np.asarray(mask)
        if values.dtype != np.bool_ or values.ndim != 1:
            what = f"{values.dtype} of shape {values.shape}"
            raise InputError(f"a mask is a bool array of shape (n,), not {what}.")
        self.mask: BoolArray = values

    def part(self, start: int, rows: int) -> BoolArray:
        """The mask of one block.

        Raises:
            InputError: there are more rows than the mask has.
        """
        if start + rows > len(self.mask):
            raise InputError(f"more than {len(self.mask)} rows, the mask's length. {_MASK_HINT}")
        return self.mask[start : start + rows]

    def check_end(self, rows: int) -> None:
        """Refuse a mask that goes on after the last row."""
        if rows != len(self.mask):
            raise InputError(f"{rows} rows, but the mask has {len(self.mask)}. {_MASK_HINT}")


def arranged(rows: IntArray, order: Order) -> IntArray:
    """The row numbers as they shall come out; ascending unless the given order is asked for."""
    chosen = np.asarray(rows)
    if chosen.dtype == np.bool_ or (chosen.size and chosen.dtype.kind not in "iu"):
        raise InputError(f"take() wants row numbers, not {chosen.dtype}; see numpy.flatnonzero.")
    if chosen.size and chosen.min() < 0:
        raise InputError(f"row {chosen.min()} is out of range; row numbers start at 0.")
    whole = chosen.astype(np.int64)
    return whole if order == "given" else np.sort(whole)


class SourceBase:
    """The parts of ``Source`` that rest on others.

    A subclass sets ``description`` and ``columns``, gives ``blocks``, ``records`` and ``take``, and
    may override ``to_arrow`` where it has a schema, and ``copy_rows`` where it has a file format of
    its own.
    """

    description: str
    columns: tuple[str, ...]
    format: str | None = None

    def blocks(self, columns: Sequence[str] = (), *, content: bool = False) -> Iterator[Block]:
        """See ``Source.blocks``."""
        raise NotImplementedError

    def records(self, keep: Keep) -> Iterator[tuple[int, dict[str, Any]]]:
        """Number and content of each kept row, nulls included."""
        raise NotImplementedError

    def to_arrow(self, keep: Keep) -> tuple[Any, Iterator[Any]]:
        """Schema and tables of the kept rows; here inferred from the values, in two passes."""
        from datapruner.dataset.infer import infer_tables

        return infer_tables(self, keep)

    def copy_rows(self, keep: Keep, out: Any) -> int:
        """Write kept rows in the input's own format, little changed; returns how many."""
        raise NotImplementedError

    def names(self, keep: Keep) -> list[str]:
        """The columns of the kept rows, in order of appearance."""
        return list(self.columns)

    def digest(self) -> str:
        """See ``Source.digest``."""
        total = sha256()
        for block in self.blocks((), content=True):
            total.update(b"".join(block.content or ()))
        return total.hexdigest()

    def write(
        self, mask: BoolArray, path: Path, *, overwrite: bool = False, format: str | None = None
    ) -> int:
        """See ``Source.write``."""
        from datapruner.dataset.convert import write_rows

        return write_rows(self, Keep(mask), path, overwrite=overwrite, format=format)


class RecordSource(SourceBase):
    """A source whose rows come as dicts: JSONL, CSV, lists, torch datasets.

    A subclass gives ``record_blocks``.
    """

    # Whether ``columns`` is all there can be, so that another name can be refused at once.
    has_schema = False

    def record_blocks(self) -> Iterator[tuple[int, list[dict[str, Any] | BadRow]]]:
        """Number of the first row, and the rows; those that cannot be read as BadRow."""
        raise NotImplementedError

    def blocks(self, columns: Sequence[str] = (), *, content: bool = False) -> Iterator[Block]:
        """See ``Source.blocks``; a key that no row has is found out at the end."""
        absent, good = set(columns), 0
        for start, rows in self.record_blocks():
            readable = [row for row in rows if not isinstance(row, BadRow)]
            bad = () if len(readable) == len(rows) else tuple(_bad(rows))
            good += len(readable)
            absent = {name for name in absent if not any(name in row for row in readable)}
            values = {name: [_get(row, name) for row in rows] for name in columns}
            digests = [_digest(row) for row in rows] if content else None
            yield Block(start, len(rows), values, digests, bad)
        if absent and good:
            name = sorted(absent)[0]
            hint = nearest(name, self.columns)
            raise MissingColumnError(f'no row of {self.description} has a "{name}". {hint}')

    def records(self, keep: Keep) -> Iterator[tuple[int, dict[str, Any]]]:
        """See ``SourceBase.records``.

        Raises:
            InputError: a kept row is bad.
        """
        end = 0
        for start, rows in self.record_blocks():
            end = start + len(rows)
            part = keep.part(start, len(rows)).tolist()
            for number, row in compress(enumerate(rows, start), part):
                if isinstance(row, BadRow):
                    raise InputError(f"{row.where} is kept but cannot be read: {row.reason}.")
                yield number, row
        keep.check_end(end)

    def names(self, keep: Keep) -> list[str]:
        """See ``SourceBase.names``; without a schema this is a pass over the rows."""
        if self.has_schema:
            return list(self.columns)
        found: dict[str, None] = {}
        for _, row in self.records(keep):
            found.update(dict.fromkeys(row))
        return list(found) or list(self.columns)

    def take_records(self, rows: IntArray, order: Order) -> list[dict[str, Any]]:
        """The rows as dicts, in one pass over the input.

        Raises:
            InputError: no such row, or it is a bad one.
        """
        chosen = arranged(rows, order).tolist()
        wanted = set(chosen)
        found: dict[int, dict[str, Any]] = {}
        for start, block in self.record_blocks():
            for number in wanted.intersection(range(start, start + len(block))):
                row = block[number - start]
                if isinstance(row, BadRow):
                    raise InputError(f"{row.where} cannot be read: {row.reason}.")
                found[number] = row
        if len(found) < len(wanted):
            raise InputError(f"{self.description} has no row {min(wanted - found.keys())}.")
        return [found[number] for number in chosen]


def _bad(rows: Iterable[Any]) -> Iterator[BadRow]:
    return (row for row in rows if isinstance(row, BadRow))


def _get(row: dict[str, Any] | BadRow, name: str) -> Any:
    return None if isinstance(row, BadRow) else row.get(name)


def _digest(row: dict[str, Any] | BadRow) -> bytes:
    return text_digest(row.text) if isinstance(row, BadRow) else row_digest(row)
