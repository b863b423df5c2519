"""Many clusters at a time: their rows are read in one pass forwards, then compared one by one.

A cluster's rows lie scattered over the whole file. Fetched cluster by cluster, every row costs a
page fault of its own; fetched for many clusters at once in the order of the file, neighbours share
one, and a disk is read forwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from datapruner.core.types import IntArray, UInt64Array
from datapruner.scorers.best import Scratch
from datapruner.scorers.pairs import BLOCK_ROWS, HELD_BYTES, Found, Members, Read
from datapruner.scorers.triangle import search
from datapruner.vectors.runs import runs
from datapruner.vectors.store import Vectors

__all__ = ["compare_groups"]


def compare_groups(
    vectors: Vectors,
    groups: Sequence[IntArray],
    keys: UInt64Array,
    threshold: float,
    rule: str,
    *,
    held_bytes: int = HELD_BYTES,
    block_rows: int = BLOCK_ROWS,
) -> Found:
    """Who repeats whom inside each of some groups.

    Args:
        vectors: where the rows are.
        groups: row numbers of each group, int64, the one to keep first first.
        keys: shape (n,), ``content.row_keys`` of every row of ``vectors``.
        threshold: a similarity above this (compared in float32) makes a duplicate.
        rule: as in ``triangle.search``.
        held_bytes: how many bytes of unit rows to hold at a time. As many groups as fit are read
            together; one that does not fit is read slab by slab. ``leader`` may copy the rows of
            one group beside that. Changes nothing in the result.
        block_rows: rows of a block; changes nothing in the result.

    Returns:
        The groups' answers one after another; ``earlier`` is a position inside the own group.
    """
    room = held_bytes // (4 * max(1, vectors.d))
    scratch = Scratch()
    found = [
        search(members, threshold, rule, keys[members.rows], block_rows=block_rows, scratch=scratch)
        for batch in runs([rows.size for rows in groups], room)
        for members in _read(vectors, groups[batch.start : batch.stop], held_bytes)
    ]
    return Found(
        np.concatenate([np.zeros(0, dtype=np.float32), *(one.similarity for one in found)]),
        np.concatenate([np.zeros(0, dtype=np.int64), *(one.earlier for one in found)]),
        np.concatenate([np.zeros(0, dtype=bool), *(one.is_duplicate for one in found)]),
    )


def _read(vectors: Vectors, groups: Sequence[IntArray], held_bytes: int) -> Iterator[Members]:
    """The groups' members, held where all of them fit."""
    if len(groups) == 1:
        yield Members(vectors, groups[0], held_bytes)
        return
    read = Read(vectors, np.concatenate(groups))
    stop = 0
    for rows in groups:
        start, stop = stop, stop + rows.size
        yield Members(vectors, rows, held_bytes, read.unit(start, stop))
