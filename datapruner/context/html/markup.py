"""Trees written as HTML that any parser reads back: escaped, quoted, closed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from datapruner.context.html.display import VOID
from datapruner.context.html.page import Pieces
from datapruner.context.html.roles import BARE, PREFORMATTED, is_block
from datapruner.context.html.tree import Tree

__all__ = [
    "bare_rows",
    "end_tag",
    "escaped",
    "start_tag",
    "to_html",
    "unwrapped",
    "wrappers",
    "written_name",
]

# Inside these a parser reads no entities, so that what they hold cannot be escaped there; and what
# stands in a set of frames, nobody shows.
_RENAMED = {
    "frameset": "div",
    **dict.fromkeys(("xmp", "listing", "plaintext"), "pre"),
    **dict.fromkeys(("iframe", "noembed", "noframes", "noscript", "script", "style"), "div"),
}
_SEPARATOR = "\x00"
# A tag that was never closed leaves names such as ``<!doctype``, which nobody means.
_ATTRIBUTE = re.compile(r"[^\s\"'<>/=]+\Z")


def escaped(texts: Sequence[str]) -> list[str]:
    """The texts as they are written between tags.

    Args:
        texts: any; all of them are handled at once, which is many times faster than one by one.
    """
    joined = _SEPARATOR.join(texts)
    if joined.count(_SEPARATOR) != max(0, len(texts) - 1):
        return [_escape(text.replace(_SEPARATOR, "\ufffd")) for text in texts]
    return _escape(joined).split(_SEPARATOR) if texts else []


def _escape(text: str) -> str:
    if "&" in text:
        text = text.replace("&", "&amp;")
    if "<" in text:
        text = text.replace("<", "&lt;")
    if ">" in text:
        text = text.replace(">", "&gt;")
    # A parser may read a bare carriage return as a line feed.
    return text.replace("\r", "&#13;") if "\r" in text else text


def written_name(tag: str) -> str:
    """The name under which an element is written."""
    return _RENAMED.get(tag, tag)


def start_tag(tag: str, attributes: Mapping[str, str] | None) -> str:
    """The start tag, its attributes in double quotes; those with no proper name are left out."""
    name = written_name(tag)
    if tag == "dialog":
        # One that is closed is hidden, and would not be here.
        attributes = {"open": "", **(attributes or {})}
    if not attributes:
        return f"<{name}>"
    said = "".join(
        f' {key}="{_escape(value).replace(chr(34), "&quot;")}"'
        for key, value in attributes.items()
        if _ATTRIBUTE.match(key)
    )
    return f"<{name}{said}>"


def end_tag(tag: str) -> str:
    """The end tag, "" where the element has none."""
    return "" if tag in VOID else f"</{written_name(tag)}>"


def wrappers(tree: Tree) -> list[int]:
    """The rows of html, head and body, as far as they wrap the page."""
    if tree.tags[0] not in BARE:
        return []
    return [0, *(row for row in _children(tree, 0) if tree.tags[row] in BARE)]


def unwrapped(tree: Tree) -> Tree:
    """The tree with a ``div`` for each html, head and body that does not wrap the page.

    Some pages have hundreds of them inside each other, and each reading would move some out.

    Args:
        tree: a page.
    """
    proper: dict[str, int] = {tree.tags[0]: 0}
    for row in _children(tree, 0):
        proper.setdefault(tree.tags[row], row)
    rows = {proper[tag] for tag in BARE if tag in proper}
    if sum(map(tree.tags.count, BARE)) == len(rows):
        return tree
    tags = ["div" if tag in BARE and row not in rows else tag for row, tag in enumerate(tree.tags)]
    return replace(tree, tags=tags)


def bare_rows(tree: Tree) -> frozenset[int]:
    """The wrappers of a page that need not be written: html, head and body that say nothing.

    They stay where they have attributes, such as a language, and where text stands directly in
    them, which a parser would put elsewhere without them.

    Args:
        tree: a page.
    """
    return frozenset(
        row
        for row in wrappers(tree)
        if not any(map(_ATTRIBUTE.match, tree.attributes[row] or ()))
        and not _has_own_text(tree, row)
    )


def _has_own_text(tree: Tree, row: int) -> bool:
    if not _is_blank(tree.texts[row]):
        return True
    return any(
        not is_block(tree.tags[child]) or not _is_blank(tree.tails[child])
        for child in _children(tree, row)
    )


def _children(tree: Tree, row: int) -> Iterator[int]:
    ends = tree.ends
    child = row + 1
    while child < ends[row]:
        yield child
        child = ends[child]


def _is_blank(text: str) -> bool:
    return not text or text.isspace()


def to_html(tree: Tree, bare: frozenset[int] = frozenset()) -> str:
    """The tree as HTML.

    Args:
        tree: any; a void element's text and a first line feed in ``pre``, neither of which a
            parser can give back, are left out.
        bare: rows whose tags are not written.

    Returns:
        One string: every element closed, every text escaped.
    """
    texts, tails = escaped(tree.texts), escaped(tree.tails)
    pieces = Pieces(tree)
    out = [""] * (2 * len(tree))
    known: dict[str, tuple[str, str]] = {}
    rows = zip(
        tree.tags,
        tree.attributes,
        texts,
        tails,
        pieces.opens,
        pieces.closes,
        strict=True,
    )
    for tag, attributes, text, tail, start, end in rows:
        tags = known.get(tag)
        if tags is None:
            tags = known[tag] = (start_tag(tag, None), end_tag(tag))
        out[start] = (start_tag(tag, attributes) if attributes else tags[0]) + text
        out[end] = tags[1] + tail
    if not PREFORMATTED.isdisjoint(known):
        for row, tag in enumerate(tree.tags):
            if tag in PREFORMATTED and texts[row].startswith("\n"):
                start = start_tag(tag, tree.attributes[row])
                out[pieces.opens[row]] = start + texts[row].lstrip("\n")
    for row in bare:
        out[pieces.opens[row]] = texts[row]
        out[pieces.closes[row]] = tails[row]
    return "".join(out)
