"""The best set of sentences within a number of tokens, by dynamic programming."""

from __future__ import annotations

import math

import numpy as np

from datapruner.core.types import BoolArray, FloatArray
from datapruner.errors import BudgetError

__all__ = ["MOST_CELLS", "best_subset"]

MOST_CELLS = 5 * 10**7
"""Rows times tokens up to which the table is filled in; one byte each."""


def best_subset(values: FloatArray, costs: FloatArray, budget: float) -> BoolArray:
    """Which rows make up the set of highest total value within the budget.

    Rows of value 0 or less are in no best set. Of equally good sets the one found is the same for
    the same input.

    Args:
        values: shape (n,), any finite floats.
        costs: shape (n,), whole numbers, 0 or more.
        budget: what the set may cost at most; infinite takes every row of value.

    Returns:
        Shape (n,), bool.

    Raises:
        BudgetError: a table of more than ``MOST_CELLS`` would be needed.
    """
    worth = values > 0
    price = np.ceil(costs).astype(np.int64)
    if budget == math.inf or price[worth].sum() <= budget:
        return np.asarray(worth, dtype=bool)
    room = max(0, int(budget))
    rows = np.flatnonzero(worth & (price <= room))
    if rows.size * (room + 1) > MOST_CELLS:
        raise BudgetError(
            f'pick="exact" compares {rows.size:,} sentences at each of {room:,} tokens, more than '
            f'{MOST_CELLS:,} cells. Take pick="density", which is close to it.'
        )
    best = np.zeros(room + 1)
    taken = np.zeros((rows.size, room + 1), dtype=bool)
    for number, row in enumerate(rows.tolist()):
        cost = int(price[row])
        with_it = best[: room + 1 - cost] + values[row]
        better = with_it > best[cost:]
        taken[number, cost:] = better
        best[cost:] = np.where(better, with_it, best[cost:])
    chosen = np.zeros(values.size, dtype=bool)
    for number in range(rows.size - 1, -1, -1):
        if taken[number, room]:
            chosen[rows[number]] = True
            room -= int(price[rows[number]])
    return chosen
