"""The one place where the benchmark asks for a selection: every row kept is kept by the library."""

from __future__ import annotations

import dataclasses
import time

import numpy as np

import datapruner
from benchmarks.dataset.prototypes.bench_data import Task
from datapruner import Budget
from datapruner.rng import stream

# method: (pick, class guarantee b, whether the scores are shuffled first)
METHODS: dict[str, tuple[str, float, bool]] = {
    "random": ("uniform", 0.0, False),
    "hard": ("high", 0.0, False),
    "easy": ("low", 0.0, False),
    "mixed": ("mixed", 0.0, False),
    "hard b=.5": ("high", 0.5, False),
    "easy b=.5": ("low", 0.5, False),
    "mixed b=.5": ("mixed", 0.5, False),
    "k-centre": ("kcentre", 0.0, False),
    "null": ("high", 0.0, True),
}
SELECTOR = "datapruner-1"  # raise it when the library's answers change: finished cells are redone
LARGEST_SHARE = 0.8

_covers: dict[str, tuple[np.ndarray, float]] = {}


class Chooser:
    """Scores one data set once for one seed, then cuts it as often as asked.

    Attributes:
        score_seconds: wall seconds of scoring.
        select_seconds: wall seconds of the latest selection; for k-centre of the one long
            selection whose prefixes all its cuts are.
    """

    def __init__(self, task: Task, seed: int) -> None:
        self._task, self._seed = task, seed
        began = time.perf_counter()
        self._scores = datapruner.score(
            None,
            method="prototypes",
            embedding=task.embedding,
            label=task.y,
            k=task.prototypes,
            seed=seed,
        )
        self.score_seconds = time.perf_counter() - began
        self.select_seconds = 0.0
        order = stream(seed, "null").permutation(len(task.y))
        self._shuffled = dataclasses.replace(self._scores, values=self._scores.values[order])

    def kept(self, method: str, count: int) -> np.ndarray:
        """Rows kept, ascending: exactly ``count`` of them."""
        pick, floor, shuffled = METHODS[method]
        if pick == "kcentre":
            order, self.select_seconds = self._cover(count)
            return np.sort(order[:count])
        scores = self._shuffled if shuffled else self._scores
        began = time.perf_counter()
        budget = Budget(count=count, floor=floor)
        chosen = datapruner.select(scores, budget, pick=pick, seed=self._seed).indices
        self.select_seconds = time.perf_counter() - began
        return chosen

    def _cover(self, count: int) -> tuple[np.ndarray, float]:
        """The greedy order, computed once a data set: it has no seed, and its prefixes nest."""
        known = _covers.get(self._task.fingerprint)
        if known is None or len(known[0]) < count:
            most = max(count, int(LARGEST_SHARE * len(self._task.y) + 1e-9))
            began = time.perf_counter()
            selection = datapruner.select(self._scores, Budget(count=most), pick="kcentre")
            known = selection.order, time.perf_counter() - began
            _covers[self._task.fingerprint] = known
        return known
