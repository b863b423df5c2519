"""The generated part of README.md: how often each score beats a fair draw, then set by set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.common.tables import markdown, replace_block
from benchmarks.scores import cells

README = Path(__file__).with_name("README.md")
Entries = list[dict[str, Any]]
MARKS = {"win": "**", "lose": "_"}
WORDS = ("win", "tie", "lose")


def main(result: dict[str, Any]) -> int:
    """Write the block; always 0."""
    entries: Entries = result["cells"]
    parts = [_origin(result)]
    parts.append(_counts("Clean labels", [one for one in entries if not one["noise"]]))
    wrong = [one for one in entries if one["noise"]]
    if wrong:
        parts.append(_counts(f"{cells.NOISE:.0%} wrong labels", wrong))
    parts.append(_against_fresh(entries))
    for name in result["data"]:
        for noise in sorted({one["noise"] for one in entries if one["dataset"] == name}):
            mine = [one for one in entries if (one["dataset"], one["noise"]) == (name, noise)]
            parts.append(_by_set(name, noise, mine, result["learners"][name]))
    parts += [_null(entries), _costs(result["cpu_seconds"])]
    replace_block(README, "\n\n".join(parts))
    return 0


def _origin(result: dict[str, Any]) -> str:
    where = result["environment"]
    return (
        f"Run of {result['date']}, commit {where['commit']}, {where['cpu']}, "
        f"{where['threads']} thread(s), {len(result['seeds'])} seeds: `{where['command']}`."
    )


def _rows() -> list[tuple[str, str]]:
    """What is compared with a fair draw, in the order of the tables."""
    scored = [(score, end) for end in cells.PICKS for score in cells.SCORES]
    return [*scored, (cells.MODERATE, ""), (cells.FRESH, "")]


def _counts(title: str, entries: Entries) -> str:
    """Wins, ties and losses over the sets, for every score and end at every share."""
    shares = sorted({one["share"] for one in entries} - {1.0})
    sets = sorted({one["dataset"] for one in entries})
    rows = []
    for score, end in _rows():
        mine = [one for one in entries if (one["score"], one["end"]) == (score, end)]
        if not mine:
            continue
        texts = []
        for share in shares:
            words = [one["verdict"] for one in mine if one["share"] == share]
            texts.append(" / ".join(str(words.count(w)) for w in WORDS) if words else "")
        leads = [one["vs_random"] for one in mine]
        spread = f"{min(leads):+.1f} .. {max(leads):+.1f}"
        rows.append([f"{end} {score}".strip(), *texts, spread])
    head = ["kept", *(f"{share:.0%}" for share in shares), "points against random"]
    return (
        f"### {title}: in how many sets it beats / ties with / loses to a fair draw\n\n"
        f"{len(sets)} sets, fewer where a row adds up to fewer.\n\n{markdown(head, rows)}"
    )


def _against_fresh(entries: Entries) -> str:
    """At every share what beats RS2, and how many of the fixed subsets tie with it and lose."""
    rows = []
    for share in sorted({one["share"] for one in entries} - {1.0}):
        mine = [one for one in entries if one["share"] == share and "verdict_rs2" in one]
        words = [one["verdict_rs2"] for one in mine]
        ahead = [
            f"{one['dataset']}{' noisy' if one['noise'] else ''}: {one['end']} {one['score']} "
            f"{one['vs_rs2']:+.1f}"
            for one in mine
            if one["verdict_rs2"] == "win"
        ]
        counts = " / ".join(str(words.count(word)) for word in WORDS)
        rows.append([f"{share:.0%}", counts, "; ".join(ahead)])
    return (
        "### Fixed subsets against RS2 at the same steps\n\n"
        f"{markdown(['kept', 'ahead / tie / behind', 'which are ahead'], rows)}"
    )


def _by_set(name: str, noise: float, entries: Entries, learner: dict[str, Any]) -> str:
    """Leads over a fair draw: one row a score, the ends side by side in every cell."""
    found = {(one["score"], one["end"], one["share"]): one for one in entries}
    shares = sorted({one["share"] for one in entries} - {1.0})
    rows = [["random, accuracy", *(_plain(found[cells.RANDOM, "", share]) for share in shares)]]
    rows += [
        [score, *(_lead(found.get((score, "", share))) for share in shares)]
        for score in (cells.FRESH, cells.MODERATE)
    ]
    for score in cells.SCORES:
        if not any(one["score"] == score for one in entries):
            continue
        texts = [
            " / ".join(_lead(found.get((score, end, share))) for end in cells.PICKS)
            for share in shares
        ]
        rows.append([score, *texts])
    labels = f", {noise:.0%} wrong labels" if noise else ""
    whole = found[cells.WHOLE, "", 1.0]
    return (
        f"### {name}{labels}\n\n{whole['kept']} rows; everything kept: {_plain(whole)}. "
        f"{learner['steps']} steps of {learner['batch']} rows. Points against random: "
        f"{' / '.join(cells.PICKS)}.\n\n"
        f"{markdown(['score', *(f'{share:.0%}' for share in shares)], rows)}"
    )


def _plain(entry: dict[str, Any]) -> str:
    return f"{entry['mean']:.1f} ± {entry['half']:.1f}"


def _lead(entry: dict[str, Any] | None) -> str:
    if entry is None:
        return "·"
    mark = MARKS.get(entry["verdict"], "")
    return f"{mark}{entry['vs_random']:+.1f}{mark}"


def _null(entries: Entries) -> str:
    nulls = [one for one in entries if one["score"] == cells.NULL]
    off = [
        f"{one['dataset']} {one['share']:.0%}{' noisy' if one['noise'] else ''} "
        f"{one['vs_random']:+.1f}"
        for one in nulls
        if one["verdict"] != "tie"
    ]
    named = "; ".join(off)
    return (
        f"### Null control\n\nThe hard end of shuffled {cells.NULL_SCORE} must match random: "
        f"{len(nulls) - len(off)} of {len(nulls)} cells tie"
        f"{f' (not: {named})' if off else ''}. About one verdict in twenty is chance, here and "
        "above."
    )


def _costs(found: dict[str, dict[str, float]]) -> str:
    rows = [
        [name, *(f"{mine[score]:.1f}" if score in mine else "·" for score in cells.SCORES)]
        for name, mine in found.items()
    ]
    return (
        f"### CPU seconds of a score, its runs included\n\n{markdown(['set', *cells.SCORES], rows)}"
    )
