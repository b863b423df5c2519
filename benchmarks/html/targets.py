"""The targets of the README, each as a claim that a run's entries meet or miss."""

from __future__ import annotations

from typing import Any

from benchmarks.html.methods import BASELINES, BUDGETS

MODELS = ("semantic", "sentences", "paths")
Entries = list[dict[str, Any]]


def of_questions(curves: Entries, against: Entries) -> Entries:
    """Every target that the run says something of: what was asked, what came out, is it met."""
    return [*_manual(curves), *_ahead(against)]


def of_main(entries: Entries) -> Entries:
    """The same of main content."""
    return [
        _claim(one["dataset"], f"{one['method']}, not behind: upper end of the gap", one["high"], 0)
        for one in entries
        if "difference" in one
    ]


def _manual(curves: Entries) -> Entries:
    at = [one for one in curves if (one["dataset"], one["budget"]) == ("python_faq", 1024)]
    found = [
        _claim("python_faq", "lexical, 1,024 tokens", one["answer"], 95)
        for one in at
        if one["method"] == "lexical"
    ]
    models = [one["answer"] for one in at if one["method"] in MODELS]
    if models:
        found.append(_claim("python_faq", "best model, 1,024 tokens", max(models), 98))
    return found


def _ahead(against: Entries) -> Entries:
    """At every budget the best of ours against each baseline, loss or tie stated by the entries."""
    found = []
    for name in dict.fromkeys(one["dataset"] for one in against):
        for baseline in BASELINES:
            mine = [
                one
                for one in against
                if (one["dataset"], one["baseline"]) == (name, baseline) and one["method"] != "main"
            ]
            if not mine:
                continue
            won = {one["budget"] for one in mine if one["verdict"] == "win"}
            what = f"budgets at which one of ours is ahead of {baseline}"
            found.append(_claim(name, what, len(won), len(BUDGETS)))
    return found


def _claim(name: str, what: str, value: float, least: float) -> dict[str, Any]:
    return {
        "dataset": name,
        "target": what,
        "least": least,
        "measured": value,
        "met": bool(value >= least),
    }
