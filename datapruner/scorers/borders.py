"""Pairs that a cluster border cuts in two: a second probe, of the second-nearest cluster.

Two near-copies on either side of a border have, all but always, the other's cluster as their second
nearest. So each row that its own cluster keeps is compared with what its second-nearest cluster
keeps. Doubtful similarities are settled as inside a cluster.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from datapruner.core.types import IntArray
from datapruner.scorers.pairs import (
    BLOCK_ROWS,
    NOBODY,
    Best,
    Found,
    Members,
    blocks,
    joined,
    rows_by,
)
from datapruner.vectors.assign import assign
from datapruner.vectors.centroids import Centroids
from datapruner.vectors.store import Vectors, open_vectors

__all__ = ["across_borders", "second_nearest"]

Pairs: TypeAlias = tuple[IntArray, IntArray, npt.NDArray[np.float32]]

_TAKEN = 1 << 14  # rows assigned at a time


def second_nearest(vectors: Vectors, rows: IntArray, own: IntArray, made: Centroids) -> IntArray:
    """The second-nearest centroid of some rows, exactly.

    Args:
        vectors: where the rows are.
        rows: shape (m,), int64, usable rows.
        own: shape (m,), their nearest centroids.
        made: two centroids at least.

    Returns:
        Shape (m,), int64.
    """
    second = np.empty(rows.size, dtype=np.int64)
    for cluster, places in rows_by(own):
        others = replace(made, centroids=np.delete(made.centroids, cluster, axis=0))
        for start in range(0, places.size, _TAKEN):
            some = places[start : start + _TAKEN]
            labels = assign(open_vectors(vectors.take(rows[some])), others).labels
            second[some] = labels + (labels >= cluster)
    return second


def across_borders(
    vectors: Vectors,
    rows: IntArray,
    own: IntArray,
    made: Centroids,
    threshold: float,
    rule: str,
    *,
    block_rows: int = BLOCK_ROWS,
) -> Found:
    """Who repeats whom across borders, among rows that their own clusters keep.

    Args:
        vectors: where the rows are.
        rows: shape (m,), int64, in the keep order.
        own: shape (m,), their nearest centroids.
        made: the centroids.
        threshold: a similarity above this makes a duplicate.
        rule: as in ``triangle.search``.
        block_rows: rows of a block; changes nothing in the result.

    Returns:
        Found in the places of ``rows``; similarity 0 and -1 for a row that repeats none.
    """
    similarity = np.zeros(rows.size, dtype=np.float32)
    earlier = np.full(rows.size, NOBODY, dtype=np.int64)
    if made.k > 1 and rows.size:
        second = second_nearest(vectors, rows, own, made)
        found = list(_pairs(vectors, rows, own, second, np.float32(threshold), block_rows))
        first, later, value = (np.concatenate(part) for part in zip(*found, strict=True))
        _decide(first, later, value, rule, similarity, earlier)
    return Found(similarity, earlier, earlier >= 0)


def _pairs(
    vectors: Vectors,
    rows: IntArray,
    own: IntArray,
    second: IntArray,
    limit: np.float32,
    block_rows: int,
) -> Iterator[Pairs]:
    """Places of the earlier and the later row, and their similarity, of every pair above it."""
    nothing = np.zeros(0, dtype=np.int64)
    yield nothing, nothing, np.zeros(0, dtype=np.float32)
    at_home = dict(rows_by(own))
    everybody = Members(vectors, rows, held_bytes=0)
    for cluster, guests in rows_by(second):
        hosts = at_home.get(cluster, nothing)
        for here in blocks(guests, block_rows):
            best = Best(everybody, here, everybody.unit(here))
            for there in blocks(hosts, block_rows):
                tile = best.block @ everybody.unit(there).T
                row, column = np.nonzero(best.above(tile, there, limit))
                left, right = here[row], there[column]
                value = best.exact(row, right)
                yield np.minimum(left, right), np.maximum(left, right), value


def _decide(
    first: IntArray,
    later: IntArray,
    value: npt.NDArray[np.float32],
    rule: str,
    similarity: npt.NDArray[np.float32],
    earlier: IntArray,
) -> None:
    """Write down who goes: in the keep order, each by the most similar row that counts."""
    if rule == "components":
        group = joined(np.arange(earlier.size), first, later)
        hit = np.flatnonzero(group != np.arange(group.size))
        earlier[hit] = group[hit]
        np.maximum.at(similarity, later, value)
        return
    order = np.lexsort((first, -value, later))
    for i in order.tolist():
        goes_already = earlier[later[i]] >= 0
        if not goes_already and (rule == "any_earlier" or earlier[first[i]] < 0):
            earlier[later[i]], similarity[later[i]] = first[i], value[i]
