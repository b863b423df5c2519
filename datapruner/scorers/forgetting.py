"""Forgetting events: how often a row was answered right and then wrong in the course of a run.

A row that is learnt once and for all has none and can go first; one that is forgotten again and
again is hard or mislabelled. A row that was never answered right has nothing to forget: counted
plainly it would have no events, like the easiest rows. Published code did just that; here it is the
hardest by default, and ``never_learned`` says what else it may be.

Whole numbers tie by the thousand; ties go by tie key.

Source: Toneva et al. 2019, "An empirical study of example forgetting during deep neural network
learning", arXiv:1812.05159. Departs from it in: a tie for the largest logit is a wrong answer;
never-learned rows get the number of snapshots, above every count there can be.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from datapruner.core.items import Items
from datapruner.core.reason import Reason
from datapruner.core.rulings import Rulings
from datapruner.core.scores import Scores
from datapruner.core.types import BoolArray, FloatArray, IntArray
from datapruner.errors import InputError
from datapruner.scorers.logged import Block, Logged, blocks, check_wanted, chosen, open_logged
from datapruner.scorers.logged import usable as without_missing
from datapruner.scorers.meanscore import seen_notes

__all__ = ["Forgetting", "forgetting_events"]

NEVER = ("max", "zero", "drop")


@dataclass(frozen=True)
class Forgetting:
    """The number of times a row went from right to wrong between snapshots that logged it.

    Attributes:
        never_learned: what rows get that were never answered right: ``"max"`` (default), the number
            of snapshots used; ``"zero"``, no events; ``"drop"``, ruled out, for they may be
            mislabelled: they are not offered, and ``explain`` says why.
        snapshots: which ones, as for ``MeanScore``; all by default. They must be epochs of one run,
            in order.
        on_bad: as for ``MeanScore``.

    Raises:
        InputError: a value that no run could use.
    """

    never_learned: Literal["max", "zero", "drop"] = "max"
    snapshots: int | None = None
    on_bad: Literal["error", "drop"] = "error"

    columns: ClassVar[tuple[str, ...]] = ("logits", "label_codes")
    needs: ClassVar[frozenset[str]] = frozenset(columns)
    meaning: ClassVar[str] = "harder"

    def __post_init__(self) -> None:
        """Refuse parameters that no run could use."""
        check_wanted(self.snapshots, "forgetting")
        if self.never_learned not in NEVER:
            raise InputError(
                f'never_learned is {self.never_learned!r}; it must be "max", "zero" or "drop".'
            )

    def __call__(self, items: Items, *, query: str | None = None, seed: int = 0) -> Scores:
        """Scores with values of shape (n,), float64, whole numbers of 0 or more.

        Args:
            items: rows with ``logits`` and ``label_codes``, as for ``MeanScore``.
            query, seed: unused.

        Raises:
            MissingColumnError, InputError, ScoreError: as for ``MeanScore``.
        """
        logged = open_logged(items, "forgetting", self.columns)
        which = chosen(logged.logits.count, self.snapshots)
        events, right, times = _followed(logged, which)
        items = without_missing(items, "forgetting", times == 0, "were never logged", self.on_bad)
        never = (right == 0) & items.is_countable
        values: FloatArray = np.where(items.barred, 0, events).astype(np.float64)
        if self.never_learned == "max":
            values[never] = len(which)
        return Scores(
            values,
            items,
            self.meaning,
            "forgetting",
            details={
                "snapshots": len(which),
                "never_learned": self.never_learned,
                "never_learned_rows": int(never.sum()),
            },
            notes=seen_notes(items, "forgetting", times, len(which)),
            rulings=_ruled(never, right) if self.never_learned == "drop" else None,
        )


def forgetting_events(right: BoolArray, seen: BoolArray | None = None) -> IntArray:
    """How often each row goes from right to wrong; what was not seen in between is passed over.

    Args:
        right: shape (n, S), whether a row was answered right in each snapshot, in order.
        seen: shape (n, S), whether it was logged then; None: always.

    Returns:
        Shape (n,), int64; 0 for rows that were never right.
    """
    seen = np.ones_like(right) if seen is None else seen
    tally = _Tally(len(right))
    for number in range(right.shape[1]):
        tally.note(slice(None), right[:, number], seen[:, number])
    return tally.events


class _Tally:
    """What has happened to every row so far."""

    def __init__(self, n: int) -> None:
        self.events = np.zeros(n, dtype=np.int64)
        self.right = np.zeros(n, dtype=np.int64)
        self.times = np.zeros(n, dtype=np.int64)
        self._was_right = np.zeros(n, dtype=bool)

    def note(self, rows: slice, right: BoolArray, seen: BoolArray) -> None:
        self.events[rows] += self._was_right[rows] & ~right & seen
        self.right[rows] += right & seen
        self.times[rows] += seen
        self._was_right[rows] = np.where(seen, right, self._was_right[rows])


def _followed(logged: Logged, which: range) -> tuple[IntArray, IntArray, IntArray]:
    """Shape (n,) each, int64: events, times right, times logged."""
    tally = _Tally(logged.items.n)
    for block in blocks(logged, which):
        rows = slice(block.start, block.start + len(block.logits))
        tally.note(rows, _is_right(block), block.seen)
    return tally.events, tally.right, tally.times


def _is_right(block: Block) -> BoolArray:
    own, other = block.of_label(block.logits)
    right: BoolArray = own > other
    return right


def _ruled(never: BoolArray, right: IntArray) -> Rulings | None:
    if not never.any():
        return None
    reason = np.where(never, np.uint8(Reason.QUALITY), np.uint8(0))
    learnt = right[right > 0]
    limit = float(learnt.min()) if learnt.size else None
    return Rulings(reason, "times answered right", right.astype(np.float64), limit)
