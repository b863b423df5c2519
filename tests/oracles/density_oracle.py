"""The pipeline of density-based pruning, stage by stage, on plain lists of rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from oracles.concepts_oracle import complexities, cosine, quotas, softmax

__all__ = ["best_of", "leaders", "real_quotas"]


def leaders(
    x: Any, labels: Sequence[int], first: Sequence[int], eps: float, rule: str
) -> dict[int, int]:
    """Each duplicate with the row before it that it is most like, inside its cluster.

    ``first`` are the rows in the keep order; ``rule`` is ``leader`` or ``any_earlier``.
    """
    gone: dict[int, int] = {}
    for place, row in enumerate(first):
        before = [r for r in first[:place] if labels[r] == labels[row]]
        if rule == "leader":
            before = [r for r in before if r not in gone]
        likeness = [np.float32(cosine(x[row], x[r])) for r in before]
        if likeness and max(likeness) > np.float32(1 - eps):
            gone[row] = before[int(np.argmax(likeness))]
    return gone


def best_of(rows: Sequence[int], values: Any, ties: Any, share: float) -> list[int]:
    """The best floor(share * rows) of some rows; equals by tie key."""
    ranked = sorted(rows, key=lambda r: (-float(values[r]), int(ties[r])))
    return ranked[: math.floor(share * len(rows) + 1e-9)]


def real_quotas(
    x: Any,
    centroids: Any,
    labels: Sequence[int],
    stays: Sequence[int],
    total: int,
    *,
    temperature: float,
    neighbours: int,
) -> np.ndarray:
    """What each concept is due before rounding, from the rows that stay alone."""
    k = len(centroids)
    own = [labels[r] for r in stays]
    sizes = np.bincount(own, minlength=k) if own else np.zeros(k, dtype=int)
    due = softmax(
        complexities([x[r] for r in stays], centroids, own, neighbours), sizes > 0, temperature
    )
    return quotas(np.array(due) * total, np.minimum(sizes, 1), sizes, total)
