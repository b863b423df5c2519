"""What was taken out of a page because nobody sees it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from datapruner.context.html.tree import Tree

__all__ = ["Removed"]

_SHOWN = 80


@dataclass(frozen=True)
class Removed:
    """Something that was taken out because nobody sees it.

    What it was is read from the tree it was taken out of when it is asked for: a page has hundreds
    of scripts and links that nobody asks for.

    Attributes:
        rule: why, one of `datapruner.context.html.hiding.RULES`.
        row: of the element in that tree; of characters, of the element they stood in.
        characters: those that went, where the element stays; "" where it went.
    """

    rule: str
    row: int
    characters: str
    _tree: Tree = field(repr=False, compare=False)

    @property
    def tag(self) -> str:
        """Name of the element."""
        return self._tree.tags[self.row]

    @property
    def path(self) -> str:
        """XPath of the element in that tree."""
        return self._tree.path(self.row)

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
        tree, row = self._tree, self.row
        end = tree.ends[row]
        yield tree.texts[row]
        for text, tail in zip(tree.texts[row + 1 : end], tree.tails[row + 1 : end], strict=True):
            yield text
            yield tail
