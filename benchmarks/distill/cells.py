"""Cells: one student each; finished ones are remembered across runs."""

from __future__ import annotations

import hashlib
import json
import math
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.common.features import cache_folder
from benchmarks.dataset.prototypes import bench_data
from benchmarks.distill.students import SHORT_RUNS, TEMPERATURE, School

VERSION = "distill-1"  # raise it when selections or students change: finished cells are redone
ALPHAS = (0.0, 0.5, 0.9, 1.0)
SWEEP = (0.0, 0.3, 0.5, 0.7, 0.9, 1.0)
NOISES = (0.0, 0.2)
SHARES = {"digits": (0.05, 0.1, 0.2, 0.5)}
OTHER_SHARES = (0.1, 0.3, 0.5)
SELECTIONS = ("random", "hard", "easy", "margin", "disagreement")
TEACHERS = (8, 16, 64, 512)
TEACHER_SHARES = (0.03, 0.3)
SIZED = ("digits",)  # sets whose students have a hidden layer to compare sizes with


@dataclass(frozen=True)
class Cell:
    """One student: its data, its rows, how much it listens, and to whom."""

    dataset: str
    noise: float
    select: str
    share: float
    alpha: float
    teacher: int
    seed: int


def plan(dataset: str, seeds: int) -> list[Cell]:
    """The full table of one set, ordered so that what a seed needs is made once."""
    own = bench_data.load(dataset, 0).learner.hidden
    shares = SHARES.get(dataset, OTHER_SHARES)
    cells = []
    for seed in range(seeds):
        for noise in NOISES:
            cells += [
                Cell(dataset, noise, select, share, alpha, own, seed)
                for share in shares
                for select in SELECTIONS
                for alpha in ALPHAS
            ]
            cells += [
                Cell(dataset, noise, "random", share, alpha, own, seed)
                for share in (*shares, 1.0)
                for alpha in SWEEP
            ]
        if dataset in SIZED:
            cells += sizes(dataset, seed)
    return list(dict.fromkeys(cells))


def sizes(dataset: str, seed: int) -> list[Cell]:
    """Students of teachers of several sizes, labels unused."""
    return [
        Cell(dataset, 0.0, "random", share, 1.0, teacher, seed)
        for share in TEACHER_SHARES
        for teacher in TEACHERS
    ]


def quick(dataset: str, seeds: int) -> list[Cell]:
    """A corner of the table, in a minute."""
    return [
        cell
        for cell in plan(dataset, seeds)
        if cell.share in (0.05, 0.5) and cell.select in ("random", "hard") and cell.alpha in ALPHAS
    ]


class Store:
    """Finished cells in a JSON-lines file outside the repository."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or cache_folder() / "cells-distill.jsonl"
        self.cells: dict[str, dict[str, Any]] = {}
        if self.path.is_file():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                try:
                    record = json.loads(line)
                except json.JSONDecodeError:
                    continue  # the last line of a run that was killed while writing
                self.cells[record["key"]] = record

    def add(self, record: dict[str, Any]) -> None:
        """Append one finished cell and remember it."""
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(record) + "\n")
        self.cells[record["key"]] = record


def run(cells: list[Cell], store: Store) -> list[dict[str, Any]]:
    """The records of all cells: their fields, ``kept``, ``accuracy`` and ``teacher_accuracy``."""
    records = []
    began = time.perf_counter()
    school: School | None = None
    current: tuple[str, float, int] | None = None
    for number, cell in enumerate(cells):
        task = bench_data.load(cell.dataset, cell.seed)
        parts = [VERSION, task.fingerprint, repr(task.learner), repr(cell)]
        parts += [str(TEMPERATURE), str(SHORT_RUNS)]
        key = hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:20]
        if key not in store.cells:
            if school is None or current != (cell.dataset, cell.noise, cell.seed):
                current = (cell.dataset, cell.noise, cell.seed)
                school = School(task, cell.noise, cell.seed)
            store.add({**_measure(cell, school), "key": key})
            if number % 50 == 0:
                seconds = time.perf_counter() - began
                print(f"{number}/{len(cells)} cells, {seconds:.0f} s, {cell}", file=sys.stderr)
        records.append(store.cells[key])
    return records


def _measure(cell: Cell, school: School) -> dict[str, Any]:
    n = len(school.y)
    count = math.floor(cell.share * n + 1e-9)
    rows = school.kept(cell.select, count)
    assert len(rows) == count, f"{cell}: {len(rows)} rows kept, {count} asked for"
    return {
        **asdict(cell),
        "kept": count,
        "accuracy": round(school.student(rows, cell.alpha, cell.teacher), 4),
        "teacher_accuracy": round(school.teacher(cell.teacher)[1], 4),
        "data": school.task.fingerprint,
    }
