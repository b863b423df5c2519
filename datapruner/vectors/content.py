"""What a row is, apart from where it stands: its key, its length, whether it can be used.

Every function here gives a row the same answer, to the last bit, whatever rows surround it. That
rules out matrix products, whose rounding depends on the shape of the block, and it bounds the
inner loop: NumPy's iterator cuts sums longer than its buffer of 8192 values at places that depend
on the number of rows, so longer rows are summed in fixed pieces.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from datapruner import rng
from datapruner.core.types import UInt8Array, UInt64Array
from datapruner.vectors.store import Vectors

__all__ = ["BAD_REASONS", "bad_rows", "row_dot", "row_keys", "scan", "unit_and_bad", "unit_rows"]

Float32Array: TypeAlias = npt.NDArray[np.float32]
F = TypeVar("F", np.float32, np.float64)

BAD_REASONS = ("", "not a number", "infinite", "zero")
"""What the codes of ``bad_rows`` mean."""

PIECE = 4096
"""Columns summed at a time; safely below the iterator's buffer."""

KEY_ROWS = 128
"""Rows hashed at a time: their 64-bit words then stay in the second-level cache (measured)."""


def row_dot(left: npt.NDArray[F], right: npt.NDArray[F]) -> npt.NDArray[F]:
    """Inner product of each row of one block with the same row of another.

    Args:
        left: shape (m, d), float32 or float64.
        right: shape (m, d), the same dtype.

    Returns:
        Shape (m,), the same dtype; a row's value does not depend on the other rows.
    """
    total = np.einsum("ij,ij->i", left[:, :PIECE], right[:, :PIECE])
    for first in range(PIECE, left.shape[1], PIECE):
        piece = slice(first, first + PIECE)
        total += np.einsum("ij,ij->i", left[:, piece], right[:, piece])
    return np.asarray(total)


def row_keys(block: Float32Array) -> UInt64Array:
    """A 64-bit hash of each row's values.

    Multilinear hashing modulo 2**64 over the 32-bit words of the row, with odd weights from a fixed
    stream, finished by splitmix64. The upper half of each word is first folded into the lower one:
    rows of few distinct values (signs, zeros and ones) differ in high bits alone, which a product
    modulo 2**64 would not spread. Two rows chosen without looking at the weights collide with a
    probability of at most 2**-48, typically 2**-64.

    Args:
        block: shape (m, d), float32; -0.0 counts as 0.0.

    Returns:
        Shape (m,), uint64; equal rows have equal keys wherever they stand.

    Source: Lemire and Kaser 2014, "Strongly universal string hashing is fast" (multilinear family).
    """
    m, d = block.shape
    weights = _weights(d)
    sums = np.empty(m, dtype=np.uint64)
    wide = np.empty((min(m, KEY_ROWS), d), dtype=np.uint64)
    for first in range(0, m, KEY_ROWS):
        words = (block[first : first + KEY_ROWS] + np.float32(0)).view(np.uint32)
        words ^= words >> np.uint32(16)
        part = wide[: len(words)]
        part[...] = words
        # Integer sums wrap around and so are exact in any order; no fixed pieces needed.
        sums[first : first + KEY_ROWS] = np.einsum("ij,j->i", part, weights)
    return rng.mix(sums)


@lru_cache(maxsize=8)
def _weights(d: int) -> UInt64Array:
    """Odd 64-bit weights for one width; drawn once, since a call may bring few rows."""
    drawn = rng.stream(0, f"row keys {d}").integers(0, 2**64, d, dtype=np.uint64) | np.uint64(1)
    drawn.setflags(write=False)
    return drawn


def bad_rows(block: Float32Array) -> UInt8Array:
    """Which rows have no direction, and why.

    Args:
        block: shape (m, d), float32.

    Returns:
        Shape (m,), uint8: 0 usable, 1 holds NaN, 2 holds an infinity (and no NaN), 3 all zero.
    """
    return _norms(block)[1]


def unit_rows(block: Float32Array) -> tuple[Float32Array, Float32Array]:
    """Rows scaled to length one.

    Rows so long or short that their squares leave the range of float32 are scaled by their largest
    value first, so any finite row but zero has a direction.

    Args:
        block: shape (m, d), float32; left untouched.

    Returns:
        (unit, norms): shape (m, d), float32, zero for bad rows; shape (m,), float32, the lengths
        before, 0 for a zero row, NaN or infinite for the other bad ones.
    """
    unit, norms, _ = unit_and_bad(block)
    return unit, norms


def unit_and_bad(block: Float32Array) -> tuple[Float32Array, Float32Array, UInt8Array]:
    """``unit_rows`` and ``bad_rows`` at the price of one: (unit, norms, codes)."""
    norms, bad = _norms(block)
    odd = ~((norms >= _SMALL) & (norms < np.inf))
    divisor: Float32Array = np.where(odd, 1, norms).astype(np.float32, copy=False)
    unit: Float32Array = np.divide(block, divisor[:, None])
    for i in np.flatnonzero(odd & (bad == 0)):
        scaled = block[i].astype(np.float64) / float(np.abs(block[i]).max())
        unit[i] = scaled / np.sqrt(row_dot(scaled[None], scaled[None])[0])
    unit[bad > 0] = 0
    return unit, norms, bad


def scan(vectors: Vectors, progress: Any = None) -> tuple[UInt64Array, UInt8Array]:
    """Keys and bad-row codes of a whole matrix, in one pass over it.

    Args:
        vectors: the matrix.
        progress: called as progress("scan", rows done, n) after each block.

    Returns:
        (keys, bad): shapes (n,), uint64 and uint8; see ``row_keys`` and ``bad_rows``. They stay
        with the vectors, so that whoever asks again does not read everything again.
    """
    if vectors.scanned is not None:
        return vectors.scanned
    keys = np.empty(vectors.n, dtype=np.uint64)
    bad = np.empty(vectors.n, dtype=np.uint8)
    for start, block in vectors.blocks():
        stop = start + len(block)
        keys[start:stop] = row_keys(block)
        bad[start:stop] = bad_rows(block)
        if progress is not None:
            progress("scan", stop, vectors.n)
    vectors.scanned = (keys, bad)
    return keys, bad


_SMALL = np.float32(1e-18)  # a norm below this comes from squares that lose digits as subnormals


def _norms(block: Float32Array) -> tuple[Float32Array, UInt8Array]:
    """Lengths and codes; only rows whose length looks odd are read a second time."""
    with np.errstate(over="ignore", invalid="ignore"):
        norms: Float32Array = np.sqrt(row_dot(block, block))
    bad = np.zeros(len(block), dtype=np.uint8)
    odd = np.flatnonzero(~((norms >= _SMALL) & (norms < np.inf)))
    if len(odd):
        rows = block[odd]
        bad[odd] = np.select(
            [np.isnan(rows).any(1), np.isinf(rows).any(1), ~rows.any(1)], [1, 2, 3], default=0
        )
    return norms, bad
