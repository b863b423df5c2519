"""Fits the scorer ``main``: ``python -m benchmarks.html.fit_main [--write]``.

Training pages alone: the training parts of the sets, split by site. A block is main text if most of
its runs of three words stand in the page's main text; on pages that have only snippets, the blocks
with a snippet to keep are, those with one to drop are not, and the others teach nothing. A logistic
regression, then boosted trees on what it says of sites that it was not fitted on. The threshold is
chosen over five folds of sites, by the mean of what the three sets are measured by, on the text
that is written. ``--write`` puts the weights into the library.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.html.articles import ARTICLES, SNIPPETS, Article, read_articles
from benchmarks.html.main_labels import labels, snippet_labels
from benchmarks.html.maincontent import score
from benchmarks.html.records import words
from datapruner import rng
from datapruner.context.html.blocks import Blocks, make_blocks
from datapruner.context.html.choose import with_ancestors
from datapruner.context.html.pages import Given, prepare
from datapruner.context.html.render import render
from datapruner.scorers.maincontent import TREES, lifted
from datapruner.scorers.mainfeatures import FIRST, Sheet, first_features
from datapruner.scorers.mainsecond import second_features
from datapruner.scorers.mainsums import Table
from datapruner.scorers.maintrees import Trees
from datapruner.tokens import resolve_counter

TARGET = TREES.with_name("mainweights.py")
FOLDS = 5
BLOCK_TOKENS = 32

PENALTY = 0.03
TREE = {
    "max_iter": 60,
    "learning_rate": 0.1,
    "max_leaf_nodes": 8,
    "max_depth": 5,
    "max_bins": 63,
    "min_samples_leaf": 20,
    "l2_regularization": 5.0,
    "max_features": 0.3,
}
"""Many small trees, each split among some of the columns: there are few sites, and larger ones know
them by heart."""
SEEDS = (0, 1, 2)
"""Of fits that are averaged: one alone is better or worse by chance."""
THRESHOLDS = (0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7)
SNIPPET_WEIGHT = 0.5
"""Of a page with snippets beside a page with a main text, of which all is known."""


@dataclass(frozen=True)
class Example:
    """One page: what the scorer sees, and which rows are main text.

    Attributes:
        article: the page.
        blocks: all of it.
        rows: which of them can be chosen, n of them.
        sheet: those, as the scorer sees them.
        first: its features.
        label: shape (n,), 1.0 for main text, NaN where it is not known.
        weight: shape (n,), how much each teaches.
    """

    article: Article
    blocks: Blocks
    rows: np.ndarray
    sheet: Sheet
    first: Table
    label: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True)
class Fitted:
    """Both judgements: weights of the columns with the constant last, and the trees."""

    first: np.ndarray
    second: Trees

    def odds(self, one: Example) -> np.ndarray:
        """Shape (n,): how likely each row of a page is main text, as log-odds."""
        second = second_features(chances(self.first, one), one.sheet, one.first)
        return np.asarray(lifted(self.second.log_odds(second.whole())))


def example(article: Article) -> Example:
    """The rows of a page with their labels."""
    page = prepare(Given(article.html), "lossless", frozenset(), None)
    blocks = make_blocks([page], resolve_counter("words"), block_tokens=BLOCK_TOKENS)
    rows = np.flatnonzero(~blocks.items.shell)
    offered = blocks.items.take(rows)
    texts = list(offered.features["text"])
    has_main = bool(article.main.strip())
    label = labels(texts, article.main) if has_main else snippet_labels(texts, article)
    lengths = np.array([len(words(text)) for text in texts], dtype=np.float64)
    weight = np.where(np.isnan(label), 0.0, np.sqrt(lengths + 0.1))
    weight *= (1.0 if has_main else SNIPPET_WEIGHT) / max(weight.sum(), 1.0)
    marks = offered.features["marks"].read()
    section = np.array(blocks.sections)[rows]
    sheet = Sheet(texts, list(offered.features["title"]), marks, section)
    return Example(article, blocks, rows, sheet, first_features(sheet), label, weight)


def taught(examples: list[Example]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The rows of the pages that teach something, their labels, and their weights, 1 on average."""
    weight = np.concatenate([one.weight for one in examples])
    known = weight > 0
    label = np.concatenate([one.label for one in examples])[known]
    return known, label, weight[known] * known.sum() / weight.sum()


def regression(examples: list[Example]) -> np.ndarray:
    """Weights of the first judgement for the raw columns, the constant last."""
    from sklearn.linear_model import LogisticRegression

    known, label, weight = taught(examples)
    x = np.concatenate([one.first.whole() for one in examples])[known].astype(np.float64)
    centre, spread = x.mean(axis=0), x.std(axis=0) + 1e-6
    model = LogisticRegression(C=PENALTY, max_iter=1000, tol=1e-3)
    model.fit((x - centre) / spread, label, sample_weight=weight)
    slope = model.coef_[0] / spread
    return np.append(slope, model.intercept_[0] - slope @ centre)


def chances(weights: np.ndarray, one: Example) -> np.ndarray:
    """Shape (n,): how likely each row is by the first judgement."""
    odds = one.first.whole() @ weights[:-1] + weights[-1]
    return np.asarray(1 / (1 + np.exp(-np.clip(odds, -30, 30))))


def boosted(examples: list[Example], first: list[np.ndarray]) -> Trees:
    """The second judgement, from the chances that the first gives the rows of each page."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    known, label, weight = taught(examples)
    x = np.concatenate(
        [second_features(c, e.sheet, e.first).whole() for e, c in zip(examples, first, strict=True)]
    )[known]
    models = [HistGradientBoostingClassifier(**TREE, random_state=seed) for seed in SEEDS]
    for model in models:
        model.fit(x, label, sample_weight=weight)
    trees = as_arrays(models)
    mean = np.mean([model.decision_function(x) for model in models], axis=0)
    assert np.allclose(trees.log_odds(x), mean, atol=1e-4)
    return trees


def as_arrays(models: list[Any]) -> Trees:
    """The trees of fitted models as the library reads them; their sum is the models' mean."""
    grown = [group[0] for model in models for group in model._predictors]
    shape = len(grown), max(len(tree.nodes) for tree in grown)
    made = Trees(
        np.zeros(shape, dtype=np.int16),
        np.full(shape, np.inf, dtype=np.float32),
        np.tile(np.arange(shape[1], dtype=np.int16), (shape[0], 1)),
        np.tile(np.arange(shape[1], dtype=np.int16), (shape[0], 1)),
        np.zeros(shape, dtype=np.float32),
        np.array(max(tree.get_max_depth() for tree in grown), dtype=np.int16),
        np.array(np.mean([model._baseline_prediction for model in models])),
    )
    for place, tree in enumerate(grown):
        nodes = tree.nodes
        inner = np.flatnonzero(nodes["is_leaf"] == 0)
        leaves = np.flatnonzero(nodes["is_leaf"])
        made.feature[place, inner] = nodes["feature_idx"][inner]
        made.threshold[place, inner] = nodes["num_threshold"][inner]
        made.left[place, inner] = nodes["left"][inner]
        made.right[place, inner] = nodes["right"][inner]
        made.value[place, leaves] = nodes["value"][leaves] / len(models)
    return made


def stacked(examples: list[Example]) -> Fitted:
    """Both judgements, fitted on these pages; the second on chances from other sites."""
    fold = folds(examples)
    outside: list[Any] = [None] * len(examples)
    for number in sorted(set(fold.tolist())):
        inner = regression([e for e, f in zip(examples, fold, strict=True) if f != number])
        for place in np.flatnonzero(fold == number).tolist():
            outside[place] = chances(inner, examples[place])
    return Fitted(regression(examples), boosted(examples, outside))


def folds(examples: list[Example]) -> np.ndarray:
    """The fold of each page, by its site."""
    keys = rng.mix(rng.hash_strings([one.article.site for one in examples]), 7)
    return (keys % np.uint64(FOLDS)).astype(np.int64)


def measured(one: Example, chosen: np.ndarray) -> float:
    """Token F1, or the share of snippets that are right, of the text of the chosen rows."""
    rows = with_ancestors(one.blocks.items, one.rows[chosen].tolist())
    return score(render(one.blocks, rows, "text"), one.article)[2]


def by_set(examples: list[Example], chosen: list[np.ndarray]) -> dict[str, float]:
    """The mean of each set."""
    found: dict[str, list[float]] = {}
    for one, rows in zip(examples, chosen, strict=True):
        found.setdefault(one.article.set, []).append(measured(one, rows))
    return {name: round(100 * float(np.mean(values)), 2) for name, values in found.items()}


def validated(examples: list[Example]) -> dict[float, dict[str, float]]:
    """For each threshold the mean of each set, over pages of sites that were not fitted on."""
    fold = folds(examples)
    odds: list[Any] = [None] * len(examples)
    for number in range(FOLDS):
        both = stacked([e for e, f in zip(examples, fold, strict=True) if f != number])
        for place in np.flatnonzero(fold == number).tolist():
            odds[place] = both.odds(examples[place])
    made = {}
    for threshold in THRESHOLDS:
        limit = np.log(threshold / (1 - threshold))
        made[threshold] = by_set(examples, [page >= limit for page in odds])
    return made


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="into the library")
    given = parser.parse_args(arguments)
    names = (*ARTICLES, SNIPPETS)
    articles = [one for name in names for one in read_articles(name) if one.part == "train"]
    examples = [example(one) for one in articles]
    tried = validated(examples)
    threshold = max(tried, key=lambda t: sum(tried[t].values()))
    ceiling = by_set(examples, [np.nan_to_num(one.label) > 0 for one in examples])
    line = {"pages": len(articles), "threshold": threshold, "folds": tried[threshold]}
    print(json.dumps({**line, "labels": ceiling, "tried": tried}))
    if given.write:
        both = stacked(examples)
        TARGET.write_text(_module(both.first), encoding="utf-8")
        # The scale is moved so that one half is the threshold.
        base = both.second.base - np.log(threshold / (1 - threshold))
        held = vars(replace(both.second, base=base))
        np.savez_compressed(TREES, allow_pickle=False, **held)
    return 0


def _module(first: np.ndarray) -> str:
    lines = [
        f'    "{name}": {value:.6g},'
        for name, value in zip((*FIRST, "constant"), first.tolist(), strict=True)
    ]
    return (
        '"""Weights of the scorer ``main``, by column; made by benchmarks/html/fit_main.py."""\n\n'
        'from __future__ import annotations\n\n__all__ = ["FIRST_WEIGHTS"]\n\n'
        "FIRST_WEIGHTS: dict[str, float] = {\n" + "\n".join(lines) + "\n}\n"
        '"""Log-odds of a row by itself; the constant last."""\n'
    )


if __name__ == "__main__":
    sys.exit(main())
