"""The orders that must come out on digits: dataset.md of the design, section 10.2, as assertions."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.dataset.prototypes.cells import Cell

SHARES = (0.05, 0.1, 0.3, 0.5, 0.7)
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
    claims = [
        (f"easy b=.5 - hard b=.5 at {share:g}", mean["easy b=.5", share] - mean["hard b=.5", share], 8)
        for share in (0.05, 0.1)
    ]
    claims += [
        (f"hard - easy at {share:g}", mean["hard", share] - mean["easy", share], 3)
        for share in (0.3, 0.5, 0.7)
    ]
    claims.append(("hard - random at 0.7", mean["hard", 0.7] - mean["random", 0.7], -0.2))
    for text, value, least in claims:
        verdict = "holds" if value >= least else "FAILS"
        print(f"{verdict}  {text:<28} {value:+6.1f}  (at least {least:+g})")
    return int(any(value < least for _, value, least in claims))
