"""The generated part of README.md: accuracy by set, worst classes, verdicts, the planted check."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.common.tables import markdown, replace_block
from benchmarks.dataset.concepts.choose import ALL, METHODS

README = Path(__file__).with_name("README.md")
Entries = list[dict[str, Any]]
TITLES = {
    "accuracy": "accuracy, mean over classes",
    "worst_tenth": "accuracy, mean over the worst tenth of the classes",
    "narrow": "accuracy, mean over the narrow classes",
    "broad": "accuracy, mean over the broad classes",
}


def main(result: dict[str, Any]) -> int:
    """Write the block; always 0."""
    parts = [_origin(result)]
    for name in result["data"]:
        mine = [entry for entry in result["cells"] if entry["dataset"] == name]
        parts.append(_head(name, mine, result))
        parts += [_by_share(mine, m, title) for m, title in TITLES.items() if m in mine[0]]
    parts += [_rivals(result["cells"]), _composition(result["composition"])]
    parts.append(_planted(result["planted"]))
    replace_block(README, "\n\n".join(parts))
    return 0


def _origin(result: dict[str, Any]) -> str:
    where, seeds = result["environment"], result["seeds"]
    return (
        f"Run of {result['date']}, commit {where['commit']}, {where['cpu']}, "
        f"{where['threads']} thread(s), {len(seeds)} seeds: `{where['command']}`. "
        "Per cent, mean ± 95 % interval over the seeds. **Bold**: better than random; _italic_: "
        "worse than random; plain: a tie (the paired difference lies inside its own interval)."
    )


def _head(name: str, mine: Entries, result: dict[str, Any]) -> str:
    whole = next(entry for entry in mine if entry["method"] == ALL)
    ours = next(entry for entry in mine if entry["method"] == "concepts")
    return (
        f"### {name}\n\n{whole['kept']} rows; everything kept: {_plain(whole['accuracy'])}, worst "
        f"tenth {_plain(whole['worst_tenth'])}, worst class {_plain(whole['worst'])}. Effective "
        f"concepts at temperature 0.1: {ours['effective']} of 100. Scoring takes "
        f"{result['score_seconds'][name]:.2f} s."
    )


def _by_share(mine: Entries, measure: str, title: str) -> str:
    found = {(entry["method"], entry["share"]): entry for entry in mine}
    shares = sorted({entry["share"] for entry in mine} - {1.0}, reverse=True)
    rows = [
        [method] + [_cell(found[method, share][measure]) for share in shares] for method in METHODS
    ]
    head = ["method", *(f"{share:.0%} ({found['random', share]['kept']})" for share in shares)]
    return f"{title[0].upper()}{title[1:]}:\n\n{markdown(head, rows)}"


def _plain(value: dict[str, Any]) -> str:
    return f"{value['mean']:.1f} ± {value['half']:.1f}"


def _cell(value: dict[str, Any]) -> str:
    mark = {"win": "**", "lose": "_"}.get(value.get("verdict", ""), "")
    return f"{mark}{_plain(value)}{mark}"


def _rivals(entries: Entries) -> str:
    """The paper's recipe against each baseline, set by set and share by share."""
    ours = [entry for entry in entries if entry["method"] == "concepts"]
    rows = [
        [f"{entry['dataset']} {entry['share']:.0%}"]
        + [f"{v['lead']:+.1f} ± {v['lead_half']:.1f} {v['verdict']}" for v in _each(entry)]
        for entry in ours
    ]
    head = ["concepts minus", *ours[0]["rivals"]]
    return f"### Concepts against each baseline, points of accuracy\n\n{markdown(head, rows)}"


def _each(entry: dict[str, Any]) -> list[dict[str, Any]]:
    return list(entry["rivals"].values())


def _composition(found: Entries) -> str:
    """Where the budget of every method goes."""
    by = {(entry["method"], entry["share"]): entry["broad"] for entry in found}
    shares = sorted({share for _, share in by} - {1.0}, reverse=True)
    rows = [[method] + [f"{by[method, share]:.0f}" for share in shares] for method in METHODS]
    head = ["method", *(f"{share:.0%}" for share in shares)]
    return (
        "### Rows of broad classes among what is kept of the mixture, per cent\n\n"
        f"Of all rows they are {by[ALL, 1.0]:.0f} %, of the classes 13 %. Seed 0.\n\n"
        f"{markdown(head, rows)}"
    )


def _planted(found: Entries) -> str:
    rows = [
        [
            str(entry["seed"]),
            entry["allocate"],
            ":".join(str(q) for q in entry["quotas"]),
            f"{entry['worst_class']:.1f}",
        ]
        for entry in found
    ]
    head = ["seed", "allocate", "quotas", "worst class"]
    return (
        "### Three clusters of 1000, 100 and 10 rows, 300 kept\n\n"
        f"Expected: 190:100:10 against 270:27:3.\n\n{markdown(head, rows)}"
    )
