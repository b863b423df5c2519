"""What a caller asks of a pruner, read once: the budget in tokens, the counter, and the rest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from datapruner.core.budget import Budget, as_budget
from datapruner.core.ledger import Fill
from datapruner.core.types import IntArray
from datapruner.errors import BudgetError, InputError, nearest
from datapruner.tokens import TokenCounter, resolve_counter

__all__ = ["ON_EMPTY", "Wishes", "as_counter", "as_wanted", "check_one_of", "check_whole"]

ON_EMPTY = ("empty", "top1", "keep_all")
"""What may be done where no sentence is kept."""


@dataclass(frozen=True)
class Wishes:
    """How sentences are chosen.

    Attributes:
        budget: limits, the threshold among them.
        given: whether the caller named them; False for the method's own default.
        pick: ``"high"``, ``"density"`` or ``"exact"``.
        fill: ``"skip"`` or ``"stop"``.
        neighbours: sentences on either side that come with a kept one.
        on_empty: one of ``ON_EMPTY``; None: ``"top1"`` under a budget, else ``"empty"``.
        seed: passed to the scorer and the ledger.
        price: what a token must be worth in score for its sentence to stay; None: nothing.
    """

    budget: Budget
    given: bool
    pick: str
    fill: Fill
    neighbours: int
    on_empty: str | None
    seed: int
    price: float | None = None

    @property
    def is_limited(self) -> bool:
        """Whether tokens or sentences are limited, and not only their score."""
        b = self.budget
        return any(x is not None for x in (b.count, b.share, b.cost, b.per_group))

    def in_tokens(self, before: int, told: int) -> tuple[Budget, float]:
        """The budget for the ledger, and the limit on the text.

        Args:
            before: tokens of all chunks; a share of tokens is one of these.
            told: tokens of the text that stands there already; a number of tokens is for all of
                the text, a share comes on top of it.

        Returns:
            A budget without threshold, its tokens those that are left for new sentences, and what
            the whole text may cost: without an earlier text never more than what went in.

        Raises:
            BudgetError: the text that stands there already is over the limit.
        """
        wanted = replace(self.budget, threshold=None)
        limit = math.inf if wanted.cost is None else float(wanted.cost)
        if wanted.share_of == "cost" and wanted.share is not None:
            limit = min(limit, told + math.floor(float(wanted.share) * before + 1e-9))
            wanted = replace(wanted, share=None, share_of="items", cost=limit, unit=None)
        if told > limit:
            raise BudgetError(
                f"the earlier text has {told:,} tokens, but the budget allows {limit:,.10g}. Raise "
                "it, or start anew without previous."
            )
        # With nothing in front the chunks themselves are the limit: seams must not add to them.
        most = math.inf if told else before
        if limit == math.inf:
            return wanted, most
        return replace(wanted, cost=limit - told, unit=None), min(limit, most)


def as_wanted(
    budget: Budget | str | float | None,
    threshold: float | None,
    default: Budget | str | float,
    counter: str,
    price: float | None = None,
) -> tuple[Budget, bool]:
    """The limits of a call, and whether the caller named any.

    Args:
        budget: a Budget, its text, a bare share, or None.
        threshold: the lowest score that stays, or None.
        default: the method's own limits, which hold where all three are None.
        counter: name of the counter; a budget may be in it, or in tokens.
        price: the lowest score a token that stays, or None.

    Raises:
        InputError: a price that is none.
        BudgetError: the budget cannot be read, names a threshold twice, is in another unit, or has
            a floor in per cent beside a limit on tokens.
    """
    if price is not None and not (_is_number(price) and 0 <= price < math.inf):
        raise InputError(
            f"price is {price!r}; it must be a score a token, a finite number of 0 or more, such "
            "as 0.005."
        )
    given = budget is not None or threshold is not None or price is not None
    wanted = as_budget(default if not given else "everything" if budget is None else budget)
    if threshold is not None:
        if wanted.threshold is not None:
            raise BudgetError(
                f"the threshold is said twice: {wanted.threshold} in the budget, and {threshold}. "
                "Say it once."
            )
        wanted = replace(wanted, threshold=threshold)
    if wanted.unit is not None and wanted.unit not in ("tokens", "token", counter):
        raise BudgetError(
            f"the budget is in {wanted.unit}, but sentences are priced in tokens (counted as "
            f'{counter}). Write "{wanted.cost or 2048:.10g} tokens".'
        )
    priced = wanted.cost is not None or wanted.share_of == "cost"
    if priced and isinstance(wanted.floor, float) and wanted.floor:
        raise BudgetError(
            f"a floor of {wanted.floor:.0%} is a share of a number of sentences, but the budget is "
            'in tokens. Write a number: "2048 tokens, floor 1".'
        )
    return wanted, given


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


@dataclass(frozen=True)
class _Called:
    """A bare function of one text as a counter."""

    name: str
    function: Any

    def count(self, texts: Sequence[str]) -> IntArray:
        return np.array([self._one(text) for text in texts], dtype=np.int64)

    def _one(self, text: str) -> int:
        number = self.function(text)
        if isinstance(number, bool) or not isinstance(number, int | np.integer) or number < 0:
            raise InputError(
                f"the counter {self.name} gave {number!r} for {text[:40]!r}; it must give a whole "
                "number, 0 or more."
            )
        return int(number)


def as_counter(counter: Any) -> TokenCounter:
    """The counter of a call.

    Args:
        counter: whatever ``datapruner.tokens.resolve_counter`` takes, or a function from a text to
            a whole number.

    Raises:
        InputError: nothing of that name, or no counter.
    """
    plain = callable(counter) and not isinstance(counter, type)
    if plain and not (hasattr(counter, "count") or hasattr(counter, "encode")):
        return _Called(getattr(counter, "__name__", type(counter).__name__), counter)
    return resolve_counter(counter)


def check_one_of(name: str, value: Any, known: Sequence[str]) -> None:
    """Refuse a setting that is none of the known words.

    Raises:
        InputError: it is not; the message names the nearest.
    """
    if value not in known:
        raise InputError(
            f"{name} is {value!r}; it must be one of {', '.join(known)}. "
            f"{nearest(str(value), known)}"
        )


def check_whole(name: str, value: Any, least: int) -> None:
    """Refuse a setting that is no whole number, or below the least.

    Raises:
        InputError: it is not, or is.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"{name} is {value!r}; it must be a whole number, {least} or more.")
