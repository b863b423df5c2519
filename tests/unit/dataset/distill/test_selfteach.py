"""self_distill: who teaches whom, and that the caches can be gone on with."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from datapruner.dataset.distill import kd_loss, self_distill
from datapruner.errors import InputError

IDS = list(range(60))
X = torch.tensor(np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32))
Y = (X[:, 0] > 0).long()


def batches():
    yield IDS, X


def trainer(log):
    def train(cache):
        model = torch.nn.Linear(4, 2)
        with torch.no_grad():
            model.weight.zero_(), model.bias.zero_()
        rows = IDS if cache is None else IDS[::3]
        for _ in range(20):
            if cache is None:
                loss = torch.nn.functional.cross_entropy(model(X[rows]), Y[rows])
            else:
                loss = kd_loss(model(X[rows]), cache.take(rows), alpha=1)
            slopes = torch.autograd.grad(loss, model.parameters())
            with torch.no_grad():
                for weight, slope in zip(model.parameters(), slopes, strict=True):
                    weight -= 0.5 * slope
        log.append(None if cache is None else cache.folder.name)
        return model.train()

    return train


def test_each_generation_learns_from_the_one_before(tmp_path):
    log = []
    model = self_distill(trainer(log), tmp_path, IDS, batches, classes=2, generations=2)
    assert log == [None, "generation-0", "generation-1"]
    assert (model(X).argmax(1) == Y).float().mean() > 0.9


def test_training_that_repeats_itself_goes_on_with_its_caches(tmp_path):
    for _ in range(2):
        self_distill(trainer([]), tmp_path, IDS, batches, classes=2)
    assert [path.name for path in tmp_path.iterdir()] == ["generation-0"]


def test_a_model_may_be_any_function_that_has_a_name(tmp_path):
    models = iter([lambda x: x[:, :2], lambda x: x[:, 2:]])
    model = self_distill(
        lambda cache: next(models),
        tmp_path,
        IDS,
        batches,
        classes=2,
        fingerprint=lambda model: "plain",
    )
    assert torch.equal(model(X), X[:, 2:])


def test_no_generation_is_no_distillation(tmp_path):
    with pytest.raises(InputError, match=r"generations is 0; at least one model"):
        self_distill(trainer([]), tmp_path, IDS, batches, classes=2, generations=0)
