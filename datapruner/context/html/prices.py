"""What tags, bullets and labels cost in each format of the output, before anything is rendered."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from datapruner.context.html.labels import label_of
from datapruner.context.html.markup import bare_rows, end_tag, start_tag, wrappers
from datapruner.context.html.page import Page, counted
from datapruner.context.html.roles import HEADINGS
from datapruner.tokens import TokenCounter

__all__ = ["Prices", "html_prices", "markdown_prices", "text_prices"]

Prices = Callable[[Page, TokenCounter, int], Sequence[float]]
"""Tokens of the tags of each element of a page, which is one of so many."""

_MARKS = {
    **{tag: "#" * level for tag, level in HEADINGS.items()},
    "li": "- ",
    "td": "| ",
    "th": "| --- |",
    "tr": "|",
    "pre": "```\n```",
    "code": "``",
    "blockquote": "> ",
    "strong": "****",
    "b": "****",
    "em": "**",
    "i": "**",
    "hr": "---",
}


def html_prices(page: Page, counter: TokenCounter, pages: int) -> list[float]:
    """Of start and end tags; the label of one of several pages is charged to its root."""
    tree = page.tree
    names = list(set(tree.tags))
    tags = [*(start_tag(name, None) for name in names), *map(end_tag, names)]
    counts = _counts(tags, counter)
    ends = dict(zip(names, counts[len(names) :], strict=True))
    both = {name: start + ends[name] for name, start in zip(names, counts, strict=False)}
    prices = [both[tag] for tag in tree.tags]
    said = [row for row, attributes in enumerate(tree.attributes) if attributes]
    if said:
        tags = [start_tag(tree.tags[row], tree.attributes[row]) for row in said]
        for row, start in zip(said, _counts(tags, counter), strict=True):
            prices[row] = start + ends[tree.tags[row]]
    for row in bare_rows(tree) if pages == 1 else wrappers(tree):
        prices[row] = 0.0
    return _labelled(prices, page, counter, pages, "html")


def markdown_prices(page: Page, counter: TokenCounter, pages: int) -> list[float]:
    """Of the marks of headings, lists, tables, code and emphasis."""
    names = list(_MARKS)
    counts = counter.count([_MARKS[name] for name in names]).tolist()
    marks = dict(zip(names, map(float, counts), strict=True))
    prices = [marks.get(tag, 0.0) for tag in page.tree.tags]
    return _labelled(prices, page, counter, pages, "markdown")


def text_prices(page: Page, counter: TokenCounter, pages: int) -> list[float]:
    """Nothing but the label: plain text has no marks."""
    return _labelled([0.0] * len(page.tree), page, counter, pages, "text")


def _counts(texts: Sequence[str], counter: TokenCounter) -> list[float]:
    return list(map(float, counted(texts, counter).tolist()))


def _labelled(
    prices: list[float], page: Page, counter: TokenCounter, pages: int, to: str
) -> list[float]:
    if pages > 1 and prices:
        before, after = label_of(page, to)
        prices[0] += float(counter.count([before + after])[0])
    return prices
