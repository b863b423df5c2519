"""Main content: which texts of a page are what it was made for, judged without a question."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.core.types import FloatArray, IntArray
from datapruner.scorers.mainfeatures import FIRST, SECOND, first_features, second_features
from datapruner.scorers.mainweights import FIRST_WEIGHTS, SECOND_WEIGHTS
from datapruner.scorers.marks import Marks

__all__ = ["MainContent", "lifted"]

_LEAST = 1.0
"""Log-odds that the best row of a page has at least: there is no page without main content."""

_SURE = 30.0


def lifted(log_odds: FloatArray, page: IntArray) -> FloatArray:
    """The log-odds of each page, moved up together where even its best row is unlikely.

    Args:
        log_odds: shape (n,).
        page: shape (n,), number of the page of each row, not falling.

    Returns:
        Shape (n,); on every page the highest is 1 or more.
    """
    _, code = np.unique(page, return_inverse=True)
    best = np.full(code.max(initial=-1) + 1, -np.inf)
    np.maximum.at(best, code, log_odds)
    moved: FloatArray = log_odds + np.maximum(_LEAST - best, 0.0)[code]
    return moved


@dataclass(frozen=True)
class MainContent:
    """How likely each text is the main content of its page, and not what surrounds it.

    Two logistic regressions. The first sees a row's own text (length, share of links, sentence
    marks, digits, capitals), the tags and class names that it stands in, its place on the page, and
    how much prose stands around it and in its container. The second sees what the first says of the
    row, of its neighbours and of its container. No row of a page is judged by itself, but pages are
    judged apart from each other. Texts that come without markup are judged by the rest.

    The query is not read. Weights are in ``mainweights.py``, fitted by benchmarks/html/fit_main.py.

    Source: shallow text features as in Kohlschütter et al. 2010 (Boilerplate Detection using
    Shallow Text Features); class names as readers' views use them. The choice of features, the
    smoothing and the weights are ours.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"text"})
    meaning: ClassVar[str] = "more likely main content"
    default_budget: ClassVar[str] = "threshold 0.5"

    def __call__(self, items: Items, *, query: str | None = None, seed: int = 0) -> Scores:
        """Scores of the rows.

        Args:
            items: rows in the order of their pages, with a column ``text`` and maybe ``marks`` (see
                ``datapruner.scorers.marks``) and ``section``, equal for the rows under one heading;
                without, groups are sections. Without marks each group is a page.
            query: not used.
            seed: not used, nothing is drawn.

        Returns:
            Scores with float64 values of shape (n,), in (0, 1), higher is more likely main content;
            at 0.5 and above lies what is taken for it, on every page at least one row.

        Raises:
            MissingColumnError: the items have no texts.
        """
        texts = list(items.feature("text", "main"))
        values = np.zeros(0)
        if texts:
            marks = _marks(items)
            order = np.argsort(marks.page, kind="stable")
            values = np.empty(items.n)
            ordered = [texts[row] for row in order.tolist()]
            section = np.asarray(items.features.get("section", items.group))[order]
            values[order] = _chances(ordered, marks.take(order), section)
        return Scores(values, items, self.meaning, "main")


def _marks(items: Items) -> Marks:
    column = items.features.get("marks")
    if column is None:
        return Marks.none(items.group.astype(np.int64))
    marks: Marks = column.read()
    return marks


def _chances(texts: list[str], marks: Marks, section: IntArray) -> FloatArray:
    first = _weighed(first_features(texts, marks, section), _FIRST)
    second = _weighed(second_features(first, texts, marks, section), _SECOND)
    odds = np.clip(lifted(second, marks.page), -_SURE, _SURE)
    chances: FloatArray = 1.0 / (1.0 + np.exp(-odds))
    return chances


def _weighed(columns: FloatArray, weights: FloatArray) -> FloatArray:
    # Summed row by row: a product of matrices may round a row differently in other company.
    odds: FloatArray = (columns * weights[:-1]).sum(axis=1) + weights[-1]
    return odds


_FIRST = np.array([FIRST_WEIGHTS[name] for name in (*FIRST, "constant")])
_SECOND = np.array([SECOND_WEIGHTS[name] for name in (*SECOND, "constant")])
