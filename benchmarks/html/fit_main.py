"""Fits the weights of the scorer ``main``: ``python -m benchmarks.html.fit_main [--write]``.

Training pages alone: the training parts of the sets, split by site. A block is main text if most of
its runs of three words stand in the page's main text; on pages that have only snippets, the blocks
with a snippet to keep are, those with one to drop are not, and the others teach nothing. Two
logistic regressions, the second on what the first says of sites that it was not fitted on; the
penalty and the threshold are chosen by token F1 over five folds of sites. ``--write`` puts the
weights into the library.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.html.articles import ARTICLES, SNIPPETS, Article, overlap, read_articles
from benchmarks.html.records import squeezed, words
from datapruner import rng
from datapruner.context.html.blocks import make_blocks
from datapruner.context.html.pages import Given, prepare
from datapruner.scorers.maincontent import lifted
from datapruner.scorers.mainfeatures import FIRST, SECOND, first_features, second_features
from datapruner.scorers.marks import Marks
from datapruner.tokens import resolve_counter

TARGET = Path(__file__).resolve().parents[2] / "datapruner" / "scorers" / "mainweights.py"
FOLDS = 5
BLOCK_TOKENS = 32

PENALTIES = (0.1, 0.3)
RUN = 3
SNIPPET_WEIGHT = 0.2
"""Of a page with snippets beside a page with a main text, of which all is known; at 1 the F1 of the
folds falls from .950 to .934."""

SHORT = 4  # squeezed characters below which a text is found anywhere


@dataclass(frozen=True)
class Example:
    """One page: what the scorer sees, and which rows are main text.

    Attributes:
        article: the page.
        texts: of the rows that can be chosen.
        marks: of the same rows.
        section: of the same rows.
        label: shape (n,), 1.0 for main text, NaN where it is not known.
        weight: shape (n,), how much each teaches.
    """

    article: Article
    texts: list[str]
    marks: Marks
    section: np.ndarray
    label: np.ndarray
    weight: np.ndarray


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
    section = np.array(blocks.sections)[rows]
    marks = offered.features["marks"].read()
    return Example(article, texts, marks, section, label, weight)


def labels(texts: list[str], main: str) -> np.ndarray:
    """1.0 where most of a text's runs of three words, or all of a short text, are in the main."""
    gold = words(main)
    runs = {tuple(gold[i : i + RUN]) for i in range(len(gold))}
    flat = squeezed(main)
    found = []
    for text in texts:
        mine = words(text)
        if len(mine) < RUN:
            found.append(float(len(squeezed(text)) >= SHORT and squeezed(text) in flat))
            continue
        hits = [tuple(mine[i : i + RUN]) in runs for i in range(len(mine) - RUN + 1)]
        found.append(float(np.mean(hits) >= 0.5))
    return np.array(found)


def snippet_labels(texts: list[str], article: Article) -> np.ndarray:
    """1.0 where a snippet to keep is, 0.0 where one to drop is, NaN elsewhere or with both."""
    flat = [squeezed(text) for text in texts]
    keep, drop = (
        [squeezed(snippet) for snippet in snippets if len(squeezed(snippet)) >= SHORT]
        for snippets in (article.keep, article.drop)
    )
    good = np.array([any(snippet in text for snippet in keep) for text in flat], dtype=bool)
    bad = np.array([any(snippet in text for snippet in drop) for text in flat], dtype=bool)
    return np.where(good == bad, np.nan, good.astype(np.float64))


def fitted(x: np.ndarray, y: np.ndarray, weight: np.ndarray, penalty: float) -> np.ndarray:
    """Weights for the raw columns, the constant last."""
    from sklearn.linear_model import LogisticRegression

    known = weight > 0
    x, y, weight = x[known], y[known], weight[known]
    centre, spread = x.mean(axis=0), x.std(axis=0) + 1e-6
    model = LogisticRegression(C=penalty, max_iter=1000, tol=1e-3)
    model.fit((x - centre) / spread, y, sample_weight=weight * len(y) / weight.sum())
    slope = model.coef_[0] / spread
    return np.append(slope, model.intercept_[0] - slope @ centre)


def log_odds(weights: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Shape (n,): what a fitted regression says of the rows."""
    made: np.ndarray = x @ weights[:-1] + weights[-1]
    return made


def stacked(examples: list[Example], penalty: float) -> tuple[np.ndarray, np.ndarray]:
    """Both regressions, fitted on these pages."""
    firsts = [first_features(one.texts, one.marks, one.section) for one in examples]
    y = np.concatenate([one.label for one in examples])
    weight = np.concatenate([one.weight for one in examples])
    fold = folds(examples)
    seconds: list[Any] = [None] * len(examples)
    for number in range(FOLDS):
        others = [i for i in range(len(examples)) if fold[i] != number]
        inner = fitted(
            np.concatenate([firsts[i] for i in others]),
            np.concatenate([examples[i].label for i in others]),
            np.concatenate([examples[i].weight for i in others]),
            penalty,
        )
        for i in np.flatnonzero(fold == number).tolist():
            one = examples[i]
            seconds[i] = second_features(
                log_odds(inner, firsts[i]), one.texts, one.marks, one.section
            )
    first = fitted(np.concatenate(firsts), y, weight, penalty)
    return first, fitted(np.concatenate(seconds), y, weight, penalty)


def folds(examples: list[Example]) -> np.ndarray:
    """The fold of each page, by its site."""
    keys = rng.mix(rng.hash_strings([one.article.site for one in examples]), 7)
    return (keys % np.uint64(FOLDS)).astype(np.int64)


def chances(both: tuple[np.ndarray, np.ndarray], one: Example) -> np.ndarray:
    """Shape (n,): how likely each row of a page is main text."""
    first = log_odds(both[0], first_features(one.texts, one.marks, one.section))
    second = log_odds(both[1], second_features(first, one.texts, one.marks, one.section))
    return np.asarray(1 / (1 + np.exp(-lifted(second, one.marks.page))))


def page_f1(one: Example, chosen: np.ndarray) -> float:
    """Token F1 of the chosen rows."""
    made = " ".join(text for text, keep in zip(one.texts, chosen.tolist(), strict=True) if keep)
    return overlap(made, one.article.main)[2]


def validated(examples: list[Example], penalty: float) -> tuple[float, float]:
    """Mean token F1 over the folds at the best threshold, and that threshold."""
    fold = folds(examples)
    found: list[tuple[Example, np.ndarray]] = []
    for number in range(FOLDS):
        both = stacked([e for e, f in zip(examples, fold, strict=True) if f != number], penalty)
        held = [e for e, f in zip(examples, fold, strict=True) if f == number and e.article.main]
        found += [(one, chances(both, one)) for one in held]
    grid = np.linspace(0.3, 0.85, 12)
    means = [float(np.mean([page_f1(one, p >= t) for one, p in found])) for t in grid]
    best = int(np.argmax(means))
    return means[best], float(grid[best])


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="into the library")
    given = parser.parse_args(arguments)
    names = (*ARTICLES, SNIPPETS)
    articles = [one for name in names for one in read_articles(name) if one.part == "train"]
    examples = [example(one) for one in articles]
    tried = {penalty: validated(examples, penalty) for penalty in PENALTIES}
    penalty = max(tried, key=lambda p: tried[p])
    f1, threshold = tried[penalty]
    first, second = stacked(examples, penalty)
    # The scale is moved so that one half is the threshold.
    second[-1] -= np.log(threshold / (1 - threshold))
    ceiling = float(np.mean([page_f1(e, e.label > 0) for e in examples if e.article.main]))
    line = {"pages": len(articles), "penalty": penalty, "threshold": threshold}
    line |= {"f1": round(f1, 4), "labels_f1": round(ceiling, 4)}
    line |= {"tried": {str(p): round(v[0], 4) for p, v in tried.items()}}
    print(json.dumps(line))
    if given.write:
        TARGET.write_text(_module(first, second), encoding="utf-8")
    return 0


def _module(first: np.ndarray, second: np.ndarray) -> str:
    parts = [
        '"""Weights of the scorer ``main``, by column; made by benchmarks/html/fit_main.py."""\n\n'
        "from __future__ import annotations\n\n"
        '__all__ = ["FIRST_WEIGHTS", "SECOND_WEIGHTS"]\n'
    ]
    for title, names, values, what in (
        ("FIRST_WEIGHTS", FIRST, first, "Log-odds of a row by itself"),
        ("SECOND_WEIGHTS", SECOND, second, "Log-odds of a row among the others"),
    ):
        lines = [
            f'    "{name}": {value:.4f},'
            for name, value in zip((*names, "constant"), values.tolist(), strict=True)
        ]
        parts.append(f"\n{title}: dict[str, float] = {{\n" + "\n".join(lines) + "\n}\n")
        parts.append(f'"""{what}; the constant last."""\n')
    return "".join(parts)


if __name__ == "__main__":
    sys.exit(main())
