"""The trials behind a recommendation: draw a pilot, prune, train two heads, test them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from datapruner.core.budget import Budget
from datapruner.core.items import Items
from datapruner.core.pruner import select
from datapruner.core.types import AnyArray, FloatArray, IntArray, UInt64Array
from datapruner.dataset.recommendation import Pick
from datapruner.errors import InputError
from datapruner.rng import hash_strings, mix, stream, subseed
from datapruner.scorers.prototypes import Prototypes
from datapruner.vectors.content import BAD_REASONS, scan
from datapruner.vectors.store import Vectors

__all__ = ["PROBED", "Trial", "pilot_rows", "renumbered", "run_trials"]

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


def pilot_rows(
    vectors: Vectors, y: IntArray, ids: Sequence[Any] | AnyArray | None, size: int, seed: int
) -> IntArray:
    """The rows with the smallest hashes, in hash order: the same rows wherever they stand.

    Copies of a row with different labels are told apart by what else their classes hold.
    """
    keys, bad = scan(vectors)
    wrong = np.flatnonzero(bad)
    if len(wrong):
        shown = ", ".join(f"row {row}: {BAD_REASONS[bad[row]]}" for row in wrong[:5].tolist())
        raise InputError(
            f"{len(wrong)} of {vectors.n} vectors have no direction ({shown}); drop them first."
        )
    own = subseed(seed, "pilot")
    ranks = [_class_keys(keys, y)[y], mix(keys, own)]
    if ids is not None:
        if len(ids) != vectors.n:
            raise InputError(f"{len(ids)} ids for {vectors.n} embedding rows.")
        ranks.append(mix(hash_strings([str(one) for one in ids]), own))
    order = np.lexsort(ranks)
    return order[:size].astype(np.int64)


def _class_keys(keys: UInt64Array, y: IntArray) -> UInt64Array:
    """A key for each class made of its rows alone: the sum of their hashes, modulo 2**64."""
    sums = np.zeros(int(y.max()) + 1, dtype=np.uint64)
    np.add.at(sums, y, mix(keys, 1))
    return sums


def renumbered(codes: IntArray) -> IntArray:
    """Classes numbered by their first row: the same numbers whatever the classes are called."""
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse].astype(np.int64)


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
    """The rows that each pick keeps at each share; several subsets for random, one for the rest.

    They are cut by the library itself, so the probe tests what a real run would do.
    """
    n = len(x)
    items = Items.of(n, group=y, tie=mix(np.arange(n), seed), embedding=x)
    scores = Prototypes(k=min(prototypes, n))(items, seed=seed)
    cover = select(scores, Budget(count=_count(max(shares), n)), pick="kcentre").order
    out: dict[tuple[float, Pick], list[IntArray]] = {}
    for share in shares:
        count = _count(share, n)
        for pick in PROBED:
            if pick == "kcentre":
                out[share, pick] = [cover[:count]]
            elif pick == "uniform":
                out[share, pick] = [
                    select(scores, Budget(count=count), pick=pick, seed=draw).indices
                    for draw in range(draws)
                ]
            else:
                budget = Budget(count=count, floor=floor)
                out[share, pick] = [select(scores, budget, pick=pick).indices]
    return out


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
