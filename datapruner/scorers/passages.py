"""Lexical relevance of the blocks of a page: their own words, their passage's, their heading's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.core.types import FloatArray
from datapruner.scorers.lexical import bm25, check_weights
from datapruner.scorers.mentions import asked_words, mentions
from datapruner.scorers.names import places, titles

__all__ = ["Passages"]

_ABOVE = " > "
_MOSTLY = 0.5


@dataclass(frozen=True)
class Passages:
    """How relevant each block is to the query by words, its own and those around it.

    The value is a sum of five parts:

    1. BM25 of the block's own text, on the scale of the best block of the call.
    2. ``passage`` times the BM25 of its passage, headings included, on the scale of the best one.
    3. ``opening / (1 + i)`` times the same, with i the block's place in its passage.
    4. ``heading / (1 + i / 2)`` times the share of the query, rare words weighing more, that stands
       in the innermost heading, with i the block's place under it: where a heading says what is
       asked, the answer begins behind it.
    5. ``lead / (1 + i)``: the first blocks of a passage say what it is about.

    Blocks and passages that are mostly links lose ``links`` of 1 to 3: a table of contents says the
    question, not the answer. Words are compared by their first six letters.

    Attributes:
        passage, opening, heading, lead: weights, 0 or more.
        links: in [0, 1].

    Raises:
        InputError: a weight out of range.

    Source: Robertson et al. 1994 for BM25. The blend is ours, its weights chosen on the training
    halves of faq_html and of the Python manual's FAQ (benchmarks/html).
    """

    passage: float = 2.0
    opening: float = 0.5
    heading: float = 2.0
    lead: float = 0.2
    links: float = 0.8

    needs: ClassVar[frozenset[str]] = frozenset({"text"})
    meaning: ClassVar[str] = "more relevant"
    default_budget: ClassVar[str] = "50% of tokens"

    def __post_init__(self) -> None:
        """Refuse weights that no ranking could come from."""
        check_weights(self, ("passage", "opening", "heading", "lead"), shares=("links",))

    def __call__(self, items: Items, *, query: str | None = None, seed: int = 0) -> Scores:
        """Scores of the blocks; group codes say which passage each is of.

        Args:
            items: rows in document order, with a column ``text``, and maybe ``title`` (headings
                with " > " between them, the innermost last) and ``linked`` (share of links).
            query: the question; without a word in it every block scores by its place alone.
            seed: not used, nothing is drawn.

        Returns:
            Scores with float64 values of shape (n,), 0 or more, higher is more relevant;
            ``details["chunk_scores"]`` has the best value of each passage, 0 for one without rows.

        Raises:
            MissingColumnError: the items have no texts.
        """
        texts = items.feature("text", "lexical")
        values = self._values(items, texts, asked_words(query or ""))
        best = np.zeros(len(items.group_names))
        np.maximum.at(best, items.group, values)
        return Scores(
            values, items, self.meaning, "lexical", details={"chunk_scores": best.tolist()}
        )

    def _values(self, items: Items, texts: Sequence[str], asked: dict[str, str]) -> FloatArray:
        n, group = items.n, items.group.astype(np.int64)
        codes = len(items.group_names)
        counts = mentions(texts, asked)
        lengths = np.fromiter(map(len, texts), np.float64, n)
        linked = items.features.get("linked")
        links = np.zeros(n) if linked is None else np.asarray(linked, dtype=np.float64)
        told = titles(items)
        above, said, title_lengths = _headings(told, asked, codes)
        own = bm25(counts, lengths) * self._kept(links)
        inner = np.zeros((codes, len(asked)))
        np.add.at(inner, group, counts)
        sizes = _summed(lengths, group, codes)
        share = _summed(links * lengths, group, codes) / np.maximum(sizes, 1.0)
        there = sizes > 0
        outer = np.zeros(codes)
        outer[there] = bm25((inner + above)[there], (sizes + title_lengths)[there])
        of_passage = _scaled(outer * self._kept(share))[group]
        first = 1.0 / (1.0 + places(group))
        values: FloatArray = (
            _scaled(own) + (self.passage + self.opening * first) * of_passage + self.lead * first
        )
        if self.heading:
            values = values + self.heading * _covered(said, counts)[group] / (
                1.0 + _under(told, group) / 2.0
            )
        return values

    def _kept(self, links: FloatArray) -> FloatArray:
        kept: FloatArray = 1.0 - self.links * (links > _MOSTLY)
        return kept


def _headings(
    told: dict[int, str], asked: dict[str, str], codes: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Of each passage: words of all its headings, of the innermost, and how long they are."""
    above, said = np.zeros((codes, len(asked))), np.zeros((codes, len(asked)))
    lengths = np.zeros(codes)
    different = {title: place for place, title in enumerate(dict.fromkeys(told.values()))}
    if different:
        at = list(told)
        rows = [different[title] for title in told.values()]
        above[at] = mentions(list(different), asked)[rows]
        said[at] = mentions([title.rpartition(_ABOVE)[2] for title in different], asked)[rows]
        lengths[at] = np.array([len(title) for title in different], dtype=np.float64)[rows]
    return above, said, lengths


def _covered(said: FloatArray, counts: FloatArray) -> FloatArray:
    """Shape (passages,): share of the query in the innermost heading, by its words' weights."""
    n = len(counts)
    df = np.count_nonzero(counts, axis=0)
    weights = np.log1p((n - df + 0.5) / (df + 0.5))
    covered: FloatArray = (said > 0) @ weights / max(float(weights.sum()), 1e-9)
    return covered


def _under(told: dict[int, str], group: np.ndarray) -> FloatArray:
    """Shape (n,): the place of each row among those that follow each other under its headings."""
    title = {text: place for place, text in enumerate(dict.fromkeys(told.values()))}
    codes = [title.get(told.get(code, ""), -1) for code in range(int(group.max(initial=-1)) + 1)]
    under: FloatArray = places(np.array(codes, dtype=np.int64)[group]).astype(np.float64)
    return under


def _summed(values: FloatArray, group: np.ndarray, codes: int) -> FloatArray:
    sums: FloatArray = np.bincount(group, weights=values, minlength=codes).astype(np.float64)
    return sums


def _scaled(values: FloatArray) -> FloatArray:
    top = values.max(initial=0.0)
    return values / top if top > 0 else values
