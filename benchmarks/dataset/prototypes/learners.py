"""The learners of the benchmark: linear heads and one-hidden-layer networks in plain NumPy.

AdamW with a cosine to zero and a fixed number of steps, whatever was kept: at any share every
method gets the same optimiser steps on batches of the same size. Batches run through a fresh
permutation of the kept rows each time they are used up. Written by hand because at these sizes a
framework spends most of a step on its own book-keeping (three to five times slower for digits).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

# From the logits of a batch and its row numbers to the gradient of the mean loss in the logits;
# may write into the logits.
Slope = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Learner:
    """How one classifier is trained.

    Attributes:
        hidden: width of the hidden layer; 0 is a linear head.
        steps: optimiser steps, the same for every method and share.
        batch: rows a step (all kept rows, if fewer).
        rate: highest learning rate of AdamW; falls to 0 along a cosine.
        decay: decoupled weight decay.
    """

    hidden: int
    steps: int
    batch: int
    rate: float
    decay: float = 1e-4


def accuracy(
    learner: Learner,
    x: np.ndarray,
    y: np.ndarray,
    test: tuple[np.ndarray, np.ndarray],
    classes: int,
    seed: int,
) -> float:
    """Test accuracy in per cent after training on the rows ``x``, ``y``.

    Args:
        learner: architecture and steps.
        x: shape (k, d), float32.
        y: shape (k,), 0..classes-1; a class may be absent.
        test: rows and labels held out.
        classes: number of outputs.
        seed: of the initial weights and the order of the batches.
    """
    return 100.0 * float((predictions(learner, x, y, test[0], classes, seed) == test[1]).mean())


def predictions(
    learner: Learner, x: np.ndarray, y: np.ndarray, held: np.ndarray, classes: int, seed: int
) -> np.ndarray:
    """Classes of the held-out rows after the same training; arguments as in ``accuracy``."""
    weights = train(learner, x, cross_entropy(y), classes, np.random.default_rng(seed))
    return outputs(weights, held).argmax(1)


def outputs(weights: list[np.ndarray], x: np.ndarray) -> np.ndarray:
    """Logits of some rows under trained weights: shape (m, classes)."""
    return np.concatenate([activations(weights, rows)[-1] for rows in _pieces(x)])


def cross_entropy(y: np.ndarray) -> Slope:
    """The slope of the mean cross-entropy with the labels ``y`` of all rows."""

    def slope(logits: np.ndarray, take: np.ndarray) -> np.ndarray:
        truth = y[take]
        softmax(logits)
        logits[np.arange(len(truth)), truth] -= 1
        logits /= len(truth)
        return logits

    return slope


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities, written over the logits."""
    logits -= logits.max(1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(1, keepdims=True)
    return logits


def _pieces(x: np.ndarray) -> list[np.ndarray]:
    return [x[a : a + 2000] for a in range(0, len(x), 2000)]


def _shapes(d: int, hidden: int, classes: int) -> list[tuple[int, ...]]:
    if not hidden:
        return [(d, classes), (classes,)]
    return [(d, hidden), (hidden,), (hidden, classes), (classes,)]


def _views(flat: np.ndarray, shapes: list[tuple[int, ...]]) -> list[np.ndarray]:
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    parts = np.split(flat, ends[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]


def _initial(shapes: list[tuple[int, ...]], rng: np.random.Generator) -> np.ndarray:
    """He-normal weights and zero biases; a linear head starts at zero."""
    flat = np.zeros(sum(int(np.prod(shape)) for shape in shapes), dtype=np.float32)
    if len(shapes) == 4:
        for view in _views(flat, shapes):
            if view.ndim == 2:
                view[:] = rng.normal(0, np.sqrt(2 / len(view)), view.shape)
    return flat


def activations(weights: list[np.ndarray], x: np.ndarray) -> list[np.ndarray]:
    """Activations of every layer, the logits last."""
    if len(weights) == 2:
        return [x @ weights[0] + weights[1]]
    hidden = np.maximum(x @ weights[0] + weights[1], 0)
    return [hidden, hidden @ weights[2] + weights[3]]


class Network:
    """A learner's weights while they are trained, and AdamW's memory of them.

    Attributes:
        weights: one array a layer and bias; ``outputs`` takes them.
        done: steps so far.
    """

    def __init__(self, learner: Learner, d: int, classes: int, rng: np.random.Generator) -> None:
        shapes = _shapes(d, learner.hidden, classes)
        self._decay = learner.decay
        self._flat = _initial(shapes, rng)
        self._gradient, self._scratch = np.zeros_like(self._flat), np.empty_like(self._flat)
        self._first, self._second = np.zeros_like(self._flat), np.zeros_like(self._flat)
        self.weights, self._grads = _views(self._flat, shapes), _views(self._gradient, shapes)
        self.done = 0

    def step(self, x: np.ndarray, take: np.ndarray, slope: Slope, rate: np.float64) -> None:
        """One step on a batch: the rows ``x``, whose numbers ``take`` are passed to the slope."""
        self._backward(x, take, slope)
        self.done += 1
        first, second, scratch = self._first, self._second, self._scratch
        first *= 0.9
        first += 0.1 * self._gradient
        np.square(self._gradient, out=scratch)
        second *= 0.999
        second += 0.001 * scratch
        np.multiply(second, 1 / (1 - 0.999**self.done), out=scratch)
        np.sqrt(scratch, out=scratch)
        scratch += 1e-8
        np.divide(first, scratch, out=scratch)
        scratch *= rate / (1 - 0.9**self.done)
        self._flat *= 1 - rate * self._decay
        self._flat -= scratch

    def _backward(self, x: np.ndarray, take: np.ndarray, slope: Slope) -> None:
        """Gradient of the mean loss of one batch, written into that of all weights."""
        weights, grads = self.weights, self._grads
        layers = activations(weights, x)
        logits = slope(layers[-1], take)
        below = layers[0] if len(layers) == 2 else x
        np.matmul(below.T, logits, out=grads[-2])
        logits.sum(0, out=grads[-1])
        if len(layers) == 2:
            back = logits @ weights[2].T
            back *= layers[0] > 0
            np.matmul(x.T, back, out=grads[0])
            back.sum(0, out=grads[1])


def cosine(peak: float, done: float, of: float) -> np.float64:
    """The learning rate after so much of the training: from the peak down to 0.

    A NumPy scalar and no bare float: with the latter a step multiplies in another precision.
    """
    return peak * 0.5 * (1 + np.cos(np.pi * done / of))


def train(
    learner: Learner, x: np.ndarray, slope: Slope, classes: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """Weights after training on the rows ``x`` with the loss that ``slope`` belongs to."""
    network = Network(learner, x.shape[1], classes, rng)
    for step, take in enumerate(batches(len(x), learner, rng)):
        network.step(x[take], take, slope, cosine(learner.rate, step, learner.steps))
    return network.weights


def batches(n: int, learner: Learner, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Row numbers of every step, from permutation after permutation of n rows."""
    batch = min(learner.batch, n)
    passes = -(-batch * learner.steps // n)
    rows = np.concatenate([rng.permutation(n) for _ in range(passes)])
    return (rows[step * batch : (step + 1) * batch] for step in range(learner.steps))
