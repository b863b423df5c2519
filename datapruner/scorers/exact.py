"""Exact duplicates: rows whose text is the same once normalised, found by hash."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence

import numpy as np

from datapruner.core.twins import NO_TWIN
from datapruner.core.types import IntArray, UInt64Array

__all__ = ["content_keys", "first_of_equals", "normalised"]


def normalised(text: str, *, ignore_case: bool = False) -> str:
    """The text in Unicode's NFKC with every run of white space as one space, none at the ends.

    Args:
        text: any text.
        ignore_case: fold the case as well.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    text = " ".join(text.split())
    return text.casefold() if ignore_case else text


def content_keys(texts: Sequence[str]) -> UInt64Array:
    """A 128-bit hash of each text, normalised before, in linear time; stable across machines.

    Returns:
        Shape (n, 2), uint64; equal exactly where the texts are, for any collection one could store
        (BLAKE2b).
    """
    joined = b"".join(
        hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        for text in texts
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
