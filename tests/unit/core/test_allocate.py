"""Allocators: caps, floors and shares of the price."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from datapruner.core.allocate import ALLOCATORS, Allocation, allocate
from datapruner.errors import BudgetError, UnknownMethodError


def spread(name: str, **change: Any) -> Allocation:
    settings: dict[str, Any] = {
        "sizes": np.array([6, 3, 1]),
        "costs": np.array([60.0, 30.0, 10.0]),
        "weights": None,
        "pinned": np.array([0, 0, 0]),
        "pinned_costs": np.array([0.0, 0.0, 0.0]),
        "count": 5,
        "cost": math.inf,
        "per_group": None,
        "floor": 0,
    }
    return allocate(name, **(settings | change))


def test_whole_sets_no_caps_and_no_floors() -> None:
    got = spread("whole")
    assert got.caps is None
    assert got.cost_caps is None
    assert got.floors.tolist() == [0, 0, 0]


def test_whole_passes_on_the_ceiling_and_the_floor() -> None:
    got = spread("whole", per_group=2, floor=1)
    assert got.caps is not None
    assert got.caps.tolist() == [2, 2, 1]
    assert got.floors.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("name", "caps"),
    [("proportional", [3, 2, 0]), ("equal", [2, 2, 1]), ("weighted", [0, 3, 1])],
)
def test_caps_follow_the_allocator(name: str, caps: list[int]) -> None:
    weights = np.array([0.0, 4.0, 1.0])
    got = spread(name, weights=weights, count=5 if name != "weighted" else 4)
    assert got.caps is not None
    assert got.caps.tolist() == caps
    assert got.name == name


def test_a_budget_for_everything_needs_no_caps() -> None:
    assert spread("equal", count=10).caps is None
    assert spread("equal", count=10, per_group=6).caps is not None


def test_a_total_price_is_spread_as_prices() -> None:
    got = spread("proportional", count=10, cost=50.0)
    assert got.cost_caps is not None
    assert got.cost_caps == pytest.approx([30, 15, 5])
    assert np.all(got.cost_caps >= [30, 15, 5])


def test_a_group_may_always_spend_what_its_pinned_rows_cost() -> None:
    got = spread(
        "equal",
        count=10,
        cost=30.0,
        pinned=np.array([2, 0, 0]),
        pinned_costs=np.array([25.0, 0, 0]),
    )
    assert got.cost_caps == pytest.approx([25, 2.5, 2.5])


def test_weights_of_zero_alone_share_the_price_equally() -> None:
    assert spread("weighted", weights=np.zeros(3), cost=9.0).cost_caps == pytest.approx([3, 3, 3])


def test_an_unknown_allocator_names_the_nearest() -> None:
    with pytest.raises(UnknownMethodError, match=r"'weigthed'.*Did you mean \"weighted\"\?"):
        spread("weigthed")


def test_weighted_without_weights_says_what_to_take() -> None:
    with pytest.raises(BudgetError, match=r'needs scores with group weights.*Take "whole"'):
        spread("weighted")


def test_a_crowded_group_is_named() -> None:
    with pytest.raises(BudgetError) as caught:
        spread("whole", per_group=1, pinned=np.array([3, 0, 0]), group_names=["cats", "b", "c"])
    told = str(caught.value)
    assert "group 'cats' has 3 pinned rows" in told
    assert "may keep 1" in told
    assert '"3 per group"' in told
    with pytest.raises(BudgetError, match=r"group 0 has 3 pinned rows"):
        spread("whole", per_group=1, pinned=np.array([3, 0, 0]))


def test_pinned_rows_beyond_the_budget_are_told_as_such() -> None:
    with pytest.raises(BudgetError, match=r'6 rows are pinned.*allows 5.*"6 items"'):
        spread("weighted", weights=np.ones(3), pinned=np.array([4, 2, 0]))


def test_every_allocator_is_listed() -> None:
    assert sorted(ALLOCATORS) == ["equal", "proportional", "weighted", "whole"]
