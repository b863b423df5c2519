"""A score that is a mean over logged snapshots; a method says what it is the mean of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.core.types import FloatArray, IntArray
from datapruner.scorers.logged import Block, check_wanted, chosen, mean_of, open_logged, usable

__all__ = ["ENOUGH", "MeanScore", "seen_notes"]

# The paper of EL2N and GraNd averages ten initialisations; single ones disagree with each other.
ENOUGH = 10


@dataclass(frozen=True)
class MeanScore(ABC):
    """The mean of ``term`` over the chosen snapshots; higher means harder.

    Attributes:
        snapshots: which ones: above 0 the first so many, below 0 the last, None all; all where
            there are fewer.
        on_bad: what to do with rows that were logged in none of them: ``"error"``, or ``"drop"`` to
            bar them.

    Raises:
        InputError: ``snapshots`` is 0.
    """

    snapshots: int | None = None
    on_bad: Literal["error", "drop"] = "error"

    method: ClassVar[str]
    columns: ClassVar[tuple[str, ...]]
    needs: ClassVar[frozenset[str]]
    meaning: ClassVar[str] = "harder"

    def __post_init__(self) -> None:
        """Refuse a mean of nothing."""
        check_wanted(self.snapshots, self.method)

    @abstractmethod
    def term(self, block: Block) -> FloatArray:
        """Shape (m,), float64: the score of every row of a block in one snapshot."""

    def __call__(self, items: Items, *, query: str | None = None, seed: int = 0) -> Scores:
        """Scores with values of shape (n,), float64; groups are the items' own.

        Args:
            items: rows with the columns of ``needs``: ``logits`` of shape (n, C) or (n, S, C), or
                from a run log; ``label_codes`` of shape (n,), whole numbers in [0, C); ``features``
                of shape (n, d) or (n, S, d).
            query, seed: unused.

        Raises:
            MissingColumnError: a column is not there.
            InputError: shapes that do not fit, or labels out of range.
            ScoreError: logits that are not finite, or rows that were never logged (names the first
                five).
        """
        logged = open_logged(items, self.method, self.columns)
        which = chosen(logged.logits.count, self.snapshots)
        values, times = mean_of(logged, which, self.term)
        items = usable(items, self.method, times == 0, "were never logged", self.on_bad)
        details: dict[str, Any] = {"snapshots": len(which)}
        notes = (*self.advice(len(which)), *seen_notes(items, self.method, times, len(which)))
        values = np.where(items.barred, 0.0, values)
        return Scores(values, items, self.meaning, self.method, details=details, notes=notes)

    def advice(self, used: int) -> tuple[str, ...]:
        """Sentences for the user on a mean of so many snapshots; none by default."""
        return ()


def seen_notes(items: Items, method: str, times: IntArray, used: int) -> tuple[str, ...]:
    """A sentence on rows that were logged in some of the snapshots only; none where there are none.

    Args:
        items: the rows.
        method: name of the scorer.
        times: shape (n,), in how many of the used snapshots each row was logged.
        used: how many there were.
    """
    fewer = int(np.count_nonzero((times < used) & items.is_countable))
    if not fewer:
        return ()
    return (
        f"{method}: {fewer:,} of {items.countable:,} rows were logged in fewer than all "
        f"{used} snapshots; their score rests on those they were logged in",
    )
