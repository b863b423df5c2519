"""Pruner: a recipe of scorer, allocator and picker. Cascade: two of them, cheap before costly."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any, Protocol

import numpy as np

from datapruner.core.allocate import ALLOCATORS, allocate
from datapruner.core.budget import Budget, Limits, as_budget
from datapruner.core.items import Items
from datapruner.core.ledger import Fill, Ledger
from datapruner.core.reason import Reason
from datapruner.core.scores import Scores
from datapruner.core.selection import Provenance, Selection, limits_dict
from datapruner.core.types import BoolArray
from datapruner.errors import BudgetError, InputError, UnknownMethodError, nearest
from datapruner.methods import METHODS, load, method, picker
from datapruner.rng import stream

__all__ = ["Cascade", "Picker", "Pruner", "Scorer", "select"]


class Scorer(Protocol):
    """Anything that turns items into scores."""

    def __call__(self, items: Items, *, query: str | None = None, seed: int = 0) -> Scores:
        """Scores of the items; costly."""
        ...


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
        allocate: ``whole``, ``proportional``, ``equal`` or ``weighted``; None takes the method's own.
        fill: ``"skip"`` passes over rows that do not fit, ``"stop"`` ends at the first.
        seed: for pickers that draw.

    Returns:
        The selection, with a reason for every row.

    Raises:
        BudgetError: the budget cannot be read or met.
        UnknownMethodError: no such picker or allocator.
    """
    wanted = as_budget(budget)
    if fill not in ("skip", "stop"):
        raise BudgetError(f'fill is {fill!r}; it must be "skip" or "stop".')
    limits = wanted.resolve(scores.items, scores.n_groups)
    name, side, offer, notes = _resolve_pick(pick, scores, limits)
    spread = allocate or (METHODS[scores.method].allocate if scores.method in METHODS else "whole")
    ledger = _open_ledger(scores, limits, spread, side, fill, name)
    offer(scores, ledger, rng=stream(seed, f"pick:{name}"))
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
        version=version("datapruner"),
        details=dict(scores.details),
        notes=notes,
    )
    return Selection(ledger.order, ledger.reasons, scores, provenance)


def _resolve_pick(
    pick: str | Picker | None, scores: Scores, limits: Limits
) -> tuple[str, str, Picker, tuple[str, ...]]:
    notes: tuple[str, ...] = ()
    if pick is None:
        pick = METHODS[scores.method].pick if scores.method in METHODS else "high"
    if isinstance(pick, str) and ":" in pick:
        pick, note = load(pick)(_kept_share(scores.items, limits))
        notes = (note,)
    if isinstance(pick, str):
        entry = picker(pick)
        for column in entry.needs:
            scores.items.feature(column, f"pick {pick!r}")
        return pick, entry.side, load(entry.target), notes
    name = getattr(pick, "__name__", type(pick).__name__)
    return name, getattr(pick, "side", "any"), pick, notes


def _kept_share(items: Items, limits: Limits) -> float:
    share = limits.count / max(items.countable, 1)
    total = float(items.cost.sum())
    if limits.limits_cost and total > 0:
        share = min(share, limits.cost / total)
    return min(share, 1.0)


def _open_ledger(
    scores: Scores, limits: Limits, spread: str, side: str, fill: Fill, pick: str
) -> Ledger:
    items, groups = scores.items, scores.groups
    eligible = _eligible(scores, limits, side, pick)
    can_stay = items.is_countable if eligible is None else items.is_countable & eligible
    can_stay = can_stay | (items.forced & ~items.shell)
    size = scores.n_groups
    allocation = allocate(
        spread,
        sizes=np.bincount(groups[can_stay], minlength=size),
        costs=np.bincount(groups[can_stay], weights=items.cost[can_stay], minlength=size),
        weights=scores.group_weight,
        pinned=np.bincount(groups[items.forced & ~items.shell], minlength=size),
        count=limits.count,
        cost=limits.cost,
        per_group=limits.per_group,
        floor=limits.floor,
    )
    return Ledger(
        items,
        groups=groups,
        count=limits.count,
        cost=limits.cost,
        allocation=allocation,
        eligible=eligible,
        fill=fill,
    )


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


@dataclass(frozen=True)
class Pruner:
    """A recipe: how to score, spread the budget and pick.

    Attributes:
        scorer: a scorer, or the name of a registered method with its default parameters.
        allocate: allocator; None takes the method's own.
        pick: picker; None takes the method's own.
        fill: ``"skip"`` or ``"stop"``.
    """

    scorer: Scorer | str
    allocate: str | None = None
    pick: str | Picker | None = None
    fill: Fill = "skip"

    def __post_init__(self) -> None:
        """Refuse unknown names when the recipe is written, not when it runs."""
        if isinstance(self.scorer, str):
            object.__setattr__(self, "scorer", load(method(self.scorer).scorer)())
        if self.allocate is not None and self.allocate not in ALLOCATORS:
            known = nearest(self.allocate, ALLOCATORS)
            raise UnknownMethodError(f"there is no allocator {self.allocate!r}. {known}")
        if isinstance(self.pick, str):
            picker(self.pick)

    def score(self, items: Items, *, query: str | None = None, seed: int = 0) -> Scores:
        """The scores of the items, which every later ``select`` shares."""
        assert not isinstance(self.scorer, str)
        return self.scorer(items, query=query, seed=seed)

    def select(self, scores: Scores, budget: Budget | str | float, *, seed: int = 0) -> Selection:
        """The rows that fit the budget best, by this recipe."""
        return select(
            scores, budget, pick=self.pick, allocate=self.allocate, fill=self.fill, seed=seed
        )

    def __call__(
        self,
        items: Items,
        budget: Budget | str | float,
        *,
        query: str | None = None,
        seed: int = 0,
    ) -> Selection:
        """Score and select in one go."""
        return self.select(self.score(items, query=query, seed=seed), budget, seed=seed)

    def to_dict(self) -> dict[str, Any]:
        """The recipe as data: method, its parameters, allocate, pick, fill.

        Raises:
            InputError: the scorer or picker is not a registered one.
        """
        target = f"{type(self.scorer).__module__}:{type(self.scorer).__name__}"
        name = next((m.name for m in METHODS.values() if m.scorer == target), None)
        if name is None or not (self.pick is None or isinstance(self.pick, str)):
            raise InputError("only recipes of registered methods and pickers can be written down.")
        params = dataclasses.asdict(self.scorer)  # type: ignore[call-overload]
        return {
            "method": name,
            "params": params,
            "allocate": self.allocate,
            "pick": self.pick,
            "fill": self.fill,
        }

    @classmethod
    def from_dict(cls, recipe: Mapping[str, Any]) -> Pruner:
        """The recipe that ``to_dict`` wrote, or a table of the same keys from TOML.

        Raises:
            InputError: an unknown key; the message names the nearest.
        """
        refuse_unknown_keys(recipe, ("method", "params", "allocate", "pick", "fill"), "the recipe")
        if "method" not in recipe:
            raise InputError('the recipe names no method. Write for example method = "prototypes".')
        scorer_class: Callable[..., Scorer] = load(method(recipe["method"]).scorer)
        params = recipe.get("params", {})
        known = [f.name for f in dataclasses.fields(scorer_class)]  # type: ignore[arg-type]
        refuse_unknown_keys(params, known, f"params of {recipe['method']}")
        return cls(
            scorer_class(**params),
            allocate=recipe.get("allocate"),
            pick=recipe.get("pick"),
            fill=recipe.get("fill", "skip"),
        )


@dataclass(frozen=True)
class Cascade:
    """Two recipes: a cheap one cuts to a loose budget, a costly one to the final budget.

    Attributes:
        first: runs on everything.
        second: runs on what the first left.
        overdraft: how many times the final budget the first may keep, 1 or more.
    """

    first: Pruner
    second: Pruner
    overdraft: float = 4.0

    def __post_init__(self) -> None:
        """Refuse an overdraft that would starve the second stage."""
        if not self.overdraft >= 1:
            raise BudgetError(f"overdraft is {self.overdraft}; it must be 1 or more.")

    def __call__(
        self,
        items: Items,
        budget: Budget | str | float,
        *,
        query: str | None = None,
        seed: int = 0,
    ) -> Selection:
        """The selection of the second stage, told in row numbers of all the items."""
        wanted = as_budget(budget)
        limits = wanted.resolve(items, len(items.group_names))
        loose = Budget(
            count=min(int(limits.count * self.overdraft), items.countable),
            cost=limits.cost * self.overdraft if limits.limits_cost else None,
        )
        coarse = self.first(items, loose, query=query, seed=seed)
        rows = np.flatnonzero(coarse.mask)
        # The second stage sees fewer rows: a share must stay a share of all of them.
        final = replace(
            wanted,
            share=None,
            count=limits.count,
            cost=limits.cost if limits.limits_cost else None,
            unit=None,
        )
        fine = self.second(items.take(rows), final, query=query, seed=seed)
        return self._widen(items, coarse, fine, rows, str(wanted))

    def _widen(
        self, items: Items, coarse: Selection, fine: Selection, rows: Any, budget: str
    ) -> Selection:
        reasons = np.where(coarse.mask, np.uint8(0), coarse.reasons).astype(np.uint8)
        counted = items.is_countable & ~coarse.mask
        reasons[counted] = Reason.EARLIER_STAGE
        reasons[rows] = fine.reasons
        values = np.zeros(items.n, dtype=np.float64)
        # Rows the second stage never saw rank below every row that it did see.
        low = float(fine.scores.values.min(initial=0.0)) - 1.0
        values[:] = low
        values[rows] = fine.scores.values
        scores = Scores(
            values, items, fine.scores.meaning, fine.scores.method, details=fine.scores.details
        )
        provenance = replace(
            fine.provenance,
            method=f"{coarse.provenance.method} then {fine.provenance.method}",
            budget=budget,
            fingerprint=items.fingerprint,
        )
        return Selection(rows[fine.order], reasons, scores, provenance)


def refuse_unknown_keys(given: Mapping[str, Any], known: Any, where: str) -> None:
    """An error for the first key that nobody reads, with the nearest that somebody does.

    Raises:
        InputError: there is such a key.
    """
    for key in given:
        if key not in known:
            raise InputError(f"{where} has an unknown key {key!r}. {nearest(str(key), known)}")
