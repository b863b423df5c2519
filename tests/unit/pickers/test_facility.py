"""Facility location against the plain greedy, brute force and its own promises."""

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
from datapruner.pickers import facility
from datapruner.pickers.facility import Coverage, coverage_value
from datapruner.rng import mix
from datapruner.vectors.store import open_vectors


def points(n: int, d: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def keys(n: int) -> np.ndarray:
    return mix(np.arange(n))


def order(x: Any, k: int, tie: Any = None) -> list[int]:
    state = Coverage(x, keys(len(x)) if tie is None else tie)
    found = []
    for _ in range(k):
        found.append(state.best())
        state.cover(found[-1])
    return found


def kept(x: np.ndarray, budget: str, **columns: Any) -> list[int]:
    items = Items.of(len(x), embedding=x, **columns)
    return select(Scores(np.zeros(len(x)), items), budget, pick="facility").order.tolist()


@settings(max_examples=40)
@given(n=st.integers(1, 24), d=st.integers(1, 5), seed=st.integers(0, 10**6), copies=st.booleans())
def test_it_is_the_plain_greedy_to_the_last_row(n: int, d: int, seed: int, copies: bool) -> None:
    x = points(n, d, seed)
    if copies:
        x[n // 2 :] = x[: n - n // 2]
    assert order(x, n) == oracle.greedy_coverage(oracle.similarities(x), n, keys(n).tolist())


@settings(max_examples=40)
@given(n=st.integers(2, 10), k=st.integers(1, 4), d=st.integers(2, 4), seed=st.integers(0, 10**6))
def test_its_value_is_within_1_minus_1_over_e_of_the_best(
    n: int, k: int, d: int, seed: int
) -> None:
    k = min(k, n)
    x = points(n, d, seed)
    similar = oracle.similarities(x)
    reached = oracle.coverage(similar, order(x, k))
    assert reached >= (1 - 1 / np.e) * oracle.best_value(similar, k)


def test_the_value_is_that_of_the_formula() -> None:
    x = points(60, 5, 1)
    some = np.array([3, 17, 40])
    cosine = oracle.unit(x) @ oracle.unit(x).T
    exact = np.maximum(cosine[:, some], 0).max(axis=1).mean()
    assert coverage_value(x, some) == pytest.approx(exact, abs=1.1 / 65535)
    assert coverage_value(x, np.arange(60)) == pytest.approx(1, abs=1.1 / 65535)
    assert coverage_value(x, some[:0]) == 0
    assert coverage_value(x[:0], some[:0]) == 0


def test_the_value_grows_by_less_and_less() -> None:
    x = points(80, 6, 2)
    found = order(x, 30)
    values = [coverage_value(x, np.array(found[:k])) for k in range(31)]
    steps = np.diff(values)
    assert (steps > 0).all()
    assert (np.diff(steps) <= 1e-12).all()


def test_it_beats_a_random_draw_of_the_same_size() -> None:
    x = points(300, 8, 3)
    draws = [np.random.default_rng(s).choice(300, 15, replace=False) for s in range(20)]
    assert coverage_value(x, np.array(order(x, 15))) > max(coverage_value(x, d) for d in draws)


@settings(max_examples=25)
@given(n=st.integers(1, 150), d=st.integers(1, 40), seed=st.integers(0, 10**6))
def test_shuffled_rows_give_the_same_order_of_rows(n: int, d: int, seed: int) -> None:
    x, tie = points(n, d, seed), keys(n)
    x[n // 2 :] = x[: n - n // 2]  # exact copies tie
    shuffle = np.random.default_rng(seed + 1).permutation(n)
    k = min(n, 20)
    turned = order(np.ascontiguousarray(x[shuffle]), k, tie[shuffle])
    assert order(x, k) == shuffle[turned].tolist()


@pytest.mark.parametrize(("block", "held", "batch"), [(7, 1 << 30, 3), (64, 0, 5), (1, 0, 1)])
def test_blocks_batches_and_memory_change_nothing(
    monkeypatch: pytest.MonkeyPatch, block: int, held: int, batch: int
) -> None:
    x = points(120, 9, 4)
    whole = order(x, 60)
    monkeypatch.setattr(facility, "BLOCK_ROWS", block)
    monkeypatch.setattr(facility, "HELD_BYTES", held)
    monkeypatch.setattr(facility, "BATCH_ROWS", batch)
    assert order(x, 60) == whole
    assert order(open_vectors(x), 60) == whole


def test_lengths_of_rows_do_not_matter() -> None:
    x = points(50, 4, 5)
    scale = 2.0 ** np.random.default_rng(6).integers(-6, 6, 50)
    assert order((x * scale[:, None]).astype(np.float32), 50) == order(x, 50)


def test_copies_come_last_by_tie_key_and_opposites_represent_nothing() -> None:
    x = np.array([[1, 0], [1, 0], [-1, 0], [1, 0]], dtype=np.float32)
    assert order(x, 4, np.array([7, 3, 9, 1], dtype=np.uint64)) == [3, 2, 1, 0]
    assert coverage_value(x, np.array([0])) == pytest.approx(0.75, abs=1e-4)


def test_pinned_rows_represent_others_from_the_start() -> None:
    x = np.array([[1, 0.1], [1, 0], [1, -0.1], [0, 1]], dtype=np.float32)
    assert kept(x, "1 items") == [0]
    assert kept(x, "2 items", pinned=np.arange(4) == 1) == [1, 3]


def test_a_refused_row_represents_nothing() -> None:
    x = np.zeros((7, 5), dtype=np.float32)
    x[:3, 0] = x[3:6, 1] = x[6, 2] = 1
    x[1, 3], x[2, 3], x[4, 4], x[5, 4] = 0.1, -0.1, 0.2, -0.2  # rows 0 and 3 are in the middle
    group = ["a", "b", "b", "a", "b", "b", "b"]
    assert kept(x, "3 items", group=group) == [0, 3, 6]
    # Row 3 finds its group full. Had it counted all the same, the lone row 6 would come next.
    assert kept(x, "2 items, 1 per group", group=group) == [0, 4]


def test_barred_rows_are_neither_read_nor_represented() -> None:
    x = points(9, 3, 1)
    x[4] = np.nan
    barred = np.arange(9) == 4
    found = kept(x, "100%", barred=barred)
    assert sorted(found) == [0, 1, 2, 3, 5, 6, 7, 8]
    rest = np.flatnonzero(~barred)
    plain = kept(x[rest], "100%", tie=np.arange(9, dtype=np.uint64)[rest])
    assert found == rest[plain].tolist()


def test_no_rows_and_unusable_input() -> None:
    assert Coverage(np.empty((0, 3), np.float32), keys(0)).best() == -1
    x = points(4, 2, 0)
    with pytest.raises(InputError, match="one key per row"):
        Coverage(x, keys(3))
    with pytest.raises(InputError, match="expected"):
        Coverage(x[0], keys(2))
    x[1], x[3, 0] = 0, np.inf
    with pytest.raises(ScoreError, match=r"2 vectors are zero or not finite \(rows 1, 3\)"):
        Coverage(x, keys(4))


def test_inputs_are_left_alone_in_any_dtype() -> None:
    x = np.round(points(30, 4, 1) * 8) + 0.5
    for kind in (np.float16, np.float32, np.float64):
        given_rows = x.astype(kind)
        before = given_rows.copy()
        assert order(given_rows, 30) == order(x, 30)
        assert np.array_equal(given_rows, before)
