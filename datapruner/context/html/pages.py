"""What a caller gives as pages, parsed and cleaned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from datapruner.context.html.clean import clean, read_names
from datapruner.context.html.hiding import READ, visible
from datapruner.context.html.marking import MARKED
from datapruner.context.html.page import Page
from datapruner.context.html.parse import parse
from datapruner.context.html.tree import Tree
from datapruner.errors import InputError

__all__ = ["Given", "prepare", "read_keep", "read_pages"]

_TEXT_NAMES = ("html", "text", "page_content", "content")
_SOURCE_NAMES = ("source", "url", "id")


@dataclass(frozen=True)
class Given:
    """One page as a caller gives it.

    Attributes:
        html: bytes, or a text.
        source: "" for none.
        title: "" for none.
    """

    html: bytes | str
    source: str = ""
    title: str = ""


def read_pages(given: Any) -> tuple[Given, ...]:
    """The pages of a call in their order.

    Args:
        given: bytes or a text, a mapping with ``html`` and maybe ``source`` (or ``url`` or ``id``)
            and ``title``, an object with such attributes (the text may be called ``page_content``
            or ``content``), or an iterable of those.

    Returns:
        One ``Given`` for each; of several, one without a source takes its title or number for it.

    Raises:
        InputError: something else; says which page.
    """
    single = isinstance(given, str | bytes | bytearray | memoryview | Mapping | Given)
    if single or not isinstance(given, Iterable):
        given = [given]
    pages = [_read(page, place) for place, page in enumerate(given)]
    if len(pages) == 1:
        return tuple(pages)
    return tuple(
        replace(page, source=page.source or page.title or f"page {number}")
        for number, page in enumerate(pages, 1)
    )


def read_keep(keep: Any) -> frozenset[str]:
    """What cleaning is to leave, as a set of names.

    Args:
        keep: a name, or an iterable of names.

    Raises:
        InputError: something that is no name.
    """
    given = [keep] if isinstance(keep, str) or not isinstance(keep, Iterable) else [*keep]
    if not all(isinstance(name, str) for name in given):
        raise InputError(f'keep is {keep!r}; give names, such as ("href", "alt").')
    return frozenset(given)


def prepare(given: Given, level: str, keep: frozenset[str], encoding: str | None) -> Page:
    """A page parsed, what nobody sees taken out, and cleaned.

    Args:
        given: the page.
        level: how much is cleaned away.
        keep: what cleaning leaves that it takes out otherwise.
        encoding: of bytes; None: as the page says.
    """
    read = read_names(level, keep)
    attributes = None if read is None else read.union(READ, MARKED)
    parsed = parse(given.html, encoding=encoding, attributes=attributes)
    # Scorers know the title; a reader of the page does not see it, nor does that of the text.
    unwanted = () if "title" in keep else ("title",)
    tree, removed = visible(parsed.tree, unwanted=unwanted)
    tree = clean(tree, level, keep=keep)
    title = given.title or _title(parsed.tree)
    return Page(given.source, title, tree, parsed, removed, level, keep)


def _title(tree: Tree) -> str:
    """What the page calls itself; not what a drawing inside it is called."""
    for row, tag in enumerate(tree.tags):
        if tag == "title" and tree.tags[tree.parents[row]] in ("head", "html", "body"):
            return " ".join(tree.texts[row].split())
    return ""


def _read(given: Any, place: int) -> Given:
    if isinstance(given, Given):
        return given
    if isinstance(given, str | bytes):
        return Given(given)
    if isinstance(given, bytearray | memoryview):
        return Given(bytes(given))
    if isinstance(given, Mapping):
        fields = given
    else:
        names = (*_TEXT_NAMES, *_SOURCE_NAMES, "title")
        fields = {name: getattr(given, name, None) for name in names}
    html = next((fields[name] for name in _TEXT_NAMES if fields.get(name) is not None), None)
    if not isinstance(html, str | bytes):
        what = (
            f"a mapping with the keys {sorted(map(str, given))}"
            if isinstance(given, Mapping)
            else f"a {type(given).__name__}"
        )
        raise InputError(
            f"page {place} is {what}; give bytes, a text, or a mapping or an object with one under "
            '"html".'
        )
    source = next((fields[name] for name in _SOURCE_NAMES if fields.get(name) is not None), "")
    title = fields.get("title")
    if title is not None and not isinstance(title, str):
        raise InputError(f"page {place} has the title {title!r}; a title is a text.")
    return Given(html, str(source), title or "")
