"""Lexical relevance of sentences: BM25, their chunk's BM25, and the chunks that good ones name."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.core.types import FloatArray
from datapruner.errors import InputError
from datapruner.scorers.names import best_naming, names, places, titles
from datapruner.scorers.occurrences import Occurrences
from datapruner.scorers.terms import STOPPED, terms

__all__ = ["Lexical", "bm25", "check_weights"]


def check_weights(scorer: object, names: Sequence[str], shares: Sequence[str]) -> None:
    """Refuse weights that no ranking could come from.

    Args:
        scorer: whose attributes they are.
        names: of weights, finite and 0 or more.
        shares: of weights in [0, 1].

    Raises:
        InputError: a weight out of range.
    """
    for name in (*names, *shares):
        value = getattr(scorer, name)
        if not (0 <= value <= (1 if name in shares else math.inf) and math.isfinite(value)):
            bound = "in [0, 1]" if name in shares else "finite and 0 or more"
            raise InputError(f"{name} is {value!r}; it must be {bound}.")


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
        check_weights(self, ("k1", "chunk", "lead", "bridge"), shares=("b",))

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
        headed = titles(items)
        wanted = _query_terms(query or "")
        named = names(headed) if self.bridge else {}
        index = Occurrences(texts, frozenset(wanted).union(*named.values()))
        values = self._values(items, index, wanted, headed, named)
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
        index: Occurrences,
        wanted: Sequence[str],
        headed: dict[int, str],
        named: dict[int, frozenset[str]],
    ) -> FloatArray:
        group = items.group.astype(np.int64)
        counts = index.counts(wanted)
        in_title = np.zeros((len(items.group_names), len(wanted)))
        for code, title in headed.items():
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
            _scaled(own) + self.chunk * _scaled(of_chunk)[group] + self.lead / (1 + places(group))
        )
        if self.bridge and own.any():
            values = values + self.bridge * best_naming(values, group, index, named)[group]
        return values


def _query_terms(query: str) -> list[str]:
    """Its different terms in order, without function words unless there are no others."""
    every = list(dict.fromkeys(terms(query)))
    return [term for term in every if term not in STOPPED] or every


def _scaled(values: FloatArray) -> FloatArray:
    top = values.max(initial=0.0)
    return values / top if top > 0 else values
