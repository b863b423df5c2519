"""Rounds that follow the losses: unbiased, whole at the end, and honest about bad losses."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from datapruner.dataset.dynamic import LossSchedule
from datapruner.errors import FormatError, InputError, ScoreError

LOSSES = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 3.0, 4.0, 5.0])  # mean 1.6875: five are easy


def fed(losses: Any = LOSSES, **options: Any) -> LossSchedule:
    schedule = LossSchedule(len(losses), **{"rounds": 1000, **options})
    schedule.feed(np.arange(len(losses)), losses)
    return schedule


def test_before_any_loss_a_round_is_everybody_in_a_new_order() -> None:
    schedule = LossSchedule(50, rounds=4)
    one, two = schedule[0], schedule[1]
    assert sorted(one.rows.tolist()) == sorted(two.rows.tolist()) == list(range(50))
    assert one.rows.tolist() != two.rows.tolist()
    assert one.weights is not None
    assert one.weights.tolist() == [1.0] * 50


def test_half_of_the_easy_rows_stay_and_weigh_for_the_others() -> None:
    this = fed()[3]
    weight = dict(zip(this.rows.tolist(), this.weights.tolist(), strict=True))
    assert len(this) == 3 + 2
    assert {weight[row] for row in (5, 6, 7)} == {1.0}
    assert sorted(weight[row] for row in weight if row < 5) == [2.5, 2.5]


@given(
    losses=st.lists(st.floats(0, 10), min_size=1, max_size=9),
    keep=st.floats(0.05, 1),
)
def test_the_weighted_sum_over_all_draws_is_exactly_the_whole_sum(losses: Any, keep: float) -> None:
    """Over every subset of the easy rows that could have been drawn, each as likely."""
    this = fed(losses, keep=keep)[0]
    values = np.array(losses)
    easy = np.flatnonzero(values < np.sort(values).mean())
    drawn = [row for row in this.rows.tolist() if row in easy]
    hard = [row for row in range(values.size) if row not in easy]
    assert sorted(set(this.rows.tolist()) - set(drawn)) == hard
    if not easy.size:
        return
    weight = set(this.weights[np.isin(this.rows, easy)].tolist())
    assert len(weight) == 1
    gradient = np.arange(1.0, values.size + 1)
    sums = [
        gradient[hard].sum() + weight_of * gradient[list(chosen)].sum()
        for weight_of in weight
        for chosen in combinations(easy.tolist(), len(drawn))
    ]
    assert np.mean(sums) == pytest.approx(gradient.sum())


def test_each_easy_row_is_drawn_as_often_as_the_others() -> None:
    schedule, total, counts = fed(), np.zeros(8), np.zeros(8)
    for number in range(800):
        this = schedule[number]
        counts[this.rows] += 1
        total[this.rows] += this.weights
    assert counts[5:].tolist() == [800.0] * 3
    assert np.abs(counts[:5] - 320).max() < 5 * np.sqrt(800 * 0.4 * 0.6)
    assert total / 800 == pytest.approx(np.ones(8), abs=0.25)


def test_the_last_rounds_are_whole() -> None:
    schedule = fed(rounds=16)
    sizes = [len(this) for this in schedule]
    assert sizes == [5] * 14 + [8] * 2
    assert len(schedule) == 16
    assert [len(this) for this in fed(rounds=4, until=0)] == [8] * 4
    assert len(fed(rounds=4, until=1)[3]) == 5


def test_rows_without_a_loss_stay() -> None:
    schedule = LossSchedule(8, rounds=10)
    schedule.feed([0, 1, 2, 5], [0.1, 0.2, 0.3, 9.0])
    assert {3, 4, 5, 6, 7} <= set(schedule[1].rows.tolist())
    assert len(schedule[1]) == 6
    assert np.isnan(schedule.losses[3])


def test_equal_losses_drop_nobody() -> None:
    assert len(fed([1.0] * 6)[0]) == 6


def test_another_order_of_the_rows_gives_the_same_ids() -> None:
    rows = [{"id": f"r{i}", "text": f"t{i}"} for i in range(8)]
    order = np.array([3, 1, 7, 0, 5, 2, 6, 4])
    one = LossSchedule(rows, rounds=9, id="id")
    two = LossSchedule([rows[i] for i in order], rounds=9, id="id")
    one.feed(np.arange(8), LOSSES)
    two.feed(np.arange(8), LOSSES[order])
    for number in range(9):
        first, second = one[number], two[number]
        assert first.rows.tolist() == order[second.rows].tolist()
        assert first.weights.tolist() == second.weights.tolist()


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_losses_that_are_not_finite_are_an_error_that_names_the_rows(bad: float) -> None:
    schedule = fed()
    with pytest.raises(ScoreError, match=r"1 losses are not finite \(row 6: "):
        schedule.feed([2, 6], [0.5, bad])
    assert schedule.losses.tolist() == LOSSES.tolist()


@pytest.mark.parametrize(
    ("rows", "losses", "message"),
    [
        ([1, 1], [0.5, 0.6], "two losses"),
        ([8], [0.5], "from 8 to 8, but there are 8"),
        ([-1], [0.5], "from -1"),
        ([1, 2], [0.5], "one loss a row"),
        ([[1]], [[0.5]], "one loss a row"),
    ],
)
def test_losses_of_other_rows_are_refused(rows: Any, losses: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        fed().feed(rows, losses)


def test_no_losses_are_nothing() -> None:
    schedule = fed()
    schedule.feed([], [])
    assert schedule.losses.tolist() == LOSSES.tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rounds": 0}, "rounds is 0"),
        ({"keep": 0}, "keep is 0"),
        ({"keep": 1.5}, r"keep is 1\.5"),
        ({"until": 2}, "until is 2"),
    ],
)
def test_parameters_out_of_range_are_refused(options: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        LossSchedule(5, **{"rounds": 3, **options})


def test_no_rows_are_refused() -> None:
    with pytest.raises(InputError, match="no rows"):
        LossSchedule(0, rounds=3)


def test_a_round_that_is_not_there_is_an_index_error() -> None:
    with pytest.raises(IndexError, match="0 to 999"):
        fed()[1000]


def test_spare_rows_are_those_that_sit_out() -> None:
    schedule = fed()
    this, spare = schedule[2], schedule.spare(2, 3)
    assert sorted([*this.rows.tolist(), *spare.tolist()]) == list(range(8))
    with pytest.raises(InputError, match="leaves 3 of 8"):
        schedule.spare(2, 4)


def test_a_state_brings_the_losses_back_and_no_other_schedules_state_does() -> None:
    schedule, again = fed(seed=3), LossSchedule(8, rounds=1000, seed=3)
    again.load_state_dict(schedule.state_dict())
    assert again[5].rows.tolist() == schedule[5].rows.tolist()
    assert again.to_dict() == schedule.to_dict()
    assert "keep 0.5 of the easy ones until 87.5%" in repr(again)
    with pytest.raises(FormatError, match="belongs to the schedule"):
        LossSchedule(8, rounds=1000, seed=4).load_state_dict(schedule.state_dict())
    with pytest.raises(FormatError, match="belongs to the schedule"):
        again.load_state_dict({})


def test_rows_that_cannot_be_read_take_no_part(tmp_path: Any) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"id": 1}\n{broken\n{"id": 2}\n{"id": 3}\n', encoding="utf-8")
    schedule = LossSchedule(path, rounds=5, id="id", on_bad="drop")
    assert sorted(schedule[0].rows.tolist()) == [0, 2, 3]
    schedule.feed([0, 2, 3], [0.1, 0.2, 5.0])
    assert sorted([*schedule[1].rows.tolist(), *schedule.spare(1, 1).tolist()]) == [0, 2, 3]


def test_tensors_that_carry_gradients_are_taken_as_they_are() -> None:
    schedule = LossSchedule(4, rounds=2)
    schedule.feed(torch.tensor([2, 0]), torch.tensor([1.0, 3.0], requires_grad=True))
    assert schedule.losses[[2, 0]].tolist() == [1.0, 3.0]


def test_half_a_row_is_refused() -> None:
    schedule = LossSchedule(4, rounds=2)
    with pytest.raises(InputError, match="rows are float64; give whole numbers"):
        schedule.feed([1.5, 2.0], [1.0, 1.0])
    assert np.isnan(schedule.losses).all()


@pytest.mark.parametrize(
    "losses", [["x"] * 4, [0.0] * 3, [np.inf] * 4, None, [1, 2, 3, 4]], ids=str
)
def test_damaged_losses_of_a_state_are_refused(losses: Any) -> None:
    schedule = LossSchedule(4, rounds=2)
    with pytest.raises(FormatError, match="the losses of the state are"):
        schedule.load_state_dict({**schedule.state_dict(), "losses": losses})


@pytest.mark.parametrize("state", [None, [], "state", {}])
def test_what_is_no_state_is_refused(state: Any) -> None:
    with pytest.raises(FormatError, match="belongs to the schedule None"):
        LossSchedule(4, rounds=2).load_state_dict(state)
