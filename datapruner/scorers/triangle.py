"""Inside one cluster: the highest similarity of every row to an earlier one, and who repeats whom.

The cluster is never cut: blocks of rows are multiplied with all blocks before them, so beside the
rows themselves memory stays at a few tiles however large the cluster is; and of a cluster too large
to be held a slab at a time is. The products only propose (``best.py``). So values and decisions are
the same for any size of block, on any number of threads and for any order of the rows.

Source: Abbas et al. 2023, "SemDeDup", arXiv:2303.09540; ``any_earlier`` is what the released code
does, ``leader`` what the paper describes.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from datapruner.core.types import BoolArray, IntArray, UInt64Array
from datapruner.scorers.best import Best, Scratch
from datapruner.scorers.pairs import (
    BLOCK_ROWS,
    NOBODY,
    NOTHING,
    PAIRS,
    Float32Array,
    Found,
    Members,
    blocks,
    joined,
)

__all__ = ["RULES", "search"]

RULES = ("leader", "any_earlier", "components")

_MASKED = np.float32(-16)  # added to a similarity it leaves less than NOTHING


def search(
    members: Members,
    threshold: float,
    rule: str,
    keys: UInt64Array,
    *,
    block_rows: int = BLOCK_ROWS,
    scratch: Scratch | None = None,
) -> Found:
    """Who repeats whom in one cluster.

    Args:
        members: the cluster in the keep order.
        threshold: a similarity above this (compared in float32) makes a duplicate.
        rule: ``"any_earlier"``, ``"leader"`` or ``"components"``.
        keys: shape (m,), ``content.row_keys`` of the members: members of equal content are at
            similarity 1 and are compared with others only once.
        block_rows: rows of a block; changes nothing in the result.
        scratch: memory to use, for a caller with many clusters; None: some of its own.
    """
    scratch = scratch or Scratch()
    limit = np.float32(threshold)
    first = _first_equal(members, keys)
    own = np.flatnonzero(first == np.arange(len(members)))
    once = members if own.size == len(members) else members.only(own)
    if rule == "leader":
        found = _leader(once, limit, block_rows, scratch)
    elif rule == "components":
        found = _components(once, limit, block_rows, scratch)
    else:
        found = _any_earlier(once, limit, block_rows, scratch)
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
    if own.size == m:
        return found
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


def _any_earlier(members: Members, limit: np.float32, block_rows: int, scratch: Scratch) -> Found:
    similarity, earlier = _empty(len(members))
    for slab, rows in members.slabs():
        best = Best(members, rows, scratch)
        for tile, places, start in _tiles(best, slab, block_rows):
            best.offer(tile, places, start)
        similarity[slab], earlier[slab] = best.settle()
    return Found(similarity, earlier, similarity > limit)


def _components(members: Members, limit: np.float32, block_rows: int, scratch: Scratch) -> Found:
    similarity, earlier = _empty(len(members))
    group = np.arange(len(members))
    for slab, rows in members.slabs():
        best = Best(members, rows, scratch)
        for tile, places, start in _tiles(best, slab, block_rows):
            best.offer(tile, places, start)
            row, column = best.above(tile, places, limit, start)
            group = joined(group, slab[start + row], places[column])
        similarity[slab], earlier[slab] = best.settle()
    duplicate = group != np.arange(group.size)
    # A row may hang on its group by later rows alone; its value must still say "duplicate".
    lowest = np.nextafter(limit, np.float32(2), dtype=np.float32)
    similarity = np.where(duplicate, np.maximum(similarity, lowest), similarity)
    return Found(similarity, np.where(duplicate, group, earlier), duplicate)


def _leader(members: Members, limit: np.float32, block_rows: int, scratch: Scratch) -> Found:
    similarity, earlier = _empty(len(members))
    kept = np.empty(0, dtype=np.int64)
    for slab, rows in members.slabs():
        best = Best(members, rows, scratch)
        for before in blocks(kept, block_rows):  # of earlier slabs
            other = members.unit(before)
            for start, stop in _starts(len(slab), block_rows):
                best.offer(scratch.product(rows[start:stop], other), before, start)
        kept = np.concatenate([kept, slab[_leaders(best, slab, limit, block_rows)]])
        similarity[slab], earlier[slab] = best.settle()
    return Found(similarity, earlier, similarity > limit)


def _leaders(best: Best, slab: IntArray, limit: np.float32, block_rows: int) -> BoolArray:
    """Shape (len(slab),): which rows of a slab stay, once it was shown what stays before it."""
    m = len(slab)
    stays = np.ones(m, dtype=bool)
    kept = np.empty_like(best.block)  # side by side, for the products of later blocks
    places = np.empty(m, dtype=np.int64)
    count = 0
    for start, stop in _starts(m, block_rows):
        block, here = best.block[start:stop], slab[start:stop]
        for first, last in _starts(count, block_rows):
            tile = best.scratch.product(block, kept[first:last])
            best.offer(tile, places[first:last], start)
        inner = _among(best.scratch, block, block_rows)
        new = ~best.exceeds(limit, start, stop)
        _give_way(new, *best.above(inner, here, limit, start))
        inner[:, ~new] = NOTHING
        best.offer(inner, here, start)
        stays[start:stop] = new
        more = int(np.count_nonzero(new))
        if stop < m:
            kept[count : count + more], places[count : count + more] = block[new], here[new]
            count += more
    return stays


def _give_way(stays: BoolArray, row: IntArray, column: IntArray) -> None:
    """Settle a block in its order: a row goes if it is similar to one before it that stays.

    Args:
        stays: shape (m,), which rows no earlier block has ruled out; changed in place.
        row, column: the similar pairs, row by row, the columns ahead of their rows.
    """
    live = stays[row] & stays[column]
    for later, before in zip(row[live].tolist(), column[live].tolist(), strict=True):
        if stays[later] and stays[before]:
            stays[later] = False


def _tiles(
    best: Best, slab: IntArray, block_rows: int
) -> Iterator[tuple[Float32Array, IntArray, int]]:
    """A slab's products with all members before each row: tile, their positions, first row."""
    for before in blocks(np.arange(slab[0]), block_rows):  # of earlier slabs
        other = best.members.unit(before)
        for start, stop in _starts(len(slab), block_rows):
            yield best.scratch.product(best.block[start:stop], other), before, start
    for start, stop in _starts(len(slab), block_rows):
        block = best.block[start:stop]
        for first, last in _starts(start, block_rows):
            tile = best.scratch.product(block, best.block[first:last])
            yield tile, slab[first:last], start
        yield _among(best.scratch, block, block_rows), slab[start:stop], start


def _starts(m: int, block_rows: int) -> Iterator[tuple[int, int]]:
    """Where each block begins and ends."""
    for start in range(0, m, block_rows):
        yield start, min(start + block_rows, m)


def _among(scratch: Scratch, block: Float32Array, block_rows: int) -> Float32Array:
    """Shape (m, m): the products of a block's rows with those before them, else below NOTHING."""
    tile = scratch.product(block, block)
    tile += _mask(block_rows)[: len(tile), : len(tile)]
    return tile


@lru_cache(maxsize=2)
def _mask(m: int) -> Float32Array:
    """Shape (m, m), 0 where a column comes before the row, else far below any similarity."""
    mask: Float32Array = np.where(np.tri(m, k=-1, dtype=bool), np.float32(0), _MASKED)
    mask.setflags(write=False)
    return mask


def _empty(m: int) -> tuple[Float32Array, IntArray]:
    return np.zeros(m, dtype=np.float32), np.full(m, NOBODY, dtype=np.int64)
