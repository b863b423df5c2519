"""Kept rows as one text: HTML, Markdown or plain text, of one page or of several with labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from datapruner.context.html.blocks import Blocks
from datapruner.context.html.clean import clean
from datapruner.context.html.cutout import cut_out
from datapruner.context.html.labels import label_of
from datapruner.context.html.markdown import to_markdown
from datapruner.context.html.markup import bare_rows, to_html, unwrapped, wrappers
from datapruner.context.html.nesting import is_twisted
from datapruner.context.html.numbering import renumbered, told_numbers
from datapruner.context.html.page import Page
from datapruner.context.html.parse import parse
from datapruner.context.html.plain import to_text
from datapruner.context.html.prices import Prices, html_prices, markdown_prices, text_prices
from datapruner.context.html.tree import Tree

__all__ = ["FORMATS", "PRICES", "render", "render_tree"]

PRICES: Mapping[str, Prices] = {
    "html": html_prices,
    "markdown": markdown_prices,
    "text": text_prices,
}
"""What tags cost, by format."""

# One is enough for nearly every page; what parsers make of the rest need not settle.
_READINGS = 4

FORMATS = tuple(PRICES)
"""What a page can be written as."""

_WRITERS: Mapping[str, Callable[[Tree], str]] = {"markdown": to_markdown, "text": to_text}


def render(
    blocks: Blocks, rows: Sequence[int], to: str = "html", ends: Mapping[int, int] | None = None
) -> str:
    """The text of the kept rows.

    Args:
        blocks: of all pages.
        rows: kept rows in ascending order, with all that comes along with them.
        to: one of ``FORMATS``.
        ends: offsets at which sentences and runs are cut short; None for none.

    Returns:
        Well-formed HTML, or Markdown, or text; pages in their order, each under its label where
        there are several. A page of which every row is kept comes out whole, with elements that
        have no content. "" where nothing is kept.
    """
    written = [_one(blocks, code, tree, to) for code, tree in _trees(blocks, rows, ends or {})]
    return ("" if to == "html" else "\n\n").join(written)


def _trees(
    blocks: Blocks, rows: Sequence[int], ends: Mapping[int, int]
) -> Iterator[tuple[int, Tree]]:
    for code, group in groupby(rows, key=blocks.page.__getitem__):
        own = list(group)
        page = blocks.pages[code]
        if len(own) == blocks.counts[code] and not ends:
            yield code, page.tree
            continue
        tree = cut_out(blocks, code, own, ends)
        if tree is not None:
            if "ol" in tree.tags:
                tree = renumbered(
                    tree, told_numbers(replace(page.tree, origins=range(len(page.tree))))
                )
            yield code, clean(tree, page.level, keep=page.keep)


def _one(blocks: Blocks, code: int, tree: Tree, to: str) -> str:
    page = blocks.pages[code]
    several = len(blocks.pages) > 1
    before, after = label_of(page, to) if several else ("", "")
    tree = unwrapped(tree) if to == "html" else tree
    text = render_tree(tree, to, several=several)
    if to == "html" and is_twisted(tree, flat=_is_flat(page)):
        text = _read_back(text, page, several=several)
    return f"{before}{text}{after}"


def _is_flat(page: Page) -> bool:
    """Whether the flat parser read the page; what is left of it, either may read."""
    return page.parsed is not None and "flat" in page.parsed.flags


def _read_back(text: str, page: Page, *, several: bool) -> str:
    """The text as it is written once a parser has put its elements where it wants them."""
    for _ in range(_READINGS):
        tree = clean(parse(text).tree, page.level, keep=page.keep)
        again = render_tree(tree, "html", several=several)
        if again == text:
            break
        text = again
    return text


def render_tree(tree: Tree, to: str, *, several: bool = False) -> str:
    """One page without a label.

    Args:
        tree: the page, or what is left of it.
        to: one of ``FORMATS``.
        several: it is one of several pages, so that its wrappers are part of its label.
    """
    if to != "html":
        return _WRITERS[to](tree)
    tree = unwrapped(tree)
    if not several:
        return to_html(tree, bare_rows(tree))
    return to_html(tree, frozenset(wrappers(tree)))


@dataclass(frozen=True)
class Writer:
    """How the rows of some blocks become a text, for those who measure many texts."""

    blocks: Blocks
    to: str

    def __call__(self, rows: Sequence[int], ends: Mapping[int, int] | None = None) -> str:
        """``render`` of these rows."""
        return render(self.blocks, rows, self.to, ends)
