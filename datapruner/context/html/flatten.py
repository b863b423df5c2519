"""Blocks with plain text in them: a page without its inline elements."""

from __future__ import annotations

from dataclasses import replace

from datapruner.context.html.build import Builder
from datapruner.context.html.display import BLOCK, INLINE_BLOCK
from datapruner.context.html.tree import Tree

__all__ = ["flattened"]

_LINES = BLOCK | {"br"}


def flattened(tree: Tree) -> Tree:
    """The tree with the text of every inline element put into the block that holds it.

    Line breaks stay, and so do inline elements that hold a block. A box inside a line, such as a
    button, has a space on both sides.

    Args:
        tree: a page.
    """
    stays = _staying(tree)
    builder = Builder()
    ends, origins = tree.ends, []
    opened: list[int] = []
    for row in range(len(tree) + 1):
        while opened and ends[opened[-1]] <= row:
            _leave(builder, tree, opened.pop(), stays)
        if row == len(tree):
            break
        opened.append(row)
        if stays[row]:
            builder.start(tree.tags[row], tree.attributes[row] or {})
            origins.append(tree.origins[row])
        elif tree.tags[row] in INLINE_BLOCK:
            builder.data(" ")
        builder.data(tree.texts[row])
    return replace(builder.close().tree(), origins=origins)


def _leave(builder: Builder, tree: Tree, row: int, stays: list[bool]) -> None:
    if stays[row]:
        builder.end(tree.tags[row])
    elif tree.tags[row] in INLINE_BLOCK:
        builder.data(" ")
    if row:
        builder.data(tree.tails[row])


def _staying(tree: Tree) -> list[bool]:
    """Which rows are blocks, or line breaks, or hold a block."""
    stays = [tag in _LINES for tag in tree.tags]
    stays[0] = True
    breaks = [tag == "br" for tag in tree.tags]
    parents = tree.parents
    for row in range(len(tree) - 1, 0, -1):
        if stays[row] and not breaks[row]:
            stays[parents[row]] = True
    return stays
