"""The nearest row of another set: every pair compared is the oracle, and nothing else matters."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from datapruner.engines.local import Local
from datapruner.scorers import nearest
from datapruner.scorers.nearest import Nearest, nearest_in
from datapruner.vectors.store import open_vectors


def draw(n: int, d: int = 12, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def task(x: Any, usable: Any = None, ties: Any = None, **how: Any) -> Nearest:
    n = len(x)
    usable = np.ones(n, dtype=bool) if usable is None else usable
    ties = np.arange(n, dtype=np.uint64) if ties is None else ties
    return nearest_in(open_vectors(x), usable, ties, Local(), **how)


def ask(found: Nearest, x: Any, **how: Any) -> tuple[np.ndarray, np.ndarray]:
    similarity, place = Local(**how).rows(found, open_vectors(x))
    return similarity, place


def oracle(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    a, b = (
        v.astype(np.float64) / np.linalg.norm(v.astype(np.float64), axis=1)[:, None] for v in (x, y)
    )
    s = a @ b.T
    return s.max(axis=1), s.argmax(axis=1)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (700, 3), (3, 2500), (600, 2100)])
def test_it_is_what_comparing_every_pair_gives(n: int, m: int) -> None:
    x, y = draw(n), draw(m, seed=1)
    similarity, place = ask(task(y), x)
    expected, where = oracle(x, y)
    assert similarity.dtype == np.float32
    assert np.abs(similarity - expected).max() < 1e-6
    assert (place == where).all()


def test_neither_block_nor_threads_nor_the_order_of_either_set_change_a_bit() -> None:
    x, y = draw(900), np.concatenate([draw(500, seed=1), draw(300, seed=2)])
    y[700:] = y[:100] * 2  # equally near, but other content
    ties = np.random.default_rng(3).permutation(800).astype(np.uint64)
    plain = ask(task(y, ties=ties), x)
    for how in ({"block_rows": 1}, {"block_rows": 97, "threads": 3}, {"threads": 2}):
        again = ask(task(y, ties=ties), x, **how)
        assert (again[0] == plain[0]).all()
        assert (again[1] == plain[1]).all()
    order = np.random.default_rng(4).permutation(800)
    shuffled = ask(task(y[order], ties=ties[order]), x[::-1])
    assert (shuffled[0][::-1] == plain[0]).all()
    assert (order[shuffled[1][::-1]] == plain[1]).all()


def test_of_equal_rows_the_lowest_tie_is_named_and_copies_cost_nothing() -> None:
    y = np.tile(draw(1), (50, 1))
    ties = np.arange(50, dtype=np.uint64)[::-1].copy()
    found = task(y, ties=ties)
    assert found.rows.tolist() == [49]
    assert ask(found, y[:2])[1].tolist() == [49, 49]


def test_bad_and_unusable_rows_are_nobodys_nearest_and_have_none() -> None:
    y = draw(6, seed=1)
    y[0], y[1], y[2] = np.nan, 0, np.inf
    usable = np.array([True, True, True, False, True, True])
    x = np.concatenate([y, -y[4:5]])
    similarity, place = ask(task(y, usable), x)
    assert place.tolist()[:3] == [-1, -1, -1]
    assert similarity.tolist()[:3] == [0, 0, 0]
    assert set(place[3:].tolist()) <= {4, 5}
    assert place[4:6].tolist() == [4, 5]


@pytest.mark.parametrize("large", [0, 10])
def test_a_set_without_rows_is_near_nobody(large: int) -> None:
    similarity, place = ask(task(np.empty((0, 12), np.float32), large=10), draw(3))
    assert (similarity.tolist(), place.tolist()) == ([0, 0, 0], [-1, -1, -1])
    assert ask(task(draw(3), large=large), np.empty((0, 12), np.float32))[0].size == 0


def test_above_a_size_some_clusters_are_searched_and_what_they_find_is_exact() -> None:
    y = draw(2000, seed=1)
    x = y[::4] + 0.05 * draw(500, seed=2)
    found = task(y, large=100)
    assert found.search == "searched in 8 of 45 clusters"
    assert task(y).search == "searched exhaustively"
    similarity, place = ask(found, x)
    expected, where = oracle(x, y)
    hit = place == where
    assert hit.mean() > 0.99
    assert np.abs(similarity[hit] - expected[hit]).max() < 1e-6
    assert (similarity[~hit] <= expected[~hit]).all()
    for how in ({"block_rows": 33}, {"threads": 2}):
        again = ask(found, x, **how)
        assert (again[0] == similarity).all()
        assert (again[1] == place).all()
    order = np.random.default_rng(5).permutation(2000)
    ties = np.arange(2000, dtype=np.uint64)
    other = ask(task(y[order], ties=ties[order], large=100), x)
    assert (order[other[1]] == place).all()


def test_one_cluster_is_searched_once() -> None:
    y = np.tile(draw(1), (4, 1)) * np.array([[1], [2], [4], [8]], dtype=np.float32)
    found = task(y, large=2)
    assert found.search == "searched in 1 of 1 clusters"
    assert ask(found, y)[1].tolist() == [0, 0, 0, 0]


def test_rows_that_do_not_fit_in_memory_are_read_when_they_are_met(monkeypatch: Any) -> None:
    x, y = draw(300), draw(800, seed=1)
    held = ask(task(y), x)
    monkeypatch.setattr(nearest, "HELD_BYTES", 0)
    again = ask(task(y), x)
    assert (held[0] == again[0]).all()
    assert (held[1] == again[1]).all()


def test_it_can_be_sent_to_another_process_and_has_a_key_of_its_own() -> None:
    x, y = draw(50), draw(80, seed=1)
    usable = np.arange(80) > 9
    found = task(y, usable)
    moved = pickle.loads(pickle.dumps(found))
    assert (ask(moved, x)[1] == ask(found, x)[1]).all()
    assert moved.key == found.key
    assert len({found.key, task(y).key, task(y, large=3).key, task(y[:79]).key}) == 4
