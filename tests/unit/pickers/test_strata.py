from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import datapruner as dp
from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.errors import BudgetError
from datapruner.pickers.strata import Strata, dealt_out, equal_width_bins


def smallest_first(sizes: Any, budget: int) -> list[int]:
    """The budgets of the paper, bin by bin: what is left over the bins that are left."""
    given = [0] * len(sizes)
    for turn, j in enumerate(sorted(range(len(sizes)), key=lambda j: sizes[j])):
        given[j] = min(sizes[j], budget // (len(sizes) - turn))
        budget -= given[j]
    return given


@pytest.mark.parametrize(
    ("sizes", "budget", "expected"),
    [((1, 2, 50, 3), 10, [1, 2, 4, 3]), ((0, 100, 1), 10, [0, 9, 1]), ((5, 5, 5), 7, [2, 2, 3])],
)
def test_the_worked_examples(sizes: Any, budget: int, expected: list[int]) -> None:
    bins = np.repeat(np.arange(len(sizes)), sizes)
    order = dealt_out(bins, np.random.default_rng(0).random(bins.size))
    assert np.bincount(bins[order[:budget]], minlength=len(sizes)).tolist() == expected
    assert smallest_first(sizes, budget) == expected


def test_every_prefix_is_what_smallest_first_hands_out() -> None:
    draw = np.random.default_rng(3)
    for _ in range(100):
        sizes = draw.integers(0, 9, draw.integers(1, 7))
        bins = draw.permutation(np.repeat(np.arange(sizes.size), sizes))
        order = dealt_out(bins, draw.random(bins.size))
        for budget in range(bins.size + 1):
            got = np.bincount(bins[order[:budget]], minlength=sizes.size).tolist()
            assert got == smallest_first(sizes.tolist(), budget)


def test_bins_are_of_equal_width_and_hold_both_ends() -> None:
    assert equal_width_bins(np.array([0.0, 0.24, 0.26, 0.5, 1.0]), 4).tolist() == [0, 0, 1, 2, 3]
    assert equal_width_bins(np.array([7.0, 7.0]), 50).tolist() == [0, 0]
    assert equal_width_bins(np.zeros(0), 50).tolist() == []


def chosen(values: Any, budget: str, pick: Any, seed: int = 0) -> Any:
    scores = Scores(np.asarray(values, dtype=np.float64), Items.of(len(values)))
    return dp.select(scores, budget, pick=pick, seed=seed)


def test_the_cut_sets_the_hardest_aside_and_offers_them_last() -> None:
    values = np.random.default_rng(1).permutation(100.0 + np.arange(100))
    kept = values[chosen(values, "80 items", Strata(cut=0.1)).indices]
    assert kept.max() < 190
    almost = values[chosen(values, "93 items", Strata(cut=0.1)).indices]
    assert sorted(almost[almost >= 190]) == [190, 191, 192]


@pytest.mark.parametrize("count", [0, 1, 17, 99, 100])
def test_the_total_is_exact(count: int) -> None:
    values = np.random.default_rng(2).exponential(size=100)
    assert len(chosen(values, f"{count} items", Strata(bins=7, cut=0.3))) == count


def test_rare_levels_are_kept_whole_where_a_random_draw_would_lose_them() -> None:
    values = np.r_[np.zeros(950), np.full(25, 0.5), np.ones(25)]
    kept = values[chosen(values, "90 items", "ccs").indices]
    assert [np.count_nonzero(kept == level) for level in (0, 0.5, 1)] == [40, 25, 25]


def test_a_larger_budget_keeps_a_superset_and_another_seed_other_rows() -> None:
    values = np.random.default_rng(4).random(200)
    few, many = (set(chosen(values, b, "ccs").indices.tolist()) for b in ("20 items", "90 items"))
    assert few < many
    assert few != set(chosen(values, "20 items", "ccs", seed=1).indices.tolist())


@pytest.mark.parametrize("params", [{"bins": 0}, {"cut": 1.0}, {"cut": -0.1}])
def test_strata_that_hold_nothing_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(BudgetError, match="no strata"):
        Strata(**params)
