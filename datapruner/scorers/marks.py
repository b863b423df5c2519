"""What the markup around a text says of it: tags and names, how far above and how much inside."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np

from datapruner.core.types import FloatArray, IntArray

__all__ = ["CUES", "FAR", "NAMED", "TAGGED", "Marks", "Outline", "bits_of"]

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
    ("quote", frozenset({"blockquote", "pre", "q", "code"})),
    ("paragraph", frozenset({"p"})),
    ("link", frozenset({"a"})),
    ("section", frozenset({"section"})),
    ("item", frozenset({"li", "dd"})),
    ("inline", frozenset({"span", "b", "strong", "em", "i", "small"})),
)
"""Bits that a tag sets, from the lowest."""

NAMED: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(pattern))
    for name, pattern in (
        ("comment", r"comment|disqus|respond|respons|repl(?:y|ies)|^reviews?$|discussion|thread"),
        ("related", r"relat|recommend|trending|popular|similar|^(?:also|more|most|read)$"),
        ("teaser", r"teaser|promo|^cards?$|^tiles?$|thumb|carousel|slide|gallery|feature"),
        ("outside", r"outbrain|taboola|sponsor|advert|^ads?$|banner|affiliate|commercial|partner"),
        ("share", r"^shar(?:e|es|ed|ing)|^social|^follow|facebook|twitter"),
        ("join", r"newsletter|subscri|signup|^sign$|signin|^log(?:in)?$|register|^e?mail|donat"),
        ("menu", r"^s?u?b?nav|navigation|menu|breadcrumb|^tabs?$|dropdown"),
        ("top", r"header|topbar|masthead|toolbar|^top$|^skip$"),
        ("foot", r"foot|^bottom|contentinfo|colophon|imprint|impressum"),
        ("pager", r"^pag(?:er|ination|ing)$|^next$|^prev"),
        ("side", r"sidebar|^side|aside|rail$|widget|complementary|secondary|^right$|marginal"),
        ("notice", r"cookie|consent|gdpr|privacy|popup|modal|overlay|paywall|copyright|^legal$"),
        ("plea", r"disclaim|alert|notice|^hid(?:e|den)$|^print$|^noprint$"),
        ("about", r"byline|author|^bio$|contributor|writer|avatar|profile"),
        ("when", r"^dates?$|dateline|datetime|timestamp|^time$|^meta|^info$|publish(?:ed)?$"),
        ("tags", r"^tags?$|tagged|categor|topic|keyword|label|taxonomy|^cat$"),
        ("caption", r"caption|credit|figure|image|photo|media|video"),
        ("search", r"search|filter|^sort|^form$|input|button|^btn"),
        ("list", r"^lists?$|^items?$|^feed|^grid|archive|^links?$"),
        ("tool", r"^toc$|^contents$|infobox|footnote|^edit|^tools?$|action|^vote|rating|^count"),
        ("text", r"content|body|text|^copy$|prose|paragraph|description|inhalt"),
        ("article", r"article|story|^posts?$|entry|^single$|^blog"),
        ("main", r"^main|primary|^center$"),
        ("title", r"title|headline|heading|^lead$|^intro|summary|standfirst|excerpt|abstract"),
    )
)
"""Bits that a word of a class, an id, a role or a property sets, above those of the tags."""

CUES: tuple[str, ...] = (
    *(name for name, _ in TAGGED),
    *(f".{name}" for name, _ in NAMED),
    ".article text",
)
"""What each bit is called; the last is set where one element is named both article and text."""

FAR = 13
"""How far above the element of a cue is where there is none; twelve is as far as is counted."""

_OF_TAG = {tag: 1 << place for place, (_, tags) in enumerate(TAGGED) for tag in tags}
_ABOVE_TAGS = len(TAGGED)
_OF_BOTH = (1 << CUES.index(".article")) | (1 << CUES.index(".text"))
_ARTICLE_TEXT = 1 << CUES.index(".article text")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_WORD = re.compile(r"[a-z]+")


def bits_of(tag: str, names: str) -> int:
    """The bits of one element.

    Args:
        tag: in lower case.
        names: its class, id, role and property, spaces between them.

    Returns:
        A number with a bit for each entry of ``CUES`` that it matches.
    """
    bits = _OF_TAG.get(tag, 0)
    for word in _WORD.findall(_HUMP.sub(" ", names).lower()) if names else ():
        bits |= _bits_of_word(word)
    return bits | _ARTICLE_TEXT if bits & _OF_BOTH == _OF_BOTH else bits


@lru_cache(maxsize=1 << 13)
def _bits_of_word(word: str) -> int:
    # The same few words make up the names of all pages.
    return sum(
        1 << place for place, (_, named) in enumerate(NAMED, _ABOVE_TAGS) if named.search(word)
    )


@dataclass(frozen=True, eq=False)
class Outline:
    """The elements of one page in document order, m of them, and its title among them.

    Attributes:
        parents: shape (m,), int64; of the first, which holds all others, itself.
        ends: shape (m,), int64, one past the last element inside each.
        mains: int64, ascending: the headings of the first level.
        title: the heading that says most of the page's title; -1: none says any of it.
        likeness: of that heading and the title, in [0, 1].
    """

    parents: IntArray
    ends: IntArray
    mains: IntArray
    title: int = -1
    likeness: float = 0.0


@dataclass(frozen=True, eq=False)
class Marks:
    """What the markup says of a number of texts, as columns of n rows.

    Attributes:
        bits: shape (n,), int64, bits of the element and of all that it stands in.
        linked: shape (n,), float64, share of the text that is links, in [0, 1].
        page: shape (n,), int64, number of the page, not falling.
        element: shape (n,), int64, place of the element in the outline of its page; of a text
            between elements, that of the element which it stands in.
        whole: shape (n,), bool, whether the row is the whole element.
        run: shape (n,), int64, equal for the rows of a page that are parts of one run of text.
        far: shape (n, len(CUES)), int16: how many elements above the row the nearest stands that
            sets each bit, 0 for its own; ``FAR`` where none does.
        scope: shape (n, len(CUES)), float32: share of the page's letters in that element; 1 where
            there is none, for what holds the whole page says no more.
        outlines: of each page, by its number.
    """

    bits: IntArray
    linked: FloatArray
    page: IntArray
    element: IntArray
    whole: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
    run: IntArray
    far: np.ndarray[tuple[int, ...], np.dtype[np.int16]]
    scope: np.ndarray[tuple[int, ...], np.dtype[np.float32]]
    outlines: tuple[Outline, ...]

    def __len__(self) -> int:
        """Number of rows."""
        return self.page.size

    def take(self, rows: IntArray | slice) -> Marks:
        """These rows alone."""
        return Marks(
            self.bits[rows],
            self.linked[rows],
            self.page[rows],
            self.element[rows],
            self.whole[rows],
            self.run[rows],
            self.far[rows],
            self.scope[rows],
            self.outlines,
        )

    def read(self) -> Marks:
        """Itself; a column that works out its marks when they are asked for gives them here."""
        return self

    @classmethod
    def none(cls, page: IntArray) -> Marks:
        """The marks of texts without any markup.

        Args:
            page: shape (n,), number of the document of each, 0 or more.
        """
        n = page.size
        nothing = np.zeros(n, dtype=np.int64)
        return cls(
            bits=nothing,
            linked=np.zeros(n),
            page=page.astype(np.int64),
            element=nothing,
            whole=np.ones(n, dtype=bool),
            run=np.arange(n),
            far=np.full((n, len(CUES)), FAR, dtype=np.int16),
            scope=np.ones((n, len(CUES)), dtype=np.float32),
            outlines=(_flat(),) * (int(page.max(initial=-1)) + 1),
        )


@cache
def _flat() -> Outline:
    """Of a text that is all there is."""
    one = np.zeros(1, dtype=np.int64)
    return Outline(one, one + 1, np.zeros(0, dtype=np.int64))
