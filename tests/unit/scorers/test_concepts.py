from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from oracles.concepts_oracle import complexities, quotas, rounded_as_published, softmax

import datapruner as dp
from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.errors import BudgetError, InputError, ScoreError
from datapruner.scorers.clustered import Clustered
from datapruner.scorers.complexity import (
    TALLY_ROWS,
    complexity,
    effective_number,
    mean_spread,
    separation,
    shares,
    tally,
)
from datapruner.scorers.concepts import Concepts, concept_count
from datapruner.scorers.prototypes import Prototypes
from datapruner.vectors.centroids import Centroids
from datapruner.vectors.kmeans import fit_centroids
from datapruner.vectors.store import open_vectors

RNG = np.random.default_rng(11)
X = (RNG.normal(size=(400, 12)) + 3 * RNG.integers(0, 2, size=(400, 12))).astype(np.float32)


def score(x: Any, *, labels: Any = None, ids: Any = None, seed: int = 0, **params: Any) -> Scores:
    n = len(x)
    ids = np.arange(n) if ids is None else ids
    return Concepts(**params)(Items.of(n, id=ids, group=labels, embedding=x), seed=seed)


def by_hand(labels: Any, distance: Any, centroids: Any = None, **params: Any) -> Scores:
    """Scores of rows whose clusters and distances are given."""
    labels, distance = np.asarray(labels, np.int32), np.asarray(distance, np.float32)
    count = int(labels.max()) + 1
    centres = np.eye(count, dtype=np.float32) if centroids is None else centroids
    made = Centroids(centres, len(centres), "cosine", "given", "cpu", len(labels), 0, 0)
    return Concepts(**params).weigh(Clustered(Items.of(len(labels)), made, labels, distance))


def given(sizes: Any, weight: Any) -> Scores:
    """Scores as the scorer makes them, with given sizes and shares."""
    sizes = np.asarray(sizes)
    group = np.repeat(np.arange(sizes.size), sizes)
    return Scores(
        np.linspace(0, 1, group.size),
        Items.of(group.size),
        method="concepts",
        group=group,
        group_names=tuple(f"cluster {j}" for j in range(sizes.size)),
        group_weight=np.asarray(weight, dtype=np.float64),
        group_floor=(sizes > 0).astype(np.int64),
    )


def kept_of(scores: Scores, budget: str, **how: Any) -> list[int]:
    chosen = dp.select(scores, budget, **how)
    return np.bincount(scores.groups[chosen.indices], minlength=scores.n_groups).tolist()


# The formulas.


@pytest.mark.parametrize("neighbours", [1, 3, 20])
@pytest.mark.parametrize("backend", ["faiss", "sklearn"])
def test_weights_equal_the_formula(neighbours: int, backend: str) -> None:
    found = score(X, k=9, neighbours=neighbours, backend=backend, temperature=0.02)
    centroids = fit_centroids(open_vectors(X), 9, backend=backend).centroids
    values = complexities(X, centroids, found.groups.tolist(), neighbours)
    live = np.bincount(found.groups, minlength=len(centroids)) > 0
    assert found.group_weight is not None
    expected = softmax(values, live.tolist(), 0.02)
    np.testing.assert_allclose(found.group_weight, expected, rtol=2e-5)
    assert found.meaning == "harder"
    assert found.details["neighbours"] == min(neighbours, live.sum() - 1)


def test_values_are_the_distances_of_prototypes_with_as_many_clusters() -> None:
    items = Items.of(len(X), id=np.arange(len(X)), embedding=X)
    alike = Prototypes(k=9)(items)
    found = Concepts(k=9)(items)
    np.testing.assert_array_equal(found.values, alike.values)
    np.testing.assert_array_equal(found.groups, alike.groups)


def test_labels_do_not_become_groups() -> None:
    assert score(X, k=4, labels=["a", "b"] * 200).names == score(X, k=4).names


def test_the_number_of_concepts_follows_the_rows() -> None:
    assert [concept_count(n) for n in (1, 7, 400, 60_000, 10**7)] == [1, 7, 20, 30, 500]
    assert score(X).details["k_asked"] == 20
    assert score(X[:7]).details["k_asked"] == 7
    with pytest.raises(InputError, match="k=401"):
        score(X, k=401)


def test_spreads_are_the_same_to_the_last_bit_in_any_order_and_in_blocks() -> None:
    draw = np.random.default_rng(0)
    labels, distance = draw.integers(0, 5, 3000), draw.random(3000, dtype=np.float32)
    order = draw.permutation(3000)
    whole = tally(labels, distance, 5)
    turned = tally(labels[order], distance[order], 5)
    halves = [tally(labels[part], distance[part], 5) for part in (order[:700], order[700:])]
    for one, other, *parts in zip(whole, turned, *halves, strict=True):
        assert one.tolist() == other.tolist() == sum(parts).tolist()
    exact = [math.fsum(distance[labels == j]) / np.sum(labels == j) for j in range(5)]
    np.testing.assert_allclose(mean_spread(*whole), exact, rtol=0, atol=2.0**-33)


def test_many_rows_are_summed_exactly() -> None:
    n = TALLY_ROWS + 3
    sizes, sums = tally(np.zeros(n, np.int32), np.full(n, 2.0, np.float32), 1)
    assert sizes.tolist() == [n]
    assert sums.tolist() == [n << 33]


def test_only_live_centroids_are_neighbours_and_none_is_its_own() -> None:
    centres = np.eye(4, 3, dtype=np.float32)
    centres[3] = [0.6, 0.8, 0]
    live = np.array([True, True, False, True])
    np.testing.assert_allclose(separation(centres, live, 1), [0.4, 0.2, 0, 0.2], atol=1e-7)
    np.testing.assert_allclose(separation(centres, live, 9), [0.7, 0.6, 0, 0.3], atol=1e-7)
    only = np.array([False, True, False, False])
    assert separation(centres, only, 9).tolist() == [0, 0, 0, 0]


def test_separations_do_not_depend_on_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    centres = np.random.default_rng(2).normal(size=(60, 40)).astype(np.float32)
    live = np.ones(60, dtype=bool)
    whole = separation(centres, live, 7)
    monkeypatch.setattr("datapruner.scorers.complexity.PRODUCT_ROWS", 7)
    assert separation(centres, live, 7).tolist() == whole.tolist()


def test_tiny_negatives_are_no_complexity() -> None:
    both = np.array([True, True])
    assert complexity(np.array([-1e-9, 0.5]), np.array([1.0, 1.0]), both).tolist() == [0, 0.5]
    one = np.array([True, False])
    assert complexity(np.array([0.25, 0.5]), np.zeros(2), one).tolist() == [0.25, 0]


def test_effective_numbers_count_equal_shares() -> None:
    assert effective_number(np.array([0.5, 0, 0.5])) == pytest.approx(2)
    assert effective_number(np.array([1.0, 0])) == 1
    assert effective_number(np.zeros(2)) == 0


# The quotas.


def random_cases(count: int = 60) -> Any:
    """Pareto sizes, which fill caps, and the temperatures that people use."""
    draw = np.random.default_rng(7)
    for _ in range(count):
        k = int(draw.integers(20, 200))
        sizes = (20 * (draw.pareto(1.3, k) + 1)).astype(np.int64)
        weight = shares(draw.random(k) * 0.3, sizes > 0, float(draw.choice([0.05, 0.1, 0.5])))
        yield sizes, weight, int(draw.uniform(0.1, 0.5) * sizes.sum())


def test_quotas_equal_a_general_solver_where_rounding_its_answer_misses_the_total() -> None:
    missed = 0
    for sizes, weight, total in random_cases():
        real = quotas(weight * total, np.ones(len(sizes)), sizes, total)
        got = np.array(kept_of(given(sizes, weight), f"{total} items"))
        assert got.sum() == total
        assert np.abs(got - real).max() < 1 + 1e-6
        missed += rounded_as_published(real).sum() != total
    assert missed > 40


def test_quotas_meet_the_conditions_of_an_optimum() -> None:
    for sizes, weight, total in random_cases():
        got = np.array(kept_of(given(sizes, weight), f"{total} items"))
        shift = got - weight * total
        inside = (got > 1) & (got < sizes)
        if not inside.any():
            continue
        assert shift[inside].max() - shift[inside].min() <= 2
        full, least = (got == sizes) & (sizes > 1), (got == 1) & (sizes > 1)
        assert shift[full].max(initial=-np.inf) <= shift[inside].max() + 1
        assert shift[least].min(initial=np.inf) >= shift[inside].min() - 1


def test_a_hot_softmax_gives_equal_quotas_with_caps() -> None:
    labels = np.repeat([0, 1, 2], [60, 30, 4])
    distance = np.linspace(0, 1, 94)
    assert kept_of(by_hand(labels, distance, temperature=1e9), "44 items") == [20, 20, 4]


def test_a_cold_softmax_is_greedy() -> None:
    labels = np.repeat([0, 1, 2], [60, 30, 30])
    distance = np.repeat([0.1, 0.4, 0.2], [60, 30, 30])
    scores = by_hand(labels, distance, temperature=1e-6)
    assert kept_of(scores, "22 items") == [1, 20, 1]
    # Once the most complex concept is full the program hands the rest out equally.
    assert kept_of(scores, "50 items") == [10, 30, 10]


def test_one_concept_is_keep_hard_of_prototypes() -> None:
    hard = Prototypes(k=1)(Items.of(len(X), id=np.arange(len(X)), embedding=X))
    ours = dp.select(score(X, k=1), "30%")
    assert ours.ids.tolist() == dp.select(hard, "30%", pick="high").ids.tolist()


def test_quotas_grow_with_the_budget_up_to_rounding() -> None:
    scores = score(X, k=9, temperature=0.02)
    steps = [np.array(kept_of(scores, f"{n} items")) for n in range(9, 400, 13)]
    assert min((b - a).min() for a, b in itertools.pairwise(steps)) >= -1


def test_every_live_concept_keeps_a_row_while_the_budget_reaches() -> None:
    scores = score(X, k=30, temperature=1e-4)
    live = np.bincount(scores.groups, minlength=scores.n_groups) > 0
    assert np.array_equal(np.array(kept_of(scores, f"{live.sum()} items")) > 0, live)
    short = dp.select(scores, "5 items")
    assert len(short) == 5
    assert any("the floor is lowered to 0" in note for note in short.provenance.notes)


def test_a_floor_of_the_users_overrides() -> None:
    scores = given([50, 50, 5], [1.0, 1e-9, 1e-9])
    assert kept_of(scores, "20 items") == [18, 1, 1]
    assert kept_of(scores, "20 items, floor 4") == [12, 4, 4]
    with pytest.raises(BudgetError, match="floors ask for 25 rows"):
        dp.select(scores, "20 items, floor 10", allocate="weighted", pick="high")


def test_an_easy_concept_with_a_quota_of_zero_keeps_nothing() -> None:
    scores = by_hand(np.repeat([0, 1], [9, 9]), np.repeat([0.9, 0.1], 9), temperature=1e-3)
    assert kept_of(scores, "1 items", pick="low") == [1, 0]


# Inside a concept.


def test_hard_easy_and_uniform_keep_their_rows() -> None:
    scores = by_hand(np.zeros(10), np.arange(10) / 10)
    assert dp.select(scores, "3 items").indices.tolist() == [7, 8, 9]
    assert dp.select(scores, "3 items", pick="low").indices.tolist() == [0, 1, 2]
    draws = {tuple(dp.select(scores, "3 items", pick="uniform", seed=s).indices) for s in range(9)}
    assert len(draws) > 1


# What is odd.


def test_clusters_without_rows_get_nothing_and_are_nobodys_neighbour() -> None:
    centres = np.eye(3, dtype=np.float32)
    found = by_hand([0, 0, 2, 2], [0.1, 0.2, 0.3, 0.1], centres)
    assert found.group_weight is not None
    assert found.group_weight[1] == 0
    assert found.group_floor is not None
    assert found.group_floor.tolist() == [1, 0, 1]
    assert found.details["concepts"] == 2
    assert found.details["neighbours"] == 1
    assert kept_of(found, "2 items") == [1, 0, 1]


def test_a_cluster_of_one_has_no_spread() -> None:
    found = by_hand([0, 1, 1], [0.5, 0.5, 0.5], temperature=0.1)
    expected = softmax([0.0, 0.5], [True, True], 0.1)
    assert found.group_weight is not None
    np.testing.assert_allclose(found.group_weight, expected)


def test_equal_rows_are_one_concept_without_complexity() -> None:
    found = score(np.ones((40, 5), np.float32), k=3)
    assert found.details["k"] == 1
    assert found.details["concepts"] == 1
    assert len(dp.select(found, "25%")) == 10


@pytest.mark.parametrize("n", [0, 1, 2])
def test_hardly_any_rows(n: int) -> None:
    found = score(X[:n])
    assert found.values.shape == (n,)
    assert len(dp.select(found, "100%")) == n


def test_rows_without_direction_are_named_or_barred() -> None:
    x = X[:60].copy()
    x[3, 1], x[4] = np.nan, 0
    with pytest.raises(ScoreError, match=r"concepts: 2 of 60 vectors.*row 3: NaN, row 4: zero"):
        score(x)
    found = score(x, on_bad="drop", k=5)
    good = np.setdiff1d(np.arange(60), [3, 4])
    alone = score(x[good], ids=good, k=5)
    np.testing.assert_array_equal(found.values[good], alone.values)
    assert found.group_weight is not None
    assert alone.group_weight is not None
    assert found.group_weight.tobytes() == alone.group_weight.tobytes()
    assert len(dp.select(found, "100%")) == 58
    assert len(score(np.zeros((4, 3), np.float32), on_bad="drop").values) == 4


def test_rows_in_another_order_get_the_same_bits() -> None:
    order = RNG.permutation(len(X))
    there, back = score(X, k=11), score(X[order], k=11, ids=order)
    np.testing.assert_array_equal(back.values, there.values[order])
    np.testing.assert_array_equal(back.groups, there.groups[order])
    assert there.group_weight is not None
    assert back.group_weight is not None
    assert back.group_weight.tobytes() == there.group_weight.tobytes()
    ids = dp.select(there, "20%").ids.tolist()
    assert dp.select(back, "20%").ids.tolist() == ids


def test_lengths_and_rotations_of_the_rows_change_nothing_that_counts() -> None:
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(12, 12)))[0]
    centres = fit_centroids(open_vectors(X), 6).centroids
    plain = separation(centres, np.ones(len(centres), bool), 3)
    turned = separation((7 * centres @ turn).astype(np.float32), np.ones(len(centres), bool), 3)
    np.testing.assert_allclose(turned, plain, atol=1e-6)


def test_a_temperature_worth_a_second_look_is_told() -> None:
    hot = dp.select(score(X, k=9, temperature=50.0), "20%").provenance.notes
    assert any("nearly equal; a temperature below 50" in note for note in hot)
    cold = dp.select(score(X, k=9, temperature=1e-5), "20%").provenance.notes
    assert any("a temperature above 1e-05" in note for note in cold)
    assert score(X, k=9, temperature=0.01).notes == ()
    assert score(X, k=1).notes == ()


@pytest.mark.parametrize(
    "params",
    [
        {"k": 0},
        {"neighbours": 0},
        {"temperature": 0.0},
        {"temperature": math.inf},
        {"temperature": math.nan},
        {"on_bad": "skip"},
        {"iterations": 0},
    ],
)
def test_parameters_that_no_run_could_use_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        Concepts(**params)


def test_the_recipe_can_be_written_down() -> None:
    pruner = dp.Pruner(Concepts(k=4, temperature=0.05))
    assert dp.Pruner.from_dict(pruner.to_dict()) == pruner
