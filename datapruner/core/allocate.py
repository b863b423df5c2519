"""Spread a whole number over groups, exactly.

``apportion`` minimises sum (x - t)^2 / 2 subject to floor <= x <= ceiling and sum x = total: this is
the quadratic program of the concept-complexity paper (arXiv:2401.04578), whose solution is
x = clip(t + nu, floor, ceiling) for the one nu that meets the total. nu is found by bisection over the
sorted breakpoints and a last linear step, so no solver is needed; then the fractions are rounded by
largest remainder, so that the total is met to the unit and zero means zero.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from datapruner.core.types import FloatArray, IntArray
from datapruner.errors import BudgetError, UnknownMethodError, nearest

__all__ = ["ALLOCATORS", "Allocation", "allocate", "apportion", "project_box", "scale_box"]


@dataclass(frozen=True, eq=False)
class Allocation:
    """The budget spread over groups.

    Attributes:
        caps: shape (G,), int64, most rows each group may keep; None: no caps.
        cost_caps: shape (G,), float64, highest price each group may reach; None: no such caps.
        floors: shape (G,), int64, rows guaranteed to each group.
        name: the allocator.
    """

    caps: IntArray | None
    cost_caps: FloatArray | None
    floors: IntArray
    name: str


def apportion(
    total: int,
    ceilings: IntArray,
    weights: FloatArray | None = None,
    floors: IntArray | None = None,
    *,
    project: Callable[[FloatArray, FloatArray, FloatArray, float], FloatArray] | None = None,
) -> IntArray:
    """Whole numbers, one a group, that sum to the total and respect floors and ceilings.

    Args:
        total: what to spread, 0 or more.
        ceilings: shape (G,), most that each group can take.
        weights: shape (G,), wished proportions, not negative; default equal. All zero: equal.
        floors: shape (G,), least that each group gets; default 0. A floor above its ceiling is
            lowered to it.
        project: ``project_box`` (default; the quadratic program, what full groups cannot take is
            handed out equally) or ``scale_box`` (handed out in proportion).

    Returns:
        Shape (G,), int64, summing to ``min(total, sum(ceilings))``; no entry is a whole unit or
        more away from the real-valued solution. Ties in rounding go to the earlier group.

    Raises:
        BudgetError: the floors ask for more than the total.
    """
    hi = np.asarray(ceilings, dtype=np.int64)
    lo = np.zeros_like(hi) if floors is None else np.minimum(np.asarray(floors, np.int64), hi)
    total = min(int(total), int(hi.sum()))
    if int(lo.sum()) > total:
        groups = int(np.count_nonzero(lo))
        raise BudgetError(
            f"floors ask for {int(lo.sum())} rows but the budget allows {total} "
            f"({groups} groups with a floor of up to {int(lo.max())}). "
            f"Lower the floor to {total // max(groups, 1)}, or raise the budget to "
            f'"{int(lo.sum())} items".'
        )
    if hi.size == 0:
        return hi
    wished = np.ones(hi.size) if weights is None else np.asarray(weights, dtype=np.float64)
    if not wished.sum() > 0:
        wished = np.ones(hi.size)
    target = wished * (total / wished.sum())
    solve = project or project_box
    real = solve(target, lo.astype(np.float64), hi.astype(np.float64), float(total))
    return _round_largest_remainder(real, lo, hi, total)


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
        return np.clip(target + nu, lower, upper)

    return _solve_monotone(shifted, breaks, total)


def scale_box(target: FloatArray, lower: FloatArray, upper: FloatArray, total: float) -> FloatArray:
    """As ``project_box``, in proportion: clip(s * target, lower, upper), the Kullback-Leibler projection.

    Groups with a target of zero get their lower bound; what then cannot be placed goes to them last,
    by ``project_box``.
    """
    live = target > 0
    breaks = np.unique(
        np.concatenate([lower[live] / target[live], upper[live] / target[live], [0.0]])
    )

    def scaled(s: float) -> FloatArray:
        return np.clip(s * target, lower, upper)

    if float(scaled(float(breaks[-1])).sum()) < total:
        return project_box(np.where(live, upper, lower), lower, upper, total)
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
    base = np.clip(np.floor(real + 1e-9).astype(np.int64), lower, upper)
    left = total - int(base.sum())
    while left > 0:
        open_groups = np.flatnonzero(base < upper)
        remainder = (real - base)[open_groups]
        # Rounded, so that equal fractions tie and the earlier group wins on every machine.
        first = open_groups[np.argsort(-np.round(remainder, 9), kind="stable")][:left]
        base[first] += 1
        left -= first.size
    return base


def whole(sizes: IntArray, weights: FloatArray | None) -> FloatArray | None:
    """No shares: groups compete for the whole budget."""
    return None


def proportional(sizes: IntArray, weights: FloatArray | None) -> FloatArray:
    """Each group in proportion to its size."""
    return sizes.astype(np.float64)


def equal(sizes: IntArray, weights: FloatArray | None) -> FloatArray:
    """Each group the same, as far as it reaches."""
    return (sizes > 0).astype(np.float64)


def weighted(sizes: IntArray, weights: FloatArray | None) -> FloatArray:
    """Each group by the weight its scorer gave it.

    Raises:
        BudgetError: the scorer gave none.
    """
    if weights is None:
        raise BudgetError(
            'allocate="weighted" needs scores with group weights, and these have none. '
            'Take "whole", "proportional" or "equal".'
        )
    return np.where(sizes > 0, weights, 0.0)


ALLOCATORS: dict[str, Callable[[IntArray, FloatArray | None], FloatArray | None]] = {
    "whole": whole,
    "proportional": proportional,
    "equal": equal,
    "weighted": weighted,
}


def allocate(
    name: str,
    *,
    sizes: IntArray,
    costs: FloatArray,
    weights: FloatArray | None,
    pinned: IntArray,
    count: int,
    cost: float,
    per_group: int | None,
    floor: int,
) -> Allocation:
    """Caps and floors for every group.

    Args:
        name: ``whole``, ``proportional``, ``equal`` or ``weighted``.
        sizes: shape (G,), rows of each group that may be kept.
        costs: shape (G,), their total price.
        weights: shape (G,), the scorer's group weights, or None.
        pinned: shape (G,), rows of each group that are kept in any case.
        count, cost: the limits to spread; an infinite cost is not spread.
        per_group: ceiling of every group, or None.
        floor: rows guaranteed to every group that has them.

    Raises:
        UnknownMethodError: no such allocator.
        BudgetError: floors or pinned rows that do not fit.
    """
    if name not in ALLOCATORS:
        raise UnknownMethodError(f"there is no allocator {name!r}. {nearest(name, ALLOCATORS)}")
    ceilings = sizes if per_group is None else np.minimum(sizes, per_group)
    crowded = np.flatnonzero(pinned > ceilings)
    if crowded.size:
        g = int(crowded[0])
        raise BudgetError(
            f"group {g} has {int(pinned[g])} pinned rows but may keep {int(ceilings[g])}. "
            "Raise the limit per group or unpin rows."
        )
    floors = np.maximum(np.minimum(floor, ceilings), pinned)
    wished = ALLOCATORS[name](sizes, weights)
    project = scale_box if name == "proportional" else project_box
    if floor or wished is not None:
        caps = apportion(count, ceilings, wished, floors, project=project)
    if wished is None:
        limited = ceilings if per_group is not None else None
        return Allocation(limited, None, floors if floor else np.zeros_like(floors), name)
    cost_caps = None
    if np.isfinite(cost):
        share = wished if wished.sum() > 0 else np.ones_like(wished)
        bound = min(cost, float(costs.sum()))
        real = project(share * (bound / share.sum()), np.zeros_like(costs), costs, bound)
        cost_caps = np.round(real, 9)
    limits_count = count < int(sizes.sum()) or per_group is not None
    return Allocation(caps if limits_count else None, cost_caps, np.zeros_like(floors), name)
