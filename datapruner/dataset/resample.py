"""resample(): a fresh subset of the data for every round of training.

Source: Okanovic et al. 2024, "Repeated Random Sampling for Minimizing the Time-to-Accuracy of
Learning", arXiv:2305.18424 (RS2). Departs from its published code, which hands out a row too few,
and rows of the old permutation again, in a round that wraps around: here every round has exactly k
distinct rows, and every pass is a new permutation.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

from datapruner.core.budget import Budget, as_budget
from datapruner.dataset.population import Population, populate
from datapruner.dataset.schedule import Draw, Schedule, check_rounds, steps_a_round
from datapruner.errors import BudgetError, InputError
from datapruner.rng import check_seed

__all__ = ["Schedule", "resample", "steps"]


def resample(
    data: Any,
    *,
    budget: Budget | str | float,
    replacement: bool = False,
    label: Any = None,
    scores: Any = None,
    rounds: int | None = None,
    id: str | None = None,
    on_bad: Literal["error", "drop"] = "error",
    seed: int = 0,
) -> Schedule:
    """A schedule of rounds: a fresh random subset for every round of training.

    Without replacement, rounds are consecutive slices of a stream of permutations, one a pass: each
    row is seen once before any is seen twice. This equals training on all the data for fewer
    epochs; what it beats is a fixed subset of the same size, and a full run that is cut short.

    Args:
        data: the number of rows; or rows in any container or file (see ``open_source``), bare
            vectors or Items. A number knows rows by their position alone; given the rows, their
            ids decide, so that another order of the rows gives the same ids in every round.
        budget: rows a round: ``"10%"``, ``"5000 items"``, 0.1, or a Budget.
        replacement: True: rounds are independent of each other. A row is never twice in a round.
        label: a column of labels, or n labels: every round has each class's share, rounded down
            or up; what is left over rotates, so that small classes have their turn, too.
        scores: n numbers, or Scores: chances in proportion to them (Gumbel top-k), and weights
            that make the loss unbiased. Needs ``replacement=True``; a row of score 0 is never
            drawn.
        rounds: how many; None: no end.
        id: a column of ids; None: ids made of the content of the rows.
        on_bad: ``"error"``, or ``"drop"`` to leave out rows that cannot be read.
        seed: of every draw.

    Returns:
        The schedule; ``schedule[r].rows`` are the row numbers of round r.

    Raises:
        BudgetError: no rows a round, or more than there are, or a limit on something else.
        InputError: data or parameters that cannot be used.
        ScoreError: scores that are no chances.
    """
    if scores is not None and not replacement:
        raise InputError(
            "rounds drawn by scores are independent of each other; say so with replacement=True."
        )
    draw: Draw = "subsets" if replacement else "slices"
    if scores is not None:
        draw = "weighted"
    seed = check_seed(seed)
    population = populate(data, label=label, id=id, scores=scores, on_bad=on_bad)
    k = _rows_a_round(as_budget(budget), population)
    return Schedule(population, k, draw, rounds, seed)


def steps(n: int, share: float, rounds: int, batch: int, *, drop_last: bool = False) -> int:
    """Optimiser steps of so many rounds: what a learning-rate schedule must be built from.

    Args:
        n: rows of the data.
        share: of them a round, in (0, 1].
        rounds: how many.
        batch: rows a step.
        drop_last: whether the last, smaller batch of a round is left out.

    Raises:
        BudgetError: a share that is none.
        InputError: a batch or a number of rounds that is no whole number above 0.
    """
    k = Budget(share=share).resolve_counts(n, 1).count
    return check_rounds(rounds) * steps_a_round(k, batch, drop_last)


def _rows_a_round(budget: Budget, population: Population) -> int:
    plain = dataclasses.replace(budget, share=None, count=None)
    if plain != Budget():
        raise BudgetError(
            f"the budget of a round says how many rows it has, and {budget} says more; "
            'write "10%" or "5000 items".'
        )
    most = population.size
    if budget.count is not None and budget.count > most:
        raise BudgetError(
            f"the budget asks for {budget.count} rows a round, but there are {most} to draw from; "
            f'ask for "{most} items" or fewer.'
        )
    k = budget.resolve_counts(most, 1).count
    if not k:
        raise BudgetError(
            f"the budget {budget} of {most} rows leaves none for a round; raise it to at least "
            '"1 items".'
        )
    return k
