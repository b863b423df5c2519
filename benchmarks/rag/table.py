"""The generated part of README.md: targets, curves set by set, and who is ahead of whom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.common.tables import markdown, replace_block
from benchmarks.rag.baselines import BASELINES, METHODS, OURS
from benchmarks.rag.curves import SHARES

README = Path(__file__).with_name("README.md")
LIMITS = tuple(f"{share:g}" for share in SHARES)
WORDS = ("win", "tie", "lose")
Entries = list[dict[str, Any]]


def main(result: dict[str, Any]) -> int:
    """Write the block; always 0."""
    where = result["environment"]
    parts = [
        f"Run of {result['date']}, commit {where['commit']}, {where['cpu']}, "
        f"{where['threads']} thread(s): `{where['command']}`."
    ]
    parts += [_targets(result["targets"]), _against(result["against"])]
    for name, read in result["data"].items():
        mine = [one for one in result["curves"] if one["dataset"] == name]
        parts.append(_set(name, read["questions"], mine))
        parts += [_free(mine, "t", "threshold"), _free(mine, "p", "price")]
    if result["calibration_error"]:
        rows = [[name, f"{error:.3f}"] for name, error in result["calibration_error"].items()]
        parts.append("### Calibration error (ECE, 10 bins)\n\n" + markdown(["set", "ECE"], rows))
    replace_block(README, "\n\n".join(filter(None, parts)))
    return 0


def _targets(judged: Entries) -> str:
    rows = [
        [
            f"{one['dataset']}: {one['target']}",
            f"{one['least']:g}",
            f"{one['measured']:.1f}",
            f"{one['ceiling']:.1f}" if one.get("ceiling") is not None else "",
            "yes" if one["met"] else "**no**",
        ]
        for one in judged
    ]
    return "### Targets\n\n" + markdown(["target", "at least", "measured", "possible", "met"], rows)


def _against(pairs: Entries) -> str:
    """Wins, ties and losses over sets and budgets of ours against each baseline."""
    rows = []
    for method in OURS:
        for what in ("answer", "gold"):
            mine = [one for one in pairs if (one["method"], one["what"]) == (method, what)]
            if mine:
                rows.append([f"{method}, {what}", *(_counts(mine, name) for name in BASELINES)])
    head = ["ours: win / tie / lose", *BASELINES]
    return (
        "### Against each baseline\n\nSets and budgets together; a difference inside its paired "
        f"95 % interval is a tie.\n\n{markdown(head, rows)}"
    )


def _counts(pairs: Entries, baseline: str) -> str:
    words = [one["verdict"] for one in pairs if one["baseline"] == baseline]
    return " / ".join(str(words.count(word)) for word in WORDS)


def _set(name: str, questions: int, entries: Entries) -> str:
    """Answer and gold kept by method and budget."""
    found = {(one["method"], one["limit"]): one for one in entries}
    rows = [
        [method, *(_pair(found[method, limit]) for limit in LIMITS)]
        for method in METHODS
        if (method, LIMITS[0]) in found
    ]
    head = ["kept at most", *(f"{share:.0%}" for share in SHARES)]
    widest = max(
        (one["answer_high"] - one["answer_low"]) / 2 for one in entries if "answer_low" in one
    )
    return (
        f"### {name}\n\n{questions} questions; per cent whose answer / all of whose gold "
        f"sentences are kept; intervals of answers up to ± {widest:.1f}.\n\n{markdown(head, rows)}"
    )


def _pair(entry: dict[str, Any]) -> str:
    return " / ".join(f"{entry[what]:.0f}" if what in entry else "-" for what in ("answer", "gold"))


def _free(entries: Entries, letter: str, name: str) -> str:
    mine = [one for one in entries if one["limit"].startswith(letter)]
    if not mine:
        return ""
    rows = [
        ["tokens kept, %", *(f"{one['kept']:.0f}" for one in mine)],
        ["answer / gold", *(_pair(one) for one in mine)],
    ]
    return markdown([name, *(one["limit"][1:] for one in mine)], rows)
