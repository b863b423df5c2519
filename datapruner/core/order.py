"""Sorting that depends on what the rows are, never on where they stand."""

from __future__ import annotations

import numpy as np

from datapruner.core.types import AnyArray, FloatArray, IntArray, UInt64Array

__all__ = ["best_first", "rank_within"]


def best_first(values: FloatArray, tie: UInt64Array, *, descending: bool = True) -> IntArray:
    """Row numbers from best to worst; equal values follow their tie key, then the row number.

    Only the rows that do tie are sorted a second time, so distinct values cost one plain sort.

    Args:
        values: shape (n,), finite, any float dtype.
        tie: shape (n,), uint64, see ``Items.tie_keys``.
        descending: True puts the largest value first.

    Returns:
        Shape (n,), int64, a permutation of the rows.
    """
    keys = -values if descending else values
    order = np.argsort(keys).astype(np.int64, copy=False)
    ranked = keys[order]
    starts = np.empty(ranked.size, dtype=bool)
    starts[:1] = True
    np.not_equal(ranked[1:], ranked[:-1], out=starts[1:])
    tied = ~starts
    tied[:-1] |= tied[1:]
    where = np.flatnonzero(tied)
    if where.size:
        rows = order[where]
        run = np.cumsum(starts)[where]
        order[where] = rows[np.lexsort((rows, tie[rows], run))]
    return order


def rank_within(group: AnyArray) -> IntArray:
    """How many earlier entries have the same group: 0 for a group's first, 1 for its second.

    Args:
        group: shape (m,), integer codes in any order.

    Returns:
        Shape (m,), int64.
    """
    by_group = np.argsort(group, kind="stable")
    grouped = group[by_group]
    starts = np.flatnonzero(np.r_[True, grouped[1:] != grouped[:-1]]) if grouped.size else by_group
    lengths = np.diff(np.r_[starts, grouped.size])
    rank = np.empty(group.size, dtype=np.int64)
    rank[by_group] = np.arange(group.size) - np.repeat(starts, lengths)
    return rank
