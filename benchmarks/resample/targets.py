"""Time to a target: optimiser steps and CPU seconds until an accuracy is first reached.

An accuracy counts as reached when the watched half of the test rows shows it; the other half, which
had no say, gives the accuracy that is reported for that moment.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.common import stats
from benchmarks.resample import cells, methods

Runs = dict[int, dict[str, Any]]  # by seed
BELOW_FULL = 1.0  # points
MARKS = ("full - 1", "RS2 10%")


def race(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One entry a runner and target of one data set, over the seeds.

    Runners: all rows; RS2 without replacement at every share; all rows for the steps of RS2 at
    10 %; the best fixed subset at 10 %. Targets: a point below what all rows end with, and what RS2
    at 10 % ends with; both seed by seed, on the watched half.

    Returns:
        Entries with ``reached`` (of how many seeds), and where all reached it the mean and interval
        of ``steps``, ``seconds`` (of choosing and training), ``accuracy`` (of the other half then)
        and ``speed`` (steps of all rows over one's own).
    """
    runs: dict[tuple[str, str], Runs] = {}
    for record in records:
        runs.setdefault((record["method"], record["share"]), {})[record["seed"]] = record
    whole, fresh = runs[cells.FULL, cells.WHOLE], runs["RS2 without", cells.RACE]
    goals = (
        {seed: _end(run) - BELOW_FULL for seed, run in whole.items()},
        {seed: _end(run) for seed, run in fresh.items()},
    )
    shares = [share for name, share in runs if name == "RS2 without"]
    names = [(cells.FULL, cells.WHOLE), *(("RS2 without", share) for share in shares)]
    names += [(methods.SAME, cells.RACE), (best_static(records, cells.RACE), cells.RACE)]
    return [
        _entry(name, share, mark, goal, runs[name, share], whole)
        for mark, goal in zip(MARKS, goals, strict=True)
        for name, share in names
    ]


def cut_short(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """RS2 at its end against the run on all rows read off after as many steps, at every share.

    Returns:
        Entries with the paired ``difference``, its ``half`` interval and the ``verdict``, from
        accuracies on all test rows.
    """
    runs: dict[tuple[str, str], Runs] = {}
    for record in records:
        runs.setdefault((record["method"], record["share"]), {})[record["seed"]] = record
    entries = []
    for (name, share), mine in runs.items():
        if name != "RS2 without":
            continue
        seeds = sorted(mine)
        ends = [_mean_of(mine[seed]["curve"][-1]) for seed in seeds]
        whole = [
            _read_off(runs[cells.FULL, cells.WHOLE][seed], mine[seed]["steps"]) for seed in seeds
        ]
        found = stats.compare(ends, whole)
        entries.append(
            {
                "dataset": mine[0]["dataset"],
                "share": share,
                "steps": mine[0]["steps"],
                "difference": round(found.difference.mean, 2),
                "half": round(found.difference.half, 2),
                "verdict": found.verdict,
            }
        )
    return entries


def _read_off(run: dict[str, Any], steps: int) -> float:
    """Accuracy after so many steps, between two looks on the line that joins them."""
    looks = run["curve"]
    return float(np.interp(steps, [look[0] for look in looks], [_mean_of(look) for look in looks]))


def _mean_of(look: list[float] | tuple[float, ...]) -> float:
    return (look[2] + look[3]) / 2


def best_static(records: list[dict[str, Any]], share: str) -> str:
    """The fixed subset of the highest mean accuracy at a share."""
    by: dict[str, list[float]] = {}
    for record in records:
        if record["method"] in methods.STATIC and record["share"] == share:
            by.setdefault(record["method"], []).append(record["accuracy"])
    return max(by, key=lambda name: float(np.mean(by[name])))


def _end(run: dict[str, Any]) -> float:
    return float(run["curve"][-1][2])


def _reached(run: dict[str, Any], goal: float) -> tuple[float, float, float] | None:
    """Steps, CPU seconds and the other half's accuracy when the goal is first reached."""
    for step, seconds, watched, other in run["curve"]:
        if watched >= goal:
            return step, seconds + run["select_s"], other
    return None


def _entry(
    name: str, share: str, mark: str, goal: dict[int, float], runs: Runs, whole: Runs
) -> dict[str, Any]:
    found = {seed: _reached(runs[seed], goal[seed]) for seed in sorted(runs)}
    there = {seed: hit for seed, hit in found.items() if hit is not None}
    entry: dict[str, Any] = {
        "dataset": runs[0]["dataset"],
        "method": name,
        "share": share,
        "target": mark,
        "goal": round(float(np.mean(list(goal.values()))), 2),
        "in_all": runs[0]["steps"],
        "reached": len(there),
        "of": len(runs),
    }
    if len(there) < len(runs):
        return entry
    slow = {seed: _reached(whole[seed], goal[seed]) for seed in runs}
    values = {
        "steps": [hit[0] for hit in there.values()],
        "seconds": [hit[1] for hit in there.values()],
        "accuracy": [hit[2] for hit in there.values()],
    }
    if all(hit is not None for hit in slow.values()):
        values["speed"] = [slow[seed][0] / there[seed][0] for seed in there]  # type: ignore[index]
    for what, each in values.items():
        told = stats.estimate(each)
        entry[what], entry[f"{what}_half"] = round(told.mean, 3), round(told.half, 3)
    return entry
