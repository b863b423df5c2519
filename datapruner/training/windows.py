"""Pairs as token windows: ``[CLS] query [SEP] passage [SEP]``, cut at sentence borders.

The label of a token is that of its sentence; the sentence of a token is that of its last character.
Question, special tokens and text outside every sentence have no label and no part in the loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from datapruner import rng
from datapruner.core.types import AnyArray, IntArray
from datapruner.errors import InputError
from datapruner.training.pairs import Pair

__all__ = ["NO_LABEL", "Special", "Window", "cut_windows"]

NO_LABEL = -100
"""What torch's cross-entropy leaves out by default."""

LEAST_ROOM = 16
"""Passage tokens that every window has room for, however long the question."""

_BATCH = 1024  # texts in one call of the tokenizer


@dataclass(frozen=True)
class Special:
    """Ids of the special tokens of a packing "pair"."""

    first: int
    between: int
    padding: int

    @classmethod
    def of(cls, tokenizer: Any) -> Special:
        """From a ``tokenizers.Tokenizer``, by the names BERT and the others give them.

        Raises:
            InputError: it has none of them.
        """
        found = []
        for names in (("[CLS]", "<s>"), ("[SEP]", "</s>"), ("[PAD]", "<pad>")):
            ids = [tokenizer.token_to_id(name) for name in names]
            known = [number for number in ids if number is not None]
            if not known:
                raise InputError(
                    f"the tokenizer has neither {names[0]} nor {names[1]}; a base of the BERT "
                    "family is needed."
                )
            found.append(int(known[0]))
        return cls(*found)


@dataclass(frozen=True)
class Window:
    """One input of the model.

    Attributes:
        pair: number of the pair it comes from.
        number: of the window within the pair, counting those that were left out.
        ids: shape (L,), int32, special tokens included.
        passage: where the passage begins in ``ids``; types are 0 before and 1 from there.
        labels: shape (L,), int8: 1 keep, 0 drop, ``NO_LABEL`` none.
        sentence: shape (L,), int32: number of the token's sentence in the pair, -1 none.
        relevant: whether this window answers.
    """

    pair: int
    number: int
    ids: AnyArray
    passage: int
    labels: AnyArray
    sentence: AnyArray
    relevant: int

    def __len__(self) -> int:
        return len(self.ids)


def cut_windows(
    pairs: Sequence[Pair], tokenizer: Any, *, max_length: int, others: int, seed: int
) -> list[Window]:
    """Windows of every pair, in the order of the pairs.

    A passage that fits is one window. Of a longer one, every window with a kept sentence is taken,
    and of the rest as many as ``others``, drawn by the pair's id.

    Args:
        pairs: the training or validation pairs.
        tokenizer: ``tokenizers.Tokenizer``; its truncation and padding are not used.
        max_length: tokens of a window, special tokens included.
        others: windows without a kept sentence that a longer passage brings; below 0: all.
        seed: of that draw.

    Raises:
        InputError: ``max_length`` leaves no room for a passage.
    """
    if max_length < 2 * LEAST_ROOM + 3:
        raise InputError(f"max_length={max_length}: at least {2 * LEAST_ROOM + 3} tokens.")
    special = Special.of(tokenizer)
    made: list[Window] = []
    for first in range(0, len(pairs), _BATCH):
        block = pairs[first : first + _BATCH]
        queries = tokenizer.encode_batch([p.query for p in block], add_special_tokens=False)
        passages = tokenizer.encode_batch([p.passage for p in block], add_special_tokens=False)
        for place, (query, passage) in enumerate(zip(queries, passages, strict=True)):
            pair = block[place]
            windows = _windows(pair, first + place, query.ids, passage, special, max_length)
            made += _chosen(pair, windows, others, seed)
    return made


def _windows(
    pair: Pair, number: int, query: list[int], passage: Any, special: Special, max_length: int
) -> list[Window]:
    # A question may take half the window, and never the room for the passage.
    asked = query[: min(max_length // 2, max_length - 3 - LEAST_ROOM)]
    room = max_length - 3 - len(asked)
    ids = np.array(passage.ids, dtype=np.int32)
    sentence = _sentence_of(pair, np.array(passage.offsets, dtype=np.int64).reshape(-1, 2))
    placed = np.flatnonzero(sentence >= 0)
    if not len(placed):
        return []
    # What stands before the first sentence (a title) opens every window, unless it is long.
    head = int(placed[0]) if placed[0] <= room // 4 else 0
    front = np.arange(head)
    windows: list[Window] = []
    for rows in _packed(sentence, int(placed[0]), room - head):
        taken = np.concatenate([front, rows])
        windows.append(
            _window(pair, (number, len(windows)), asked, ids[taken], sentence[taken], special)
        )
    if len(windows) == 1:
        return [replace(windows[0], relevant=pair.relevant)]
    return windows


def _sentence_of(pair: Pair, offsets: IntArray) -> IntArray:
    """Number of the sentence of each token's last character, -1 outside all of them."""
    spans = np.array(pair.sentences, dtype=np.int64)
    last = np.maximum(offsets[:, 1] - 1, offsets[:, 0])
    found = np.searchsorted(spans[:, 0], last, side="right") - 1
    inside = (found >= 0) & (last < spans[np.maximum(found, 0), 1])
    result: IntArray = np.where(inside, found, -1).astype(np.int32)
    return result


def _packed(sentence: IntArray, begin: int, room: int) -> list[IntArray]:
    """Token numbers of each window: whole sentences while they fit, longer ones in pieces."""
    filled = np.maximum.accumulate(sentence[begin:])  # stray tokens go with the sentence before
    borders = np.flatnonzero(np.diff(filled)) + 1
    pieces = []
    for run in np.split(np.arange(begin, len(sentence)), borders):
        pieces += [run[i : i + room] for i in range(0, len(run), room)]
    windows, length = [[pieces[0]]], len(pieces[0])
    for piece in pieces[1:]:
        if length + len(piece) > room:
            windows.append([])
            length = 0
        windows[-1].append(piece)
        length += len(piece)
    return [np.concatenate(parts) for parts in windows]


def _window(
    pair: Pair,
    place: tuple[int, int],
    asked: list[int],
    ids: AnyArray,
    sentence: AnyArray,
    special: Special,
) -> Window:
    begin = len(asked) + 2
    keep = np.array(pair.keep, dtype=np.int8)
    labels = np.full(begin + len(ids) + 1, NO_LABEL, dtype=np.int8)
    labels[begin:-1] = np.where(sentence >= 0, keep[np.maximum(sentence, 0)], NO_LABEL)
    where = np.full(len(labels), -1, dtype=np.int32)
    where[begin:-1] = sentence
    whole = np.array([special.first, *asked, special.between, *ids, special.between], np.int32)
    return Window(*place, whole, begin, labels, where, int((labels == 1).any()))


def _chosen(pair: Pair, windows: list[Window], others: int, seed: int) -> list[Window]:
    rest = [window for window in windows if not (window.labels == 1).any()]
    if len(windows) < 2 or others < 0 or len(rest) <= others:
        return windows
    names = rng.hash_strings([f"{pair.id}\x1f{window.number}" for window in rest])
    order = np.argsort(rng.mix(names, seed), kind="stable")[:others]
    drawn = {rest[place].number for place in order.tolist()}
    return [w for w in windows if w.number in drawn or (w.labels == 1).any()]
