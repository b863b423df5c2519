"""The worked examples of the method note, the edges, and the messages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from datapruner.core.apportion import apportion, box, project_box, scale_box
from datapruner.errors import BudgetError

# targets, floors, ceilings, total -> the quadratic program, whole numbers, the proportional answer
EXAMPLES = [
    ([100, 100, 100], [1, 1, 1], [1000, 100, 10], 300, [190, 100, 10], [190, 100, 10], None),
    (
        [4, 3, 2, 1],
        [1, 1, 1, 1],
        [3, 10, 10, 10],
        10,
        [3, 10 / 3, 7 / 3, 4 / 3],
        [3, 4, 2, 1],
        [3, 3.5, 7 / 3, 7 / 6],
    ),
    ([50, 30, 20], [1, 1, 1], [20, 20, 100], 100, [20, 20, 60], [20, 20, 60], None),
    ([9.5, 0.3, 0.2], [1, 1, 1], [100, 100, 100], 10, [8, 1, 1], [8, 1, 1], None),
    ([3.3, 3.3, 3.4], [0, 0, 0], [9, 9, 9], 10, [3.3, 3.3, 3.4], [3, 3, 4], None),
]


@pytest.mark.parametrize(("t", "lo", "hi", "total", "l2", "whole", "kl"), EXAMPLES)
def test_the_worked_examples_come_out(
    t: Any, lo: Any, hi: Any, total: int, l2: Any, whole: Any, kl: Any
) -> None:
    target, lower, upper = (np.array(v, dtype=np.float64) for v in (t, lo, hi))
    assert project_box(target, lower, upper, total) == pytest.approx(l2)
    assert scale_box(target, lower, upper, total) == pytest.approx(kl or l2)
    got = apportion(total, np.array(hi), np.array(t, dtype=np.float64), np.array(lo))
    assert got.tolist() == whole


def test_proportional_hands_the_rest_out_in_proportion() -> None:
    ceilings = np.array([3, 10, 10, 10])
    got = apportion(10, ceilings, np.array([4.0, 3, 2, 1]), project=scale_box)
    assert got.tolist() == [3, 4, 2, 1]


def test_no_groups_and_nothing_to_give_are_fine() -> None:
    assert apportion(5, np.array([], dtype=np.int64)).tolist() == []
    assert apportion(0, np.array([3, 4])).tolist() == [0, 0]
    assert apportion(9, np.array([0, 0])).tolist() == [0, 0]


def test_without_weights_or_with_zeros_alone_groups_are_equal() -> None:
    assert apportion(7, np.array([9, 9, 9])).tolist() == [3, 2, 2]
    assert apportion(7, np.array([9, 9, 9]), np.zeros(3)).tolist() == [3, 2, 2]


def test_what_nobody_wished_for_comes_last() -> None:
    weights = np.array([8.0, 2.0, 0.0])
    assert apportion(10, np.array([5, 10, 10]), weights).tolist() == [5, 5, 0]
    assert apportion(18, np.array([5, 10, 10]), weights).tolist() == [5, 10, 3]
    assert apportion(18, np.array([5, 10, 10]), weights, project=scale_box).tolist() == [5, 10, 3]


def test_a_floor_above_its_ceiling_is_lowered_to_it() -> None:
    assert apportion(5, np.array([2, 9]), floors=np.array([4, 0])).tolist() == [2, 3]


def test_floors_beyond_the_total_say_what_would_fit() -> None:
    with pytest.raises(BudgetError) as caught:
        apportion(1000, np.full(12, 500), floors=np.full(12, 100))
    told = str(caught.value)
    assert "floors ask for 1200 rows but the budget allows 1000" in told
    assert "12 groups with a floor of up to 100" in told
    assert "Lower the floor to 83" in told
    assert '"1200 items"' in told


@pytest.mark.parametrize("weight", [-1.0, np.nan, np.inf])
def test_weights_that_are_no_proportions_are_refused(weight: float) -> None:
    with pytest.raises(BudgetError, match=r"weights of groups must be finite and not negative"):
        apportion(3, np.array([2, 2]), np.array([1.0, weight]))


def test_the_box_closes_for_groups_without_a_wish() -> None:
    target, lower, upper = box(np.array([1.0, 0.0]), np.zeros(2), np.array([5.0, 5.0]), 4)
    assert (target.tolist(), lower.tolist(), upper.tolist()) == ([4, 0], [0, 0], [5, 0])


def test_a_single_breakpoint_is_enough() -> None:
    assert project_box(np.array([2.0]), np.array([2.0]), np.array([2.0]), 2.0).tolist() == [2]
