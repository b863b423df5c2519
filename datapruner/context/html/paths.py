"""XPaths as a column that is made when it is read: all of a deep page would be quadratic."""

from __future__ import annotations

from collections.abc import Sequence

from datapruner.context.html.page import Page
from datapruner.core.types import IntArray

__all__ = ["Paths"]


class Paths:
    """The XPath of each row in its page as parsed.

    Args:
        pages: of the rows.
        page, row: the page and the element of each row.
    """

    def __init__(self, pages: Sequence[Page], page: Sequence[int], row: Sequence[int]) -> None:
        self._pages, self._page, self._row = pages, page, row

    def __len__(self) -> int:
        """Number of rows."""
        return len(self._row)

    def __getitem__(self, place: int) -> str:
        """The path of one row."""
        return self._pages[self._page[place]].xpath(self._row[place])

    def take(self, rows: IntArray) -> Paths:
        """The same column of these rows alone."""
        places = rows.tolist()
        return Paths(
            self._pages, [self._page[at] for at in places], [self._row[at] for at in places]
        )
