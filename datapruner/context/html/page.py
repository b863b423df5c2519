"""A cleaned page with its texts in document order, counted once, so that any stretch is a sum."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from datapruner.context.chunk import encodable
from datapruner.context.html.roles import APART
from datapruner.context.html.tree import Tree, packed
from datapruner.core.types import AnyArray, IntArray
from datapruner.tokens import TokenCounter

__all__ = ["Page", "Pieces"]


@dataclass(frozen=True, eq=False)
class Page:
    """One page on its way through the pruner.

    Attributes:
        source: the user's name for it, "" for none.
        title: of the document; it helps scorers and is no part of the output.
        tree: as cleaned; its ``origins`` point into the tree as parsed.
        parsed: what ``parse`` gave; None for a tree made by hand.
        removed: what hiding took out.
        level, keep: how the tree was cleaned; what is cut out of it is cleaned in the same way, so
            that no wrapper stays around a single part.
    """

    source: str
    title: str
    tree: Tree
    parsed: Any = field(default=None, repr=False)
    removed: tuple[Any, ...] = field(default=(), repr=False)
    level: str = "lossless"
    keep: frozenset[str] = frozenset()

    def xpath(self, row: int) -> str:
        """The XPath of a row of ``tree`` in the page as it was parsed."""
        if self.parsed is None:
            return self.tree.path(row)
        return str(self.parsed.tree.path(self.tree.origins[row]))


class Pieces:
    """The 2n texts and tails of a tree in document order.

    The pieces of a row's content are ``opens[row]`` to ``closes[row]``; its tail is the piece at
    ``closes[row]``. What lies between two places is a stretch of the page.

    Args:
        tree: n elements.

    Attributes:
        opens, closes: places of the text and the tail of each of the n rows.
        strings: the pieces.
    """

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        n = len(tree)
        rows, ends = np.arange(n), np.asarray(tree.ends)
        # As deep as there are rows before it, but for those that have ended.
        depths = rows - np.cumsum(np.bincount(ends, minlength=n + 1))[:n]
        opens: IntArray = 2 * rows - depths
        closes: IntArray = opens + 2 * (ends - rows) - 1
        # Many numbers for each element: as arrays they take a fifth of the memory of lists.
        self.opens, self.closes = packed(opens, "q"), packed(closes, "q")
        strings = np.empty(2 * n, dtype=object)
        strings[opens] = tree.texts
        strings[closes] = tree.tails
        self.strings: list[str] = strings.tolist()

    @cached_property
    def _apart(self) -> bytes:
        """1 for each piece that begins on a new line."""
        rows = np.fromiter(map(APART.__contains__, self.tree.tags), bool, len(self.tree))
        apart = np.zeros(len(self.strings), dtype=np.uint8)
        for places in (self.opens, self.closes):
            apart[np.asarray(places)[rows]] = 1
        return apart.tobytes()

    def text(self, start: int, end: int) -> str:
        """The plain text between two places, words apart where elements part them."""
        strings, apart = self.strings[start:end], self._apart[start:end]
        if 1 in apart:
            strings = [f" {s}" if a else s for s, a in zip(strings, apart, strict=True)]
        return "".join(strings).strip()


def counted(strings: Sequence[str], counter: TokenCounter) -> IntArray:
    """Tokens of each string by itself; 0 for the empty one."""
    filled = list(filter(None, strings))
    counts = np.zeros(len(strings), dtype=np.int64)
    if filled:
        if not "".join(filled).isascii():
            filled = list(map(encodable, filled))
        counts[np.fromiter(map(bool, strings), bool, len(strings))] = counter.count(filled)
    return counts


def running(numbers: AnyArray) -> array[int]:
    """Sums of the first 0, 1, ... n numbers."""
    sums = np.zeros(len(numbers) + 1, dtype=np.int64)
    np.cumsum(numbers, out=sums[1:])
    return packed(sums, "q")
