"""Chunks into items: a row a sentence, priced in tokens, with pins and what comes along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from datapruner.context.chunk import Chunk, encodable
from datapruner.context.hidden import Cleaned, find_hidden, without_hidden
from datapruner.context.pins import Pin, antecedent, is_title
from datapruner.context.sentences import sentence_spans
from datapruner.core.items import Items
from datapruner.core.types import AnyArray, IntArray
from datapruner.errors import InputError
from datapruner.tokens import TokenCounter

__all__ = ["Rules", "Units", "make_units"]


@dataclass(frozen=True)
class Rules:
    """How chunks become units.

    Attributes:
        title: a chunk's title line stays wherever anything of the chunk does.
        pins: functions of a sentence; what one of them says yes to must stay.
        antecedents: a sentence that opens with a pronoun brings the one before it.
        hidden: ``"flag"``, ``"drop"`` or ``"keep"`` characters that nobody sees.
        language: of all chunks; None: guessed for each.
        longest: code points of the longest unit.
    """

    title: bool
    pins: tuple[Pin, ...]
    antecedents: bool
    hidden: str
    language: str | None
    longest: int


@dataclass(frozen=True)
class Units:
    """The sentences of a call, in source order.

    Attributes:
        chunks: as they were given.
        texts: the text of each chunk that is cut and rendered: cleaned where that was asked for.
        starts, ends: shape (n,), int64, offsets of each row in its chunk's text.
        items: the rows; group codes are positions in ``chunks``.
        hidden: chunks with hidden characters, and how many.
    """

    chunks: tuple[Chunk, ...]
    texts: tuple[Cleaned, ...]
    starts: IntArray
    ends: IntArray
    items: Items
    hidden: dict[int, int]

    @cached_property
    def bounds(self) -> list[tuple[int, int]]:
        """``(start, end)`` of each row as plain numbers, which slice faster."""
        return list(zip(self.starts.tolist(), self.ends.tolist(), strict=True))

    @property
    def groups(self) -> AnyArray:
        """Shape (n,), int32: the position of each row's chunk."""
        return self.items.group

    def place(self, row: int) -> tuple[str, int, int]:
        """What a sentence is, whatever its chunk is called: the chunk's text, and where in it."""
        return self.texts[int(self.groups[row])].text, *self.bounds[row]

    def slice(self, row: int, end: int | None = None) -> str:
        """The text of a row, up to ``end`` in its chunk's text if that is given."""
        start, stop = self.bounds[row]
        return self.texts[int(self.groups[row])].text[start : stop if end is None else end]


def make_units(chunks: tuple[Chunk, ...], rules: Rules, counter: TokenCounter) -> Units:
    """The sentences of the chunks as items.

    Chunks without a visible character have no rows.

    Args:
        chunks: in source order.
        rules: how they are cut, and what stays or comes along.
        counter: prices each sentence by itself.

    Returns:
        The units; features ``text`` and ``title`` are lists of str.
    """
    drop = rules.hidden == "drop"
    texts = tuple(without_hidden(c.text) if drop else Cleaned(c.text) for c in chunks)
    sentences: list[str] = []
    groups: list[int] = []
    readable: list[str] = []
    bounds: list[IntArray] = []
    parents: list[int] = []
    shells: list[bool] = []
    for code, (chunk, cleaned) in enumerate(zip(chunks, texts, strict=True)):
        text = cleaned.text
        if not text.strip():
            continue
        spans = sentence_spans(text, language=rules.language, longest=rules.longest)
        own = [text[start:end] for start, end in spans.tolist()]
        titled = rules.title and len(own) > 1 and is_title(own[0], chunk.title)
        parents += _parents(own, titled, len(sentences), rules.antecedents)
        shells += [titled, *[False] * (len(own) - 1)]
        sentences += own
        # Nearly every text can be read as it is; then so can its sentences.
        as_is = encodable(text) is text
        readable += own if as_is else map(encodable, own)
        groups += [code] * len(own)
        bounds.append(spans)
    spans = np.concatenate(bounds) if bounds else np.empty((0, 2), dtype=np.int64)
    titles = [encodable(chunk.title) for chunk in chunks]
    linked = any(parent >= 0 for parent in parents)
    pinned = _pinned(sentences, rules.pins)
    items = Items.of(
        len(sentences),
        cost=counter.count(readable).astype(np.float64),
        unit="tokens",
        group=np.array(groups, dtype=np.int32),
        group_names=[str(chunk.id) for chunk in chunks] or ["none"],
        parent=parents if linked else None,
        pinned=pinned,
        shell=_loose(shells, pinned) if any(shells) else None,
        text=readable,
        title=[titles[code] for code in groups],
    )
    return Units(chunks, texts, spans[:, 0], spans[:, 1], items, _hidden(chunks, rules.hidden))


def _hidden(chunks: tuple[Chunk, ...], hidden: str) -> dict[int, int]:
    if hidden == "keep":
        return {}
    found = {place: len(find_hidden(chunk.text)) for place, chunk in enumerate(chunks)}
    return {place: number for place, number in found.items() if number}


def _parents(own: list[str], titled: bool, first: int, antecedents: bool) -> list[int]:
    """What comes along with each sentence: the one it leans on, else the chunk's title."""
    above = [-1, *[first if titled else -1] * (len(own) - 1)]
    if antecedents:
        for place in range(1, len(own)):
            if antecedent(own, place):
                above[place] = first + place - 1
    return above


def _loose(shells: list[bool], pinned: list[bool] | None) -> list[bool]:
    """Titles that stay with their chunk alone; a pinned one is a row like others."""
    if pinned is None:
        return shells
    return [title and not pin for title, pin in zip(shells, pinned, strict=True)]


def _pinned(sentences: Sequence[str], pins: tuple[Pin, ...]) -> list[bool] | None:
    if not pins:
        return None
    pinned = []
    for sentence in sentences:
        said = [pin(sentence) for pin in pins]
        for answer in said:
            if not isinstance(answer, bool | np.bool_):
                raise InputError(
                    f"a pin answered {answer!r} to {sentence[:40]!r}; it must say True or False."
                )
        pinned.append(any(said))
    return pinned
