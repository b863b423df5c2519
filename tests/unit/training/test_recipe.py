"""The recipe: its ranges, and the course of the rate."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from datapruner.errors import InputError
from datapruner.training.recipe import Recipe


def test_the_rate_rises_and_falls() -> None:
    recipe = Recipe(warm_up=0.1)
    rates = [recipe.rate_at(step, 100) for step in range(100)]
    assert rates[:10] == pytest.approx([i / 10 for i in range(1, 11)])
    assert rates[10] == 1.0
    assert rates[55] == pytest.approx(0.5)
    assert all(a > b for a, b in pairwise(rates[10:]))
    assert 0 < rates[-1] < 0.01
    assert recipe.rate_at(100, 100) == pytest.approx(0.0)


def test_short_runs_have_a_rate() -> None:
    assert Recipe().rate_at(0, 1) == 1.0
    assert Recipe(warm_up=0.0).rate_at(0, 2) == 1.0
    assert [Recipe().rate_at(step, 2) for step in range(2)] == [1.0, 1.0]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"epochs": 0}, "epochs=0"),
        ({"epochs": 1.5}, "epochs=1.5"),
        ({"batch_tokens": True}, "batch_tokens=True"),
        ({"max_length": 34}, "max_length=34"),
        ({"others": -1}, "others=-1"),
        ({"frozen_layers": -1}, "frozen_layers=-1"),
        ({"steps": 0}, "steps=0"),
        ({"rate": 0.0}, "rate=0.0"),
        ({"head_rate": float("nan")}, "head_rate=nan"),
        ({"clip": -1.0}, "clip=-1.0"),
        ({"weight_decay": -0.1}, "weight_decay=-0.1"),
        ({"rank_weight": float("inf")}, "rank_weight=inf"),
        ({"order_weight": -1.0}, "order_weight=-1.0"),
        ({"warm_up": 1.0}, "warm_up=1.0"),
        ({"seed": "a"}, "seed is 'a'"),
    ],
)
def test_a_value_out_of_its_range_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        Recipe(**given)
    assert said in str(caught.value)


def test_a_run_goes_on_with_more_passes_and_nothing_else() -> None:
    recipe = Recipe()
    assert recipe.continues(Recipe(epochs=3, steps=9).to_dict()) == []
    assert recipe.continues(Recipe(rate=1.0, seed=2).to_dict()) == ["rate", "seed"]
    assert recipe.continues({}) == []  # a run of before a parameter was there
    assert Recipe(order_weight=0.5).continues({}) == ["order_weight"]
