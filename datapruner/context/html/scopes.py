"""Which heading stands over what: headings as linked nodes, so that leaving a scope is one step."""

from __future__ import annotations

__all__ = ["Scopes"]


class Scopes:
    """The headings of one page, each linked to the one that it stands under.

    Node 0 is the page itself. ``top`` is the innermost heading in force; whoever enters an element
    that no heading reaches out of, notes it and puts it back on leaving.

    Args:
        title: of the page.
    """

    def __init__(self, title: str) -> None:
        self.top = 0
        self.titles = [title]
        self._levels = [-1]
        self._rows = [-1]
        self._blocks = [-1]
        self._below = [-1]

    def parent(self, element: int, shell: int) -> int:
        """What comes along with a block: its heading inside ``element``, else the shell.

        Args:
            element: row of the block's parent in the page.
            shell: row of that parent among the blocks.
        """
        return self._blocks[self.top] if self._rows[self.top] > element else shell

    def close(self, level: int) -> None:
        """End the headings of this level and of lower ones."""
        while self._levels[self.top] >= level:
            self.top = self._below[self.top]

    def open(self, level: int, row: int, block: int, text: str) -> None:
        """A heading of this level begins; ``close`` has been called for it.

        Args:
            level: 1 to 6 of h1 to h6, more for what names less.
            row: of its element in the page.
            block: its row among the blocks.
            text: what it says.
        """
        above = self.titles[self.top]
        said = text if above in ("", text) else f"{above} > {text}"
        self._levels.append(level)
        self._rows.append(row)
        self._blocks.append(block)
        self._below.append(self.top)
        self.titles.append(said)
        self.top = len(self.titles) - 1
