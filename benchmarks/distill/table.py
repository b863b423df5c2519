"""The generated part of README.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.common import stats
from benchmarks.common.tables import markdown, replace_block
from benchmarks.distill.cells import ALPHAS, SELECTIONS, SWEEP, TEACHERS

README = Path(__file__).with_name("README.md")
Found = dict[tuple[Any, ...], dict[str, Any]]


def main(result: dict[str, Any]) -> int:
    """Write the block; always 0."""
    found: Found = {
        (e["dataset"], e["noise"], e["select"], e["share"], e["alpha"], e["teacher"]): e
        for e in result["cells"]
    }
    parts = [_origin(result)]
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
