"""Pickers that walk along the ranking."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.core.select import select
from datapruner.errors import BudgetError
from datapruner.pickers.ranked import Band, even_steps


def taken(pick: Any, values: list[float], count: int | None = None, **columns: Any) -> list[int]:
    items = Items.of(len(values), **columns)
    budget = "everything" if count is None else f"{count} items"
    return select(Scores(np.array(values, dtype=float), items), budget, pick=pick).order.tolist()


def test_high_and_low_walk_from_their_ends() -> None:
    assert taken("high", [1, 3, 2, 3]) == [1, 3, 2, 0]
    assert taken("low", [1, 3, 2, 3]) == [0, 2, 1, 3]


def test_half_each_way_parts_the_rows() -> None:
    values = [float(v) for v in np.random.default_rng(0).permutation(20)]
    assert sorted(taken("high", values, 10) + taken("low", values, 10)) == list(range(20))


@pytest.mark.parametrize(
    ("n", "order"), [(0, []), (1, [0]), (2, [0, 1]), (5, [2, 1, 3, 0, 4]), (4, [1, 2, 0, 3])]
)
def test_middle_starts_at_the_median_and_goes_outwards(n: int, order: list[int]) -> None:
    assert taken("middle", [float(v) for v in range(n)]) == order


def test_middle_keeps_one_stretch_of_the_ranking() -> None:
    values = np.arange(1, 11) / 10
    assert sorted(taken("middle", values.tolist(), 4)) == [3, 4, 5, 6]


@pytest.mark.parametrize(
    ("n", "steps"),
    [(0, []), (1, [0]), (2, [0, 1]), (3, [0, 2, 1]), (5, [0, 4, 2, 1, 3])],
)
def test_even_steps_of_a_few_rows(n: int, steps: list[int]) -> None:
    assert even_steps(n).tolist() == steps


@given(st.integers(3, 3000))
def test_even_steps_are_a_permutation_and_any_prefix_is_spread_evenly(n: int) -> None:
    steps = even_steps(n)
    assert sorted(steps.tolist()) == list(range(n))
    for k in {2, 3, n // 2, n}:
        gaps = np.diff(np.sort(steps[: max(k, 2)]))
        # Halving: at any time the widest gap is about four mean gaps at most.
        assert gaps.max() <= 4 * max(1.0, (n - 1) / max(k - 1, 1)) + 1


def test_mixed_keeps_both_ends_and_is_nested() -> None:
    values = [float(v) for v in range(50)]
    few, more = taken("mixed", values, 9), taken("mixed", values, 23)
    assert {0, 49} <= set(few)
    assert more[:9] == few


def test_a_band_offers_its_quantiles_alone_highest_first() -> None:
    assert taken(Band(0.25, 0.75), [0, 1, 2, 3, 4, 5, 6, 7]) == [5, 4, 3, 2]
    assert taken(Band(0, 1), [2, 1, 2]) == [0, 2, 1]
    assert taken(Band(0.29, 1), [float(v) for v in range(100)])[-1] == 29
    values = [0.0, 0, 0, 1, 1, 1, 1]
    assert sorted(taken(Band(0, 0.5), values) + taken(Band(0.5, 1), values)) == list(range(7))


@pytest.mark.parametrize(("lower", "upper"), [(0.5, 0.5), (0.6, 0.4), (-0.1, 1), (0, 1.1)])
def test_a_band_that_is_none_is_refused(lower: float, upper: float) -> None:
    with pytest.raises(BudgetError, match=rf"the band \[{lower}, {upper}\] is not one"):
        Band(lower, upper)


@pytest.mark.parametrize("pick", ["high", "low", "middle", "mixed", Band(0, 1)])
def test_shells_and_barred_rows_are_never_offered(pick: Any) -> None:
    order = taken(pick, [3, 2, 1, 0], shell=np.arange(4) == 0, barred=np.arange(4) == 2)
    assert sorted(order) == [1, 3]
