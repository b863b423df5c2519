"""Rows taken out of a tree, with all that is inside them and nothing that is behind them."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Sequence
from itertools import accumulate, compress

from datapruner.context.html.tree import Tree

__all__ = ["without_rows"]


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
    stays = bytearray(b"\1") * len(tree)
    for row in rows:
        stays[row : ends[row]] = bytes(ends[row] - row)
    place = array("i", accumulate(stays, initial=0))
    parents = array("i", map(place.__getitem__, compress(tree.parents, stays)))
    parents[0] = -1
    return Tree(
        list(compress(tree.tags, stays)),
        parents,
        list(compress(texts, stays)),
        list(compress(tails, stays)),
        list(compress(tree.attributes, stays)),
        array("i", compress(tree.origins, stays)),
    )


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
