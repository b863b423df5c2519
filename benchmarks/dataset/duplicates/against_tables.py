"""Writes the two tables of the README that compare with others, from the committed results."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from common import results, tables

README = Path(__file__).with_name("README.md")
SEMHASH = "dataset-duplicates-semhash-offline-full"
SPLIT = {"datatrove split": "datatrove with `str.split`"}
LANE_NAMES = {
    "semantic": "ours, semantic stage",
    "two probes": "ours, `probes=2`",
    "every pair": "ours, `k=1`: every pair",
    "cascade": "ours, whole cascade",
    "semhash": "semhash",
}


def speed(found: dict[str, Any]) -> str:
    """Documents a CPU second, a line a set."""
    rows = [
        [
            f"`{name}`",
            f"{line['documents']:,}",
            f"{line['ours']:,}",
            f"{line['datatrove']:,}",
            f"{line['datatrove split']:,}",
            f"{line['times datatrove']} x",
            f"{line['times datatrove split']} x",
        ]
        for name, line in found["speed"].items()
    ]
    head = ["set", "documents", "ours", "datatrove", "with `str.split`", "ours to it", "to that"]
    return tables.markdown(head, rows)


def caught(found: dict[str, Any]) -> str:
    """Share of the pairs of each true Jaccard similarity of which one goes, a line a tool."""
    levels = list(found["recall"]["ours"])
    rows = [
        [
            SPLIT.get(name, name),
            *(f"{100 * found['recall'][name][level]:.0f} %" for level in levels),
        ]
        for name in found["recall"]
    ]
    return tables.markdown(["pairs found at", *levels], rows)


def semantic(found: dict[str, Any]) -> str:
    """Recall by kind of copy, what is left, and the cost, a line a tool."""
    kinds = list(found["within_reach"])
    rows = [
        [
            LANE_NAMES[name],
            *(f"{100 * lane['recall'][kind]:.1f} %" for kind in kinds),
            f"{lane['dropped']:,}",
            f"{lane['left_behind']:,}",
            f"{lane['cpu_s']:.1f} s",
            f"{lane['peak_mib']:,} MiB",
        ]
        for name, lane in found["lanes"].items()
    ]
    reach = [f"{100 * found['within_reach'][kind]:.1f} %" for kind in kinds]
    rows.append(["cosine of .9 or more", *reach, "", "0", "", ""])
    return tables.markdown(["", *kinds, "dropped", "left behind", "CPU", "memory"], rows)


def main() -> None:
    found = results.latest("dataset-duplicates-datatrove-full")
    tables.replace_block(README, f"{speed(found)}\n\n{caught(found)}", "datatrove")
    tables.replace_block(README, semantic(results.latest(SEMHASH)), "semhash")


if __name__ == "__main__":
    main()
