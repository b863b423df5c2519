"""The sampler: every row once, in the schedule's order, also after being stopped anywhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

import datapruner as dp
from datapruner import FormatError, InputError
from datapruner.dataset.dynamic import LossSchedule
from datapruner.integrations.rows import WithRows
from datapruner.integrations.torch import ScheduleSampler

N, ROUNDS, BATCH = 53, 5, 4


def schedule(**options: Any) -> dp.Schedule:
    return dp.resample(N, **{"budget": "40%", "rounds": ROUNDS, "seed": 2, **options})


def loader_of(sampler: ScheduleSampler, workers: int = 0, batch: int = BATCH) -> DataLoader:
    data = TensorDataset(torch.arange(sampler.schedule.n))
    return DataLoader(data, batch_size=batch, sampler=sampler, num_workers=workers)


def train(
    sampler: ScheduleSampler, workers: int = 0, stop_after: int | None = None
) -> tuple[list[tuple[int, int]], dict[str, Any]]:
    """(round, row) of every row trained on, until a number of batches; and the state then."""
    seen: list[tuple[int, int]] = []
    batches = 0
    loader = loader_of(sampler, workers)
    for epoch in range(sampler.epoch, ROUNDS):
        sampler.set_epoch(epoch)
        for (rows,) in loader:
            seen += [(epoch, row) for row in rows.tolist()]
            sampler.advance(len(rows))
            batches += 1
            if batches == stop_after:
                return seen, sampler.state_dict()
    return seen, sampler.state_dict()


def all_rows() -> list[tuple[int, int]]:
    plan = schedule()
    return [(r, row) for r in range(ROUNDS) for row in plan[r].rows.tolist()]


def test_the_rounds_come_in_their_order() -> None:
    assert train(ScheduleSampler(schedule()))[0] == all_rows()


@pytest.mark.parametrize("stop", range(1, 31))
def test_a_run_stopped_after_any_batch_goes_on_with_the_next_row(stop: int) -> None:
    first, state = train(ScheduleSampler(schedule()), stop_after=stop)
    again = ScheduleSampler(schedule())
    again.load_state_dict(state)
    assert first + train(again)[0] == all_rows()


@pytest.mark.parametrize("stop", [2, 6, 9])
def test_workers_that_have_run_ahead_change_nothing(stop: int, tmp_path: Any) -> None:
    first, state = train(ScheduleSampler(schedule()), workers=2, stop_after=stop)
    torch.save(state, tmp_path / "state.pt")
    again = ScheduleSampler(schedule())
    again.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert first + train(again, workers=2)[0] == all_rows()


def test_without_set_epoch_the_next_round_follows() -> None:
    sampler = ScheduleSampler(schedule())
    seen = [list(sampler) for _ in range(ROUNDS)]
    assert [row for rows in seen for row in rows] == [row for _, row in all_rows()]
    with pytest.raises(InputError, match="no round 5"):
        list(sampler)


def test_set_epoch_repeats_a_round_only_when_asked() -> None:
    sampler = ScheduleSampler(schedule())
    sampler.set_epoch(3)
    assert sampler.epoch == 3
    one = list(sampler)
    sampler.set_epoch(3)
    assert list(sampler) == one == schedule()[3].rows.tolist()
    for wrong in (-1, ROUNDS):
        with pytest.raises(InputError, match=f"no round {wrong}"):
            sampler.set_epoch(wrong)


def test_a_loop_that_stops_early_begins_again_where_it_confirmed() -> None:
    sampler = ScheduleSampler(schedule())
    for (rows,) in loader_of(sampler):
        sampler.advance(len(rows))
        break
    assert list(sampler) == schedule()[0].rows.tolist()[BATCH:]


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
def test_a_stateful_loader_goes_on_only_with_the_state_of_the_sampler() -> None:
    stateful = pytest.importorskip("torchdata.stateful_dataloader", reason="needs torchdata")
    data = TensorDataset(torch.arange(N))

    def run(workers: int, state: Any = None, stop: int | None = None) -> Any:
        sampler = ScheduleSampler(schedule())
        if state is not None:
            sampler.load_state_dict(state)
        loader = stateful.StatefulDataLoader(data, BATCH, sampler=sampler, num_workers=workers)
        seen = []
        for epoch in range(sampler.epoch, ROUNDS):
            sampler.set_epoch(epoch)
            for (rows,) in loader:
                seen += [(epoch, row) for row in rows.tolist()]
                sampler.advance(len(rows))
                if len(seen) == stop:
                    return seen, sampler.state_dict()
        return seen

    first, state = run(0, stop=33)
    assert first + run(0, state) == all_rows()
    assert first + train(ScheduleSampler(schedule()))[0][33:] == all_rows()
    with pytest.raises(InputError, match="nobody has said"):
        run(2)


# The length


def test_the_length_is_what_is_left_of_the_round() -> None:
    sampler = ScheduleSampler(schedule())
    assert len(sampler) == 21
    iterator = iter(sampler)
    next(iterator)
    sampler.advance(1)
    assert len(sampler) == 21
    again = ScheduleSampler(schedule())
    again.load_state_dict(sampler.state_dict())
    assert len(again) == 20
    assert len(loader_of(again)) == 5


# Several processes


@pytest.mark.parametrize("world", [2, 3, 4])
@pytest.mark.parametrize("uneven", ["pad", "drop"])
def test_processes_share_a_round_and_no_row_is_seen_twice(world: int, uneven: Any) -> None:
    plan = schedule()
    samplers = [ScheduleSampler(plan, rank=r, world=world, uneven=uneven) for r in range(world)]
    for number in range(ROUNDS):
        parts = [list(sampler) for sampler in samplers]
        assert len({len(part) for part in parts}) == 1
        rows = [row for part in parts for row in part]
        assert len(set(rows)) == len(rows)
        this = plan[number].rows
        if uneven == "drop":
            assert set(rows) <= set(this.tolist())
            assert len(rows) == 21 // world * world
        else:
            more = plan.spare(number, -21 % world)
            assert sorted(rows) == sorted([*this.tolist(), *more.tolist()])
        # Dealt out in turn: together they are the round in its order.
        dealt = [row for turn in zip(*parts, strict=True) for row in turn]
        assert dealt[: min(21, len(dealt))] == this.tolist()[: len(dealt)]


def test_another_number_of_processes_goes_on_with_the_rows_that_are_left() -> None:
    plan = schedule(budget="42 items")
    two = [ScheduleSampler(plan, rank=r, world=2) for r in range(2)]
    seen = []
    for sampler in two:
        iterator = iter(sampler)
        seen += [next(iterator) for _ in range(6)]
        sampler.advance(6)
    states = [sampler.state_dict() for sampler in two]
    assert states[0] == states[1]
    for rank in range(3):
        sampler = ScheduleSampler(plan, rank=rank, world=3)
        sampler.load_state_dict(states[0])
        seen += list(sampler)
    assert sorted(seen) == sorted(plan[0].rows.tolist())


def test_a_round_is_filled_up_to_whole_batches() -> None:
    sampler = ScheduleSampler(schedule(), multiple_of=8)
    rows = list(sampler)
    assert len(rows) == 24 == len(set(rows))
    assert rows[:21] == schedule()[0].rows.tolist()


def test_a_round_of_all_rows_has_nothing_to_be_filled_up_with() -> None:
    everything = schedule(budget="100%")
    with pytest.raises(InputError, match="1 more rows are needed to fill up round 0"):
        list(ScheduleSampler(everything, world=2))
    assert len(list(ScheduleSampler(everything, world=2, uneven="drop"))) == 26


def test_a_round_smaller_than_the_processes_cannot_be_cut() -> None:
    sampler = ScheduleSampler(schedule(budget="3 items"), world=4, uneven="drop")
    with pytest.raises(InputError, match="none are left"):
        list(sampler)


# What would go wrong in silence


def test_a_state_without_confirmations_is_refused() -> None:
    sampler = ScheduleSampler(schedule())
    assert sampler.state_dict()["consumed"] == 0
    next(iter(loader_of(sampler)))
    with pytest.raises(InputError, match=r"Call sampler\.advance"):
        sampler.state_dict()
    sampler.set_epoch(1)
    assert (sampler.state_dict()["round"], sampler.state_dict()["consumed"]) == (1, 0)


def test_confirming_rows_that_nobody_handed_out_is_refused() -> None:
    sampler = ScheduleSampler(schedule())
    with pytest.raises(InputError, match="0 rows of round 0"):
        sampler.advance(1)
    iterator = iter(sampler)
    next(iterator)
    for wrong in (0, 2, -1):
        with pytest.raises(InputError, match="1 rows of round 0"):
            sampler.advance(wrong)


def test_rows_that_were_never_confirmed_are_not_skipped_in_silence() -> None:
    sampler = ScheduleSampler(schedule())
    for (rows,) in loader_of(sampler):
        if sampler.state_dict is not None and len(rows) == BATCH:
            sampler.advance(len(rows))
    with pytest.raises(InputError, match="1 of its rows were handed out and never confirmed"):
        iter(sampler)
    sampler.set_epoch(1)
    assert list(sampler) == schedule()[1].rows.tolist()


def test_a_loaded_state_is_not_thrown_away_by_set_epoch() -> None:
    _, state = train(ScheduleSampler(schedule()), stop_after=8)
    again = ScheduleSampler(schedule())
    again.load_state_dict(state)
    for wrong in (0, 2):
        with pytest.raises(InputError, match=r"goes on in round 1, after 8 of its rows"):
            again.set_epoch(wrong)
    again.set_epoch(1)
    assert next(iter(again)) == schedule()[1].rows[8]


@pytest.mark.parametrize(
    "other", [{"seed": 3}, {"budget": "45%"}, {"replacement": True}, {"label": [0, 1] * 26 + [0]}]
)
def test_a_state_of_another_schedule_is_refused(other: Any) -> None:
    _, state = train(ScheduleSampler(schedule()), stop_after=8)
    with pytest.raises(FormatError, match="belongs to the schedule"):
        ScheduleSampler(schedule(**other)).load_state_dict(state)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"epoch": 3}, r"no state of a ScheduleSampler of version 1: it has \['epoch'\]"),
        ({"version": 2}, r"no state of a ScheduleSampler of version 1"),
        ({}, r"it has \[\]"),
        (None, "a NoneType is no state"),
        ([1, 2], "a list is no state"),
    ],
)
def test_what_is_no_state_is_refused(state: Any, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        ScheduleSampler(schedule()).load_state_dict(state)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"round": -1}, "has round -1; it must be a whole number"),
        ({"round": 1.5}, r"has round 1\.5"),
        ({"round": "one"}, "has round 'one'"),
        ({"consumed": None}, "has consumed None"),
        ({"consumed": True}, "has consumed True"),
        ({"consumed": -4}, "has consumed -4"),
        ({"consumed": N + 1}, "says 54 rows of round 1, but the schedule has 5 rounds"),
        ({"round": ROUNDS}, "says 8 rows of round 5, but the schedule has 5 rounds"),
        ({"round": ROUNDS + 1, "consumed": 0}, "says 0 rows of round 6"),
    ],
)
def test_a_state_that_was_tampered_with_is_refused_and_changes_nothing(
    change: Any, message: str
) -> None:
    _, state = train(ScheduleSampler(schedule()), stop_after=8)
    sampler = ScheduleSampler(schedule())
    with pytest.raises(FormatError, match=message):
        sampler.load_state_dict({**state, **change})
    assert train(sampler)[0] == all_rows()


@pytest.mark.parametrize("lacking", ["schedule", "round", "consumed", "losses"])
def test_a_state_that_lacks_a_part_is_refused(lacking: str) -> None:
    sampler = ScheduleSampler(LossSchedule(N, rounds=ROUNDS))
    state = sampler.state_dict()
    del state[lacking]
    with pytest.raises(FormatError, match="no state of a ScheduleSampler"):
        sampler.load_state_dict(state)


def test_numbers_of_numpy_make_a_state_that_torch_can_save(tmp_path: Any) -> None:
    sampler = ScheduleSampler(schedule())
    sampler.set_epoch(np.int64(2))
    next(iter(sampler))
    sampler.advance(np.int64(1))
    torch.save(sampler.state_dict(), tmp_path / "state.pt")
    again = ScheduleSampler(schedule())
    again.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert list(again) == schedule()[2].rows[1:].tolist()
    again.load_state_dict({**sampler.state_dict(), "round": np.int64(3), "consumed": np.int64(0)})
    assert list(again) == schedule()[3].rows.tolist()


def test_more_rounds_of_the_same_schedule_may_follow() -> None:
    _, state = train(ScheduleSampler(schedule()))
    longer = ScheduleSampler(schedule(rounds=9))
    longer.load_state_dict(state)
    assert longer.epoch == ROUNDS
    assert list(longer) == schedule(rounds=9)[ROUNDS].rows.tolist()


def test_rows_in_another_order_are_noticed_in_the_middle_of_a_round() -> None:
    rows = [{"id": i} for i in range(N)]
    plan = dp.resample(rows, budget="40%", id="id")
    sampler = ScheduleSampler(plan)
    iterator = iter(sampler)
    next(iterator)
    sampler.advance(1)
    other = dp.resample(rows[::-1], budget="40%", id="id")
    assert other.fingerprint == plan.fingerprint
    again = ScheduleSampler(other)
    again.load_state_dict(sampler.state_dict())
    with pytest.raises(FormatError, match="another order"):
        iter(again)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rank": 2, "world": 2}, "rank is 2 of 2"),
        ({"multiple_of": 0}, "multiple_of is 0"),
        ({"uneven": "repeat"}, "uneven is 'repeat'"),
    ],
)
def test_parameters_out_of_range_are_refused(options: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ScheduleSampler(schedule(), **options)


# Weights and losses


def test_weights_belong_to_the_round_under_way_and_padding_weighs_nothing() -> None:
    plan = LossSchedule(11, rounds=20)
    plan.feed(np.arange(11), np.arange(11.0))
    sampler = ScheduleSampler(plan, world=2, rank=0)
    with pytest.raises(InputError, match="has not begun"):
        sampler.weights([0])
    this = plan[0]
    expected = np.zeros(11)
    expected[this.rows] = this.weights
    assert len(sampler) == 4
    iter(sampler)
    assert sampler.weights(np.arange(11)).tolist() == expected.astype(np.float32).tolist()
    padded = ScheduleSampler(plan, multiple_of=10)
    rows = list(padded)
    assert len(set(rows)) == 10
    assert padded.weights(rows[len(this) :]).tolist() == [0.0] * (10 - len(this))


def test_rows_of_a_plain_schedule_weigh_one() -> None:
    sampler = ScheduleSampler(schedule())
    iter(sampler)
    assert sampler.weights(torch.tensor([1, 5])).tolist() == [1.0, 1.0]


def dynamic_run(
    sampler: ScheduleSampler, stop_after: int | None = None
) -> tuple[list[Any], dict[str, Any]]:
    """As ``train``, with losses fed between the rounds."""
    seen: list[Any] = []
    batches = 0
    loader = loader_of(sampler)
    assert isinstance(sampler.schedule, LossSchedule)
    for epoch in range(sampler.epoch, ROUNDS):
        sampler.set_epoch(epoch)
        for (rows,) in loader:
            weights = sampler.weights(rows).tolist()
            seen += list(zip([epoch] * len(rows), rows.tolist(), weights, strict=True))
            sampler.advance(len(rows))
            batches += 1
            if batches == stop_after:
                return seen, sampler.state_dict()
        sampler.schedule.feed(np.arange(N), np.cos(np.arange(N) + epoch) + 1)
    return seen, sampler.state_dict()


def test_a_round_that_follows_the_losses_is_resumed_to_the_row(tmp_path: Any) -> None:
    whole, _ = dynamic_run(ScheduleSampler(LossSchedule(N, rounds=ROUNDS)))
    assert len(whole) < N * ROUNDS
    first, state = dynamic_run(ScheduleSampler(LossSchedule(N, rounds=ROUNDS)), stop_after=20)
    torch.save(state, tmp_path / "state.pt")
    again = ScheduleSampler(LossSchedule(N, rounds=ROUNDS))
    again.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert first + dynamic_run(again)[0] == whole


def test_losses_fed_in_the_middle_of_a_round_are_noticed_on_resume() -> None:
    sampler = ScheduleSampler(LossSchedule(N, rounds=ROUNDS))
    iterator = iter(sampler)
    next(iterator)
    sampler.advance(1)
    sampler.schedule.feed(np.arange(N), np.arange(float(N)))
    again = ScheduleSampler(LossSchedule(N, rounds=ROUNDS))
    again.load_state_dict(sampler.state_dict())
    with pytest.raises(FormatError, match="feed them between rounds"):
        iter(again)


def test_items_can_say_their_row() -> None:
    pairs = TensorDataset(torch.arange(3), torch.arange(3) * 2)
    assert WithRows(pairs)[2] == (2, 4, 2)
    assert WithRows([{"x": 1}])[0] == {"x": 1, "row": 0}
    assert WithRows(["a", "b"])[1] == ("b", 1)
    assert len(WithRows("abc")) == 3


def test_the_process_group_says_rank_and_world(monkeypatch: Any) -> None:
    # Real process groups are in tests/integration/test_two_processes.py.
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 1)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 3)
    sampler = ScheduleSampler.of_process_group(schedule(), uneven="drop")
    assert (sampler.rank, sampler.world) == (1, 3)
    assert list(sampler) == schedule()[0].rows.tolist()[1::3]


def test_an_iteration_that_another_one_replaced_counts_no_more() -> None:
    sampler = ScheduleSampler(schedule())
    old = iter(sampler)
    next(old)
    new = iter(sampler)
    assert [*old] == schedule()[0].rows.tolist()[1:]
    assert next(new) == schedule()[0].rows[0]
    with pytest.raises(InputError, match="1 rows of round 0"):
        sampler.advance(2)
