"""What each method trains on: a list of batches for every round, the same number of steps each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

import datapruner as dp
from benchmarks.common import features, loaders
from benchmarks.resample.learner import Learner, Network
from datapruner.dataset.dynamic import LossSchedule

ROUNDS = 60
STATIC = ("fixed random", "prototypes", "k-centre")
METHODS = (*STATIC, "RS2 with", "RS2 without", "RS2 stratified", "full, same steps")


@dataclass(frozen=True, eq=False)
class Task:
    """Rows to learn from, and rows to be judged by."""

    name: str
    x: np.ndarray
    y: np.ndarray
    test: tuple[np.ndarray, np.ndarray]
    components: int
    learner: Learner
    fingerprint: str


def digits(seed: int) -> Task:
    """The digits of scikit-learn, another split for every seed."""
    raw = loaders.digits(seed)
    x, held = raw.train / 16 - 0.3, raw.test / 16 - 0.3
    return _task(raw, x, held, 24, Learner())


def fashion(seed: int) -> Task:
    """Fashion-MNIST."""
    raw = loaders.fashion()
    x, held = (part / np.float32(255) - np.float32(0.286) for part in (raw.train, raw.test))
    return _task(raw, x, held, 64, Learner(hidden=128, rate=2e-3, batch=128))


def _task(raw: loaders.Raw, x: np.ndarray, held: np.ndarray, d: int, learner: Learner) -> Task:
    test = held.astype(np.float32), raw.test_label
    return Task(raw.name, x.astype(np.float32), raw.label, test, d, learner, raw.fingerprint)


TASKS = {"digits": digits, "fashion": fashion}


def rounds_of(method: str, task: Task, budget: str, rounds: int, seed: int) -> Iterator[np.ndarray]:
    """Row numbers of every round, in the order to train on them."""
    n = len(task.y)
    options = {"budget": budget, "rounds": rounds, "seed": seed}
    if method.startswith("RS2"):
        label = task.y if method == "RS2 stratified" else None
        schedule = dp.resample(n, replacement=method == "RS2 with", label=label, **options)
        return (this.rows for this in schedule)
    if method in STATIC:
        rows = static_rows(method, task, budget, seed)
        again = dp.resample(rows.size, budget="100%", rounds=rounds, seed=seed)
        return (rows[this.rows] for this in again)
    raise ValueError(f"no method {method!r}")


def static_rows(method: str, task: Task, budget: str, seed: int) -> np.ndarray:
    """A subset that stays as it is: drawn, or chosen by prototypes of principal components."""
    if method == "fixed random":
        return dp.resample(len(task.y), budget=budget, replacement=True, seed=seed)[0].rows
    embedding = features.unit(features.principal(task.x, task.test[0], task.components)[0])
    pick = "kcentre" if method == "k-centre" else None
    return dp.prune(embedding, budget=budget, pick=pick, label=task.y, k=10, seed=seed).indices


def accuracy(method: str, task: Task, budget: str, rounds: int, seed: int) -> tuple[float, int]:
    """Test accuracy in per cent, and the optimiser steps it took."""
    batch = task.learner.batch
    steps = dp.resample(len(task.y), budget=budget, rounds=rounds).steps(batch)
    network = _network(task, seed)
    if method == "full, same steps":
        whole = dp.resample(len(task.y), budget="100%", seed=seed)
        batches = (part for this in whole for part in _batches(this.rows, batch))
    else:
        given = rounds_of(method, task, budget, rounds, seed)
        batches = (part for rows in given for part in _batches(rows, batch))
    for step in range(steps):
        rows = next(batches)
        network.step(task.x[rows], task.y[rows], step / steps)
    return _right(network, task), network.done


def dynamic(task: Task, rounds: int, seed: int, keep: float) -> tuple[float, int]:
    """As ``accuracy``, with the rounds of a LossSchedule; ``keep`` of 1 is a full run.

    How many steps there will be is not known before; the learning rate falls along the share of
    the rounds that is over.
    """
    schedule = LossSchedule(len(task.y), rounds=rounds, keep=keep, seed=seed)
    network = _network(task, seed)
    for number in range(rounds):
        this = schedule[number]
        parts = _batches(np.arange(len(this)), task.learner.batch)
        losses = np.empty(len(this))
        for place, part in enumerate(parts):
            rows, turn = this.rows[part], (number + place / len(parts)) / rounds
            losses[part] = network.step(task.x[rows], task.y[rows], turn, this.weights[part])
        schedule.feed(this.rows, losses)
    return _right(network, task), network.done


def _network(task: Task, seed: int) -> Network:
    return Network(task.learner, task.x.shape[1], int(task.y.max()) + 1, seed)


def _batches(rows: np.ndarray, batch: int) -> list[np.ndarray]:
    return [rows[a : a + batch] for a in range(0, len(rows), batch)]


def _right(network: Network, task: Task) -> float:
    return 100 * float((network.predict(task.test[0]) == task.test[1]).mean())
