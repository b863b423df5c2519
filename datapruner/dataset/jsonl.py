"""JSON lines: one object a line, plain, ``.gz`` or ``.zst``, in one file or many.

Blank lines are skipped and not counted; a byte order mark and Windows line ends are accepted. A row
that is kept goes out with the very bytes that came in, whatever its spacing and key order; only its
line end becomes ``\\n``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import compress
from typing import Any

from datapruner.core.types import IntArray
from datapruner.dataset.base import Keep, RecordSource
from datapruner.dataset.discover import Files
from datapruner.dataset.source import BLOCK_ROWS, BadRow, Order
from datapruner.dataset.streams import DamagedStream, damaged, read_lines

__all__ = ["JsonlSource"]

# Keys of this many first rows make up ``columns``; later rows may bring more.
_PEEKED = 100


@dataclass(frozen=True, slots=True)
class _Lines:
    """Consecutive lines that are rows: number of the first row, file, line numbers in it."""

    start: int
    name: str
    lines: list[bytes]
    numbers: range | list[int]


class JsonlSource(RecordSource):
    """Rows of JSONL files.

    Args:
        files: what ``find_files`` found.

    Raises:
        InputError: the first file is damaged.
    """

    format = "jsonl"

    def __init__(self, files: Files) -> None:
        self._files = files
        self.description = files.description
        self.columns = self._peek()

    def _peek(self) -> tuple[str, ...]:
        names: dict[str, None] = {}
        for part in self._parts():
            for row in _parse(_Lines(0, part.name, part.lines[:_PEEKED], part.numbers)):
                if not isinstance(row, BadRow):
                    names.update(dict.fromkeys(row))
            break
        return tuple(names)

    def _parts(self) -> Iterator[_Lines]:
        """Bundles of at most BLOCK_ROWS rows and a few megabytes, over all files."""
        self._files.check_unchanged()
        start = 0
        for path, name in zip(self._files.paths, self._files.names, strict=True):
            before = start
            try:
                for first, bundle in read_lines(path):
                    lines, numbers = _without_blanks(first, bundle)
                    for at in range(0, len(lines), BLOCK_ROWS):
                        to = at + BLOCK_ROWS
                        yield _Lines(start + at, name, lines[at:to], numbers[at:to])
                    start += len(lines)
            except DamagedStream as error:
                raise damaged(name, start - before, error) from None

    def record_blocks(self) -> Iterator[tuple[int, list[dict[str, Any] | BadRow]]]:
        """See ``RecordSource.record_blocks``."""
        for part in self._parts():
            yield part.start, _parse(part)

    def copy_rows(self, keep: Keep, out: Any) -> int:
        """The kept lines, byte for byte but for their line ends; nothing is parsed."""
        end = kept = 0
        for part in self._parts():
            end = part.start + len(part.lines)
            mask = keep.part(part.start, len(part.lines)).tolist()
            lines = [line.rstrip(b"\r\n") for line in compress(part.lines, mask)]
            if lines:
                kept += len(lines)
                out.write(b"\n".join([*lines, b""]))
        keep.check_end(end)
        self._files.check_unchanged()
        return kept

    def digest(self) -> str:
        """SHA-256, in hex, of the files' bytes in order."""
        return self._files.digest()

    def take(self, rows: IntArray, *, order: Order = "source") -> list[dict[str, Any]]:
        """The rows as a list of dicts."""
        return self.take_records(rows, order)


def _without_blanks(first: int, bundle: list[bytes]) -> tuple[list[bytes], range | list[int]]:
    lines = [line for line in bundle if not line.isspace() and line]
    if len(lines) == len(bundle):
        return lines, range(first, first + len(lines))
    pairs = enumerate(bundle, first)
    return lines, [number for number, line in pairs if not line.isspace() and line]


def _parse(part: _Lines) -> list[dict[str, Any] | BadRow]:
    """All lines at once if all are well, else one by one."""
    import orjson

    loads = orjson.loads
    try:
        rows: list[Any] = [loads(line) for line in part.lines]
    except ValueError:
        rows = [_parse_line(line) for line in part.lines]
    if all(type(row) is dict for row in rows):
        return rows
    return [row if type(row) is dict else _bad(part, at, row) for at, row in enumerate(rows)]


def _parse_line(line: bytes) -> Any:
    """The value, or the error as a value."""
    import orjson

    try:
        return orjson.loads(line)
    except ValueError as strict:
        # Python's reader also takes NaN and Infinity, which Python's own writer produces.
        try:
            value = json.loads(line)
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError:
            return ValueError("text holds half of a surrogate pair, which is no Unicode text")
        except UnicodeDecodeError as error:
            return ValueError(f"invalid UTF-8 at byte {error.start}")
        except (ValueError, RecursionError):
            return ValueError(f"broken JSON: {strict}")
        return value


def _bad(part: _Lines, at: int, value: Any) -> BadRow:
    text = part.lines[at].decode("utf-8", "replace").rstrip("\r\n")
    where = f"{part.name} line {part.numbers[at]}"
    if isinstance(value, ValueError):
        return BadRow(part.start + at, where, str(value), text)
    kind = {list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    reason = f"the line holds {kind.get(type(value), 'a number')}, not an object"
    return BadRow(part.start + at, where, reason, text)
