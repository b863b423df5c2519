"""The marks of blocks as a column that is worked out when a scorer asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from datapruner.context.html.columns import Lengths
from datapruner.context.html.page import Page
from datapruner.context.html.tree import Tree
from datapruner.core.types import FloatArray, IntArray
from datapruner.scorers.marks import Marks, bits_of

__all__ = ["MARKED", "LateMarks", "Stretches"]

MARKED = ("class", "id", "role")
"""The attributes whose words say what a part of a page is for."""


@dataclass(frozen=True, eq=False)
class Stretches:
    """Where the rows of some pages are.

    Attributes:
        pages: cleaned, and ``lengths`` of their pieces.
        page, row: page and element of each row.
        first, last: its stretch of the page's pieces.
        is_whole: whether the row is the whole element, and no run inside it.
    """

    pages: Sequence[Page]
    lengths: Sequence[Lengths]
    page: Sequence[int]
    row: Sequence[int]
    first: Sequence[int]
    last: Sequence[int]
    is_whole: Sequence[bool]


class LateMarks:
    """``Marks`` of all rows or some, made at the first reading; most scorers never read them.

    Args:
        of: all rows.
        rows: those of this column; None: all.
    """

    def __init__(self, of: Stretches, rows: IntArray | None = None) -> None:
        self._of = of
        self._rows = np.arange(len(of.row)) if rows is None else rows

    def __len__(self) -> int:
        """Number of rows."""
        return self._rows.size

    def take(self, rows: IntArray) -> LateMarks:
        """The same column of these rows alone."""
        return LateMarks(self._of, self._rows[rows])

    def read(self) -> Marks:
        """The marks of the rows of this column."""
        return _marks(self._of).take(self._rows)


def _marks(of: Stretches) -> Marks:
    n = len(of.row)
    page = np.asarray(of.page, dtype=np.int64)
    row = np.asarray(of.row, dtype=np.int64)
    first, last = np.asarray(of.first, dtype=np.int64), np.asarray(of.last, dtype=np.int64)
    is_whole = np.asarray(of.is_whole, dtype=bool)
    bits, own, container = (np.zeros(n, dtype=np.int64) for _ in range(3))
    linked = np.zeros(n)
    for code, (source, length) in enumerate(zip(of.pages, of.lengths, strict=True)):
        mine = np.flatnonzero(page == code)
        if not mine.size:
            continue
        all_bits, own_bits = _element_bits(source)
        bits[mine] = all_bits[row[mine]]
        own[mine] = np.where(is_whole[mine], own_bits[row[mine]], 0)
        above = np.asarray(source.tree.parents, dtype=np.int64)[row[mine]]
        container[mine] = np.where(is_whole[mine], above, row[mine])
        linked[mine] = _linked(source.tree, length, first[mine], last[mine])
    return Marks(bits, own, linked, container, page)


def _element_bits(page: Page) -> tuple[IntArray, IntArray]:
    """Bits of each element with those above it, and by itself; names are those before cleaning.

    Wrappers that cleaning took out still speak for what is in them.
    """
    tree = page.tree if page.parsed is None else page.parsed.tree
    known: dict[tuple[str, str], int] = {}
    own: list[int] = []
    whole: list[int] = []
    for tag, above, attributes in zip(tree.tags, tree.parents, tree.attributes, strict=True):
        names = ""
        if attributes:
            names = " ".join([attributes[name] for name in MARKED if name in attributes])
        bits = known.get((tag, names))
        if bits is None:
            bits = known[tag, names] = bits_of(tag, names)
        own.append(bits)
        # The page's own frame speaks for no part of it: its classes name the kind of page.
        frame = tag in ("html", "body")
        whole.append(0 if frame else bits if above < 0 else whole[above] | bits)
    places = np.asarray(page.tree.origins if page.parsed is not None else range(len(tree)))
    return (
        np.asarray(whole, dtype=np.int64)[places],
        np.asarray(own, dtype=np.int64)[places],
    )


def _linked(tree: Tree, length: Lengths, first: IntArray, last: IntArray) -> FloatArray:
    """Share of the letters of each stretch that stand inside a link."""
    letters = np.array([len(string.strip()) for string in length.pieces.strings], dtype=np.float64)
    # Where links open and close; one inside another counts once.
    depth = np.zeros(letters.size + 1)
    for row, tag in enumerate(tree.tags):
        if tag == "a":
            depth[length.opens[row]] += 1
            depth[length.closes[row]] -= 1
    inside = np.concatenate([[0.0], np.cumsum(letters * (np.cumsum(depth)[:-1] > 0))])
    every = np.concatenate([[0.0], np.cumsum(letters)])
    total = every[last] - every[first]
    share: FloatArray = (inside[last] - inside[first]) / np.maximum(total, 1.0)
    return share
