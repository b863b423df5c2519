"""The callback in a trainer of TRL, which prepares the data itself: rounds and steps agree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import datapruner as dp
from datapruner import InputError

pytest.importorskip("trl", reason="trl is not installed")

import torch
import trl
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from datapruner.integrations.trainer import ScheduleCallback

pytestmark = pytest.mark.filterwarnings("ignore")  # of libraries that are not ours

N, ROUNDS, BATCH, WORDS = 30, 3, 4, 40


class Watched:
    """A dataset that writes down which rows it was asked for."""

    def __init__(self, data: Any) -> None:
        self.data = data
        self.asked: list[int] = []

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, row: int) -> Any:
        self.asked.append(row)
        return self.data[row]


def tokenizer() -> PreTrainedTokenizerFast:
    special = ["<pad>", "<eos>", "<unk>"]
    names = [*special, *(f"w{number}" for number in range(WORDS))]
    words = Tokenizer(models.WordLevel({n: i for i, n in enumerate(names)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    marks = dict(zip(("pad_token", "eos_token", "unk_token"), special, strict=True))
    return PreTrainedTokenizerFast(tokenizer_object=words, **marks)


def trainer(folder: Path, callback: ScheduleCallback, **options: Any) -> tuple[Any, Watched]:
    """A trainer of a tiny random model, and the rows it has prepared."""
    texts = [f"w{row} w{row * 7 % WORDS} w{row * 3 % WORDS}" for row in range(N)]
    size = {"vocab_size": WORDS + 3, "n_positions": 16, "n_embd": 8, "n_layer": 1, "n_head": 1}
    size |= {"resid_pdrop": 0, "embd_pdrop": 0, "attn_pdrop": 0}  # so that losses are repeatable
    arguments: dict[str, Any] = {"num_train_epochs": ROUNDS, **options.pop("arguments", {})}
    run = trl.SFTTrainer(
        model=GPT2LMHeadModel(GPT2Config(**size, bos_token_id=1, eos_token_id=1)),
        args=trl.SFTConfig(
            str(folder),
            per_device_train_batch_size=BATCH,
            use_cpu=True,
            bf16=False,
            report_to=[],
            save_strategy="no",
            max_length=16,
            gradient_checkpointing=False,
            disable_tqdm=True,
            logging_steps=1,
            **arguments,
        ),
        train_dataset=Dataset.from_dict({"text": texts}),
        processing_class=tokenizer(),
        callbacks=[callback],
        **options,
    )
    rows = Watched(run.train_dataset)
    run.train_dataset = callback.view(rows)
    rows.asked.clear()
    return run, rows


def test_every_epoch_is_a_round_and_the_learning_rate_ends_with_the_last(tmp_path: Path) -> None:
    schedule = dp.resample(N, budget="30%", rounds=ROUNDS)
    run, rows = trainer(tmp_path, ScheduleCallback(schedule))
    run.train()
    assert run.state.global_step == schedule.steps(BATCH)
    assert run.lr_scheduler.get_last_lr()[0] == pytest.approx(0, abs=1e-12)
    parts = np.array(rows.asked).reshape(ROUNDS, -1)
    for number, part in enumerate(parts.tolist()):
        assert sorted(part) == sorted(schedule[number].rows.tolist())
    assert {entry["round"] for entry in run.state.log_history if "loss" in entry} == {0, 1, 2}


def test_another_number_of_steps_is_refused(tmp_path: Path) -> None:
    callback = ScheduleCallback(dp.resample(N, budget="30%", rounds=ROUNDS))
    run, rows = trainer(tmp_path, callback, arguments={"max_steps": 5})
    with pytest.raises(InputError, match="plans 5 steps"):
        run.train()
    assert rows.asked == []


def test_losses_of_rows_that_the_collator_drops_are_refused_not_guessed(tmp_path: Path) -> None:
    callback = ScheduleCallback(dp.resample(N, budget="30%", rounds=ROUNDS), logs_rows=True)
    more = {"remove_unused_columns": False}
    run, _ = trainer(tmp_path, callback, compute_loss_func=callback.loss, arguments=more)
    with pytest.raises(InputError, match='a collator that keeps the key "row"'):
        run.train()
    assert np.isnan(callback.losses).all()


def test_a_collator_that_keeps_the_rows_brings_their_losses(tmp_path: Path) -> None:
    schedule = dp.resample(N, budget="30%", rounds=ROUNDS)
    callback = ScheduleCallback(schedule, logs_rows=True)
    more = {"remove_unused_columns": False, "learning_rate": 0.0}
    run, _ = trainer(tmp_path, callback, compute_loss_func=callback.loss, arguments=more)
    collate = run.data_collator

    def with_rows(items: list[dict[str, Any]]) -> dict[str, Any]:
        return {**collate(items), "row": torch.tensor([item["row"] for item in items])}

    run.data_collator = with_rows
    run.train()
    trained = sorted(set().union(*(this.rows.tolist() for this in schedule)))
    assert np.flatnonzero(np.isfinite(callback.losses)).tolist() == trained
    item = collate([run.train_dataset.data.data[trained[0]]])
    with torch.no_grad():
        expected = run.model.eval()(**item).loss
    assert callback.losses[trained[0]] == pytest.approx(float(expected), rel=1e-4)
