"""Exact duplicates: rows whose text is the same once normalised, found by hash.

Texts are cleaned many at a time: what takes a loop over characters in Python runs over the bytes of
the whole lot here.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from datapruner.core.twins import NO_TWIN
from datapruner.core.types import IntArray, UInt64Array

__all__ = ["Cleaned", "cleaned", "content_keys", "first_of_equals"]

_SPACE = 0x20
_ASCII_WHITE = "".join(chr(c) for c in range(128) if chr(c).isspace()).encode()
_TO_SPACE = bytes.maketrans(_ASCII_WHITE, b" " * len(_ASCII_WHITE))
_OTHER_WHITE = "\x85\u1680\u2028\u2029"  # the white space that NFKC leaves as it is


@dataclass(frozen=True, eq=False)
class Cleaned:
    """Normalised texts, one after another.

    Attributes:
        data: their UTF-8, a space before, between and after them.
        starts: shape (n,), int64, the first byte of each.
        stops: shape (n,), int64, the byte after its last; of an empty text, its start.
    """

    data: bytes
    starts: IntArray
    stops: IntArray

    def __len__(self) -> int:
        return int(self.starts.size)


def cleaned(texts: Sequence[str], *, ignore_case: bool = False) -> Cleaned:
    """The texts in Unicode's NFKC with every run of white space as one space, none at the ends.

    Args:
        texts: any texts, few enough that some arrays over their bytes fit in memory.
        ignore_case: fold the case as well.
    """
    parts = [_plain(text, ignore_case=ignore_case) for text in texts]
    sizes = np.fromiter(map(len, parts), dtype=np.int64, count=len(parts))
    data = b" ".join([b"", *parts, b""]).translate(_TO_SPACE)
    stops = np.cumsum(sizes + 1)
    starts = stops - sizes
    white = np.frombuffer(data, dtype=np.uint8) == _SPACE
    repeats = np.flatnonzero(white[1:] & white[:-1]) + 1
    if repeats.size:
        keep = np.ones(len(data), dtype=bool)
        keep[repeats] = False
        data = np.frombuffer(data, dtype=np.uint8)[keep].tobytes()
        starts -= np.searchsorted(repeats, starts)
        stops -= np.searchsorted(repeats, stops)
        # The first space of a run stays, and where a text ends in one, that is the text's.
        last = np.frombuffer(data, dtype=np.uint8)[stops - 1]
        stops -= (stops > starts) & (last == _SPACE)
    return Cleaned(data, starts, stops)


def _plain(text: str, *, ignore_case: bool) -> bytes:
    """One text in NFKC, its white space all ASCII, as UTF-8."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
        for white in _OTHER_WHITE:
            text = text.replace(white, " ")
    if ignore_case:
        text = text.casefold()
    return text.encode("utf-8", "surrogatepass")


def content_keys(texts: Cleaned) -> UInt64Array:
    """A 128-bit hash of each text in linear time; stable across machines.

    Returns:
        Shape (n, 2), uint64; equal exactly where the texts are, for any collection one could store
        (BLAKE2b).
    """
    view = memoryview(texts.data)
    joined = b"".join(
        hashlib.blake2b(view[start:stop], digest_size=16).digest()
        for start, stop in zip(texts.starts.tolist(), texts.stops.tolist(), strict=True)
    )
    return np.frombuffer(joined, dtype="<u8").astype(np.uint64).reshape(-1, 2)


def first_of_equals(keys: UInt64Array, order: IntArray) -> IntArray:
    """For each row the first row with its key.

    Args:
        keys: shape (n, 2), from ``content_keys``.
        order: shape (m,), int64, the rows to compare, those to keep first first.

    Returns:
        Shape (n,), int64: the row it repeats, -1 for a row that repeats none or was not compared.
    """
    found = np.full(len(keys), NO_TWIN, dtype=np.int64)
    sorted_rows = order[np.lexsort((keys[order, 1], keys[order, 0]))]  # stable: keeps the order
    ranked = keys[sorted_rows]
    starts = np.ones(order.size, dtype=bool)
    starts[1:] = (ranked[1:] != ranked[:-1]).any(axis=1)
    first = sorted_rows[np.flatnonzero(starts)[np.cumsum(starts) - 1]]
    found[sorted_rows] = np.where(starts, NO_TWIN, first)
    return found
