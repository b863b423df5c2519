"""Pages into items: a row a block or a shell, priced, with the heading that comes along.

An element that fits the block size is one block, with all that is in it. A larger one is a shell:
a pair of tags around its parts. Text that stands directly in a shell, with the inline elements
between it, is a run; a run that is too large falls into sentences, one of preformatted text into
groups of lines. A table row is a block, and so is a term of a definition list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from datapruner.context.html.columns import Columns, Lengths
from datapruner.context.html.marking import LateMarks, Stretches
from datapruner.context.html.page import Page
from datapruner.context.html.paths import Paths
from datapruner.context.html.prices import Prices, html_prices
from datapruner.context.html.walk import Walk
from datapruner.core.items import Items
from datapruner.errors import InputError
from datapruner.tokens import TokenCounter

__all__ = ["BLOCK_TOKENS", "Blocks", "Page", "make_blocks"]

BLOCK_TOKENS = 128
"""The largest block that is not cut; the finer of the two sizes of HtmlRAG."""


@dataclass(frozen=True, eq=False)
class Blocks:
    """The blocks and shells of some pages, in document order, as columns of n rows.

    Attributes:
        pages: as given.
        page: position of each row's page.
        row: its element; of runs and sentences the element that they stand in.
        kind: ``"shell"``; ``"block"`` (a whole element); ``"heading"`` (one that names what
            follows, a header row, caption or term among them; it comes along and is never offered
            itself); ``"own_text"`` (a run); ``"sentence"`` (a part of a run).
        first, last: the stretch of the page's pieces.
        begin: first element of the stretch; of a whole element itself.
        start, end: code-point offsets of a sentence in its run; -1 of others.
        items: the same rows as items; groups are pages, costs tokens as rendered, shells the
            structural rows and headings with something under them. Features: ``text``, ``title``
            (of the page and the headings above), ``path`` (XPath in the page as parsed), ``marks``
            (what the markup says of each, worked out when read).
        sections: shape (n,), int64, ascending: rows with the same number stand under the same
            heading and follow each other.
        lengths: the pieces of each page and their sums.
    """

    pages: tuple[Page, ...]
    page: Sequence[int]
    row: Sequence[int]
    kind: list[str]
    first: Sequence[int]
    last: Sequence[int]
    begin: Sequence[int]
    start: Sequence[int]
    end: Sequence[int]
    items: Items
    sections: Sequence[int]
    lengths: tuple[Lengths, ...] = field(repr=False)

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.row)

    @cached_property
    def counts(self) -> list[int]:
        """Number of rows of each page."""
        found: list[int] = np.bincount(
            np.array(self.page, dtype=np.int64), minlength=len(self.pages)
        ).tolist()
        return found

    def text(self, row: int) -> str:
        """The plain text of a row, as scorers see it; "" of a shell."""
        found: str = self.items.features["text"][row]
        return found


def make_blocks(
    pages: Sequence[Page],
    counter: TokenCounter,
    *,
    block_tokens: int = BLOCK_TOKENS,
    prices: Prices = html_prices,
) -> Blocks:
    """The blocks of the pages.

    Args:
        pages: cleaned.
        counter: measures blocks, and prices them.
        block_tokens: an element of at most so many tokens of text is one block; 0: every sentence
            and table row by itself.
        prices: what the tags of a page cost in the output.

    Returns:
        The blocks; an element without visible content is none, and neither is white space.

    Raises:
        InputError: ``block_tokens`` is no whole number, or below 0.
    """
    if isinstance(block_tokens, bool) or not isinstance(block_tokens, int) or block_tokens < 0:
        raise InputError(f"block_tokens is {block_tokens!r}; it must be a whole number, 0 or more.")
    columns = Columns()
    lengths = []
    for code, page in enumerate(pages):
        length = Lengths(page.tree, counter, prices(page, counter, len(pages)))
        lengths.append(length)
        Walk(page, code, length, block_tokens, columns).run()
    return _blocks(tuple(pages), columns, tuple(lengths), counter)


def _blocks(
    pages: tuple[Page, ...], columns: Columns, lengths: tuple[Lengths, ...], counter: TokenCounter
) -> Blocks:
    columns.turn()
    n = len(columns)
    shell = columns.settle_headings()
    marks = LateMarks(
        Stretches(
            pages,
            lengths,
            columns.page,
            columns.row,
            columns.first,
            columns.last,
            [kind not in ("own_text", "sentence") for kind in columns.kind],
        )
    )
    # The columns are sound by how they were made: looking again costs as much as a short page.
    none = np.broadcast_to(np.False_, (n,))
    items = Items(
        n=n,
        cost=columns.costs(lengths, counter),
        unit="tokens",
        group=np.array(columns.page, dtype=np.int32),
        group_names=_names(pages),
        parent=np.array(columns.parent, dtype=np.int64),
        pinned=none,
        shell=np.array(shell, dtype=bool),
        barred=none,
        id=None,
        tie=None,
        features={
            "text": columns.text,
            "title": columns.title,
            "path": Paths(pages, columns.page, columns.row),
            "marks": marks,
        },
    )
    return Blocks(
        pages,
        columns.page,
        columns.row,
        columns.kind,
        columns.first,
        columns.last,
        columns.begin,
        columns.start,
        columns.end,
        items,
        columns.section,
        lengths,
    )


def _names(pages: tuple[Page, ...]) -> tuple[str, ...]:
    named = (page.source or page.title or f"page {code + 1}" for code, page in enumerate(pages))
    return tuple(named) or ("none",)
