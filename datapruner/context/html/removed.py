"""What was taken out of a page because nobody sees it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from datapruner.context.html.tree import Tree

__all__ = ["Removed"]

_SHOWN = 80


class Removed(NamedTuple):
    """Something that was taken out because nobody sees it.

    What it was is read from the tree it was taken out of when it is asked for: a page has hundreds
    of scripts and links that nobody asks for, which is also why this is the class that is made
    fastest.

    Attributes:
        rule: why, one of `datapruner.context.html.hiding.RULES`.
        row: of the element in that tree; of characters, of the element they stood in.
        characters: those that went, where the element stays; "" where it went.
        tree: the page as it was parsed.
    """

    rule: str
    row: int
    characters: str
    tree: Tree

    def __repr__(self) -> str:
        """What it was, without the page."""
        return (
            f"Removed(rule={self.rule!r}, row={self.row}, path={self.path!r}, text={self.text!r})"
        )

    @property
    def tag(self) -> str:
        """Name of the element."""
        return self.tree.tags[self.row]

    @property
    def path(self) -> str:
        """XPath of the element in that tree."""
        return self.tree.path(self.row)

    @property
    def text(self) -> str:
        """The first 80 characters, white space collapsed; characters as ``U+200B``."""
        if self.characters:
            return " ".join(f"U+{ord(char):04X}" for char in self.characters[:_SHOWN])[:_SHOWN]
        start = ""
        for part in self._parts():
            part = part.lstrip()[: 9 * _SHOWN] if not start else part[: 9 * _SHOWN]
            start = " ".join((start + part).split()) + " " * part[-1:].isspace()
            if len(start) > _SHOWN:
                break
        return start.strip()[:_SHOWN]

    @property
    def length(self) -> int:
        """How many characters went."""
        return len(self.characters) or sum(map(len, self._parts()))

    def _parts(self) -> Iterator[str]:
        """The texts inside the element, in the order of their start tags."""
        tree, row = self.tree, self.row
        end = tree.ends[row]
        yield tree.texts[row]
        for text, tail in zip(tree.texts[row + 1 : end], tree.tails[row + 1 : end], strict=True):
            yield text
            yield tail
