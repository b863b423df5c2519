"""Greedy pickers as their formulas read, over whole matrices and with no trick at all."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

__all__ = [
    "best_value",
    "coverage",
    "greedy_coverage",
    "herd",
    "message_passing",
    "moderate_order",
    "similarities",
    "unit",
]


def unit(x: Any) -> Any:
    rows = np.asarray(x, dtype=np.float64)
    return rows / np.sqrt((rows * rows).sum(axis=1, keepdims=True))


def similarities(x: Any) -> Any:
    """max(0, cosine) as whole numbers of 1/65535, rounded down."""
    fine = np.rint(unit(x) * 2.0**26).astype(np.int64)
    product = np.array([[int((a * b).sum()) for b in fine] for a in fine], dtype=object)
    return np.array(
        [[min(65535, max(0, int(p) * 65535 // 2**52)) for p in row] for row in product],
        dtype=np.int64,
    ).reshape(len(fine), len(fine))


def coverage(similar: Any, kept: Sequence[int]) -> int:
    """f(S): every row's best representative among the kept ones, summed."""
    if not len(kept):
        return 0
    return int(sum(max(int(similar[i, j]) for j in kept) for i in range(len(similar))))


def greedy_coverage(similar: Any, k: int, tie: Sequence[int]) -> list[int]:
    """Every row tried at every step."""
    kept: list[int] = []
    for _ in range(k):
        left = [j for j in range(len(similar)) if j not in kept]
        kept.append(min(left, key=lambda j: (-coverage(similar, [*kept, j]), int(tie[j]))))
    return kept


def best_value(similar: Any, k: int) -> int:
    return max(coverage(similar, kept) for kept in combinations(range(len(similar)), k))


def herd(x: Any, k: int) -> list[int]:
    """argmax <w, x>, w = (t + 1) mu - sum of the chosen."""
    rows = unit(x)
    mu = rows.mean(axis=0)
    kept: list[int] = []
    for t in range(k):
        w = (t + 1) * mu - rows[kept].sum(axis=0)
        kept.append(max((j for j in range(len(rows)) if j not in kept), key=lambda j: rows[j] @ w))
    return kept


def message_passing(
    x: Any, values: Any, tie: Sequence[int], k: int, gamma: float, count: int
) -> list[int]:
    """Forward over the k nearest others, then argmax and reverse, all distances at hand."""
    rows = unit(x)
    n = len(rows)
    d = np.sqrt(np.maximum(2 - 2 * rows @ rows.T, 0))
    near = [
        sorted((j for j in range(n) if j != i), key=lambda j: (d[i, j], int(tie[j])))[:k]
        for i in range(n)
    ]
    plain = [float(v) - float(min(values)) for v in values]
    s = [plain[i] + sum(np.exp(-d[i, j]) * plain[j] for j in near[i]) for i in range(n)]
    kept: list[int] = []
    for _ in range(count):
        left = [j for j in range(n) if j not in kept]
        i = min(left, key=lambda j: (-s[j], int(tie[j])))
        kept.append(i)
        for j in near[i]:
            if j not in kept:
                s[j] -= np.exp(-gamma * d[i, j]) * s[i]
    return kept


def moderate_order(x: Any, labels: Sequence[int]) -> Any:
    """The distance of every row to the coordinate-wise median of its class."""
    rows = np.asarray(x, dtype=np.float64)
    found = []
    for row, label in zip(rows, labels, strict=True):
        of_class = [r for r, other in zip(rows, labels, strict=True) if other == label]
        centre = [float(np.median([r[c] for r in of_class])) for c in range(rows.shape[1])]
        found.append(float(np.sqrt(sum((v - m) ** 2 for v, m in zip(row, centre, strict=True)))))
    return np.array(found)
