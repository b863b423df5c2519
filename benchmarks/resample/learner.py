"""One hidden layer trained on batches it is handed, in plain NumPy; AdamW, cosine to zero.

The steps are those of the rounds, for every method: the learning rate falls over them, whatever
the batches are made of.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Learner:
    """How a network is trained.

    Attributes:
        hidden: width of its one hidden layer.
        rate: highest learning rate; falls to 0 along a cosine.
        batch: rows a step, at most.
        decay: decoupled weight decay.
    """

    hidden: int = 64
    rate: float = 3e-3
    batch: int = 32
    decay: float = 1e-4


class Network:
    """Weights, and AdamW's memory of them."""

    def __init__(self, learner: Learner, d: int, classes: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.learner, self.done = learner, 0
        shapes = [(d, learner.hidden), (learner.hidden,), (learner.hidden, classes), (classes,)]
        self.weights = [
            rng.normal(0, np.sqrt(2 / shape[0]), shape).astype(np.float32)
            if len(shape) == 2
            else np.zeros(shape, np.float32)
            for shape in shapes
        ]
        self.first = [np.zeros_like(w) for w in self.weights]
        self.second = [np.zeros_like(w) for w in self.weights]

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Classes of the rows."""
        return self._forward(x)[1].argmax(1)

    def _forward(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        hidden = np.maximum(x @ self.weights[0] + self.weights[1], 0)
        return hidden, hidden @ self.weights[2] + self.weights[3]

    def step(
        self, x: np.ndarray, y: np.ndarray, turn: float, weight: np.ndarray | None = None
    ) -> np.ndarray:
        """One step on a batch; the losses of its rows before it.

        Args:
            turn: share of the training that is over, in [0, 1); the learning rate goes by it.
        """
        hidden, logits = self._forward(x)
        logits -= logits.max(1, keepdims=True)
        share = np.exp(logits)
        share /= share.sum(1, keepdims=True)
        losses = -np.log(np.maximum(share[np.arange(len(y)), y], 1e-12))
        share[np.arange(len(y)), y] -= 1
        share *= (np.ones(len(y)) if weight is None else weight)[:, None].astype(np.float32)
        share /= len(y)
        back = (share @ self.weights[2].T) * (hidden > 0)
        self._update([x.T @ back, back.sum(0), hidden.T @ share, share.sum(0)], turn)
        return losses

    def _update(self, slopes: Iterable[np.ndarray], turn: float) -> None:
        rate = self.learner.rate * 0.5 * (1 + np.cos(np.pi * turn))
        self.done += 1
        for w, m, v, slope in zip(self.weights, self.first, self.second, slopes, strict=True):
            m += 0.1 * (slope - m)
            v += 0.001 * (slope * slope - v)
            away = m / (1 - 0.9**self.done)
            spread = np.sqrt(v / (1 - 0.999**self.done)) + 1e-8
            w -= rate * (away / spread + self.learner.decay * w)
