"""A schedule: rounds of exactly k distinct rows, any of them found without walking to it."""

from __future__ import annotations

import hashlib
import math
import operator
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from datapruner.core.archive import read_archive, write_archive
from datapruner.core.types import FloatArray, IntArray
from datapruner.dataset.draws import draw_others, draw_slices, draw_subset, draw_weighted
from datapruner.dataset.population import Population
from datapruner.dataset.quotas import Quotas
from datapruner.errors import BudgetError, FormatError, InputError
from datapruner.rng import check_seed

__all__ = ["Draw", "Round", "Schedule", "check_rounds", "steps_a_round"]

Draw = Literal["slices", "subsets", "weighted"]

_RECIPE = "rs2-1"  # raise it when the same seed gives other rounds


@dataclass(frozen=True, eq=False, slots=True)
class Round:
    """The rows of one round.

    Attributes:
        number: of the round, from 0.
        rows: shape (k,), int64, distinct row numbers in the order to train on them.
        weights: shape (k,), float64, what to multiply each row's loss by; None: nothing.
    """

    number: int
    rows: IntArray
    weights: FloatArray | None = None

    def __len__(self) -> int:
        return int(self.rows.size)


@dataclass(frozen=True, eq=False)
class Schedule:
    """Rounds of exactly k distinct rows; ``schedule[r]`` follows from the seed and r alone.

    Build it with ``resample``.

    Attributes:
        population: the rows to draw from.
        k: rows a round.
        draw: ``"slices"`` of permutations (without replacement across rounds), ``"subsets"``
            (independent), or ``"weighted"`` (independent, chances in proportion to scores).
        rounds: how many there are; None: no end.
        seed: of every draw.
    """

    population: Population
    k: int
    draw: Draw = "slices"
    rounds: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse sizes that no round could have."""
        most = self.population.size
        if not 1 <= self.k <= most:
            raise BudgetError(
                f"a round of {self.k} rows cannot be drawn from {most} rows; "
                f"ask for 1 to {most} rows."
            )
        if self.rounds is not None:
            check_rounds(self.rounds)
        check_seed(self.seed)

    @property
    def n(self) -> int:
        """Rows of the data."""
        return self.population.n

    def __len__(self) -> int:
        """The number of rounds.

        Raises:
            InputError: the schedule has no end.
        """
        if self.rounds is None:
            raise InputError("this schedule has no end; give resample(..., rounds=20) for one.")
        return self.rounds

    def __getitem__(self, number: int) -> Round:
        """A round, in O(n) whatever its number; -1 is the last.

        Raises:
            IndexError: there is no such round.
        """
        asked = operator.index(number)
        wanted = asked + len(self) if asked < 0 else asked
        if wanted < 0 or (self.rounds is not None and wanted >= self.rounds):
            raise IndexError(f"there is no round {asked}: the rounds are 0 to {len(self) - 1}.")
        return self._round(wanted)

    def __iter__(self) -> Iterator[Round]:
        """The rounds in turn; without an end if none was given."""
        number = 0
        while self.rounds is None or number < self.rounds:
            yield self._round(number)
            number += 1

    def __repr__(self) -> str:
        """One line: sizes, draw, number of rounds and seed."""
        rounds = "no end of" if self.rounds is None else f"{self.rounds:,}"
        return (
            f"Schedule({rounds} rounds of {self.k:,} of {self.population.size:,} rows, "
            f"{self.draw}, seed {self.seed})"
        )

    def _round(self, number: int) -> Round:
        if self.draw == "weighted":
            rows, weights = draw_weighted(self.population, self.k, self.seed, number)
            return Round(number, rows, weights)
        if self.draw == "subsets":
            draw = draw_subset
        else:
            draw = draw_others if self._is_above_half else draw_slices
        return Round(number, draw(self.population, self._quotas, self.seed, number))

    @property
    def _is_above_half(self) -> bool:
        return 2 * self.k > self.population.size

    @cached_property
    def _quotas(self) -> Quotas:
        """Rows of each class that are drawn; above half, without replacement, that sit out."""
        sizes = np.array([stratum.size for stratum in self.population.strata], dtype=np.int64)
        says_who_sits_out = self.draw == "slices" and self._is_above_half
        k = self.population.size - self.k if says_who_sits_out else self.k
        return Quotas(sizes, k, self.seed)

    def spare(self, number: int, count: int) -> IntArray:
        """The rows that come next after a round and are not in it, for even shares of workers.

        Args:
            number: of the round, also the last one.
            count: how many.

        Returns:
            Shape (count,), int64, distinct, in the order in which later rounds have them.

        Raises:
            InputError: the round leaves fewer rows than that.
        """
        left = self.population.size - self.k
        if count > left:
            raise InputError(
                f"{count} more rows are needed to fill up round {number}, but it leaves {left} of "
                f"{self.population.size} rows; leave some out instead."
            )
        seen = np.zeros(self.n, dtype=bool)
        seen[self._round(number).rows] = True
        found: list[IntArray] = []
        while count:
            number += 1
            rows = self._round(number).rows
            rows = rows[~seen[rows]][:count]
            seen[rows] = True
            found.append(rows)
            count -= rows.size
        return np.concatenate([np.empty(0, np.int64), *found])

    def steps(self, batch: int, *, drop_last: bool = False, workers: int = 1) -> int:
        """Optimiser steps of all rounds, to build a learning-rate schedule from.

        Args:
            batch: rows that one worker takes a step, times any steps of gradient accumulation.
            drop_last: whether the last, smaller batch of a round is left out.
            workers: processes that share every round.

        Raises:
            InputError: no end, or a batch that is no whole number.
        """
        return len(self) * steps_a_round(self.k, batch * workers, drop_last)

    @cached_property
    def fingerprint(self) -> str:
        """32 hexadecimal digits of all that decides the rounds; their number does not."""
        parts = (_RECIPE, self.population.digest, self.k, self.draw, self.seed)
        text = "|".join(map(str, parts))
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """What the schedule is, for a log; JSON can hold it."""
        return {
            "recipe": _RECIPE,
            "n": self.n,
            "usable": self.population.size,
            "k": self.k,
            "draw": self.draw,
            "classes": len(self.population.strata),
            "rounds": self.rounds,
            "seed": self.seed,
            "fingerprint": self.fingerprint,
        }

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the schedule, ids and classes included, to one ``.npz`` file.

        Raises:
            OutputError: the file exists, or cannot be written.
        """
        header = {**self.to_dict(), "names": list(self.population.names)}
        arrays = self.population.to_arrays()
        write_archive(path, "schedule", header, arrays, overwrite=overwrite)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Schedule:
        """What ``save`` wrote.

        Raises:
            InputError: there is no such file.
            FormatError: damaged, no schedule, or one whose rounds this version would not give.
        """
        header, arrays = read_archive(path, "schedule")
        try:
            population = Population.from_arrays(header["n"], header["names"], arrays)
            options = {name: header[name] for name in ("k", "draw", "rounds", "seed")}
            found = cls(population, **options)
            is_same = found.fingerprint == header["fingerprint"]
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise FormatError(f"{path} is damaged: {error}. Make it again.") from error
        if not is_same:
            raise FormatError(
                f"{path} was made by another recipe ({header.get('recipe')}, here {_RECIPE}) or "
                "is damaged: its rounds would differ. Make it again."
            )
        return found


def check_rounds(rounds: Any) -> int:
    """The number of rounds, if it is one.

    Raises:
        InputError: it is no whole number, or below 1.
    """
    if _not_whole(rounds) or rounds < 1:
        raise InputError(f"rounds is {rounds!r}; give a whole number, 1 or more.")
    return int(rounds)


def steps_a_round(k: int, batch: int, drop_last: bool) -> int:
    """Steps that k rows make in batches of this size.

    Raises:
        InputError: a batch that is no whole number above 0.
    """
    if _not_whole(batch) or batch < 1:
        raise InputError(f"batch is {batch!r}; give a whole number of rows, 1 or more.")
    return k // batch if drop_last else math.ceil(k / batch)


def _not_whole(value: Any) -> bool:
    return isinstance(value, bool) or not isinstance(value, int | np.integer)
