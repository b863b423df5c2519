"""The trials behind a recommendation: prune, train two cheap heads, test on held-out rows."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from datapruner.core.types import FloatArray, IntArray
from datapruner.dataset.recommendation import Pick
from datapruner.pickers.diverse import kcentre_order
from datapruner.rng import mix, stream, subseed

__all__ = ["PROBED", "Trial", "run_trials"]

PROBED: tuple[Pick, ...] = ("uniform", "high", "low", "mixed", "kcentre")
HELD_OUT = 1 / 3
STRENGTH = 30.0  # inverse regularisation on unit rows; the sweep of the method's text table
NEIGHBOURS = 5  # fewer when a class keeps fewer rows


@dataclass(frozen=True, eq=False, slots=True)
class Trial:
    """One pick at one share over all splits.

    Attributes:
        pick: how rows were picked.
        share: share of the training rows kept.
        kept: how many that was.
        accuracy: shape (splits, 2), per cent: logistic regression, nearest neighbours; for random
            the mean over its draws.
        trained_on: training rows of a split before pruning.
        held_out: test rows of a split.
    """

    pick: Pick
    share: float
    kept: int
    accuracy: FloatArray
    trained_on: int
    held_out: int


def run_trials(
    x: FloatArray,
    y: IntArray,
    *,
    shares: Sequence[float],
    floor: float,
    prototypes: int,
    splits: int,
    draws: int,
    seed: int,
) -> list[Trial]:
    """Every pick at every share, over several splits of the same rows.

    Args:
        x: shape (n, d), float32 unit rows, in an order that does not depend on the file.
        y: shape (n,), class codes.
        shares: of the training rows to keep.
        floor: class guarantee of high, low and mixed.
        prototypes: centroids of the difficulty score.
        splits: how often to divide the rows.
        draws: random subsets a split.
        seed: of splits, centroids and draws.

    Returns:
        One trial for each share and pick, ordered as given, random first within a share.
    """
    held = round(len(x) * HELD_OUT)
    trained = len(x) - held
    found = {(share, pick): np.empty((splits, 2)) for share in shares for pick in PROBED}
    for split in range(splits):
        order = stream(seed, f"split {split}").permutation(len(x))
        test, train = order[:held], order[held:]
        for (share, pick), rows in _subsets(
            x[train], y[train], shares, floor, prototypes, draws, subseed(seed, f"pick {split}")
        ).items():
            scores = [_test(x[train[kept]], y[train[kept]], x[test], y[test]) for kept in rows]
            found[share, pick][split] = np.mean(scores, axis=0)
    return [
        Trial(pick, share, _count(share, trained), accuracy, trained, held)
        for (share, pick), accuracy in found.items()
    ]


def _count(share: float, n: int) -> int:
    return min(n, max(1, math.floor(share * n + 1e-9)))


def _subsets(
    x: FloatArray,
    y: IntArray,
    shares: Sequence[float],
    floor: float,
    prototypes: int,
    draws: int,
    seed: int,
) -> dict[tuple[float, Pick], list[IntArray]]:
    """The rows that each pick keeps at each share; several subsets for random, one for the rest."""
    n = len(x)
    easiest_first = np.argsort(difficulty(x, prototypes, seed), kind="stable")
    cover = kcentre_order(x, _count(max(shares), n), mix(np.arange(n)))
    out: dict[tuple[float, Pick], list[IntArray]] = {}
    for share in shares:
        count = _count(share, n)
        out[share, "uniform"] = [
            stream(seed, f"draw {draw}").permutation(n)[:count] for draw in range(draws)
        ]
        out[share, "high"] = [guaranteed(easiest_first[::-1], y, count, floor, spread=False)]
        out[share, "low"] = [guaranteed(easiest_first, y, count, floor, spread=False)]
        out[share, "mixed"] = [guaranteed(easiest_first, y, count, floor, spread=True)]
        out[share, "kcentre"] = [cover[:count]]
    return out


def difficulty(x: FloatArray, prototypes: int, seed: int) -> FloatArray:
    """1 - cosine to the nearest k-means centroid, shape (n,)."""
    from sklearn.cluster import KMeans

    k = min(prototypes, len(np.unique(x, axis=0)))
    state = subseed(seed, "centroids") % 2**32
    centres = KMeans(k, n_init=1, random_state=state).fit(x).cluster_centers_
    centres /= np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-12)
    away: FloatArray = 1 - (x @ centres.T.astype(x.dtype)).max(1)
    return away


def guaranteed(
    order: IntArray, y: IntArray, count: int, floor: float, *, spread: bool
) -> IntArray:
    """The first ``count`` rows of an order, after every class has got its guaranteed part.

    Args:
        order: all rows, the preferred first.
        y: shape (n,), class codes.
        count: rows to keep.
        floor: share of ``count / classes`` guaranteed to each class.
        spread: take rows at even steps along the order instead of its head.

    Returns:
        Shape (count,), distinct rows.
    """
    classes = np.unique(y)
    owed = int(floor * count / len(classes))
    parts = []
    free = np.ones(len(order), dtype=bool)
    for one in classes if owed else classes[:0]:
        place = np.flatnonzero(y[order] == one)
        place = place[_steps(len(place), owed) if spread else slice(0, owed)]
        parts.append(order[place])
        free[place] = False
    rest = order[free]
    left = count - sum(len(part) for part in parts)
    parts.append(rest[_steps(len(rest), left) if spread else slice(0, left)])
    return np.concatenate(parts)


def _steps(n: int, k: int) -> IntArray:
    """``k`` places at even steps over 0..n-1, both ends included."""
    if k >= n:
        return np.arange(n, dtype=np.int64)
    return np.round(np.linspace(0, n - 1, k)).astype(np.int64)


def _test(x: FloatArray, y: IntArray, held: FloatArray, truth: IntArray) -> tuple[float, float]:
    """Accuracy of the two heads in per cent."""
    return (
        100 * float(np.mean(_linear(x, y, held) == truth)),
        100 * float(np.mean(_neighbours(x, y, held) == truth)),
    )


def _linear(x: FloatArray, y: IntArray, held: FloatArray) -> IntArray:
    from sklearn.linear_model import LogisticRegression

    if len(np.unique(y)) == 1:
        return np.full(len(held), y[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a head that stops early is still the same for every pick
        head = LogisticRegression(C=STRENGTH, max_iter=100, tol=1e-3).fit(x, y)
    predicted: IntArray = head.predict(held)
    return predicted


def _neighbours(x: FloatArray, y: IntArray, held: FloatArray) -> IntArray:
    """Majority of the nearest rows by cosine; equal votes go to the lower class code."""
    classes, codes = np.unique(y, return_inverse=True)
    k = min(len(x), max(1, min(NEIGHBOURS, len(x) // len(classes))))
    near = np.argsort(-(held @ x.T), axis=1, kind="stable")[:, :k]
    votes = np.zeros((len(held), len(classes)), dtype=np.int64)
    for column in near.T:
        votes[np.arange(len(held)), codes[column]] += 1
    winners: IntArray = classes[votes.argmax(1)]
    return winners
