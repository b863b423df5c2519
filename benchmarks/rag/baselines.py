"""What the pruner is compared with, each as a scorer, so that all get the very same budgets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.rag.records import Record, holds
from datapruner import rng
from datapruner.context.chunks import ContextPruner
from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.scorers.lexical import Lexical
from datapruner.scorers.semantic import Semantic

BASELINES = ("random", "lead", "bm25", "minilm", "minilm_redundancy")
OURS = ("lexical", "sentences")
METHODS = (*BASELINES, *OURS, "oracle")
REDUNDANT = 0.95
"""The similarity from which LangChain's redundancy filter drops a text."""

Scorer = Callable[..., Scores]


def texts_of(items: Items) -> list[str]:
    return list(items.feature("text", "benchmark"))


@dataclass(frozen=True)
class Random:
    """A fair draw that depends on the sentences and the question alone."""

    def __call__(self, items: Items, *, query: str, seed: int = 0) -> Scores:
        places = enumerate(zip(items.group.tolist(), texts_of(items), strict=True))
        keys = rng.hash_strings([f"{query}\x1f{row}\x1f{g}\x1f{text}" for row, (g, text) in places])
        return Scores(rng.unit_interval(rng.mix(keys, seed)).astype(np.float64), items)


@dataclass(frozen=True)
class Lead:
    """The first sentences of the context, as truncation keeps them."""

    def __call__(self, items: Items, *, query: str, seed: int = 0) -> Scores:
        return Scores(-np.arange(items.n, dtype=np.float64), items)


@dataclass(frozen=True)
class Bm25:
    """Plain BM25 of each sentence, idf from the sentences of the call, by an outside package."""

    def __call__(self, items: Items, *, query: str, seed: int = 0) -> Scores:
        import bm25s

        values = np.zeros(items.n)
        tokens = bm25s.tokenize(texts_of(items), stopwords="en", show_progress=False)
        words = bm25s.tokenize(query, stopwords="en", show_progress=False, return_ids=False)[0]
        if tokens.vocab and words:
            index = bm25s.BM25(k1=1.5, b=0.75)
            index.index(tokens, show_progress=False)
            values = np.asarray(index.get_scores(words), dtype=np.float64)
        return Scores(values, items)


@dataclass(frozen=True)
class Oracle:
    """Sentences of the gold first, then those that hold an answer, then in order."""

    record: Record

    def __call__(self, items: Items, *, query: str, seed: int = 0) -> Scores:
        values = -np.arange(items.n, dtype=np.float64) / (items.n + 1)
        texts = texts_of(items)
        values[gold_rows(self.record, items)] += 4
        values[[holds(text, self.record.answers) for text in texts]] += 2
        return Scores(values, items)


def gold_rows(record: Record, items: Items) -> np.ndarray:
    """Shape (n,), bool: the pruner's own sentences that share a character with a gold one."""
    found = np.zeros(items.n, dtype=bool)
    lengths = np.array([len(text) for text in texts_of(items)], dtype=np.int64)
    groups = items.group.astype(np.int64)
    names = [int(name) for name in items.group_names]
    for doc, sentence in record.gold:
        start, end = record.docs[doc].sentences[sentence].tolist()
        end = start + len(record.docs[doc].sentence(sentence).rstrip())
        rows = np.flatnonzero(groups == names.index(doc)) if doc in names else np.empty(0, int)
        ends = np.cumsum(lengths[rows])
        found[rows[(ends - lengths[rows] < end) & (ends > start)]] = True
    return found


def ceiling(records: list[Record], kept: float) -> float | None:
    """The share of answers that any choice of whole sentences could keep, in per cent.

    For each question the shortest sentence that holds an answer, as a share of its tokens; the
    cheapest questions first, until the mean over all of them is ``kept``. An answer that no
    sentence holds whole costs everything.
    """
    shares = []
    for record in records:
        if not holds("\n\n".join(doc.text for doc in record.docs), record.answers):
            continue
        priced = _Priced()
        ContextPruner(method=priced, pins=(), budget="everything")(
            record.question or "?", [{"id": n, "text": d.text} for n, d in enumerate(record.docs)]
        )
        assert priced.items is not None
        cost, texts = priced.items.cost, texts_of(priced.items)
        found = [c for c, t in zip(cost.tolist(), texts, strict=True) if holds(t, record.answers)]
        shares.append(min(found, default=cost.sum()) / cost.sum())
    if not shares:
        return None
    spent = np.cumsum(np.sort(shares)) / len(shares)
    return round(100 * float(np.mean(spent <= kept)), 2)


class _Priced:
    """Remembers the sentences of a call."""

    items: Items | None = None

    def __call__(self, items: Items, *, query: str, seed: int = 0) -> Scores:
        self.items = items
        return Scores(np.zeros(items.n), items)


def scorer_of(method: str, record: Record, model: str | None) -> Scorer:
    """The scorer of a method for one question; those with a model are loaded once a process.

    Raises:
        datapruner.errors.InputError: when called, where the sentence model is not there.
    """
    fixed: dict[str, Callable[[], Any]] = {
        "random": Random,
        "lead": Lead,
        "bm25": Bm25,
        "minilm": lambda: Semantic(embedder="minilm"),
        "minilm_redundancy": lambda: Semantic(embedder="minilm", redundancy=REDUNDANT),
        "lexical": Lexical,
    }
    if method in fixed:
        made: Scorer = fixed[method]()
        return made
    if method == "oracle":
        return Oracle(record)
    from datapruner.scorers.labeller import Sentences

    return Sentences(model=model)
