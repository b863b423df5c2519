"""The built-in learners learn, repeat themselves, and leave torch as they found it."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from datapruner.dataset.compare import CNN, MLP, Linear, Trial
from datapruner.dataset.compare.learners import LEARNERS, Learner
from datapruner.dataset.compare.trial import Batches, Ground, of_subset
from datapruner.errors import InputError, MissingExtraError


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    return x[order], y[order].astype(np.int64)


def trial(
    x: np.ndarray, y: np.ndarray, *, steps: int = 200, seed: int = 0, held: int = 400
) -> Trial:
    ground = Ground(
        x=x,
        y=y,
        keys=np.arange(len(y), dtype=np.uint64),
        train=np.arange(held, len(y)),
        test_x=x[:held],
        test_y=y[:held],
        classes=tuple(map(str, range(int(y.max()) + 1))),
        seed=seed,
    )
    batches = Batches(of_subset(ground, ground.train), steps, 32)
    return Trial(method="all", budget="all", rows=ground.train, batches=batches, ground=ground)


@pytest.mark.parametrize("learner", [Linear(), MLP(), CNN(rate=1e-2)])
def test_all_rows_of_digits_are_learnt(learner: Learner, digits: Any) -> None:
    x, y = digits
    images = x.reshape(-1, 8, 8) if isinstance(learner, CNN) else x
    one = trial(images, y)
    assert learner(one) > 90
    assert one.batches.taken == 200


@pytest.mark.parametrize("name", ["linear", "mlp", "cnn"])
def test_a_trial_gives_the_same_score_again_whatever_torch_is_set_to(
    name: str, digits: Any
) -> None:
    x, y = digits[0].reshape(-1, 8, 8), digits[1]
    learner = LEARNERS[name](device="cpu")
    torch.manual_seed(1)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    first = learner(trial(x, y, steps=20))
    assert torch.equal(torch.get_rng_state(), before)
    torch.set_num_threads(2)
    try:
        torch.manual_seed(2)
        assert learner(trial(x, y, steps=20)) == first
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert learner(trial(x, y, steps=20, seed=1)) != first


def test_a_linear_probe_is_softmax_regression_by_adamw(digits: Any) -> None:
    """Against torch's own modules, fed with the same batches."""
    x, y = digits[0][:300], digits[1][:300]
    steps = 15
    score = Linear(rate=0.02, decay=0.1, device="cpu")(trial(x, y, steps=steps, held=100))
    again = trial(x, y, steps=steps, held=100)
    model = torch.nn.Linear(64, 10)
    with torch.no_grad():
        model.weight.zero_()
        model.bias.zero_()
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.02, weight_decay=0.1)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    train = x[100:]
    scaled = (x - train.mean(0)) / np.sqrt(train.var(0).mean())
    inputs = torch.tensor(scaled, dtype=torch.float32)
    for rows in again.batches:
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(model(inputs[rows]), torch.tensor(y[rows])).backward()
        optimiser.step()
        falling.step()
    with torch.no_grad():
        right = (model(inputs[:100]).argmax(1).numpy() == y[:100]).mean()
    assert score == pytest.approx(100 * right, abs=1.01)  # a near tie of two logits may flip


def test_columns_that_never_vary_do_no_harm() -> None:
    x, y = np.ones((60, 3)), np.arange(60) % 2
    assert Linear()(trial(x, y, steps=5, held=20)) == pytest.approx(50, abs=1)
    x[:, 1] = y
    assert Linear(rate=0.1)(trial(x, y, steps=40, held=20)) == 100


def test_images_may_have_channels_and_whole_numbers() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(120) % 2
    x = rng.integers(0, 100, (120, 5, 6, 3)).astype(np.uint8)
    x[y == 1, :, :, 1] += 100
    assert CNN(channels=4, rate=1e-2)(trial(x, y, steps=40, held=40)) > 90


@pytest.mark.parametrize("shape", [(7,), (3, 9), (9, 3, 1), (4, 4, 2, 2)])
def test_a_cnn_refuses_what_is_no_image(shape: tuple[int, ...]) -> None:
    x, y = np.zeros((60, *shape)), np.arange(60) % 2
    with pytest.raises(InputError, match="a CNN needs images"):
        CNN()(trial(x, y, steps=1, held=20))


def test_a_run_that_diverged_gives_no_score(digits: Any) -> None:
    with pytest.raises(InputError, match="not finite: at a rate of"):
        MLP(rate=1e25)(trial(*digits, steps=8))


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"device": "gpu"}, "device is 'gpu'"),
        ({"rate": 0}, "rate is 0"),
        ({"decay": -1.0}, "decay -1.0"),
        ({"hidden": 0}, "hidden is 0"),
        ({"hidden": True}, "hidden is True"),
    ],
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(InputError, match=why):
        MLP(**wrong)


def test_a_cnn_without_channels_is_refused() -> None:
    with pytest.raises(InputError, match="channels is 0"):
        CNN(channels=0)


def test_cuda_must_be_there_if_it_is_asked_for(digits: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match='device="cuda" needs a GPU'):
        Linear(device="cuda")(trial(*digits, steps=1))


def test_without_torch_the_error_says_what_to_install(digits: Any, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r'pip install "datapruner\[cpu\]"'):
        Linear()(trial(*digits, steps=1))


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["linear", "mlp", "cnn"])
def test_the_gpu_scores_as_the_cpu_does(name: str, digits: Any) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    x, y = digits[0].reshape(-1, 8, 8), digits[1]
    there, here = (LEARNERS[name](device=device)(trial(x, y)) for device in ("cuda", "cpu"))
    assert there == pytest.approx(here, abs=2)
    assert LEARNERS[name](device="cuda")(trial(x, y)) == there
