"""A page from its bytes: parsed into columns, never failing, and saying what was wrong."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from html import unescape

from lxml import etree

from datapruner.context.html.build import COMMENT, Builder, SparingBuilder
from datapruner.context.html.charset import Decoded, decode, encode
from datapruner.context.html.flat import parse_flat
from datapruner.context.html.frames import unframed
from datapruner.context.html.tree import Tree
from datapruner.errors import InputError

__all__ = ["DEEPEST", "MOST_BYTES", "Parsed", "parse"]

DEEPEST = 1000
"""How deep the fast parser goes. An end tag that closes nothing makes it look through all open
elements, so that deep pages with many of those would take it hours; the flat parser has no such
search. Real pages are less than 200 deep."""

MOST_BYTES = 50_000_000
"""How long a page may be unless the caller says otherwise."""

# C0 controls and DEL, which mean nothing in HTML; tab, line feed, form feed and return are white.
_CONTROLS = bytes([*range(9), 11, *range(14, 32), 127])
_CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\ufffe\uffff]+")
# A reference to one of them, or to a C1 control.
_REFERENCE = re.compile(
    rb"&#(?:0*(?:\d|[12]\d|3[01]|12[7-9]|1[345]\d)(?!\d)|[xX]0*(?:[01]?|[789])[\da-fA-F](?![\da-fA-F]))"
)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_TAG = re.compile(r"<[a-zA-Z/!?][^>]*>")
_WHITE = re.compile(r"\s+")
# How many bytes a page has whose memory counts for more than its time.
_LARGE = 1_000_000
# The depth is looked at after so many bytes.
_PIECE = 1 << 15
# Text that may be lost before another parser is asked, and what counts as little text at all.
_LOSS = 0.01
_LITTLE = 0.05


@dataclass(frozen=True, eq=False)
class Parsed:
    """A page as it was parsed, hidden content and all.

    Attributes:
        tree: its elements; comments are rows with the tag ``comment()``.
        encoding: what it was read as; "unicode" for a page that came as text.
        flags: "empty" where there is no element and no text; "controls" where control characters
            were left out; "encoding" where the page is not in the encoding it claims, or broken;
            "flat" where the fast parser would have lost content and the flat one was used;
            "loss" where both did.
        notes: the same in words.
    """

    tree: Tree
    encoding: str
    flags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def parse(
    html: bytes | str,
    *,
    encoding: str | None = None,
    most_bytes: int = MOST_BYTES,
    attributes: Collection[str] | None = None,
) -> Parsed:
    """A page as a tree of columns.

    Whatever the bytes are, there is a tree: of an empty page, a lone ``html``. Nothing is fetched,
    and no entity or document type is resolved from outside. The time grows with the length of the
    page, not with its depth or with what is wrong in it.

    Args:
        html: a page; best as the bytes it came in.
        encoding: what the bytes are in; None to find out (`charset.decode`).
        most_bytes: longer pages are refused.
        attributes: names of the only ones that will be read; None: all. Of large pages the others
            are left out, which saves half of the memory; of pages below a megabyte it saves
            nothing worth its time.

    Raises:
        InputError: the page is neither bytes nor text, or too long; the encoding is unknown.
    """
    decoded = _decoded(html, encoding, most_bytes)
    flags = ["encoding"] if decoded.notes else []
    notes = list(decoded.notes)
    data = decoded.data.translate(None, _CONTROLS)
    if len(data) != len(decoded.data):
        flags.append("controls")
        notes.append(f"{len(decoded.data) - len(data)} control characters were left out")
    sparing = attributes is not None and len(data) >= _LARGE
    builder, lost = _built(data, SparingBuilder(attributes or ()) if sparing else Builder())
    if lost:
        flags.append("flat")
        notes.append(lost)
    tree = unframed(builder.tree(), _read)
    if _REFERENCE.search(data):
        tree = _without_controls(tree)
    if _is_empty(tree):
        flags.append("empty")
        notes.append("the page holds no text")
    return Parsed(tree, decoded.encoding, tuple(flags), tuple(notes))


def _decoded(html: bytes | str, encoding: str | None, most_bytes: int) -> Decoded:
    if not isinstance(html, str | bytes | bytearray | memoryview):
        raise InputError(
            f"a page must be bytes or text, not {type(html).__name__}. Pass what the file holds, "
            "such as path.read_bytes()."
        )
    if len(html) <= most_bytes:
        decoded = encode(html) if isinstance(html, str) else decode(bytes(html), encoding)
        if len(decoded.data) <= 2 * most_bytes:
            return decoded
    raise InputError(
        f"the page has {len(html):,} {'characters' if isinstance(html, str) else 'bytes'}, but "
        f"at most {most_bytes:,} are read. Cut it into parts, or raise most_bytes."
    )


def _built(data: bytes, builder: Builder) -> tuple[Builder, str]:
    """The events of the page, by the fast parser or, where that loses text, by the flat one."""
    if not data or data.isspace():
        return builder, ""
    parser = etree.HTMLParser(
        target=builder, huge_tree=True, remove_pis=True, encoding="utf-8", no_network=True
    )
    try:
        for start in range(0, len(data), _PIECE):
            parser.feed(data[start : start + _PIECE])
            if builder.depth > DEEPEST:
                why = f"more than {DEEPEST} elements inside each other"
                return parse_flat(data.decode("utf-8")), why
        parser.close()
    except etree.LxmlError as error:
        return parse_flat(data.decode("utf-8")), f"the fast parser failed: {error}"
    # A page with little text in it is worth the time to look for lost text.
    if builder.length < len(data) * _LITTLE:
        text = data.decode("utf-8")
        expected = _visible_length(text)
        if builder.length < expected * (1 - _LOSS):
            other = parse_flat(text)
            if other.length > builder.length:
                part = 1 - builder.length / expected
                return other, f"the fast parser would have lost {part:.0%} of the text"
    return builder, ""


def _read(text: str) -> Tree:
    return _built(text.encode("utf-8"), Builder())[0].tree()


def _is_empty(tree: Tree) -> bool:
    said = (text for tag, text in zip(tree.tags, tree.texts, strict=True) if tag != COMMENT)
    return not any(map(str.strip, said)) and not any(map(str.strip, tree.tails))


def _visible_length(page: str) -> int:
    """About how much text a page holds: what is left without comments and tags."""
    stripped = _without(_TAG, ">", _without(_COMMENT, "-->", page))
    return len(_WHITE.sub("", unescape(stripped)))


def _without(pattern: re.Pattern[str], end: str, page: str) -> str:
    """The page without what the pattern finds, which ends in ``end``."""
    # Behind the last end there is nothing to find, and each beginning would be followed to the
    # end of the page: time that grows with the square of their number.
    last = page.rfind(end) + len(end)
    return page if last < len(end) else pattern.sub("", page[:last]) + page[last:]


def _without_controls(tree: Tree) -> Tree:
    """The tree without control characters that came as references, such as ``&#1;``."""
    if not _CONTROL.search("".join(tree.texts)) and not _CONTROL.search("".join(tree.tails)):
        return tree
    return replace(
        tree,
        texts=[_CONTROL.sub("", text) for text in tree.texts],
        tails=[_CONTROL.sub("", tail) for tail in tree.tails],
    )
