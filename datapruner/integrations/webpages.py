"""What the bridges into retrieval frameworks share for HTML documents: pages in, their blocks out.

The counterpart of ``documents`` for ``HtmlPruner``. There is no deadline after which a page goes on
as it came: with what nobody sees in it, it would be no harmless one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from datapruner.context.html.pages import Given
from datapruner.context.html.prune import HtmlPruner
from datapruner.context.html.render import render
from datapruner.context.html.result import PrunedHtml
from datapruner.context.wishes import check_one_of
from datapruner.errors import InputError, nearest
from datapruner.integrations.documents import Piece, title_of

__all__ = ["HTML_KEY", "PAGE_OPTIONS", "SHARES", "PagePruner", "page_of", "without_html"]

HTML_KEY = "html"
"""Where a document's metadata may hold its page, in place of its text; it does not go on."""

SHARES = ("joint", "each")
"""One budget for the pages of a call, or the same for each."""

PAGE_OPTIONS: dict[str, Any] = {f.name: f.default for f in fields(HtmlPruner) if f.init}
"""The options of ``HtmlPruner``, which every bridge takes, with their defaults."""

_SOURCES = ("source", "url", "file_path")

Placed = list[tuple[int, Piece | None]]
"""Positions of documents in their order; None: unchanged, for want of a page."""


class PagePruner:
    """An ``HtmlPruner`` for documents of a framework.

    Copies and pickles are made from the settings; models are loaded anew.

    Args:
        options: of ``HtmlPruner``, by name.
        share: ``"joint"`` or ``"each"``.
        drop_empty: whether documents of which nothing is left are left out.

    Raises:
        InputError: an option that ``HtmlPruner`` does not have, or another ``share``.
    """

    def __init__(
        self, options: Mapping[str, Any], *, share: str = "joint", drop_empty: bool = True
    ) -> None:
        check_one_of("share", share, SHARES)
        for name in options:
            if name not in PAGE_OPTIONS:
                raise InputError(f"there is no option {name!r}. {nearest(name, PAGE_OPTIONS)}")
        self._options, self._share = {**PAGE_OPTIONS, **options}, share
        self._drop_empty = drop_empty
        self._pruner: HtmlPruner | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _made, (self._options, self._share, self._drop_empty)

    def warm_up(self) -> None:
        """Read the settings, once.

        Raises:
            DataPrunerError: a setting that cannot be used; the message says which.
        """
        self._ready()

    def prune(self, query: str, pages: Sequence[Given | None], **limits: Any) -> Placed:
        """The documents pruned for the query.

        Args:
            query: what the reader will be asked; empty: the main content.
            pages: a page a document; None for one that goes on as it is.
            limits: ``budget`` or ``threshold`` for this call alone; None: as set.

        Returns:
            Positions of documents in their order, each with what is left of it. The details of a
            ``Piece`` are here: ``kept`` of ``total`` blocks, ``tokens`` and ``tokens_before`` by
            the counter, ``to``, ``flags`` of the call, and ``blocks``, the kept ones in their
            order with ``xpath``, ``score``, ``tokens``.

        Raises:
            DataPrunerError: limits, settings or pages that cannot be used.
        """
        pruner = self._ready()
        changed = {name: limit for name, limit in limits.items() if limit is not None}
        if changed:
            pruner = replace(pruner, **changed)
        given = [page for page in pages if page is not None]
        if self._share == "each":
            pieces = [_pieces(pruner([page], query))[0] for page in given]
        else:
            pieces = _pieces(pruner(given, query)) if given else []
        left = iter(pieces)
        placed = [(place, None if page is None else next(left)) for place, page in enumerate(pages)]
        return [
            (place, piece)
            for place, piece in placed
            if piece is None or piece.text.strip() or not self._drop_empty
        ]

    async def aprune(self, query: str, pages: Sequence[Given | None], **limits: Any) -> Placed:
        """``prune`` in another thread; the event loop goes on.

        Args:
            query: as ``prune`` has it.
            pages: as ``prune`` has them.
            limits: as ``prune`` has them.
        """
        return await asyncio.to_thread(self.prune, query, pages, **limits)

    def _ready(self) -> HtmlPruner:
        if self._pruner is None:
            self._pruner = HtmlPruner(**self._options)
        return self._pruner


def _made(options: Mapping[str, Any], share: str, drop_empty: bool) -> PagePruner:
    return PagePruner(options, share=share, drop_empty=drop_empty)


def page_of(metadata: Mapping[str, Any], content: str | bytes | None) -> Given | None:
    """The page of a document; None where it has none.

    Args:
        metadata: its page under ``"html"``, text or bytes, goes before its content; it may have a
            ``source`` (or ``url`` or ``file_path``) and a ``title``.
        content: of the document.
    """
    held = metadata.get(HTML_KEY)
    html = held if isinstance(held, str | bytes) else content
    if html is None:
        return None
    source = next((metadata[name] for name in _SOURCES if metadata.get(name)), "")
    return Given(html, str(source), title_of(metadata, "title"))


def without_html(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata without the page that was pruned.

    Args:
        metadata: of the document.
    """
    return {name: value for name, value in metadata.items() if name != HTML_KEY}


def _pieces(result: PrunedHtml) -> list[Piece]:
    """What is left of each page; joined as the result's text is, they are that text."""
    blocks, mask = result.blocks, result.selection.mask
    pages = np.array(blocks.page, dtype=np.int64)
    offered = ~blocks.items.shell
    texts = _texts(result, pages)
    ranked = "no_query" not in result.flags
    made = []
    for code, text in enumerate(texts):
        rows = np.flatnonzero(pages == code)
        shown = [block for block in result.kept if block.page == code]
        own = result.selection.scores.values[rows[offered[rows]]] if ranked else np.zeros(0)
        details = {
            "kept": int((mask & offered)[rows].sum()),
            "total": int(offered[rows].sum()),
            "tokens": result.measure(text),
            "tokens_before": result.measure(render(blocks, rows.tolist(), result.to)),
            "to": result.to,
            "flags": list(result.flags),
            "blocks": [
                {"xpath": block.xpath, "score": block.score, "tokens": block.tokens}
                for block in shown
            ],
        }
        made.append(Piece(text, float(own.max()) if own.size else None, details))
    return made


def _texts(result: PrunedHtml, pages: Any) -> list[str]:
    blocks = result.blocks
    kept = np.flatnonzero(result.selection.mask)
    made = [
        render(blocks, kept[pages[kept] == code].tolist(), result.to, result.ends)
        for code in range(len(blocks.pages))
    ]
    joint = "" if result.to == "html" else "\n\n"
    if kept.size and joint.join(text for text in made if text) != result.text:
        # The budget was too small for tags: the text is that of one block.
        made = [""] * len(made)
        made[int(pages[kept[0]])] = result.text
    return made
