"""select(): scores and a budget in, the rows to keep out."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from typing import Protocol

import numpy as np

from datapruner.core.allocate import Allocation
from datapruner.core.allocate import allocate as spread_budget
from datapruner.core.budget import Budget, Limits, as_budget
from datapruner.core.items import Items
from datapruner.core.ledger import Fill, Ledger
from datapruner.core.scores import Scores
from datapruner.core.selection import Provenance, Selection, limits_dict
from datapruner.core.types import BoolArray, FloatArray, IntArray
from datapruner.errors import BudgetError, ScoreError, UnknownMethodError, nearest
from datapruner.methods import METHODS, PICKERS, load, picker
from datapruner.rng import check_seed, stream

__all__ = ["Picker", "check_fill", "select"]


class Picker(Protocol):
    """Anything that offers rows to a ledger in an order of preference."""

    def __call__(self, scores: Scores, ledger: Ledger, *, rng: np.random.Generator) -> None:
        """Offer rows through ``ledger.admit`` or ``ledger.admit_many``; cheap."""
        ...


def select(
    scores: Scores,
    budget: Budget | str | float,
    *,
    pick: str | Picker | None = None,
    allocate: str | None = None,
    fill: Fill = "skip",
    seed: int = 0,
) -> Selection:
    """The rows that fit the budget best.

    Args:
        scores: what a scorer learnt; scored once, cut as often as you like.
        budget: a Budget, its text (``"30%"``, ``"2048 tokens, 3 per group"``), or a bare share.
        pick: a picker's name or a callable; None takes the method's own.
        allocate: ``whole``, ``proportional``, ``equal`` or ``weighted``; None: the method's own.
        fill: ``"skip"`` passes over rows that do not fit, ``"stop"`` ends at the first.
        seed: for pickers that draw.

    Returns:
        The selection, with a reason for every row.

    Raises:
        BudgetError: the budget cannot be read or met.
        UnknownMethodError: no such picker or allocator.
    """
    _check_scores(scores)
    wanted = as_budget(budget)
    check_fill(fill)
    seed = check_seed(seed)
    limits = wanted.resolve(scores.items, scores.n_groups)
    name, side, offer, notes = _resolve_pick(pick, scores, limits)
    spread = allocate
    if spread is None:
        spread = METHODS[scores.method].allocate if scores.method in METHODS else "whole"
    allocation, eligible = _spread(scores, limits, spread, side, name)
    ledger = Ledger(
        scores.items,
        groups=scores.groups,
        count=limits.count,
        cost=limits.cost,
        allocation=allocation,
        eligible=eligible,
        ruled_out=None if scores.rulings is None else scores.rulings.reason,
        fill=fill,
    )
    # Making a generator costs as much as cutting a short page; most pickers of contexts need none.
    rng = stream(seed, f"pick:{name}") if getattr(offer, "draws", True) else _UNUSED
    offer(scores, ledger, rng=rng)
    provenance = Provenance(
        method=scores.method,
        pick=name,
        allocate=spread,
        fill=fill,
        budget=str(wanted),
        seed=seed,
        side=side,
        limits=limits_dict(limits),
        unit=scores.items.unit,
        fingerprint=scores.items.fingerprint,
        version=_version(),
        details=dict(scores.details),
        notes=(*notes, *scores.notes, *allocation.notes),
    )
    return Selection(ledger.order, ledger.reasons, scores, provenance)


_UNUSED = np.random.Generator(np.random.PCG64(0))


@cache
def _version() -> str:
    return version("datapruner")


def _check_scores(given: object) -> None:
    if not isinstance(given, Scores):
        raise ScoreError(
            f"select needs Scores, not {type(given).__name__}; "
            "read saved ones with Scores.load(path)."
        )


def _resolve_pick(
    pick: str | Picker | None, scores: Scores, limits: Limits
) -> tuple[str, str, Picker, tuple[str, ...]]:
    notes: tuple[str, ...] = ()
    if pick is None:
        own = METHODS[scores.method].pick if scores.method in METHODS else "high"
        pick = own
        if ":" in own:
            pick, note = load(own)(_kept_share(scores.items, limits))
            notes = (note,)
    if isinstance(pick, str):
        entry = picker(pick)
        for column in entry.needs:
            scores.items.feature(column, f"pick {pick!r}")
        return pick, entry.side, load(entry.target), notes
    if not callable(pick):
        known = nearest("", PICKERS)
        raise UnknownMethodError(f"pick is {pick!r}; give a name or a callable. {known}")
    name = getattr(pick, "__name__", type(pick).__name__)
    return name, getattr(pick, "side", "any"), pick, notes


def _kept_share(items: Items, limits: Limits) -> float:
    share = limits.count / max(items.countable, 1)
    if limits.limits_cost and items.total_cost > 0:
        share = min(share, limits.cost / items.total_cost)
    return share


def _spread(
    scores: Scores, limits: Limits, spread: str, side: str, pick: str
) -> tuple[Allocation, BoolArray | None]:
    items = scores.items
    eligible = _eligible(scores, limits, side, pick)
    can_stay = scores.contenders if eligible is None else scores.contenders & eligible
    is_free = spread == "whole" and limits.per_group is None and not limits.floor
    if is_free and not items.pinned.any():
        return Allocation(None, None, np.zeros(scores.n_groups, dtype=np.int64), spread), eligible
    forced = items.forced & ~items.shell
    can_stay = can_stay | forced
    allocation = spread_budget(
        spread,
        sizes=_group_totals(scores, can_stay),
        costs=_group_costs(scores, can_stay),
        weights=scores.group_weight,
        pinned=_group_totals(scores, forced),
        pinned_costs=_group_costs(scores, forced),
        count=limits.count,
        cost=limits.cost,
        per_group=limits.per_group,
        floor=limits.floor,
        group_names=scores.names,
        group_floors=scores.group_floor,
    )
    return allocation, eligible


def _group_totals(scores: Scores, rows: BoolArray) -> IntArray:
    return np.bincount(scores.groups[rows], minlength=scores.n_groups)


def _group_costs(scores: Scores, rows: BoolArray) -> FloatArray:
    prices = scores.items.cost[rows]
    costs: FloatArray = np.bincount(
        scores.groups[rows], weights=prices, minlength=scores.n_groups
    ).astype(np.float64)
    return costs


def _eligible(scores: Scores, limits: Limits, side: str, pick: str) -> BoolArray | None:
    if limits.threshold is None:
        return None
    if side not in ("high", "low"):
        raise BudgetError(
            f"a threshold needs a side, and pick {pick!r} has none. "
            'Take pick="high" (keep at or above it) or pick="low" (at or below).'
        )
    high = side == "high"
    met: BoolArray = (
        scores.values >= limits.threshold if high else scores.values <= limits.threshold
    )
    return met | scores.items.forced


def check_fill(fill: str) -> None:
    """Refuse a fill nobody knows.

    Raises:
        BudgetError: neither ``skip`` nor ``stop``.
    """
    if fill not in ("skip", "stop"):
        raise BudgetError(f'fill is {fill!r}; it must be "skip" or "stop".')
