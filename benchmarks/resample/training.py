"""Training on batches it is handed, with a look at the test rows now and then.

Half of the test rows say when an accuracy is reached; the other half, which decides nothing, says
what that was worth.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from benchmarks.dataset.prototypes import learners
from benchmarks.dataset.prototypes.bench_data import Task
from datapruner.dataset.dynamic import LossSchedule


@dataclass
class Outcome:
    """What came of one training.

    Attributes:
        accuracy: on all test rows at the end, per cent.
        steps: optimiser steps.
        curve: a (step, CPU seconds of training so far, accuracy on the watched half, on the other)
            a look; empty where nobody looked.
    """

    accuracy: float = 0.0
    steps: int = 0
    curve: list[tuple[int, float, float, float]] = field(default_factory=list)


def train(task: Task, rounds: Iterable[np.ndarray], steps: int, every: int, seed: int) -> Outcome:
    """Train for so many steps on rounds of rows, the learning rate falling to 0 along a cosine.

    Args:
        task: rows and network.
        rounds: row numbers of every round; a batch does not cross their borders.
        steps: of the optimiser.
        every: steps from look to look; 0 to look at the end alone.
        seed: of the initial weights.
    """
    network = _network(task, seed)
    slope = learners.cross_entropy(task.y)
    given = itertools.islice(_batches(rounds, task.learner.batch), steps)
    found, spent, began = Outcome(), 0.0, time.process_time()
    for step, rows in enumerate(given, 1):
        rate = learners.cosine(task.learner.rate, step - 1, steps)
        network.step(task.x[rows], rows, slope, rate)
        if every and (step % every == 0 or step == steps):
            spent += time.process_time() - began
            watched, other = _halves(network, task)
            found.curve.append((step, round(spent, 4), watched, other))
            began = time.process_time()
    assert network.done == steps, f"{network.done} of {steps} steps"
    found.steps, found.accuracy = steps, _right(network, task)
    return found


def train_by_losses(task: Task, rounds: int, seed: int, keep: float) -> Outcome:
    """Train on the rounds of a ``LossSchedule`` that keeps this share of the easier rows.

    How many steps there will be is not known before; the learning rate falls along the share of
    the rounds that is over.
    """
    schedule = LossSchedule(len(task.y), rounds=rounds, keep=keep, seed=seed)
    network = _network(task, seed)
    for number in range(rounds):
        this = schedule[number]
        parts = list(_batches([np.arange(len(this))], task.learner.batch))
        losses = np.empty(len(this))
        for place, part in enumerate(parts):
            rows = this.rows[part]
            slope = _Weighted(task.y[rows], this.weights[part])
            rate = learners.cosine(task.learner.rate, number + place / len(parts), rounds)
            network.step(task.x[rows], rows, slope, rate)
            losses[part] = slope.losses
        schedule.feed(this.rows, losses)
    return Outcome(_right(network, task), network.done)


class _Weighted:
    """The slope of the weighted cross-entropy of one batch; keeps the losses without weights."""

    def __init__(self, truth: np.ndarray, weights: np.ndarray) -> None:
        self._truth = truth
        self._weights = (weights / len(truth)).astype(np.float32)[:, None]
        self.losses = np.empty(len(truth))

    def __call__(self, logits: np.ndarray, take: np.ndarray) -> np.ndarray:
        share = learners.softmax(logits)
        places = np.arange(len(self._truth))
        self.losses = -np.log(np.maximum(share[places, self._truth], 1e-12))
        share[places, self._truth] -= 1
        share *= self._weights
        return share


def _network(task: Task, seed: int) -> learners.Network:
    rng = np.random.default_rng(seed)
    return learners.Network(task.learner, task.x.shape[1], task.classes, rng)


def _batches(rounds: Iterable[np.ndarray], batch: int) -> Iterator[np.ndarray]:
    for rows in rounds:
        for start in range(0, len(rows), batch):
            yield rows[start : start + batch]


def _hits(network: learners.Network, task: Task) -> np.ndarray:
    held, truth = task.test
    hits: np.ndarray = learners.outputs(network.weights, held).argmax(1) == truth
    return hits


def _right(network: learners.Network, task: Task) -> float:
    return 100 * float(_hits(network, task).mean())


def _halves(network: learners.Network, task: Task) -> tuple[float, float]:
    """Accuracy on every other test row, and on those between them."""
    hits = _hits(network, task)
    return round(100 * float(hits[::2].mean()), 3), round(100 * float(hits[1::2].mean()), 3)
