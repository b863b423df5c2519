"""A parser without a limit to depth, for pages that the fast one would lose parts of.

It follows the tokeniser of the HTML standard (13.2.5) in what a tag, a comment and raw text is, and
its tree construction only roughly: optional end tags are implied, stray ones are ignored, nothing
is moved elsewhere. Its cost grows with the length of the page alone, whatever stands in it.
"""

from __future__ import annotations

import re
from html import unescape

from datapruner.context.html.build import Builder
from datapruner.context.html.display import BLOCK, HEAD, VOID

__all__ = ["parse_flat"]

# One tag, its attributes in one group. Possessive throughout: a tag that does not end fails once.
_TAG = re.compile(r"<(/?)([a-zA-Z][^\s/>]*+)((?:[^>=]++|=\s*+(?:\"[^\"]*+\"|'[^']*+')?+)*+)>")
# The same without regard to quotes, for the rest of a page one of whose quotes never closes.
_BARE_TAG = re.compile(r"<(/?)([a-zA-Z][^\s/>]*+)([^>]*+)>")
_ATTRIBUTE = re.compile(r"([^\s=>\"'/][^\s=>/]*+)(?:\s*+=\s*+(\"[^\"]*+\"|'[^']*+'|[^\s>]*+))?")
# Text until the element's own end tag; in the second kind, references are resolved.
_RAW = frozenset({"script", "style", "xmp", "iframe", "noembed", "noframes"})
_ESCAPABLE = frozenset({"textarea", "title"})
# What an element that starts closes, if it is the last one open: its optional end tag was left out.
_CLOSES: dict[str, frozenset[str]] = {
    "li": frozenset({"li"}),
    "dt": frozenset({"dt", "dd"}),
    "dd": frozenset({"dt", "dd"}),
    "option": frozenset({"option"}),
    "optgroup": frozenset({"option", "optgroup"}),
    "tr": frozenset({"td", "th", "tr"}),
    "td": frozenset({"td", "th"}),
    "th": frozenset({"td", "th"}),
    "tbody": frozenset({"td", "th", "tr", "thead", "tbody", "tfoot"}),
    "thead": frozenset({"td", "th", "tr", "thead", "tbody", "tfoot"}),
    "tfoot": frozenset({"td", "th", "tr", "thead", "tbody", "tfoot"}),
    "rt": frozenset({"rt", "rp"}),
    "rp": frozenset({"rt", "rp"}),
}
_P = frozenset({"p"})
# The fast parser reads so much of a name: what this one read, that one may have to read again.
_LONGEST = 100
# How far up an end tag of an inline element looks for its start.
_REACH = 8


def parse_flat(page: str) -> Builder:
    """The events of a page, reported to a builder that is then closed.

    Args:
        page: a page of HTML.
    """
    reader = _Reader(page)
    reader.read()
    return reader.builder.close()


class _Reader:
    """Where we are in the page, and which elements are open."""

    def __init__(self, page: str) -> None:
        self.page = page
        self.builder = Builder()
        self.builder.start("html", {})
        self.open: list[str] = []
        self.count: dict[str, int] = {}
        self.tag = _TAG

    def read(self) -> None:
        page, place, n = self.page, 0, len(self.page)
        while place < n:
            start = page.find("<", place)
            if start < 0:
                start = n
            if start > place:
                self._text(unescape(page[place:start]))
            if start == n:
                return
            place = self._markup(start)

    def _markup(self, start: int) -> int:
        """Reads what begins with ``<``; gives the place behind it."""
        page = self.page
        following = page[start + 1 : start + 2]
        if following in ("!", "?") or (
            following == "/" and not page[start + 2 : start + 3].isalpha()
        ):
            return self._comment(start)
        found = self.tag.match(page, start)
        if found is None and (following == "/" or (following.isascii() and following.isalpha())):
            # No end before the page's: either a quote is open, or it is no tag at all.
            self.tag = _BARE_TAG
            found = _BARE_TAG.match(page, start) if page.find(">", start) >= 0 else None
            if found is None:
                return len(page)
        if found is None:
            self._text("<")
            return start + 1
        closing, name, attributes = found.groups()
        name = name.lower()[:_LONGEST]
        if closing:
            self._end(name)
            return found.end()
        self._start(name, attributes)
        if name in _RAW or name in _ESCAPABLE:
            return self._raw(name, found.end())
        if name == "plaintext":
            self.builder.data(page[found.end() :])
            return len(page)
        return found.end()

    def _comment(self, start: int) -> int:
        page = self.page
        if not page.startswith("<!--", start):
            end = page.find(">", start)  # a doctype, CDATA or processing instruction
            return len(page) if end < 0 else end + 1
        if page.startswith(("<!-->", "<!--->"), start):
            return page.index(">", start) + 1
        end = page.find("-->", start + 4)
        self.builder.comment(page[start + 4 : len(page) if end < 0 else end])
        return len(page) if end < 0 else end + 3

    def _raw(self, name: str, start: int) -> int:
        end = re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE).search(self.page, start)
        stop = end.start() if end else len(self.page)
        text = self.page[start:stop]
        if text:
            self.builder.data(unescape(text) if name in _ESCAPABLE else text)
        return stop

    def _text(self, text: str) -> None:
        if not self.open or self.open[-1] == "head":
            if text.isspace():
                return
            self._into_body()
        self.builder.data(text)

    def _start(self, name: str, attributes: str) -> None:
        opened = self.open
        if name == "html" or (name == "head" and opened):
            return
        if name in ("body", "frameset"):
            if opened and opened[0] != "head":
                return
            self._leave_head()
        elif not opened:
            if name != "head":
                self._push("head" if name in HEAD else "body", "")
        elif opened[-1] == "head" and name not in HEAD:
            self._into_body()
        self._imply_ends(name)
        self._push(name, attributes)
        if name in VOID:
            self._pop()

    def _imply_ends(self, name: str) -> None:
        closes = _CLOSES.get(name)
        if closes is None:
            closes = _P if name in BLOCK else None
        elif self.open and self.open[-1] == "p":
            self._pop()
        while closes and self.open and self.open[-1] in closes:
            self._pop()

    def _end(self, name: str) -> None:
        if name in ("html", "body") or not self.count.get(name):
            return
        if name not in BLOCK and name not in self.open[-_REACH:]:
            return
        while self._pop() != name:
            pass

    def _into_body(self) -> None:
        self._leave_head()
        self._push("body", "")

    def _leave_head(self) -> None:
        while self.open:
            self._pop()

    def _push(self, name: str, attributes: str) -> None:
        self.builder.start(name, _attributes(attributes) if attributes else {})
        self.open.append(name)
        self.count[name] = self.count.get(name, 0) + 1

    def _pop(self) -> str:
        name = self.open.pop()
        self.count[name] -= 1
        self.builder.end(name)
        return name


def _attributes(text: str) -> dict[str, str]:
    """Attributes by lower-case name; the first of each name counts."""
    found: dict[str, str] = {}
    for name, value in _ATTRIBUTE.findall(text):
        if value[:1] in ('"', "'"):
            value = value[1:-1] if len(value) > 1 and value[-1] == value[0] else value
        found.setdefault(name.lower()[:_LONGEST], unescape(value))
    return found
