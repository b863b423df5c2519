"""Lines as they are written: collapsed white space, margins that do not add up, prefixes."""

from __future__ import annotations

import re

__all__ = ["Flow"]

# Lists and quotations that are nested deeper than a reader can follow are not indented further.
_DEEPEST = 8
_SPACE = re.compile(r"[ \t\n\r\f]+")


class Flow:
    """Text that is written in order, a piece at a time."""

    def __init__(self) -> None:
        self._out: list[str] = []
        self._feeds = 0
        self._space = False
        # Of each list item or quotation that is open: the prefix of its next line, that of further
        # ones, and what stands on a blank line inside it.
        self._prefixes: list[list[str]] = []
        self._opened = False
        self._too_deep = 0

    @property
    def at_start(self) -> bool:
        """Whether the next text begins a line."""
        return not self._out or self._feeds > 0

    def text(self, text: str) -> None:
        """Running text; white space is collapsed, and none begins a line."""
        said = _SPACE.sub(" ", text)
        if said in ("", " "):
            self._space = self._space or bool(said)
            return
        if said[0] == " ":
            self._space = True
            said = said[1:]
        ends = said[-1] == " "
        self.verbatim(said[:-1] if ends else said)
        self._space = ends

    def verbatim(self, text: str) -> None:
        """Text as it is; a space or line feed that is due comes before it."""
        if self._feeds or not self._out:
            self._begin()
        elif self._space:
            self._out.append(" ")
        self._space = False
        self._out.append(text)

    def _begin(self) -> None:
        if self._out:
            blank = "".join(inside for _, _, inside in self._prefixes).rstrip()
            self._out.append("\n" + f"{blank}\n" * (self._feeds - 1))
        self._feeds = 0
        self._opened = False
        for prefix in self._prefixes:
            self._out.append(prefix[0])
            prefix[0] = prefix[2] = prefix[1]

    def feed(self, lines: int) -> None:
        """At least so many line feeds before what comes next, if anything stands before it.

        The first block in a list item adds none to those of the item.
        """
        self._space = False
        if self._out and not self._opened:
            self._feeds = max(self._feeds, lines)

    def feed_more(self) -> None:
        """One line feed more than are due already."""
        self._space = False
        if self._out:
            self._feeds += 1

    def open(self, first: str, rest: str) -> None:
        """Lines from here on begin with ``rest``, the first of them with ``first``."""
        if len(self._prefixes) >= _DEEPEST:
            self._too_deep += 1
        else:
            self._prefixes.append([first, rest, ""])
        self._opened = True

    def close(self) -> None:
        """The last ``open`` ends."""
        if self._too_deep:
            self._too_deep -= 1
        else:
            self._prefixes.pop()
        self._opened = False

    def lines(self, text: str) -> None:
        """Several lines as they are, each behind the prefixes."""
        for number, line in enumerate(text.split("\n")):
            if number:
                self.feed_more()
            if line:
                self.verbatim(line)

    def result(self) -> str:
        """All that was written; no line feed at the end."""
        return "".join(self._out)
