"""Empty elements and wrappers out of a tree, in one pass up and one pass down."""

from __future__ import annotations

from collections.abc import Mapping

from datapruner.context.html.display import BLOCK, INLINE, INLINE_BLOCK, STRUCTURAL
from datapruner.context.html.tree import Tree

__all__ = ["EMPTY", "compact"]

EMPTY = frozenset({"td", "th", "br", "hr"})
"""Elements that mean something though nothing is in them."""

# A row stays; what is inside takes its place; it goes; it goes and leaves a space.
_STAYS, _OPENED, _GOES, _SPACE = range(4)
# Shown as blocks: unknown elements that hold one, and those that are one. All else is in lines.
_HOLDER, _BLOCK = 1, 2
_BOXES = BLOCK | INLINE_BLOCK
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


def _fates(
    tree: Tree, exact: bytearray, images: Mapping[int, str], empty: frozenset[str]
) -> tuple[bytearray, list[str], bytearray]:
    """What happens to each row; the texts behind rows, moved inwards where a wrapper goes; and
    which rows have a space before them that stood inside a wrapper."""
    n = len(tree)
    tags, parents, texts, attributes = tree.tags, tree.parents, tree.texts, tree.attributes
    tails = list(tree.tails)
    fates, before = bytearray(n), bytearray(n)
    kids, inked, lead, trail, shown, holds = (bytearray(n) for _ in range(6))
    only = [0] * n
    for row in range(n - 1, 0, -1):
        tag, text, above = tags[row], texts[row], parents[row]
        many = kids[row]
        if text:
            if exact[row] or not text.isspace():
                inked[row] = 1
            else:
                lead[row] = 1
        spaced = 0
        if many or inked[row] or tag in empty:
            inner = row
            if tag in BLOCK:
                shown[row] = _BLOCK
            elif holds[row] and tag not in INLINE:
                shown[row] = _HOLDER
            if many == 1 and not inked[row] and tag not in STRUCTURAL and not attributes[row]:
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
            spaced = tag in _BOXES or lead[row] or trail[row]
            fates[row] = _SPACE if spaced else _GOES
        tail = tree.tails[row]
        if tail and (exact[above] or not tail.isspace()):
            inked[above] = 1
        elif tail or spaced:
            # Rows come last first: until one stays, we are behind it.
            if kids[above]:
                lead[above] = 1
            else:
                trail[above] = 1
        if inner >= 0:
            kids[above] = 1 if not kids[above] else 2
            only[above] = inner
    return fates, tails, before


class _Writer:
    """The columns of what stays, row by row."""

    def __init__(self, tree: Tree, exact: bytearray, images: Mapping[int, str]) -> None:
        self.tree = tree
        self.exact = exact
        self.images = images
        self.rows: list[int] = []
        self.parents: list[int] = []
        self.texts: list[str] = []
        self.tails: list[str] = []
        # The last child of each row so far, -1 before there is one.
        self.last: list[int] = []

    def write(self, fates: bytearray, tails: list[str], before: bytearray) -> Tree:
        """The tree of the rows that stay."""
        tree, exact, parents = self.tree, self.exact, self.tree.parents
        place = [0] * len(tree)
        # The root, and what it would be the child of.
        self._put(0, -1, tree.texts[0].lstrip(" "), "")
        for row in range(1, len(tree)):
            fate, above = fates[row], place[parents[row]]
            if fate == _STAYS:
                text, tail = tree.texts[row], tails[row]
                if before[row]:
                    self._append(above, " ")
                if tree.tags[row] in _EDGES and not exact[parents[row]]:
                    self._strip_end(above)
                    if tail[:1] == " ":
                        tail = tail[1:]
                    if text[:1] == " " and not exact[row]:
                        text = text[1:]
                self.last[above] = place[row] = len(self.rows)
                self._put(row, above, text, tail)
            elif fate == _OPENED:
                place[row] = above
            elif fates[parents[row]] == _STAYS:
                self._append(above, self._left(row, fate, tails[row]))
        return self._tree()

    def _put(self, row: int, above: int, text: str, tail: str) -> None:
        self.rows.append(row)
        self.parents.append(above)
        self.texts.append(text)
        self.tails.append(tail)
        self.last.append(-1)

    def _left(self, row: int, fate: int, tail: str) -> str:
        """What an element that goes leaves behind, with the text behind it."""
        image = self.images.get(row)
        if image is not None:
            return f" {image}{tail}" if tail[:1].isspace() else f" {image} {tail}"
        return " " + tail if fate == _SPACE and tail[:1] != " " else tail

    def _append(self, above: int, text: str) -> None:
        """Puts text behind what there is inside a row so far."""
        last = self.last[above]
        slots, slot = (self.texts, above) if last < 0 else (self.tails, last)
        held = slots[slot]
        if text[:1] == " " and not self.exact[self.rows[above]]:
            is_edge = not held and self.tree.tags[self.rows[slot]] in _EDGES
            if is_edge or held[-1:] == " ":
                text = text[1:]
        slots[slot] = held + text

    def _strip_end(self, above: int) -> None:
        """Takes the space from the end of what there is inside a row so far."""
        last = self.last[above]
        slots, slot = (self.texts, above) if last < 0 else (self.tails, last)
        if slots[slot][-1:] == " ":
            slots[slot] = slots[slot][:-1]

    def _tree(self) -> Tree:
        tree, exact = self.tree, self.exact
        tags = [tree.tags[row] for row in self.rows]
        for new, row in enumerate(self.rows):
            if tags[new] in _EDGES and not exact[row]:
                self._strip_end(new)
        return Tree(
            tags,
            self.parents,
            self.texts,
            self.tails,
            [tree.attributes[row] for row in self.rows],
            [tree.origins[row] for row in self.rows],
        )
