"""How much of a context can go before the answer does? ``python -m benchmarks.rag.run --quick``.

``--quick`` proves in about a minute that it runs (two sets, 60 questions together); ``--full``
makes the table; ``--table`` writes the newest full result into README.md; ``--speed`` measures CPU
times. Finished cells are remembered outside the repository, so a stopped run is continued by the
same command.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # run as a file: the root of the repository is not on the path
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from benchmarks.common import env, results
from benchmarks.common.loaders import DataAbsentError, fingerprint
from benchmarks.rag import baselines, curves, speed, table, targets
from benchmarks.rag.records import Record, read
from datapruner import rng
from datapruner.errors import InputError

QUESTION = "rag"
MODULE = "python -m benchmarks.rag.run"
QUICK_SETS = ("xquad.en", "hotpotqa_distractor")
QUICK_QUESTIONS = 30
QUESTIONS = 500
"""Questions of a set in the full run, drawn by a hash; some sets have fewer."""
LONG = {"covid_qa": 150}
"""Fewer of whole papers, each as long as forty other passages."""
LANGUAGES = tuple(f"xquad.{code}" for code in ("ar", "de", "es", "hi", "ru", "tr", "zh"))
"""The same questions and passages as xquad.en, of which the model was trained on English alone."""
ENGLISH = ("minilm", "minilm_redundancy")
"""What is not measured on them: its model reads English, as ours does."""

Entries = list[dict[str, Any]]


def questions(name: str, most: int) -> list[Record]:
    """At most so many questions of the test part; more of them keep those that fewer had."""
    records = read(name, "test")
    keys = rng.mix(rng.hash_strings([f"{name}\x1f{record.id}" for record in records]), 0)
    chosen = np.sort(np.argsort(keys, kind="stable")[:most])
    return [records[place] for place in chosen.tolist()]


def has_model(model: str | None) -> bool:
    """Whether there is a sentence model; says so where there is none."""
    from datapruner.scorers.labeller import Sentences

    try:
        return bool(Sentences(model=model).runtime)
    except InputError as absent:
        print(f"skipped sentences: {absent}", file=sys.stderr)
        return False


def measure(
    names: list[str], methods: list[str], most: int, model: str | None
) -> tuple[Entries, dict[str, Any]]:
    """Cells of all sets that are on this machine, and what was read; the others are named."""
    cells: Entries = []
    data: dict[str, Any] = {}
    for name in names:
        try:
            records = questions(name, min(most, LONG.get(name, most)))
        except DataAbsentError as absent:
            print(f"skipped {name}: {absent}", file=sys.stderr)
            continue
        texts = [f"{r.question}\x1f{doc.text}" for r in records for doc in r.docs]
        data[name] = {
            "questions": len(records),
            "fingerprint": fingerprint(texts),
            "ceiling_30": baselines.ceiling(records, 0.3),
        }
        for method in methods:
            if name in LANGUAGES and method in ENGLISH:
                continue
            cells.append(curves.cell(method, records, model))
            print(f"{name} {method}", file=sys.stderr)
    return cells, data


def report(kind: str, cells: Entries, data: dict[str, Any], command: str) -> None:
    """Write the result file and print its one line."""
    entries = [entry for cell in cells for entry in curves.curve(cell)]
    pairs = [
        pair
        for ours in cells
        for theirs in cells
        if ours["method"] in baselines.OURS
        and theirs["method"] in baselines.BASELINES
        and ours["dataset"] == theirs["dataset"] in targets.SETS
        for pair in curves.versus(ours, theirs)
    ]
    errors = {
        cell["dataset"]: round(curves.calibration_error(np.array(cell["bins"])), 4)
        for cell in cells
        if "bins" in cell
    }
    judged = targets.judged(entries, pairs, data)
    payload = {
        "mode": kind,
        "environment": env.stamp(command),
        "version": curves.VERSION,
        "data": data,
        "counter": "words",
        "resamples": curves.RESAMPLES,
        "calibration_error": errors,
        "targets": judged,
        "curves": entries,
        "against": pairs,
    }
    path = results.write(f"{QUESTION}-{kind}", payload)
    line = {
        "benchmark": QUESTION,
        "mode": kind,
        "sets": list(data),
        "cells": len(cells),
        "targets_met": f"{sum(one['met'] for one in judged)}/{len(judged)}",
        "missed": [f"{one['dataset']}: {one['target']}" for one in judged if not one["met"]],
        "calibration_error": errors,
        "result": f"benchmarks/results/{path.name}",
    }
    print(json.dumps(line))


def options(arguments: list[str] | None) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog=MODULE, description=(__doc__ or "").splitlines()[0])
    mode = parser.add_mutually_exclusive_group(required=True)
    for name in ("quick", "full", "table", "speed"):
        mode.add_argument(f"--{name}", action="store_true")
    parser.add_argument("--dataset", choices=(*targets.SETS, *LANGUAGES), help="this one alone")
    parser.add_argument("--method", choices=baselines.METHODS, help="this one alone")
    parser.add_argument("--questions", type=int, help="of a set, at most")
    parser.add_argument("--model", metavar="FOLDER", help="a sentence model; default: packaged")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    given = options(arguments)
    model = f" --model {given.model}" if given.model else ""
    if given.table:
        return table.main(results.latest(f"{QUESTION}-full"))
    if given.speed:
        found = speed.measure(given.model)
        payload = {"environment": env.stamp(f"{MODULE} --speed{model}"), "speed": found}
        path = results.write(f"{QUESTION}-speed", payload)
        line = {"benchmark": QUESTION, "mode": "speed", **found}
        print(json.dumps({**line, "result": f"benchmarks/results/{path.name}"}))
        return 0
    every = QUICK_SETS if given.quick else (*targets.SETS, *LANGUAGES)
    names = [given.dataset] if given.dataset else list(every)
    methods = [given.method] if given.method else list(baselines.METHODS)
    if "sentences" in methods and not has_model(given.model):
        methods.remove("sentences")
    most = given.questions or (QUICK_QUESTIONS if given.quick else QUESTIONS)
    cells, data = measure(names, methods, most, given.model)
    if not cells:
        print("nothing to measure: no set or no model is on this machine", file=sys.stderr)
        return 2
    words = MODULE + (" --quick" if given.quick else " --full") + model
    for name in ("dataset", "method", "questions"):
        value = getattr(given, name)
        words += f" --{name} {value}" if value else ""
    kind = "quick" if given.quick else "full"
    kind = "one" if given.full and (given.dataset or given.method) else kind
    report(kind, cells, data, words)
    return 0


if __name__ == "__main__":
    sys.exit(main())
