"""Scores where there is no query to go by: where a sentence stands, and how central it is."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np

from datapruner.core.items import Items
from datapruner.core.types import FloatArray
from datapruner.scorers.terms import terms

__all__ = ["query_free"]


def query_free(items: Items) -> FloatArray:
    """How much each sentence says of the whole, judged without a question.

    Half of it is its place, ``1 / (1 + sentences before it in its chunk)``; half the cosine of its
    words, weighted by idf among the sentences, with those of all sentences together.

    Args:
        items: rows in source order with a column ``text``; groups are the chunks.

    Returns:
        Shape (n,), float64, in [0, 1].

    Raises:
        MissingColumnError: the items have no texts.
    """
    bags = [Counter(terms(text)) for text in items.feature("text", "query-free scoring")]
    known = Counter(term for bag in bags for term in bag)
    idf = {term: math.log1p(len(bags) / number) for term, number in known.items()}
    whole: dict[str, float] = {}
    for bag in bags:
        for term, number in bag.items():
            whole[term] = whole.get(term, 0.0) + number * idf[term]
    length = math.sqrt(sum(weight * weight for weight in whole.values()))
    values = np.zeros(items.n)
    before: Counter[int] = Counter()
    for row, bag in enumerate(bags):
        group = int(items.group[row])
        weights = {term: number * idf[term] for term, number in bag.items()}
        own = math.sqrt(sum(weight * weight for weight in weights.values()))
        product = sum(weight * whole[term] for term, weight in weights.items())
        central = product / (own * length) if own else 0.0
        values[row] = 0.5 / (1 + before[group]) + 0.5 * min(1.0, central)
        before[group] += 1
    return values
