"""Cells: one training on what a score keeps; finished ones are remembered across runs."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

import datapruner
from benchmarks.common.features import cache_folder
from benchmarks.dataset.prototypes import bench_data, learners
from benchmarks.dataset.prototypes.bench_data import Task
from benchmarks.dataset.prototypes.cells import Store
from benchmarks.distill.students import flipped
from benchmarks.scores.judges import EPOCHS, HALF_RUNS, SCORES, SHORT_RUNS, Judge
from datapruner import Budget
from datapruner.rng import stream

VERSION = "scores-1"  # raise it when scores, picks or training change: finished cells are redone
SETS = ("digits", "banking77", "cifar10", "clinc150", "fashion")
NOISY = ("digits", "banking77")
NOISE = 0.2
HALVED = ("fashion", "cifar10")  # half of the steps of dataset/prototypes, for time's sake
SHARES = (0.1, 0.3, 0.5)
PICKS = {"hard": "high", "easy": "low", "mixed": "mixed", "ccs": "ccs"}
TWINS = ("entropy", "confidence")  # they rank nearly as margin does
IN_DETAIL = ("digits", "banking77")  # on the others hard ends and strata alone, without a control
RANDOM, WHOLE, MODERATE, NULL, FRESH = "random", "all", "moderate", "null", "RS2"
NULL_SCORE = "el2n"  # whose values are shuffled


@dataclass(frozen=True)
class Cell:
    """One training: which rows are kept, and the seed of everything random in it.

    ``score`` is a score, of which ``end`` is kept, or one of the five that need no score.
    """

    dataset: str
    noise: float
    score: str
    end: str
    share: float
    seed: int


def variants(dataset: str) -> tuple[float, ...]:
    """Shares of wrong labels that a set is tried with."""
    return (0.0, NOISE) if dataset in NOISY else (0.0,)


def plan(
    dataset: str, noises: tuple[float, ...], shares: tuple[float, ...], seeds: int
) -> list[Cell]:
    """The table of one set, ordered so that what a seed needs is made once."""
    cells = []
    for noise, seed in itertools.product(noises, range(seeds)):
        cells.append(Cell(dataset, noise, WHOLE, "", 1.0, seed))
        for share in shares:
            names = [(name, "") for name in (RANDOM, FRESH, MODERATE)]
            names += [(NULL, "")] if dataset in IN_DETAIL else []
            names += [
                (score, end) for score in SCORES for end in ends(dataset, score, share, noise)
            ]
            cells += [Cell(dataset, noise, score, end, share, seed) for score, end in names]
    return cells


def ends(dataset: str, score: str, share: float, noise: float) -> list[str]:
    """What is tried of a score: the two main ends everywhere, the others where they may matter."""
    is_detailed = dataset in IN_DETAIL
    if score in TWINS:
        return ["hard", "ccs"] if is_detailed and not noise else []
    found = ["hard", "ccs"]
    if is_detailed and (noise or share == 0.3):
        found.append("easy")
    if is_detailed and not noise and share <= 0.3:
        found.append("mixed")
    return found


def task_of(dataset: str, seed: int) -> Task:
    """The task of the prototypes benchmark, on images with half of the steps."""
    task = bench_data.load(dataset, seed)
    if dataset not in HALVED:
        return task
    learner = dataclasses.replace(task.learner, steps=task.learner.steps // 2)
    return dataclasses.replace(task, learner=learner)


def store() -> Store:
    """The cells finished so far; rows that were trained on before are not trained on again."""
    return Store(cache_folder() / "cells-scores.jsonl")


def run(cells: list[Cell], known: Store) -> list[dict[str, Any]]:
    """The records of all cells: their fields, ``kept``, ``accuracy`` and ``score_s``.

    ``score_s`` is what making the score took, in CPU seconds, runs included; 0 for what needs none.
    """
    records, began, fresh = [], time.perf_counter(), 0
    for (dataset, noise, seed), group in itertools.groupby(
        cells, key=lambda cell: (cell.dataset, cell.noise, cell.seed)
    ):
        task = task_of(dataset, seed)
        y = flipped(task.y, task.classes, noise, seed) if noise else task.y
        judge = Judge(task, y, seed)
        for cell in group:
            key = _digest(task, repr(cell), str((SHORT_RUNS, HALF_RUNS, EPOCHS)))
            if key not in known.cells:
                known.add({**_measure(cell, judge, known), "key": key})
                fresh += 1
                if fresh % 100 == 1:
                    seconds = time.perf_counter() - began
                    done = f"{len(records)}/{len(cells)}"
                    print(f"{done} cells, {seconds:.0f} s, {cell}", file=sys.stderr)
            records.append(known.cells[key])
        judge.close()
    return records


def _measure(cell: Cell, judge: Judge, known: Store) -> dict[str, Any]:
    task, n = judge.task, len(judge.y)
    count = math.floor(cell.share * n + 1e-9)
    if cell.score == FRESH:
        training = _digest(task, str(cell.noise), str(cell.seed), FRESH, str(cell.share))
    else:
        rows = _kept(cell, judge, count)
        assert len(np.unique(rows)) == count, f"{cell}: {len(rows)} rows kept, {count} asked for"
        bits = hashlib.sha256(rows.astype(np.int64)).hexdigest()
        training = _digest(task, str(cell.noise), str(cell.seed), bits)
    accuracy = known.trained.get(training)
    if accuracy is None:
        fresh = cell.score == FRESH
        accuracy = _fresh(cell, judge) if fresh else _fixed(rows, judge, cell.seed)
    return {
        **asdict(cell),
        "kept": count,
        "accuracy": round(accuracy, 4),
        "score_s": round(judge.cost(cell.score), 3) if cell.score in SCORES else 0.0,
        "data": task.fingerprint,
        "learner": asdict(task.learner),
        "training": training,
    }


def _kept(cell: Cell, judge: Judge, count: int) -> np.ndarray:
    """Rows kept, ascending; every one of them is kept by the library."""
    if cell.score == WHOLE:
        return np.arange(len(judge.y))
    scores, pick = judge.scores(NULL_SCORE), "uniform"
    if cell.score == MODERATE:
        pick = "moderate"
    elif cell.score == NULL:
        order = stream(cell.seed, "null").permutation(len(judge.y))
        scores, pick = dataclasses.replace(scores, values=scores.values[order]), "high"
    elif cell.score != RANDOM:
        scores, pick = judge.scores(cell.score), PICKS[cell.end]
    rows: np.ndarray = datapruner.select(
        scores, Budget(count=count), pick=pick, allocate="whole", seed=cell.seed
    ).indices
    return rows


def _fixed(rows: np.ndarray, judge: Judge, seed: int) -> float:
    task = judge.task
    x, y = task.x[rows], judge.y[rows]
    return learners.accuracy(task.learner, x, y, task.test, task.classes, seed)


def _fresh(cell: Cell, judge: Judge) -> float:
    """RS2 without replacement: as many steps, on rounds of this share laid end to end."""
    task, learner = judge.task, judge.task.learner
    rng = np.random.default_rng(cell.seed)
    network = learners.Network(learner, task.x.shape[1], task.classes, rng)
    slope = learners.cross_entropy(judge.y)
    schedule = datapruner.resample(len(judge.y), budget=cell.share, seed=cell.seed)
    steps = itertools.islice(_batches(schedule, learner.batch), learner.steps)
    for step, rows in enumerate(steps):
        network.step(task.x[rows], rows, slope, learners.cosine(learner.rate, step, learner.steps))
    held, truth = task.test
    return 100.0 * float((learners.outputs(network.weights, held).argmax(1) == truth).mean())


def _batches(schedule: datapruner.Schedule, batch: int) -> Iterator[np.ndarray]:
    left = np.empty(0, dtype=np.int64)
    for this in schedule:
        left = np.concatenate([left, this.rows])
        for start in range(0, len(left) - batch + 1, batch):
            yield left[start : start + batch]
        left = left[len(left) - len(left) % batch :]


def _digest(task: Task, *parts: str) -> str:
    whole = [VERSION, task.name, task.fingerprint, repr(task.learner), *parts]
    return hashlib.sha256("\x1f".join(whole).encode()).hexdigest()[:20]
