"""The generated part of README.md: accuracies by set, then the race to a target, then costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.common.tables import markdown, replace_block
from benchmarks.resample import cells, methods, targets

README = Path(__file__).with_name("README.md")
Entries = list[dict[str, Any]]


def main(result: dict[str, Any]) -> int:
    """Write the block; always 0."""
    parts = [_origin(result), _verdicts(result["cells"])]
    for name in result["data"]:
        mine = [entry for entry in result["cells"] if entry["dataset"] == name]
        parts.append(_accuracies(name, mine, result["rounds"][name]))
        race = [entry for entry in result["race"] if entry["dataset"] == name]
        cut = [entry for entry in result["cut_short"] if entry["dataset"] == name]
        parts.append(_race(race, cut))
    if "speed" in result:
        parts.append(_costs(result["speed"]))
    replace_block(README, "\n\n".join(parts))
    return 0


def _origin(result: dict[str, Any]) -> str:
    where = result["environment"]
    return (
        f"Run of {result['date']}, commit {where['commit']}, {where['cpu']}, "
        f"{where['threads']} thread(s), {len(result['seeds'])} seeds: `{where['command']}`."
    )


def _verdicts(entries: Entries) -> str:
    """RS2 without replacement against the best fixed subset, in all cells."""
    mine = [entry for entry in entries if entry["method"] == "RS2 without"]
    rows = [
        [
            entry["dataset"],
            entry["share"],
            entry["best_static"],
            f"{entry['vs_static']:+.1f} ± {entry['vs_static_half']:.1f}",
            entry["verdict"],
        ]
        for entry in mine
    ]
    words = [entry["verdict"] for entry in mine]
    head = ["set", "share a round", "best fixed subset", "RS2 ahead by", "verdict"]
    return (
        "### RS2 without replacement against the best fixed subset\n\n"
        f"{words.count('win')} wins, {words.count('tie')} ties, {words.count('lose')} losses.\n\n"
        f"{markdown(head, rows)}"
    )


def _accuracies(name: str, entries: Entries, rounds: int) -> str:
    names = [m for m in methods.METHODS if any(entry["method"] == m for entry in entries)]
    found = {(entry["share"], entry["method"]): entry for entry in entries}
    shares = dict.fromkeys(entry["share"] for entry in entries if entry["method"] in names)
    rows = [
        [share, str(found[share, names[0]]["steps"]), *(_cell(found[share, m]) for m in names)]
        for share in shares
    ]
    told = "; ".join(
        f"{method} {_plain(found[cells.WHOLE, method])} in {found[cells.WHOLE, method]['steps']} "
        "steps"
        for method in (cells.FULL, cells.BY_LOSSES)
    )
    return (
        f"### {name}\n\n{rounds} rounds. All rows, {rounds} epochs: {told}.\n\n"
        f"{markdown(['share a round', 'steps', *names], rows)}"
    )


def _plain(entry: dict[str, Any]) -> str:
    return f"{entry['mean']:.1f} ± {entry['half']:.1f}"


def _cell(entry: dict[str, Any]) -> str:
    mark = {"win": "**", "lose": "_"}.get(entry.get("verdict", ""), "")
    return f"{mark}{_plain(entry)}{mark}"


def _race(entries: Entries, cut: Entries) -> str:
    """One row a runner, three columns a target; before it, where the full run stood."""
    found = {(entry["target"], entry["method"], entry["share"]): entry for entry in entries}
    runners = list(dict.fromkeys((entry["method"], entry["share"]) for entry in entries))
    goals = {mark: found[mark, *runners[0]]["goal"] for mark in targets.MARKS}
    rows = []
    for name, share in runners:
        both = [found[mark, name, share] for mark in targets.MARKS]
        row = [f"{name}, {share}", str(both[0]["in_all"])]
        for entry in both:
            row += _arrival(entry)
        rows.append(row)
    head = ["", "steps in all"]
    for mark in targets.MARKS:
        head += [f"{mark} ({goals[mark]:.1f}): steps", "CPU s", "accuracy then"]
    lead = found[targets.MARKS[1], "RS2 without", cells.RACE]
    told = ""
    if "speed" in lead:
        told = (
            f" To what RS2 at {cells.RACE} ends with, training on all rows takes "
            f"{lead['speed']:.1f} ± {lead['speed_half']:.1f} times its steps."
        )
    ahead = "; ".join(
        f"{one['share']} {one['difference']:+.1f} ± {one['half']:.1f} ({one['verdict']})"
        for one in cut
    )
    told += f" RS2 at its end against the full run read off after as many steps: {ahead}."
    return f"Time to a target.{told}\n\n{markdown(head, rows)}"


def _arrival(entry: dict[str, Any]) -> list[str]:
    if entry["reached"] == 0:
        return ["not reached", "", ""]
    if entry["reached"] < entry["of"]:
        return [f"{entry['reached']} of {entry['of']} seeds", "", ""]
    return [
        f"{entry['steps']:.0f} ± {entry['steps_half']:.0f}",
        f"{entry['seconds']:.2f} ± {entry['seconds_half']:.2f}",
        f"{entry['accuracy']:.1f}",
    ]


def _costs(found: dict[str, Any]) -> str:
    rows = [[name, f"{value:.2f}"] for name, value in found["rounds"].items()]
    cost = found["sampler"]
    return (
        "### What a round costs\n\nCPU seconds, ten million rows.\n\n"
        f"{markdown(['rows a round', 'CPU seconds'], rows)}\n\n"
        f"An epoch of 6,000 of 60,000 images with a small network: {cost['epoch']:.1f} CPU "
        f"seconds, of which the sampler, confirmations included, {cost['sampler']:.4f} "
        f"({cost['share of the epoch']:.2%})."
    )
