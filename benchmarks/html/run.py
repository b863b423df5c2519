"""Does the answer survive the pruning of a page? ``python -m benchmarks.html.run --quick``.

``--quick`` proves in a few minutes that it runs; ``--full`` makes the table of questions,
``--main`` that of main content; ``--speed`` measures CPU times and memory; ``--table`` writes the
newest results into README.md. ``--python`` names an interpreter with htmlrag and trafilatura;
without it these are left out. Finished cells are remembered outside the repository, so a stopped
run is continued by the same command.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # run as a file: the root of the repository is not on the path
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from benchmarks.common import env, results
from benchmarks.common.loaders import DataAbsentError, fingerprint
from benchmarks.html import curves, maincontent, methods, speed, table, targets
from benchmarks.html.records import SETS, Record, is_training, read
from datapruner import rng
from datapruner.errors import DataPrunerError

QUESTION = "html"
MODULE = "python -m benchmarks.html.run"
QUICK_QUESTIONS = 8
QUICK_METHODS = ("lexical", "main", "bm25_chunks", "first", "oracle")
OUTSIDE_QUESTIONS = 60
PATHS_QUESTIONS = 24
"""Questions of a set that htmlrag is asked: it takes seconds to minutes for one."""
ASKED_ALL = ("python_faq",)
"""Sets of which it is asked all: the yardstick is measured there."""

Entries = list[dict[str, Any]]


def drawn(records: list[Record], most: int | None) -> list[Record]:
    """At most so many, drawn by a hash, in the order of the set; more of them keep the fewer."""
    if most is None or len(records) <= most:
        return records
    keys = rng.mix(rng.hash_strings([f"{one.set}\x1f{one.id}" for one in records]), 0)
    chosen = np.sort(np.argsort(keys, kind="stable")[:most])
    return [records[place] for place in chosen.tolist()]


def available(names: list[str], given: argparse.Namespace) -> list[str]:
    """The methods that can run here; says of the others why not."""
    found = []
    for name in names:
        if name in methods.OUTSIDE and given.python is None:
            print(f"skipped {name}: name an interpreter with it by --python", file=sys.stderr)
            continue
        if name in methods.OURS:
            try:
                methods.loaded(name, given.model)
            except (DataPrunerError, ImportError) as absent:
                print(f"skipped {name}: {absent}", file=sys.stderr)
                continue
        found.append(name)
    return found


def measure(
    sets: list[str], names: list[str], most: int | None, given: argparse.Namespace
) -> tuple[Entries, dict[str, Any]]:
    """Cells of all sets that are on this machine, and what was read; the others are named."""
    cells: Entries = []
    data: dict[str, Any] = {}
    for name in sets:
        try:
            asked_of = [record for record in read(name) if not is_training(record)]
            records = drawn(asked_of, most)
        except DataAbsentError as absent:
            print(f"skipped {name}: {absent}", file=sys.stderr)
            continue
        texts = [
            f"{r.question}\x1f{p.html.decode(errors='replace')}" for r in records for p in r.pages
        ]
        data[name] = {"questions": len(records), "fingerprint": fingerprint(texts)}
        for method in names:
            if f"{name}:{method}" in given.skip:
                continue
            slow = method.startswith(("htmlrag", "paths", "sentences"))
            is_part = slow and not (method.startswith("htmlrag") and name in ASKED_ALL)
            few = min(given.outside_questions, PATHS_QUESTIONS if method == "paths" else math.inf)
            asked = drawn(records, int(few)) if is_part else records
            cells.append(curves.cell(method, asked, given.model, given.python))
            print(f"{name} {method}", file=sys.stderr)
    return cells, data


def report(kind: str, cells: Entries, data: dict[str, Any], words: str, python: str | None) -> None:
    """Write the result file and print its one line."""
    entries = [entry for cell in cells for entry in curves.curve(cell)]
    pairs = [
        pair
        for ours in cells
        for theirs in cells
        if ours["method"] in methods.OURS
        and theirs["method"] in methods.BASELINES
        and ours["dataset"] == theirs["dataset"]
        for pair in curves.versus(ours, theirs)
    ]
    judged = targets.of_questions(entries, pairs)
    payload = {
        "mode": kind,
        "environment": env.stamp(words),
        "version": curves.VERSION,
        "outside": curves.outside_versions(python) if python else {},
        "data": data,
        "counter": f"WordPiece of {methods.MODEL_PACKAGE}",
        "resamples": curves.RESAMPLES,
        "targets": judged,
        "curves": entries,
        "against": pairs,
    }
    path = results.write(f"{QUESTION}-{kind}", payload)
    line = {
        "benchmark": QUESTION,
        "mode": kind,
        "sets": {name: read["questions"] for name, read in data.items()},
        "cells": len(cells),
        "answer_at_1024": {
            f"{one['dataset']} {one['method']}": one["answer"]
            for one in entries
            if one["budget"] == 1024
        },
        "targets_met": f"{sum(one['met'] for one in judged)}/{len(judged)}",
        "missed": [f"{one['dataset']}: {one['target']}" for one in judged if not one["met"]],
        "result": f"benchmarks/results/{path.name}",
    }
    print(json.dumps(line))


def report_main(entries: Entries, words: str) -> None:
    """The same of main content."""
    judged = targets.of_main(entries)
    payload = {"environment": env.stamp(words), "targets": judged, "main_content": entries}
    path = results.write(f"{QUESTION}-main", payload)
    line = {
        "benchmark": QUESTION,
        "mode": "main",
        "main_content": [one for one in entries if "difference" in one],
        "targets_met": f"{sum(one['met'] for one in judged)}/{len(judged)}",
        "result": f"benchmarks/results/{path.name}",
    }
    print(json.dumps(line))


def options(arguments: list[str] | None) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog=MODULE, description=(__doc__ or "").splitlines()[0])
    mode = parser.add_mutually_exclusive_group(required=True)
    for name in ("quick", "full", "main", "table", "speed"):
        mode.add_argument(f"--{name}", action="store_true")
    parser.add_argument("--python", help="an interpreter with htmlrag and trafilatura")
    parser.add_argument("--dataset", choices=SETS, help="this one alone")
    parser.add_argument("--method", choices=methods.METHODS, action="append", help="these alone")
    parser.add_argument(
        "--skip",
        metavar="NAME",
        action="append",
        default=[],
        help="METHOD or SET:METHOD to leave out",
    )
    parser.add_argument("--questions", type=int, help="of a set, at most")
    parser.add_argument("--outside-questions", type=int, default=OUTSIDE_QUESTIONS)
    parser.add_argument("--model", metavar="FOLDER", help="a sentence model; default: packaged")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    given = options(arguments)
    words = f"{MODULE} {' '.join(sys.argv[1:] if arguments is None else arguments)}"
    if given.python:
        words = words.replace(given.python, "OTHER/bin/python")
    if given.table:
        table.questions(results.latest(f"{QUESTION}-full"))
        table.main_content(results.latest(f"{QUESTION}-main"))
        table.speed(results.latest(f"{QUESTION}-speed"))
        return 0
    if given.main:
        report_main(list(maincontent.measure(given.python, given.questions)), words)
        return 0
    if given.speed:
        found = speed.measure(given.python)
        path = results.write(f"{QUESTION}-speed", {"environment": env.stamp(words), "speed": found})
        line = {"benchmark": QUESTION, "mode": "speed", **found}
        print(json.dumps({**line, "result": f"benchmarks/results/{path.name}"}))
        return 0
    sets = [given.dataset] if given.dataset else list(SETS)
    wanted = list(QUICK_METHODS if given.quick else methods.METHODS)
    if given.quick and given.python:
        wanted += ["trafilatura"]
    wanted = [name for name in given.method or wanted if name not in given.skip]
    names = available(wanted, given)
    most = given.questions or (QUICK_QUESTIONS if given.quick else None)
    cells, data = measure(sets, names, most, given)
    if not cells:
        print("nothing to measure: no set or no method is on this machine", file=sys.stderr)
        return 2
    is_part = bool(given.dataset or given.method)
    kind = "quick" if given.quick else "one" if is_part else "full"
    report(kind, cells, data, words, given.python)
    return 0


if __name__ == "__main__":
    sys.exit(main())
