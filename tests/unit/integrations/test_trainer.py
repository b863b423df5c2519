"""The callback: a round an epoch, the right number of steps, and losses that find their rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import datapruner as dp
from datapruner import InputError
from datapruner.dataset.dynamic import LossSchedule

pytest.importorskip("accelerate")

from transformers import Trainer, TrainingArguments

from datapruner.integrations.trainer import (
    RoundView,
    ScheduleCallback,
    row_losses,
)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

N, ROUNDS, BATCH = 30, 4, 5


class Probe(torch.nn.Module):
    """A linear classifier that writes down which inputs it was trained on."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(1, 2)
        self.seen: list[int] = []

    def forward(self, x: Any, labels: Any = None) -> dict[str, Any]:
        if self.training:
            self.seen += x.long().flatten().tolist()
        logits = self.linear(x.float() / N)
        if labels is None:
            return {"logits": logits}
        return {"loss": torch.nn.functional.cross_entropy(logits, labels), "logits": logits}


def data() -> list[dict[str, Any]]:
    return [{"x": [row], "labels": row % 2} for row in range(N)]


def schedule(**options: Any) -> dp.Schedule:
    return dp.resample(N, **{"budget": "40%", "rounds": ROUNDS, "seed": 3, **options})


def trainer(folder: Path, callback: ScheduleCallback, **options: Any) -> Trainer:
    more = {"num_train_epochs": ROUNDS, "save_strategy": "no", **options.pop("arguments", {})}
    torch.manual_seed(0)
    arguments = TrainingArguments(
        str(folder),
        per_device_train_batch_size=BATCH,
        remove_unused_columns=False,
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
        **more,
    )
    options = {"train_dataset": callback.view(data()), **options}
    return Trainer(Probe(), arguments, callbacks=[callback], **options)


def by_round(seen: list[int]) -> list[list[int]]:
    return [sorted(part) for part in np.array(seen).reshape(ROUNDS, -1).tolist()]


def rounds(plan: dp.Schedule) -> list[list[int]]:
    return [sorted(this.rows.tolist()) for this in plan]


@pytest.mark.parametrize("more", [{}, {"gradient_accumulation_steps": 2}])
def test_every_epoch_is_a_round_and_the_learning_rate_ends_with_the_last(
    tmp_path: Path, more: dict[str, Any]
) -> None:
    callback = ScheduleCallback(schedule())
    run = trainer(tmp_path, callback, arguments={"logging_steps": 1, **more})
    run.train()
    assert by_round(run.model.seen) == rounds(schedule())
    steps = schedule().steps(BATCH * more.get("gradient_accumulation_steps", 1))
    assert run.state.global_step == steps
    assert run.lr_scheduler.get_last_lr()[0] == pytest.approx(0, abs=1e-12)
    assert {entry["round"] for entry in run.state.log_history if "loss" in entry} == {0, 1, 2, 3}


@pytest.mark.slow
def test_workers_that_outlive_an_epoch_see_the_next_round(tmp_path: Path) -> None:
    more = {"dataloader_num_workers": 1, "dataloader_persistent_workers": True}
    run = trainer(tmp_path, ScheduleCallback(schedule()), arguments=more)
    run.train()
    assert by_round(run.model.seen) == rounds(schedule())


def test_a_run_goes_on_from_a_checkpoint_in_the_middle_of_a_round(tmp_path: Path) -> None:
    whole = trainer(tmp_path / "whole", ScheduleCallback(schedule()))
    whole.train()
    more = {"save_strategy": "steps", "save_steps": 4}
    first = trainer(tmp_path, ScheduleCallback(schedule()), arguments=more)
    first.train()
    assert first.model.seen == whole.model.seen
    again = trainer(tmp_path, ScheduleCallback(schedule()))
    again.train(resume_from_checkpoint=str(tmp_path / "checkpoint-4"))
    # Three steps a round of 5 + 5 + 2 rows: one step into the second round.
    assert again.model.seen == whole.model.seen[17:]


def test_losses_find_their_rows_and_equal_those_of_the_model(tmp_path: Path) -> None:
    callback = ScheduleCallback(schedule(rounds=1), logs_rows=True)
    run = trainer(
        tmp_path,
        callback,
        compute_loss_func=callback.loss,
        arguments={"num_train_epochs": 1, "learning_rate": 0.0},
    )
    run.train()
    this = schedule()[0].rows
    assert sorted(np.flatnonzero(np.isfinite(callback.losses))) == sorted(this)
    x = torch.tensor([[row] for row in range(N)])
    logits = run.model.linear(x / N)
    expected = torch.nn.functional.cross_entropy(logits, x[:, 0] % 2, reduction="none")
    assert callback.losses[this] == pytest.approx(expected.detach().numpy()[this], abs=1e-6)
    assert not run.model._forward_pre_hooks


@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_loss_is_that_of_the_trainer(tmp_path: Path, accumulate: int) -> None:
    def weights(own: bool) -> torch.Tensor:
        plan = schedule(budget="10 items")  # no smaller last batch, whose mean would count more
        callback = ScheduleCallback(plan, logs_rows=own)
        more = {"compute_loss_func": callback.loss} if own else {}
        arguments = {"gradient_accumulation_steps": accumulate, "learning_rate": 0.1}
        run = trainer(tmp_path, callback, arguments=arguments, **more)
        run.train()
        return run.model.linear.weight.detach().clone()

    assert weights(True) == pytest.approx(weights(False), abs=1e-5)


def test_weights_of_a_round_multiply_the_losses() -> None:
    plan = schedule(scores=np.arange(1.0, N + 1), replacement=True)
    callback = ScheduleCallback(plan, logs_rows=True)
    callback.view(data())
    callback.on_epoch_begin(None, type("State", (), {"epoch": 2.0})(), None)
    this = plan[2]
    logits = torch.randn(12, 2, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(12) % 2
    callback._take_rows(Probe(), (), {"row": torch.from_numpy(this.rows)})
    each = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    expected = (each * torch.from_numpy(this.weights)).mean()
    assert callback.loss({"logits": logits}, labels) == pytest.approx(float(expected), rel=1e-5)
    assert callback.losses[this.rows] == pytest.approx(each.numpy(), rel=1e-5)


def test_an_evaluation_is_not_noted(tmp_path: Path) -> None:
    callback = ScheduleCallback(schedule(), logs_rows=True)
    run = trainer(
        tmp_path,
        callback,
        compute_loss_func=callback.loss,
        eval_dataset=data(),
        arguments={"eval_strategy": "epoch"},
    )
    run.train()
    assert any("eval_loss" in entry for entry in run.state.log_history)
    assert np.isfinite(callback.losses).sum() == len(set().union(*rounds(schedule())))


def test_losses_of_a_language_model_are_means_over_the_tokens_of_a_row() -> None:
    logits = torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(1))
    labels = torch.tensor([[1, 2, 3, 4], [0, 1, -100, -100]])
    sums, counts = row_losses(logits, labels)
    logs = torch.log_softmax(logits, -1)
    first = -(logs[0, 0, 2] + logs[0, 1, 3] + logs[0, 2, 4])
    assert sums.tolist() == pytest.approx([float(first), float(-logs[1, 0, 1])], rel=1e-5)
    assert counts.tolist() == [3, 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_train_epochs": 3}, "plans 9 steps.* 4 rounds make 12"),
        ({"max_steps": 13}, "plans 13 steps"),
    ],
)
def test_another_number_of_steps_is_refused(tmp_path: Path, arguments: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        trainer(tmp_path, ScheduleCallback(schedule()), arguments=arguments).train()


def test_max_steps_from_the_schedule_are_right(tmp_path: Path) -> None:
    steps = schedule().steps(BATCH)
    run = trainer(tmp_path, ScheduleCallback(schedule()), arguments={"max_steps": steps})
    run.train()
    assert by_round(run.model.seen) == rounds(schedule())


def test_a_trainer_without_the_view_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"trains on all rows: give it .*callback\.view"):
        ScheduleCallback(schedule()).on_train_begin(None, None, None)
    run = trainer(tmp_path, ScheduleCallback(schedule()), train_dataset=data())
    with pytest.raises(InputError, match=r"trains on 30 rows a round: .* which has 12"):
        run.train()
    assert run.model.seen == []


def test_rows_that_do_not_say_who_they_are_are_refused() -> None:
    callback = ScheduleCallback(schedule(), logs_rows=True)
    with pytest.raises(InputError, match="does not say which rows"):
        callback.loss({"logits": torch.zeros(2, 2)}, torch.zeros(2, dtype=torch.int64))


def test_schedules_that_no_trainer_can_follow_are_refused() -> None:
    with pytest.raises(InputError, match="no end"):
        ScheduleCallback(schedule(rounds=None))
    with pytest.raises(InputError, match="LossSchedule has not"):
        ScheduleCallback(LossSchedule(N, rounds=3))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="29 rows, but the schedule is for 30"):
        RoundView(data()[1:], schedule())
