"""The query-free mode beside trafilatura: token F1 on articles, snippets right on other pages."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common.loaders import DataAbsentError
from benchmarks.html.articles import (
    ARTICLES,
    SNIPPETS,
    Article,
    overlap,
    read_articles,
    snippets_right,
)
from benchmarks.html.curves import resampled
from benchmarks.html.methods import ONE_THREAD
from datapruner.context.html.prune import HtmlPruner

MEASURES = {
    "articles": ("precision", "recall", "f1"),
    SNIPPETS: ("kept", "dropped", "balanced"),
}


def pages(name: str, most: int | None) -> list[Article]:
    """The test pages of a set, at most so many."""
    return [one for one in read_articles(name) if one.part == "test"][:most]


def ours(articles: list[Article]) -> list[str]:
    """The main content of the pages as text, by the scorer ``main`` at its own threshold."""
    pruner = HtmlPruner(to="text")
    return [pruner(one.html).text for one in articles]


def trafilatura(articles: list[Article], python: str) -> list[str]:
    """The same by trafilatura with its defaults, comments left out."""
    lines = [
        json.dumps({"question": "", "pages": [one.html.decode("utf-8", "replace")], "budgets": []})
        for one in articles
    ]
    command = [python, str(Path(__file__).with_name("outside.py")), "trafilatura", ""]
    done = subprocess.run(
        command,
        input="\n".join(lines),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **ONE_THREAD},
    )
    return [json.loads(line)["texts"]["all"] for line in done.stdout.splitlines()]


def score(made: str, article: Article) -> tuple[float, float, float]:
    """Precision, recall and F1 of a text; of snippets those kept, those dropped, and the mean."""
    if article.set != SNIPPETS:
        return overlap(made, article.main)
    kept, dropped = snippets_right(made, article)
    return kept, dropped, (kept + dropped) / 2


def measure(python: str | None, most: int | None = None) -> Iterator[dict[str, Any]]:
    """An entry for each set and tool, and one for the difference with its interval."""
    for name in (*ARTICLES, SNIPPETS):
        try:
            articles = pages(name, most)
        except DataAbsentError:
            continue
        begun = time.process_time()
        found = {"main": table(ours(articles), articles)}
        spent = time.process_time() - begun
        if python is not None:
            found["trafilatura"] = table(trafilatura(articles, python), articles)
        names = MEASURES[SNIPPETS if name == SNIPPETS else "articles"]
        for tool, values in found.items():
            entry = {"dataset": name, "method": tool, "pages": len(articles)}
            means = (100 * values.mean(axis=0)).round(2).tolist()
            entry |= dict(zip(names, means, strict=True))
            entry |= {"cpu_s": round(spent, 2)} if tool == "main" else {}
            yield entry
        if python is not None:
            yield difference(name, names[-1], found["main"], found["trafilatura"])


def table(made: list[str], articles: list[Article]) -> np.ndarray:
    """Shape (pages, 3)."""
    return np.array([score(text, one) for text, one in zip(made, articles, strict=True)])


def difference(name: str, what: str, ours: np.ndarray, theirs: np.ndarray) -> dict[str, Any]:
    """The paired difference of the last measure in per cent points."""
    gap = (ours - theirs)[:, 2:]
    low, high = np.quantile(resampled(gap, name), (0.025, 0.975))
    verdict = "win" if low > 0 else "lose" if high < 0 else "tie"
    return {
        "dataset": name,
        "method": f"main against trafilatura, {what}",
        "difference": round(100 * float(gap.mean()), 2),
        "low": round(100 * float(low), 2),
        "high": round(100 * float(high), 2),
        "verdict": verdict,
    }
