"""Empty elements and wrappers out of a tree, in one pass up and one pass down."""

from __future__ import annotations

from array import array
from collections.abc import Mapping

import numpy as np

from datapruner.context.html.display import BLOCK, INLINE, INLINE_BLOCK, STRUCTURAL
from datapruner.context.html.tree import Tree, packed

__all__ = ["EMPTY", "compact"]

EMPTY = frozenset({"td", "th", "br", "hr"})
"""Elements that mean something though nothing is in them."""

# A row stays; what is inside takes its place; it goes; it goes and leaves a space.
_STAYS, _OPENED, _GOES, _SPACE = range(4)
# Shown as blocks: unknown elements that hold one, and those that are one. All else is in lines.
_HOLDER, _BLOCK = 1, 2
_BOXES = BLOCK | INLINE_BLOCK
_IS_BLOCK, _IS_INLINE, _IS_BOX, _WRAPS, _LASTS = 1, 2, 4, 8, 16
# White space before and behind these is never shown.
_EDGES = BLOCK | {"br"}


def compact(
    tree: Tree,
    spans: list[tuple[int, int]],
    images: Mapping[int, str],
    empty: frozenset[str] = EMPTY,
) -> Tree:
    """The tree without elements that have no content, and without wrappers.

    A wrapper is an element with one element inside and no text of its own, that means nothing by
    itself (`STRUCTURAL` do), has no attributes, and is shown as that one is: both in lines, or both
    as blocks. What is inside takes its place, with the text behind it.

    Args:
        tree: a page whose white space is collapsed.
        spans: ranges of rows whose white space means something.
        images: by row, the text that stands for an element.
        empty: elements that stay though nothing is in them.
    """
    exact = bytearray(len(tree))
    for start, end in spans:
        exact[start:end] = b"\1" * (end - start)
    fates, tails, before = _fates(tree, exact, images, empty)
    return _Writer(tree, exact, images).write(fates, tails, before)


def _traits(tag: str, empty: frozenset[str]) -> int:
    """What the sets above say of a name, as bits: asked once a name and not once an element."""
    return (
        _IS_BLOCK * (tag in BLOCK)
        | _IS_INLINE * (tag in INLINE)
        | _IS_BOX * (tag in _BOXES)
        | _WRAPS * (tag not in STRUCTURAL)
        | _LASTS * (tag in empty)
    )


def _fates(
    tree: Tree, exact: bytearray, images: Mapping[int, str], empty: frozenset[str]
) -> tuple[bytearray, list[str], bytearray]:
    """What happens to each row; the texts behind rows, moved inwards where a wrapper goes; and
    which rows have a space before them that stood inside a wrapper."""
    n = len(tree)
    parents, texts, behinds, tails = tree.parents, tree.texts, tree.tails, list(tree.tails)
    known = {tag: _traits(tag, empty) for tag in set(tree.tags)}
    traits = bytes([known[tag] for tag in tree.tags])
    fates, before = bytearray(n), bytearray(n)
    kids, inked, lead, trail, shown, holds = (bytearray(n) for _ in range(6))
    only = [0] * n
    for row in range(n - 1, 0, -1):
        text, above, trait, many = texts[row], parents[row], traits[row], kids[row]
        if text:
            if exact[row] or not (text == " " or text.isspace()):
                inked[row] = 1
            else:
                lead[row] = 1
        inner, spaced = row, 0
        if many or inked[row] or trait & _LASTS:
            if trait & _IS_BLOCK:
                shown[row] = _BLOCK
            elif holds[row] and not trait & _IS_INLINE:
                shown[row] = _HOLDER
            if many == 1 and trait & _WRAPS and not (inked[row] or tree.attributes[row]):
                within = only[row]
                # A block is not replaced by an unknown element: words would run into its text.
                if shown[within] >= shown[row] and bool(shown[row]) == bool(shown[within]):
                    fates[row] = _OPENED
                    inner = within
                    behind = tails[row]
                    tails[within] = " " + behind if trail[row] and behind[:1] != " " else behind
                    before[within] |= lead[row]
            if holds[row] or shown[row]:
                holds[above] = 1
        elif row in images:
            fates[row] = _GOES
            inked[above] = 1
            inner = -1
        else:
            inner = -1
            spaced = trait & _IS_BOX or lead[row] or trail[row]
            fates[row] = _SPACE if spaced else _GOES
        tail = behinds[row]
        if tail and (exact[above] or not (tail == " " or tail.isspace())):
            inked[above] = 1
        elif tail or spaced:
            # Rows come last first: until one stays, we are behind it.
            if kids[above]:
                lead[above] = 1
            else:
                trail[above] = 1
        if inner >= 0:
            kids[above] = 2 if kids[above] else 1
            only[above] = inner
    return fates, tails, before


class _Writer:
    """The columns of what stays, row by row."""

    def __init__(self, tree: Tree, exact: bytearray, images: Mapping[int, str]) -> None:
        self.tree = tree
        self.exact = exact
        self.images = images
        # Whether the white space at the ends of each row and around it is never shown.
        edges = {tag: tag in _EDGES for tag in set(tree.tags)}
        self.edges = bytearray([edges[tag] for tag in tree.tags])
        # Of what is written: the row it was, its text, the text behind it, the row it is in, and
        # its last child so far, -1 before there is one. The root is written already.
        self.rows = [0]
        self.texts = [tree.texts[0].lstrip(" ")]
        self.tails = [""]
        self.parents = [-1]
        self.last = [-1]

    def write(self, fates: bytearray, tails: list[str], before: bytearray) -> Tree:
        """The tree of the rows that stay."""
        tree, exact, edges, images = self.tree, self.exact, self.edges, self.images
        above_of, texts_of = tree.parents, tree.texts
        rows, texts, parents, last = self.rows, self.texts, self.parents, self.last
        place = [0] * len(tree)
        for row in range(1, len(tree)):
            fate, up = fates[row], above_of[row]
            above = place[up]
            if fate == _STAYS:
                text, tail = texts_of[row], tails[row]
                if before[row]:
                    self._append(above, " ")
                if edges[row] and not exact[up]:
                    beside = last[above]
                    slots, slot = (texts, above) if beside < 0 else (self.tails, beside)
                    if slots[slot][-1:] == " ":
                        slots[slot] = slots[slot][:-1]
                    if tail and tail[0] == " ":
                        tail = tail[1:]
                    if text and text[0] == " " and not exact[row]:
                        text = text[1:]
                last[above] = place[row] = len(rows)
                rows.append(row)
                texts.append(text)
                self.tails.append(tail)
                parents.append(above)
                last.append(-1)
            elif fate == _OPENED:
                place[row] = above
            elif fates[up] == _STAYS:
                tail = tails[row]
                if fate == _SPACE:
                    self._append(above, tail if tail[:1] == " " else " " + tail)
                elif row in images:
                    image = images[row]
                    self._append(above, f" {image}{'' if tail[:1].isspace() else ' '}{tail}")
                elif tail:
                    self._append(above, tail)
        return self._tree()

    def _append(self, above: int, text: str) -> None:
        """Puts text behind what there is inside a row so far."""
        last = self.last[above]
        slots, slot = (self.texts, above) if last < 0 else (self.tails, last)
        held = slots[slot]
        if text[:1] == " " and not self.exact[self.rows[above]]:
            is_edge = not held and self.edges[self.rows[slot]]
            if is_edge or held[-1:] == " ":
                text = text[1:]
        slots[slot] = held + text

    def _tree(self) -> Tree:
        tree, exact, edges, rows = self.tree, self.exact, self.edges, self.rows
        texts, tails = self.texts, self.tails
        for new, (row, last) in enumerate(zip(rows, self.last, strict=True)):
            if edges[row] and not exact[row]:
                slots, slot = (texts, new) if last < 0 else (tails, last)
                if slots[slot][-1:] == " ":
                    slots[slot] = slots[slot][:-1]
        kept = np.array(rows, dtype=np.int32)
        # Rows that stay before the end of each: where it ends among them.
        ends = np.searchsorted(kept, np.asarray(tree.ends)[kept])
        return Tree(
            list(map(tree.tags.__getitem__, rows)),
            array("i", self.parents),
            texts,
            tails,
            list(map(tree.attributes.__getitem__, rows)),
            packed(np.asarray(tree.origins)[kept]),
        ).knowing(ends)
