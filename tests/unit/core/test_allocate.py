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


WEIGHTS = np.array([8.0, 1.0, 1.0])
ONE_EACH = np.array([1, 1, 1])


def test_the_scorers_floors_hold_where_its_weights_do() -> None:
    bare = spread("weighted", weights=WEIGHTS, count=4)
    got = spread("weighted", weights=WEIGHTS, count=4, group_floors=ONE_EACH)
    assert bare.caps is not None
    assert got.caps is not None
    assert bare.caps.tolist() == [3, 1, 0]
    assert got.caps.tolist() == [2, 1, 1]
    other = spread("equal", count=2, group_floors=ONE_EACH)
    assert other.caps is not None
    assert other.caps.tolist() == [1, 1, 0]
    assert other.notes == ()


def test_a_floor_of_the_users_takes_the_place_of_the_scorers() -> None:
    got = spread("weighted", weights=WEIGHTS, floor=2, group_floors=np.array([0, 0, 0]))
    assert got.caps is not None
    assert got.caps.tolist() == [2, 2, 1]
    with pytest.raises(BudgetError, match="floors ask for 5 rows"):
        spread("weighted", weights=WEIGHTS, floor=2, count=4, group_floors=ONE_EACH)


@pytest.mark.parametrize(
    ("asked", "count", "level"), [([3, 3, 1], 7, None), ([3, 3, 1], 5, 2), ([3, 3, 1], 2, 0)]
)
def test_floors_beyond_the_budget_are_lowered_evenly(
    asked: list[int], count: int, level: int | None
) -> None:
    weights = np.array([1.0, 0.0, 0.0])
    got = spread("weighted", weights=weights, count=count, group_floors=np.array(asked))
    assert got.caps is not None
    assert got.caps.sum() == count
    if level is None:
        assert not any("lowered" in note for note in got.notes)
    else:
        assert f"the floor is lowered to {level}" in got.notes[0]
        assert np.all(got.caps >= np.minimum(asked, level))


def test_pinned_rows_are_no_reason_to_give_up_the_floors_of_others() -> None:
    pinned = np.array([0, 3, 0])
    got = spread("weighted", weights=WEIGHTS, pinned=pinned, group_floors=ONE_EACH)
    assert got.caps is not None
    assert got.caps.tolist() == [1, 3, 1]
    short = spread("weighted", weights=WEIGHTS, pinned=pinned, count=4, group_floors=ONE_EACH)
    assert short.caps is not None
    assert short.caps.tolist() == [1, 3, 0]
    assert "lowered to 0" in short.notes[0]


def test_a_price_and_the_scorers_floors_do_not_go_together() -> None:
    got = spread("weighted", weights=WEIGHTS, count=10, cost=50.0, group_floors=ONE_EACH)
    assert "a price is limited" in got.notes[0]


def test_weighted_tells_how_far_the_shares_were_bent() -> None:
    got = spread("weighted", weights=np.ones(3), group_floors=ONE_EACH)
    assert got.caps is not None
    assert got.caps.tolist() == [2, 2, 1]
    assert got.notes[0].startswith("weighted: of 3 groups 1 keep all they may and 0 no more")
    assert "20% of the budget" in got.notes[0]
    lone = {"sizes": np.array([9]), "costs": np.array([9.0]), "pinned": np.array([0])}
    alone = spread("weighted", weights=np.ones(1), pinned_costs=np.zeros(1), **lone)
    assert alone.notes == ()
