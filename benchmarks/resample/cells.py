"""Cells: one training each; finished ones are remembered across runs."""

from __future__ import annotations

import hashlib
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

import datapruner as dp
from benchmarks.common.features import cache_folder
from benchmarks.dataset.prototypes import bench_data
from benchmarks.dataset.prototypes.cells import Store
from benchmarks.resample import methods, training

VERSION = "resample-1"  # raise it when subsets or training change: finished cells are redone
SHARES = {"digits": ("2%", "5%", "10%", "30%")}
OTHER_SHARES = ("5%", "10%", "30%")
ROUNDS = {"digits": 60, "banking77": 40, "clinc150": 40, "fashion": 10, "cifar10": 10}
EVERY = {"digits": 10, "banking77": 10, "clinc150": 10, "fashion": 25, "cifar10": 25}
RACE = "10%"  # the share at which everybody's way to a target is followed
WHOLE = "100%"
FULL, BY_LOSSES = "full", "InfoBatch"


@dataclass(frozen=True)
class Cell:
    """One training: what it sees in a round, and the seed of everything random in it."""

    dataset: str
    method: str
    share: str
    seed: int


def plan(dataset: str, shares: tuple[str, ...], seeds: int) -> list[Cell]:
    """Every method at every share for every seed, and all rows for as many rounds."""
    cells = []
    for seed in range(seeds):
        cells += [Cell(dataset, name, WHOLE, seed) for name in (FULL, BY_LOSSES)]
        cells += [
            Cell(dataset, name, share, seed)
            for share in shares
            for name in methods.METHODS
            if not (name == "k-centre" and dataset in ("fashion", "cifar10"))  # minutes a cover
        ]
    return cells


def store() -> Store:
    """The cells finished so far."""
    return Store(cache_folder() / "cells-resample.jsonl")


def run(cells: list[Cell], known: Store) -> list[dict[str, Any]]:
    """The records of all cells, those not yet known computed in order.

    Each holds the cell's fields and ``accuracy`` (per cent), ``steps``, ``select_s`` (CPU seconds
    of choosing a fixed subset, its scores included) and ``curve``, as ``training.Outcome`` has it.
    """
    records, began, fresh = [], time.perf_counter(), 0
    for number, cell in enumerate(cells, 1):
        task = bench_data.load(cell.dataset, cell.seed)
        rounds, every = ROUNDS[cell.dataset], _looks(cell)
        parts = [VERSION, task.fingerprint, repr(task.learner), str(rounds), str(every), repr(cell)]
        key = hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:20]
        if key not in known.cells:
            found = {**asdict(cell), **_measure(cell, task, rounds, every)}
            known.add({**found, "data": task.fingerprint, "training": key, "key": key})
            fresh += 1
            if fresh % 20 == 1:
                seconds = time.perf_counter() - began
                print(f"{number}/{len(cells)} cells, {seconds:.0f} s, {cell}", file=sys.stderr)
        records.append(known.cells[key])
    return records


def _looks(cell: Cell) -> int:
    """Steps from look to look; 0 where only the end counts, for a look costs as much as steps."""
    raced = cell.share == RACE and cell.method not in ("RS2 with", "RS2 stratified")
    is_fresh = cell.method == "RS2 without"
    return EVERY[cell.dataset] if raced or is_fresh or cell.method == FULL else 0


def _measure(cell: Cell, task: bench_data.Task, rounds: int, every: int) -> dict[str, Any]:
    select_s = 0.0
    if cell.method == BY_LOSSES:
        found = training.train_by_losses(task, rounds, cell.seed, keep=0.5)
    else:
        method = methods.SAME if cell.method == FULL else cell.method
        if method in methods.STATIC:
            select_s = methods.static_rows(method, task, cell.share, cell.seed)[1]
        given = methods.rounds_of(method, task, cell.share, rounds, cell.seed)
        planned = dp.resample(len(task.y), budget=cell.share, rounds=rounds)
        steps = planned.steps(task.learner.batch)
        found = training.train(task, given, steps, every, cell.seed)
    return {
        "accuracy": round(found.accuracy, 4),
        "steps": found.steps,
        "select_s": round(select_s, 4),
        "curve": found.curve,
    }
