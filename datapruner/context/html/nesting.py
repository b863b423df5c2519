"""Which elements a parser leaves inside which: what is written must not move when it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

from lxml import etree

from datapruner.context.html.build import Builder
from datapruner.context.html.display import BLOCK, HEAD, INLINE, VOID
from datapruner.context.html.flat import parse_flat
from datapruner.context.html.markup import end_tag, start_tag, written_name
from datapruner.context.html.tree import Tree

__all__ = ["is_twisted", "stays_inside"]

# Elements that parsers have rules about; of all others they think alike.
_KNOWN = BLOCK | INLINE | HEAD | VOID | {"ruby", "frame", "noembed", "iframe", "textarea"}
_UNKNOWN = "x-unknown"


def is_twisted(tree: Tree, *, flat: bool) -> bool:
    """Whether a parser would put some of the elements elsewhere than they are.

    Pages come without such places from a parser; cleaning and cutting make them, where they take
    out what stood between two elements.

    Args:
        tree: a page, or what is left of it, with no wrappers but its own (`unwrapped`).
        flat: what is written may be read by the flat parser as well.
    """
    tags = tree.tags
    pairs = set(zip(tags[1:], map(tags.__getitem__, tree.parents[1:]), strict=True))
    asked = (_read_fast, parse_flat) if flat else (_read_fast,)
    known = {(_known(tag), _known(above)) for tag, above in pairs}
    if not all(stays_inside(tag, above, read) for tag, above in known for read in asked):
        return True
    return _has_loose_text(tree)


def _has_loose_text(tree: Tree) -> bool:
    """Whether text stands beside the body, or in the head."""
    if tree.tags[0] != "html":
        return False
    loose = [tree.texts[0], *_tails(tree, 0)]
    if tree.tags[1:2] == ["head"]:
        loose += [tree.texts[1], *_tails(tree, 1)]
    return any(text and not text.isspace() for text in loose)


def _tails(tree: Tree, row: int) -> Iterator[str]:
    child = row + 1
    while child < tree.ends[row]:
        yield tree.tails[child]
        child = tree.ends[child]


def _known(tag: str) -> str:
    return tag if tag in _KNOWN else _UNKNOWN


@cache
def stays_inside(tag: str, above: str, read: Callable[[str], Builder]) -> bool:
    """Whether an element that is written inside another is read as its child.

    The parser itself is asked, once for each pair of names.

    Args:
        tag: name of the inner one.
        above: name of the outer one.
        read: the parser.
    """
    start, end = start_tag(above, None) + start_tag(tag, None), end_tag(tag) + end_tag(above)
    found = read(f"{start}x{end}").tree()
    pairs = zip(found.tags[1:], map(found.tags.__getitem__, found.parents[1:]), strict=True)
    return (written_name(tag), written_name(above)) in pairs


def _read_fast(page: str) -> Builder:
    builder = Builder()
    parser = etree.HTMLParser(target=builder, no_network=True)
    parser.feed(page)
    parser.close()
    return builder
