"""The highest similarity of each row of a block to the rows it is shown, settled exactly.

Tiles of a matrix product are offered one after another. A row takes notice of a tile only if the
tile's highest value reaches what the row has seen so far, less the rounding of a product; what
could still be the highest at the end is computed in float64. So beside the product a tile costs one
pass for its row maxima, and a row one exact similarity, all but always.
"""

from __future__ import annotations

import numpy as np

from datapruner.core.types import BoolArray, IntArray
from datapruner.scorers.pairs import (
    NOBODY,
    NOTHING,
    PAIRS,
    Float32Array,
    Members,
    exact_similarity,
    hits,
)
from datapruner.vectors.content import row_dot

__all__ = ["Best", "Scratch"]

LOWEST = np.float32(-3)  # between NOTHING and any similarity, whatever its rounding
WIDENED = 1 << 17  # values widened to float64 at a time: 1 MiB, which stays in the cache
MOST_WAITING = 1 << 18  # candidates kept before they are settled: 5 MiB
MOST_ALIKE = np.float32(np.inf)  # in place of a product: nothing that comes later is more similar


class Scratch:
    """Memory that is used again for every tile, mask and batch of pairs.

    Fresh memory costs a tenth of the product that is written to it, and more than a pair settled in
    float64 (measured). Not for use by two threads at a time.
    """

    def __init__(self) -> None:
        self._tile = np.empty(0, dtype=np.float32)
        self._mask = np.empty(0, dtype=bool)
        self._narrow = np.empty((0, 0), dtype=np.float32)
        self._wide = np.empty((2, 0, 0), dtype=np.float64)

    def product(self, left: Float32Array, right: Float32Array) -> Float32Array:
        """Shape (len(left), len(right)): inner products of rows; good until the next call."""
        size = len(left) * len(right)
        if self._tile.size < size:
            self._tile = np.empty(size, dtype=np.float32)
        tile = self._tile[:size].reshape(len(left), len(right))
        return np.matmul(left, right.T, out=tile)

    def reaching(self, tile: Float32Array, floor: Float32Array) -> BoolArray:
        """Shape of the tile: where it is at least its row's floor; good until the next call."""
        if self._mask.size < tile.size:
            self._mask = np.empty(tile.size, dtype=bool)
        mask = self._mask[: tile.size].reshape(tile.shape)
        return np.greater_equal(tile, floor[:, None], out=mask)

    def similarity(
        self, left: Float32Array, row: IntArray, right: Float32Array, place: IntArray
    ) -> Float32Array:
        """``pairs.exact_similarity`` of ``left[row]`` and ``right[place]``."""
        d = left.shape[1]
        if self._narrow.shape[1] != d:
            size = max(1, WIDENED // max(1, d))
            self._narrow = np.empty((size, d), dtype=np.float32)
            self._wide = np.empty((2, size, d), dtype=np.float64)
        size = len(self._narrow)
        value = np.empty(row.size, dtype=np.float32)
        for start in range(0, row.size, size):
            some = slice(start, min(start + size, row.size))
            narrow, wide = self._narrow[: some.stop - start], self._wide[:, : some.stop - start]
            for of, rows, out in ((left, row, wide[0]), (right, place, wide[1])):
                # Other modes than "clip" go through memory of their own; no row is out of range.
                out[...] = np.take(of, rows[some], axis=0, out=narrow, mode="clip")
            value[some] = row_dot(wide[0], wide[1])
        return np.clip(value, np.float32(-1), np.float32(1))


class Best:
    """For each row of a block the highest similarity offered, the first of equals.

    Args:
        members: whom the rows are compared with.
        block: shape (m, d), float32, unit rows.
        scratch: where tiles are made.
    """

    def __init__(self, members: Members, block: Float32Array, scratch: Scratch) -> None:
        self.members, self.block, self.scratch = members, block, scratch
        self.slack = members.slack
        self._top = np.full(len(block), NOTHING, dtype=np.float32)
        self._value = np.full(len(block), NOTHING, dtype=np.float32)
        self._place = np.full(len(block), NOBODY, dtype=np.int64)
        self._waiting: list[tuple[IntArray, IntArray, Float32Array]] = []
        self._count = 0

    def offer(self, tile: Float32Array, places: IntArray, start: int = 0) -> None:
        """Show some rows their similarities to some members.

        Args:
            tile: shape (r, w), float32, C-contiguous, products of the block's rows from ``start``
                on with the members; ``NOTHING`` where there is none.
            places: shape (w,), int64, positions of those members, ascending; later offers to the
                same rows must bring later positions.
            start: the first of the rows.
        """
        if not tile.size:
            return
        top = self._top[start : start + len(tile)]
        highest = tile.max(axis=1)
        rows = np.flatnonzero(highest >= top - self.slack)
        np.maximum(top, highest, out=top)
        if rows.size > len(tile) // 4:  # not worth a copy
            rows = np.arange(len(tile))
        else:
            tile = tile[rows]
        floor = np.maximum(top[rows] - self.slack, LOWEST)
        row, column = hits(self.scratch.reaching(tile, floor))
        self._waiting.append((start + rows[row], places[column], tile[row, column]))
        self._count += row.size
        if self._count > MOST_WAITING:
            self._catch_up()

    def settle(self) -> tuple[Float32Array, IntArray]:
        """Exact similarity and position of the best, shapes (m,); 0 and -1 for none."""
        self._catch_up()
        return np.where(self._place >= 0, self._value, np.float32(0)), self._place

    def exceeds(self, limit: np.float32, start: int, stop: int) -> BoolArray:
        """Shape (stop - start,): for which of these rows an offer exceeds the limit, exactly."""
        top = self._top[start:stop]
        over: BoolArray = top > limit
        doubtful = (np.abs(top - limit) <= self.slack) | (top == MOST_ALIKE)
        if doubtful.any():
            self._catch_up()
            over[doubtful] = self._value[start:stop][doubtful] > limit
        return over

    def above(
        self, tile: Float32Array, places: IntArray, limit: np.float32, start: int = 0
    ) -> tuple[IntArray, IntArray]:
        """Which similarities of a tile exceed the limit, doubtful ones settled.

        Args:
            tile, places, start: as for ``offer``.
            limit: compared in float32.

        Returns:
            (row, column): of the tile, row by row.
        """
        nothing = np.zeros(0, dtype=np.int64)
        if not tile.size:
            return nothing, nothing
        low = limit - self.slack
        rows = np.flatnonzero(tile.max(axis=1) >= low)
        if rows.size < len(tile):
            tile = tile[rows]
        row, column = hits(tile >= low)
        rough = tile[row, column]
        row = rows[row]
        over = rough > limit
        doubtful = np.flatnonzero(np.abs(rough - limit) <= self.slack)
        if doubtful.size:
            value = self.exact(start + row[doubtful], places[column[doubtful]])
            over[doubtful] = value > limit
        return row[over], column[over]

    def exact(self, row: IntArray, place: IntArray) -> Float32Array:
        """Exact similarities of rows of the block to members, pair by pair."""
        held = self.members.held
        if held is not None:
            return self.scratch.similarity(self.block, row, held, place)
        value = np.empty(row.size, dtype=np.float32)
        for start in range(0, row.size, PAIRS):
            some = slice(start, start + PAIRS)
            value[some] = exact_similarity(self.block[row[some]], self.members.unit(place[some]))
        return value

    def _catch_up(self) -> None:
        """Settle what waits; values and positions so far are exact afterwards."""
        if not self._waiting:
            return
        row, place, rough = (np.concatenate(part) for part in zip(*self._waiting, strict=True))
        self._waiting, self._count = [], 0
        close = rough >= self._top[row] - self.slack
        row, place = row[close], place[close]
        value = self.exact(row, place)
        order = np.lexsort((place, -value, row))
        row, place, value = row[order], place[order], value[order]
        first = np.ones(row.size, dtype=bool)
        first[1:] = row[1:] != row[:-1]
        better = first & (value > self._value[row])  # of equals the earlier one stays
        row, place, value = row[better], place[better], value[better]
        self._value[row], self._place[row] = value, place
        self._top[row[value >= 1]] = MOST_ALIKE
