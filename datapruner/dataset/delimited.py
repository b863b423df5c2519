"""CSV and TSV: a header, then one record a row, plain, ``.gz`` or ``.zst``, in one file or many.

All values are text, the empty field is the empty string, and blank lines are skipped and not
counted. A record that is kept goes out with its own bytes: delimiter, quotes and line ends stay.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import compress
from pathlib import Path
from typing import Any

from datapruner.core.types import IntArray
from datapruner.dataset.base import Keep, RecordSource
from datapruner.dataset.discover import Files
from datapruner.dataset.source import BLOCK_ROWS, BadRow, Block, Order, check_columns
from datapruner.dataset.streams import LINE_BYTES, DamagedStream, damaged, read_lines
from datapruner.errors import InputError

__all__ = ["DelimitedSource"]

_DELIMITERS = ",;\t|"
# The csv module refuses fields beyond 128 KiB; documents are longer. The largest C long everywhere.
_FIELD_LIMIT = 2**31 - 1


@contextmanager
def _long_fields() -> Iterator[None]:
    """Lifts the csv module's own limit, which is one for the whole process, for a moment."""
    limit = csv.field_size_limit(_FIELD_LIMIT)
    try:
        yield
    finally:
        csv.field_size_limit(limit)


class _Feed:
    """Decoded lines for ``csv.reader``, remembering the bytes that each record took."""

    def __init__(self, path: Path) -> None:
        self._bundles = read_lines(path)
        self._lines: Iterator[bytes] = iter(())
        self.line = 0
        self.taken: list[bytes] = []
        self.ended = False
        self.is_text = True

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        raw = self._next_line()
        self.line += 1
        self.taken.append(raw)
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            self.is_text = False
            return raw.decode("utf-8", "replace")

    def _next_line(self) -> bytes:
        while True:
            for line in self._lines:
                return line
            try:
                self._lines = iter(next(self._bundles)[1])
            except StopIteration:
                self.ended = True
                raise

    def start_record(self) -> None:
        self.taken = []
        self.is_text = True


@dataclass(slots=True)
class _Records:
    """Consecutive records of one file: their bytes, their fields, and the line each starts on."""

    start: int
    name: str
    raw: list[bytes] = field(default_factory=list)
    fields: list[list[str] | str] = field(default_factory=list)  # a str says what is wrong
    lines: list[int] = field(default_factory=list)
    size: int = 0

    def is_full(self) -> bool:
        return len(self.raw) >= BLOCK_ROWS or self.size >= LINE_BYTES


class DelimitedSource(RecordSource):
    """Rows of CSV or TSV files with equal headers.

    Args:
        files: what ``find_files`` found. The delimiter of ``.tsv`` is the tab; of ``.csv`` that
            among comma, semicolon, tab and bar which the header holds most often.

    Raises:
        InputError: headers that differ, a header with two equal names, a damaged file.
    """

    has_schema = True

    def __init__(self, files: Files) -> None:
        self._files = files
        self.format = files.format
        self.description = files.description
        self._header = b""
        self._delimiter = ","
        self.columns = ()
        for path, name in zip(files.paths, files.names, strict=True):
            self._read_header(path, name)

    def _read_header(self, path: Path, name: str) -> None:
        feed = _Feed(path)
        try:
            first = next((line for line in feed if line.strip()), "")
        except DamagedStream as error:
            raise damaged(name, 0, error) from None
        if not first:
            return
        if not self.columns:
            tab = self.format == "tsv"
            self._delimiter = "\t" if tab else max(_DELIMITERS, key=first.count)
        records = self._records(path, name, 0, header=True)
        header = next(records)
        names = header.fields[0]
        if isinstance(names, str):
            raise InputError(f"{name}: the header cannot be read: {names}.")
        if len(set(names)) < len(names):
            twice = next(column for column in names if names.count(column) > 1)
            raise InputError(f'{name}: two columns are named "{twice}"; rename one.')
        if self.columns and tuple(names) != self.columns:
            raise InputError(
                f"{name}: the header is {', '.join(names)[:200]}, but that of "
                f"{self._files.names[0]} is {', '.join(self.columns)[:200]}; all files must have "
                "the same columns."
            )
        self.columns = self.columns or tuple(names)
        self._header = self._header or header.raw[0]

    def _records(
        self, path: Path, name: str, start: int, *, header: bool = False
    ) -> Iterator[_Records]:
        """The records of one file in parts; the header alone, or all but the header."""
        feed = _Feed(path)
        reader = csv.reader(feed, delimiter=self._delimiter)
        part = _Records(start, name)
        while self._add_record(part, reader, feed, start):
            if len(part.raw) == 1:
                break
        if header:
            yield part
            return
        part = _Records(start, name)
        more = True
        while more:
            with _long_fields():
                while more and not part.is_full():
                    more = self._add_record(part, reader, feed, start)
            if part.raw:
                yield part
            part = _Records(part.start + len(part.raw), name)

    def _add_record(self, part: _Records, reader: Any, feed: _Feed, start: int) -> bool:
        """Read one record into the part, or pass over a blank line; False at the end."""
        feed.start_record()
        line, rows = feed.line + 1, part.start + len(part.raw) - start
        fields: list[str] | str
        try:
            fields = next(reader)
        except StopIteration:
            return False
        except csv.Error as error:
            fields = f"broken record: {error}"
        except DamagedStream as error:
            raise damaged(part.name, rows, error) from None
        if feed.ended:  # the reader wanted another line to finish this record
            raise InputError(
                f"{part.name} line {line}: a quoted field is opened and never closed; {rows} rows "
                "were read before. Close or double the quote."
            )
        if fields:
            raw = feed.taken[0] if len(feed.taken) == 1 else b"".join(feed.taken)
            part.raw.append(raw)
            part.fields.append(self._checked(fields, feed))
            part.lines.append(line)
            part.size += len(raw)
        return True

    def _checked(self, fields: list[str] | str, feed: _Feed) -> list[str] | str:
        """The fields, or what is wrong with them."""
        if not feed.is_text:
            return "invalid UTF-8"
        wanted = len(self.columns)
        if wanted and isinstance(fields, list) and len(fields) != wanted:
            return f"{len(fields)} fields, but the header has {wanted}"
        return fields

    def _parts(self) -> Iterator[_Records]:
        self._files.check_unchanged()
        start = 0
        for path, name in zip(self._files.paths, self._files.names, strict=True):
            for part in self._records(path, name, start):
                yield part
                start = part.start + len(part.raw)

    def record_blocks(self) -> Iterator[tuple[int, list[dict[str, Any] | BadRow]]]:
        """See ``RecordSource.record_blocks``."""
        for part in self._parts():
            yield (
                part.start,
                [
                    _bad(part, at, fields)
                    if isinstance(fields, str)
                    else dict(zip(self.columns, fields, strict=True))
                    for at, fields in enumerate(part.fields)
                ],
            )

    def blocks(self, columns: Sequence[str] = (), *, content: bool = False) -> Iterator[Block]:
        """See ``Source.blocks``."""
        if self.columns:
            check_columns(columns, self.columns, self.description)
        return super().blocks(columns, content=content)

    def copy_rows(self, keep: Keep, out: Any) -> int:
        """The header and the kept records, byte for byte; a last line without an end gets one."""
        ending = b"\r\n" if self._header.endswith(b"\r\n") else b"\n"
        end = kept = 0
        out.write(_ended(self._header, ending))
        for part in self._parts():
            end = part.start + len(part.raw)
            chosen = list(compress(part.raw, keep.part(part.start, len(part.raw)).tolist()))
            if chosen:
                out.write(b"".join(_ended(raw, ending) for raw in chosen))
                kept += len(chosen)
        keep.check_end(end)
        self._files.check_unchanged()
        return kept

    def digest(self) -> str:
        """SHA-256, in hex, of the files' bytes in order."""
        return self._files.digest()

    def take(self, rows: IntArray, *, order: Order = "source") -> list[dict[str, str]]:
        """The rows as a list of dicts."""
        return self.take_records(rows, order)


def _ended(raw: bytes, ending: bytes) -> bytes:
    return raw if raw.endswith(b"\n") or not raw else raw + ending


def _bad(part: _Records, at: int, reason: str) -> BadRow:
    text = part.raw[at].decode("utf-8", "replace").rstrip("\r\n")
    return BadRow(part.start + at, f"{part.name} line {part.lines[at]}", reason, text)
