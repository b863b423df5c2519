"""Moderate: rows whose distance to the centre of their class is near the median distance.

The centre of a class is its coordinate-wise median, which a few strange rows do not move. Rows far
from it may be mislabelled, rows close to it say nothing new; what lies in the middle is a robust
choice where nobody knows how noisy the data is. All classes are ranked together, by plain Euclidean
distance; the kept rows are the ranks around the middle one.

Source: Xia et al. 2023, "Moderate coreset: a universal method of data selection for real-world
data-efficient deep learning" (ICLR). A copy of it in another project returns the two tails, that is
the opposite set; a test holds against it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from datapruner.core.ledger import Ledger
from datapruner.core.scores import Scores
from datapruner.core.types import AnyArray, BoolArray, FloatArray
from datapruner.errors import InputError, ScoreError
from datapruner.pickers.greedy import usable_rows
from datapruner.pickers.ranked import middle
from datapruner.vectors.content import row_dot
from datapruner.vectors.store import Vectors, open_vectors

__all__ = ["median_distance", "moderate"]

BLOCK_ROWS = 4096  # rows measured at a time


def moderate(scores: Scores, ledger: Ledger, *, rng: np.random.Generator) -> None:
    """The row of the median distance first, then outwards.

    The classes are the groups of the scores (the labels, where rows have any); their values are not
    looked at, and ``rng`` is not used. Of two equally far ranks the lower goes first.

    Raises:
        MissingColumnError: the items carry no ``embedding``.
        ScoreError: a vector holds NaN or infinity.
    """
    x = open_vectors(scores.items.feature("embedding", "moderate"))
    distance = median_distance(x, scores.groups, usable_rows(scores, ledger))
    middle(replace(scores, values=distance), ledger, rng=rng)


def median_distance(
    x: AnyArray | Vectors, group: AnyArray, usable: BoolArray | None = None
) -> FloatArray:
    """How far every row is from the coordinate-wise median of its class.

    One class at a time is held in memory.

    Args:
        x: shape (n, d), floating, or ``Vectors``.
        group: shape (n,), integer codes, the class of each row.
        usable: shape (n,), bool: the rows that count; None for all. The others get 0.

    Returns:
        Shape (n,), float64, Euclidean, not negative.

    Raises:
        InputError: the shapes disagree.
        ScoreError: a usable row holds NaN or infinity (names the first five).
    """
    vectors = open_vectors(x)
    if group.shape != (vectors.n,):
        raise InputError(f"group has shape {group.shape}; expected ({vectors.n},), a class a row.")
    counts = np.ones(vectors.n, dtype=bool) if usable is None else usable
    distance = np.zeros(vectors.n, dtype=np.float64)
    for code in np.unique(group[counts]).tolist():
        rows = np.flatnonzero(counts & (group == code))
        values = vectors.take(rows)
        _refuse_not_finite(rows[~np.isfinite(values).all(axis=1)])
        centre = np.median(values, axis=0).astype(np.float64)
        for start in range(0, rows.size, BLOCK_ROWS):
            away = values[start : start + BLOCK_ROWS].astype(np.float64) - centre
            distance[rows[start : start + BLOCK_ROWS]] = np.sqrt(row_dot(away, away))
    return distance


def _refuse_not_finite(rows: AnyArray) -> None:
    if rows.size:
        named = ", ".join(str(int(row)) for row in rows[:5])
        raise ScoreError(
            f"moderate: {rows.size} vectors of one class hold NaN or infinity (rows {named}"
            f"{', ...' if rows.size > 5 else ''}). Drop them or embed them again."
        )
