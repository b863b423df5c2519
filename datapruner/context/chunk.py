"""A chunk as the pruner reads it, from whatever a retriever hands over."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from datapruner.errors import InputError

__all__ = ["Chunk", "encodable", "read_chunks"]

# Names under which objects of retrievers keep their text.
_TEXT_NAMES = ("text", "page_content", "content")


_SURROGATE = re.compile("[\ud800-\udfff]")


def encodable(text: str) -> str:
    """The text as models and tokenizers can read it: U+FFFD for each half of a surrogate pair.

    One code point for one, so that offsets stay; such halves come from broken JSON and have no
    UTF-8. What is rendered keeps them.

    Args:
        text: any text.
    """
    if text.isascii():
        return text
    try:
        # Many times as fast as to look for them.
        text.encode("utf-8")
    except UnicodeEncodeError:
        return _SURROGATE.sub("\ufffd", text)
    return text


@dataclass(frozen=True)
class Chunk:
    """One text of the context.

    Attributes:
        id: the user's name for it; the position in the list where none was given.
        text: what is pruned.
        title: of the document it comes from, "" where nobody knows; it helps the scorers, and is
            no part of the text.
    """

    id: str | int
    text: str
    title: str = ""


def read_chunks(chunks: Any) -> tuple[Chunk, ...]:
    """The chunks of a call in their order.

    Args:
        chunks: one text, or an iterable of texts, of mappings with ``text`` and maybe ``id`` and
            ``title`` (any other key is left alone), or of objects with such attributes (the text
            may be called ``page_content`` or ``content``). Ids need not differ.

    Returns:
        One ``Chunk`` for each.

    Raises:
        InputError: something else, or a text that is no string; says which chunk.
    """
    if isinstance(chunks, str | Mapping) or not isinstance(chunks, Iterable):
        chunks = [chunks]
    return tuple(_read(given, place) for place, given in enumerate(chunks))


def _read(given: Any, place: int) -> Chunk:
    if isinstance(given, Chunk):
        return given
    if isinstance(given, str):
        return Chunk(place, given)
    fields = given if isinstance(given, Mapping) else _Attributes(given)
    text = next((fields[name] for name in _TEXT_NAMES if fields.get(name) is not None), None)
    if not isinstance(text, str):
        raise InputError(
            f"chunk {place} is {_told(given)}; give a text, or a mapping or an object with one "
            'under "text".'
        )
    title = fields.get("title")
    if title is None:
        title = ""
    if not isinstance(title, str):
        raise InputError(f"chunk {place} has the title {title!r}; a title is a text.")
    return Chunk(_id(fields.get("id"), place), text, title)


def _id(given: Any, place: int) -> str | int:
    if given is None:
        return place
    whole = isinstance(given, int) and not isinstance(given, bool)
    return given if isinstance(given, str) or whole else str(given)


def _told(given: Any) -> str:
    if isinstance(given, Mapping):
        return f"a mapping with the keys {sorted(map(str, given))}"
    return f"a {type(given).__name__}"


class _Attributes(dict[str, Any]):
    """An object's attributes as a mapping."""

    def __init__(self, given: object) -> None:
        names = (*_TEXT_NAMES, "id", "title")
        super().__init__({name: getattr(given, name, None) for name in names})
