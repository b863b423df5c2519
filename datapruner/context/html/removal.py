"""Rows taken out of a tree, with all that is inside them and nothing that is behind them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

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
    ends, n = tree.ends, len(tree)
    starts = [0, *(ends[row] for row in rows)]
    kept = [(a, b) for a, b in zip(starts, [*rows, n], strict=True) if a < b]
    place = [0] * n
    count = 0
    for start, end in kept:
        place[start:end] = range(count, count + end - start)
        count += end - start
    parents = tree.parents
    return Tree(
        [tag for start, end in kept for tag in tree.tags[start:end]],
        [-1, *[place[p] for start, end in kept for p in parents[start:end]][1:]],
        [text for start, end in kept for text in texts[start:end]],
        [tail for start, end in kept for tail in tails[start:end]],
        [held for start, end in kept for held in tree.attributes[start:end]],
        [origin for start, end in kept for origin in tree.origins[start:end]],
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
