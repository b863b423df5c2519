"""Texts as sets of hashed word shingles, many texts at a time.

A word is a run of letters and digits, case ignored; every other visible character, and every one of
scripts that write without spaces, is a word of its own. So "a - b" and "a + b" differ. A shingle is
a run of consecutive words. All of it happens in arrays over the bytes of many texts at once: no
Python per word.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from datapruner import rng
from datapruner.core.types import IntArray, UInt64Array

__all__ = ["WORDS", "batches", "shingles"]

WORDS = 5
"""Words in a shingle: long enough that unrelated texts share next to none."""

BATCH_CHARACTERS = 1 << 17  # arrays over so many bytes stay in the cache
_PLACES = 64  # weights repeat after so many bytes of a word; a power of two

_SPACE, _LETTER, _ALONE = 0, 1, 2


def _classes() -> npt.NDArray[np.uint8]:
    """What each byte of UTF-8 is: space, part of a word, or the start of a word of its own."""
    kind = np.full(256, _LETTER, dtype=np.uint8)
    kind[:128] = [_LETTER if chr(b).isalnum() else _ALONE for b in range(128)]
    kind[:33] = kind[127] = _SPACE
    kind[0xE0:] = _ALONE  # three bytes or more: Asian scripts, typographic signs, emoji
    return kind


def _weights(name: str, count: int) -> UInt64Array:
    drawn = rng.stream(0, f"shingles {name}").integers(0, 2**64, count, dtype=np.uint64)
    return drawn | np.uint64(1)


_CLASS = _classes()
_BYTE = np.where(_CLASS == _SPACE, np.uint64(0), _weights("byte", 256))
_PLACE = _weights("place", _PLACES)
_TURN = _weights("turn", WORDS)


def batches(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """The texts a few at a time, so that arrays over their bytes stay small."""
    start = size = 0
    for stop, text in enumerate(texts, 1):
        size += len(text)
        if size >= BATCH_CHARACTERS or stop == len(texts):
            yield texts[start:stop]
            start, size = stop, 0


def shingles(texts: Sequence[str], words: int = WORDS) -> tuple[UInt64Array, IntArray]:
    """Hashes of the word shingles of each text; a text of fewer words is one shingle.

    Args:
        texts: a batch, in Unicode's NFKC.
        words: in a shingle, 1 to 5.

    Returns:
        (hashes, ends): shape (s,), uint64, text after text, repeats included; shape (n + 1,),
        int64: those of text i stand from ends[i] to ends[i + 1].
    """
    parts = [text.lower().encode("utf-8", "surrogatepass") for text in texts]
    data = np.frombuffer(b"\n".join([*parts, b""]), dtype=np.uint8)
    bounds = np.cumsum([0, *(len(part) + 1 for part in parts)], dtype=np.int64)
    hashes, starts = _words(data)
    first = np.searchsorted(starts, bounds)
    count = np.diff(first)
    made = np.where(count >= words, count - words + 1, np.minimum(count, 1))
    ends = np.concatenate([[0], np.cumsum(made)]).astype(np.int64)
    # Where each shingle starts, and where the words of its text end.
    at = np.arange(ends[-1]) + np.repeat(first[:-1] - ends[:-1], made)
    stop = np.repeat(first[1:], made)
    total = np.zeros(at.size, dtype=np.uint64)
    padded = np.concatenate([hashes, np.zeros(words, dtype=np.uint64)])
    with np.errstate(over="ignore"):
        for turn in range(words):
            here = padded[at + turn] * _TURN[turn]
            total += np.where(at + turn < stop, here, np.uint64(0)) if turn else here
    return rng.mix(total), ends


def _words(data: npt.NDArray[np.uint8]) -> tuple[UInt64Array, IntArray]:
    """A hash and the first byte of every word in some bytes of UTF-8."""
    kind = _CLASS[data]
    begins = kind == _ALONE
    begins[1:] |= (kind[1:] == _LETTER) & (kind[:-1] == _SPACE)
    # A letter after a sign starts a word; what follows a wide character's first byte does not.
    begins[1:] |= (kind[1:] == _LETTER) & (kind[:-1] == _ALONE) & (data[:-1] < 0x80)
    begins[:1] |= kind[:1] == _LETTER
    starts = np.flatnonzero(begins)
    if not starts.size:
        return np.zeros(0, dtype=np.uint64), starts
    data = data[starts[0] :]
    from_start = starts - starts[0]
    lengths = np.diff(np.concatenate([from_start, [data.size]]))
    place = (np.arange(data.size) - np.repeat(from_start, lengths)) & (_PLACES - 1)
    with np.errstate(over="ignore"):
        weighed = _BYTE.take(data)
        weighed *= _PLACE.take(place)
    return rng.mix(np.add.reduceat(weighed, from_start)), starts
