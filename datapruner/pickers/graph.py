"""Message passing (D2): difficult rows from every neighbourhood, and few that say the same.

Rows are joined to their k nearest others. First every row hears its neighbours, so that a hard row
among hard rows counts more than one that stands alone, which may be noise:

    s(i) <- s(i) + sum over j in kNN(i) of exp(-d(i, j)) * s(j)        all at once

Then the row with the largest s is offered; if it is kept, its neighbours hear that their part of
the space is taken, and lose by nearness:

    s(j) <- s(j) - exp(-gamma * d(i, j)) * s(i)        for every j in kNN(i) not yet offered

and so on. d is the Euclidean distance of unit rows, in [0, 2]. The values are shifted so that the
lowest is 0: a message of a negative score would turn "taken" into praise. ``gamma`` acts in the
second step alone; the larger it is, the nearer a neighbour must be to lose anything.

Source: Maharana, Yadav and Bansal 2024, "D2 Pruning: message passing for balancing diversity and
difficulty in data pruning", arXiv:2310.07931. Departs from the released code in: unit rows;
directed neighbours, as in its own large-scale path (the small-scale one makes them mutual); rows
beyond the cut come last instead of never, so the budget is met; a heap instead of a search through
all rows at every step.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import ClassVar

import numpy as np

from datapruner.core.ledger import Ledger
from datapruner.core.order import best_first
from datapruner.core.scores import Scores
from datapruner.core.types import AnyArray, FloatArray, IntArray
from datapruner.errors import BudgetError
from datapruner.pickers.greedy import offer, usable_rows
from datapruner.pickers.rows import embedding_of, refuse_bad_rows
from datapruner.vectors.content import unit_and_bad
from datapruner.vectors.neighbours import make_index
from datapruner.vectors.store import Vectors

__all__ = ["MessagePassing", "Messages", "d2", "nearest_others"]

BLOCK_ROWS = 4096  # rows searched at a time


@dataclass(frozen=True)
class MessagePassing:
    """Difficulty heard from the neighbours, then spread over the space.

    Attributes:
        neighbours: k, of each row; all others where there are fewer.
        gamma: how fast a kept row's say falls with distance, 0 or more; 0: all its neighbours lose
            its whole score.
        cut: share of the highest scores that is set aside first and offered last: 0 for clean data,
            as for ``Strata``.
        backend, device: who finds the neighbours, as for ``make_index``; the answer is the same.

    Raises:
        BudgetError: no neighbours, a negative gamma, or a cut outside [0, 1).
    """

    neighbours: int = 5
    gamma: float = 0.1
    cut: float = 0.0
    backend: str = "auto"
    device: str = "cpu"
    side: ClassVar[str] = "any"

    def __post_init__(self) -> None:
        """Refuse what no message could follow."""
        if self.neighbours < 1 or not 0 <= self.gamma < np.inf or not 0 <= self.cut < 1:
            raise BudgetError(
                f"messages to {self.neighbours} neighbours with gamma {self.gamma} and a cut of "
                f"{self.cut} cannot be passed; give one neighbour or more, a finite "
                "gamma of 0 or more, and 0 <= cut < 1."
            )

    def __call__(self, scores: Scores, ledger: Ledger, *, rng: np.random.Generator) -> None:
        """Offer the rows by their messages, then what was cut, its lowest scores first.

        Rows that the ledger already holds (pinned ones) have spoken from the start; a row that it
        refuses does not speak. ``rng`` is not used.

        Raises:
            MissingColumnError: the items carry no ``embedding``.
            ScoreError: a vector has no direction.
        """
        x = embedding_of(scores.items, "D2")
        tie = scores.items.tie_keys()
        ranked = scores.only_contenders(best_first(scores.values, tie))
        aside = ranked[: int(self.cut * ranked.size + 1e-9)]
        usable = usable_rows(scores, ledger)
        usable[aside] = False
        usable[ledger.order] = True
        rows = np.argsort(tie, kind="stable").astype(np.int64)
        rows = rows[usable[rows]]
        near, distance = nearest_others(
            x, rows, self.neighbours, backend=self.backend, device=self.device
        )
        values = scores.values[rows].astype(np.float64)
        offer(Messages(values, near, distance, rows, self.gamma), ledger)
        ledger.admit_many(aside[::-1])


def d2(scores: Scores, ledger: Ledger, *, rng: np.random.Generator) -> None:
    """Five neighbours, gamma 0.1 and no cut; for others pass ``MessagePassing(...)``."""
    MessagePassing()(scores, ledger, rng=rng)


class Messages:
    """The state of message passing: what every row has heard.

    Args:
        values: shape (m,), float64, finite: the scores; shifted here so that the lowest is 0.
        near: shape (m, k), int64: the neighbours of each row, as places in 0..m-1; -1 for none.
        distance: shape (m, k), float64, not negative.
        rows: shape (m,), int64: the row numbers that ``best`` answers with, in the order in which
            equal scores are offered.
        gamma: see ``MessagePassing``.
    """

    __slots__ = ("_distance", "_gamma", "_heap", "_near", "_place", "_rows", "_score")

    def __init__(
        self,
        values: FloatArray,
        near: IntArray,
        distance: FloatArray,
        rows: IntArray,
        gamma: float,
    ) -> None:
        self._near, self._distance, self._gamma = near, distance, gamma
        self._rows = rows.tolist()
        self._place = {row: place for place, row in enumerate(self._rows)}
        plain = values - values.min() if values.size else values
        heard = np.where(near >= 0, np.exp(-distance) * plain[near], 0.0)
        for column in range(near.shape[1]):  # one by one: a row's sum has an order of its own
            plain = plain + heard[:, column]
        # None once a row was kept or refused.
        self._score: list[float | None] = plain.tolist()
        self._heap = [(-score, place) for place, score in enumerate(plain.tolist())]
        heapify(self._heap)

    def best(self) -> int:
        """The row with the largest score by now; -1 when none is left."""
        while self._heap:
            score, place = self._heap[0]
            if self._score[place] == -score:
                return int(self._rows[place])
            heappop(self._heap)  # an older score of the row, or a row that is gone
        return -1

    def cover(self, row: int) -> None:
        """The row is kept: its neighbours lose what it stands for."""
        place = self._place[row]
        own = self._score[place]
        assert own is not None, "a row is kept once"
        self._score[place] = None
        share = np.exp(-self._gamma * self._distance[place])
        for other, part in zip(self._near[place].tolist(), share.tolist(), strict=True):
            before = self._score[other] if other >= 0 else None
            if before is not None:
                now = before - part * own
                self._score[other] = now
                heappush(self._heap, (-now, other))

    def drop(self, row: int) -> None:
        """The row was refused: it is not offered again and tells nobody."""
        self._score[self._place[row]] = None


def nearest_others(
    x: AnyArray | Vectors, rows: IntArray, k: int, *, backend: str = "auto", device: str = "cpu"
) -> tuple[IntArray, FloatArray]:
    """The k nearest other rows of each row, the nearest first.

    Args:
        x: shape (n, d), floating, or ``Vectors``; compared by cosine.
        rows: shape (m,), int64: the rows that count, in the order in which equals are named.
        k: at least 1; all others where there are fewer.
        backend, device: as for ``make_index``.

    Returns:
        (near, distance): shape (m, min(k, m - 1)), int64, places in ``rows``; and float64, the
        Euclidean distances of unit rows.

    Raises:
        ScoreError: a row is zero or not finite (names the first five).
    """
    m = rows.size
    k = min(k, m - 1)
    if k < 1:
        return np.empty((m, 0), dtype=np.int64), np.empty((m, 0), dtype=np.float64)
    values = x.take(rows) if isinstance(x, Vectors) else x[rows].astype(np.float32)
    unit, _, codes = unit_and_bad(values)
    bad = np.zeros(len(x), dtype=bool)
    bad[rows] = codes > 0
    refuse_bad_rows(bad, "D2")
    index = make_index(unit.shape[1], backend=backend, device=device)
    index.add(unit)
    near = np.empty((m, k), dtype=np.int64)
    cosine = np.empty((m, k), dtype=np.float64)
    for start in range(0, m, BLOCK_ROWS):
        part = slice(start, start + BLOCK_ROWS)
        # One more, for a row is its own nearest. Among copies it may not be one of them.
        likeness, found = index.search(unit[part], k + 1)
        own = found == np.arange(start, start + len(found))[:, None]
        own[~own.any(axis=1), k] = True
        near[part] = found[~own].reshape(-1, k)
        cosine[part] = likeness[~own].reshape(-1, k)
    return near, np.sqrt(np.maximum(2 - 2 * cosine, 0))
