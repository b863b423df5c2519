"""A trial: one training run of a comparison, and the batches that make it as long as all others.

Every trial of a comparison takes the same number of batches of the same size. Batches are cut from
an endless stream of row numbers: a subset that stays is shuffled anew each time it has been seen
whole, a schedule of rounds follows round by round. A batch may cross from one pass, or round, into
the next, so no method is handed a shorter one. A batch of more rows than a subset has holds some of
them twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from math import isfinite
from numbers import Real
from typing import Any, TypeAlias

import numpy as np

from datapruner.core.types import AnyArray, FloatArray, IntArray
from datapruner.dataset.draws import shuffled
from datapruner.dataset.population import Population
from datapruner.dataset.schedule import Schedule
from datapruner.errors import DataPrunerError, InputError

__all__ = ["Batches", "Ground", "Recipe", "Trial", "of_rounds", "of_subset", "run_trial"]

_BLOCK = 8192


class Batches(Iterator[IntArray]):
    """Exactly ``steps`` arrays of ``batch`` row numbers, once; counts what was taken.

    Args:
        stream: row numbers in pieces of any size, without an end.
        steps: how many batches there are.
        batch: rows in each.

    Attributes:
        taken: batches handed out so far.
    """

    def __init__(self, stream: Iterator[IntArray], steps: int, batch: int) -> None:
        self.steps, self.batch, self.taken = steps, batch, 0
        self._stream = stream
        self._left = np.empty(0, dtype=np.int64)
        self._is_over = False

    def __len__(self) -> int:
        """All batches, taken or not."""
        return self.steps

    def __next__(self) -> IntArray:
        """The next batch, shape (batch,), int64.

        Raises:
            InputError: they were all taken, and the end was told already: a second pass.
        """
        if self._is_over:
            raise InputError(
                f"all {self.steps} batches of the trial were taken and more were asked for; take "
                "them in one loop, for they are the whole training and not one epoch of it."
            )
        if self.taken == self.steps:
            self._is_over = True
            raise StopIteration
        parts, size = [self._left], self._left.size
        while size < self.batch:
            parts.append(next(self._stream))
            size += parts[-1].size
        rows = np.concatenate(parts)
        self._left = rows[self.batch :]
        self.taken += 1
        return rows[: self.batch]


@dataclass(frozen=True, eq=False, kw_only=True)
class Ground:
    """What all trials of one seed share. Row numbers are those of the data, whatever is held out.

    Attributes:
        x: shape (n, ...), any numeric dtype, what a learner sees of every row of the data.
        y: shape (n,), int64, codes of the classes; -1 for rows that cannot be used.
        keys: shape (n,), uint64, what the rows are known by.
        train: shape (m,), int64, rows that may be trained on, in an order that follows from what
            they are and not from where they stand.
        test_x: shape (t, ...), what is tested on.
        test_y: shape (t,), int64.
        classes: names, in the order of their codes; those of the test rows included.
        seed: of the split, the draws, the batches and the learner.
    """

    x: AnyArray
    y: IntArray
    keys: AnyArray
    train: IntArray
    test_x: AnyArray
    test_y: IntArray
    classes: tuple[str, ...]
    seed: int

    @cached_property
    def moments(self) -> tuple[FloatArray, FloatArray]:
        """Mean and variance of every column of x over the training rows, float64.

        Over all of them, kept or not, so that every method is trained on the same numbers.
        """
        shape = self.x.shape[1:]
        total, squares = np.zeros(shape), np.zeros(shape)
        for rows in np.split(self.train, range(_BLOCK, self.train.size, _BLOCK)):
            total += self.x[rows].astype(np.float64).sum(axis=0)
        mean = total / self.train.size
        for rows in np.split(self.train, range(_BLOCK, self.train.size, _BLOCK)):
            squares += np.square(self.x[rows] - mean).sum(axis=0)
        return mean, squares / self.train.size


@dataclass(frozen=True, eq=False, kw_only=True)
class Trial:
    """What a recipe is handed: rows to train on, in batches, and rows to be judged by.

    Attributes:
        method: whose rows these are.
        budget: the budget as text; ``"all"`` for the reference.
        rows: shape (k,), int64, the subset that stays; None where every round has its own.
        batches: exactly ``steps`` arrays of row numbers; ``x[rows]`` and ``y[rows]`` are a batch.
        ground: what all trials of this seed share.
    """

    method: str
    budget: str
    rows: IntArray | None
    batches: Batches
    ground: Ground = field(repr=False)

    @property
    def steps(self) -> int:
        """Batches, the same in every trial: one optimiser step each."""
        return self.batches.steps

    @property
    def x(self) -> AnyArray:
        """Shape (n, ...), what is known of every row of the data; held-out rows are among them."""
        return self.ground.x

    @property
    def y(self) -> IntArray:
        """Shape (n,), int64, codes of the classes."""
        return self.ground.y

    @property
    def train(self) -> IntArray:
        """Rows of the data that may be looked at, kept or not: for means and scales."""
        return self.ground.train

    @property
    def test_x(self) -> AnyArray:
        """Shape (t, ...), what is tested on."""
        return self.ground.test_x

    @property
    def test_y(self) -> IntArray:
        """Shape (t,), int64."""
        return self.ground.test_y

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return len(self.ground.classes)

    @property
    def seed(self) -> int:
        """Of the learner; every method meets the same seeds."""
        return self.ground.seed

    def __str__(self) -> str:
        """For messages: the method, the budget and the seed."""
        return f"{self.method} at {self.budget}, seed {self.seed}"


Recipe: TypeAlias = Callable[[Trial], Any]
"""Trains on all batches of a trial, and gives a score on its test rows; higher is better."""


def of_subset(ground: Ground, rows: IntArray) -> Iterator[IntArray]:
    """The same rows over and over, each pass in a new order."""
    population = Population(n=len(ground.x), keys=ground.keys)
    for number in count():
        yield shuffled(population, rows, ground.seed, number)


def of_rounds(ground: Ground, k: int) -> Iterator[IntArray]:
    """The rounds of ``resample`` over the training rows, for k rows a round and this seed."""
    is_all = ground.train.size == len(ground.x)
    usable = None if is_all else np.sort(ground.train)
    population = Population(n=len(ground.x), keys=ground.keys, usable=usable)
    for this in Schedule(population, k, seed=ground.seed):
        yield this.rows


def run_trial(recipe: Recipe, trial: Trial) -> float:
    """The score of a trial, once it is certain that it took its steps.

    Raises:
        InputError: the recipe failed, took another number of batches, or gave no finite number.
    """
    try:
        found = recipe(trial)
    except DataPrunerError as error:
        error.add_note(f"in the trial of {trial}")
        raise
    except Exception as error:
        raise InputError(
            f"the recipe failed in the trial of {trial}: {type(error).__name__}: {error}"
        ) from error
    if trial.batches.taken != trial.steps:
        raise InputError(
            f"the recipe took {trial.batches.taken} of {trial.steps} batches in the trial of "
            f"{trial}; take all of them, one optimiser step each, or methods cannot be compared."
        )
    return _number(found, trial)


def _number(found: Any, trial: Trial) -> float:
    value = found.item() if getattr(found, "shape", None) == () else found
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InputError(
            f"the recipe gave {found!r:.60} in the trial of {trial}; it must give a number, the "
            "higher the better."
        )
    if not isfinite(value):
        raise InputError(
            f"the recipe gave {float(value)} in the trial of {trial}: the training diverged, or "
            "the test went wrong. Lower the learning rate, or look at that trial."
        )
    return float(value)
