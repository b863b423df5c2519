"""Passages as token windows: whole sentences, as many as fit, the border sentence in both.

A passage is tokenised once, with offsets. A token belongs to the sentence of its last character,
a token without characters to none. The title stands in front of the text, belongs to no sentence
and opens every window, unless it takes more than a quarter of one: then it is left out of passages
that need several.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from datapruner.core.types import IntArray
from datapruner.scorers.labelformat import LEAST_ROOM, LabelSettings, normalised

__all__ = ["Passage", "Tokens", "Window", "batches", "cut_windows", "question_ids", "tokenise"]

_SURROGATE = re.compile("[\ud800-\udfff]")
_LONGEST_TITLE = 4  # a title takes a quarter of a window at most


@dataclass(frozen=True)
class Passage:
    """One chunk as the model reads it.

    Attributes:
        title: stands in front; "" for none.
        sentences: they partition the text.
    """

    title: str
    sentences: tuple[str, ...]

    @property
    def head(self) -> str:
        """The title's line, "" where there is none or the text begins with it anyway."""
        title = self.title.strip()
        if not title or (self.sentences and self.sentences[0].strip() == title):
            return ""
        return f"{title}\n"


@dataclass(frozen=True)
class Tokens:
    """The tokens of a passage.

    Attributes:
        ids: shape (t,), int64.
        sentence: shape (t,), int64: the sentence of each token, -1 for none.
        head: how many tokens at the start are the title's.
    """

    ids: IntArray
    sentence: IntArray
    head: int


@dataclass(frozen=True)
class Window:
    """One input of the model, not yet assembled.

    Attributes:
        passage: number of the passage.
        tokens: shape (w,), int64, which of the passage's tokens are read, in order.
    """

    passage: int
    tokens: IntArray


def question_ids(tokenizer: Any, query: str, settings: LabelSettings) -> IntArray:
    """The question's tokens: at most half a window, and never the room for the passage.

    Args:
        tokenizer: a ``tokenizers.Tokenizer``.
        query: any text.
        settings: the model's.

    Returns:
        Shape (q,), int64; a ``RuntimeWarning`` says how much was cut off.
    """
    text = readable(normalised(query, settings.normalisation))
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    length = settings.max_length
    most = min(length // 2, length - settings.special.overhead - LEAST_ROOM)
    if len(ids) > most:
        warnings.warn(
            f"the question has {len(ids)} tokens; the model reads the first {most}, half of its "
            f"window of {length}. Ask a shorter question.",
            RuntimeWarning,
            stacklevel=2,
        )
    return np.array(ids[:most], dtype=np.int64)


def tokenise(tokenizer: Any, passages: Sequence[Passage]) -> list[Tokens]:
    """The tokens of each passage, and whose they are."""
    heads = [passage.head for passage in passages]
    texts = [
        readable(head + "".join(passage.sentences))
        for head, passage in zip(heads, passages, strict=True)
    ]
    made = []
    encoded = tokenizer.encode_batch(texts, add_special_tokens=False)
    for head, passage, found in zip(heads, passages, encoded, strict=True):
        offsets = np.array(found.offsets, dtype=np.int64).reshape(-1, 2)
        lengths = np.array([len(text) for text in passage.sentences], dtype=np.int64)
        starts = len(head) + np.cumsum(lengths) - lengths
        sentence = np.searchsorted(starts, offsets[:, 1] - 1, side="right") - 1
        sentence[offsets[:, 1] <= offsets[:, 0]] = -1
        # Tokens without characters inside the title are the title's as well.
        placed = np.flatnonzero(offsets[:, 1] > len(head))
        first = int(placed[0]) if placed.size else len(offsets)
        ids = np.array(found.ids, dtype=np.int64)
        made.append(Tokens(ids, sentence, first if head else 0))
    return made


def cut_windows(tokens: Tokens, room: int, overlap: int) -> list[IntArray]:
    """Which tokens each window of a passage reads.

    Sentences are packed while they fit; a window begins with the last ``overlap`` sentences of the
    one before, as far as the next one still fits. A sentence longer than a window is cut into equal
    pieces, each of them packed as a sentence is.

    Args:
        tokens: of the passage.
        room: tokens of a window that are the passage's, the title's included.
        overlap: sentences that two windows share, 0 or more.

    Returns:
        Arrays of token numbers, rising; every token that is not the title's is in one at least.
        None for a passage without tokens.
    """
    n = len(tokens.ids)
    if not n:
        return []
    if n <= room:
        return [np.arange(n)]
    head = tokens.head if tokens.head <= room // _LONGEST_TITLE else 0
    space, front = room - head, np.arange(head)
    bounds = _pieces(tokens, space)
    pieces = len(bounds) - 1
    windows = []
    first = last = 0
    while last < pieces:
        while last < pieces and bounds[last + 1] - bounds[first] <= space:
            last += 1
        windows.append(np.concatenate([front, np.arange(bounds[first], bounds[last])]))
        if last < pieces:
            first = max(first + 1, last - overlap)
            while bounds[last + 1] - bounds[first] > space:
                first += 1
    return windows


def batches(windows: Sequence[Window], most: int, around: int) -> Iterator[list[int]]:
    """Numbers of the windows that go through the model together, short ones with short ones.

    Args:
        windows: all of them.
        most: tokens of a batch, padding included; a longer window goes alone, and 0 sends every
            window alone, in no company that could change its last bits.
        around: tokens of a window besides the passage's.
    """
    lengths = around + np.array([len(window.tokens) for window in windows], dtype=np.int64)
    batch: list[int] = []
    for number in np.argsort(lengths, kind="stable").tolist():
        if batch and (len(batch) + 1) * lengths[number] > most:
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch


def readable(text: str) -> str:
    """The text with lone surrogates, which no tokenizer takes, replaced one for one."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def _pieces(tokens: Tokens, space: int) -> list[int]:
    """Token numbers where sentences, or pieces of long ones, begin; and the end."""
    body = tokens.sentence[tokens.head :]
    # Tokens of no sentence go with the sentence before them.
    filled = np.maximum.accumulate(np.maximum(body, 0))
    borders = np.flatnonzero(np.diff(filled)) + 1
    edges = tokens.head + np.concatenate([[0], borders, [len(body)]])
    bounds = [tokens.head]
    for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        number = -(-(end - start) // space)
        bounds += [start + (end - start) * i // number for i in range(1, number + 1)]
    return bounds
