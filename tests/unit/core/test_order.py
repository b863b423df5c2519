"""Sorting by value, then by tie key, then by row."""

from __future__ import annotations

import numpy as np
import pytest

from datapruner.core.order import best_first, rank_within


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("descending", [True, False])
def test_the_order_is_by_value_then_key_then_row(dtype: type, descending: bool) -> None:
    draw = np.random.default_rng(1)
    values = draw.integers(-3, 3, 200).astype(dtype)
    tie = draw.integers(0, 5, 200).astype(np.uint64)
    turned = -1 if descending else 1
    literal = sorted(range(200), key=lambda r: (turned * values[r], tie[r], r))
    assert best_first(values, tie, descending=descending).tolist() == literal


def test_zeros_of_either_sign_are_equal_and_infinities_sort() -> None:
    values = np.array([0.0, -0.0, np.inf, -np.inf])
    assert best_first(values, np.arange(4)[::-1].astype(np.uint64)).tolist() == [2, 1, 0, 3]


@pytest.mark.parametrize("n", [0, 1, 2])
def test_a_few_rows(n: int) -> None:
    assert best_first(np.zeros(n), np.arange(n, dtype=np.uint64)).tolist() == list(range(n))


def test_rank_within_counts_earlier_entries_of_the_group() -> None:
    assert rank_within(np.array([5, 5, 1, 5, 1])).tolist() == [0, 1, 0, 2, 1]
    assert rank_within(np.array([], dtype=np.int32)).tolist() == []
    assert rank_within(np.array([3])).tolist() == [0]
