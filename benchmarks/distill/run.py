"""Does distillation make up for rows that a student does not see, and does it matter which?

``--quick`` runs a corner on digits in a few minutes, ``--full`` everything, ``--check`` the orders
that must come out on digits, ``--table`` writes the README's tables from the newest result.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.common import env, results, stats
from benchmarks.common.loaders import DataAbsentError
from benchmarks.distill import cells, check, table

QUESTION = "distill"
MODULE = "python -m benchmarks.distill.run"
SETS = ("digits", "banking77", "clinc150", "fashion", "cifar10")
FIELDS = ("dataset", "noise", "select", "share", "alpha", "teacher")


def summarise(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One entry a cell of the table: values by seed, mean and interval, and the teacher's."""
    by: dict[tuple[Any, ...], dict[int, dict[str, Any]]] = {}
    for record in records:
        key = tuple(record[name] for name in FIELDS)
        by.setdefault(key, {})[record["seed"]] = record
    entries = []
    for key, runs in by.items():
        values = [runs[seed]["accuracy"] for seed in sorted(runs)]
        found = stats.estimate(values)
        told = [run["teacher_accuracy"] for run in runs.values()]
        entries.append(
            {
                **dict(zip(FIELDS, key, strict=True)),
                "kept": next(iter(runs.values()))["kept"],
                "values": [round(value, 2) for value in values],
                "mean": round(found.mean, 2),
                "half": round(found.half, 2),
                "teacher_accuracy": round(sum(told) / len(told), 2),
            }
        )
    return entries


def measure(datasets: list[str], seeds: int, corner: bool) -> list[dict[str, Any]]:
    """Records of all cells of the sets that are on this machine; the others are named."""
    records: list[dict[str, Any]] = []
    for dataset in datasets:
        plan = cells.quick if corner else cells.plan
        try:
            records += cells.run(plan(dataset, seeds), cells.Store())
        except DataAbsentError as absent:
            print(f"skipped {dataset}: {absent}", file=sys.stderr)
    return records


def report(kind: str, records: list[dict[str, Any]], command: str) -> None:
    """Write the result file and print its one line."""
    data: dict[str, list[str]] = {}
    for record in records:
        known = data.setdefault(record["dataset"], [])
        if record["data"] not in known:
            known.append(record["data"])
    payload = {
        "mode": kind,
        "environment": env.stamp(command),
        "version": cells.VERSION,
        "temperature": cells.TEMPERATURE,
        "data": data,
        "seeds": sorted({record["seed"] for record in records}),
        "cells": summarise(records),
    }
    path = results.write(f"{QUESTION}-{kind}", payload)
    line = {
        "benchmark": "distill",
        "mode": kind,
        "sets": list(data),
        "cells": len(records),
        "result": f"benchmarks/results/{path.name}",
    }
    print(json.dumps(line))


def newest() -> dict[str, Any]:
    """The newest full result; without one that of digits alone."""
    try:
        return results.latest(f"{QUESTION}-full")
    except FileNotFoundError:
        return results.latest(f"{QUESTION}-one-digits")


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog=MODULE, description=(__doc__ or "").splitlines()[0])
    mode = parser.add_mutually_exclusive_group(required=True)
    for name in ("quick", "full", "table", "check"):
        mode.add_argument(f"--{name}", action="store_true")
    parser.add_argument("--dataset", choices=SETS, help="this one alone")
    parser.add_argument("--seeds", type=int, help="default 5, with --quick 3")
    options = parser.parse_args(arguments)
    if options.table:
        return table.main(newest())
    if options.check:
        return check.main(cells.run(check.plan(options.seeds or 5), cells.Store()))
    names = [options.dataset] if options.dataset else ["digits"] if options.quick else list(SETS)
    seeds = options.seeds or (3 if options.quick else 5)
    records = measure(names, seeds, options.quick)
    if not records:
        print("no data set is on this machine", file=sys.stderr)
        return 2
    words = [MODULE, "--quick" if options.quick else "--full"]
    words += ["--dataset", options.dataset] if options.dataset else []
    words += ["--seeds", str(options.seeds)] if options.seeds else []
    kind = "quick" if options.quick else "full" if not options.dataset else f"one-{options.dataset}"
    report(kind, records, " ".join(words))
    return 0


if __name__ == "__main__":
    sys.exit(main())
