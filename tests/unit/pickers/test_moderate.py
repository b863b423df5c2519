"""Moderate: an interval around the median distance, and never the two tails."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.pickers_oracle import moderate_order

from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.core.select import select
from datapruner.errors import InputError, ScoreError
from datapruner.pickers import moderate
from datapruner.pickers.moderate import median_distance


def kept(x: Any, budget: str, **columns: Any) -> list[int]:
    items = Items.of(len(x), embedding=np.asarray(x, dtype=np.float32), **columns)
    return select(Scores(np.zeros(len(x)), items), budget, pick="moderate").order.tolist()


def test_the_worked_example() -> None:
    # The median is 0, and each of the distances .1, .2, ... 1.0 comes twice.
    distance = np.arange(1, 11) / 10
    x = np.concatenate([distance, -distance])[:, None]
    found = median_distance(x, np.zeros(20, dtype=np.int64))
    assert found == pytest.approx(np.tile(distance, 2))
    inside = sorted(np.round(found[kept(x, "40%")], 6).tolist())
    assert inside == [0.4, 0.4, 0.5, 0.5, 0.6, 0.6, 0.7, 0.7]


@settings(max_examples=40)
@given(n=st.integers(1, 40), classes=st.integers(1, 4), seed=st.integers(0, 10**6))
def test_distances_are_those_of_the_formula_and_the_kept_ones_an_interval(
    n: int, classes: int, seed: int
) -> None:
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(n, 3)).astype(np.float32)
    label = draw.integers(0, classes, n)
    distance = median_distance(x, label)
    assert distance == pytest.approx(moderate_order(x, label.tolist()), rel=1e-5, abs=1e-6)
    names = [str(c) for c in range(classes)]
    rank = np.empty(n, dtype=np.int64)
    rank[np.argsort(distance, kind="stable")] = np.arange(n)
    ranks = np.sort(rank[kept(x, "30%", group=label, group_names=names)])
    if ranks.size:
        assert ranks[-1] - ranks[0] == ranks.size - 1
        assert abs((ranks[-1] + ranks[0]) - (n - 1)) <= 1  # around the middle, not at the ends


def test_outliers_do_not_move_the_centre() -> None:
    x = np.array([[0.0], [1], [2], [3], [1e6]])
    assert median_distance(x, np.zeros(5, dtype=np.int64)).tolist() == [2, 1, 0, 1, 999998]


def test_barred_rows_count_for_no_centre_and_are_not_read() -> None:
    x = np.array([[0.0], [1], [2], [np.nan]], dtype=np.float32)
    barred = np.arange(4) == 3
    assert median_distance(x, np.zeros(4, dtype=np.int64), ~barred).tolist() == [1, 0, 1, 0]
    assert sorted(kept(x, "100%", barred=barred)) == [0, 1, 2]


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    label = np.arange(50) % 3
    whole = median_distance(x, label).tolist()
    monkeypatch.setattr(moderate, "BLOCK_ROWS", 3)
    assert median_distance(x, label).tolist() == whole


def test_unusable_input_is_named() -> None:
    x = np.zeros((8, 2), dtype=np.float32)
    with pytest.raises(InputError, match=r"group has shape \(3,\); expected \(8,\)"):
        median_distance(x, np.zeros(3, dtype=np.int64))
    x[1:, 0] = np.inf
    with pytest.raises(
        ScoreError, match=r"7 vectors of one class .* \(rows 1, 2, 3, 4, 5, \.\.\.\)"
    ):
        median_distance(x, np.zeros(8, dtype=np.int64))
