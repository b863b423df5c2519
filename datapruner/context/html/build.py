"""The columns of a page while they grow: what both parsers report their events to."""

from __future__ import annotations

import re
from array import array
from collections.abc import Collection, Mapping
from sys import intern

from datapruner.context.html.tree import Tree

__all__ = ["COMMENT", "Builder", "SparingBuilder"]

COMMENT = "comment()"
"""The tag of a row that is a comment; what XPath calls it."""

# Elements without content that libxml2 does not know: it would put all that follows inside them.
_ENDLESS = frozenset({"bgsound", "command", "embed", "keygen", "source", "track", "wbr"})
_NOTHING: Mapping[str, str] = {}
# What may stand in a tag name: names with quotes or angle brackets could not be written out again,
# and of isindex parsers differ whether it has an end tag.
_NAME = re.compile(r"(?!isindex\Z)[a-z][a-z0-9:._\-]*\Z")


class Builder:
    """Takes start, end, data and comment events, and makes a tree of them.

    It has the shape of an lxml parser target. No tree of objects is ever built, which is why
    neither depth nor the number of siblings matters.
    """

    __slots__ = (
        "_attributes",
        "_lead",
        "_open",
        "_parents",
        "_pieces",
        "_place",
        "_row",
        "_tags",
        "_tails",
        "_texts",
        "data",
    )

    def __init__(self) -> None:
        self._tags: list[str] = []
        self._parents: list[int] = []
        self._texts: list[str] = []
        self._tails: list[str] = []
        self._attributes: list[Mapping[str, str] | None] = []
        self._open = [-1]
        self._pieces: list[str] = []
        # Text that comes before any element, which is rare, belongs to the root as well.
        self._lead = [""]
        self._place = self._lead
        self._row = 0
        # A text may come in a million pieces: joined once, when it is complete.
        self.data = self._pieces.append

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """An element begins."""
        pieces = self._pieces
        if pieces:
            self._place[self._row] = pieces[0] if len(pieces) == 1 else "".join(pieces)
            pieces.clear()
        opened = self._open
        row = self._row = len(self._tags)
        self._tags.append(tag)
        self._parents.append(opened[-1])
        self._attributes.append(attributes or None)
        self._texts.append("")
        self._tails.append("")
        self._place = self._texts
        if tag in _ENDLESS:
            self._place = self._tails
        else:
            opened.append(row)

    def end(self, tag: str) -> None:
        """The element that was opened last ends."""
        if tag in _ENDLESS:
            return
        pieces = self._pieces
        if pieces:
            self._place[self._row] = pieces[0] if len(pieces) == 1 else "".join(pieces)
            pieces.clear()
        self._row = self._open.pop()
        self._place = self._tails

    def comment(self, text: str) -> None:
        """A comment, which becomes a row of its own."""
        self.start(COMMENT, {})
        self._texts[self._row] = text
        self.end(COMMENT)

    def close(self) -> Builder:
        """Nothing more comes."""
        while len(self._open) > 1:
            self.end("")
        if self._pieces:
            self._place[self._row] += "".join(self._pieces)
            self._pieces.clear()
        return self

    @property
    def is_empty(self) -> bool:
        """Whether nothing has come."""
        return not self._tags

    @property
    def depth(self) -> int:
        """How many elements are open."""
        return len(self._open) - 1

    @property
    def length(self) -> int:
        """How many characters of text have come, comments and scripts included."""
        return len("".join(self._texts)) + len("".join(self._tails))

    def tree(self) -> Tree:
        """The page; an empty ``html`` if nothing has come.

        What stands outside the root (comments before or behind it) is put inside.
        """
        if self._parents.count(-1) != 1 or self._tags[0] == COMMENT:
            self._put_under_one_root()
        self._texts[0] = self._lead[0] + self._texts[0]
        if self._tails[0]:
            self._move_behind()
        tags = self._tags
        odd = {name for name in set(tags) if not _NAME.match(name) and name != COMMENT}
        if odd:
            tags = ["span" if name in odd else name for name in tags]
        # A parser makes a new string of each name; one for all of a kind is kept.
        tags = list(map(intern, tags))
        rows = range(len(tags))
        parents = array("i", self._parents)
        return Tree(tags, parents, self._texts, self._tails, self._attributes, rows)

    def _move_behind(self) -> None:
        """Puts text behind the root at the end of what is inside it."""
        inside = [row for row, above in enumerate(self._parents) if above == 0]
        slots, row = (self._tails, inside[-1]) if inside else (self._texts, 0)
        slots[row] += self._tails[0]
        self._tails[0] = ""

    def _put_under_one_root(self) -> None:
        """The ``html`` that came, or else a new one, becomes row 0, and all else is inside it."""
        tops = [row for row, above in enumerate(self._parents) if above < 0]
        root = next((row for row in tops if self._tags[row] == "html"), len(self._tags))
        if root == len(self._tags):
            self.start("html", {})
        order = [root, *(row for row in range(len(self._tags)) if row != root)]
        place = [0] * len(order)
        for new, old in enumerate(order):
            place[old] = new
        parents = [place[self._parents[row]] if self._parents[row] >= 0 else 0 for row in order]
        parents[0] = -1
        self._parents = parents
        self._tags = [self._tags[row] for row in order]
        self._texts = [self._texts[row] for row in order]
        self._tails = [self._tails[row] for row in order]
        self._attributes = [self._attributes[row] for row in order]


class SparingBuilder(Builder):
    """Keeps attributes of some names alone, and one mapping for all elements that have the same.

    On a page of many small elements, attributes take most of the memory.

    Args:
        names: of the attributes that are kept.
    """

    __slots__ = ("_known", "_names")

    def __init__(self, names: Collection[str]) -> None:
        super().__init__()
        self._names = frozenset(names)
        self._known: dict[tuple[tuple[str, str], ...], Mapping[str, str]] = {}

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """An element begins."""
        if attributes:
            names = self._names
            if names.isdisjoint(attributes):
                attributes = _NOTHING
            else:
                told = tuple([pair for pair in attributes.items() if pair[0] in names])
                known = self._known.get(told)
                if known is None:
                    known = self._known[told] = dict(told)
                attributes = known
        Builder.start(self, tag, attributes)
