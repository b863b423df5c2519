"""Which rows of a page are read together: passages of some paragraphs, and how much of each links.

A block alone is too little to say what it is about, and a section may be half a page. A passage is
all that stands under one heading where that is short; else the largest short element that the rows
stand in; else neighbours, as many as make half a passage.
"""

from __future__ import annotations

import numpy as np

from datapruner.context.html.blocks import Blocks
from datapruner.context.html.columns import Lengths
from datapruner.context.html.links import letters_before, linked_share
from datapruner.context.html.tree import Tree
from datapruner.core.types import FloatArray, IntArray

__all__ = ["LONGEST", "passages_and_links"]

LONGEST = 2400
"""Letters of a passage, some 500 tokens. From 1,200 to 3,600 the benchmark's training half tells
little difference; whole sections are far worse on pages with few headings."""

_PACKED = LONGEST // 2


def passages_and_links(blocks: Blocks, rows: IntArray) -> tuple[IntArray, FloatArray]:
    """The passage of each row, and which share of its text is inside links.

    Args:
        blocks: of some pages.
        rows: shape (n,), ascending, those that can be offered.

    Returns:
        Passages, shape (n,), int64, numbered from 0 in document order: rows with the same number
        follow each other and stand under the same heading. Links, shape (n,), float64, in [0, 1].
    """
    n = rows.size
    page, row, first, last = (
        np.array(column, dtype=np.int64)[rows]
        for column in (blocks.page, blocks.row, blocks.first, blocks.last)
    )
    texts = blocks.items.features["text"]
    sizes = np.fromiter((len(texts[at]) for at in rows.tolist()), np.int64, n)
    whole = np.fromiter((blocks.kind[at] == "block" for at in rows.tolist()), bool, n)
    inside, links = np.full(n, -1, dtype=np.int64), np.zeros(n)
    above = 0
    for code, (source, lengths) in enumerate(zip(blocks.pages, blocks.lengths, strict=True)):
        mine = slice(*np.searchsorted(page, [code, code + 1]).tolist())
        if mine.start == mine.stop:
            continue
        before = letters_before(lengths.pieces.strings)
        found = _outermost_short(source.tree, lengths, before)[row[mine]]
        found[whole[mine] & (found == row[mine])] = -1
        inside[mine] = np.where(found >= 0, found + above, -1)
        links[mine] = linked_share(source.tree, lengths, before, first[mine], last[mine])
        above += len(source.tree)
    section = np.array(blocks.sections, dtype=np.int64)[rows]
    return _numbered(section, inside, sizes), links


def _numbered(section: IntArray, inside: IntArray, sizes: IntArray) -> IntArray:
    """Passages from the section, the container (-1: none) and the letters of each row."""
    total = np.bincount(section, weights=sizes) if section.size else np.zeros(0)
    is_short = (total <= LONGEST)[section]
    place = np.where(is_short, -2, inside)
    begins = np.ones(section.size, dtype=bool)
    begins[1:] = (section[1:] != section[:-1]) | (place[1:] != place[:-1])
    # Rows in no short element are counted off: a new passage at each so many letters.
    before = np.cumsum(sizes) - sizes
    starts = np.flatnonzero(begins)
    step = (before - before[starts][np.cumsum(begins) - 1]) // _PACKED if starts.size else before
    begins[1:] |= (place[1:] == -1) & (step[1:] != step[:-1])
    numbers: IntArray = np.cumsum(begins) - 1
    return numbers


def _outermost_short(tree: Tree, lengths: Lengths, before: IntArray) -> IntArray:
    """For each element the outermost short one that it stands in or is; -1: there is none."""
    n = len(tree)
    opens, closes = np.asarray(lengths.opens), np.asarray(lengths.closes)
    is_short = before[closes] - before[opens] <= LONGEST
    parents = np.asarray(tree.parents, dtype=np.int64)
    has_longer = np.ones(n, dtype=bool)
    has_longer[parents >= 0] = ~is_short[parents[parents >= 0]]
    tops = np.flatnonzero(is_short & has_longer)
    rows = np.arange(n)
    at = np.searchsorted(tops, rows, side="right") - 1
    found = tops[np.maximum(at, 0)] if tops.size else rows
    ends = np.asarray(tree.ends, dtype=np.int64)
    outermost: IntArray = np.where((at >= 0) & (rows < ends[found]), found, -1)
    return outermost
