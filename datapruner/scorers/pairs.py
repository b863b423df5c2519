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

from datapruner.core.types import BoolArray, IntArray
from datapruner.vectors.content import row_dot, unit_rows
from datapruner.vectors.store import Vectors

__all__ = [
    "BLOCK_ROWS",
    "NOBODY",
    "NOTHING",
    "PAIRS",
    "Best",
    "Float32Array",
    "Found",
    "Members",
    "blocks",
    "exact_similarity",
    "joined",
    "rows_by",
]

Float32Array: TypeAlias = npt.NDArray[np.float32]

BLOCK_ROWS = 512
"""Rows of a block: a tile of 512 x 512 similarities takes 1 MiB and stays in the cache."""

HELD_BYTES = 64 * 2**20  # a cluster up to this size is read once, a larger one block by block
PAIRS = 4096  # settled at a time in float64
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
        held_bytes: how large a cluster may be to be held in memory.
    """

    def __init__(self, vectors: Vectors, rows: IntArray, held_bytes: int = HELD_BYTES) -> None:
        self.vectors, self.rows = vectors, rows
        self.held: Float32Array | None = None
        if rows.size * vectors.d * 4 <= held_bytes:
            self.held = unit_rows(vectors.take(rows))[0]

    def __len__(self) -> int:
        return int(self.rows.size)

    def unit(self, places: IntArray) -> Float32Array:
        """Shape (len(places), d), float32: the members at these positions, of length one."""
        if self.held is not None:
            return self.held[places]
        return unit_rows(self.vectors.take(self.rows[places]))[0]

    @property
    def margin(self) -> float:
        """How far a product can be from the truth (see ``vectors.assign``)."""
        return 1.02 * (self.vectors.d + 4) * ROUNDING


def exact_similarity(left: Float32Array, right: Float32Array) -> Float32Array:
    """Cosine of unit rows, pair by pair: summed in float64, rounded once, clamped to [-1, 1]."""
    wide = row_dot(left.astype(np.float64), right.astype(np.float64))
    return np.clip(wide.astype(np.float32), np.float32(-1), np.float32(1))


class Best:
    """For each row of a block the highest similarity offered, settled at the end."""

    def __init__(self, members: Members, places: IntArray, block: Float32Array) -> None:
        self.members, self.places, self.block = members, places, block
        self.slack = np.float32(2 * members.margin)
        self.top = np.full(places.size, NOTHING, dtype=np.float32)
        self.offers: list[tuple[IntArray, IntArray, Float32Array]] = []

    def offer(self, tile: Float32Array, places: IntArray) -> None:
        """Similarities of the block's rows to the members at these positions."""
        if not places.size:
            return
        np.maximum(self.top, tile.max(axis=1), out=self.top)
        floor = np.maximum(self.top - self.slack, np.float32(-3))
        row, column = np.nonzero(tile >= floor[:, None])
        self.offers.append((row, places[column], tile[row, column]))

    def settle(self) -> tuple[Float32Array, IntArray]:
        """Exact similarity and position of the best, the first of equals; 0 and -1 for none."""
        similarity = np.zeros(self.places.size, dtype=np.float32)
        earlier = np.full(self.places.size, NOBODY, dtype=np.int64)
        if self.offers:
            row, place, rough = (np.concatenate(part) for part in zip(*self.offers, strict=True))
            close = rough >= self.top[row] - self.slack
            row, place = row[close], place[close]
            value = self.exact(row, place)
            order = np.lexsort((place, -value, row))
            of, best = np.unique(row[order], return_index=True)
            similarity[of], earlier[of] = value[order][best], place[order][best]
        return similarity, earlier

    def exact(self, row: IntArray, place: IntArray) -> Float32Array:
        """Exact similarities of rows of the block to members."""
        value = np.empty(row.size, dtype=np.float32)
        for start in range(0, row.size, PAIRS):
            some = slice(start, start + PAIRS)
            value[some] = exact_similarity(self.block[row[some]], self.members.unit(place[some]))
        return value

    def above(self, tile: Float32Array, places: IntArray, limit: np.float32) -> BoolArray:
        """Shape of the tile: which similarities exceed the limit, doubtful ones settled."""
        over: BoolArray = tile > limit
        row, column = np.nonzero(np.abs(tile - limit) <= self.slack)
        if row.size:
            over[row, column] = self.exact(row, places[column]) > limit
        return over


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
    pairs = np.unique(np.stack([group[left], group[right]], axis=1), axis=0)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    if not len(pairs):
        return group
    above = {int(g): int(g) for g in np.unique(pairs)}

    def root(g: int) -> int:
        while above[g] != g:
            above[g] = above[above[g]]
            g = above[g]
        return g

    for a, b in pairs.tolist():
        low, high = sorted((root(a), root(b)))
        above[high] = low
    new = np.arange(group.size)
    for g in above:
        new[g] = root(g)
    joined: IntArray = new[group]
    return joined
