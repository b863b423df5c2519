"""Concept complexity the slow way, formula by formula, and its quadratic program by a solver."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from qpsolvers import solve_qp

__all__ = ["complexities", "quotas", "rounded_as_published", "softmax"]


def complexities(x: Any, centroids: Any, labels: Sequence[int], neighbours: int) -> list[float]:
    """C_j = d_intra * d_inter for every cluster that has rows; 0 for the others."""
    members: dict[int, list[int]] = {}
    for row, label in enumerate(labels):
        members.setdefault(int(label), []).append(row)
    found = [0.0] * len(centroids)
    for j, rows in members.items():
        away = [1 - cosine(x[row], centroids[j]) for row in rows]
        intra = sum(away) / len(away) if len(away) > 1 else 0.0
        others = sorted(1 - cosine(centroids[j], centroids[m]) for m in members if m != j)
        near = others[:neighbours]
        inter = sum(near) / len(near) if near else 1.0
        found[j] = max(intra * inter, 0.0)
    return found


def cosine(a: Any, b: Any) -> float:
    products = sum(float(p) * float(q) for p, q in zip(a, b, strict=True))
    lengths = math.sqrt(sum(float(p) ** 2 for p in a) * sum(float(q) ** 2 for q in b))
    return products / lengths


def softmax(values: Sequence[float], live: Sequence[bool], temperature: float) -> list[float]:
    """P_j over the live clusters; 0 for the others."""
    powers = [
        math.exp((v - max(values)) / temperature) if on else 0.0
        for v, on in zip(values, live, strict=True)
    ]
    return [p / sum(powers) for p in powers]


def quotas(target: Any, lower: Any, upper: Any, total: float) -> np.ndarray:
    """min sum (x - t)^2 / 2 with lower <= x <= upper, sum x = total, by a general QP solver."""
    k = len(target)
    # In units of the total, where the solver's tolerances are.
    unit = max(float(total), 1.0)
    point = solve_qp(
        np.eye(k),
        -np.asarray(target, dtype=np.float64) / unit,
        A=np.ones((1, k)),
        b=np.array([total / unit]),
        lb=np.asarray(lower, dtype=np.float64) / unit,
        ub=np.asarray(upper, dtype=np.float64) / unit,
        solver="daqp",
    )
    assert point is not None
    return np.asarray(point) * unit


def rounded_as_published(real: np.ndarray) -> np.ndarray:
    """The released code's integers: each quota rounded for itself, nothing repaired."""
    return np.rint(real).astype(np.int64)
