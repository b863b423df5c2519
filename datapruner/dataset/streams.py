"""Lines of bytes from plain, gzip and Zstandard files, a few megabytes at a time.

A stream that is cut off must not pass for a short file, so both decompressors are driven by hand
here: the one of ``zstandard`` reports a missing end as a normal one.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from datapruner.errors import InputError

__all__ = ["LINE_BYTES", "DamagedStream", "damaged", "read_lines"]

# Lines are taken in bundles of about this size, whatever their length: memory stays bounded, and
# the cost of a bundle is small beside reading it.
LINE_BYTES = 4 << 20

# Packed bytes are fed in chunks of this size, so that what comes out at once stays near _MOST
# even where a text repeats itself a thousandfold.
_SMALLEST, _LARGEST, _MOST = 1 << 8, 1 << 16, 1 << 20
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_BOM = b"\xef\xbb\xbf"


class DamagedStream(Exception):
    """A compressed stream is cut off or corrupt; its reader adds the file and the rows."""


def damaged(name: str, rows: int, reason: object) -> InputError:
    """The error to raise for a file that ends badly."""
    return InputError(
        f"{name}: {reason}; {rows} complete rows were read before. The file is truncated or "
        "corrupt: fetch or write it again."
    )


def read_lines(path: Path) -> Iterator[tuple[int, list[bytes]]]:
    """Bundles of consecutive lines with their line ends, and the number of the first (from 1).

    A byte order mark at the start is taken away. The last line may lack its end.

    Raises:
        DamagedStream: after the last complete line of a compressed file that is cut off or corrupt.
    """
    with path.open("rb") as raw:
        inflated = _inflated(path, raw)
        lines: Any = raw if inflated is None else io.BufferedReader(inflated, 1 << 20)
        number = 1
        while bundle := lines.readlines(LINE_BYTES):
            if number == 1 and bundle[0].startswith(_BOM):
                bundle[0] = bundle[0][len(_BOM) :]
            if inflated is not None and inflated.damage and not bundle[-1].endswith(b"\n"):
                bundle.pop()
            yield number, bundle
            number += len(bundle)
        if inflated is not None and inflated.damage:
            raise DamagedStream(inflated.damage)


def _inflated(path: Path, raw: BinaryIO) -> _Inflated | None:
    """The decompressor by suffix, else by the first bytes; None for a plain file."""
    kind = {".gz": "gzip", ".zst": "zstd"}.get(path.suffix.lower())
    if kind is None:
        start = raw.read(4)
        raw.seek(0)
        kind = next((known for magic, known in _MAGIC.items() if start.startswith(magic)), None)
    if kind is None:
        return None
    if kind == "gzip":
        return _Inflated(raw, kind, lambda: zlib.decompressobj(wbits=31), zlib.error)
    import zstandard

    return _Inflated(
        raw, kind, lambda: zstandard.ZstdDecompressor().decompressobj(), zstandard.ZstdError
    )


class _Inflated(io.RawIOBase):
    """A raw stream of decompressed bytes that ends at damage and remembers it."""

    def __init__(
        self, raw: BinaryIO, kind: str, start: Callable[[], Any], broken: type[Exception]
    ) -> None:
        self.damage = ""
        self._raw, self._kind, self._start, self._broken = raw, kind, start, broken
        self._member: Any = None
        self._members = 0
        self._packed = b""
        self._chunk = _SMALLEST
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        while not self._ready:
            if self.damage or not self._fill():
                return 0
        count = min(len(buffer), len(self._ready))
        buffer[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def _fill(self) -> bool:
        """Decompress one chunk; False at the end, good or bad."""
        packed = self._next_chunk()
        if not packed:
            if self._member is not None or not self._members:
                self.damage = f"the {self._kind} stream ends before its end mark"
            return False
        if self._member is None:
            self._member = self._start()
            self._members += 1
        try:
            self._ready = memoryview(self._member.decompress(packed))
        except self._broken as error:
            self.damage = f"the {self._kind} stream is corrupt ({error})"
            return False
        if len(self._ready) > _MOST // 2:
            self._chunk = max(self._chunk // 2, _SMALLEST)
        elif len(self._ready) < _MOST // 8:
            self._chunk = min(self._chunk * 2, _LARGEST)
        if self._member.eof:
            self._packed = self._member.unused_data + self._packed
            self._member = None
        return True

    def _next_chunk(self) -> bytes:
        """Packed bytes, first those left over; no zeros of tapes between members."""
        while True:
            packed = self._packed[: self._chunk] or self._raw.read(self._chunk)
            self._packed = self._packed[len(packed) :]
            if self._member is not None or self._kind != "gzip" or not self._members:
                return packed
            if rest := packed.lstrip(b"\0"):
                return rest
            if not packed:
                return b""
