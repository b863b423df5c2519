"""Allocators: how the budget is spread over groups, as caps, floors or shares of the price."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from datapruner.core.apportion import Projection, apportion, box, project_box, scale_box
from datapruner.core.types import FloatArray, IntArray
from datapruner.errors import BudgetError, UnknownMethodError, nearest

__all__ = ["ALLOCATORS", "Allocation", "allocate"]


@dataclass(frozen=True, eq=False)
class Allocation:
    """The budget spread over groups.

    Attributes:
        caps: shape (G,), int64, most rows each group may keep; None: no caps.
        cost_caps: shape (G,), float64, highest price each group may reach; None: no such caps.
        floors: shape (G,), int64, rows guaranteed to each group.
        name: the allocator.
        notes: sentences for the user.
    """

    caps: IntArray | None
    cost_caps: FloatArray | None
    floors: IntArray
    name: str
    notes: tuple[str, ...] = ()


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
    pinned_costs: FloatArray,
    count: int,
    cost: float,
    per_group: int | None,
    floor: int,
    group_names: Sequence[str] | None = None,
    group_floors: IntArray | None = None,
) -> Allocation:
    """Caps and floors for every group.

    Args:
        name: ``whole``, ``proportional``, ``equal`` or ``weighted``.
        sizes: shape (G,), rows of each group that may be kept.
        costs: shape (G,), their total price.
        weights: shape (G,), the scorer's group weights, or None.
        pinned, pinned_costs: shape (G,), rows of each group that are kept in any case; their price.
        count, cost: the limits to spread; an infinite cost is not spread.
        per_group: ceiling of every group, or None.
        floor: rows guaranteed to every group that has them.
        group_names: for messages.
        group_floors: shape (G,), the scorer's own floors, or None. Only ``weighted`` heeds them,
            and only while ``floor`` is 0; where they ask for more than the budget allows they are
            lowered evenly, and a note says so.

    Raises:
        UnknownMethodError: no such allocator.
        BudgetError: floors or pinned rows that do not fit.
    """
    if name not in ALLOCATORS:
        raise UnknownMethodError(f"there is no allocator {name!r}. {nearest(name, ALLOCATORS)}")
    ceilings = sizes if per_group is None else np.minimum(sizes, per_group)
    _check_pinned(pinned, ceilings, count, group_names)
    asked = group_floors if name == "weighted" and not floor else None
    floors, notes = _floors(floor, asked, ceilings, pinned, count, cost)
    wished = ALLOCATORS[name](sizes, weights)
    if wished is None and not floors.any():
        return Allocation(ceilings if per_group is not None else None, None, floors, name)
    # Without a wish nothing is spread, but floors beyond the budget must still be told.
    project = scale_box if name == "proportional" else project_box
    caps = apportion(count, ceilings, wished, floors, project=project)
    none = np.zeros_like(floors)
    if wished is None:
        return Allocation(
            ceilings if per_group is not None else None, None, floors if floor else none, name
        )
    limits_count = count < int(sizes.sum()) or per_group is not None
    cost_caps = None
    if cost != math.inf:
        cost_caps = _share_cost(cost, wished, pinned_costs, costs, project)
    if name == "weighted" and limits_count:
        notes += _weighted_note(caps, floors, ceilings, sizes)
    return Allocation(caps if limits_count else None, cost_caps, none, name, notes)


def _floors(
    floor: int,
    asked: IntArray | None,
    ceilings: IntArray,
    pinned: IntArray,
    count: int,
    cost: float,
) -> tuple[IntArray, tuple[str, ...]]:
    """The user's floor as it is; or what the scorer asked for, lowered evenly until it fits."""
    top = np.minimum(floor if asked is None else asked, ceilings)
    if asked is None:
        return np.maximum(top, pinned), ()
    if cost != math.inf and top.any():
        note = "weighted: a price is limited, so the method's floor for every group does not hold"
        return pinned, (note,)
    highest = int(top.max(initial=0))
    low, high = 0, highest
    while low < high:
        level = (low + high + 1) // 2
        if int(np.maximum(np.minimum(top, level), pinned).sum()) <= count:
            low = level
        else:
            high = level - 1
    floors = np.maximum(np.minimum(top, low), pinned)
    if low == highest:
        return floors, ()
    return floors, (
        f"weighted: {count} rows do not give each of {np.count_nonzero(top)} groups the {highest} "
        f"it should have at least; the floor is lowered to {low}",
    )


def _weighted_note(
    caps: IntArray, floors: IntArray, ceilings: IntArray, sizes: IntArray
) -> tuple[str, ...]:
    """How far the shares were bent: groups at a bound, and the distance from proportional."""
    live = sizes > 0
    groups, kept = int(np.count_nonzero(live)), int(caps.sum())
    if groups < 2 or not kept:
        return ()
    full = int(np.count_nonzero(live & (caps == ceilings)))
    least = int(np.count_nonzero(live & (caps == floors) & (caps < ceilings)))
    away = float(np.abs(caps / kept - sizes / sizes.sum()).sum()) / 2
    return (
        f"weighted: of {groups} groups {full} keep all they may and {least} no more than their "
        f"floor; {away:.0%} of the budget went elsewhere than in proportion to size",
    )


def _check_pinned(
    pinned: IntArray, ceilings: IntArray, count: int, group_names: Sequence[str] | None
) -> None:
    crowded = np.flatnonzero(pinned > ceilings)
    if crowded.size:
        g = int(crowded[0])
        raise BudgetError(
            f"group {group_names[g] if group_names else g!r} has {int(pinned[g])} pinned rows "
            f"(with their ancestors) but may keep {int(ceilings[g])}. "
            f'Raise the limit to "{int(pinned.max())} per group" or unpin rows.'
        )
    if int(pinned.sum()) > count:
        raise BudgetError(
            f"{int(pinned.sum())} rows are pinned (with their ancestors), but the budget allows "
            f'{count}. Raise it to "{int(pinned.sum())} items" or unpin rows.'
        )


def _share_cost(
    cost: float,
    wished: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    project: Projection,
) -> FloatArray:
    """The highest price of every group; the groups together may reach the cost."""
    bound = max(min(cost, float(upper.sum())), float(lower.sum()))
    target, lower, upper = box(wished, lower, upper, bound)
    # A hair above, so that a share of 59.99999999 still buys its 60.
    return project(target, lower, upper, bound) * (1 + 1e-12)
