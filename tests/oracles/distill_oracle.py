"""Distillation written from its formulas, one number at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["gradient", "loss", "softmax", "spread", "variation"]

Row = Sequence[float]


def softmax(z: Row, temperature: float = 1.0) -> list[float]:
    highest = max(z)
    parts = [math.exp((value - highest) / temperature) for value in z]
    return [part / math.fsum(parts) for part in parts]


def loss(student: Row, teacher: Row, label: int, alpha: float, temperature: float) -> float:
    """(1 - alpha) CE + alpha T^2 KL(teacher || student) of one position."""
    entropy = -math.log(softmax(student)[label])
    q, p = softmax(teacher, temperature), softmax(student, temperature)
    divergence = math.fsum(a * math.log(a / b) for a, b in zip(q, p, strict=True) if a > 0)
    return (1 - alpha) * entropy + alpha * temperature**2 * divergence


def gradient(
    student: Row, teacher: Row, label: int, alpha: float, temperature: float
) -> list[float]:
    """(1 - alpha) (p - y) + alpha T (p_T - q_T) of one position."""
    p = softmax(student)
    p_soft, q_soft = softmax(student, temperature), softmax(teacher, temperature)
    return [
        (1 - alpha) * (p[c] - (c == label)) + alpha * temperature * (p_soft[c] - q_soft[c])
        for c in range(len(student))
    ]


def spread(z: Row, k: int) -> list[float]:
    """Probabilities with all but the k highest made even."""
    p = softmax(z)
    order = sorted(range(len(z)), key=lambda c: (-z[c], c))
    rest = math.fsum(p[c] for c in order[k:])
    out = list(p)
    for c in order[k:]:
        out[c] = rest / (len(z) - k)
    return out


def variation(p: Row, q: Row) -> float:
    """Total variation distance: half the sum of absolute differences."""
    return math.fsum(abs(a - b) for a, b in zip(p, q, strict=True)) / 2
