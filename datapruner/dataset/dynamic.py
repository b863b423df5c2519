"""Rounds that follow the losses: most of the rows that are learnt already sit out for a while.

Source: Qin et al. 2024, "InfoBatch: Lossless Training Speed Up by Unbiased Dynamic Data Pruning",
arXiv:2303.04947. Departs from its published code in this: nothing is patched, the user feeds the
losses; the weight is the exact inverse of the chance to be kept, where the code's share is rounded
and its weight is not; the last rounds are whole from the first of them on; and rows that have no
loss yet stay, as the code's initial losses have it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np

from datapruner.core.types import AnyArray, BoolArray, FloatArray, IntArray
from datapruner.dataset.draws import shuffled
from datapruner.dataset.passes import by_hash
from datapruner.dataset.population import Population, populate
from datapruner.dataset.schedule import Round, check_rounds
from datapruner.errors import FormatError, InputError, ScoreError
from datapruner.rng import check_seed, mix, subseed

__all__ = ["LossSchedule"]

_RECIPE = "infobatch-1"
_SHOWN = 5


class LossSchedule:
    """A round of all rows but most of the easy ones, weighted so that the gradient is unbiased.

    Of the rows whose last loss is below the mean of all last losses, m = floor(keep * easy), but at
    least one, are drawn and weigh easy / m; all others are in and weigh 1. So over the draw the
    weighted sum of anything is the sum over all rows. Multiply each row's loss by its weight, and
    take the mean over a batch as ever.

    After every round feed the losses back::

        schedule = LossSchedule(len(data), rounds=40)
        for r in range(40):
            this = schedule[r]
            ...                                  # train on this.rows with this.weights
            schedule.feed(rows, losses)          # unweighted, in any order

    Args:
        data: the number of rows, or the rows themselves; see ``resample``.
        rounds: how many there will be.
        keep: share of the easy rows that stays in a round, in (0, 1].
        until: share of the rounds after which all rows are in again, in [0, 1].
        id, on_bad: as for ``resample``.
        seed: of every draw.

    Raises:
        InputError: parameters out of range, or no rows.
    """

    def __init__(
        self,
        data: Any,
        *,
        rounds: int,
        keep: float = 0.5,
        until: float = 0.875,
        id: str | None = None,
        on_bad: Literal["error", "drop"] = "error",
        seed: int = 0,
    ) -> None:
        if not 0 < keep <= 1:
            raise InputError(f"keep is {keep!r}; it is the share of easy rows that stays: (0, 1].")
        if not 0 <= until <= 1:
            raise InputError(f"until is {until!r}; it is a share of the rounds, in [0, 1].")
        self.population: Population = populate(data, id=id, on_bad=on_bad)
        if not self.population.size:
            raise InputError("there are no rows to draw from; give at least one.")
        self.rounds, self.seed = check_rounds(rounds), check_seed(seed)
        self.keep, self.until = keep, until
        self._losses = np.full(self.n, np.nan)

    @property
    def n(self) -> int:
        """Rows of the data."""
        return self.population.n

    @property
    def losses(self) -> FloatArray:
        """Shape (n,), float64: the last loss of every row, NaN where none was fed; a copy."""
        return self._losses.copy()

    def __len__(self) -> int:
        """The number of rounds."""
        return self.rounds

    def __repr__(self) -> str:
        """One line: sizes, shares and seed."""
        return (
            f"LossSchedule({self.rounds:,} rounds of {self.population.size:,} rows, keep "
            f"{self.keep:g} of the easy ones until {self.until:.1%}, seed {self.seed})"
        )

    def __iter__(self) -> Iterator[Round]:
        """The rounds in turn, each drawn when it is asked for."""
        return (self[number] for number in range(self.rounds))

    def __getitem__(self, number: int) -> Round:
        """The round that the losses fed so far give; it follows from them, the seed and the number.

        Raises:
            IndexError: there is no such round.
        """
        if not 0 <= number < self.rounds:
            raise IndexError(f"there is no round {number}: the rounds are 0 to {self.rounds - 1}.")
        usable = self.population.usable
        rows = np.arange(self.n) if usable is None else usable
        easy = self._easy(rows, number)
        m = max(int(self.keep * easy.size + 1e-9), 1)
        keys = easy if self.population.keys is None else self.population.keys[easy]
        kept = easy[by_hash(mix(keys, subseed(self.seed, f"easy {number}")))[:m]]
        weight = np.ones(self.n)
        weight[easy] = 0.0
        weight[kept] = easy.size / m
        rows = shuffled(self.population, rows[weight[rows] > 0], self.seed, number)
        return Round(number, rows, weight[rows])

    def _easy(self, rows: IntArray, number: int) -> IntArray:
        """Rows that may sit out; none once the last rounds have begun."""
        known = rows[~np.isnan(self._losses[rows])]
        if number >= self.until * self.rounds or not known.size:
            return np.empty(0, dtype=np.int64)
        # Sorted, so that the mean is the same in any order of the rows.
        mean = float(np.sort(self._losses[known]).mean())
        easy: IntArray = known[self._losses[known] < mean]
        return easy

    def feed(self, rows: Any, losses: Any) -> None:
        """Take note of losses; of every process's rows, where several share a round.

        Args:
            rows: shape (m,), row numbers, none of them twice.
            losses: shape (m,), one each, unweighted and finite.

        Raises:
            InputError: rows that are not there or are given twice, or lengths that differ.
            ScoreError: losses that are not finite; names the first five rows. Nothing was noted.
        """
        at = _as_array(rows)
        values = np.asarray(_as_array(losses), dtype=np.float64)
        if at.size and at.dtype.kind not in "iu":
            raise InputError(f"rows are {at.dtype}; give whole numbers, the rows of the round.")
        at = at.astype(np.int64)
        if at.ndim != 1 or at.shape != values.shape:
            raise InputError(
                f"rows have shape {at.shape} and losses {values.shape}; give one loss a row."
            )
        wrong = np.flatnonzero(~np.isfinite(values))
        if wrong.size:
            shown = ", ".join(f"row {at[place]}: {values[place]}" for place in wrong[:_SHOWN])
            raise ScoreError(
                f"{wrong.size} losses are not finite ({shown}). Training has diverged, or these "
                "rows are damaged: lower the learning rate, or look at them."
            )
        if at.size and not (at.min() >= 0 and at.max() < self.n):
            raise InputError(
                f"rows go from {at.min()} to {at.max()}, but there are {self.n}; give the row "
                "numbers of the round, not places in it."
            )
        if np.unique(at).size != at.size:
            raise InputError(
                "a row has two losses; a round holds no row twice: feed one round at a time."
            )
        self._losses[at] = values

    def spare(self, number: int, count: int) -> IntArray:
        """Rows that sit out in a round, to fill it up; see ``Schedule.spare``.

        Raises:
            InputError: the round leaves fewer rows than that.
        """
        usable = self.population.usable
        left: BoolArray = np.zeros(self.n, dtype=bool)
        left[slice(None) if usable is None else usable] = True
        left[self[number].rows] = False
        rows = shuffled(self.population, np.flatnonzero(left), self.seed, number)
        if rows.size < count:
            raise InputError(
                f"{count} more rows are needed to fill up round {number}, but it leaves "
                f"{rows.size} of {self.population.size} rows; leave some out instead."
            )
        return rows[:count]

    @property
    def fingerprint(self) -> str:
        """32 hexadecimal digits of all that decides the rounds, the losses apart."""
        parts = (_RECIPE, self.population.digest, self.rounds, self.keep, self.until, self.seed)
        return hashlib.blake2b("|".join(map(str, parts)).encode(), digest_size=16).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """What the schedule is, for a log; JSON can hold it."""
        return {
            "recipe": _RECIPE,
            "n": self.n,
            "usable": self.population.size,
            "rounds": self.rounds,
            "keep": self.keep,
            "until": self.until,
            "seed": self.seed,
            "fingerprint": self.fingerprint,
        }

    def state_dict(self) -> dict[str, Any]:
        """The losses fed so far, and what they belong to; for a checkpoint."""
        return {"schedule": self.fingerprint, "losses": self.losses}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what ``state_dict`` gave.

        Raises:
            FormatError: it belongs to another schedule.
        """
        held = state if isinstance(state, Mapping) else {}
        if held.get("schedule") != self.fingerprint:
            raise FormatError(
                f"the state belongs to the schedule {held.get('schedule')!r}, this one is "
                f"{self.fingerprint!r}: other rows, shares or seed. Load the state of this one."
            )
        losses = np.asarray(held.get("losses", ()))
        if losses.shape != (self.n,) or losses.dtype.kind != "f" or np.isinf(losses).any():
            raise FormatError(
                f"the losses of the state are {losses.dtype} of shape {losses.shape}; {self.n} "
                "rows need one number each, finite or NaN. The state is damaged: load another."
            )
        self._losses = losses.astype(np.float64)


def _as_array(given: Any) -> AnyArray:
    """An array of what may be a tensor of any device."""
    return np.asarray(given.detach().cpu() if hasattr(given, "detach") else given)
