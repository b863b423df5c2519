"""Inside one cluster: the highest similarity of every row to an earlier one, and who repeats whom.

The cluster is never cut: blocks of rows are multiplied with all blocks before them, so memory stays
at a few tiles however large the cluster is. The products only propose. A similarity that counts
(the highest of a row, or one within rounding of the threshold) is computed anew in float64, pair by
pair, and rounded to float32 once. So values and decisions are the same for any size of block, on
any number of threads and for any order of the rows.

Source: Abbas et al. 2023, "SemDeDup", arXiv:2303.09540; ``any_earlier`` is what the released code
does, ``leader`` what the paper describes.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from datapruner.core.types import BoolArray, IntArray, UInt64Array
from datapruner.scorers.pairs import (
    BLOCK_ROWS,
    NOBODY,
    NOTHING,
    PAIRS,
    Best,
    Float32Array,
    Found,
    Members,
    blocks,
    joined,
)

__all__ = ["RULES", "search"]

RULES = ("leader", "any_earlier", "components")


def search(
    members: Members,
    threshold: float,
    rule: str,
    keys: UInt64Array,
    *,
    block_rows: int = BLOCK_ROWS,
) -> Found:
    """Who repeats whom in one cluster.

    Args:
        members: the cluster in the keep order.
        threshold: a similarity above this (compared in float32) makes a duplicate.
        rule: ``"any_earlier"``, ``"leader"`` or ``"components"``.
        keys: shape (m,), ``content.row_keys`` of the members: members of equal content are at
            similarity 1 and are compared with others only once.
        block_rows: rows of a block; changes nothing in the result.
    """
    limit = np.float32(threshold)
    first = _first_equal(members, keys)
    own = np.flatnonzero(first == np.arange(len(members)))
    once = Members.__new__(Members)
    once.vectors, once.rows = members.vectors, members.rows[own]
    once.held = None if members.held is None else members.held[own]
    if rule == "leader":
        found = _leader(once, limit, block_rows)
    else:
        found = _any_earlier(once, limit, block_rows, rule == "components")
    return _with_equals(found, own, first, limit, rule)


def _first_equal(members: Members, keys: UInt64Array) -> IntArray:
    """Shape (m,): the first member of the same content, itself where there is none."""
    _, first, of = np.unique(keys, return_index=True, return_inverse=True)
    found: IntArray = first[of].astype(np.int64)
    later = np.flatnonzero(found != np.arange(keys.size))
    for start in range(0, later.size, PAIRS):  # equal keys are all but certainly equal rows
        some = later[start : start + PAIRS]
        same = (members.unit(some) == members.unit(found[some])).all(axis=1)
        found[some[~same]] = some[~same]
    return found


def _with_equals(
    found: Found, own: IntArray, first: IntArray, limit: np.float32, rule: str
) -> Found:
    """The answer for all members from the answer for those of distinct content."""
    m = first.size
    similarity = np.zeros(m, dtype=np.float32)
    earlier = np.full(m, NOBODY, dtype=np.int64)
    duplicate = np.zeros(m, dtype=bool)
    similarity[own], duplicate[own] = found.similarity, found.is_duplicate
    earlier[own] = np.where(found.earlier >= 0, own[found.earlier], NOBODY)
    later = np.flatnonzero(first != np.arange(m))
    of = first[later]
    # One whose first equal is dropped repeats whatever that one repeats, unless any row will do.
    follow = duplicate[of] & (rule != "any_earlier")
    similarity[later] = np.where(follow & (rule == "leader"), similarity[of], np.float32(1))
    earlier[later] = np.where(follow, earlier[of], of)
    duplicate[later] = bool(limit < 1)
    return Found(similarity, earlier, duplicate)


def _earlier_only(tile: Float32Array) -> Float32Array:
    np.copyto(tile, NOTHING, where=_not_earlier(len(tile)))
    return tile


@lru_cache(maxsize=4)
def _not_earlier(m: int) -> BoolArray:
    """Shape (m, m), True where a column is the row itself or comes after it."""
    mask: BoolArray = ~np.tri(m, k=-1, dtype=bool)
    return mask


def _any_earlier(members: Members, limit: np.float32, block_rows: int, grouped: bool) -> Found:
    m = len(members)
    similarity = np.zeros(m, dtype=np.float32)
    earlier = np.full(m, NOBODY, dtype=np.int64)
    group = np.arange(m)
    for here in blocks(np.arange(m), block_rows):
        block = members.unit(here)
        best = Best(members, here, block)
        for before in blocks(np.arange(here[-1] + 1), block_rows):
            tile = block @ (block if before[0] == here[0] else members.unit(before)).T
            if before[0] == here[0]:
                tile = _earlier_only(tile)
            best.offer(tile, before)
            if grouped:
                row, column = np.nonzero(best.above(tile, before, limit))
                group = joined(group, here[row], before[column])
        similarity[here], earlier[here] = best.settle()
    if not grouped:
        return Found(similarity, earlier, similarity > limit)
    return _by_group(members, similarity, earlier, group, limit)


def _by_group(
    members: Members,
    similarity: Float32Array,
    earlier: IntArray,
    group: IntArray,
    limit: np.float32,
) -> Found:
    duplicate = group != np.arange(group.size)
    # A row may hang on its group by later rows alone; its value must still say "duplicate".
    lowest = np.nextafter(limit, np.float32(2), dtype=np.float32)
    similarity = np.where(duplicate, np.maximum(similarity, lowest), similarity)
    return Found(similarity, np.where(duplicate, group, earlier), duplicate)


def _leader(members: Members, limit: np.float32, block_rows: int) -> Found:
    m = len(members)
    similarity = np.zeros(m, dtype=np.float32)
    earlier = np.full(m, NOBODY, dtype=np.int64)
    kept = np.empty(0, dtype=np.int64)
    for here in blocks(np.arange(m), block_rows):
        block = members.unit(here)
        best = Best(members, here, block)
        for before in blocks(kept, block_rows):
            best.offer(block @ members.unit(before).T, before)
        inner = _earlier_only(block @ block.T)
        stays = _stay(best.settle()[0] <= limit, best.above(inner, here, limit))
        best.offer(inner[:, stays], here[stays])
        similarity[here], earlier[here] = best.settle()
        kept = np.concatenate([kept, here[stays]])
    return Found(similarity, earlier, similarity > limit)


def _stay(stays: BoolArray, similar: BoolArray) -> BoolArray:
    """Settle a block in its order: a row goes if it is similar to one before it that stays."""
    for row in np.flatnonzero(similar.any(axis=1)).tolist():
        if stays[row] and bool((similar[row] & stays).any()):
            stays[row] = False
    return stays
