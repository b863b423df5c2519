"""Pruner: a recipe of scorer, allocator and picker. Cascade: two of them, cheap before costly."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from datapruner.core.allocate import ALLOCATORS
from datapruner.core.budget import Budget, as_budget
from datapruner.core.items import Items
from datapruner.core.ledger import Fill
from datapruner.core.reason import Reason
from datapruner.core.scores import Scores
from datapruner.core.select import Picker, check_fill, select
from datapruner.core.selection import Selection
from datapruner.core.types import IntArray
from datapruner.errors import BudgetError, InputError, UnknownMethodError, nearest
from datapruner.methods import METHODS, load, method, picker

__all__ = ["Cascade", "Picker", "Pruner", "Scorer", "refuse_unknown_keys", "select"]


class Scorer(Protocol):
    """Anything that turns items into scores."""

    def __call__(self, items: Items, *, query: str | None = None, seed: int = 0) -> Scores:
        """Scores of the items; costly."""
        ...


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
        check_fill(self.fill)

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
        if not 1 <= self.overdraft < math.inf:
            raise BudgetError(
                f"overdraft is {self.overdraft}; it is how many times the final budget the first "
                "stage may keep, a finite number of 1 or more."
            )

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
            share_of="items",
            count=limits.count,
            cost=limits.cost if limits.limits_cost else None,
            unit=None,
        )
        fine = self.second(items.take(rows), final, query=query, seed=seed)
        return self._widen(items, coarse, fine, rows, str(wanted))

    def _widen(
        self, items: Items, coarse: Selection, fine: Selection, rows: IntArray, budget: str
    ) -> Selection:
        reasons = coarse.reasons.copy()
        cut = items.is_countable & ~coarse.mask & (reasons != Reason.BAD_ROW)
        reasons[cut] = Reason.EARLIER_STAGE
        reasons[rows] = fine.reasons
        # Rows the second stage never saw have no score of its own; 0 is a stand-in nobody reads.
        values = np.zeros(items.n, dtype=np.float64)
        values[rows] = fine.scores.values
        whole = items.bar(reasons == Reason.BAD_ROW)
        scores = Scores(
            values, whole, fine.scores.meaning, fine.scores.method, details=fine.scores.details
        )
        provenance = replace(
            fine.provenance,
            method=f"{coarse.provenance.method} then {fine.provenance.method}",
            budget=budget,
            fingerprint=items.fingerprint,
        )
        return Selection(rows[fine.order], reasons, scores, provenance)


def refuse_unknown_keys(
    given: Mapping[str, Any], known: Iterable[str], where: str, *, also: Iterable[str] = ()
) -> None:
    """An error for the first key that nobody reads, with the nearest that somebody does.

    Args:
        given: keys and values.
        known: the keys that are read here.
        where: for the message.
        also: keys that are read elsewhere and may have been meant.

    Raises:
        InputError: there is such a key.
    """
    names = list(known)
    for key in given:
        if key not in names:
            meant = nearest(str(key), [*names, *also])
            raise InputError(f"{where} has an unknown key {key!r}. {meant}")
