"""Steps of the training: batches as tensors, the losses, and the faults."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from unit.training import tiny

from datapruner.errors import FormatError, InputError
from datapruner.training import network
from datapruner.training.loop import Run, collate
from datapruner.training.losses import losses, order_loss
from datapruner.training.pairs import read_pairs
from datapruner.training.recipe import Recipe
from datapruner.training.windows import Window, cut_windows

RECIPE = Recipe(batch_tokens=200, max_length=64)


def a_run(folder: Path, recipe: Recipe = RECIPE, **changes: Any) -> Run:
    base = tiny.write_base(folder / "base")
    pairs = read_pairs(tiny.write_rows(folder / "pairs.jsonl", tiny.rows(12)))
    model = network.build(network.backbone_config(base))
    network.initialise(model, base, seed=0)
    windows = cut_windows(pairs, tiny.tokenizer(), max_length=64, others=1, seed=0)
    given = {"windows": windows, "ids": [pair.id for pair in pairs], **changes}
    return Run(model, given["windows"], given["ids"], recipe, 0)


def window(ids: list[int], passage: int, labels: list[int], relevant: int) -> Window:
    made = np.array(labels, dtype=np.int8)
    sentence = np.where(made >= 0, 4 + np.cumsum(made >= 0), -1).astype(np.int32)
    return Window(0, 0, np.array(ids, np.int32), passage, made, sentence, relevant)


def test_rows_are_filled_up_to_the_longest() -> None:
    batch = collate(
        [window([2, 5, 3, 6, 3], 3, [-100, -100, -100, 1, -100], 1), window([2, 3], 2, [0, 1], 0)],
        9,
    )
    assert batch["ids"].tolist() == [[2, 5, 3, 6, 3], [2, 3, 9, 9, 9]]
    assert batch["mask"].tolist() == [[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]]
    assert batch["types"].tolist() == [[0, 0, 0, 1, 1], [0, 0, 0, 0, 0]]
    assert batch["labels"].tolist() == [[-100, -100, -100, 1, -100], [0, 1, -100, -100, -100]]
    assert batch["relevant"].tolist() == [1, 0]
    assert batch["sentence"].tolist() == [[-1, -1, -1, 0, -1], [0, 1, -1, -1, -1]]


def test_losses_are_means_of_cross_entropies(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    batch = collate(run.windows[:4], 0)
    with torch.no_grad():
        parts = losses(run.network, batch)
        keep, rank = (x.numpy() for x in run.network(batch["ids"], batch["mask"], batch["types"]))
    p, q = 1 / (1 + np.exp(-keep)), 1 / (1 + np.exp(-rank))
    y, z = batch["labels"].numpy(), batch["relevant"].numpy()
    here = y >= 0
    wanted = -np.mean(np.log(np.where(y == 1, p, 1 - p)[here]))
    assert float(parts["token_loss"]) == pytest.approx(wanted, rel=1e-5)
    assert float(parts["rank_loss"]) == pytest.approx(
        -np.mean(np.log(np.where(z == 1, q, 1 - q))), rel=1e-5
    )


def test_the_order_is_that_of_the_sentences_of_a_window() -> None:
    keep = torch.tensor([[9.0, 1.0, 3.0, -1.0, 0.5], [1.0, 2.0, 0.0, 0.0, 7.0], [5.0] * 5])
    labels = torch.tensor([[-100, 1, 1, 0, 0], [1, 1, 0, 1, -100], [0, 0, 0, 0, -100]]).float()
    sentence = torch.tensor([[-1, 0, 0, 1, 2], [0, 0, 1, 2, -1], [0, 0, 0, 1, -1]])
    first = np.exp([2.0, -1.0, 0.5])
    second = np.exp([1.5, 0.0, 0.0])
    wanted = (-np.log(first[0] / first.sum()) - np.log(second[[0, 2]] / second.sum()).mean()) / 2
    assert float(order_loss(keep, labels, sentence)) == pytest.approx(wanted, rel=1e-6)


def test_a_window_without_an_order_has_no_loss() -> None:
    keep = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    labels = torch.tensor([[1.0, 1.0], [0.0, 0.0]])  # all kept, and none
    loss = order_loss(keep, labels, torch.tensor([[0, 1], [0, 1]]))
    loss.backward()
    assert loss.item() == 0.0
    assert keep.grad is not None
    assert not keep.grad.any()


def test_the_order_weighs_only_if_it_is_asked_for(tmp_path: Path) -> None:
    plain, ordered = (
        a_run(tmp_path, replace(RECIPE, order_weight=weight)).advance() for weight in (0.0, 0.5)
    )
    assert plain["order_loss"] == ordered["order_loss"] > 0
    assert ordered["loss"] - plain["loss"] == pytest.approx(0.5 * plain["order_loss"], rel=1e-5)


def test_heads_have_a_rate_of_their_own_and_norms_no_decay(tmp_path: Path) -> None:
    run = a_run(tmp_path, replace(RECIPE, rate=0.25, head_rate=0.5, weight_decay=0.125))
    named = dict(run.network.named_parameters())
    found = {
        next(name for name, p in named.items() if p is parameter): (
            group["highest"],
            group["weight_decay"],
        )
        for group in run._optimiser.param_groups
        for parameter in group["params"]
    }
    assert found.keys() == named.keys()
    assert found["tokens.weight"] == (0.5, 0.125)
    assert found["rank.out.bias"] == (0.5, 0.0)
    assert found["encoder.embeddings.word_embeddings.weight"] == (0.25, 0.0)
    assert found["encoder.encoder.layer.1.output.dense.weight"] == (0.25, 0.125)
    assert found["encoder.encoder.layer.1.output.LayerNorm.weight"] == (0.25, 0.0)


def test_a_loss_that_is_no_number_ends_the_run(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    run.advance()
    with torch.no_grad():
        run.network.tokens.bias.fill_(float("nan"))
    with pytest.raises(InputError, match=r"the loss is nan at step 1; lower rate"):
        run.advance()


def test_nothing_to_train_on(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to train on"):
        a_run(tmp_path, windows=[])


def test_more_frozen_layers_than_there_are(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="frozen_layers=3, but the encoder has 2"):
        a_run(tmp_path, replace(RECIPE, frozen_layers=3))


def test_layers_are_frozen_only_where_they_are_known(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    run.network.encoder = torch.nn.Linear(2, 2)
    with pytest.raises(InputError, match="this one is a Linear"):
        Run(run.network, run.windows, ["a"] * 12, replace(RECIPE, frozen_layers=1), 0)


def test_a_state_must_be_whole(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    run.advance()
    tensors = run.tensors()
    lacking = {k: v for k, v in tensors.items() if k != "adam/tokens.bias/exp_avg"}
    with pytest.raises(FormatError, match=r"no optimiser state of tokens.bias"):
        run.restore(lacking, 1)
    lacking = {k: v for k, v in tensors.items() if k != "model/tokens.bias"}
    with pytest.raises(FormatError, match="does not fit the model"):
        run.restore(lacking, 1)


def test_a_limit_of_steps_ends_a_pass(tmp_path: Path) -> None:
    run = a_run(tmp_path, replace(RECIPE, steps=2))
    assert run.total == 2
    run.advance()
    assert not run.is_done
    run.advance()
    assert run.is_done
    assert a_run(tmp_path, replace(RECIPE, steps=1000)).total < 1000
