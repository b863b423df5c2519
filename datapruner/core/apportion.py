"""Spread a whole number over groups, exactly.

``apportion`` minimises sum (x - t)^2 / 2 subject to floor <= x <= ceiling and sum x = total: this
is the quadratic program of the concept-complexity paper (arXiv:2401.04578), whose solution is
x = clip(t + nu, floor, ceiling) for the one nu that meets the total. nu is found by bisection over
the sorted breakpoints and a last linear step, so no solver is needed; then the fractions are
rounded by largest remainder, so that the total is met to the unit. A group that nobody wished
anything for gets nothing beyond its floor until every other group is full: zero means zero.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from datapruner.core.types import FloatArray, IntArray
from datapruner.errors import BudgetError

__all__ = ["Projection", "apportion", "box", "project_box", "scale_box"]

# (target, lower, upper, total) to the point in the box that sums to the total.
Projection = Callable[[FloatArray, FloatArray, FloatArray, float], FloatArray]

# A weight this far below the largest is no wish: its breakpoints would leave the range of a float.
_NO_WISH = 1e-200


def apportion(
    total: int,
    ceilings: IntArray,
    weights: FloatArray | None = None,
    floors: IntArray | None = None,
    *,
    project: Projection | None = None,
) -> IntArray:
    """Whole numbers, one a group, that sum to the total and respect floors and ceilings.

    Args:
        total: what to spread, 0 or more.
        ceilings: shape (G,), most that each group can take.
        weights: shape (G,), wished proportions, not negative; default equal. All zero: equal. A
            group of weight zero gets its floor, and more only once all the others are full.
        floors: shape (G,), least that each group gets; default 0. A floor above its ceiling is
            lowered to it.
        project: ``project_box`` (default; the quadratic program, what full groups cannot take is
            handed out equally) or ``scale_box`` (handed out in proportion).

    Returns:
        Shape (G,), int64, summing to ``min(total, sum(ceilings))``; no entry is a whole unit or
        more away from the real-valued solution. Ties in rounding go to the earlier group.

    Raises:
        BudgetError: the floors ask for more than the total, or a weight that is no proportion.
    """
    hi = np.asarray(ceilings, dtype=np.int64)
    lo = np.zeros_like(hi) if floors is None else np.minimum(np.asarray(floors, np.int64), hi)
    total = min(int(total), int(hi.sum()))
    if int(lo.sum()) > total:
        groups = int(np.count_nonzero(lo))
        raise BudgetError(
            f"floors ask for {int(lo.sum())} rows but the budget allows {total} "
            f"({groups} groups with a floor of up to {int(lo.max(initial=0))}). "
            f"Lower the floor to {total // max(groups, 1)}, or raise the budget to "
            f'"{int(lo.sum())} items".'
        )
    if hi.size == 0:
        return hi
    wished = np.ones(hi.size) if weights is None else np.asarray(weights, dtype=np.float64)
    target, lower, upper = box(wished, lo.astype(np.float64), hi.astype(np.float64), total)
    real = (project or project_box)(target, lower, upper, float(total))
    return _round_largest_remainder(real, lower.astype(np.int64), upper.astype(np.int64), total)


def box(
    weights: FloatArray, lower: FloatArray, upper: FloatArray, total: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Targets in proportion to the weights that sum to the total, and the bounds that then hold."""
    if not np.all(np.isfinite(weights) & (weights >= 0)):
        raise BudgetError("the weights of groups must be finite and not negative.")
    # By the largest first, so that neither tiny nor huge weights leave the range of a float.
    wished = weights / (float(weights.max(initial=0.0)) or 1.0)
    wished = np.where(wished < _NO_WISH, 0.0, wished)
    closed = np.where(wished > 0, upper, lower)
    if closed.sum() >= total:
        upper = closed
    else:
        lower, wished = closed, np.ones_like(wished)
    return wished * (total / max(float(wished.sum()), 1.0)), lower, upper


def project_box(
    target: FloatArray, lower: FloatArray, upper: FloatArray, total: float
) -> FloatArray:
    """The nearest point to ``target`` (Euclidean) with lower <= x <= upper and sum x = total.

    Args:
        target, lower, upper: shape (G,), float64; sum(lower) <= total <= sum(upper).
        total: the sum to meet.

    Returns:
        Shape (G,), float64: clip(target + nu, lower, upper).
    """
    breaks = np.unique(np.concatenate([lower - target, upper - target]))

    def shifted(nu: float) -> FloatArray:
        moved: FloatArray = np.clip(target + nu, lower, upper)
        return moved

    return _solve_monotone(shifted, breaks, total)


def scale_box(target: FloatArray, lower: FloatArray, upper: FloatArray, total: float) -> FloatArray:
    """The nearest point to ``target`` (Kullback-Leibler): clip(s * target, lower, upper).

    Args:
        target, lower, upper, total: as for ``project_box``; a group whose target is 0 stays at its
            lower bound, so the others must be able to take the rest.
    """
    live = target > 0
    breaks = np.unique(
        np.concatenate([[0.0], lower[live] / target[live], upper[live] / target[live]])
    )

    def scaled(s: float) -> FloatArray:
        stretched: FloatArray = np.clip(s * target, lower, upper)
        return stretched

    return _solve_monotone(scaled, breaks, total)


def _solve_monotone(
    curve: Callable[[float], FloatArray], breaks: FloatArray, total: float
) -> FloatArray:
    # The sum along the curve is non-decreasing and linear between breakpoints.
    low, high = 0, breaks.size - 1
    while high - low > 1:
        middle = (low + high) // 2
        if float(curve(float(breaks[middle])).sum()) <= total:
            low = middle
        else:
            high = middle
    a, b = float(breaks[low]), float(breaks[high])
    at_a, at_b = float(curve(a).sum()), float(curve(b).sum())
    if at_b <= at_a:
        return curve(a)
    step = min(max((total - at_a) / (at_b - at_a), 0.0), 1.0)
    return curve(a + step * (b - a))


def _round_largest_remainder(
    real: FloatArray, lower: IntArray, upper: IntArray, total: int
) -> IntArray:
    # 1e-9 keeps a whole number that came out as 189.99999999999997 whole.
    base: IntArray = np.clip(np.floor(real + 1e-9).astype(np.int64), lower, upper)
    left = total - int(base.sum())
    while left > 0:
        open_groups = np.flatnonzero(base < upper)
        remainder = (real - base)[open_groups]
        # Rounded, so that equal fractions tie and the earlier group wins on every machine.
        first = open_groups[np.argsort(-np.round(remainder, 9), kind="stable")][:left]
        base[first] += 1
        left -= first.size
    return base
