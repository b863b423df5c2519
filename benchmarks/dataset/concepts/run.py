"""Train on what is kept: ``python -m benchmarks.dataset.concepts.run --quick``.

``--quick`` proves in minutes that it runs (the mixture, two shares, three seeds); ``--full`` makes
the table; ``--table`` writes the newest full result into README.md. Finished cells are remembered
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
from benchmarks.dataset.concepts import cells, planted, table
from benchmarks.dataset.concepts.choose import ALL, SELECTOR

QUESTION = "dataset-concepts"
SETS = ["mixture", "fashion"]
SHARES = [0.6, 0.4, 0.2, 0.1]
MEASURES = ("accuracy", "worst_tenth", "worst", "narrow", "broad")
RIVALS = ("random", "prototypes", "ccs", "equal hard", "proportional hard")
MODULE = "python -m benchmarks.dataset.concepts.run"


def summarise(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One entry per set, method and share: mean and interval, against random and against rivals."""
    by: dict[tuple[str, str, float], list[dict[str, Any]]] = {}
    for record in records:
        by.setdefault((record["dataset"], record["method"], record["share"]), []).append(record)
    entries = []
    for (dataset, method, share), runs in by.items():
        entry: dict[str, Any] = {
            "dataset": dataset,
            "method": method,
            "share": share,
            "kept": runs[0]["kept"],
            "values": [round(run["accuracy"], 2) for run in runs],
        }
        for measure in [name for name in MEASURES if name in runs[0]]:
            found = stats.estimate([run[measure] for run in runs])
            entry[measure] = {"mean": round(found.mean, 2), "half": round(found.half, 2)}
            if method in ("random", ALL):
                continue
            entry[measure] |= _against(runs, by[dataset, "random", share], measure)
        if method == "concepts":
            entry["rivals"] = {
                rival: _against(runs, by[dataset, rival, share], "accuracy") for rival in RIVALS
            }
            entry["effective"] = round(runs[0]["concepts"]["effective_concepts"], 1)
        entries.append(entry)
    return entries


def _against(
    ours: list[dict[str, Any]], theirs: list[dict[str, Any]], measure: str
) -> dict[str, Any]:
    versus = stats.compare([run[measure] for run in ours], [run[measure] for run in theirs])
    return {
        "lead": round(versus.difference.mean, 2),
        "lead_half": round(versus.difference.half, 2),
        "verdict": versus.verdict,
    }


def measure_sets(names: list[str], shares: list[float], seeds: int) -> list[dict[str, Any]]:
    """Records of all cells of the sets that are on this machine; the others are named."""
    known, records = cells.store(), []
    for name in names:
        try:
            records += cells.run(cells.plan(name, shares, seeds), known)
        except DataAbsentError as absent:
            print(f"skipped {name}: {absent}", file=sys.stderr)
    return records


def report(mode: str, records: list[dict[str, Any]], seeds: int, command: str) -> None:
    """Write the result file and print its one line."""
    entries = summarise(records)
    used = {record["dataset"]: record for record in records}
    payload = {
        "mode": mode,
        "environment": env.stamp(command),
        "selector": SELECTOR,
        "data": {name: record["data"] for name, record in used.items()},
        "learners": {name: record["learner"] for name, record in used.items()},
        "seeds": sorted({record["seed"] for record in records}),
        "score_seconds": {name: cells.score_seconds(name) for name in used},
        "planted": planted.check(seeds),
        "composition": [
            row
            for name in used
            for row in cells.composition(name, sorted({e["share"] for e in entries} - {1.0}))
        ],
        "cells": entries,
    }
    path = results.write(f"{QUESTION}-{mode}", payload)
    ours = [entry for entry in entries if entry["method"] == "concepts"]
    line = {
        "benchmark": "dataset/concepts",
        "mode": mode,
        "sets": list(used),
        "cells": len(records),
        "concepts_against": {
            rival: {
                verdict: sum(e["rivals"][rival]["verdict"] == verdict for e in ours)
                for verdict in ("win", "tie", "lose")
            }
            for rival in RIVALS
        },
        "planted_quotas": payload["planted"][0]["quotas"],
        "result": f"benchmarks/results/{path.name}",
    }
    print(json.dumps(line))


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog=MODULE, description=(__doc__ or "").splitlines()[0])
    mode = parser.add_mutually_exclusive_group(required=True)
    for name in ("quick", "full", "table"):
        mode.add_argument(f"--{name}", action="store_true")
    parser.add_argument("--dataset", choices=SETS, help="this one alone")
    parser.add_argument("--seeds", type=int, help="default 5, with --quick 3")
    options = parser.parse_args(arguments)
    if options.table:
        return table.main(results.latest(f"{QUESTION}-full"))
    names = [options.dataset] if options.dataset else SETS[:1] if options.quick else SETS
    shares = [0.4, 0.1] if options.quick else SHARES
    seeds = options.seeds or (3 if options.quick else 5)
    records = measure_sets(names, shares, seeds)
    if not records:
        print("no data set is on this machine", file=sys.stderr)
        return 2
    words = [MODULE, "--quick" if options.quick else "--full"]
    words += ["--dataset", options.dataset] if options.dataset else []
    words += ["--seeds", str(options.seeds)] if options.seeds else []
    kind = "quick" if options.quick else "full" if not options.dataset else f"one-{options.dataset}"
    report(kind, records, seeds, " ".join(words))
    return 0


if __name__ == "__main__":
    sys.exit(main())
