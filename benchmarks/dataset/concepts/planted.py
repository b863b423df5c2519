"""The cheap check: three clusters of 1000, 100 and 10 rows, equally spread, 300 rows kept.

The centroids are given, so that the check is of the quotas alone: k-means with three centroids does
not always find a cluster of ten rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import datapruner
from benchmarks.dataset.prototypes.learners import Learner, predictions
from datapruner.core.items import Items
from datapruner.scorers.clustered import Clustered
from datapruner.scorers.concepts import Concepts
from datapruner.vectors.assign import assign
from datapruner.vectors.centroids import Centroids
from datapruner.vectors.store import open_vectors

SIZES = (1000, 100, 10)
KEEP = 300


def planted(seed: int, sizes: tuple[int, ...] = SIZES) -> tuple[np.ndarray, np.ndarray]:
    """Unit rows around orthogonal centres, all with the same spread, and their clusters."""
    draw = np.random.default_rng(seed)
    y = np.repeat(np.arange(len(sizes)), sizes)
    x = 0.03 * draw.normal(size=(len(y), 32))
    x[np.arange(len(y)), y] += 1.0
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32), y


def _clustered(x: np.ndarray, y: np.ndarray) -> Clustered:
    means = np.stack([x[y == c].mean(0, dtype=np.float64) for c in range(len(SIZES))])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    centres = Centroids(
        means.astype(np.float32), len(SIZES), "cosine", "given", "cpu", len(x), 0, 0
    )
    found = assign(open_vectors(x), centres)
    return Clustered(Items.of(len(x), embedding=x), centres, found.labels, found.distance)


def check(seeds: int) -> list[dict[str, Any]]:
    """Quotas of concepts and of proportional shares, and the worst class after training on them."""
    learner = Learner(hidden=0, steps=100, batch=64, rate=0.05)
    found = []
    for seed in range(seeds):
        x, y = planted(seed)
        held, truth = planted(seed + 1000, (100, 100, 100))
        scores = Concepts().weigh(_clustered(x, y))
        for allocate in ("weighted", "proportional"):
            rows = datapruner.select(scores, f"{KEEP} items", allocate=allocate).indices
            told = predictions(learner, x[rows], y[rows], held, len(SIZES), seed)
            hits = np.bincount(truth, weights=told == truth)
            found.append(
                {
                    "seed": seed,
                    "allocate": allocate,
                    "quotas": np.bincount(y[rows], minlength=len(SIZES)).tolist(),
                    "worst_class": round(float((100 * hits / np.bincount(truth)).min()), 1),
                }
            )
    return found
