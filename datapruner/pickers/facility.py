"""Facility location: rows offered so that every row of the corpus has a similar one that is kept.

The value of a set S is ``f(S) = sum over all rows i of max over j in S of max(0, cos(i, j))``. It
grows with every row, by less and less, so the greedy, which always offers the row that adds most,
reaches at least ``1 - 1/e`` of the best value for that many rows (Nemhauser, Wolsey and Fisher
1978).

What every row would add is kept up to date instead of being counted again, as the lazy greedy of
Minoux does: a row that is kept represents some rows better than before, and only what those rows
promised to the others has to be taken back. Each row changes hands about log(k) times, whereas the
lazy greedy comes close to counting everything anew where all rows are about equally good.

The answer is exact. Unit rows are rounded to whole multiples of 2**-26 and multiplied in float64,
where sums of such products are exact whatever their order; similarities are then cut to 16 bits,
and what a row adds is a sum of whole numbers. So the answer equals the plain greedy's to the last
row, and neither the order of the rows nor blocks, threads or the processor change anything. Ties go
to the smaller tie key. A similarity is less than 1/65535 too low.

O(n**2 * d) time for the first pass, O(n**2 * log(k)) for the rest. The similarities are held up to
1 GiB (23,000 rows); beyond that they are computed again as needed, which takes log(k) times the
first pass, and memory stays at O(n * d).

Source: Wei, Iyer and Bilmes 2015, "Submodularity in data subset selection and active learning".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from datapruner.core.ledger import Ledger
from datapruner.core.scores import Scores
from datapruner.core.types import AnyArray, BoolArray, IntArray, UInt64Array
from datapruner.errors import InputError
from datapruner.pickers.greedy import offer, usable_rows
from datapruner.pickers.rows import embedding_of, refuse_bad_rows
from datapruner.vectors.content import row_dot
from datapruner.vectors.store import Vectors

__all__ = ["Coverage", "coverage_value", "facility"]

FINE = 26  # bits of a coordinate: products of unit rows then fit into the 53 of float64
TOP = 65_535  # a cosine of 1 as a 16-bit number
HELD_BYTES = 1 << 30  # similarities up to this size are computed once
BLOCK_ROWS = 512  # rows of a block of the first pass: its products stay in the cache
BATCH_ROWS = 32  # rows that changed hands, taken together

Codes: TypeAlias = npt.NDArray[np.uint16]


class Coverage:
    """The state of the greedy: how well every row is represented, and what each would add.

    Args:
        x: shape (n, d), floating, or ``Vectors``; compared by cosine. Never written to.
        tie: shape (n,), uint64: a key per row that does not depend on its position.
        usable: shape (n,), bool: the rows that may be offered and are to be represented; None for
            all. The others are not looked at.

    Raises:
        InputError: ``x`` is not two-dimensional, or ``tie`` has another length.
        ScoreError: a usable row is zero or not finite (names the first five).
    """

    __slots__ = ("_covered", "_fine", "_gain", "_held", "_order", "_place")

    def __init__(
        self, x: AnyArray | Vectors, tie: UInt64Array, usable: BoolArray | None = None
    ) -> None:
        if isinstance(x, np.ndarray) and x.ndim != 2:
            raise InputError(f"embedding has shape {x.shape}; expected (rows, dimensions).")
        if tie.shape != (len(x),):
            raise InputError(f"tie has shape {tie.shape}; expected ({len(x)},), one key per row.")
        live = np.ones(len(x), dtype=bool) if usable is None else usable
        order = np.argsort(tie, kind="stable").astype(np.int64)
        # From here on a row is its place among the tie keys, so ties go to the lower number.
        self._order: IntArray = order[live[order]]
        self._place = np.full(len(x), -1, dtype=np.int64)
        self._place[self._order] = np.arange(self._order.size)
        self._fine = _fine_rows(x, self._order)
        n = self._order.size
        self._held = np.empty((n, n), dtype=np.uint16) if 2 * n * n <= HELD_BYTES else None
        self._covered: Codes = np.zeros(n, dtype=np.uint16)
        self._gain = self._first_pass()

    def best(self) -> int:
        """The row that adds most to what is represented; -1 when none is left."""
        if not self._gain.size:
            return -1
        place = int(self._gain.argmax())
        return int(self._order[place]) if self._gain[place] >= 0 else -1

    def cover(self, row: int) -> None:
        """The row is kept: it represents every row that nothing kept represents better."""
        place = int(self._place[row])
        similar = self._similar(np.array([place]))[0]
        changed = np.flatnonzero(similar > self._covered)
        for start in range(0, changed.size, BATCH_ROWS):
            some = changed[start : start + BATCH_ROWS]
            before, now = self._covered[some], similar[some]
            # What all could add in these rows above `before`, and no longer can up to `now`.
            lost = self._similar(some)
            np.clip(lost, before[:, None], now[:, None], out=lost)
            self._gain -= lost.sum(axis=0, dtype=np.uint32)
            self._gain += int(before.sum(dtype=np.int64))
        self._covered[changed] = similar[changed]
        self.drop(row)

    def drop(self, row: int) -> None:
        """The row was refused: it is not offered again and represents nothing."""
        self._gain[self._place[row]] = np.iinfo(np.int64).min // 2  # room for what is taken back

    def _similar(self, places: IntArray) -> Codes:
        """Shape (m, n): similarities of some rows to all; a copy."""
        if self._held is not None:
            return self._held[places]
        return _coded(self._fine[places] @ self._fine.T)

    def _first_pass(self) -> IntArray:
        """Shape (n,): what every row represents alone; fills what is held. Half is mirrored."""
        n = self._order.size
        sums = np.zeros(n, dtype=np.int64)
        for rows, columns in _upper_blocks(n):
            similar = _coded(self._fine[rows] @ self._fine[columns].T)
            sums[rows] += similar.sum(axis=1, dtype=np.uint32)
            if self._held is not None:
                self._held[rows, columns] = similar
            if rows != columns:
                sums[columns] += similar.sum(axis=0, dtype=np.uint32)
                if self._held is not None:
                    self._held[columns, rows] = similar.T
        return sums


def facility(scores: Scores, ledger: Ledger, *, rng: np.random.Generator) -> None:
    """Facility location: offer the row by which the whole corpus is best represented.

    Rows that the ledger already holds (pinned ones) represent others from the start; a row that it
    refuses represents none, but is still to be represented. The values of the scores are not looked
    at, and ``rng`` is not used.

    Raises:
        MissingColumnError: the items carry no ``embedding``.
        ScoreError: a vector has no direction.
    """
    x = embedding_of(scores.items, "facility location")
    offer(Coverage(x, scores.items.tie_keys(), usable_rows(scores, ledger)), ledger)


def coverage_value(x: AnyArray, kept: IntArray) -> float:
    """How well some rows represent all of them: the value that facility location maximises.

    Args:
        x: shape (n, d), floating, no zero rows.
        kept: shape (k,), row numbers.

    Returns:
        The mean over all n rows of the largest cosine to a kept row, not below 0; in [0, 1], and 0
        where nothing is kept or there is no row.

    Raises:
        ScoreError: a row is zero or not finite.
    """
    if not len(x) or not len(kept):
        return 0.0
    fine = _fine_rows(x, np.arange(len(x), dtype=np.int64))
    total = 0
    for start in range(0, len(x), BLOCK_ROWS):
        similar = _coded(fine[start : start + BLOCK_ROWS] @ fine[kept].T)
        total += int(similar.max(axis=1).sum(dtype=np.int64))
    return total / TOP / len(x)


def _upper_blocks(n: int) -> Iterator[tuple[slice, slice]]:
    """Blocks on and above the diagonal."""
    for first in range(0, n, BLOCK_ROWS):
        rows = slice(first, min(first + BLOCK_ROWS, n))
        for second in range(first, n, BLOCK_ROWS):
            yield rows, slice(second, min(second + BLOCK_ROWS, n))


def _coded(product: npt.NDArray[np.float64]) -> Codes:
    """Similarities in 16 bits from products of fine rows; what points away represents nothing."""
    product *= TOP * 2.0 ** (-2 * FINE)
    np.clip(product, 0, TOP, out=product)  # a row's product with itself may come out a little above
    return product.astype(np.uint16)


def _fine_rows(x: AnyArray | Vectors, rows: IntArray) -> npt.NDArray[np.float64]:
    """Shape (m, d): these rows, of length one, in whole multiples of 2**-FINE."""
    width = x.d if isinstance(x, Vectors) else int(x.shape[1])
    fine = np.empty((rows.size, width), dtype=np.float64)
    bad = np.zeros(len(x), dtype=bool)
    for start in range(0, rows.size, BLOCK_ROWS):
        some = rows[start : start + BLOCK_ROWS]
        wide = (x.take(some) if isinstance(x, Vectors) else x[some]).astype(np.float64)
        square = row_dot(wide, wide)
        bad[some] = ~(np.isfinite(square) & (square > 0))
        with np.errstate(divide="ignore", invalid="ignore"):  # bad rows, which are refused below
            wide *= (2.0**FINE / np.sqrt(square))[:, None]
        np.rint(wide, out=fine[start : start + BLOCK_ROWS])
    refuse_bad_rows(bad, "facility location")
    return fine
