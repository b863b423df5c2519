"""Rows held out for a test: each class's share, another part for every seed."""

from __future__ import annotations

import numpy as np

from datapruner.core.types import AnyArray, BoolArray, IntArray
from datapruner.errors import InputError
from datapruner.rng import mix, subseed

__all__ = ["held_out_rows"]


def held_out_rows(
    rows: IntArray, y: IntArray, keys: AnyArray, share: float, seed: int
) -> BoolArray:
    """Which rows are held out: of every class its share, rounded to the nearest row.

    A class always leaves a row to train on, so one of a single row is not tested. How many rows
    are held out follows from the sizes of the classes alone, so it is the same for every seed.

    Args:
        rows: shape (m,), int64, row numbers in an order that follows from what the rows are.
        y: shape (n,), codes of the classes.
        keys: shape (n,), uint64, what the rows are known by.
        share: of every class, above 0 and below 1.
        seed: another one holds out other rows.

    Returns:
        Shape (m,), bool, in the order of ``rows``.

    Raises:
        InputError: the share leaves nothing to test on.
    """
    chances = mix(keys[rows], subseed(seed, "held out"))
    is_held = np.zeros(rows.size, dtype=bool)
    for code in np.unique(y[rows]).tolist():
        places = np.flatnonzero(y[rows] == code)
        count = min(int(share * places.size + 0.5), places.size - 1)
        is_held[places[np.argsort(chances[places], kind="stable")[:count]]] = True
    if not is_held.any():
        raise InputError(
            f"holding out {100 * share:g} % of every class leaves no row of {rows.size} to test "
            "on; raise held_out (--held-out), or give a test set, test=... (--test)."
        )
    return is_held
