"""Semantic duplicates against the three rules written out, and what no rule may break."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.core.select import select
from datapruner.errors import InputError, MissingColumnError, ScoreError
from datapruner.scorers.duplicates import Duplicates, keep_order
from datapruner.scorers.pairs import Found, Members
from datapruner.scorers.triangle import RULES, search
from datapruner.vectors.content import row_keys, unit_rows
from datapruner.vectors.store import open_vectors


def literal(similarity: np.ndarray, threshold: float, rule: str) -> tuple[list[bool], list[float]]:
    """The rules on a whole matrix in the keep order: who goes, and the value of each row."""
    m = len(similarity)
    gone, value = [False] * m, [0.0] * m
    groups = list(range(m))
    for j in range(m):
        before = [i for i in range(j) if rule != "leader" or not gone[i]]
        value[j] = max((float(similarity[i, j]) for i in before), default=0.0)
        gone[j] = bool(np.float32(value[j]) > np.float32(threshold))
        for i in range(j):
            if similarity[i, j] > np.float32(threshold):
                old, new = groups[j], groups[i]
                groups = [min(old, new) if g in (old, new) else g for g in groups]
    if rule == "components":
        gone = [groups[j] != j for j in range(m)]
    return gone, value


def close_rows(m: int, d: int, seed: int) -> np.ndarray:
    """Rows at every similarity: copies, chains of small steps, opposites."""
    rng = np.random.default_rng(seed)
    rows = [rng.normal(size=d)]
    while len(rows) < m:
        base, kind = rows[rng.integers(len(rows))], rng.integers(5)
        step = rng.normal(size=d)
        made = (base, base + 0.2 * step, base + 0.4 * step, step, -base)[kind]
        rows.append(made)
    return np.array(rows, dtype=np.float32)


def matrix(x: np.ndarray) -> np.ndarray:
    unit = unit_rows(x)[0].astype(np.float64)
    found = np.clip((unit @ unit.T).astype(np.float32), -1, 1)
    same = (x[:, None] == x[None]).all(axis=2)
    return np.where(same, np.float32(1), found)


def searched(x: np.ndarray, threshold: float, rule: str, **how: Any) -> Found:
    rows = np.arange(len(x), dtype=np.int64)
    return search(Members(open_vectors(x), rows), threshold, rule, row_keys(x), **how)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("seed", range(6))
def test_the_search_is_the_rule_written_out(rule: str, seed: int) -> None:
    x = close_rows(90, 12, seed)
    for threshold in (0.0, 0.5, 0.8, 0.9, 0.95, 0.99, 1.0):
        gone, value = literal(matrix(x), threshold, rule)
        found = searched(x, threshold, rule, block_rows=16)
        assert found.is_duplicate.tolist() == gone
        if rule == "any_earlier":
            assert found.similarity.tolist() == value
        elif rule == "leader":  # copies of a row that is dropped have that row's answer
            new = ~np.triu((x[:, None] == x[None]).all(axis=2), 1).any(axis=0)
            assert found.similarity[new].tolist() == np.array(value)[new].tolist()
        assert ((found.similarity > np.float32(threshold)) == found.is_duplicate).all()


@pytest.mark.parametrize("rule", RULES)
def test_blocks_of_any_size_and_rows_read_anew_give_the_same_bytes(rule: str) -> None:
    x = np.concatenate([close_rows(150, 24, 1), np.tile(close_rows(1, 24, 2), (30, 1))])
    x = x[np.random.default_rng(0).permutation(len(x))]
    want = searched(x, 0.9, rule)
    rows = np.arange(len(x), dtype=np.int64)
    for block in (1, 7, 64, 1000):
        unheld = Members(open_vectors(x), rows, held_bytes=0)
        for members in (Members(open_vectors(x), rows), unheld):
            found = search(members, 0.9, rule, row_keys(x), block_rows=block)
            assert found.similarity.tobytes() == want.similarity.tobytes()
            assert found.earlier.tolist() == want.earlier.tolist()
            assert found.is_duplicate.tolist() == want.is_duplicate.tolist()


def test_similarities_within_rounding_of_the_threshold_are_settled() -> None:
    rng = np.random.default_rng(3)
    base = rng.normal(size=64)
    x = np.array([base + 1e-4 * rng.normal(size=64) for _ in range(60)], dtype=np.float32)
    exact = matrix(x)
    thresholds = np.unique(exact[np.triu_indices(60, 1)])
    for threshold in thresholds[:: max(1, len(thresholds) // 12)].tolist():
        for rule in RULES:
            gone, _ = literal(exact, threshold, rule)
            assert searched(x, threshold, rule, block_rows=9).is_duplicate.tolist() == gone


def chain(order: str) -> np.ndarray:
    """A-B .95, B-C .95, A-C .81: at .80, of which one reads, no three vectors exist."""
    a = np.array([1.0, 0, 0])
    b = np.array([0.95, np.sqrt(1 - 0.95**2), 0])
    y = (0.95 - 0.95 * 0.81) / b[1]
    c = np.array([0.81, y, np.sqrt(1 - 0.81**2 - y * y)])
    rows = {"A": a, "B": b, "C": c}
    return np.array([rows[name] for name in order], dtype=np.float32)


@pytest.mark.parametrize(
    ("order", "rule", "kept"),
    [
        ("ABC", "any_earlier", "A"),
        ("ABC", "leader", "AC"),
        ("ABC", "components", "A"),
        *(("BAC", rule, "B") for rule in RULES),
        ("ACB", "any_earlier", "AC"),
        ("ACB", "leader", "AC"),
        ("ACB", "components", "A"),
    ],
)
def test_the_chain_of_three(order: str, rule: str, kept: str) -> None:
    found = searched(chain(order), 0.9, rule)
    stays = [name for name, gone in zip(order, found.is_duplicate, strict=True) if not gone]
    assert "".join(stays) == kept
    dropped = np.flatnonzero(found.is_duplicate)
    assert (found.earlier[dropped] >= 0).all()


# -- the scorer --------------------------------------------------------------------------------


def items(x: np.ndarray, **more: Any) -> Items:
    return Items.of(len(x), id=[f"r{i}" for i in range(len(x))], embedding=x, **more)


def score(x: np.ndarray, more: dict[str, Any] | None = None, **params: Any) -> Scores:
    return Duplicates(**params)(items(x, **(more or {})))


def dropped(scores: Scores) -> set[int]:
    assert scores.twins is not None
    return set(np.flatnonzero(scores.twins.is_duplicate).tolist())


def mixed_rows(n: int = 400, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 16)).astype(np.float32)
    x[n // 2 :] = x[: n - n // 2] + 0.15 * rng.normal(size=(n - n // 2, 16))
    x[-20:] = x[:20]
    return x


@pytest.mark.parametrize("rule", RULES)
def test_inside_a_cluster_the_kept_are_apart_and_exact_copies_are_one(rule: str) -> None:
    x = mixed_rows()
    scores = score(x, rule=rule, eps=0.1, k=6)
    gone, similar = dropped(scores), matrix(x)
    kept = np.array([r for r in range(len(x)) if r not in gone])
    for g in range(6):
        members = kept[scores.groups[kept] == g]
        inner = similar[np.ix_(members, members)].copy()
        np.fill_diagonal(inner, 0)
        assert (inner <= np.float32(0.9)).all()
    for first, copy in zip(range(20), range(len(x) - 20, len(x)), strict=True):
        assert (first in gone) or (copy in gone)


def test_leader_keeps_more_than_any_earlier_and_covers_what_it_drops() -> None:
    x = mixed_rows()
    leader, any_earlier = (score(x, rule=rule, eps=0.2) for rule in ("leader", "any_earlier"))
    assert dropped(leader) <= dropped(any_earlier)
    assert leader.twins is not None
    for row in dropped(leader):
        twin = int(leader.twins.row[row])
        assert twin not in dropped(leader)
        assert matrix(x)[row, twin] == pytest.approx(float(leader.values[row]), abs=1e-6)


def test_a_larger_eps_drops_a_superset_under_any_earlier() -> None:
    x, before = mixed_rows(), set[int]()
    for eps in (0.0, 0.01, 0.05, 0.2, 0.6, 1.0):
        gone = dropped(score(x, rule="any_earlier", eps=eps))
        assert before <= gone
        before = gone


@pytest.mark.parametrize("rule", RULES)
def test_eps_zero_drops_nothing_and_opposites_stay(rule: str) -> None:
    x = mixed_rows()
    assert not dropped(score(x, rule=rule, eps=0.0))
    pair = np.array([[1.0, 2, 3], [-1, -2, -3]], dtype=np.float32)
    assert not searched(pair, 0.0, rule).is_duplicate.any()


@pytest.mark.parametrize("rule", RULES)
def test_of_equal_rows_one_stays(rule: str) -> None:
    x = np.tile(np.array([[0.3, -1.0, 2.0]], dtype=np.float32), (700, 1))
    scores = score(x, rule=rule, eps=1e-6)
    assert len(dropped(scores)) == 699
    assert len(select(scores, "100%")) == 1
    scaled = x * np.arange(1, 701, dtype=np.float32)[:, None]
    assert len(dropped(score(scaled, rule=rule, eps=1e-3))) == 699


def test_shuffled_rows_keep_the_same_ids() -> None:
    x, order = mixed_rows(), np.random.default_rng(5).permutation(400)
    for rule in RULES:
        plain = Duplicates(rule=rule, eps=0.1)(items(x))
        turned = Duplicates(rule=rule, eps=0.1)(
            Items.of(400, id=[f"r{i}" for i in order], embedding=x[order])
        )
        assert turned.values.tobytes() == plain.values[order].tobytes()
        assert {int(order[r]) for r in dropped(turned)} == dropped(plain)


def test_clusters_of_one_and_empty_input() -> None:
    x = np.eye(4, dtype=np.float32)
    scores = score(x, k=4)
    assert scores.values.tolist() == [0, 0, 0, 0]
    assert scores.twins is not None
    assert scores.twins.row.tolist() == [-1] * 4
    assert score(np.zeros((0, 3), dtype=np.float32)).values.size == 0


def test_rows_without_a_direction_are_an_error_or_barred() -> None:
    x = mixed_rows()
    x[7, 3], x[9] = np.nan, 0
    with pytest.raises(ScoreError, match="row 7: NaN"):
        score(x)
    scores = score(x, on_bad="drop")
    assert np.flatnonzero(scores.items.barred).tolist() == [7, 9]
    assert scores.twins is not None
    assert not np.isin(scores.twins.row, [7, 9]).any()


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"eps": -0.1}, "eps is -0.1"),
        ({"eps": 1.5}, "eps is 1.5"),
        ({"rule": "all"}, "rule is 'all'"),
        ({"keep": "last"}, "keep is 'last'"),
        ({"keep": "best"}, "needs by"),
        ({"by": "stars"}, "nothing else takes it"),
        ({"k": 0}, "k is 0"),
        ({"probes": 3}, "probes is 3"),
        ({"metric": "l2"}, "compared by cosine"),
    ],
)
def test_parameters_that_no_run_could_use(params: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        Duplicates(**params)


def test_more_clusters_than_rows_are_refused() -> None:
    with pytest.raises(InputError, match="k=500"):
        score(mixed_rows(), k=500)


def test_which_row_of_a_pair_stays() -> None:
    x = np.array([[1, 0.05], [1, 0.12], [0.2, -1]], dtype=np.float32)
    how = {"k": 1, "eps": 0.1}
    centre = unit_rows(unit_rows(x)[0].mean(axis=0, keepdims=True))[0][0]
    far = int(np.argmin((unit_rows(x)[0] @ centre)[:2]))
    assert dropped(score(x, keep="hard", **how)) == {1 - far}
    assert dropped(score(x, keep="easy", **how)) == {far}
    for stars, gone in (([1, 2, 0], {0}), ([2, 1, 0], {1})):
        assert dropped(score(x, {"stars": stars}, keep="best", by="stars", **how)) == gone
    pinned = np.array([False, True, False])
    assert dropped(score(x, {"stars": [2, 1, 0], "pinned": pinned}, keep="best", by="stars", **how))
    assert keep_order(items(x, pinned=pinned), np.zeros(3), "hard")[0] == 1


def test_a_column_to_keep_by_must_be_numbers() -> None:
    x = mixed_rows(4)
    with pytest.raises(InputError, match="finite number in 1 rows"):
        score(x, {"stars": [1, 2, np.nan, 3]}, keep="best", by="stars")
    with pytest.raises(InputError, match="does not hold numbers"):
        score(x, {"stars": ["a", "b", "c", "d"]}, keep="best", by="stars")
    with pytest.raises(MissingColumnError):
        score(x, keep="best", by="stars")


def test_explain_names_the_row_and_the_similarity() -> None:
    x = np.array([[1, 0.0], [1, 0.1], [0.2, -1]], dtype=np.float32)
    kept = select(score(x, {"stars": [3, 2, 1]}, keep="best", by="stars", k=1), "100%")
    assert kept.indices.tolist() == [0, 2]
    told = kept.explain(1)
    assert "duplicates row 0 (id r0), similarity 0.995 (semantic)" in told
    assert "rule   duplicates another row" in told
    assert "nearest to row 0 (id r0), similarity 0.1961" in kept.explain(2)


def test_progress_tells_the_rows_compared() -> None:
    heard: list[tuple[str, int, int]] = []
    Duplicates(k=3)(items(mixed_rows()), progress=lambda *told: heard.append(told))
    assert heard[-1] == ("compare", 400, 400)


def test_labels_are_the_groups_where_there_are_any() -> None:
    x = mixed_rows(40)
    assert score(x, {"group": ["a", "b"] * 20}).names == ("a", "b")


@pytest.mark.parametrize("rule", RULES)
def test_a_second_probe_finds_pairs_that_a_border_parts(rule: str) -> None:
    x = mixed_rows(600)
    whole = dropped(score(x, rule=rule, eps=0.05, k=1))
    once, twice = (score(x, rule=rule, eps=0.05, k=30, probes=probes) for probes in (1, 2))
    missed, left = whole - dropped(once), len(whole) - len(dropped(twice))
    assert missed
    assert dropped(once) <= dropped(twice)
    assert left <= len(missed) / 4
    assert twice.twins is not None
    repeats = twice.twins.is_duplicate
    assert ((twice.values > np.float32(0.95)) == repeats).all()
    assert (twice.twins.row[repeats] >= 0).all()
    assert dropped(score(x, rule=rule, eps=0.05, k=1, probes=2)) == whole
    order = np.random.default_rng(2).permutation(600)
    turned = Duplicates(rule=rule, k=30, probes=2)(
        Items.of(600, id=[f"r{i}" for i in order], embedding=x[order])
    )
    assert {int(order[r]) for r in dropped(turned)} == dropped(twice)


def test_what_is_left_is_apart_across_borders_too() -> None:
    x = mixed_rows(600)
    scores = score(x, eps=0.05, k=30, probes=2)
    kept = np.array([r for r in range(600) if r not in dropped(scores)])
    inner = np.triu(matrix(x)[np.ix_(kept, kept)], 1)
    assert np.count_nonzero(inner > np.float32(0.95)) <= 3


def test_planted_copies_are_found() -> None:
    rng = np.random.default_rng(11)
    x = rng.normal(size=(1500, 48)).astype(np.float32)
    near = x[:300] + 0.05 * rng.normal(size=(300, 48)).astype(np.float32)
    both = np.concatenate([x, x[300:600], near])
    for rule in RULES:
        scores = score(both, rule=rule, eps=0.05)
        gone = dropped(scores)
        exact = np.mean([(300 + i in gone) != (1500 + i in gone) for i in range(300)])
        found = np.mean([(i in gone) != (1800 + i in gone) for i in range(300)])
        assert exact == 1.0
        assert found >= 0.95
        assert len(gone) <= 600
