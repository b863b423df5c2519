"""Apportioning the slow way: the quadratic program by a general solver, the rounding by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize

__all__ = ["nearest_point", "round_by_largest_remainder"]


def nearest_point(
    target: Sequence[float], lower: Sequence[float], upper: Sequence[float], total: float
) -> np.ndarray:
    """min sum (x - t)^2 / 2 with lower <= x <= upper, sum x = total, by sequential quadratics."""
    t, lo, hi = (np.asarray(v, dtype=np.float64) for v in (target, lower, upper))
    # A start inside the box that meets the sum.
    room = hi - lo
    start = lo + room * ((total - lo.sum()) / room.sum() if room.sum() else 0.0)
    scale = max(float(np.abs(t).max()), float(hi.max()), 1.0)
    found = minimize(
        lambda x: 0.5 * np.sum((x - t / scale) ** 2),
        start / scale,
        jac=lambda x: x - t / scale,
        bounds=list(zip(lo / scale, hi / scale, strict=True)),
        constraints={
            "type": "eq",
            "fun": lambda x: x.sum() - total / scale,
            "jac": lambda x: np.ones_like(x),
        },
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    point: np.ndarray = found.x * scale
    return point


def round_by_largest_remainder(
    real: Sequence[float], upper: Sequence[int], total: int
) -> list[int]:
    """Floors, then one more for the largest fractions, the earlier group first."""
    whole = [math.floor(x + 1e-9) for x in real]
    while sum(whole) < total:
        able = [j for j in range(len(whole)) if whole[j] < upper[j]]
        best = max(able, key=lambda j: (round(real[j] - whole[j], 9), -j))
        whole[best] += 1
    return whole
