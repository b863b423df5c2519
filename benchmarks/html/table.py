"""The generated part of README.md: targets, curves set by set, main content, speed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.common.tables import markdown, replace_block
from benchmarks.html.methods import BASELINES, BUDGETS, METHODS, OURS

README = Path(__file__).with_name("README.md")
WORDS = ("win", "tie", "lose")
REACHED_AT = 1024
Entries = list[dict[str, Any]]


def questions(result: dict[str, Any]) -> None:
    """Write the block of the questions."""
    parts = [
        _run(result),
        "### Targets",
        # The first runs measured main content as well, which has a block of its own.
        _targets([one for one in result["targets"] if one["dataset"] in result["data"]]),
        _against(result["against"]),
    ]
    for name, read in result["data"].items():
        mine = [one for one in result["curves"] if one["dataset"] == name]
        parts.append(_set(name, read["questions"], mine))
    replace_block(README, "\n\n".join(filter(None, parts)))


def main_content(result: dict[str, Any]) -> None:
    """Write the block of the main content."""
    parts = [_run(result), _targets(result["targets"]), _main(result["main_content"])]
    replace_block(README, "\n\n".join(filter(None, parts)), "main")


def _run(result: dict[str, Any]) -> str:
    where = result["environment"]
    return (
        f"Run of {result['date']}, commit {where['commit']}, {where['cpu']}, "
        f"{where['threads']} thread(s): `{where['command']}`."
    )


def speed(result: dict[str, Any]) -> None:
    """Write the block of the speed run."""
    found = result["speed"]
    head = ["pages", "pages measured", "kB", "x lxml", "worst page"]
    rows = [
        [
            one["set"],
            str(one["pages"]),
            str(one["kb"]),
            f"{one['ratio']:.1f}",
            f"{one['worst']:.1f}",
        ]
        for one in found["ratios"]
    ]
    parts = [_run(result), markdown(head, rows)]
    for one in found["growth"]:
        points = ", ".join(f"{int(size):,}: {ms:g} ms" for size, ms in one["cpu_ms"].items())
        parts.append(
            f"{one['shape']}: slope {one['slope']:.2f} of log CPU time over log size.\n{points}."
        )
    rows = [
        [one["page"], str(one["kb"]), f"{one['peak_mib']:.0f}", f"{one['per_byte']:.1f}"]
        for one in found["memory"]
    ]
    parts.append(markdown(["memory: page", "kB", "MiB above the imports", "x input"], rows))
    if "htmlrag" in found:
        rows = [
            [
                one["set"],
                str(one["pages"]),
                f"{one['ours_s']:g}",
                f"{one['htmlrag_s']:g}",
                f"{one['times']:.0f}",
            ]
            for one in found["htmlrag"]
        ]
        head = ["against htmlrag, BM25, 1,024 tokens", "pages", "ours, s", "htmlrag, s", "times"]
        parts.append(markdown(head, rows))
    replace_block(README, "\n\n".join(parts), "speed")


def _targets(judged: Entries) -> str:
    rows = [
        [
            f"{one['dataset']}: {one['target']}",
            f"{one['least']:g}",
            f"{one['measured']:g}",
            "yes" if one["met"] else "**no**",
        ]
        for one in judged
    ]
    return markdown(["target", "at least", "measured", "met"], rows)


def _against(pairs: Entries) -> str:
    """Wins, ties and losses over sets and budgets of ours against each baseline."""
    names = [name for name in BASELINES if any(one["baseline"] == name for one in pairs)]
    rows = []
    for method in OURS:
        mine = [one for one in pairs if one["method"] == method]
        if mine:
            rows.append([method, *(_counts(mine, name) for name in names)])
    return (
        "### Against each baseline\n\nSets and budgets together: win / tie / lose; a difference "
        f"inside its paired 95 % interval is a tie.\n\n{markdown(['ours', *names], rows)}"
    )


def _counts(pairs: Entries, baseline: str) -> str:
    verdicts = [one["verdict"] for one in pairs if one["baseline"] == baseline]
    return " / ".join(str(verdicts.count(word)) for word in WORDS)


def _set(name: str, questions: int, entries: Entries) -> str:
    found = {(one["method"], one["budget"]): one for one in entries}
    rows = [
        [
            f"{method} ({found[method, BUDGETS[0]]['questions']})",
            *(_pair(found[method, budget]) for budget in BUDGETS),
            f"{found[method, REACHED_AT].get('reached', float('nan')):.0f}".replace("nan", ""),
        ]
        for method in METHODS
        if (method, BUDGETS[0]) in found
    ]
    return (
        f"### {name}\n\n{questions} questions (in brackets: asked of the method); per cent whose "
        "answer is kept / share of the gold that is kept; last, of how many questions any of the "
        f"gold is kept at {REACHED_AT:,} tokens.\n\n"
        f"{markdown(['tokens', *(f'{budget:,}' for budget in BUDGETS), 'reached'], rows)}"
    )


def _pair(entry: dict[str, Any]) -> str:
    gold = f" / {entry['gold']:.0f}" if "gold" in entry else ""
    return f"{entry['answer']:.0f}{gold}"


def _main(entries: Entries) -> str:
    rows = []
    for one in entries:
        if "difference" in one:
            what = f"{one['difference']:+.1f} ({one['low']:+.1f} to {one['high']:+.1f})"
            rows.append([f"{one['dataset']}: {one['method']}", "", "", what])
        else:
            values = [value for key, value in one.items() if isinstance(value, float)][:3]
            name = f"{one['dataset']} ({one['pages']}): {one['method']}"
            rows.append([name, *(f"{value:.1f}" for value in values)])
    head = ["main content", "precision or kept", "recall or dropped", "F1 or mean"]
    return markdown(head, rows) if rows else ""
