"""Means with 95 % intervals, and the rule that says what counts as a difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Estimate:
    """A mean and the half-width of its 95 % interval (Student's t over the seeds)."""

    mean: float
    half: float

    def __str__(self) -> str:
        return f"{self.mean:.1f} ± {self.half:.1f}"


def estimate(values: Sequence[float]) -> Estimate:
    """Mean and interval of independent runs; one run has an infinite interval."""
    from scipy.stats import t

    x = np.asarray(values, dtype=np.float64)
    if x.size < 2:
        return Estimate(float(x.mean()), float("inf"))
    spread = float(x.std(ddof=1)) / float(np.sqrt(x.size))
    return Estimate(float(x.mean()), float(t.ppf(0.975, x.size - 1)) * spread)


@dataclass(frozen=True)
class Comparison:
    """A paired difference over the same seeds, and what may be said of it.

    Attributes:
        difference: mean and interval of ``ours - theirs``, seed by seed.
        verdict: ``"win"``, ``"lose"``, or ``"tie"`` when the difference lies inside its interval.
    """

    difference: Estimate
    verdict: str


def compare(ours: Sequence[float], theirs: Sequence[float]) -> Comparison:
    """Whether ``ours`` is better than ``theirs`` over the same seeds.

    Raises:
        ValueError: the two have different numbers of runs.
    """
    if len(ours) != len(theirs):
        raise ValueError(f"{len(ours)} runs against {len(theirs)}; pair them by seed.")
    found = estimate([a - b for a, b in zip(ours, theirs, strict=True)])
    if not abs(found.mean) > found.half:
        return Comparison(found, "tie")
    return Comparison(found, "win" if found.mean > 0 else "lose")
