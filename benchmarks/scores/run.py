"""Which static scores beat a fair draw? ``python -m benchmarks.scores.run --quick``.

``--quick`` proves in a minute that it runs (digits, two shares, three seeds); ``--full`` makes the
table; ``--table`` writes the newest full result into README.md. Finished trainings are remembered
outside the repository, so a stopped run is continued by the same command.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # run as a file: the root of the repository is not on the path
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.common import env, results, stats
from benchmarks.common.loaders import DataAbsentError
from benchmarks.scores import cells, table

QUESTION = "scores"
MODULE = "python -m benchmarks.scores.run"
QUICK_SHARES = (0.1, 0.5)
FIELDS = ("dataset", "noise", "score", "end", "share")


def summarise(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One entry a set, share of wrong labels, score, end and share kept: values by seed, mean,
    interval, and the paired differences to a fair draw and, for what is fixed, to RS2."""
    by: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for record in records:
        by.setdefault(tuple(record[name] for name in FIELDS), []).append(record)
    entries = []
    for key, runs in by.items():
        values = [run["accuracy"] for run in runs]
        found = stats.estimate(values)
        entry: dict[str, Any] = {
            **dict(zip(FIELDS, key, strict=True)),
            "kept": runs[0]["kept"],
            "values": [round(value, 2) for value in values],
            "mean": round(found.mean, 2),
            "half": round(found.half, 2),
        }
        dataset, noise, score, _, share = key
        control = by.get((dataset, noise, cells.RANDOM, "", share))
        if control and score != cells.RANDOM:
            entry |= _against(values, control, "random", "verdict")
        fresh = by.get((dataset, noise, cells.FRESH, "", share))
        if fresh and score not in (cells.FRESH, cells.NULL):
            entry |= _against(values, fresh, "rs2", "verdict_rs2")
        entries.append(entry)
    return entries


def _against(
    values: list[float], others: list[dict[str, Any]], name: str, verdict: str
) -> dict[str, Any]:
    found = stats.compare(values, [run["accuracy"] for run in others])
    return {
        f"vs_{name}": round(found.difference.mean, 2),
        f"vs_{name}_half": round(found.difference.half, 2),
        verdict: found.verdict,
    }


def costs(records: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """CPU seconds of each score, its runs included, by data set with clean labels; medians."""
    taken: dict[str, dict[str, list[float]]] = {}
    for record in records:
        if record["score"] in cells.SCORES and not record["noise"]:
            mine = taken.setdefault(record["dataset"], {})
            mine.setdefault(record["score"], []).append(record["score_s"])
    return {
        dataset: {name: sorted(each)[len(each) // 2] for name, each in mine.items()}
        for dataset, mine in taken.items()
    }


def measure(names: list[str], seeds: int, *, corner: bool) -> list[dict[str, Any]]:
    """Records of all cells of the sets that are on this machine; the others are named.

    Args:
        corner: two shares and clean labels alone.
    """
    records: list[dict[str, Any]] = []
    known = cells.store()
    for name in names:
        try:
            noises = (0.0,) if corner else cells.variants(name)
            shares = QUICK_SHARES if corner else cells.SHARES
            records += cells.run(cells.plan(name, noises, shares, seeds), known)
        except DataAbsentError as absent:
            print(f"skipped {name}: {absent}", file=sys.stderr)
    return records


def report(kind: str, records: list[dict[str, Any]], command: str) -> None:
    """Write the result file and print its one line."""
    data: dict[str, list[str]] = {}
    for record in records:
        known = data.setdefault(record["dataset"], [])
        if record["data"] not in known:
            known.append(record["data"])
    entries = summarise(records)
    payload = {
        "mode": kind,
        "environment": env.stamp(command),
        "version": cells.VERSION,
        "data": data,
        "learners": {record["dataset"]: record["learner"] for record in records},
        "seeds": sorted({record["seed"] for record in records}),
        "cpu_seconds": costs(records),
        "cells": entries,
    }
    path = results.write(f"{QUESTION}-{kind}", payload)
    controls = (cells.NULL, cells.FRESH, cells.WHOLE)
    judged = [
        one["verdict"] for one in entries if "verdict" in one and one["score"] not in controls
    ]
    nulls = [one["verdict"] for one in entries if one["score"] == cells.NULL]
    line = {
        "benchmark": "scores",
        "mode": kind,
        "sets": list(data),
        "cells": len(records),
        "against_random": {word: judged.count(word) for word in ("win", "tie", "lose")},
        "null_ties": f"{nulls.count('tie')}/{len(nulls)}",
        "result": f"benchmarks/results/{path.name}",
    }
    print(json.dumps(line))


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog=MODULE, description=(__doc__ or "").splitlines()[0])
    mode = parser.add_mutually_exclusive_group(required=True)
    for name in ("quick", "full", "table"):
        mode.add_argument(f"--{name}", action="store_true")
    parser.add_argument("--dataset", choices=cells.SETS, help="this one alone")
    parser.add_argument("--seeds", type=int, help="default 5, with --quick 3")
    options = parser.parse_args(arguments)
    if options.table:
        return table.main(results.latest(f"{QUESTION}-full"))
    names = [options.dataset] if options.dataset else list(cells.SETS)
    names = ["digits"] if options.quick and not options.dataset else names
    seeds = options.seeds or (3 if options.quick else 5)
    records = measure(names, seeds, corner=options.quick)
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
