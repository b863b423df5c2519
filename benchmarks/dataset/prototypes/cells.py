"""Cells: one (data set, method, share, seed) each, finished ones remembered across runs."""

from __future__ import annotations

import hashlib
import json
import math
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common.features import cache_folder
from benchmarks.dataset.prototypes import bench_data
from benchmarks.dataset.prototypes.choose import METHODS, SELECTOR, Chooser
from benchmarks.dataset.prototypes.learners import accuracy

ALL = "all"


@dataclass(frozen=True)
class Cell:
    """One training run: which rows are kept, and the seed of everything random in it."""

    dataset: str
    method: str
    share: float
    seed: int


def plan(datasets: list[str], shares: list[float], seeds: int) -> list[Cell]:
    """Every method at every share for every seed, and each set whole; ordered by set and seed."""
    cells = []
    for dataset in datasets:
        for seed in range(seeds):
            cells.append(Cell(dataset, ALL, 1.0, seed))
            cells += [Cell(dataset, m, share, seed) for share in shares for m in METHODS]
    return cells


class Store:
    """Finished cells in a JSON-lines file outside the repository; a stopped run goes on with it.

    A cell is found again by what its number depends on: the data, the learner, the seed and the
    version of the selector. A training run is also found by the digest of the kept rows, so two
    methods (or versions) that keep the same rows train once.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or cache_folder() / "cells-prototypes.jsonl"
        self.cells: dict[str, dict[str, Any]] = {}
        self.trained: dict[str, float] = {}
        if self.path.is_file():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                try:
                    self._take(json.loads(line))
                except json.JSONDecodeError:
                    continue  # the last line of a run that was killed while writing

    def _take(self, record: dict[str, Any]) -> None:
        self.cells[record["key"]] = record
        self.trained[record["training"]] = record["accuracy"]

    def add(self, record: dict[str, Any]) -> None:
        """Append one finished cell and remember it."""
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(record) + "\n")
        self._take(record)


def run(cells: list[Cell], store: Store) -> list[dict[str, Any]]:
    """The records of all cells, those not yet in the store computed in order.

    Each record holds the cell's fields and ``kept`` (rows), ``accuracy`` (per cent),
    ``score_s`` and ``select_s`` (wall seconds of scoring once and of this selection).
    """
    records = []
    began, fresh = time.perf_counter(), 0
    task: bench_data.Task | None = None
    chooser: Chooser | None = None
    current: tuple[str, int] | None = None
    for number, cell in enumerate(cells):
        if current != (cell.dataset, cell.seed):
            current = (cell.dataset, cell.seed)
            task, chooser = bench_data.load(*current), None
        assert task is not None
        key = _digest(task, cell.seed, SELECTOR, cell.method, str(cell.share))
        if key not in store.cells:
            if chooser is None:
                chooser = Chooser(task, cell.seed)
            store.add(_measure(cell, task, chooser, key, store))
            fresh += 1
            _say(number + 1, len(cells), fresh, time.perf_counter() - began, cell)
        records.append(store.cells[key])
    return records


def _measure(
    cell: Cell, task: bench_data.Task, chooser: Chooser, key: str, store: Store
) -> dict[str, Any]:
    n = len(task.y)
    count = math.floor(cell.share * n + 1e-9)
    rows = np.arange(n) if cell.method == ALL else chooser.kept(cell.method, count)
    select_s = 0.0 if cell.method == ALL else chooser.select_seconds
    if len(rows) != count or len(np.unique(rows)) != count:
        raise AssertionError(f"{cell}: {len(rows)} rows kept, {count} asked for")
    training = _digest(task, cell.seed, hashlib.sha256(rows.astype(np.int64)).hexdigest())
    hit = store.trained.get(training)
    if hit is None:
        x, y = task.x[rows], task.y[rows]
        hit = accuracy(task.learner, x, y, task.test, task.classes, cell.seed)
    return {
        **asdict(cell),
        "kept": count,
        "classes_kept": len(np.unique(task.y[rows])),
        "accuracy": round(hit, 4),
        "score_s": round(chooser.score_seconds, 3),
        "select_s": round(select_s, 4),
        "data": task.fingerprint,
        "learner": asdict(task.learner),
        "training": training,
        "key": key,
    }


def _digest(task: bench_data.Task, seed: int, *parts: str) -> str:
    whole = [task.name, task.fingerprint, repr(task.learner), str(task.prototypes), str(seed)]
    whole += parts
    return hashlib.sha256("\x1f".join(whole).encode()).hexdigest()[:20]


def _say(done: int, of: int, fresh: int, seconds: float, cell: Cell) -> None:
    """Progress on stderr; standard output carries the result line alone."""
    if fresh % 20 == 1 or done == of:
        eta = seconds / fresh * (of - done)
        where = f"{cell.dataset} seed {cell.seed}"
        print(f"{done}/{of} cells, {seconds:.0f} s, {eta:.0f} s left, {where}", file=sys.stderr)
