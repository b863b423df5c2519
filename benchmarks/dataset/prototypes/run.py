"""Train on what is kept: ``python -m benchmarks.dataset.prototypes.run --quick``.

``--quick`` proves in minutes that it runs (two sets, two shares, three seeds); ``--full`` makes the
table; ``--null`` and ``--probe`` add to the newest full result a null control with many seeds and
what ``recommend`` would have said; ``--table`` writes that result into README.md; ``--check``
asserts the orders that the method's specification lists for digits. Finished cells are remembered
outside the repository, so a stopped run is continued by the same command.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # run as a file: the root of the repository is not on the path
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from benchmarks.common import env, results, stats
from benchmarks.common.loaders import DataAbsentError
from benchmarks.dataset.prototypes import advice, bench_data, cells, check, table
from benchmarks.dataset.prototypes.choose import METHODS, SELECTOR

QUESTION = "dataset-prototypes"
SHARES = [0.8, 0.6, 0.4, 0.2, 0.1, 0.05]
NULL_SEEDS = 25
MODULE = "python -m benchmarks.dataset.prototypes.run"


def summarise(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One entry per data set, method and share: values by seed, mean, interval, against random."""
    by: dict[tuple[str, str, float], list[dict[str, Any]]] = {}
    for record in records:
        by.setdefault((record["dataset"], record["method"], record["share"]), []).append(record)
    entries = []
    for (dataset, method, share), runs in by.items():
        values = [run["accuracy"] for run in runs]
        found = stats.estimate(values)
        entry: dict[str, Any] = {
            "dataset": dataset,
            "method": method,
            "share": share,
            "kept": runs[0]["kept"],
            "values": [round(value, 2) for value in values],
            "mean": round(found.mean, 2),
            "half": round(found.half, 2),
        }
        control = by.get((dataset, "random", share))
        if control and method not in ("random", cells.ALL):
            versus = stats.compare(values, [run["accuracy"] for run in control])
            entry["vs_random"] = round(versus.difference.mean, 2)
            entry["vs_random_half"] = round(versus.difference.half, 2)
            entry["verdict"] = versus.verdict
        entries.append(entry)
    return entries


def costs(records: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Median wall seconds of scoring, and the longest selection of each method, by data set."""
    found: dict[str, dict[str, float]] = {}
    for dataset in {record["dataset"]: None for record in records}:
        mine = [record for record in records if record["dataset"] == dataset]
        scoring = sorted(record["score_s"] for record in mine)
        found[dataset] = {"score": scoring[len(scoring) // 2]}
        for method in METHODS:
            found[dataset][f"select {method}"] = max(
                (record["select_s"] for record in mine if record["method"] == method), default=0.0
            )
    return found


def measure(datasets: list[str], shares: list[float], seeds: int) -> list[dict[str, Any]]:
    """Records of all cells of the data sets that are on this machine; the others are named."""
    store = cells.Store()
    records: list[dict[str, Any]] = []
    for dataset in datasets:
        try:
            records += cells.run(cells.plan([dataset], shares, seeds), store)
        except DataAbsentError as absent:
            print(f"skipped {dataset}: {absent}", file=sys.stderr)
    return records


def fingerprints(records: list[dict[str, Any]]) -> dict[str, list[str]]:
    """The data read, by set; a set that is split anew for each seed has one for each."""
    found: dict[str, list[str]] = {}
    for record in records:
        known = found.setdefault(record["dataset"], [])
        if record["data"] not in known:
            known.append(record["data"])
    return found


def null_check(dataset: str) -> list[dict[str, Any]]:
    """Shuffled scores against random once more, with five times the seeds, at two shares."""
    found = []
    for share in (0.8, 0.4):
        plan = [
            cells.Cell(dataset, method, share, seed)
            for seed in range(NULL_SEEDS)
            for method in ("null", "random")
        ]
        records = cells.run(plan, cells.Store())
        null, random = (
            [record["accuracy"] for record in records if record["method"] == method]
            for method in ("null", "random")
        )
        lead = stats.compare(null, random)
        found.append(
            {
                "dataset": dataset,
                "share": share,
                "seeds": NULL_SEEDS,
                "difference": round(lead.difference.mean, 3),
                "half": round(lead.difference.half, 3),
                "verdict": lead.verdict,
            }
        )
    return found


def report(mode: str, records: list[dict[str, Any]], command: str) -> None:
    """Write the result file and print its one line."""
    entries = summarise(records)
    used = {record["dataset"]: record for record in records}
    payload = {
        "mode": mode,
        "environment": env.stamp(command),
        "selector": SELECTOR,
        "data": fingerprints(records),
        "learners": {name: record["learner"] for name, record in used.items()},
        "seeds": sorted({record["seed"] for record in records}),
        "wall_seconds": costs(records),
        "cells": entries,
    }
    payload |= _carried(mode, entries)
    path = results.write(f"{QUESTION}-{mode}", payload)
    counts = {
        verdict: sum(e.get("verdict") == verdict and e["method"] != "null" for e in entries)
        for verdict in ("win", "tie", "lose")
    }
    nulls = [e["verdict"] for e in entries if e["method"] == "null"]
    line = {
        "benchmark": "dataset/prototypes",
        "mode": mode,
        "sets": list(used),
        "cells": len(records),
        "against_random": counts,
        "null_ties": f"{nulls.count('tie')}/{len(nulls)}",
        "result": f"benchmarks/results/{path.name}",
    }
    print(json.dumps(line))


def _carried(mode: str, entries: list[dict[str, Any]]) -> dict[str, Any]:
    """What --null and --probe added to the newest result, if it has the very same cells."""
    try:
        known = results.latest(f"{QUESTION}-{mode}")
    except FileNotFoundError:
        return {}
    same = known["cells"] == json.loads(json.dumps(entries))
    return {name: known[name] for name in ("null_check", "probe") if same and name in known}


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog=MODULE, description=(__doc__ or "").splitlines()[0])
    mode = parser.add_mutually_exclusive_group(required=True)
    for name in ("quick", "full", "null", "probe", "table", "check"):
        mode.add_argument(f"--{name}", action="store_true")
    parser.add_argument("--dataset", choices=list(bench_data.TASKS), help="this one alone")
    parser.add_argument("--seeds", type=int, help="default 5, with --quick 3")
    options = parser.parse_args(arguments)
    if options.table:
        return table.main(results.latest(f"{QUESTION}-full"))
    if options.probe or options.null:
        result = results.latest(f"{QUESTION}-full")
        if options.probe:
            more: dict[str, Any] = {"probe": advice.advise(result)}
        else:
            more = {"null_check": null_check(options.dataset or "banking77")}
        results.rewrite(f"{QUESTION}-full", {**result, **more})
        return 0
    if options.check:
        return check.main(cells.run(check.plan(options.seeds or 5), cells.Store()))
    names = [options.dataset] if options.dataset else list(bench_data.TASKS)
    shares, seeds = SHARES, options.seeds or 5
    if options.quick:
        names = [options.dataset] if options.dataset else ["digits", "banking77"]
        shares, seeds = [0.4, 0.1], options.seeds or 3
    records = measure(names, shares, seeds)
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
