"""The generated part of README.md: tables by data set, then where each method wins and loses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.common.tables import markdown, replace_block
from benchmarks.dataset.prototypes.choose import METHODS

README = Path(__file__).with_name("README.md")
Entries = list[dict[str, Any]]


def main(result: dict[str, Any]) -> int:
    """Write the block; always 0."""
    entries: Entries = result["cells"]
    parts = [_origin(result)]
    parts += [_by_set(name, entries, result) for name in result["data"]]
    parts += [_verdicts(entries), _null(entries, result), _costs(result)]
    if "probe" in result:
        parts.append(_probe(result["probe"], entries))
    replace_block(README, "\n\n".join(parts))
    return 0


def _origin(result: dict[str, Any]) -> str:
    where, seeds = result["environment"], result["seeds"]
    return (
        f"Run of {result['date']}, commit {where['commit']}, {where['cpu']}, "
        f"{where['threads']} thread(s), {len(seeds)} seeds: `{where['command']}`. "
        "Test accuracy in per cent, mean ± 95 % interval over the seeds. **Bold**: better than "
        "random; _italic_: worse than random; plain: a tie (the paired difference lies inside its "
        "own 95 % interval)."
    )


def _by_set(name: str, entries: Entries, result: dict[str, Any]) -> str:
    mine = [entry for entry in entries if entry["dataset"] == name]
    found = {(entry["method"], entry["share"]): entry for entry in mine}
    whole = found["all", 1.0]
    shares = sorted({entry["share"] for entry in mine} - {1.0}, reverse=True)
    rows = [
        [f"{share:.0%}", str(found["random", share]["kept"])]
        + [_cell(found[method, share]) for method in METHODS]
        for share in shares
    ]
    learner = result["learners"][name]
    kind = f"hidden layer of {learner['hidden']}" if learner["hidden"] else "linear head"
    title = (
        f"### {name}\n\n{whole['kept']} rows; everything kept: {_plain(whole)}. {kind}, "
        f"{learner['steps']} steps of {learner['batch']} rows at every share."
    )
    return f"{title}\n\n{markdown(['share', 'rows', *METHODS], rows)}"


def _plain(entry: dict[str, Any]) -> str:
    return f"{entry['mean']:.1f} ± {entry['half']:.1f}"


def _cell(entry: dict[str, Any]) -> str:
    mark = {"win": "**", "lose": "_"}.get(entry.get("verdict", ""), "")
    return f"{mark}{_plain(entry)}{mark}"


def _verdicts(entries: Entries) -> str:
    """For every method the sets and shares where it wins, ties and loses against random."""
    rows = []
    for method in METHODS:
        if method in ("random", "null"):
            continue
        mine = [entry for entry in entries if entry["method"] == method]
        cells = [_places(mine, verdict) for verdict in ("win", "tie", "lose")]
        leads = [entry["vs_random"] for entry in mine]
        spread = f"{min(leads):+.1f} .. {max(leads):+.1f}"
        rows.append([method, *cells, spread])
    head = ["method", "wins", "ties", "loses", "points against random"]
    return f"### Against random at the same budget\n\n{markdown(head, rows)}"


def _places(entries: Entries, verdict: str) -> str:
    chosen = [entry for entry in entries if entry["verdict"] == verdict]
    by: dict[str, list[str]] = {}
    for entry in chosen:
        by.setdefault(entry["dataset"], []).append(f"{100 * entry['share']:g}")
    listed = "; ".join(f"{name} {', '.join(shares)}" for name, shares in by.items())
    return f"{len(chosen)}: {listed}" if chosen else "0"


def _null(entries: Entries, result: dict[str, Any]) -> str:
    nulls = [entry for entry in entries if entry["method"] == "null"]
    ties = sum(entry["verdict"] == "tie" for entry in nulls)
    off = [entry for entry in nulls if entry["verdict"] != "tie"]
    named = "; ".join(
        f"{entry['dataset']} {entry['share']:.0%} {entry['vs_random']:+.1f}" for entry in off
    )
    again = "; ".join(
        f"{row['dataset']} {row['share']:.0%} {row['difference']:+.2f} ± {row['half']:.2f} "
        f"over {row['seeds']} seeds ({row['verdict']})"
        for row in result.get("null_check", [])
    )
    return (
        "### Null control\n\nHard with shuffled scores must match random: "
        f"{ties} of {len(nulls)} cells tie{f' (not: {named})' if named else ''}. About one in "
        "twenty may differ by chance, and so may one in twenty of the verdicts above; as a "
        "smaller draw is part of a larger one of the same seed, such chance comes in rows."
        f"{f' With more seeds: {again}.' if again else ''}"
    )


def _costs(result: dict[str, Any]) -> str:
    rows = [
        [
            name,
            f"{costs['score']:.1f}",
            f"{max(costs[f'select {m}'] for m in METHODS if m != 'k-centre'):.2f}",
            f"{costs['select k-centre']:.1f}",
        ]
        for name, costs in result["wall_seconds"].items()
    ]
    head = ["set", "score", "select (slowest of the rankings)", "select k-centre, 80 %"]
    return f"### Cost in wall seconds, embeddings given\n\n{markdown(head, rows)}"


def _probe(rows: list[dict[str, Any]], entries: Entries) -> str:
    """What ``recommend`` answered for each set and share, and how that pick then did."""
    cells = []
    for row in rows:
        advised = row["pick"] != "uniform"
        cells.append(
            [
                row["dataset"],
                f"{row['share']:.0%}",
                row["words"],
                f"{row['probed']:+.1f} ± {row['probed_error']:.1f}" if advised else "",
                f"{row['real']:+.1f} ({row['verdict']})" if advised else "",
                row["best"],
            ]
        )
    head = ["set", "share", "recommended", "lead in the pilot ± s.e.", "lead here", "best here"]
    picks = [row["verdict"] for row in rows if row["pick"] != "uniform"]
    wins = [e for e in entries if e.get("verdict") == "win" and e["method"] != "null"]
    won = {(e["dataset"], e["share"]) for e in wins}
    quiet = [(row["dataset"], row["share"]) for row in rows if row["pick"] == "uniform"]
    return (
        "### What `recommend` would have said\n\nA pilot of 2000 rows, seed 0. It names a pick in "
        f"{len(picks)} of {len(rows)} cells, of which {picks.count('win')} win, "
        f"{picks.count('tie')} tie and {picks.count('lose')} lose against random here. In the "
        f"other {len(quiet)} it says random; in {len(won & set(quiet))} of those some pick does "
        "win.\n\n"
        f"{markdown(head, cells)}"
    )
