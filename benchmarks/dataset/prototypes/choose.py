"""The one place where the benchmark asks for a selection."""

from __future__ import annotations

import numpy as np

from benchmarks.dataset.prototypes.bench_data import Task
from datapruner.pickers.diverse import kcentre_order
from datapruner.rng import mix, stream

SELECTOR = "thin-1"
_KC: dict[str, np.ndarray] = {}

# method: (pick, class guarantee, scores shuffled)
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


class Chooser:
    def __init__(self, task: Task, seed: int) -> None:
        from sklearn.cluster import KMeans

        import time
        self.task, self.seed = task, seed
        began = time.perf_counter()
        x = task.embedding
        fit = KMeans(task.prototypes, n_init=1, random_state=seed).fit(x)
        c = fit.cluster_centers_
        c /= np.linalg.norm(c, axis=1, keepdims=True)
        self.values = 1 - (x @ c.T).max(1)
        self.score_seconds = time.perf_counter() - began
        self._kc = _KC.get(task.fingerprint)

    def kept(self, method: str, count: int) -> np.ndarray:
        pick, floor, null = METHODS[method]
        n = len(self.task.y)
        if pick == "kcentre":
            if self._kc is None:
                self._kc = kcentre_order(self.task.embedding, int(0.8 * n + 1e-9), mix(np.arange(n)))
                _KC[self.task.fingerprint] = self._kc
            return np.sort(self._kc[:count])
        values = stream(self.seed, "null").permutation(self.values) if null else self.values
        if pick == "uniform":
            order = stream(self.seed, "random").permutation(n)
        else:
            order = np.argsort(-values if pick == "high" else values)
        got: list[np.ndarray] = []
        free = np.ones(n, bool)
        if floor:
            q = int(floor * count / self.task.classes)
            for c in range(self.task.classes):
                rows = order[self.task.y[order] == c]
                rows = _spread(rows, q) if pick == "mixed" else rows[:q]
                got.append(rows)
                free[rows] = False
        rest = order[free[order]]
        left = count - sum(map(len, got))
        got.append(_spread(rest, left) if pick == "mixed" else rest[:left])
        return np.sort(np.concatenate(got))


def _spread(rows: np.ndarray, k: int) -> np.ndarray:
    k = min(k, len(rows))
    if k == 0:
        return rows[:0]
    if k == 1:
        return rows[len(rows) // 2 : len(rows) // 2 + 1]
    return rows[np.round(np.linspace(0, len(rows) - 1, k)).astype(int)]
