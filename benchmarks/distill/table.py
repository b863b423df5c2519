"""The generated part of README.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.common import stats
from benchmarks.common.tables import markdown, replace_block
from benchmarks.distill.cells import ALPHAS, SELECTIONS, SWEEP, TEACHERS

README = Path(__file__).with_name("README.md")
KINDS = {
    "EL2N of short runs (hard, easy)": ("hard", "easy"),
    "the teacher (margin, disagreement)": ("margin", "disagreement"),
}
WORDS = ("win", "tie", "lose")
Found = dict[tuple[Any, ...], dict[str, Any]]


def main(result: dict[str, Any]) -> int:
    """Write the block; always 0."""
    found: Found = {
        (e["dataset"], e["noise"], e["select"], e["share"], e["alpha"], e["teacher"]): e
        for e in result["cells"]
    }
    parts = [_origin(result), "### All sets", *_tied(result["data"], found)]
    parts += [*_counts(result["data"], found), *_against_best(result["data"], found)]
    for name in result["data"]:
        parts += [f"### {name}", *_set(name, found), *_sizes(name, found)]
    replace_block(README, "\n\n".join(parts))
    return 0


def _origin(result: dict[str, Any]) -> str:
    where = result["environment"]
    return (
        f"Run of {result['date']}, commit {where['commit']}, {where['cpu']}, "
        f"{where['threads']} thread(s), {len(result['seeds'])} seeds: `{where['command']}`. Test "
        "accuracy in per cent, means over the seeds."
    )


def _own(name: str, found: Found) -> int:
    """The teacher that most cells have: of the student's own size."""
    teachers = [key[5] for key in found if key[0] == name]
    return max(set(teachers), key=teachers.count)


def _cases(names: Any, found: Found) -> list[tuple[str, str, Found]]:
    """Set, share of wrong labels as text, and the cells of its own teacher."""
    cases = []
    for name in names:
        own = _own(name, found)
        for noise in sorted({key[1] for key in found if key[0] == name}):
            mine = {
                key[2:5]: entry
                for key, entry in found.items()
                if (key[0], key[1], key[5]) == (name, noise, own)
            }
            cases.append((name, f"{noise:.0%}" if noise else "none", mine))
    return cases


def _tied(names: Any, found: Found) -> list[str]:
    """Which alphas are as good as the best one."""
    cases = _cases(names, found)
    whole = [s for _, _, mine in cases for s in _shares(mine) if ("random", s, 0.3) in mine]
    shares = sorted(set(whole))
    rows = []
    for name, noise, mine in cases:
        line = [name, noise]
        for share in shares:
            entries = {a: mine.get(("random", share, a)) for a in SWEEP}
            if not all(entries.values()):
                line.append("")
                continue
            best = max(entries, key=lambda a: entries[a]["mean"])
            as_good = [
                f"**{a:g}**" if a == best else f"{a:g}"
                for a, e in entries.items()
                if stats.compare(e["values"], entries[best]["values"]).verdict == "tie"
            ]
            line.append(" ".join(as_good))
        rows.append(line)
    head = ["set", "wrong labels", *[f"{share:.0%} kept" for share in shares]]
    return [
        "A fair draw: the alpha with the highest mean (bold), and those that tie with it:",
        markdown(head, rows),
    ]


def _counts(names: Any, found: Found) -> list[str]:
    """Wins, ties and losses of a fair draw with a teacher, over the sets."""
    rows = []
    for told, selections in KINDS.items():
        for noise in ("none", "20%"):
            for share in (0.1, 0.3, 0.5):
                rows.append([told, noise, f"{share:.0%}"])
                for alpha in SWEEP[1:]:
                    verdicts = [
                        stats.compare(
                            mine["random", share, alpha]["values"],
                            mine[select, share, 0.0]["values"],
                        ).verdict
                        for _, wrong, mine in _cases(names, found)
                        for select in selections
                        if wrong == noise and (select, share, 0.0) in mine
                    ]
                    rows[-1].append(" / ".join(map(str, map(verdicts.count, WORDS))))
    head = ["subset chosen by", "wrong labels", "kept", *[f"alpha {a:g}" for a in SWEEP[1:]]]
    return [
        "A fair draw with a teacher against subsets without one: wins / ties / losses over the "
        "sets that have the share, two subsets a set:",
        markdown(head, rows),
    ]


def _against_best(names: Any, found: Found) -> list[str]:
    """A fair draw with a teacher beside the best of all selections without one."""
    rows = []
    for name, noise, mine in _cases(names, found):
        for share in _shares(mine):
            plain = [s for s in SELECTIONS if s != "random" and (s, share, 0.0) in mine]
            if not plain:
                continue
            best = max(plain, key=lambda s: mine[s, share, 0.0]["mean"])
            line = [name, noise, f"{share:.0%}", best]
            for alpha in (0.3, 0.5, 0.9, 1.0):
                ours = mine["random", share, alpha]["values"]
                lead = stats.compare(ours, mine[best, share, 0.0]["values"])
                line.append(
                    f"{lead.difference.mean:+.1f} ± {lead.difference.half:.1f} {lead.verdict}"
                )
            rows.append(line)
    head = [
        "set",
        "wrong labels",
        "kept",
        "best score-based",
        *[f"alpha {a:g}" for a in (0.3, 0.5, 0.9, 1.0)],
    ]
    return [
        "A fair draw with a teacher against the best score-based selection without one:",
        markdown(head, rows),
    ]


def _set(name: str, found: Found) -> list[str]:
    own, parts = _own(name, found), []
    for noise in sorted({key[1] for key in found if key[0] == name}):
        mine = {
            key[2:5]: entry
            for key, entry in found.items()
            if (key[0], key[1], key[5]) == (name, noise, own)
        }
        teacher = next(iter(mine.values()))["teacher_accuracy"]
        labels = "Clean labels" if not noise else f"{noise:.0%} wrong labels"
        parts.append(f"{labels}, teacher {teacher:.1f}. By alpha {_slashed(ALPHAS)}:")
        parts += [_selections(mine), "A fair draw, more alphas, mean ± 95 % interval:"]
        parts += [_sweep(mine), "A fair draw with alpha 1 against each selection without teacher:"]
        parts.append(_verdicts(mine))
    return parts


def _slashed(values: tuple[float, ...]) -> str:
    return " / ".join(f"{value:g}" for value in values)


def _shares(mine: Found) -> list[float]:
    return sorted({key[1] for key in mine})


def _selections(mine: Found) -> str:
    rows = [
        [f"{share:.0%}", str(mine["random", share, 0.0]["kept"])]
        + [
            " / ".join(f"{mine[select, share, alpha]['mean']:.1f}" for alpha in ALPHAS)
            for select in SELECTIONS
        ]
        for share in _shares(mine)
        if (SELECTIONS[-1], share, 0.0) in mine
    ]
    return markdown(["share", "rows", *SELECTIONS], rows)


def _sweep(mine: Found) -> str:
    rows = []
    for share in _shares(mine):
        entries = [mine.get(("random", share, alpha)) for alpha in SWEEP]
        told = [f"{entry['mean']:.1f} ± {entry['half']:.1f}" for entry in entries if entry]
        if len(told) == len(SWEEP):
            rows.append([f"{share:.0%}", *told])
    return markdown(["share", *[f"alpha {alpha:g}" for alpha in SWEEP]], rows)


def _verdicts(mine: Found) -> str:
    rows = []
    for share in _shares(mine):
        if (SELECTIONS[-1], share, 0.0) not in mine:
            continue
        ours = mine["random", share, 1.0]["values"]
        cells = []
        for select in SELECTIONS:
            lead = stats.compare(ours, mine[select, share, 0.0]["values"])
            cells.append(f"{lead.difference.mean:+.1f} ± {lead.difference.half:.1f} {lead.verdict}")
        rows.append([f"{share:.0%}", *cells])
    return markdown(["share", *SELECTIONS], rows)


def _sizes(name: str, found: Found) -> list[str]:
    mine = {
        (key[3], key[5]): entry
        for key, entry in found.items()
        if (key[0], key[1], key[2], key[4]) == (name, 0.0, "random", 1.0)
    }
    shares = [s for s in sorted({key[0] for key in mine}) if all((s, t) in mine for t in TEACHERS)]
    if not shares:
        return []
    told = [[f"{mine[shares[0], t]['teacher_accuracy']:.1f}" for t in TEACHERS]]
    rows = [["teacher itself", *told[0]]]
    for share in shares:
        entries = [mine[share, t] for t in TEACHERS]
        rows.append(
            [f"student, {share:.0%}", *[f"{e['mean']:.1f} ± {e['half']:.1f}" for e in entries]]
        )
    lead = stats.compare(mine[shares[0], 16]["values"], mine[shares[0], 512]["values"])
    return [
        "Teachers of several widths, student of 64 units, alpha 1, clean labels:",
        markdown(["", *[f"{t} units" for t in TEACHERS]], rows),
        f"At {shares[0]:.0%} the student of the 16-unit teacher leads that of the 512-unit teacher "
        f"by {lead.difference.mean:.1f} ± {lead.difference.half:.1f} ({lead.verdict}).",
    ]
