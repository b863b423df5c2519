"""Question and passages through a labelling model; token probabilities as sentence values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from datapruner.core.types import BoolArray, FloatArray, IntArray
from datapruner.scorers.labelformat import LabelSettings
from datapruner.scorers.labelwindows import (
    Passage,
    Window,
    batches,
    cut_windows,
    question_ids,
    tokenise,
)

__all__ = ["RANKS", "Labelling", "Runtime", "logistic", "rounded", "with_title"]

RANKS = ("max", "first", "mean")


@runtime_checkable
class Runtime(Protocol):
    """A labelling model, whatever runs it.

    Attributes:
        name: for people and reports.
        tokenizer: a ``tokenizers.Tokenizer``.
        settings: how it wants its input.
        batch_tokens: tokens of one forward pass, padding included; 0: one window at a time.
    """

    name: str
    tokenizer: Any
    settings: LabelSettings
    batch_tokens: int

    def run(self, ids: IntArray, mask: IntArray, types: IntArray) -> tuple[Any, Any]:
        """Keep logits (b, L) and rank logits (b,), float32, of inputs (b, L), int64."""
        ...


def logistic(logits: Any) -> Any:
    """1 / (1 + exp(-x)) without overflow, and exact for very small results; keeps the dtype."""
    return np.exp(-np.logaddexp(0, -logits))


def rounded(
    probabilities: FloatArray, sentence: IntArray, sentences: int, threshold: float
) -> tuple[FloatArray, FloatArray]:
    """Mean probability, and share of tokens above the threshold, of each sentence.

    Args:
        probabilities: shape (t,), of tokens.
        sentence: shape (t,), the sentence of each token, -1 for none.
        sentences: how many there are, m.
        threshold: tokens at it are not above it.

    Returns:
        Two arrays of shape (m,), float64, in [0, 1]; 0 for a sentence without tokens.
    """
    placed = sentence >= 0
    where, values = sentence[placed], probabilities[placed].astype(np.float64)
    number = np.maximum(np.bincount(where, minlength=sentences), 1)
    means = np.bincount(where, values, minlength=sentences) / number
    above = np.bincount(where, (values > threshold).astype(np.float64), minlength=sentences)
    return np.clip(means, 0.0, 1.0), above / number


def with_title(kept: BoolArray) -> BoolArray:
    """The kept sentences of a chunk, and the first, its title, with any of them.

    Args:
        kept: shape (m,), bool.

    Returns:
        A new array; nothing kept stays nothing kept.
    """
    made = kept.copy()
    made[:1] |= kept.any()
    return made


class Labelling:
    """One question and the passages it is put to, as windows of one model.

    Args:
        runtime: the model.
        query: the question, not blank.
        passages: different from each other.
        overlap: sentences that neighbouring windows share.

    Attributes:
        windows: all of them, in the order of the passages.
    """

    def __init__(
        self, runtime: Runtime, query: str, passages: Sequence[Passage], overlap: int
    ) -> None:
        self.runtime = runtime
        self.passages = passages
        self.asked = question_ids(runtime.tokenizer, query, runtime.settings)
        self.around = runtime.settings.special.overhead + len(self.asked)
        room = runtime.settings.max_length - self.around
        self.tokens = tokenise(runtime.tokenizer, passages)
        self.windows = [
            Window(number, taken)
            for number, tokens in enumerate(self.tokens)
            for taken in cut_windows(tokens, room, overlap)
        ]

    def labels(self, threshold: float, rank: str) -> list[tuple[FloatArray, FloatArray, float]]:
        """Run every window once.

        Args:
            threshold: what a token's probability must be above to count for its sentence's share.
            rank: ``"max"``, ``"first"`` or ``"mean"`` of a passage's windows.

        Returns:
            For each passage the mean probability of each of its m sentences, shape (m,), float64;
            the share of tokens above the threshold, the same; and the rank logit, -inf for a
            passage without tokens, which is never read. A token that two windows read counts once,
            with the mean of its probabilities.
        """
        sums = [np.zeros(len(tokens.ids)) for tokens in self.tokens]
        reads = [np.zeros(len(tokens.ids)) for tokens in self.tokens]
        ranks: list[list[float]] = [[] for _ in self.tokens]
        scores: dict[int, float] = {}
        begin = len(self.runtime.settings.special.first) + len(self.asked)
        begin += len(self.runtime.settings.special.between)
        for batch in batches(self.windows, self.runtime.batch_tokens, self.around):
            keep, logits = self.runtime.run(*self._inputs(batch))
            p = logistic(np.asarray(keep, dtype=np.float32))
            for line, number in enumerate(batch):
                window = self.windows[number]
                read = p[line, begin : begin + len(window.tokens)]
                sums[window.passage][window.tokens] += read
                reads[window.passage][window.tokens] += 1
                scores[number] = float(logits[line])
        for number, window in enumerate(self.windows):
            ranks[window.passage].append(scores[number])
        return [
            (
                *rounded(
                    total / np.maximum(read, 1), own.sentence, len(passage.sentences), threshold
                ),
                _ranked(logits, rank),
            )
            for passage, own, total, read, logits in zip(
                self.passages, self.tokens, sums, reads, ranks, strict=True
            )
        ]

    def _inputs(self, batch: Sequence[int]) -> tuple[IntArray, IntArray, IntArray]:
        special = self.runtime.settings.special
        front = np.concatenate([special.first, self.asked, special.between]).astype(np.int64)
        last = np.array(special.last, dtype=np.int64)
        lines = []
        for number in batch:
            window = self.windows[number]
            lines.append(
                np.concatenate([front, self.tokens[window.passage].ids[window.tokens], last])
            )
        shape = (len(batch), max(map(len, lines)))
        ids = np.full(shape, special.padding, dtype=np.int64)
        mask, types = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        for row, line in enumerate(lines):
            ids[row, : len(line)] = line
            mask[row, : len(line)] = 1
            types[row, len(front) : len(line)] = 1
        return ids, mask, types


def _ranked(logits: Sequence[float], rank: str) -> float:
    """A passage's logit; one without tokens was never read and is the least relevant of all."""
    if not logits:
        return float("-inf")
    if rank == "first":
        return logits[0]
    return max(logits) if rank == "max" else sum(logits) / len(logits)
