"""Rows that could not be used, with the reason, so that nothing vanishes unseen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from datapruner.dataset.canonical import to_json
from datapruner.dataset.source import BadRow
from datapruner.errors import InputError
from datapruner.output import check_writable, open_output

__all__ = ["Quarantine"]

_SHOWN = 5


class Quarantine:
    """Collects bad rows, stops when there are too many, and writes them down at the end.

    A row counts once, whatever is wrong with it; its first reason is kept.

    Args:
        path: where to write JSON lines ``{"row", "id", "where", "reason", "text"}``; None to only
        count. limit: how many bad rows are borne: a whole number, or a float for a share of all
            rows; None for any number. Only the bad rows' first 200 characters are held in memory.
        overwrite: replace a file that stands there.

    Raises:
        OutputError: the file cannot be written there; now, not at the end.
        InputError: a limit below zero, or a share above one.
    """

    def __init__(
        self, path: Path | None = None, limit: int | float | None = None, *, overwrite: bool = False
    ) -> None:
        if limit is not None and (limit < 0 or (isinstance(limit, float) and not limit <= 1)):
            message = f"a limit of {limit} bad rows cannot be; give a whole number of rows, as 100"
            raise InputError(f"{message}, or a share between 0.0 and 1.0.")
        if path is not None:
            check_writable(path, overwrite)
        self._path, self._limit, self._overwrite = path, limit, overwrite
        self._rows: dict[int, tuple[BadRow, str | int | None]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def rows(self) -> list[BadRow]:
        """The bad rows so far, ascending."""
        return [self._rows[row][0] for row in sorted(self._rows)]

    def add(self, bad: BadRow, id: str | int | None = None) -> None:
        """Take note of a bad row.

        Raises:
            InputError: with this one there are more than a whole-number limit allows.
        """
        self._rows.setdefault(bad.row, (bad, id))
        limit = self._limit
        if limit is not None and not isinstance(limit, float) and len(self._rows) > limit:
            raise self._too_many(f"more than {limit} bad rows")

    def close(self, n: int) -> int:
        """Check the share, write the file (an empty one too), and return the number of bad rows.

        Args:
            n: the number of all rows, bad ones included.

        Raises:
            InputError: more bad rows than the limit allows; no file is written.
            OutputError: the file cannot be written.
        """
        count, limit = len(self._rows), self._limit
        if isinstance(limit, float) and count > limit * n + 1e-9:
            raise self._too_many(f"{count} of {n} rows are bad, more than {100 * limit:.4g} %")
        if self._path is not None:
            with open_output(self._path, overwrite=self._overwrite) as out:
                for row in sorted(self._rows):
                    out.write(to_json(self._line(row)) + b"\n")
        return count

    def _line(self, row: int) -> dict[str, Any]:
        bad, id = self._rows[row]
        where, reason, text = bad.where, bad.reason, bad.text
        return {"row": row, "id": id, "where": where, "reason": reason, "text": text}

    def _too_many(self, fact: str) -> InputError:
        first = "; ".join(f"{bad.where}: {bad.reason}" for bad in self.rows[:_SHOWN])
        return InputError(f"{fact}. The first: {first}. Mend the input, or raise --bad-limit.")
