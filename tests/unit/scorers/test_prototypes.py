from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import datapruner as dp
from datapruner.core.items import Items
from datapruner.errors import InputError, ScoreError
from datapruner.scorers.prototypes import HARD_FROM, Prototypes, end_to_keep
from datapruner.vectors.kmeans import default_k, fit_centroids
from datapruner.vectors.store import open_vectors

RNG = np.random.default_rng(5)
X = (RNG.normal(size=(300, 12)) + 3 * RNG.integers(0, 2, size=(300, 12))).astype(np.float32)


def score(x: Any, *, labels: Any = None, ids: Any = None, seed: int = 0, **params: Any) -> Any:
    n = len(x)
    ids = np.arange(n) if ids is None else ids
    return Prototypes(**params)(Items.of(n, id=ids, group=labels, embedding=x), seed=seed)


def slow_distances(x: Any, centroids: Any, metric: str) -> Any:
    """The formula, a row and a centroid at a time, in float64."""
    values = []
    for row in x.astype(np.float64):
        to_each = []
        for centre in centroids.astype(np.float64):
            if metric == "cosine":
                lengths = np.sqrt((row * row).sum()) * np.sqrt((centre * centre).sum())
                to_each.append(1 - (row * centre).sum() / lengths)
            else:
                to_each.append(np.sqrt(((row - centre) ** 2).sum()))
        values.append(min(to_each))
    return np.array(values)


@pytest.mark.parametrize("metric", ["cosine", "l2"])
@pytest.mark.parametrize("backend", ["faiss", "sklearn"])
def test_values_equal_the_formula(metric: str, backend: str) -> None:
    found = score(X, k=9, metric=metric, backend=backend)
    centroids = fit_centroids(open_vectors(X), 9, spherical=metric == "cosine", backend=backend)
    expected = slow_distances(X, centroids.centroids, metric)
    np.testing.assert_allclose(found.values, expected, rtol=0, atol=3e-6)
    assert found.values.dtype == np.float32
    assert found.meaning == "harder"


def test_k_is_given_or_follows_from_labels_or_rows() -> None:
    assert score(X, k=7).details["k_asked"] == 7
    assert score(X).details["k_asked"] == default_k(300)
    assert score(X, labels=["x", "y", "z"] * 100).details["k_asked"] == 3
    with pytest.raises(InputError, match="k=301"):
        score(X, k=301)


def test_groups_are_the_labels_else_the_clusters() -> None:
    assert score(X, labels=["x", "y", "z"] * 100).names == ("x", "y", "z")
    found = score(X, k=4)
    assert set(found.names) == {f"cluster {j}" for j in range(found.details["k"])}


def test_hard_easy_and_mixed_keep_their_ends() -> None:
    scores = score(X, k=9)
    order = np.sort(scores.values)
    hard = dp.select(scores, "30 items", pick="high")
    easy = dp.select(scores, "30 items", pick="low")
    mixed = dp.select(scores, "30 items", pick="mixed")
    np.testing.assert_array_equal(np.sort(scores.values[hard.indices]), order[-30:])
    np.testing.assert_array_equal(np.sort(scores.values[easy.indices]), order[:30])
    kept = scores.values[mixed.indices]
    assert kept.min() == order[0]
    assert kept.max() == order[-1]
    assert order[100] < np.median(kept) < order[200]


def test_a_floor_for_every_class_holds() -> None:
    labels = np.array(["rare"] * 20 + ["common"] * 280)
    chosen = dp.select(score(X, labels=labels), "30 items, floor 10", pick="high")
    assert len(chosen) == 30
    assert np.count_nonzero(labels[chosen.indices] == "rare") >= 10


def test_the_default_end_depends_on_what_is_left() -> None:
    assert end_to_keep(HARD_FROM)[0] == "high"
    assert end_to_keep(HARD_FROM - 0.01)[0] == "mixed"
    assert dp.select(score(X), "80%").provenance.pick == "high"
    chosen = dp.select(score(X), "20%")
    assert chosen.provenance.pick == "mixed"
    assert "recommend" in chosen.provenance.notes[0]


def test_rows_in_another_order_get_the_same_values_to_the_last_bit() -> None:
    order = RNG.permutation(len(X))
    there = score(X, k=11)
    back = score(X[order], k=11, ids=order)
    np.testing.assert_array_equal(back.values, there.values[order])
    np.testing.assert_array_equal(back.groups, there.groups[order])


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_float_types_are_scored_as_what_they_hold(dtype: Any) -> None:
    found = score(X.astype(dtype), k=9)
    same = score(X.astype(dtype).astype(np.float32), k=9)
    np.testing.assert_array_equal(found.values, same.values)


def test_equal_rows_are_all_perfect_prototypes() -> None:
    found = score(np.ones((40, 5), np.float32), k=3)
    assert found.details["k"] == 1
    np.testing.assert_allclose(found.values, 0, atol=1e-6)
    assert len(dp.select(found, "25%")) == 10


@pytest.mark.parametrize("n", [0, 1, 2])
def test_hardly_any_rows(n: int) -> None:
    found = score(X[:n])
    assert found.values.shape == (n,)
    np.testing.assert_allclose(found.values, 0, atol=1e-6)


def bad_vectors() -> Any:
    x = X[:30].copy()
    x[3, 1], x[4, 2], x[5] = np.nan, -np.inf, 0
    return x


def test_rows_without_direction_are_named() -> None:
    said = r"3 of 30 vectors cannot be used \(row 3: NaN, row 4: infinite, row 5: zero length\)"
    with pytest.raises(ScoreError, match=said):
        score(bad_vectors())


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_rows_without_direction_can_be_barred(metric: str) -> None:
    gone = [3, 4, 5]
    found = score(bad_vectors(), metric=metric, on_bad="drop", k=5)
    assert np.flatnonzero(found.items.barred).tolist() == gone
    good = np.setdiff1d(np.arange(30), gone)
    alone = score(bad_vectors()[good], metric=metric, ids=good, k=5)
    np.testing.assert_array_equal(found.values[good], alone.values)
    assert len(dp.select(found, "100%")) == len(good)


def test_the_default_k_counts_usable_rows_alone() -> None:
    x = np.zeros((40, 3), np.float32)
    x[:4] = X[:4, :3]
    assert score(x, on_bad="drop").details["k_asked"] == 4
    assert score(x[4:], on_bad="drop").items.countable == 0


@pytest.mark.parametrize(
    "params", [{"k": 0}, {"metric": "dot"}, {"on_bad": "skip"}, {"iterations": 0}]
)
def test_parameters_that_no_run_could_use_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        Prototypes(**params)
