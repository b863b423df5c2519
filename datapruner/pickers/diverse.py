"""k-centre and herding: rows offered so that what is kept stands for the whole corpus.

k-centre greedy (Gonzalez 1985; Sener and Savarese 2018, arXiv:1708.00489): start at the row nearest
the mean, then always offer the row farthest from everything kept so far. The covering radius, the
largest distance of any row to its nearest kept row, is at most twice the smallest possible for that
many rows. Outliers are by definition far away, so they are kept first: clean the data before.
Distances are 1 - cosine, which orders rows as the Euclidean distance of unit rows does; the factor
of two holds in the latter.

Herding (Welling 2009; Chen, Welling and Smola 2010, arXiv:1203.3472) keeps the mean of what is kept
near the mean of all: with t rows kept it offers the row with the largest dot product with
``w = (t + 1) mean - sum of the kept rows``. On unit rows that is also the row that brings the two
means nearest together. Their gap falls about as 1 / t, that of a random draw as 1 / sqrt(t). A
widely used library takes the row *farthest* from w instead; here the gap is tested.

Both take one dot product per row and step: O(n * k * d) time, and a few columns of length n besides
the embeddings, which are held once as float32 up to 1 GiB and read again at every step beyond that.
The answer does not depend on the order of the rows (see ``rows.py``); exact ties go to the smaller
tie key.
"""

from __future__ import annotations

import numpy as np

from datapruner.core.ledger import Ledger
from datapruner.core.scores import Scores
from datapruner.core.types import AnyArray, BoolArray, FloatArray, IntArray, UInt64Array
from datapruner.errors import InputError
from datapruner.pickers.greedy import Greedy, offer, usable_rows
from datapruner.pickers.rows import UnitRows, embedding_of
from datapruner.vectors.store import Vectors

__all__ = ["FarthestFirst", "Herd", "herding", "herding_order", "kcentre", "kcentre_order"]


class FarthestFirst:
    """The state of k-centre: for every row, how far it is from the nearest kept row.

    Args:
        x: shape (n, d), floating, or ``Vectors``; any row lengths but zero. Never written to.
        tie: shape (n,), uint64: a key per row that does not depend on its position.
        usable: shape (n,), bool: rows that may be offered; None for all. The others are not read.

    Raises:
        InputError: ``x`` is not two-dimensional, or ``tie`` has another length.
        ScoreError: a usable row is zero or not finite (names the first five).
    """

    __slots__ = ("_rows", "distance", "start")

    distance: FloatArray
    start: int

    def __init__(
        self, x: AnyArray | Vectors, tie: UInt64Array, usable: BoolArray | None = None
    ) -> None:
        self._rows = UnitRows(x, tie, usable, asked_by="k-centre")
        live = self._rows.is_usable
        self.distance = np.where(live, np.float32(np.inf), np.float32(-np.inf))
        self.start = -1
        if live.any():
            mean = self._rows.mean()
            length = float(np.sqrt((mean * mean).sum()))
            near = self._rows.cosines((mean / length if length else mean).astype(np.float32))
            self.start = self._rows.first_of(np.where(live, near, np.float32(-np.inf)))

    def best(self) -> int:
        """The row to offer next: first the start, then the farthest one; -1 when none is left.

        Rows at exactly the same distance go by the smaller tie key, then by the smaller row number.
        """
        top = self.distance.max(initial=-np.inf)
        if top == -np.inf:
            return -1
        if top == np.inf and self.distance[self.start] == np.inf:
            return self.start
        return self._rows.first_of(self.distance)

    def cover(self, row: int) -> None:
        """The row is kept: no row is farther away than its distance to this one from now on."""
        away = np.maximum(1 - self._rows.cosines(self._rows.unit(row)), 0)
        np.fmin(self.distance, away, out=self.distance)  # a row that is not usable may be NaN
        self.distance[row] = -np.inf

    def drop(self, row: int) -> None:
        """The row was refused: it is not offered again and covers nothing."""
        self.distance[row] = -np.inf


class Herd:
    """The state of herding: which way the mean of what is kept should move.

    Args:
        x, tie, usable: as for ``FarthestFirst``; the mean to keep near is that of the usable rows.

    Raises:
        InputError, ScoreError: as for ``FarthestFirst``.
    """

    __slots__ = ("_is_left", "_mean", "_rows", "_wish")

    def __init__(
        self, x: AnyArray | Vectors, tie: UInt64Array, usable: BoolArray | None = None
    ) -> None:
        self._rows = UnitRows(x, tie, usable, asked_by="herding")
        self._is_left = self._rows.is_usable.copy()
        self._mean = self._rows.mean()
        self._wish = self._mean.copy()

    def best(self) -> int:
        """The row to offer next: the one that points most the way that is wanted; -1 for none."""
        if not self._is_left.any():
            return -1
        gain = self._rows.cosines(self._wish.astype(np.float32))
        return self._rows.first_of(np.where(self._is_left, gain, np.float32(-np.inf)))

    def cover(self, row: int) -> None:
        """The row is kept: the mean has come its way."""
        self._wish += self._mean - self._rows.unit(row)
        self._is_left[row] = False

    def drop(self, row: int) -> None:
        """The row was refused: it is not offered again, and the mean stays where it is."""
        self._is_left[row] = False


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
    _check_k(k, len(x), "centres")
    return _first(FarthestFirst(x, tie), k)


def herding_order(x: AnyArray | Vectors, k: int, tie: UInt64Array) -> IntArray:
    """The first ``k`` rows of herding, distinct; the row nearest the mean direction first.

    Args:
        x, k, tie: as for ``kcentre_order``; here, too, a smaller ``k`` gives a prefix.

    Returns:
        Shape (k,), int64.

    Raises:
        InputError, ScoreError: as for ``kcentre_order``.
    """
    _check_k(k, len(x), "herded rows")
    return _first(Herd(x, tie), k)


def kcentre(scores: Scores, ledger: Ledger, *, rng: np.random.Generator) -> None:
    """Farthest first: offer the row farthest from all that is kept, until the ledger is full.

    Rows that the ledger already holds (pinned ones) are centres from the start; a row that it
    refuses covers nothing, so a full group does not hide its neighbours. The values of the scores
    are not looked at, and ``rng`` is not used.

    Raises:
        MissingColumnError: the items carry no ``embedding``.
        ScoreError: a vector has no direction.
    """
    x = embedding_of(scores.items, "k-centre")
    offer(FarthestFirst(x, scores.items.tie_keys(), usable_rows(scores, ledger)), ledger)


def herding(scores: Scores, ledger: Ledger, *, rng: np.random.Generator) -> None:
    """Herding: offer the row that brings the mean of what is kept nearest to the mean of all.

    Rows that the ledger already holds (pinned ones) count from the start; a row that it refuses
    does not. The values of the scores are not looked at, and ``rng`` is not used.

    Raises:
        MissingColumnError: the items carry no ``embedding``.
        ScoreError: a vector has no direction.
    """
    x = embedding_of(scores.items, "herding")
    offer(Herd(x, scores.items.tie_keys(), usable_rows(scores, ledger)), ledger)


def _check_k(k: int, n: int, what: str) -> None:
    if not 0 <= k <= n:
        raise InputError(f"k = {k} {what} of {n} rows; give 0 <= k <= {n}.")


def _first(greedy: Greedy, k: int) -> IntArray:
    order = np.empty(k, dtype=np.int64)
    for step in range(k):
        order[step] = greedy.best()
        greedy.cover(int(order[step]))
    return order
