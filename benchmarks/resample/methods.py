"""What each method trains on: the rows of every round, the same number of steps for each.

Sets, networks and learning rates are those of the benchmark of prototypes. Fixed subsets are made
by the library: from prototypes, from a covering of the vectors, and from the long logged run of the
benchmark of scores.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import lru_cache

import numpy as np

import datapruner as dp
from benchmarks.dataset.prototypes import bench_data
from benchmarks.dataset.prototypes.bench_data import Task
from benchmarks.scores.judges import Judge

SETS = ("digits", "fashion", "cifar10", "banking77", "clinc150")
STATIC = ("fixed random", "prototypes", "k-centre", "margin", "strata of margin")
FRESH = ("RS2 with", "RS2 without", "RS2 stratified")
SAME = "full, same steps"
METHODS = (*STATIC, *FRESH, SAME)
# Fixed subsets that are read off a score: the score, and the picker.
SCORED = {
    "prototypes": ("prototypes", "mixed"),
    "margin": ("margin", "high"),
    "strata of margin": ("margin", "ccs"),
}
MOST_COVERED = 20_000  # rows; above it k-centre takes minutes


def rounds_of(method: str, task: Task, budget: str, rounds: int, seed: int) -> Iterator[np.ndarray]:
    """Row numbers of every round, in the order to train on them; without an end for ``SAME``."""
    n = len(task.y)
    if method in FRESH:
        label = task.y if method == "RS2 stratified" else None
        replaced = method == "RS2 with"
        schedule = dp.resample(
            n, budget=budget, rounds=rounds, replacement=replaced, label=label, seed=seed
        )
        return (this.rows for this in schedule)
    if method == SAME:
        return (this.rows for this in dp.resample(n, budget="100%", seed=seed))
    rows = static_rows(method, task, budget, seed)[0]
    again = dp.resample(rows.size, budget="100%", rounds=rounds, seed=seed)
    return (rows[this.rows] for this in again)


def static_rows(method: str, task: Task, budget: str, seed: int) -> tuple[np.ndarray, float]:
    """A subset that stays as it is, and the CPU seconds it took, scoring included."""
    began = time.process_time()
    if method == "fixed random":
        rows = dp.resample(len(task.y), budget=budget, replacement=True, seed=seed)[0].rows
        return rows, time.process_time() - began
    if method == "k-centre":
        return _cover(task.name, seed, budget)
    name, pick = SCORED[method]
    judge = _judge(task.name, seed)
    scores = judge.scores(name)
    began = time.process_time()
    rows = dp.select(scores, budget, pick=pick, seed=seed).indices
    return rows, judge.cost(name) + time.process_time() - began


@lru_cache(maxsize=1)
def _judge(name: str, seed: int) -> Judge:
    task = bench_data.load(name, seed)
    return Judge(task, task.y, seed)


def _cover(name: str, seed: int, budget: str) -> tuple[np.ndarray, float]:
    """A covering has no seed; a set of one split is covered once."""
    return _covered(name, 0 if name in bench_data.FIXED else seed, budget)


@lru_cache(maxsize=8)
def _covered(name: str, seed: int, budget: str) -> tuple[np.ndarray, float]:
    scores = _judge(name, seed).scores("prototypes")  # a covering reads their vectors alone
    began = time.process_time()
    rows = dp.select(scores, budget, pick="kcentre").indices
    return rows, time.process_time() - began
