"""Lexical relevance of sentences: BM25, their chunk's BM25, and the chunks that good ones name."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.core.types import FloatArray, IntArray
from datapruner.errors import InputError
from datapruner.scorers.terms import STOP_WORDS, terms

__all__ = ["Lexical", "bm25"]

_ASIDE = re.compile(r"\s*\([^()]*\)\s*\Z")


def bm25(
    counts: FloatArray, lengths: FloatArray, *, k1: float = 1.5, b: float = 0.75
) -> FloatArray:
    """BM25 of texts for a query whose terms count once each.

    ``sum over terms of idf * tf (k1 + 1) / (tf + k1 (1 - b + b length / mean length))`` with
    ``idf = ln(1 + (N - df + 0.5) / (df + 0.5))``, N and df from these texts themselves.

    Args:
        counts: shape (n, t), how often each of the t terms of the query occurs in each text.
        lengths: shape (n,), terms in each text.
        k1: saturation of repeats, 0 or more.
        b: how much long texts are held back, in [0, 1].

    Returns:
        Shape (n,), float64, 0 or more; 0 for a text without any term of the query.

    Source: Robertson et al. 1994 (TREC-3); the idf that cannot be negative is Lucene's.
    """
    n = counts.shape[0]
    if not counts.size:
        return np.zeros(n)
    df = np.count_nonzero(counts, axis=0)
    idf = np.log1p((n - df + 0.5) / (df + 0.5))
    mean = lengths.mean() or 1.0
    damping = k1 * (1 - b + b * lengths / mean)
    weight = counts * (k1 + 1) / (counts + damping[:, None] + np.finfo(np.float64).tiny)
    values: FloatArray = weight @ idf
    return values


@dataclass(frozen=True)
class Lexical:
    """How relevant each sentence is to the query by the words they share; needs no model.

    The value is a sum of four parts, each on the scale of the best sentence of the call:

    1. BM25 of the sentence, the title of its chunk counted as part of it, idf from the call's own
       sentences.
    2. ``chunk`` times the BM25 of its chunk, title included, among the chunks.
    3. ``lead / (1 + place)``: the first sentences of a chunk say what it is about.
    4. ``bridge`` times the best value so far of a sentence in another chunk that names the title of
       this chunk: the second step of a question in two steps.

    Attributes:
        k1: saturation of repeats.
        b: how much long sentences are held back, in [0, 1].
        chunk, lead, bridge: weights as above, 0 or more.

    Raises:
        InputError: a weight out of range.

    Source: Robertson et al. 1994 for BM25; the blend is ours, its weights chosen on the training
    half of HotpotQA, on 2WikiMultihopQA and SQuADShifts training rows (benchmarks/rag). English
    function words of the query are left out unless nothing else is in it.
    """

    k1: float = 1.5
    b: float = 0.75
    chunk: float = 0.5
    lead: float = 0.2
    bridge: float = 0.5

    needs: ClassVar[frozenset[str]] = frozenset({"text"})
    meaning: ClassVar[str] = "more relevant"
    default_budget: ClassVar[str] = "50% of tokens"

    def __post_init__(self) -> None:
        """Refuse weights that no ranking could come from."""
        for name in ("k1", "b", "chunk", "lead", "bridge"):
            value = getattr(self, name)
            top = 1.0 if name == "b" else math.inf
            if not (0 <= value <= top and math.isfinite(value)):
                bound = "in [0, 1]" if name == "b" else "finite and 0 or more"
                raise InputError(f"{name} is {value!r}; it must be {bound}.")

    def __call__(self, items: Items, *, query: str | None = None, seed: int = 0) -> Scores:
        """Scores of the sentences; group codes say which chunk each is of.

        Args:
            items: rows in source order, with a column ``text`` and maybe one ``title``.
            query: the question; without a term in it every sentence scores by its place alone.
            seed: not used, nothing is drawn.

        Returns:
            Scores with float64 values of shape (n,), 0 or more, higher is more relevant;
            ``details["chunk_scores"]`` has the best value of each chunk, 0 for one without rows.

        Raises:
            MissingColumnError: the items have no texts.
        """
        texts = items.feature("text", "lexical")
        titles = _titles(items)
        wanted = _query_terms(query or "")
        names = {group: _name(title) for group, title in titles.items()}
        index = _Index(texts, frozenset(wanted).union(*names.values()))
        values = self._values(items, index, wanted, titles, names)
        best = np.zeros(len(items.group_names))
        np.maximum.at(best, items.group, values)
        return Scores(
            values,
            items,
            self.meaning,
            "lexical",
            details={"k1": self.k1, "b": self.b, "chunk_scores": best.tolist()},
        )

    def _values(
        self,
        items: Items,
        index: _Index,
        wanted: Sequence[str],
        titles: dict[int, str],
        names: dict[int, frozenset[str]],
    ) -> FloatArray:
        group = items.group.astype(np.int64)
        counts = index.counts(wanted)
        in_title = np.zeros((len(items.group_names), len(wanted)))
        for code, title in titles.items():
            told = Counter(terms(title))
            in_title[code] = [told[term] for term in wanted]
        own = bm25(counts + in_title[group], index.lengths, k1=self.k1, b=self.b)
        joined = np.zeros_like(in_title)
        np.add.at(joined, group, counts)
        lengths = np.zeros(len(in_title))
        np.add.at(lengths, group, index.lengths)
        there = np.bincount(group, minlength=len(in_title)) > 0
        of_chunk = np.zeros(len(in_title))
        of_chunk[there] = bm25((joined + in_title)[there], lengths[there], k1=self.k1, b=self.b)
        values = (
            _scaled(own) + self.chunk * _scaled(of_chunk)[group] + self.lead / (1 + _places(group))
        )
        if self.bridge and own.any():
            values = values + self.bridge * _bridges(values, group, index, names)[group]
        return values


class _Index:
    """Where each of the wanted terms occurs, and how long each text is."""

    def __init__(self, texts: Sequence[str], wanted: frozenset[str]) -> None:
        self.lengths = np.zeros(len(texts))
        self.rows: defaultdict[str, Counter[int]] = defaultdict(Counter)
        for row, text in enumerate(texts):
            found = terms(text)
            self.lengths[row] = len(found)
            for term in filter(wanted.__contains__, found):
                self.rows[term][row] += 1

    def counts(self, wanted: Sequence[str]) -> FloatArray:
        """Shape (n, len(wanted)): how often each term occurs in each text."""
        counts = np.zeros((self.lengths.size, len(wanted)))
        for column, term in enumerate(wanted):
            if term in self.rows:
                rows = self.rows[term]
                counts[list(rows), column] = list(rows.values())
        return counts

    def naming(self, name: frozenset[str]) -> list[int]:
        """The rows in which all of these terms occur."""
        places = sorted((self.rows.get(term, Counter()) for term in name), key=len)
        found: Iterable[int] = places[0] if places else ()
        return [row for row in found if all(row in other for other in places[1:])]


def _bridges(
    values: FloatArray, group: IntArray, index: _Index, names: dict[int, frozenset[str]]
) -> FloatArray:
    """Shape (G,): the best value of a sentence in another chunk that names this one's title."""
    best = np.zeros(int(group.max(initial=-1)) + 1)
    for code, name in names.items():
        rows = [row for row in index.naming(name) if group[row] != code]
        if rows and code < best.size:
            best[code] = values[rows].max()
    return best


def _titles(items: Items) -> dict[int, str]:
    """The title of each chunk that has one, by group code."""
    column = items.features.get("title")
    if column is None:
        return {}
    first = np.unique(items.group, return_index=True)
    return {
        int(code): column[row]
        for code, row in zip(first[0].tolist(), first[1].tolist(), strict=True)
        if column[row]
    }


def _name(title: str) -> frozenset[str]:
    """What a sentence must hold to name the title: its terms, function words and asides apart."""
    return frozenset(terms(_ASIDE.sub("", title))) - _STOPPED


def _query_terms(query: str) -> list[str]:
    """Its different terms in order, without function words unless there are no others."""
    every = list(dict.fromkeys(terms(query)))
    return [term for term in every if term not in _STOPPED] or every


_STOPPED = frozenset(term for word in STOP_WORDS for term in terms(word))


def _scaled(values: FloatArray) -> FloatArray:
    top = values.max(initial=0.0)
    return values / top if top > 0 else values


def _places(group: IntArray) -> IntArray:
    """Shape (n,): how many rows of the same chunk stand before each; rows are in source order."""
    starts = np.flatnonzero(np.r_[True, group[1:] != group[:-1]]) if group.size else group
    lengths = np.diff(np.r_[starts, group.size])
    places: IntArray = np.arange(group.size) - np.repeat(starts, lengths)
    return places
