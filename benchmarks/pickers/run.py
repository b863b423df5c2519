"""CPU time, memory and quality of facility location, k-centre and herding. One JSON line."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import env, results

REPEATS = 3
DRAWS = 5

# Each worker prints the rows it chose, its CPU seconds and its memory before and after.
HEAD = """
import json, sys, time
import numpy as np

def peak():
    try:
        with open("/proc/self/status") as lines:
            return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except OSError:
        import resource
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

def timed(choose, x, k):
    before, begun = peak(), time.process_time()
    rows = choose(x, k)
    spent = time.process_time() - begun
    print(json.dumps({"cpu_s": spent, "bytes": peak() - before, "rows": [int(r) for r in rows]}))

x, k = np.load(sys.argv[1]), int(sys.argv[2])
"""
OURS = (
    HEAD
    + """
from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.core.select import select
from datapruner.pickers import diverse, facility
import datapruner.vectors.sources

def choose(x, k):
    items = Items.of(len(x), embedding=x)
    return select(Scores(np.zeros(len(x)), items), f"{k} items", pick=sys.argv[3]).order

timed(choose, x, k)
"""
)
APRICOT = (
    HEAD
    + """
from apricot import FacilityLocationSelection

def choose(x, k):
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    similar = np.maximum(unit @ unit.T, 0)  # its metric="cosine" would take the square of it
    picker = FacilityLocationSelection(k, metric="precomputed", optimizer=sys.argv[3])
    return picker.fit(similar).ranking

choose(x[:50], 5)  # what it compiles, it compiles here
timed(choose, x, k)
"""
)


def main() -> None:
    """Make the data, run every picker, print and write the figures."""
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--rows", type=int, default=10_000)
    given.add_argument("--width", type=int, default=384)
    given.add_argument("--keep", type=int, default=500)
    given.add_argument("--quick", action="store_true", help="2,000 rows, 100 chosen")
    given.add_argument("--python", help="an interpreter that has apricot")
    asked = given.parse_args()
    n, keep = (2_000, 100) if asked.quick else (asked.rows, asked.keep)
    cells = []
    with tempfile.TemporaryDirectory() as folder:
        for name in ("mixture", "noise"):
            x = data(name, n, asked.width)
            path = Path(folder) / f"{name}.npy"
            np.save(path, x)
            cells += [
                cell(name, pick, sys.executable, OURS, path, x, keep, pick)
                for pick in ("facility", "kcentre", "herding")
            ]
            cells += [
                cell(name, f"apricot {how}", asked.python, APRICOT, path, x, keep, how)
                for how in (("lazy", "two-stage") if asked.python else ())
            ]
            cells.append({"data": name, "pick": "random", **at_random(x, keep)})
    mode = "quick" if asked.quick else "full"
    payload = {
        "environment": env.stamp(f"python benchmarks/pickers/run.py{' --quick' * asked.quick}"),
        "shape": {"rows": n, "width": asked.width, "keep": keep},
        "cells": cells,
    }
    results.write(f"pickers-{mode}", payload)
    print(json.dumps(payload))


def data(name: str, n: int, d: int) -> Any:
    """Shape (n, d), float32: noise alone, or noise around 100 centres."""
    draw = np.random.default_rng(0)
    noise = draw.normal(size=(n, d))
    if name == "mixture":
        noise += draw.normal(size=(100, d))[draw.integers(0, 100, n)]
    return noise.astype(np.float32)


def cell(
    name: str, label: str, python: str, code: str, path: Path, x: Any, keep: int, how: str
) -> dict[str, Any]:
    """The median over some processes, and how good the choice is."""
    runs = []
    for _ in range(REPEATS):
        command = [python, "-c", code, str(path), str(keep), how]
        # One thread each, for spinning threads count as CPU time.
        one = {**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=one)
        runs.append(json.loads(done.stdout.strip().splitlines()[-1]))
    return {
        "data": name,
        "pick": label,
        "cpu_s": round(statistics.median(run["cpu_s"] for run in runs), 2),
        "cpu_s_least": round(min(run["cpu_s"] for run in runs), 2),
        "mib": round(statistics.median(run["bytes"] for run in runs) / 2**20),
        **quality(x, np.array(runs[0]["rows"])),
    }


def quality(x: Any, rows: Any) -> dict[str, float]:
    """Value of the cover, gap of the means, covering radius."""
    unit = x.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    nearest = (unit @ unit[rows].T).max(axis=1)
    return {
        "value": round(float(np.maximum(nearest, 0).mean()), 5),
        "gap": round(float(np.linalg.norm(unit[rows].mean(axis=0) - unit.mean(axis=0))), 5),
        "radius": round(float((1 - nearest).max()), 4),
    }


def at_random(x: Any, keep: int) -> dict[str, float]:
    """The mean quality of some draws."""
    found = [
        quality(x, np.random.default_rng(seed).choice(len(x), keep, replace=False))
        for seed in range(DRAWS)
    ]
    return {name: round(statistics.mean(one[name] for one in found), 5) for name in found[0]}


if __name__ == "__main__":
    main()
