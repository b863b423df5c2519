"""A cheap scorer for everything, a costly one for what the cheap one leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from datapruner.core.budget import Budget
from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.core.select import select
from datapruner.core.types import BoolArray, FloatArray
from datapruner.errors import InputError

__all__ = ["Staged"]

_STEP = 1.0
"""Sentences of the first stage alone stand this far below all others, spread over as much."""


@dataclass(frozen=True)
class Staged:
    """The second scorer's values for the sentences that the first one likes, lower ones for others.

    The first scorer ranks all sentences and a loose budget cuts them; the second scores what is
    left, in source order. The others keep the order that the first gave them, below every sentence
    that the second saw and below 0, so that no threshold on the second's scale lets them in.

    Attributes:
        first, second: scorers; either may be ``Staged`` itself.
        keep: the loose budget, for example ``"50% of tokens"`` or ``"4096 tokens"``; pinned
            sentences pass, and what must come along with a sentence does.

    Raises:
        InputError: a stage that cannot be called.
        BudgetError: ``keep`` cannot be read.
    """

    first: Any
    second: Any
    keep: Budget | str | float = "50% of tokens"

    needs: ClassVar[frozenset[str]] = frozenset({"text"})

    def __post_init__(self) -> None:
        for name in ("first", "second"):
            stage = getattr(self, name)
            if not callable(stage) or isinstance(stage, type):
                raise InputError(f"{name} is {stage!r}; it must be a scorer.")
        if isinstance(self.keep, str):
            Budget.parse(self.keep)

    @property
    def meaning(self) -> str:
        """What a higher value says: the second scorer's meaning."""
        return str(getattr(self.second, "meaning", "more relevant"))

    @property
    def default_budget(self) -> str:
        """The second scorer's own, as far as it has one."""
        return str(getattr(self.second, "default_budget", "50% of tokens"))

    def __call__(self, items: Items, *, query: str | None = None, seed: int = 0) -> Scores:
        """Scores of the sentences.

        Args:
            items: rows in source order, with what both stages need.
            query, seed: passed on.

        Returns:
            Scores with float64 values of shape (n,); ``details`` hold those of both stages and
            ``seen``, the number of sentences the second had. Its chunk scores, where it gives any,
            stay; chunks that it had nothing of stand below the others.

        Raises:
            DataPrunerError: as a stage raises it.
        """
        coarse = self.first(items, query=query, seed=seed)
        if not items.n:
            return Scores(np.zeros(0), items, self.meaning, "staged")
        seen: BoolArray = select(coarse, self.keep, pick="high", seed=seed).mask
        rows = np.flatnonzero(seen)
        fine = self.second(items.take(rows), query=query, seed=seed)
        values = np.empty(items.n)
        values[rows] = fine.values
        floor = min(0.0, float(fine.values.min(initial=0.0)))
        values[~seen] = floor - _STEP - _STEP * (1 - _spread(coarse.values[~seen]))
        details: dict[str, Any] = {
            "first": {"method": coarse.method, **_without_chunks(coarse)},
            "second": {"method": fine.method, **_without_chunks(fine)},
            "seen": len(rows),
        }
        told = fine.details.get("chunk_scores")
        if told is not None:
            details["chunk_scores"] = _below(told, items, rows).tolist()
        return Scores(
            values, items, fine.meaning, f"{coarse.method} then {fine.method}", details=details
        )


def _spread(values: FloatArray) -> FloatArray:
    """The values moved into [0, 1], lowest to highest; all 1 where they are equal."""
    low, high = values.min(initial=np.inf), values.max(initial=-np.inf)
    if not high > low:
        return np.ones(len(values))
    return np.asarray((values.astype(np.float64) - low) / (high - low))


def _below(told: Any, items: Items, rows: Any) -> FloatArray:
    found = np.array(told, dtype=np.float64)
    had = np.zeros(len(found), dtype=bool)
    had[np.unique(items.group[rows])] = True
    if had.any():
        found[~had] = found[had].min() - _STEP
    return found


def _without_chunks(scores: Scores) -> dict[str, Any]:
    dropped = ("chunk_scores", "chunk_logits")
    return {key: value for key, value in scores.details.items() if key not in dropped}
