"""Rows taken out of a tree, with all that is inside them and nothing that is behind them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TypeVar

import numpy as np

from datapruner.context.html.tree import Tree, packed

__all__ = ["without_rows"]

_T = TypeVar("_T")


def without_rows(tree: Tree, rows: Sequence[int], spaced: Collection[int] = ()) -> Tree:
    """The tree without some rows and what is inside them.

    The text behind a removed row goes to the end of what is before it: the tail of the sibling, or
    the text of the parent. It costs copies of the columns and little per removed row.

    Args:
        tree: a page.
        rows: ascending; none of them the root or inside another.
        spaced: those of the rows that leave a space, where there is none.
    """
    if not rows:
        return tree
    texts, tails = list(tree.texts), list(tree.tails)
    _move_tails(tree, rows, spaced, texts, tails)
    ends = tree.ends
    stays = np.ones(len(tree), dtype=bool)
    # What stays between the removed rows is copied in one piece.
    between = []
    start = 0
    for row in rows:
        stays[row : ends[row]] = False
        between.append((start, row))
        start = ends[row]
    between.append((start, len(tree)))
    place = np.zeros(len(tree) + 1, dtype=np.int32)
    np.cumsum(stays, out=place[1:])
    parents = place[np.asarray(tree.parents)[stays]]
    parents[0] = -1
    return Tree(
        _joined(tree.tags, between),
        packed(parents),
        _joined(texts, between),
        _joined(tails, between),
        _joined(tree.attributes, between),
        packed(np.asarray(tree.origins)[stays]),
    ).knowing(place[np.asarray(ends)[stays]])


def _joined(column: Sequence[_T], between: list[tuple[int, int]]) -> list[_T]:
    joined: list[_T] = []
    for start, end in between:
        joined += column[start:end]
    return joined


def _move_tails(
    tree: Tree, rows: Sequence[int], spaced: Collection[int], texts: list[str], tails: list[str]
) -> None:
    """Puts what is behind each row that goes where it is found afterwards."""
    parents, ends = tree.parents, tree.ends
    slots: dict[tuple[int, bool], list[str]] = {}
    before = slot = -1
    following = -1
    for row in rows:
        if row != following:
            before = slot = row - 1
        following = ends[row]
        above = parents[row]
        # From the last row that stays up to the sibling or the parent. It goes on where it stopped
        # at the row before, so that a deep page with many rows to remove is climbed once.
        while slot != above and parents[slot] != above:
            slot = parents[slot]
        behind = tails[row]
        if row in spaced and not behind[:1].isspace():
            behind = " " + behind
        if behind:
            key = (slot, slot == above)
            if key not in slots:
                slots[key] = [texts[slot] if slot == above else tails[slot]]
            slots[key].append(behind)
    del before
    for (slot, is_text), pieces in slots.items():
        (texts if is_text else tails)[slot] = "".join(pieces)
