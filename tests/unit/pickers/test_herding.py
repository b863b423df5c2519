"""Herding: the literal greedy, and a mean that comes nearer much faster than a random draw's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import pickers_oracle as oracle

from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.core.select import select
from datapruner.errors import InputError, ScoreError
from datapruner.pickers.diverse import Herd, herding_order
from datapruner.rng import mix


def points(n: int, d: int, seed: int) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=(n, d)) + 0.3).astype(np.float32)


def keys(n: int) -> np.ndarray:
    return mix(np.arange(n))


def gap(x: Any, rows: Any) -> float:
    unit = oracle.unit(x)
    return float(np.linalg.norm(unit[rows].mean(axis=0) - unit.mean(axis=0)))


@settings(max_examples=40)
@given(n=st.integers(1, 40), d=st.integers(2, 8), seed=st.integers(0, 10**6))
def test_it_is_the_literal_greedy(n: int, d: int, seed: int) -> None:
    x = points(n, d, seed)
    found = herding_order(x, n, keys(n)).tolist()
    assert sorted(found) == list(range(n))
    unit, mu = oracle.unit(x), oracle.unit(x).mean(axis=0)
    for t, row in enumerate(found):  # near ties may go either way, so each step is judged alone
        w = (t + 1) * mu - unit[found[:t]].sum(axis=0)
        left = [j for j in range(n) if j not in found[:t]]
        assert unit[row] @ w >= max(unit[j] @ w for j in left) - 1e-5


def test_it_agrees_with_the_oracle_where_nothing_ties() -> None:
    x = points(60, 5, 7)
    assert herding_order(x, 25, keys(60)).tolist() == oracle.herd(x, 25)


def test_the_gap_of_the_means_falls_about_as_1_over_n() -> None:
    x = points(2000, 16, 0)
    found = herding_order(x, 320, keys(2000))
    gaps = {k: gap(x, found[:k]) for k in (10, 20, 40, 80, 160, 320)}
    # A bounded k * gap is the theory; a random draw's grows as the root of k.
    assert max(k * g for k, g in gaps.items()) < 3
    assert gaps[320] < gaps[10] / 10


@pytest.mark.parametrize("k", [10, 30, 100])
def test_the_gap_is_far_below_that_of_any_random_draw(k: int) -> None:
    # The inverse of herding, farthest instead of nearest, fails this by a wide margin.
    x = points(800, 12, 1)
    draws = [np.random.default_rng(s).choice(800, k, replace=False) for s in range(20)]
    assert gap(x, herding_order(x, k, keys(800))) < 0.5 * min(gap(x, draw) for draw in draws)


def test_all_rows_have_no_gap_and_a_smaller_k_is_a_prefix() -> None:
    x = points(50, 4, 2)
    assert gap(x, herding_order(x, 50, keys(50))) < 1e-12
    assert herding_order(x, 50, keys(50))[:13].tolist() == herding_order(x, 13, keys(50)).tolist()


@settings(max_examples=25)
@given(n=st.integers(1, 200), d=st.integers(1, 40), seed=st.integers(0, 10**6))
def test_shuffled_rows_give_the_same_order_of_rows(n: int, d: int, seed: int) -> None:
    x, tie = points(n, d, seed), keys(n)
    x[n // 2 :] = x[: n - n // 2]
    shuffle = np.random.default_rng(seed + 1).permutation(n)
    k = min(n, 20)
    turned = herding_order(np.ascontiguousarray(x[shuffle]), k, tie[shuffle])
    assert herding_order(x, k, tie).tolist() == shuffle[turned].tolist()


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x = points(203, 33, 4)
    whole = herding_order(x, 60, keys(203)).tolist()
    monkeypatch.setattr("datapruner.pickers.rows.BLOCK_VALUES", 33 * 7)
    assert herding_order(x, 60, keys(203)).tolist() == whole


def test_pinned_rows_count_from_the_start_and_refused_ones_never() -> None:
    x = np.array([[1, 0], [0.9, 0.1], [0, 1], [0.1, 0.9]], dtype=np.float32)
    items = Items.of(4, embedding=x, pinned=np.arange(4) == 0, group=["a", "b", "a", "b"])
    scores = Scores(np.zeros(4), items)
    assert select(scores, "2 items", pick="herding").order.tolist() == [0, 2]
    capped = select(scores, "2 items, 1 per group", pick="herding")
    assert capped.order.tolist() == [0, 3]


def test_no_rows_and_unusable_input() -> None:
    assert Herd(np.empty((0, 3), np.float32), keys(0)).best() == -1
    x = points(4, 2, 0)
    with pytest.raises(InputError, match="k = 5 herded rows of 4 rows"):
        herding_order(x, 5, keys(4))
    x[2] = 0
    with pytest.raises(ScoreError, match=r"herding: 1 vectors are zero .*\(rows 2\)"):
        herding_order(x, 1, keys(4))
