"""Fill the tables of the README from benchmarks/results: ``python benchmarks/readme.py``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.common import results, tables  # noqa: E402 (after the path is set)

METHODS = ("random", "hard", "easy", "mixed", "k-centre")
SHARES = (0.8, 0.4, 0.1)


def prototypes() -> str:
    """Means at three shares, and how often each method beats, ties with and loses to random."""
    result = results.latest("dataset-prototypes-full")
    found = {(c["dataset"], c["method"], c["share"]): c for c in result["cells"]}
    rows = []
    for name in result["data"]:
        whole = found[name, "all", 1.0]["mean"]
        cells = [_means(found, name, method) for method in METHODS]
        rows.append([name, f"{whole:.1f}", *cells])
    table = tables.markdown(["set", "everything", *METHODS], rows)
    counts = "; ".join(f"{m}: {_verdicts(result['cells'], m)}" for m in METHODS[1:])
    shares = ", ".join(f"{share:.0%}" for share in SHARES)
    return (
        f"Test accuracy after training on what is kept ({shares} of the rows), five seeds, "
        f"equal steps:"
        f"\n\n{table}\n\nAgainst a random draw of the same size, over all six shares and sets "
        f"(win / tie / lose, judged by paired 95 % intervals): {counts}. "
        "[The whole table](benchmarks/dataset/prototypes/README.md)."
    )


def _means(found: dict[Any, Any], name: str, method: str) -> str:
    return " / ".join(f"{found[name, method, share]['mean']:.1f}" for share in SHARES)


def _verdicts(cells: list[dict[str, Any]], method: str) -> str:
    mine = [c["verdict"] for c in cells if c["method"] == method and c["share"] < 1]
    return " / ".join(str(mine.count(word)) for word in ("win", "tie", "lose"))


def speed() -> str:
    """The figures of the core and of prototypes beside bare FAISS."""
    core = results.latest("core-full")
    beside = results.latest("dataset-prototypes-speed-full")
    slowest = max(case["wall_s"] for case in core["sort_and_fill"].values())
    rows = [
        [
            f"sort {core['rows']:,} rows and fill a budget (the slowest kind)",
            f"{slowest:.1f} s",
        ],
        ["one scalar offer to the ledger", f"{core['admit_us']:.1f} µs"],
        ["`import datapruner`", f"{core['import_s']:.2f} s"],
        ["`datapruner --help`", f"{core['help_s']:.2f} s"],
        [
            f"prototypes, {beside['rows']:,} x 384, k = {beside['k']:,}: CPU beside bare FAISS",
            f"{beside['cpu_ratio']:.2f} x",
        ],
        [
            "the same: peak memory above a bare interpreter",
            f"{beside['peak_above_interpreter_gib']:.2f} GiB",
        ],
    ]
    return tables.markdown(["what", "measured"], rows + _scale())


def _scale() -> list[list[str]]:
    """What the recipes for large data cost, and what ten million rows took."""
    beside = results.latest("dataset-scale-speed-full")
    large = results.latest("dataset-scale-memory-concepts-full")
    ratio, peak = beside["cpu_ratio"], beside["peak_above_interpreter_gib"]
    names = ("concepts", "duplicates", "density")
    run = large["runs"][-1]
    return [
        [
            f"{', '.join(f'`{name}`' for name in names)}, the same size: CPU beside bare FAISS",
            ", ".join(f"{ratio[name]:.2f} x" for name in names),
        ],
        [
            "the same: most memory above a bare interpreter",
            f"{max(peak[name] for name in names):.2f} GiB",
        ],
        [
            f"`concepts`, {run['rows']:,} x {large['dimensions']} in {large['dtype']}, "
            f"k = {large['k']:,}, --memory {large['memory']}: wall time",
            f"{run['wall_s']:,.0f} s",
        ],
        ["the same: most memory of its own", f"{run['peak_own_gib']:.2f} GiB"],
        [
            "the same: CPU a row beside that of a tenth of the rows",
            f"{large['growth_a_row']:.2f} x",
        ],
    ]


def main() -> None:
    """Write both blocks."""
    readme = ROOT / "README.md"
    tables.replace_block(readme, prototypes(), "prototypes")
    tables.replace_block(readme, speed(), "speed")


if __name__ == "__main__":
    main()
