"""D2 message passing against the plain double loop over all pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.pickers_oracle import message_passing, unit

from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.core.select import select
from datapruner.errors import BudgetError, ScoreError
from datapruner.pickers import graph
from datapruner.pickers.graph import MessagePassing, Messages, nearest_others
from datapruner.rng import mix
from datapruner.vectors.store import open_vectors


def points(n: int, d: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def kept(x: Any, values: Any, budget: str, pick: Any, **columns: Any) -> list[int]:
    items = Items.of(len(x), embedding=x, tie=mix(np.arange(len(x))), **columns)
    scores = Scores(np.asarray(values, dtype=np.float64), items)
    return select(scores, budget, pick=pick).order.tolist()


@settings(max_examples=40)
@given(
    n=st.integers(1, 30),
    k=st.integers(1, 6),
    gamma=st.sampled_from([0.0, 0.1, 1.0, 5.0]),
    seed=st.integers(0, 10**6),
)
def test_it_is_the_plain_double_loop(n: int, k: int, gamma: float, seed: int) -> None:
    x = points(n, 4, seed)
    values = np.random.default_rng(seed + 1).normal(size=n)
    pick = MessagePassing(neighbours=k, gamma=gamma)
    expected = message_passing(x, values, mix(np.arange(n)).tolist(), k, gamma, n)
    assert kept(x, values, "100%", pick) == expected


def test_a_very_large_gamma_keeps_the_forward_scores_in_order() -> None:
    x, values = points(60, 5, 1), np.random.default_rng(2).random(60)
    near, distance = nearest_others(x, np.arange(60), 5)
    plain = values - values.min()
    forward = plain + (np.exp(-distance) * plain[near]).sum(axis=1)
    found = kept(x, values, "20 items", MessagePassing(gamma=1e9))
    assert found == np.argsort(-forward)[:20].tolist()


def test_a_single_row_and_rows_without_neighbours_keep_their_plain_score() -> None:
    assert kept(points(1, 3, 0), [4.0], "100%", "d2") == [0]
    state = Messages(
        np.array([1.0, 3.0, 2.0]),
        np.full((3, 2), -1),
        np.zeros((3, 2)),
        np.arange(3),
        gamma=0.0,
    )
    found = []
    while (row := state.best()) >= 0:
        found.append(row)
        state.cover(row)
    assert found == [1, 2, 0]


def test_a_kept_row_pushes_its_neighbours_back() -> None:
    # Two tight pairs of hard rows and a lone easy one: the partner of a kept row must wait.
    x = np.array([[1, 0], [1, 0.01], [0, 1], [0.01, 1], [-1, -1]], dtype=np.float32)
    values = [5.0, 4.9, 4.0, 3.9, 0.0]
    assert kept(x, values, "2 items", "high") == [0, 1]
    assert set(kept(x, values, "2 items", MessagePassing(neighbours=1))) & {2, 3}


def test_scores_below_zero_are_shifted_so_that_messages_never_praise() -> None:
    x, values = points(30, 4, 3), np.random.default_rng(4).random(30)
    assert kept(x, values - 50, "10 items", "d2") == kept(x, values, "10 items", "d2")
    assert kept(x, values * 8, "10 items", "d2") == kept(x, values, "10 items", "d2")


def test_the_cut_sets_the_hardest_aside_and_offers_them_last() -> None:
    x, values = points(40, 4, 5), np.random.default_rng(6).permutation(40)
    pick = MessagePassing(cut=0.25)
    assert values[kept(x, values, "30 items", pick)].max() < 30
    assert values[kept(x, values, "100%", pick)][30:].tolist() == list(range(30, 40))


def test_pinned_rows_have_spoken_and_refused_rows_are_silent() -> None:
    x = np.array([[1, 0], [1, 0.01], [0, 1], [0.01, 1]], dtype=np.float32)
    values = [3.0, 2.9, 2.0, 0.0]
    one = MessagePassing(neighbours=1, gamma=0.0)
    assert kept(x, values, "2 items", one, pinned=np.arange(4) == 0) == [0, 2]
    # Row 1 hears nothing from row 0, which its full group refuses after row 2 was pinned.
    group = ["a", "b", "a", "b"]
    found = kept(x, values, "2 items, 1 per group", one, pinned=np.arange(4) == 2, group=group)
    assert found == [2, 1]


@pytest.mark.parametrize("backend", ["faiss", "sklearn"])
def test_neighbours_are_the_nearest_others_on_every_backend(backend: str) -> None:
    x = points(50, 6, 7)
    x[25:30] = x[:5]  # copies are each other's nearest
    near, distance = nearest_others(x, np.arange(50), 4, backend=backend)
    cosine = unit(x) @ unit(x).T
    np.fill_diagonal(cosine, -np.inf)
    assert near.tolist() == np.argsort(-cosine, axis=1, kind="stable")[:, :4].tolist()
    exact = np.sqrt(np.maximum(2 - 2 * np.take_along_axis(cosine, near, axis=1), 0))
    assert distance == pytest.approx(exact, abs=1e-3)
    assert (near != np.arange(50)[:, None]).all()


def test_among_many_copies_a_row_is_not_its_own_neighbour() -> None:
    near, distance = nearest_others(np.ones((9, 3), np.float32), np.arange(9), 2)
    assert (near != np.arange(9)[:, None]).all()
    assert distance.max() < 1e-3


def test_blocks_change_nothing_and_vectors_do_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    x, values = points(70, 5, 8), np.random.default_rng(9).random(70)
    whole = kept(x, values, "100%", "d2")
    monkeypatch.setattr(graph, "BLOCK_ROWS", 7)
    monkeypatch.setattr("datapruner.pickers.rows.HELD_BYTES", 0)
    assert kept(open_vectors(x), values, "100%", "d2") == whole


@pytest.mark.parametrize(
    "params", [{"neighbours": 0}, {"gamma": -1.0}, {"gamma": np.inf}, {"cut": 1.0}, {"cut": -0.1}]
)
def test_messages_that_cannot_be_passed_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(BudgetError, match="cannot be passed"):
        MessagePassing(**params)


def test_a_row_without_a_direction_is_named() -> None:
    x = points(5, 3, 0)
    x[3] = 0
    with pytest.raises(ScoreError, match=r"D2: 1 vectors are zero or not finite \(rows 3\)"):
        kept(x, np.arange(5), "2 items", "d2")
