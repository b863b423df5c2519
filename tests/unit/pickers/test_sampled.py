"""Pickers that draw: fair, in proportion, and by the row rather than by its place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.core.select import select
from datapruner.errors import ScoreError
from datapruner.pickers.sampled import luck
from datapruner.rng import stream


def drawn(pick: str, values: Any, count: int, seed: int) -> list[int]:
    scores = Scores(np.array(values, dtype=float), Items.of(len(values)))
    return select(scores, f"{count} items", pick=pick, seed=seed).order.tolist()


def test_a_uniform_draw_is_fair_and_looks_at_no_score() -> None:
    seen = np.zeros(10)
    for seed in range(300):
        seen[drawn("uniform", range(10), 3, seed)] += 1
    # 90 expected each, deviation 8; five deviations either way.
    assert np.all(np.abs(seen - 90) < 40)
    assert drawn("uniform", range(10), 3, 1) == drawn("uniform", [0] * 10, 3, 1)


def test_a_weighted_draw_follows_the_scores() -> None:
    first = np.zeros(4)
    for seed in range(400):
        first[drawn("weighted", [0, 1, 2, 7], 1, seed)] += 1
    assert first[0] == 0
    # Five deviations of a binomial either way.
    assert np.all(np.abs(first - [0, 40, 80, 280]) < [1, 30, 40, 46])


def test_rows_of_weight_0_come_last() -> None:
    order = drawn("weighted", [0, 1, 0, 5], 4, seed=3)
    assert sorted(order[:2]) == [1, 3]
    assert sorted(order[2:]) == [0, 2]


def test_a_larger_draw_of_one_seed_holds_the_smaller() -> None:
    for pick in ("uniform", "weighted"):
        assert drawn(pick, range(50), 20, 5)[:8] == drawn(pick, range(50), 8, 5)


def test_negative_scores_cannot_be_chances() -> None:
    with pytest.raises(ScoreError, match=r"2 of them are negative \(lowest -3\).*Shift them"):
        drawn("weighted", [-1, -3, 2], 1, 0)


@pytest.mark.parametrize("pick", ["uniform", "weighted"])
def test_no_rows_and_barred_rows_are_fine(pick: str) -> None:
    assert drawn(pick, [], 1, 0) == []
    items = Items.of(3, barred=np.arange(3) == 1, shell=np.arange(3) == 2)
    assert select(Scores(np.ones(3), items), "3 items", pick=pick).order.tolist() == [0]


def test_luck_lies_strictly_between_0_and_1_and_follows_the_row() -> None:
    scores = Scores(np.zeros(1000), Items.of(1000, id=list(range(1000))))
    numbers = luck(scores, stream(1, "a"))
    assert np.all((numbers > 0) & (numbers < 1))
    turned = Scores(np.zeros(1000), Items.of(1000, id=list(range(999, -1, -1))))
    assert luck(turned, stream(1, "a")).tolist() == numbers[::-1].tolist()
    assert not np.array_equal(luck(scores, stream(2, "a")), numbers)
