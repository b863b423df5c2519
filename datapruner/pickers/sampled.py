"""Pickers that draw. A row's luck follows from its tie key and the seed, not from its place."""

from __future__ import annotations

import numpy as np

from datapruner.core.ledger import Ledger
from datapruner.core.order import best_first
from datapruner.core.scores import Scores
from datapruner.core.types import FloatArray
from datapruner.errors import ScoreError
from datapruner.rng import mix, unit_interval

__all__ = ["luck", "uniform", "weighted"]


def uniform(scores: Scores, ledger: Ledger, *, rng: np.random.Generator) -> None:
    """A fair draw without replacement; looks at no score."""
    _offer(scores, ledger, luck(scores, rng))


def weighted(scores: Scores, ledger: Ledger, *, rng: np.random.Generator) -> None:
    """A draw without replacement with chances in proportion to the scores (Gumbel top-k).

    Raises:
        ScoreError: a negative score.

    Source: Efraimidis and Spirakis 2006; a row of weight 0 is only taken when nothing else is left.
    """
    values = scores.values.astype(np.float64)
    if values.size and values.min() < 0:
        raise ScoreError(
            f"pick 'weighted' draws in proportion to the scores, and {int((values < 0).sum())} "
            f"of them are negative (lowest {values.min():g}). Shift them, or pick by rank."
        )
    with np.errstate(divide="ignore"):
        keys = np.log(values) - np.log(-np.log(luck(scores, rng)))
    _offer(scores, ledger, keys)


def luck(scores: Scores, rng: np.random.Generator) -> FloatArray:
    """Shape (n,), float64, strictly between 0 and 1: a draw for each row from its tie key.

    Args:
        scores: the rows.
        rng: decides the draw as a whole; one number is taken from it.
    """
    salt = int(rng.integers(1, 2**63))
    return unit_interval(mix(scores.items.tie_keys(), salt))


def _offer(scores: Scores, ledger: Ledger, keys: FloatArray) -> None:
    ledger.admit_many(scores.only_contenders(best_first(keys, scores.items.tie_keys())))
