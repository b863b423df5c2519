"""Main content: which texts of a page are what it was made for, judged without a question."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

import numpy as np

from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.core.types import FloatArray, IntArray
from datapruner.scorers.mainfeatures import FIRST, Sheet, first_features
from datapruner.scorers.mainsecond import second_features
from datapruner.scorers.maintrees import Trees
from datapruner.scorers.mainweights import FIRST_WEIGHTS
from datapruner.scorers.marks import Marks

__all__ = ["TREES", "MainContent", "lifted"]

TREES = Path(__file__).with_name("maintrees.npz")
"""The second judgement, fitted by benchmarks/html/fit_main.py."""

_LEAST = 1.0
"""Log-odds that the best row of a page has at least: there is no page without main content."""

_SURE = 30.0


def lifted(log_odds: FloatArray) -> FloatArray:
    """The log-odds of the rows of one page, moved up together where even the best is unlikely.

    Args:
        log_odds: shape (n,).

    Returns:
        Shape (n,); the highest is 1 or more.
    """
    missing = _LEAST - float(log_odds.max()) if log_odds.size else 0.0
    moved: FloatArray = log_odds + max(missing, 0.0)
    return moved


@dataclass(frozen=True)
class MainContent:
    """How likely each text is the main content of its page, and not what surrounds it.

    Two judgements. The first, a logistic regression, sees a row's own text (length, share of links,
    sentence marks, digits, capitals, phrases), the tags and class names that it stands in, how far
    above they are and how much of the page they hold, its place, its headings, and how much prose
    stands around it and in its containers. The second, small boosted trees, sees the same and what
    the first says of the row, of its neighbours, its run, its section and its containers. No row of
    a page is judged by itself, and no page is judged by another. Texts that come without markup
    are judged by the rest.

    The query is not read. Weights are in ``mainweights.py`` and ``maintrees.npz``, fitted by
    benchmarks/html/fit_main.py.

    Source: shallow text features as in Kohlschütter et al. 2010 (Boilerplate Detection using
    Shallow Text Features); class names and the score of containers as readers' views use them;
    boosted trees as in Friedman 2001. The choice of features, the smoothing and the weights are
    ours.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"text"})
    meaning: ClassVar[str] = "more likely main content"
    default_budget: ClassVar[str] = "threshold 0.5"

    def __call__(self, items: Items, *, query: str | None = None, seed: int = 0) -> Scores:
        """Scores of the rows.

        Args:
            items: rows in the order of their pages, with a column ``text`` and maybe ``marks`` (see
                ``datapruner.scorers.marks``), ``title`` (the headings above, ``" > "`` between
                them) and ``section``, equal for the rows under one heading; without, groups are
                sections. Without marks each group is a page.
            query: not used.
            seed: not used, nothing is drawn.

        Returns:
            Scores with float64 values of shape (n,), in (0, 1), higher is more likely main content;
            at 0.5 and above lies what is taken for it, on every page at least one row.

        Raises:
            MissingColumnError: the items have no texts.
        """
        texts = list(items.feature("text", "main"))
        marks = _marks(items)
        titles = [str(title or "") for title in items.features.get("title", [""] * items.n)]
        section = np.asarray(items.features.get("section", items.group))
        values = np.empty(items.n)
        for rows in _pages(marks.page):
            picked = rows.tolist()
            values[rows] = _chances(
                Sheet(
                    [texts[row] for row in picked],
                    [titles[row] for row in picked],
                    marks.take(rows),
                    section[rows],
                )
            )
        return Scores(values, items, self.meaning, "main")


def _marks(items: Items) -> Marks:
    column = items.features.get("marks")
    if column is None:
        return Marks.none(items.group.astype(np.int64))
    marks: Marks = column.read()
    return marks


def _pages(page: IntArray) -> Iterator[IntArray]:
    """The rows of each page, in their order."""
    order = np.argsort(page, kind="stable")
    cuts = np.flatnonzero(np.diff(page[order])) + 1
    return (rows for rows in np.split(order, cuts) if rows.size)


def _chances(sheet: Sheet) -> FloatArray:
    """How likely each row of a page is main content.

    Pages are judged one by one: sums over several would round differently in other company.
    """
    first = first_features(sheet)
    odds = np.empty(len(sheet.texts))
    for rows, columns in first.slices():
        # Summed row by row for the same reason.
        odds[rows] = (columns * _FIRST[:-1]).sum(axis=1) + _FIRST[-1]
    second = second_features(_logistic(odds), sheet, first)
    for rows, columns in second.slices():
        odds[rows] = _trees().log_odds(columns)
    return _logistic(lifted(odds))


def _logistic(odds: FloatArray) -> FloatArray:
    chances: FloatArray = 1.0 / (1.0 + np.exp(-np.clip(odds, -_SURE, _SURE)))
    return chances


@cache
def _trees() -> Trees:
    return Trees.load(TREES)


_FIRST = np.array([FIRST_WEIGHTS.get(name, 0.0) for name in (*FIRST, "constant")])
