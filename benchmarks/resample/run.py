"""RS2 against fixed subsets at equal steps: ``python -m benchmarks.resample.run --quick``.

``--quick`` proves in a minute that it runs (digits, two shares, three seeds); ``--full`` makes the
tables; ``--speed`` adds to the newest full result what a round costs; ``--table`` writes that
result into README.md; ``--check`` asserts the orders that the method's specification lists for
digits. Finished trainings are remembered outside the repository, so a stopped run is continued by
the same command.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # run as a file: the root of the repository is not on the path
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from benchmarks.common import env, results, stats
from benchmarks.common.loaders import DataAbsentError
from benchmarks.resample import cells, methods, speed, table, targets

QUESTION = "resample"
MODULE = "python -m benchmarks.resample.run"
QUICK_SHARES = ("5%", "10%")
# (better, worse, share, least lead in points); the last is a bound on the distance.
CLAIMS = (
    ("RS2 without", "fixed random", "2%", 15.0),
    ("RS2 without", "fixed random", "5%", 4.0),
    ("RS2 without", "fixed random", "10%", 1.5),
)
NEAR_FULL = 3.5


def measure(name: str, shares: tuple[str, ...] | None, seeds: int) -> list[dict[str, Any]]:
    """One record a method, share and seed, and two a seed for all rows."""
    shares = shares or cells.SHARES.get(name, cells.OTHER_SHARES)
    return cells.run(cells.plan(name, shares, seeds), cells.store())


def summarise(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One entry per set, method and share: values by seed, mean, interval, against the best static
    subset of the same share."""
    by: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for record in records:
        by.setdefault((record["dataset"], record["share"], record["method"]), []).append(record)
    entries = []
    for (name, share, method), runs in by.items():
        values = [run["accuracy"] for run in runs]
        found = stats.estimate(values)
        entry: dict[str, Any] = {
            "dataset": name,
            "share": share,
            "method": method,
            "steps": round(float(np.mean([run["steps"] for run in runs]))),
            "values": values,
            "mean": round(found.mean, 2),
            "half": round(found.half, 2),
        }
        rivals = [by[name, share, one] for one in methods.STATIC if (name, share, one) in by]
        if rivals and method not in methods.STATIC:
            best = max(rivals, key=lambda runs: np.mean([run["accuracy"] for run in runs]))
            versus = stats.compare(values, [run["accuracy"] for run in best])
            entry["best_static"] = best[0]["method"]
            entry["vs_static"] = round(versus.difference.mean, 2)
            entry["vs_static_half"] = round(versus.difference.half, 2)
            entry["verdict"] = versus.verdict
        entries.append(entry)
    return entries


def check(entries: list[dict[str, Any]]) -> int:
    """Print every assertion with its number; 1 if any fails, else 0."""
    mean = {(e["method"], e["share"]): e["mean"] for e in entries if e["dataset"] == "digits"}
    lines = [
        (mean[better, share] - mean[worse, share], least, f"{better} - {worse} at {share}")
        for better, worse, share, least in CLAIMS
    ]
    for share in cells.SHARES["digits"]:
        gap = abs(mean["RS2 without", share] - mean["full, same steps", share])
        lines.append((-gap, -NEAR_FULL, f"-|RS2 without - full, same steps| at {share}"))
    for lead, least, text in lines:
        word = "holds" if lead >= least else "FAILS"
        print(f"{word}  {text:<48} {lead:+6.1f}  (at least {least:+g})")
    return int(any(lead < least for lead, least, _ in lines))


def report(mode: str, records: list[dict[str, Any]], command: str) -> None:
    """Write the result file and print its one line."""
    entries = summarise(records)
    data: dict[str, list[str]] = {}
    for record in records:
        known = data.setdefault(record["dataset"], [])
        if record["data"] not in known:
            known.append(record["data"])
    payload = {
        "mode": mode,
        "environment": env.stamp(command),
        "data": data,
        "version": cells.VERSION,
        "rounds": {name: cells.ROUNDS[name] for name in data},
        "seeds": sorted({record["seed"] for record in records}),
        "cells": entries,
        "race": _each(targets.race, records),
        "cut_short": _each(targets.cut_short, records),
    }
    payload |= _carried(mode, entries)
    path = results.write(f"{QUESTION}-{mode}", payload)
    mine = [entry for entry in entries if entry["method"] == "RS2 without"]
    counts = {word: sum(e["verdict"] == word for e in mine) for word in ("win", "tie", "lose")}
    line = {
        "benchmark": "resample",
        "mode": mode,
        "sets": list(data),
        "RS2_against_the_best_static_subset": counts,
        "result": f"benchmarks/results/{path.name}",
    }
    print(json.dumps(line))


def _carried(mode: str, entries: list[dict[str, Any]]) -> dict[str, Any]:
    """What --speed added to the newest result, if it has the very same cells."""
    try:
        known = results.latest(f"{QUESTION}-{mode}")
    except FileNotFoundError:
        return {}
    same = known["cells"] == json.loads(json.dumps(entries))
    return {"speed": known["speed"]} if same and "speed" in known else {}


def _each(
    what: Callable[[list[dict[str, Any]]], list[dict[str, Any]]], records: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The entries of all data sets."""
    names = dict.fromkeys(record["dataset"] for record in records)
    return [
        entry
        for name in names
        for entry in what([record for record in records if record["dataset"] == name])
    ]


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog=MODULE, description=(__doc__ or "").splitlines()[0])
    mode = parser.add_mutually_exclusive_group(required=True)
    for name in ("quick", "full", "speed", "table", "check"):
        mode.add_argument(f"--{name}", action="store_true")
    parser.add_argument("--dataset", choices=methods.SETS, help="this one alone")
    parser.add_argument("--seeds", type=int, help="default 5, with --quick 3")
    options = parser.parse_args(arguments)
    if options.table:
        return table.main(results.latest(f"{QUESTION}-full"))
    if options.speed:
        result = results.latest(f"{QUESTION}-full")
        found = {"rounds": speed.rounds(), "sampler": speed.sampler()}
        results.rewrite(f"{QUESTION}-full", {**result, "speed": found})
        print(json.dumps(found))
        return 0
    if options.check:
        return check(summarise(measure("digits", None, options.seeds or 5)))
    names = [options.dataset] if options.dataset else list(methods.SETS)
    names = ["digits"] if options.quick and not options.dataset else names
    records: list[dict[str, Any]] = []
    seeds = options.seeds or (3 if options.quick else 5)
    for name in names:
        try:
            records += measure(name, QUICK_SHARES if options.quick else None, seeds)
        except DataAbsentError as absent:
            print(f"skipped {name}: {absent}", file=sys.stderr)
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
