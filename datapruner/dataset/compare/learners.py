"""The built-in learners of a comparison: a linear probe, one hidden layer, a small CNN.

All three are trained in torch with AdamW, the learning rate falling along a cosine to zero over
exactly the steps of the trial. The peak rates are what is customary for AdamW on small networks;
they were not tuned to any method, and every method gets the same.

Every column is centred, and all are divided by one number, so that they have a variance of 1 on
average; columns of different units should be scaled before.

One thread, one device, weights drawn from a stream of their own: the same trial gives the same
score, however many cores there are, and torch's global generator is neither read nor written.
"""

from __future__ import annotations

import abc
import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np

from datapruner.core.types import AnyArray, FloatArray
from datapruner.dataset.compare.trial import Trial
from datapruner.errors import InputError, MissingExtraError
from datapruner.rng import stream

__all__ = ["LEARNERS", "CNN", "MLP", "Learner", "Linear"]

_TEST_ROWS = 1024
_DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True, kw_only=True)
class Learner(abc.ABC):
    """A network that is trained on a trial and gives its accuracy on the test rows, in per cent.

    Attributes:
        rate: the highest learning rate.
        decay: AdamW's weight decay.
        device: ``"auto"`` (CUDA if there is any), ``"cpu"`` or ``"cuda"``.
    """

    rate: float = 3e-3
    decay: float = 1e-4
    device: str = "auto"
    unit: ClassVar[str] = "accuracy in per cent"

    def __post_init__(self) -> None:
        """Refuse what cannot be trained."""
        if self.device not in _DEVICES:
            raise InputError(f"device is {self.device!r}; it is one of {', '.join(_DEVICES)}.")
        if not self.rate > 0 or not self.decay >= 0:
            raise InputError(
                f"rate is {self.rate} and decay {self.decay}; give a rate above 0 and a decay of "
                "0 or more."
            )

    @abc.abstractmethod
    def weights(self, shape: tuple[int, ...], classes: int, seed: int) -> list[AnyArray]:
        """Float32 arrays to begin with, for rows of this shape."""

    @abc.abstractmethod
    def forward(self, x: Any, weights: list[Any]) -> Any:
        """Logits, shape (m, classes), of rows as ``shaped`` gives them."""

    def shaped(self, x: AnyArray) -> AnyArray:
        """Rows as the network takes them: flat."""
        return x.reshape(len(x), -1)

    def __call__(self, trial: Trial) -> float:
        """Train on the batches of the trial; the accuracy on its test rows, 0 to 100.

        Raises:
            MissingExtraError: torch is not installed.
            InputError: rows of a shape this network cannot take, or CUDA where there is none.
        """
        torch = _torch()
        start = self.weights(trial.x.shape[1:], trial.classes, trial.seed)
        with _alone(torch):
            device = self._device(torch)
            feed = partial(self._prepared, torch, device, *_scales(trial))
            weights = self._train(torch, trial, start, feed)
            with torch.no_grad():
                right = sum(
                    int((self._logits(torch, feed(x), weights).argmax(1).cpu().numpy() == y).sum())
                    for x, y in _pieces(trial.test_x, trial.test_y)
                )
        return 100 * right / len(trial.test_y)

    def _prepared(
        self, torch: Any, device: Any, mean: FloatArray, scale: float, x: AnyArray
    ) -> Any:
        return torch.from_numpy(self.shaped(((x - mean) / scale).astype(np.float32))).to(device)

    def _train(
        self, torch: Any, trial: Trial, start: list[AnyArray], feed: Callable[[AnyArray], Any]
    ) -> list[Any]:
        # One long parameter: the optimiser's own cost is a call for each tensor, not for its size.
        whole = torch.from_numpy(np.concatenate([one.ravel() for one in start]))
        whole = whole.to(self._device(torch)).requires_grad_()
        sizes = [one.size for one in start]

        def cut() -> list[Any]:
            parts = zip(whole.split(sizes), start, strict=True)
            return [part.view(one.shape) for part, one in parts]

        optimiser = torch.optim.AdamW([whole], lr=self.rate, weight_decay=self.decay)
        (group,) = optimiser.param_groups
        for step, rows in enumerate(trial.batches):
            group["lr"] = self.rate * 0.5 * (1 + math.cos(math.pi * step / trial.steps))
            y = torch.from_numpy(trial.y[rows]).to(whole.device)
            loss = torch.nn.functional.cross_entropy(self.forward(feed(trial.x[rows]), cut()), y)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        return cut()

    def _logits(self, torch: Any, x: Any, weights: list[Any]) -> Any:
        logits = self.forward(x, weights)
        if not bool(torch.isfinite(logits).all()):
            raise InputError(
                f"the network gives logits that are not finite: at a rate of {self.rate} the "
                "training diverged. Lower the rate, or scale the features."
            )
        return logits

    def _device(self, torch: Any) -> Any:
        has_cuda = self.device != "cpu" and torch.cuda.is_available()
        if self.device == "cuda" and not has_cuda:
            raise InputError('device="cuda" needs a GPU that torch sees; use device="auto".')
        return torch.device("cuda" if has_cuda else "cpu")


@dataclass(frozen=True, kw_only=True)
class Linear(Learner):
    """A linear probe: multinomial logistic regression by AdamW, from weights of zero."""

    rate: float = 1e-2

    def weights(self, shape: tuple[int, ...], classes: int, seed: int) -> list[AnyArray]:
        """A matrix and a bias of zeros: the loss is convex, so any start would do."""
        width = int(np.prod(shape))
        return [np.zeros((classes, width), np.float32), np.zeros(classes, np.float32)]

    def forward(self, x: Any, weights: list[Any]) -> Any:
        """One product."""
        return _torch().nn.functional.linear(x, *weights)


@dataclass(frozen=True, kw_only=True)
class MLP(Learner):
    """One hidden layer of rectified units.

    Attributes:
        hidden: how many.
    """

    hidden: int = 64

    def __post_init__(self) -> None:
        """Refuse what cannot be trained."""
        super().__post_init__()
        _check_width("hidden", self.hidden)

    def weights(self, shape: tuple[int, ...], classes: int, seed: int) -> list[AnyArray]:
        """He-normal matrices, biases of zero."""
        rng = stream(seed, "mlp")
        hidden = _he(rng, (self.hidden, int(np.prod(shape))))
        return [*hidden, *_he(rng, (classes, self.hidden))]

    def forward(self, x: Any, weights: list[Any]) -> Any:
        """Two products and a rectifier."""
        f = _torch().nn.functional
        return f.linear(f.relu(f.linear(x, *weights[:2])), *weights[2:])


@dataclass(frozen=True, kw_only=True)
class CNN(Learner):
    """Two convolutions of 3 x 3, each rectified and halved by a maximum, then a linear layer.

    Takes images, (n, height, width) or (n, height, width, channels), of 4 x 4 pixels or more.

    Attributes:
        channels: of the first convolution; the second has twice as many.
    """

    channels: int = 16

    def __post_init__(self) -> None:
        """Refuse what cannot be trained."""
        super().__post_init__()
        _check_width("channels", self.channels)

    def weights(self, shape: tuple[int, ...], classes: int, seed: int) -> list[AnyArray]:
        """He-normal kernels and matrix, biases of zero.

        Raises:
            InputError: the rows are no images.
        """
        if len(shape) not in (2, 3) or min(shape[:2]) < 4:
            shown = " x ".join(map(str, shape))
            raise InputError(
                f"the rows are of shape {shown}, and a CNN needs images: features of shape (n, "
                "height, width) or (n, height, width, channels), 4 x 4 pixels or more. Reshape "
                'them, or take recipe="mlp".'
            )
        rng = stream(seed, "cnn")
        depth = shape[2] if len(shape) == 3 else 1
        first, second = self.channels, 2 * self.channels
        flat = second * (shape[0] // 4) * (shape[1] // 4)
        return [
            *_he(rng, (first, depth, 3, 3)),
            *_he(rng, (second, first, 3, 3)),
            *_he(rng, (classes, flat)),
        ]

    def forward(self, x: Any, weights: list[Any]) -> Any:
        """Convolve, rectify, halve, twice; then one product."""
        f = _torch().nn.functional
        for kernel, bias in (weights[:2], weights[2:4]):
            x = f.max_pool2d(f.relu(f.conv2d(x, kernel, bias, padding=1)), 2)
        return f.linear(x.flatten(1), *weights[4:])

    def shaped(self, x: AnyArray) -> AnyArray:
        """Shape (m, channels, height, width)."""
        deep = x[..., None] if x.ndim == 3 else x
        return np.ascontiguousarray(np.moveaxis(deep, -1, 1))


LEARNERS: dict[str, type[Learner]] = {"linear": Linear, "mlp": MLP, "cnn": CNN}
"""What a recipe may be called."""


def _he(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[AnyArray, AnyArray]:
    """Weights of variance 2 / inputs (He et al. 2015), and a bias of zeros."""
    weights = rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))
    return weights.astype(np.float32), np.zeros(shape[0], np.float32)


def _scales(trial: Trial) -> tuple[FloatArray, float]:
    """What to take off every column, and the one number to divide all by.

    One for all, for columns of one unit, as of embeddings and pixels, say by their size what they
    matter: a pixel that is hardly ever lit would become as loud as the others.
    """
    mean, variance = trial.ground.moments
    return mean, math.sqrt(float(variance.mean())) or 1.0


def _check_width(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InputError(f"{name} is {value!r}; give a whole number, 1 or more.")


def _pieces(x: AnyArray, y: AnyArray) -> Iterator[tuple[AnyArray, AnyArray]]:
    for start in range(0, len(y), _TEST_ROWS):
        yield x[start : start + _TEST_ROWS], y[start : start + _TEST_ROWS]


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError(
            'the built-in learners need torch: pip install "datapruner[cpu]", or give a recipe of '
            "your own."
        ) from error
    return torch


@contextlib.contextmanager
def _alone(torch: Any) -> Iterator[None]:
    """One thread, and convolutions that repeat themselves to the bit; then as it was."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
            yield
    finally:
        torch.set_num_threads(before)
