"""Blocks of a page as a prompt: a list, the question, and what each block is called."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol

from datapruner.errors import InputError
from datapruner.scorers.causal import CausalModel

__all__ = ["Entry", "Layout", "Listing", "entries_of", "parts_of", "shortened"]

_ANSWER_TOKENS = 16
"""Room for a number in brackets."""

_LEAST_ROOM = 128
"""Tokens for blocks without which no choice can be made."""

_PARTS = 4
"""So many entries fit at least, so that every round of a contest ends in fewer windows."""

_DEEPEST = 32
"""Steps of a path that are told."""

_HEAD = "Here is a web page.\n\n"
_ASKED = {
    "openings": "Repeat the line of the page that answers the question.",
    "numbers": "Which block answers the question? Reply with its number in brackets.",
    "paths": "Which block answers the question? Reply with its tags, and repeat its first words.",
}


class Entry(NamedTuple):
    """A block, or a part of a long one, as it stands in a list.

    Attributes:
        row: of the items.
        text: white space collapsed.
        title: what stands above it; "" for nothing.
        tags: of its path; "" where none are told.
    """

    row: int
    text: str
    title: str
    tags: str


class Layout(Protocol):
    """How blocks are put to a model."""

    def split(self, text: str) -> list[str]:
        """A text in parts that fit an entry, one where it is short enough."""

    def tags(self, row: int) -> str:
        """The path of a row as it is told; "" where none is."""


class Listing:
    """How blocks are put to a model, token for token.

    Args:
        model: that is asked.
        query: the question; what exceeds a quarter of the window is cut off, with a warning.
        window: tokens of prompt and answer at most.
        answer: ``"openings"``, ``"numbers"`` or ``"paths"``: what a block is called.
        paths: XPath of each row, which ``"paths"`` needs.
        words: first words of a block in an answer, where it has any.

    Attributes:
        room: tokens for entries in one prompt.
        longest: tokens of one entry at most, title included.

    Raises:
        InputError: the window leaves no room for blocks.
    """

    def __init__(
        self,
        model: CausalModel,
        query: str,
        window: int,
        answer: str,
        paths: Sequence[str] = (),
        words: int = 4,
    ) -> None:
        self._answer, self._paths, self._words, self._model = answer, paths, words, model
        self._encode = lru_cache(maxsize=4096)(model.encode)
        asked = _ASKED[answer]
        self._head = model.encode(_HEAD)
        self._tail = [
            *model.encode("\nQuestion: "),
            *shortened(model.encode(" ".join(query.split())), window),
            *model.encode(f"\n{asked}"),
        ]
        around = len(model.framed([*self._head, *self._tail]))
        # Tags and words may be long: what is said of a block has its share as well.
        self._said = _ANSWER_TOKENS if answer == "numbers" else max(window // 8, _ANSWER_TOKENS)
        self.room = window - around - self._said
        if self.room < _LEAST_ROOM:
            raise InputError(
                f"a prompt for {model.name} has {window} tokens, of which instruction, question "
                f"and answer take {window - self.room}: too few are left for blocks. Raise window, "
                "or take a model that reads more."
            )
        self.longest = self.room // _PARTS

    def cost(self, entry: Entry, above: str) -> int:
        """Tokens of an entry in a prompt.

        Args:
            entry: of this list.
            above: title of the entry before it; "" for none.
        """
        # The longest number that a list of this room can have stands for all.
        return len(self._lines(entry, above, 10_000))

    def prompt(self, entries: Sequence[Entry]) -> list[int]:
        """Token ids of the prompt for some entries.

        Args:
            entries: at most as many as fit ``room``.
        """
        ids = list(self._head)
        above = ""
        for number, entry in enumerate(entries, 1):
            ids += self._lines(entry, above, number)
            above = entry.title
        return self._model.framed([*ids, *self._tail])

    def answers(self, entries: Sequence[Entry]) -> list[list[int]]:
        """Token ids of what the model would say for each entry.

        Args:
            entries: as ``prompt`` has them.
        """
        if self._answer == "numbers":
            return [self._encode(f"[{number}]") for number in range(1, len(entries) + 1)]
        return [self._said_of(entry)[: self._said] for entry in entries]

    def _said_of(self, entry: Entry) -> list[int]:
        words = " ".join(entry.text.split()[: self._words])
        # A block without words is still a line.
        return self._encode(f"{entry.tags} {words}".strip()) or self._encode("-")

    def split(self, text: str) -> list[str]:
        """A text in parts that fit an entry, one where it is short enough.

        Args:
            text: white space collapsed.
        """
        return parts_of(self._model, text, self.longest // 2)

    def tags(self, row: int) -> str:
        """The path of a row as tags, of a deep one the innermost; "" where no paths are told.

        Args:
            row: of the items.
        """
        if self._answer != "paths":
            return ""
        steps = [f"<{step}>" for step in self._paths[row].split("/") if step]
        told = "".join(steps[-_DEEPEST:])
        while len(steps) > 1 and len(self._encode(told)) > self.longest // 4:
            steps = steps[-_DEEPEST:][1:]
            told = "".join(steps)
        return told

    def _lines(self, entry: Entry, above: str, number: int) -> list[int]:
        ids: list[int] = []
        if entry.title and entry.title != above:
            ids += self._encode(f"# {entry.title}\n")[: self.longest // 4]
        named = {"numbers": f"[{number}]", "openings": "-"}.get(self._answer, entry.tags)
        return [*ids, *self._encode(f"{named} {entry.text}\n")[: self.longest * 3 // 4]]


def entries_of(texts: Sequence[str], titles: Sequence[str], layout: Layout) -> list[Entry]:
    """The entries of all rows, in order; one that is too long for a list has several.

    Args:
        texts: of the rows.
        titles: of the rows; "" for none.
        layout: that they go into.
    """
    made = []
    for row, (text, title) in enumerate(zip(texts, titles, strict=True)):
        parts, named = layout.split(" ".join(text.split())), " ".join(title.split())
        made += [Entry(row, part, named, layout.tags(row)) for part in parts]
    return made


def shortened(ids: list[int], window: int) -> list[int]:
    """A question of at most a quarter of a window; what is cut off is told in a warning.

    Args:
        ids: its tokens.
        window: tokens of a prompt at most.
    """
    most = window // 4
    if len(ids) > most:
        warnings.warn(
            f"the question has {len(ids)} tokens; the model reads the first {most}, a quarter of "
            f"its window of {window}. Ask a shorter question.",
            RuntimeWarning,
            stacklevel=4,
        )
    return ids[:most]


def parts_of(model: CausalModel, text: str, most: int) -> list[str]:
    """A text in parts, one where it is short enough.

    Args:
        model: whose tokens count.
        text: white space collapsed.
        most: tokens of a part.
    """
    ids = model.encode(text)
    if len(ids) <= most:
        return [text]
    return [model.decode(ids[at : at + most]) for at in range(0, len(ids), most)]
