"""Time the core: sort and fill, scalar offers, start-up. Prints one JSON line."""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import env, results

import datapruner as dp
from datapruner.core.items import Items
from datapruner.core.ledger import Ledger


def timed(work: Callable[[], Any], repeats: int) -> dict[str, float]:
    """Median wall and CPU seconds after one warm-up."""
    walls, cpus = [], []
    for turn in range(repeats + 1):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        if turn:
            walls.append(time.perf_counter() - wall)
            cpus.append(time.process_time() - cpu)
    return {
        "wall_s": round(statistics.median(walls), 3),
        "cpu_s": round(statistics.median(cpus), 3),
    }


def sort_and_fill(n: int, repeats: int) -> dict[str, dict[str, float]]:
    """``select`` on n random scores, for the kinds of budget that have a fast lane."""
    rng = np.random.default_rng(0)
    values = rng.random(n, dtype=np.float32)
    names = [str(g) for g in range(1000)]
    grouped = Items.of(n, group=rng.integers(0, 1000, n), group_names=names)
    priced = Items.of(n, cost=rng.integers(1, 500, n), unit="tokens")
    cases = {
        "share": (Items.of(n), "30%", None),
        "share, 1000 groups": (grouped, "30%", "proportional"),
        "share, floors": (grouped, "30%, floor 50%", "whole"),
        "tokens": (priced, f"{60 * n} tokens", None),
        "all equal": (Items.of(n), "30%", None),
    }
    found = {}
    for name, (items, budget, allocate) in cases.items():
        score = np.zeros(n, dtype=np.float32) if name == "all equal" else values
        scores = dp.Scores(score, items)
        found[name] = timed(
            lambda s=scores, b=budget, a=allocate: dp.select(s, b, allocate=a), repeats
        )
    return found


def offer_microseconds(offers: int) -> float:
    """CPU microseconds of one scalar offer, with a count, a price and group caps."""
    from datapruner.core.allocate import Allocation

    groups = np.arange(offers) % 100
    items = Items.of(
        offers, cost=np.full(offers, 2.0), group=groups, group_names=[str(g) for g in range(100)]
    )
    zeros = np.zeros(100, dtype=np.int64)
    caps = Allocation(np.full(100, offers // 300), None, zeros, "equal")
    ledger = Ledger(items, count=offers // 2, cost=float(offers), allocation=caps)
    begun = time.process_time()
    for row in range(offers):
        ledger.admit(row)
    return round((time.process_time() - begun) / offers * 1e6, 2)


def start_up(arguments: list[str], repeats: int) -> float:
    """Median wall seconds of a fresh process, less those of an empty interpreter."""

    def run(command: list[str]) -> float:
        begun = time.perf_counter()
        subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - begun

    run(arguments)
    empty = statistics.median(run(["-c", "pass"]) for _ in range(repeats))
    return round(statistics.median(run(arguments) for _ in range(repeats)) - empty, 3)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="1 million rows (default)")
    size.add_argument("--full", action="store_true", help="10 million rows; writes the result")
    options = parser.parse_args()
    n, repeats = (10_000_000, 3) if options.full else (1_000_000, 3)
    found: dict[str, Any] = {
        "rows": n,
        "sort_and_fill": sort_and_fill(n, repeats),
        "admit_us": offer_microseconds(1_000_000 if options.full else 200_000),
        "import_s": start_up(["-c", "import datapruner"], 7),
        "help_s": start_up(["-m", "datapruner", "--help"], 7),
    }
    if options.full:
        command = "python benchmarks/core/run.py --full"
        results.write("core-full", {"environment": env.stamp(command), **found})
    print(json.dumps(found))


if __name__ == "__main__":
    main()
