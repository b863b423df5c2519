"""Pairs of rows and their similarity: products propose, float64 decides.

A matrix product is within a known bound of the truth, but its rounding depends on the shape of its
operands. So a similarity that counts is computed anew, pair by pair, and rounded to float32 once:
then it is the same for any size of block and on any number of threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from datapruner.core.types import AnyArray, BoolArray, IntArray
from datapruner.vectors.content import row_dot, unit_rows
from datapruner.vectors.store import Vectors

__all__ = [
    "BLOCK_ROWS",
    "HELD_BYTES",
    "NOBODY",
    "NOTHING",
    "PAIRS",
    "ROUNDING",
    "Float32Array",
    "Found",
    "Members",
    "Read",
    "blocks",
    "exact_similarity",
    "hits",
    "joined",
    "rows_by",
    "small_rows",
    "unit_taken",
]

Float32Array: TypeAlias = npt.NDArray[np.float32]

BLOCK_ROWS = 480
"""Rows of a block: a tile of 480 x 480 similarities takes 900 KiB and stays in the cache. Not 512:
the half of a block's product with itself that is copied from the other half would be written at
strides that fall on the same lines of the cache, which costs half as much as the product."""

HELD_BYTES = 128 * 2**20
"""Rows up to this size are read once and held; a larger cluster is read slab by slab."""

PAIRS = 4096
"""Pairs whose rows are fetched at a time."""

SMALL_BYTES = 120 * 2**10
"""Size of temporary arrays in inner loops. The C library hands blocks of 128 KiB and more back to
the system and fetches them again, page by page: with larger arrays a pair settled in float64 is six
times as dear, and a row scaled twice (measured)."""

ROUNDING = 2.0**-24
NOTHING = np.float32(-4)  # below any similarity
NOBODY = -1


@dataclass(frozen=True, eq=False)
class Found:
    """What a cluster holds, one entry a member in the keep order.

    Attributes:
        similarity: shape (m,), float32 in [-1, 1], the highest to an earlier member; 0 for the
            first. Under ``leader`` only members that stay count, and copies of a member that is
            dropped have its answer. Above the threshold for duplicates, and for them alone.
        earlier: shape (m,), int64, that member's position, the first of equals; -1 for the first.
            Under ``components`` a duplicate has the first of its group here.
        is_duplicate: shape (m,), bool.
    """

    similarity: Float32Array
    earlier: IntArray
    is_duplicate: BoolArray


class Members:
    """The rows of one cluster as unit vectors, in the keep order.

    Args:
        vectors: where they are.
        rows: shape (m,), int64, row numbers, the one to keep first first.
        held_bytes: how many bytes of them may be held in memory; a larger cluster is read in slabs
            of that size. Changes nothing in any result.
        held: shape (m, d), float32, the unit rows, if they are read already.
    """

    def __init__(
        self,
        vectors: Vectors,
        rows: IntArray,
        held_bytes: int = HELD_BYTES,
        held: Float32Array | None = None,
    ) -> None:
        self.vectors, self.rows, self.held_bytes = vectors, rows, held_bytes
        if held is None and rows.size * vectors.d * 4 <= held_bytes:
            held = unit_taken(vectors, rows)
        self.held = held

    def __len__(self) -> int:
        return int(self.rows.size)

    def only(self, places: IntArray) -> Members:
        """The members at these positions, ascending; they take over the memory of the rows held."""
        held, self.held = self.held, None
        if held is not None:
            for some in blocks(np.arange(places.size), BLOCK_ROWS):
                held[some] = held[places[some]]  # ascending: nothing is overwritten that is needed
            held = held[: places.size]
        return Members(self.vectors, self.rows[places], self.held_bytes, held)

    def slabs(self) -> Iterator[tuple[IntArray, Float32Array]]:
        """Runs of positions with their unit rows; a single one where the cluster is held."""
        everybody = np.arange(len(self))
        count = max(1, self.held_bytes // (4 * max(1, self.vectors.d)))
        for places in blocks(everybody, count if self.held is None else max(1, len(self))):
            yield places, self.unit(places) if self.held is None else self.held

    def unit(self, places: IntArray) -> Float32Array:
        """Shape (len(places), d), float32: the members at these positions, of length one."""
        if self.held is not None:
            return self.held[places]
        return unit_taken(self.vectors, self.rows[places])

    @property
    def slack(self) -> np.float32:
        """How far apart products of equal true values can be (see ``vectors.assign``)."""
        return np.float32(2 * 1.02 * (self.vectors.d + 4) * ROUNDING)


class Read:
    """Rows of several clusters, read together in one pass forwards.

    Args:
        vectors: where they are.
        rows: shape (m,), int64, in any order; all of them are held in memory.
    """

    def __init__(self, vectors: Vectors, rows: IntArray) -> None:
        order = np.argsort(rows, kind="stable")
        self._raw = vectors.take(rows[order])
        self._at = np.empty(rows.size, dtype=np.int64)
        self._at[order] = np.arange(rows.size)

    def unit(self, start: int, stop: int) -> Float32Array:
        """Shape (stop - start, d): these of the rows, as asked, at length one, zero if they have
        no direction."""
        # Rows are written in order and fetched from here and there: the other way round, scattered
        # over so much memory, takes three times as long (measured).
        return scaled(self._raw.take(self._at[start:stop], axis=0))


def unit_taken(vectors: Vectors, rows: IntArray) -> Float32Array:
    """Some rows at length one, shape (len(rows), d), in the order asked; read forwards."""
    return scaled(vectors.take(rows))


def scaled(rows: Float32Array) -> Float32Array:
    """The same array with its rows scaled to length one, zero where they have no direction."""
    size = small_rows(rows.strides[0])
    for first in range(0, len(rows), size):
        part = rows[first : first + size]
        part[...] = unit_rows(part)[0]
    return rows


def small_rows(row_bytes: int) -> int:
    """How many rows of so many bytes make a small array, at least one."""
    return max(1, SMALL_BYTES // max(1, row_bytes))


def exact_similarity(left: Float32Array, right: Float32Array) -> Float32Array:
    """Cosine of unit rows, pair by pair: summed in float64, rounded once, clamped to [-1, 1]."""
    m, d = left.shape
    value = np.empty(m, dtype=np.float32)
    size = small_rows(8 * d)
    for start in range(0, m, size):
        some = slice(start, start + size)
        value[some] = row_dot(left[some].astype(np.float64), right[some].astype(np.float64))
    return np.clip(value, np.float32(-1), np.float32(1))


def hits(mask: BoolArray) -> tuple[IntArray, IntArray]:
    """Rows and columns of what is True, row by row; as ``np.nonzero``, several times as fast.

    Args:
        mask: shape (m, w), C-contiguous.
    """
    row, column = np.divmod(np.flatnonzero(mask.reshape(-1)), max(1, mask.shape[1]))
    return row, column


def rows_by(label: IntArray) -> Iterator[tuple[int, IntArray]]:
    """Each label with the places that have it, ascending."""
    order = np.argsort(label, kind="stable")
    sizes = np.bincount(label) if label.size else np.zeros(0, dtype=np.int64)
    stop = np.cumsum(sizes)
    for one in np.flatnonzero(sizes).tolist():
        yield one, order[stop[one] - sizes[one] : stop[one]]


def blocks(places: IntArray, block_rows: int) -> Iterator[IntArray]:
    """The places, so many at a time."""
    for start in range(0, places.size, block_rows):
        yield places[start : start + block_rows]


def joined(group: IntArray, left: IntArray, right: IntArray) -> IntArray:
    """Group numbers after some pairs were joined: each group has its first member's number."""
    one, other = group[left], group[right]
    apart = one != other
    if not apart.any():
        return group
    pairs: AnyArray = np.unique(one[apart] * group.size + other[apart])
    above: dict[int, int] = {}

    def root(g: int) -> int:
        while (up := above.get(g, g)) != g:
            above[g] = g = above.get(up, up)
        return g

    for pair in pairs.tolist():
        a, b = divmod(pair, group.size)
        first, second = sorted((root(a), root(b)))
        above[second] = first
    new = np.arange(group.size)
    for g in above:
        new[g] = root(g)
    found: IntArray = new[group]
    return found
