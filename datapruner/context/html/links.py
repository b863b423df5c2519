"""How much of a stretch of a page is inside links."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress

import numpy as np

from datapruner.context.html.columns import Lengths
from datapruner.context.html.tree import Tree
from datapruner.core.types import FloatArray, IntArray

__all__ = ["letters_before", "linked_share"]


def letters_before(strings: Sequence[str]) -> IntArray:
    """Letters before each of n strings, and of all: shape (n + 1,), int64."""
    before = np.zeros(len(strings) + 1, dtype=np.int64)
    np.cumsum(np.fromiter(map(len, strings), np.int64, len(strings)), out=before[1:])
    return before


def linked_share(
    tree: Tree, lengths: Lengths, before: IntArray, first: IntArray, last: IntArray
) -> FloatArray:
    """Share of the letters of each stretch that stand inside a link.

    Args:
        tree: the page.
        lengths: of its pieces.
        before: letters before each piece; callers count white space or do not.
        first, last: shape (n,), the stretches.

    Returns:
        Shape (n,), in [0, 1]; 0 for a stretch without letters.
    """
    anchors = np.fromiter(compress(range(len(tree)), map("a".__eq__, tree.tags)), np.int64)
    if not anchors.size:
        return np.zeros(first.size)
    # Where links open and close; one inside another counts once.
    depth = np.zeros(before.size, dtype=np.int64)
    np.add.at(depth, np.asarray(lengths.opens)[anchors], 1)
    np.add.at(depth, np.asarray(lengths.closes)[anchors], -1)
    inside = np.zeros(before.size, dtype=np.int64)
    np.cumsum(np.diff(before) * (np.cumsum(depth)[:-1] > 0), out=inside[1:])
    share: FloatArray = (inside[last] - inside[first]) / np.maximum(before[last] - before[first], 1)
    return share
