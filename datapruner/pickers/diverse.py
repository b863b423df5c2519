"""Diverse pickers: rows offered so that what is kept covers the whole corpus.

k-centre greedy (Gonzalez 1985; Sener and Savarese 2018, arXiv:1708.00489): start at the row nearest
the mean, then always offer the row farthest from everything kept so far. The covering radius, the
largest distance of any row to its nearest kept row, is at most twice the smallest possible for that
many rows. Outliers are by definition far away, so they are kept first: clean the data before.

Distances are 1 - cosine, which orders rows as the Euclidean distance of unit rows does; the factor
of two holds in the latter. One dot product per row and step: O(n * k * d) time, and four columns of
length n besides the embeddings, which ``kcentre`` holds once as float32 up to 1 GiB and reads again
at every step beyond that.

The answer does not depend on the order of the rows. Every dot product is summed inside its own row
(a matrix product would round differently with the position of a row in its block), the mean is
summed in the order of the tie keys, and exact ties go to the smaller key.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from datapruner.core.ledger import Ledger
from datapruner.core.scores import Scores
from datapruner.core.types import AnyArray, BoolArray, FloatArray, IntArray, UInt64Array
from datapruner.errors import InputError, ScoreError
from datapruner.vectors.store import Vectors, open_vectors

__all__ = ["FarthestFirst", "kcentre", "kcentre_order"]

BLOCK_VALUES = 1 << 22  # values touched at once: 16 MiB of float32
PIECE = 4096  # columns summed at once: longer sums NumPy cuts where the rows' number says
HELD_BYTES = 1 << 30  # vectors up to this size are read once, larger ones again at every step


class FarthestFirst:
    """The state of the greedy: for every row, how far it is from the nearest kept row.

    Args:
        x: shape (n, d), floating, or ``Vectors``; any row lengths but zero. Never written to.
        tie: shape (n,), uint64: a key per row that does not depend on its position.
        usable: shape (n,), bool: rows that may be offered; None for all. The others are not read.

    Raises:
        InputError: ``x`` is not two-dimensional, or ``tie`` has another length.
        ScoreError: a usable row is zero or not finite (names the first five).
    """

    __slots__ = ("_inverse", "_tie", "_x", "distance", "start")

    distance: FloatArray
    start: int

    def __init__(
        self, x: AnyArray | Vectors, tie: UInt64Array, usable: BoolArray | None = None
    ) -> None:
        if isinstance(x, np.ndarray) and x.ndim != 2:
            raise InputError(f"embedding has shape {x.shape}; expected (rows, dimensions).")
        if tie.shape != (len(x),):
            raise InputError(f"tie has shape {tie.shape}; expected ({len(x)},), one key per row.")
        self._x = x
        self._tie = tie
        live = np.ones(len(x), dtype=bool) if usable is None else usable
        self._inverse = self._inverse_lengths(live)
        self.distance = np.where(live, np.float32(np.inf), np.float32(-np.inf))
        self.start = -1
        if live.any():
            near = self._cosines(self._mean_direction())
            self.start = self._best(np.where(live, near, np.float32(-np.inf)))

    def farthest(self) -> int:
        """The row to offer next: first the start, then the farthest one; -1 when none is left.

        Rows at exactly the same distance go by the smaller tie key, then by the smaller row number.
        """
        top = self.distance.max(initial=-np.inf)
        if top == -np.inf:
            return -1
        if top == np.inf and self.distance[self.start] == np.inf:
            return self.start
        return self._best(self.distance)

    def cover(self, row: int) -> None:
        """The row is kept: no row is farther away than its distance to this one from now on."""
        values = self._x.take(np.array([row]))[0] if isinstance(self._x, Vectors) else self._x[row]
        away = np.maximum(1 - self._cosines(values.astype(np.float32) * self._inverse[row]), 0)
        np.fmin(self.distance, away, out=self.distance)  # a row that is not usable may be NaN
        self.distance[row] = -np.inf

    def drop(self, row: int) -> None:
        """The row was refused: it is not offered again and covers nothing."""
        self.distance[row] = -np.inf

    def _best(self, value: FloatArray) -> int:
        tied = np.flatnonzero(value == value.max())
        return int(tied[0] if len(tied) == 1 else tied[np.argmin(self._tie[tied])])

    def _blocks(self) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
        if isinstance(self._x, Vectors):
            yield from self._x.blocks()
            return
        step = max(1, BLOCK_VALUES // max(1, self._x.shape[1]))
        for start in range(0, len(self._x), step):
            yield start, self._x[start : start + step].astype(np.float32, copy=False)

    def _cosines(self, direction: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        out = np.zeros_like(self._inverse)
        with np.errstate(invalid="ignore", over="ignore"):  # rows that are not usable
            for start, block in self._blocks():
                part = out[start : start + len(block)]
                np.einsum("nd,d->n", block[:, :PIECE], direction[:PIECE], out=part)
                for first in range(PIECE, len(direction), PIECE):
                    columns = slice(first, first + PIECE)
                    part += np.einsum("nd,d->n", block[:, columns], direction[columns])
            out *= self._inverse
        return out

    def _inverse_lengths(self, live: BoolArray) -> npt.NDArray[np.float32]:
        """1 / length of every usable row, 0 for the others."""
        square = np.zeros(len(live), dtype=np.float64)
        for start, block in self._blocks():
            wide = block.astype(np.float64)
            for first in range(0, wide.shape[1], PIECE):
                piece = wide[:, first : first + PIECE]
                square[start : start + len(block)] += np.einsum("nd,nd->n", piece, piece)
        bad = np.flatnonzero(live & ~(np.isfinite(square) & (square > 0)))
        if len(bad):
            named = ", ".join(str(int(row)) for row in bad[:5])
            raise ScoreError(
                f"k-centre: {len(bad)} vectors are zero or not finite (rows {named}"
                f"{', ...' if len(bad) > 5 else ''}). Drop them or embed them again."
            )
        inverse: npt.NDArray[np.float32] = np.zeros(len(live), dtype=np.float32)
        inverse[live] = 1.0 / np.sqrt(square[live])
        return inverse

    def _mean_direction(self) -> npt.NDArray[np.float32]:
        order = np.argsort(self._tie, kind="stable")
        order = order[self._inverse[order] > 0]
        width = self._x.d if isinstance(self._x, Vectors) else self._x.shape[1]
        total = np.zeros(width, dtype=np.float64)
        step = max(1, BLOCK_VALUES // max(1, width))
        for first in range(0, len(order), step):
            rows = order[first : first + step]
            values = self._x.take(rows) if isinstance(self._x, Vectors) else self._x[rows]
            total += (values.astype(np.float64) * self._inverse[rows, None]).sum(0)
        length = float(np.sqrt((total * total).sum()))
        return (total / length if length else total).astype(np.float32)


def kcentre_order(x: AnyArray | Vectors, k: int, tie: UInt64Array) -> IntArray:
    """The first ``k`` rows of the greedy farthest-point order, the row nearest the mean first.

    Args:
        x: shape (n, d), floating; compared by cosine in float32, so lengths do not matter.
        k: how many rows, 0 <= k <= n. A smaller ``k`` gives a prefix of the answer to a larger one.
        tie: shape (n,), uint64; see ``FarthestFirst``.

    Returns:
        Shape (k,), int64, distinct rows. Copies of earlier rows come last, by tie key.

    Raises:
        InputError: ``k`` is outside 0..n, or the shapes disagree.
        ScoreError: a row has no direction.
    """
    if not 0 <= k <= len(x):
        raise InputError(f"k = {k} centres of {len(x)} rows; give 0 <= k <= {len(x)}.")
    greedy = FarthestFirst(x, tie)
    order = np.empty(k, dtype=np.int64)
    for step in range(k):
        order[step] = greedy.farthest()
        greedy.cover(int(order[step]))
    return order


def kcentre(scores: Scores, ledger: Ledger, *, rng: np.random.Generator) -> None:
    """Farthest first: offer the row farthest from all that is kept, until the ledger is full.

    Rows that the ledger already holds (pinned ones) are centres from the start; a row that it
    refuses covers nothing, so a full group does not hide its neighbours. The values of the scores
    are not looked at, and ``rng`` is not used.

    Raises:
        MissingColumnError: the items carry no ``embedding``.
        ScoreError: a vector has no direction.
    """
    items = scores.items
    vectors = open_vectors(items.feature("embedding", "k-centre"))
    held = 4 * vectors.n * vectors.d <= HELD_BYTES
    x = vectors.take(np.arange(vectors.n)) if held else vectors
    greedy = FarthestFirst(x, items.tie_keys(), items.is_countable)
    for row in ledger.order.tolist():
        greedy.cover(row)
    while not ledger.full:
        row = greedy.farthest()
        if row < 0:
            break
        if ledger.admit(row):
            greedy.cover(row)
        else:
            greedy.drop(row)
