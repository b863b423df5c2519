"""Pairs that a cluster border cuts in two: a second probe, of the second-nearest cluster.

Two near-copies on either side of a border have, all but always, the other's cluster as their second
nearest. So each row that its own cluster keeps is compared with what its second-nearest cluster
keeps. Doubtful similarities are settled as inside a cluster.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from datapruner.core.types import IntArray
from datapruner.scorers.best import Best, Scratch
from datapruner.scorers.pairs import (
    BLOCK_ROWS,
    HELD_BYTES,
    NOBODY,
    NOTHING,
    ROUNDING,
    Float32Array,
    Found,
    Members,
    Read,
    blocks,
    hits,
    joined,
    rows_by,
    unit_taken,
)
from datapruner.vectors.centroids import Centroids
from datapruner.vectors.content import row_dot, unit_rows
from datapruner.vectors.runs import runs
from datapruner.vectors.store import Vectors

__all__ = ["across_borders", "second_nearest"]

Pairs: TypeAlias = tuple[IntArray, IntArray, npt.NDArray[np.float32]]

STRIP_ROWS = 1024
"""Rows multiplied with all centroids at a time."""


def second_nearest(vectors: Vectors, rows: IntArray, own: IntArray, made: Centroids) -> IntArray:
    """The second-nearest centroid of some rows, exactly; of equally near ones the first.

    Args:
        vectors: where the rows are.
        rows: shape (m,), int64, usable rows.
        own: shape (m,), their nearest centroids.
        made: two centroids at least.

    Returns:
        Shape (m,), int64.
    """
    second = np.empty(rows.size, dtype=np.int64)
    table = unit_rows(np.ascontiguousarray(made.centroids))[0]
    slack = np.float32(2 * 1.02 * (table.shape[1] + 4) * ROUNDING)
    forwards = np.argsort(rows, kind="stable")
    for some in blocks(forwards, STRIP_ROWS):
        unit = unit_taken(vectors, rows[some])
        product = unit @ table.T
        product[np.arange(some.size), own[some]] = NOTHING
        row, column = hits(product >= product.max(axis=1, keepdims=True) - slack)
        if row.size > some.size:
            row, column = _nearer(unit, table, row, column)
        second[some] = column
    return second


def _nearer(
    unit: Float32Array, table: Float32Array, row: IntArray, column: IntArray
) -> tuple[IntArray, IntArray]:
    """Each row with the nearest of its candidates; a row's candidates stand together, ascending."""
    value = row_dot(unit[row].astype(np.float64), table[column].astype(np.float64))
    order = np.lexsort((column, -value, row))
    first = np.ones(row.size, dtype=bool)
    first[1:] = row[1:] != row[:-1]
    return row[first], column[order][first]


def across_borders(
    vectors: Vectors,
    rows: IntArray,
    own: IntArray,
    made: Centroids,
    threshold: float,
    rule: str,
    *,
    held_bytes: int = HELD_BYTES,
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
        held_bytes: how many bytes of unit rows to hold at a time; changes nothing in the result.
        block_rows: rows of a block; changes nothing in the result.

    Returns:
        Found in the places of ``rows``; similarity 0 and -1 for a row that repeats none.
    """
    similarity = np.zeros(rows.size, dtype=np.float32)
    earlier = np.full(rows.size, NOBODY, dtype=np.int64)
    if made.k > 1 and rows.size:
        second = second_nearest(vectors, rows, own, made)
        limit = np.float32(threshold)
        met = _meetings(vectors, rows, own, second, held_bytes)
        found = [
            pairs
            for members, places, guests in met
            for pairs in _pairs(members, places, guests, limit, block_rows)
        ]
        first, later, value = (np.concatenate(part) for part in zip(*found, strict=True))
        _decide(first, later, value, rule, similarity, earlier)
    return Found(similarity, earlier, earlier >= 0)


def _meetings(
    vectors: Vectors, rows: IntArray, own: IntArray, second: IntArray, held_bytes: int
) -> Iterator[tuple[Members, IntArray, int]]:
    """For each cluster those who meet there: its guests, then its hosts.

    Yields:
        (members, places, guests): the rows, their places, and how many of them are guests.
    """
    at_home = dict(rows_by(own))
    nobody = np.zeros(0, dtype=np.int64)
    here = [(guests, at_home.get(cluster, nobody)) for cluster, guests in rows_by(second)]
    sizes = [guests.size + hosts.size for guests, hosts in here]
    for batch in runs(sizes, held_bytes // (4 * max(1, vectors.d))):
        places = [np.concatenate(here[i]) for i in batch]
        all_rows = rows[np.concatenate(places)]
        fits = all_rows.size * vectors.d * 4 <= held_bytes
        read = Read(vectors, all_rows) if fits else None
        stop = 0
        for i, some in zip(batch, places, strict=True):
            start, stop = stop, stop + some.size
            held = None if read is None else read.unit(start, stop)
            yield Members(vectors, rows[some], held_bytes, held), some, here[i][0].size


def _pairs(
    members: Members, places: IntArray, guests: int, limit: np.float32, block_rows: int
) -> Iterator[Pairs]:
    """Places of the earlier and the later row, and their similarity, of every pair above it."""
    nothing = np.zeros(0, dtype=np.int64)
    yield nothing, nothing, np.zeros(0, dtype=np.float32)
    hosts = np.arange(guests, len(members))
    scratch = Scratch()
    for here in blocks(np.arange(guests), block_rows):
        best = Best(members, members.unit(here), scratch)
        for there in blocks(hosts, block_rows):
            tile = scratch.product(best.block, members.unit(there))
            row, column = best.above(tile, there, limit)
            left, right = places[here[row]], places[there[column]]
            value = best.exact(row, there[column])
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
