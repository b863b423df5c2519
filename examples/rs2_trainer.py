"""RS2 in a transformers Trainer: every epoch trains on a fresh tenth of the rows.

The model is a tiny BERT with random weights and the task is to tell even sums of digits from odd
words, made up here, so that nothing is downloaded. The learning-rate schedule is that of the
rounds: 20 rounds of a tenth are the steps of two epochs.
"""

from __future__ import annotations

import tempfile

import numpy as np
import torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

import datapruner as dp
from datapruner.integrations.trainer import ScheduleCallback

ROWS, LENGTH, WORDS = 2000, 12, 50


def make_rows(n: int, seed: int) -> list[dict[str, object]]:
    """Sequences of word numbers; the label says whether the word 7 is in it."""
    rng = np.random.default_rng(seed)
    words = rng.integers(8, WORDS, (n, LENGTH))
    labels = rng.integers(0, 2, n)
    words[np.arange(n), rng.integers(0, LENGTH, n)] = np.where(labels == 1, 7, 8)
    return [
        {"input_ids": row.tolist(), "labels": int(label)}
        for row, label in zip(words, labels, strict=True)
    ]


def main() -> None:
    """Train, and say what was trained on and how well it went."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    train, test = make_rows(ROWS, 0), make_rows(500, 1)
    schedule = dp.resample(len(train), budget="10%", rounds=20, seed=0)
    callback = ScheduleCallback(schedule, logs_rows=True)
    model = BertForSequenceClassification(
        BertConfig(
            vocab_size=WORDS,
            hidden_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=LENGTH,
        )
    )
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model,
            TrainingArguments(
                folder,
                num_train_epochs=len(schedule),
                per_device_train_batch_size=20,
                learning_rate=5e-3,
                lr_scheduler_type="cosine",
                warmup_steps=20,
                remove_unused_columns=False,
                logging_strategy="epoch",
                save_strategy="no",
                report_to=[],
                disable_tqdm=True,
                use_cpu=True,
            ),
            train_dataset=callback.view(train),
            compute_loss_func=callback.loss,
            callbacks=[callback],
        )
        trainer.train()
    with torch.no_grad():
        words = torch.tensor([row["input_ids"] for row in test])
        guessed = model.eval()(words).logits.argmax(1)
    right = (guessed == torch.tensor([row["labels"] for row in test])).float().mean()
    seen = int(np.isfinite(callback.losses).sum())
    print(f"{schedule}")
    print(f"steps: {trainer.state.global_step} of {schedule.steps(20)} planned")
    print(f"rows seen: {seen} of {ROWS}; hardest row: {int(np.nanargmax(callback.losses))}")
    print(f"test accuracy: {100 * right:.1f} %")


if __name__ == "__main__":
    main()
