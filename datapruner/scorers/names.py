"""Which chunks a sentence names: the step from one document of a question to the next."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from datapruner.core.items import Items
from datapruner.core.types import FloatArray, IntArray
from datapruner.scorers.occurrences import Occurrences
from datapruner.scorers.terms import STOPPED, terms

__all__ = ["best_naming", "names", "places", "titles"]

_ASIDE = re.compile(r"\([^()]*\)\s*\Z")


def titles(items: Items) -> dict[int, str]:
    """The title of each chunk that has one, by group code: that of the chunk's first row.

    Args:
        items: maybe with a column ``title``.
    """
    column = items.features.get("title")
    if column is None:
        return {}
    codes, rows = np.unique(items.group, return_index=True)
    return {
        int(code): column[row]
        for code, row in zip(codes.tolist(), rows.tolist(), strict=True)
        if column[row]
    }


def names(given: Mapping[int, str]) -> dict[int, frozenset[str]]:
    """What a sentence must hold to name each title: its terms, function words and asides apart.

    Args:
        given: titles by group code; ``"Mercury (planet)"`` is named by ``"mercury"``.
    """
    return {code: frozenset(terms(_ASIDE.sub("", told))) - STOPPED for code, told in given.items()}


def best_naming(
    values: FloatArray, group: IntArray, index: Occurrences, named: Mapping[int, frozenset[str]]
) -> FloatArray:
    """The best value of a sentence in another chunk that names this one's title, for each chunk.

    Args:
        values: shape (n,), of the sentences, 0 or more.
        group: shape (n,), their chunks.
        index: of the same sentences; the terms of all names are among its wanted ones.
        named: as ``names`` gives them.

    Returns:
        Shape (G,), float64; 0 for a chunk that no other names.
    """
    best = np.zeros(int(group.max(initial=-1)) + 1)
    for code, name in named.items():
        rows = [row for row in index.naming(name) if group[row] != code]
        if rows and code < best.size:
            best[code] = values[rows].max()
    return best


def places(group: IntArray) -> IntArray:
    """How many rows of the same chunk stand before each; the rows of a chunk stand together.

    Args:
        group: shape (n,).
    """
    rows = np.arange(group.size)
    # The row at which each row's chunk began: the last one that differs from the row before it.
    starts = rows.copy()
    starts[1:][group[1:] == group[:-1]] = 0
    found: IntArray = rows - np.maximum.accumulate(starts)
    return found
