"""What the walk over a page measures by, and what it writes."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import compress, islice
from typing import Protocol

import numpy as np

from datapruner.context.chunk import encodable
from datapruner.context.html.page import Pieces, counted, running
from datapruner.context.html.roles import MEDIA, is_block
from datapruner.context.html.scopes import Scopes
from datapruner.context.html.tree import Tree, packed
from datapruner.core.types import FloatArray
from datapruner.tokens import TokenCounter

__all__ = ["Columns", "Lengths"]


class Lengths:
    """Sums over the pieces and elements of a page, so that any stretch is measured in one step.

    Args:
        tree: the page.
        counter: for its pieces, each counted by itself.
        prices: tokens of the tags of each element.

    Attributes:
        pieces: in document order.
        opens, closes: places of the text and the tail of each element.
        blocks_before: number of block-level elements before each row.
    """

    def __init__(self, tree: Tree, counter: TokenCounter, prices: Sequence[float]) -> None:
        self.counter = counter
        self.pieces = Pieces(tree)
        self.opens, self.closes = self.pieces.opens, self.pieces.closes
        strings = self.pieces.strings
        self.tokens_before = running(counted(strings, counter))
        seen = np.fromiter(map(bool, map(str.strip, strings)), bool, len(strings))
        blocks = {tag: is_block(tag) for tag in set(tree.tags)}
        if not MEDIA.isdisjoint(blocks):
            for row in compress(range(len(tree)), map(MEDIA.__contains__, tree.tags)):
                seen[self.opens[row]] = True
        self.seen_before = running(seen)
        self.prices_before = array("d", [0.0])
        self.prices_before.frombytes(np.cumsum(np.asarray(prices, dtype=float)).tobytes())
        self.blocks_before = running(
            np.fromiter(map(blocks.__getitem__, tree.tags), bool, len(tree))
        )

    def stretch(self, row: int) -> tuple[int, int]:
        """The places of an element's content."""
        return self.opens[row], self.closes[row]

    def tokens(self, start: int, end: int) -> int:
        """Tokens of the text between two places."""
        return self.tokens_before[end] - self.tokens_before[start]

    def is_visible(self, start: int, end: int) -> bool:
        """Whether there is anything but white space between two places."""
        return self.seen_before[end] > self.seen_before[start]


class _Place(Protocol):
    """Where the walk stands."""

    code: int
    scopes: Scopes


_NUMBERS = 9


class Columns:
    """The columns of ``Blocks`` as they grow: numbers in one array, turned once at the end."""

    def __init__(self) -> None:
        # Numbers by themselves would take ten times the memory of a small block.
        self._numbers = array("i")
        self.kind: list[str] = []
        self.text: list[str] = []
        self.title: list[str] = []
        self.tags = array("d")
        self._told: tuple[int, int] = (-1, -1)
        self._sections = -1

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.kind)

    def add(
        self,
        at: _Place,
        kind: str,
        row: int,
        first: int,
        last: int,
        begin: int,
        parent: int,
        text: str,
        start: int = -1,
        end: int = -1,
        tags: float = 0.0,
    ) -> int:
        """One row more; its number."""
        scopes = at.scopes
        told = (at.code, scopes.top)
        if told != self._told:
            self._told = told
            self._sections += 1
        self._numbers.extend((at.code, row, first, last, begin, start, end, parent, self._sections))
        self.kind.append(kind)
        self.text.append(text)
        self.title.append(scopes.titles[scopes.top])
        self.tags.append(tags)
        return len(self.kind) - 1

    def turn(self) -> None:
        """Make columns of the numbers: an array for each field."""
        table = np.frombuffer(self._numbers, dtype=np.int32).reshape(-1, _NUMBERS)
        columns = map(packed, table.T)
        self.page, self.row, self.first, self.last, self.begin = islice(columns, 5)
        self.start, self.end, self.parent, self.section = columns
        del table, self._numbers

    def settle_headings(self) -> list[bool]:
        """Which rows are never offered: shells, and headings with something under them.

        A heading with nothing under it is a block like others, and its kind is put right.
        """
        kinds, parents = self.kind, self.parent
        n = len(kinds)
        leans = bytearray(n)
        for row in range(n - 1, -1, -1):
            kind = kinds[row]
            if kind == "heading" and not leans[row]:
                kinds[row] = kind = "block"
            above = parents[row]
            if above >= 0 and (leans[row] or kind not in ("shell", "heading")):
                leans[above] = 1
        return [kind in ("shell", "heading") for kind in kinds]

    def costs(self, lengths: Sequence[Lengths], counter: TokenCounter) -> FloatArray:
        """Shape (n,): tokens of each row as rendered, shells those of their tags."""
        prices = np.zeros(len(self))
        page = np.asarray(self.page)
        for code, length in enumerate(lengths):
            rows = np.flatnonzero(page == code)
            if not rows.size:
                continue
            low, high = int(rows[0]), int(rows[-1]) + 1
            first = np.asarray(self.first)[low:high]
            last = np.asarray(self.last)[low:high]
            begin = np.asarray(self.begin)[low:high]
            # A whole element's stretch is an odd number of pieces, and so is that of a run: half
            # of it, its tags, are those of the element and of all in it, or of those in the run.
            whole = np.array([k not in ("own_text", "sentence") for k in self.kind[low:high]])
            inside = begin + (last - first) // 2 + whole
            tokens = np.asarray(length.tokens_before)
            inner = tokens[last] - tokens[first]
            prices_before = np.asarray(length.prices_before)
            tags = prices_before[inside] - prices_before[begin]
            prices[low:high] = inner + tags
        self._price_sentences(prices, counter)
        return np.rint(prices)

    def _price_sentences(self, prices: FloatArray, counter: TokenCounter) -> None:
        """Sentences by themselves, each with all inline elements that it touches."""
        rows = [row for row, start in enumerate(self.start) if start >= 0]
        if rows:
            found = counter.count([encodable(self.text[row]) for row in rows])
            prices[rows] = found + np.array([self.tags[row] for row in rows])
