"""Diverse pickers: rows offered so that what is kept covers the whole corpus.

k-centre greedy (Gonzalez 1985; Sener and Savarese 2018, arXiv:1708.00489): start at the row nearest the
mean, then always offer the row farthest from everything kept so far. The covering radius, the largest
distance of any row to its nearest kept row, is at most twice the smallest possible for that many rows.

Distances are 1 - cosine on the rows as they are, so nothing is copied or normalised in place: one dot
product per row and step, O(n * k * d) time, and a handful of columns of length n besides the embeddings.
The greedy follows 1 - cosine; its square root times sqrt(2) is the Euclidean distance of the unit rows,
the same order, and that is the metric in which the factor of two holds.

The answer does not depend on the order of the rows. Every dot product is summed inside its own row
(a matrix product would round differently with the position of a row in its block), the mean is summed
in the order of the tie keys, and exact ties go to the smaller key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from datapruner.core.types import FloatArray, IntArray, UInt64Array
from datapruner.errors import InputError, ScoreError

if TYPE_CHECKING:
    from datapruner.core.ledger import Ledger
    from datapruner.core.scores import Scores

__all__ = ["FarthestFirst", "KCentre", "kcentre_order"]

_BLOCK_VALUES = (
    1 << 22
)  # values touched at once: 16 MiB of float32, so a memory map is never loaded


class FarthestFirst:
    """The state of the greedy: for every row, how far it is from the nearest kept row.

    Args:
        x: shape (n, d), floating; any row lengths but zero. Never written to; may be a memory map.
        tie: shape (n,), uint64: a key per row that does not depend on its position.

    Raises:
        InputError: ``x`` is not two-dimensional, or ``tie`` has another length.
        ScoreError: a row is zero or not finite (names the first five).
    """

    __slots__ = ("_inverse", "_tie", "_x", "distance", "start")

    distance: FloatArray
    start: int

    def __init__(self, x: FloatArray, tie: UInt64Array) -> None:
        if x.ndim != 2:
            raise InputError(f"embedding has shape {x.shape}; expected (rows, dimensions).")
        if tie.shape != (len(x),):
            raise InputError(f"tie has shape {tie.shape}; expected ({len(x)},), one key per row.")
        self._x = x
        self._tie = tie
        self._inverse = _inverse_lengths(x)
        self.distance = np.full(len(x), np.inf, dtype=self._inverse.dtype)
        self.start = -1
        if len(x):
            self.start = self._smallest_key(self._cosines(self._mean_direction()))

    def farthest(self) -> int:
        """The row to offer next: first the start, then the farthest one; -1 when none is left.

        Rows at exactly the same distance go by the smaller tie key, then by the smaller row number.
        """
        if not len(self.distance):
            return -1
        top = self.distance.max()
        if top == np.inf and self.distance[self.start] == np.inf:
            return self.start
        return -1 if top == -np.inf else self._smallest_key(self.distance)

    def cover(self, row: int) -> None:
        """The row is kept: no row is farther away than its distance to this one from now on."""
        direction = np.asarray(self._x[row], dtype=self._inverse.dtype) * self._inverse[row]
        away = np.maximum(1 - self._cosines(direction), 0)
        np.minimum(self.distance, away, out=self.distance)
        self.distance[row] = -np.inf

    def drop(self, row: int) -> None:
        """The row was refused: it is not offered again and covers nothing."""
        self.distance[row] = -np.inf

    def _smallest_key(self, value: FloatArray) -> int:
        tied = np.flatnonzero(value == value.max())
        return int(tied[0] if len(tied) == 1 else tied[np.argmin(self._tie[tied])])

    def _cosines(self, direction: FloatArray) -> FloatArray:
        out = np.empty_like(self._inverse)
        for a, b in _blocks(self._x):
            block = np.asarray(self._x[a:b], dtype=out.dtype)
            np.einsum("nd,d->n", block, direction, out=out[a:b])
        out *= self._inverse
        return out

    def _mean_direction(self) -> FloatArray:
        order = np.argsort(self._tie, kind="stable")
        total = np.zeros(self._x.shape[1], dtype=np.float64)
        for a, b in _blocks(self._x):
            rows = order[a:b]
            total += (self._x[rows] * self._inverse[rows, None].astype(np.float64)).sum(0)
        length = float(np.sqrt((total * total).sum()))
        return (total / length if length else total).astype(self._inverse.dtype)


def kcentre_order(x: FloatArray, k: int, tie: UInt64Array) -> IntArray:
    """The first ``k`` rows of the greedy farthest-point order, nearest the mean first.

    Args:
        x: shape (n, d), floating; compared by cosine, so the lengths of the rows do not matter.
        k: how many rows, 0 <= k <= n. A smaller ``k`` gives a prefix of the answer to a larger one.
        tie: shape (n,), uint64; see ``FarthestFirst``.

    Returns:
        Shape (k,), int64, distinct rows. Equal rows follow each other at the end, by tie key.

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


@dataclass(frozen=True, slots=True)
class KCentre:
    """Picker: offers the row farthest from all that is kept, until the ledger is full.

    Rows that the ledger already holds (pinned ones) are centres from the start; a row that it refuses
    covers nothing, so a full group does not hide its neighbours. The scores' values are not looked at.

    Attributes:
        column: the feature that holds the embeddings, shape (n, d).
    """

    column: str = "embedding"

    def __call__(self, scores: Scores, ledger: Ledger, *, rng: np.random.Generator) -> None:
        """Offer rows in the greedy order; ``rng`` is not used.

        Raises:
            MissingColumnError: the items carry no such feature.
        """
        del rng
        items = scores.items
        x = np.asanyarray(items.feature(self.column, asked_by="k-centre"))
        if x.dtype.kind != "f":
            x = x.astype(np.float32)
        greedy = FarthestFirst(x, items.tie_keys())
        for row in ledger.order:
            greedy.cover(int(row))
        while not ledger.full:
            row = greedy.farthest()
            if row < 0:
                break
            if ledger.admit(row):
                greedy.cover(row)
            else:
                greedy.drop(row)


def _blocks(x: FloatArray) -> list[tuple[int, int]]:
    step = max(1, _BLOCK_VALUES // max(1, x.shape[1]))
    return [(a, min(a + step, len(x))) for a in range(0, len(x), step)]


def _inverse_lengths(x: FloatArray) -> FloatArray:
    """1 / length of every row, float64 for float64 rows and float32 for the rest."""
    out = np.empty(len(x), dtype=np.float64)
    for a, b in _blocks(x):
        block = x[a:b].astype(np.float64)
        np.einsum("nd,nd->n", block, block, out=out[a:b])
    bad = np.flatnonzero(~np.isfinite(out) | (out <= 0))
    if len(bad):
        named = ", ".join(str(int(row)) for row in bad[:5])
        raise ScoreError(
            f"{len(bad)} embedding rows are zero or not finite (rows {named}"
            f"{', ...' if len(bad) > 5 else ''}); drop them or embed them again."
        )
    kind = np.float64 if x.dtype == np.float64 else np.float32
    inverse: FloatArray = (1.0 / np.sqrt(out)).astype(kind)
    return inverse
