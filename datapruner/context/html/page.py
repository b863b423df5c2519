"""A cleaned page with its texts in document order, counted once, so that any stretch is a sum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from typing import Any

import numpy as np

from datapruner.context.chunk import encodable
from datapruner.context.html.roles import APART
from datapruner.context.html.tree import Tree
from datapruner.core.types import IntArray
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
        opens, closes: shape (n,), int64, places of the text and the tail of each row.
        strings: the pieces.
    """

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        n = len(tree)
        depths = [0] * n
        for row, above in enumerate(tree.parents):
            if above >= 0:
                depths[row] = depths[above] + 1
        rows = np.arange(n)
        sizes = np.asarray(tree.ends) - rows
        self.opens: IntArray = 2 * rows - np.asarray(depths)
        self.closes: IntArray = self.opens + 2 * sizes - 1
        self.open_places: list[int] = self.opens.tolist()
        self.close_places: list[int] = self.closes.tolist()
        strings = np.empty(2 * n, dtype=object)
        strings[self.opens] = tree.texts
        strings[self.closes] = tree.tails
        self.strings: list[str] = strings.tolist()

    @cached_property
    def spaced(self) -> list[str]:
        """The pieces with a space before those that begin on a new line."""
        spaced = self.strings.copy()
        for tag, start, end in zip(
            self.tree.tags, self.open_places, self.close_places, strict=True
        ):
            if tag in APART:
                spaced[start] = " " + spaced[start]
                spaced[end] = " " + spaced[end]
        return spaced

    def text(self, start: int, end: int) -> str:
        """The plain text between two places, words apart where elements part them."""
        return "".join(self.spaced[start:end]).strip()

    def sums(self, counter: TokenCounter) -> list[int]:
        """How many tokens stand before each place: 2n + 1 numbers, each piece counted alone."""
        return running(counted(self.strings, counter))


def counted(strings: Sequence[str], counter: TokenCounter) -> list[int]:
    """Tokens of each string by itself; 0 for the empty one."""
    filled = list(filter(None, strings))
    if not filled:
        return [0] * len(strings)
    if not "".join(filled).isascii():
        filled = list(map(encodable, filled))
    counts = iter(counter.count(filled).tolist())
    return [next(counts) if string else 0 for string in strings]


def running(numbers: Sequence[int]) -> list[int]:
    """Sums of the first 0, 1, ... n numbers."""
    return list(accumulate(numbers, initial=0))
