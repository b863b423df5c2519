"""What the markup around a text says of it: tags and class names as bits."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from datapruner.core.types import FloatArray, IntArray

__all__ = ["NAMED", "TAGGED", "Marks", "bits_of"]

TAGGED: tuple[tuple[str, frozenset[str]], ...] = (
    ("nav", frozenset({"nav", "menu"})),
    ("header", frozenset({"header"})),
    ("footer", frozenset({"footer"})),
    ("aside", frozenset({"aside"})),
    ("form", frozenset({"form", "fieldset", "select", "button", "label"})),
    ("figure", frozenset({"figure", "figcaption", "picture"})),
    ("table", frozenset({"table"})),
    ("list", frozenset({"ul", "ol", "dl"})),
    ("article", frozenset({"article"})),
    ("main", frozenset({"main"})),
    ("quote", frozenset({"blockquote", "pre", "q"})),
    ("paragraph", frozenset({"p"})),
    ("heading", frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})),
)
"""Bits that a tag sets, from the lowest."""

NAMED: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(pattern))
    for name, pattern in (
        ("comment", r"comment|disqus|respond|replies|reviews?\b"),
        ("related", r"relat|recommend|read-?more|trending|popular|most-|similar|teaser|promo"),
        ("outside", r"outbrain|taboola|sponsor|advert|\bads?\b|\bad[-_]|banner|affiliate"),
        ("share", r"shar(?:e|ing)|social|follow|newsletter|subscri|sign-?up|login|register"),
        ("chrome", r"nav|menu|breadcrumb|header|foot|topbar|masthead|toolbar|pag(?:er|ination)"),
        ("side", r"sidebar|side-|aside|rail\b|widget|module|column-right|\bright\b"),
        ("notice", r"cookie|consent|gdpr|popup|modal|overlay|paywall|copyright|legal|disclaim"),
        (
            "about",
            r"byline|author|\bdate|timestamp|\btags?\b|categor|caption|credit|\bmeta\b|\bbio",
        ),
        ("body", r"article|content|\bbody\b|body-|-body|story|post|entry|\btext\b|main|prose"),
    )
)
"""Bits that a class, an id or a role sets, above those of the tags."""

_OF_TAG = {tag: 1 << place for place, (_, tags) in enumerate(TAGGED) for tag in tags}
_ABOVE_TAGS = len(TAGGED)


def bits_of(tag: str, names: str) -> int:
    """The bits of one element.

    Args:
        tag: in lower case.
        names: its class, id and role, spaces between them.

    Returns:
        A number with a bit for each entry of ``TAGGED`` and ``NAMED`` that it matches.
    """
    bits = _OF_TAG.get(tag, 0)
    if names:
        lowered = names.lower()
        for place, (_, pattern) in enumerate(NAMED, _ABOVE_TAGS):
            if pattern.search(lowered):
                bits |= 1 << place
    return bits


@dataclass(frozen=True, eq=False)
class Marks:
    """What the markup says of a number of texts, as columns of n rows.

    Attributes:
        bits: shape (n,), int64, bits of the element and of all that it stands in.
        own: shape (n,), int64, bits of the element alone.
        linked: shape (n,), float64, share of the text that is links, in [0, 1].
        container: shape (n,), int64, equal for rows of a page whose elements have the same parent.
        page: shape (n,), int64, number of the page, not falling.
    """

    bits: IntArray
    own: IntArray
    linked: FloatArray
    container: IntArray
    page: IntArray

    def __len__(self) -> int:
        """Number of rows."""
        return self.page.size

    def take(self, rows: IntArray) -> Marks:
        """These rows alone."""
        return Marks(
            self.bits[rows],
            self.own[rows],
            self.linked[rows],
            self.container[rows],
            self.page[rows],
        )

    def read(self) -> Marks:
        """Itself; a column that works out its marks when they are asked for gives them here."""
        return self

    @classmethod
    def none(cls, page: IntArray) -> Marks:
        """The marks of texts without any markup.

        Args:
            page: shape (n,), number of the document of each.
        """
        nothing = np.zeros(page.size, dtype=np.int64)
        return cls(nothing, nothing, np.zeros(page.size), page.astype(np.int64), page)
