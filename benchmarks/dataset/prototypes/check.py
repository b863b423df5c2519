"""The orders that must come out on digits, as the method's specification lists them (10.2)."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.dataset.prototypes.cells import Cell

SHARES = (0.05, 0.1, 0.3, 0.5, 0.7)
CLAIMS = (  # (better, worse, share, least lead in points)
    ("easy b=.5", "hard b=.5", 0.05, 8.0),
    ("easy b=.5", "hard b=.5", 0.1, 8.0),
    ("hard", "easy", 0.3, 3.0),
    ("hard", "easy", 0.5, 3.0),
    ("hard", "easy", 0.7, 3.0),
    ("hard", "random", 0.7, -0.2),
)
METHODS = ("random", "hard", "easy", "hard b=.5", "easy b=.5")


def plan(seeds: int) -> list[Cell]:
    """Digits at the shares and with the methods that the assertions speak of."""
    return [
        Cell("digits", method, share, seed)
        for seed in range(seeds)
        for share in SHARES
        for method in METHODS
    ]


def main(records: list[dict[str, Any]]) -> int:
    """Print every assertion with its number; 1 if any fails, else 0."""
    mean = {
        (method, share): float(
            np.mean(
                [r["accuracy"] for r in records if (r["method"], r["share"]) == (method, share)]
            )
        )
        for method in METHODS
        for share in SHARES
    }
    failed = 0
    for better, worse, share, least in CLAIMS:
        lead = mean[better, share] - mean[worse, share]
        verdict = "holds" if lead >= least else "FAILS"
        failed += lead < least
        text = f"{better} - {worse} at {share:g}"
        print(f"{verdict}  {text:<32} {lead:+6.1f}  (at least {least:+g})")
    return int(failed > 0)
