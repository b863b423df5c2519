"""The marks of blocks as a column that is worked out when a scorer asks for it."""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np

from datapruner.context.html.columns import Lengths
from datapruner.context.html.links import letters_before, linked_share
from datapruner.context.html.page import Page
from datapruner.context.html.tree import Tree
from datapruner.core.types import BoolArray, FloatArray, IntArray
from datapruner.scorers.marks import CUES, FAR, Marks, Outline, bits_of

__all__ = ["MARKED", "LateMarks", "Stretches"]

MARKED = ("class", "id", "role", "itemprop")
"""The attributes whose words say what a part of a page is for."""

_TITLES = frozenset(("h1", "h2", "h3"))
_MOST_PARTS = 16
_WORDS = re.compile(r"\w+")


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
    bits, linked = np.zeros(n, dtype=np.int64), np.zeros(n)
    far = np.full((n, len(CUES)), FAR, dtype=np.int16)
    scope = np.ones((n, len(CUES)), dtype=np.float32)
    outlines = []
    for code, (source, length) in enumerate(zip(of.pages, of.lengths, strict=True)):
        mine = slice(*np.searchsorted(page, [code, code + 1]).tolist())
        outlines.append(_outline(source))
        if mine.start < mine.stop:
            before = letters_before(list(map(str.strip, length.pieces.strings)))
            found = _Cues(source, length, before)
            bits[mine], far[mine], scope[mine] = found.of(row[mine])
            linked[mine] = linked_share(source.tree, length, before, first[mine], last[mine])
    run = _runs(page, first, last, is_whole)
    return Marks(bits, linked, page, row, is_whole, run, far, scope, tuple(outlines))


def _runs(page: IntArray, first: IntArray, last: IntArray, is_whole: BoolArray) -> IntArray:
    """Numbers that the parts of a run share: they have one stretch, and follow each other."""
    begins = np.ones(page.size, dtype=bool)
    begins[1:] = is_whole[1:] | is_whole[:-1] | (page[1:] != page[:-1])
    begins[1:] |= (first[1:] != first[:-1]) | (last[1:] != last[:-1])
    numbers: IntArray = np.cumsum(begins) - 1
    return numbers


def _outline(page: Page) -> Outline:
    tree = page.tree
    parents = np.maximum(np.asarray(tree.parents, dtype=np.int64), 0)
    wanted = frozenset(_WORDS.findall(page.title.lower()))
    mains, best, title = [], 0.0, -1
    for row in compress(range(len(tree)), map(_TITLES.__contains__, tree.tags)):
        if tree.tags[row] == "h1":
            mains.append(row)
        if wanted:
            end = tree.ends[row]
            # A heading that holds half the page is none, and many of them would take for ever.
            said = " ".join(tree.texts[row : min(end, row + _MOST_PARTS)])
            said += " ".join(tree.tails[row + 1 : min(end, row + _MOST_PARTS)])
            found = frozenset(_WORDS.findall(said.lower()))
            alike = len(found & wanted) / len(found | wanted)
            if alike > best:
                best, title = alike, row
    ends = np.asarray(tree.ends, dtype=np.int64)
    return Outline(parents, ends, np.asarray(mains, dtype=np.int64), title, best)


class _Cues:
    """The nearest element of each cue above all elements of a page, as parsed.

    Wrappers that cleaning took out still speak for what is in them.

    Args:
        page: cleaned.
        length: of its pieces.
        before: letters before each piece.
    """

    def __init__(self, page: Page, length: Lengths, before: IntArray) -> None:
        tree = page.tree if page.parsed is None else page.parsed.tree
        self.depth = [0] * len(tree)
        self.state = [0] * len(tree)
        self.nearest = [array("i", [-1]) * len(CUES)]
        self.bits = [0]
        self._walk(tree)
        rows = range(len(page.tree)) if page.parsed is None else page.tree.origins
        self.origins = np.asarray(rows, dtype=np.int64)
        # The letters of a wrapper that is gone are those of what came out of it.
        letters = np.diff(before)
        own = np.zeros(len(tree))
        np.add.at(own, self.origins, letters[np.asarray(length.opens)])
        above = np.asarray(page.tree.parents, dtype=np.int64)
        inside = above >= 0
        tails = letters[np.asarray(length.closes)]
        np.add.at(own, self.origins[above[inside]], tails[inside])
        sums = np.concatenate([[0.0], np.cumsum(own)])
        self.share = (sums[np.asarray(tree.ends)] - sums[:-1]) / max(sums[-1], 1.0)

    def _walk(self, tree: Tree) -> None:
        known: dict[tuple[str, str], tuple[int, tuple[int, ...]]] = {}
        depth, state = self.depth, self.state
        rows = zip(tree.tags, tree.parents, tree.attributes, strict=True)
        for row, (tag, above, attributes) in enumerate(rows):
            names = ""
            if attributes:
                names = " ".join([attributes[name] for name in MARKED if name in attributes])
            if above >= 0:
                depth[row] = depth[above] + 1
                state[row] = state[above]
            # The page's own frame speaks for no part of it: its classes name the kind of page.
            if tag in ("html", "body"):
                continue
            found = known.get((tag, names))
            if found is None:
                bits = bits_of(tag, names)
                places = tuple(place for place in range(len(CUES)) if bits >> place & 1)
                found = known[tag, names] = bits, places
            if found[0]:
                nearest = self.nearest[state[row]][:]
                for place in found[1]:
                    nearest[place] = row
                self.bits.append(self.bits[state[row]] | found[0])
                self.nearest.append(nearest)
                state[row] = len(self.bits) - 1

    def of(self, rows: IntArray) -> tuple[IntArray, IntArray, FloatArray]:
        """Bits, distances and scopes of rows of the cleaned page."""
        places = self.origins[rows]
        states = np.asarray(self.state)[places]
        bits = np.array(self.bits, dtype=np.int64)[states]
        table = np.frombuffer(b"".join(self.nearest), dtype=np.int32).reshape(-1, len(CUES))
        nearest = table[states]
        depth = np.asarray(self.depth)
        far = np.minimum(depth[places][:, None] - depth[nearest], FAR - 1)
        missing = nearest < 0
        far[missing] = FAR
        scope = self.share[nearest]
        scope[missing] = 1.0
        return bits, far, scope
