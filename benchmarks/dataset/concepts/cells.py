"""Cells: one (set, method, share, seed) each, finished ones remembered across runs."""

from __future__ import annotations

import hashlib
import math
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from benchmarks.common.features import cache_folder
from benchmarks.dataset.concepts import data
from benchmarks.dataset.concepts.choose import ALL, METHODS, SELECTOR, Chooser
from benchmarks.dataset.prototypes.cells import Store
from benchmarks.dataset.prototypes.learners import predictions


@dataclass(frozen=True)
class Cell:
    """One training run: which rows are kept, and the seed of everything random in it."""

    dataset: str
    method: str
    share: float
    seed: int


def plan(dataset: str, shares: list[float], seeds: int) -> list[Cell]:
    """Everything kept, and every method at every share, for every seed."""
    cells = []
    for seed in range(seeds):
        cells.append(Cell(dataset, ALL, 1.0, seed))
        cells += [Cell(dataset, method, share, seed) for share in shares for method in METHODS]
    return cells


def store() -> Store:
    """Finished cells of this benchmark, beside the features."""
    return Store(cache_folder() / "cells-concepts.jsonl")


def run(cells: list[Cell], known: Store) -> list[dict[str, Any]]:
    """The records of all cells of one set, those not yet known computed in order.

    Each record holds the cell's fields, ``kept`` (rows), and in per cent ``accuracy`` (the mean
    over classes), ``worst`` (the worst class), ``worst_tenth`` (the mean of the worst tenth), and
    where there are two kinds of classes their means, ``narrow`` and ``broad``.
    """
    task = data.load(cells[0].dataset)
    records, chooser, began = [], None, time.perf_counter()
    for number, cell in enumerate(cells):
        key = _digest(task, cell, SELECTOR)
        if key not in known.cells:
            if chooser is None or chooser[0] != cell.seed:
                chooser = cell.seed, Chooser(task, cell.seed)
            known.add({**_measure(cell, task, chooser[1]), "training": key, "key": key})
            if number % 20 == 0:
                spent = time.perf_counter() - began
                print(
                    f"{cell.dataset}: {number}/{len(cells)} cells, {spent:.0f} s", file=sys.stderr
                )
        records.append(known.cells[key])
    return records


def composition(name: str, shares: list[float]) -> list[dict[str, Any]]:
    """Of what every method keeps, the share of rows of broad classes in per cent; seed 0."""
    task = data.load(name)
    if task.broad_from is None:
        return []
    chooser, n = Chooser(task, 0), len(task.y)
    found = []
    for method in METHODS:
        for share in shares:
            rows = chooser.kept(method, math.floor(share * n + 1e-9))
            broad = 100 * float((task.y[rows] >= task.broad_from).mean())
            found.append({"dataset": name, "method": method, "share": share, "broad": broad})
    found.append(
        {
            "dataset": name,
            "method": ALL,
            "share": 1.0,
            "broad": 100 * float((task.y >= task.broad_from).mean()),
        }
    )
    return found


def score_seconds(name: str) -> float:
    """Wall seconds of scoring with concepts, embeddings given: median of five after a warm-up."""
    task, spent = data.load(name), []
    for seed in range(6):
        chooser, began = Chooser(task, seed), time.perf_counter()
        chooser.facts()
        spent.append(time.perf_counter() - began)
    return round(sorted(spent[1:])[2], 3)


def _measure(cell: Cell, task: data.Task, chooser: Chooser) -> dict[str, Any]:
    n = len(task.y)
    count = math.floor(cell.share * n + 1e-9)
    rows = np.arange(n) if cell.method == ALL else chooser.kept(cell.method, count)
    told = predictions(
        task.learner, task.x[rows], task.y[rows], task.test[0], task.classes, cell.seed
    )
    hits = np.bincount(task.test[1], weights=told == task.test[1], minlength=task.classes)
    recall = 100 * hits / np.bincount(task.test[1], minlength=task.classes)
    worst = np.sort(recall)[: max(task.classes // 10, 1)]
    found = {"accuracy": recall, "worst": worst[:1], "worst_tenth": worst}
    if task.broad_from is not None:
        found |= {"narrow": recall[: task.broad_from], "broad": recall[task.broad_from :]}
    return {
        **asdict(cell),
        "kept": count,
        "classes_kept": len(np.unique(task.y[rows])),
        **{name: round(float(values.mean()), 4) for name, values in found.items()},
        "data": task.fingerprint,
        "learner": asdict(task.learner),
        "concepts": chooser.facts() if cell.method == "concepts" else {},
    }


def _digest(task: data.Task, cell: Cell, version: str) -> str:
    how = METHODS.get(cell.method)
    kinds = [] if task.broad_from is None else [str(task.broad_from)]
    whole = [task.fingerprint, repr(task.learner), str(task.concepts), repr(cell), repr(how)]
    return hashlib.sha256("\x1f".join([*whole, *kinds, version]).encode()).hexdigest()[:20]
