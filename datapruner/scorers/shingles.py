"""Texts as sets of hashed word shingles, many texts at a time.

A word is a run of letters and digits, case ignored; every other visible character, and every one of
scripts that write without spaces, is a word of its own. So "a - b" and "a + b" differ. A shingle is
a run of consecutive words. All of it happens in arrays over many texts at once: bytes are only
looked up and compared, a word is hashed eight bytes at a time, and a shingle is a weighted sum of
the hashes of its words.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from datapruner import rng
from datapruner.core.types import BoolArray, IntArray, UInt64Array
from datapruner.scorers.exact import Cleaned

__all__ = ["WORDS", "batches", "shingles"]

WORDS = 5
"""Words in a shingle: long enough that unrelated texts share next to none."""

BATCH_CHARACTERS = 1 << 17  # the arrays over so many bytes and their words stay in the cache

_SPACE, _LETTER, _SIGN, _WIDE = range(4)
_NOTHING, _BEGIN, _END = range(3)
_CHUNK = 8  # bytes of a word that are hashed at a time
_LONG = 64  # bytes of a word that are hashed in chunks; the rest of a longer one goes at once


def _classes() -> bytes:
    """What each byte of UTF-8 is: space, part of a word, or the start of a word of its own."""
    kind = [_LETTER] * 256
    kind[:128] = [_LETTER if chr(b).isalnum() else _SIGN for b in range(128)]
    kind[:33] = [_SPACE] * 33
    kind[127] = _SPACE
    kind[0xE0:] = [_WIDE] * 32  # three bytes or more: Asian scripts, typographic signs, emoji
    return bytes(kind)


def _events() -> bytes:
    """What happens at a byte, by its class and the class of the byte before, times four."""
    table = bytearray(256)
    for before in range(4):
        for here in range(4):
            # A letter after a sign starts a word; one after a wide character's bytes, themselves
            # letters here, does not.
            begins = here in (_SIGN, _WIDE) or (here == _LETTER and before in (_SPACE, _SIGN))
            table[before * 4 + here] = _BEGIN if begins else _END if here == _SPACE else _NOTHING
    return bytes(table)


def _weights(name: str, count: int) -> UInt64Array:
    drawn = rng.stream(0, f"shingles {name}").integers(0, 2**64, count, dtype=np.uint64)
    return drawn | np.uint64(1)


_CLASS = _classes()
_EVENT = _events()
_TURN = _weights("turn", WORDS)
_FIRST_BYTES = np.array([256**n - 1 for n in range(_CHUNK + 1)], dtype=np.uint64)


def batches(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """The texts a few at a time, so that arrays over their bytes stay small."""
    start = size = 0
    for stop, text in enumerate(texts, 1):
        size += len(text)
        if size >= BATCH_CHARACTERS or stop == len(texts):
            yield texts[start:stop]
            start, size = stop, 0


def shingles(texts: Cleaned, words: int = WORDS) -> tuple[UInt64Array, IntArray]:
    """Hashes of the word shingles of each text; a text of fewer words is one shingle.

    Args:
        texts: a batch.
        words: in a shingle, 1 to 5.

    Returns:
        (hashes, ends): shape (s,), uint64, text after text, repeats included; shape (n + 1,),
        int64: those of text i stand from ends[i] to ends[i + 1].
    """
    texts = _lowered(texts)
    hashes, begins = _words(texts.data)
    first, last = (np.searchsorted(begins, side) for side in (texts.starts, texts.stops))
    count = last - first
    made = np.where(count >= words, count - words + 1, np.minimum(count, 1))
    ends = np.concatenate([[0], np.cumsum(made)]).astype(np.int64)
    padded = np.concatenate([hashes, np.zeros(words - 1, dtype=np.uint64)])
    total = padded[: hashes.size] * _TURN[0]
    for turn in range(1, words):
        total += padded[turn : turn + hashes.size] * _TURN[turn]
    short = (count > 0) & (count < words)
    total[first[short]] = _short(padded, first[short], count[short])
    starts_one = np.ones(hashes.size, dtype=bool)
    for back in range(1, words):  # the last words of a text start no shingle
        starts_one[last[count - made >= back] - back] = False
    return rng.mix(total[starts_one]), ends


def _short(padded: UInt64Array, first: IntArray, count: IntArray) -> UInt64Array:
    """The one shingle of each text with fewer words than a shingle has."""
    total = np.zeros(first.size, dtype=np.uint64)
    for turn in range(int(count.max(initial=0))):
        inside = turn < count
        total[inside] += padded[first[inside] + turn] * _TURN[turn]
    return total


def _lowered(texts: Cleaned) -> Cleaned:
    """The texts in lower case: ASCII at once, a text with other capitals by itself."""
    data = texts.data.lower()
    if data.isascii():
        return Cleaned(data, texts.starts, texts.stops)
    capitals = _capitals(np.frombuffer(data, dtype=np.uint8))
    some = np.unique(np.searchsorted(texts.starts, capitals, side="right") - 1)
    if not some.size:
        return Cleaned(data, texts.starts, texts.stops)
    bounds = zip(texts.starts.tolist(), texts.stops.tolist(), strict=True)
    parts = [data[start:stop] for start, stop in bounds]
    for i in some.tolist():
        text = parts[i].decode("utf-8", "surrogatepass").lower()
        parts[i] = text.encode("utf-8", "surrogatepass")
    stops = np.cumsum([len(part) + 1 for part in parts])
    starts = stops - [len(part) for part in parts]
    return Cleaned(b" ".join([b"", *parts, b""]), starts, stops)


def _capitals(data: npt.NDArray[np.uint8]) -> IntArray:
    """Where a character starts that ``str.lower`` may change, ASCII aside."""
    at = np.flatnonzero(data >= 0xC3)
    pair = data[at].astype(np.int64) << 8 | data[at + 1]
    found: IntArray = at[_may_change()[pair]]
    return found


@cache
def _may_change() -> BoolArray:
    """Shape (65536,): whether any character that starts with these two bytes has a lower case.

    Two bytes are a whole character up to U+07FF and name 64 of them up to U+FFFF; beyond, all may.
    """
    table = np.zeros(1 << 16, dtype=bool)
    for block in [*range(0x80, 0x800), *range(0x800, 0xD800, 64), *range(0xE000, 0x10000, 64)]:
        size = 1 if block < 0x800 else 64
        some = "".join(map(chr, range(block, block + size)))
        lead = some[0].encode()
        table[lead[0] << 8 | lead[1]] = some.lower() != some
    table[0xF0 << 8 :] = True
    return table


def _words(data: bytes) -> tuple[UInt64Array, IntArray]:
    """A hash and the first byte of every word in bytes that start and end with a space."""
    kind = np.frombuffer(data.translate(_CLASS), dtype=np.uint8)
    pair = (kind[:-1] << 2) | kind[1:]
    event = np.frombuffer(pair.tobytes().translate(_EVENT), dtype=np.uint8)
    at = np.flatnonzero(event != _NOTHING)
    word = np.flatnonzero(event[at] == _BEGIN)
    begins = at[word] + 1
    sizes = at[word + 1] + 1 - begins  # a word ends where the next one or a space begins
    padded = data + bytes(_CHUNK)
    chunks: UInt64Array = np.ndarray((len(data),), dtype="<u8", buffer=padded, strides=(1,))
    hashes = rng.mix(chunks[begins] & _FIRST_BYTES[np.minimum(sizes, _CHUNK)])
    more = np.flatnonzero(sizes > _CHUNK)
    for done in range(_CHUNK, _LONG, _CHUNK):
        if not more.size:
            return hashes, begins
        part = chunks[begins[more] + done] & _FIRST_BYTES[np.minimum(sizes[more] - done, _CHUNK)]
        hashes[more] = rng.mix(hashes[more] ^ part)
        more = more[sizes[more] > done + _CHUNK]
    if more.size:
        rest = [
            hashlib.blake2b(data[begin + _LONG : begin + size], digest_size=8).digest()
            for begin, size in zip(begins[more].tolist(), sizes[more].tolist(), strict=True)
        ]
        hashes[more] = rng.mix(hashes[more] ^ np.frombuffer(b"".join(rest), dtype="<u8"))
    return hashes, begins
