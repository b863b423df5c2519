"""The scores of logged runs from their formulas, one row at a time, on plain numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

__all__ = [
    "aum_term",
    "confidence",
    "el2n",
    "entropy",
    "forgetting",
    "grand",
    "margin",
    "memorisation",
    "softmax",
]


def softmax(logits: Sequence[float]) -> list[float]:
    top = max(logits)
    powers = [math.exp(z - top) for z in logits]
    return [power / math.fsum(powers) for power in powers]


def el2n(logits: Sequence[float], label: int) -> float:
    p = softmax(logits)
    return math.sqrt(math.fsum((q - (c == label)) ** 2 for c, q in enumerate(p)))


def grand(logits: Sequence[float], label: int, features: Sequence[float]) -> float:
    """The Frobenius norm of the last layer's gradient, written out: weights, then biases."""
    error = [q - (c == label) for c, q in enumerate(softmax(logits))]
    weights = [(e * h) ** 2 for e in error for h in features]
    return math.sqrt(math.fsum(weights) + math.fsum(e * e for e in error))


def margin(logits: Sequence[float]) -> float:
    first, second = sorted(softmax(logits), reverse=True)[:2]
    return first - second


def entropy(logits: Sequence[float]) -> float:
    return -math.fsum(q * math.log(q) for q in softmax(logits) if q > 0)


def confidence(logits: Sequence[float]) -> float:
    return 1 - max(softmax(logits))


def aum_term(logits: Sequence[float], label: int) -> float:
    p = softmax(logits)
    return p[label] - max(q for c, q in enumerate(p) if c != label)


def forgetting(right: Sequence[bool | None]) -> int | None:
    """Transitions from right to wrong; None in between is passed over; None if never right."""
    seen = [answer for answer in right if answer is not None]
    if not any(seen):
        return None
    return sum(1 for before, now in pairwise(seen) if before and not now)


def memorisation(p_of_label: Sequence[float], held_in: Sequence[bool]) -> float:
    inside = [p for p, there in zip(p_of_label, held_in, strict=True) if there]
    outside = [p for p, there in zip(p_of_label, held_in, strict=True) if not there]
    return math.fsum(inside) / len(inside) - math.fsum(outside) / len(outside)
