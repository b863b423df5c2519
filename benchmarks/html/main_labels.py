"""Which rows of a page are its main text, from the main text or from snippets that are given."""

from __future__ import annotations

import numpy as np

from benchmarks.html.articles import Article
from benchmarks.html.records import squeezed, words

RUN = 3
SHORT = 4  # squeezed characters below which a text is found anywhere
SURE = 8  # words from which a text is not found by chance
NEAR = 4  # rows from such a text


def labels(texts: list[str], main: str) -> np.ndarray:
    """1.0 where most of a text's runs of three words, or all of a short text, are in the main.

    A menu often has words that the main text has too: few words are main text only near others.
    """
    gold = words(main)
    runs = {tuple(gold[i : i + RUN]) for i in range(len(gold))}
    flat = squeezed(main)
    made, lengths = np.zeros(len(texts)), np.zeros(len(texts))
    for place, text in enumerate(texts):
        mine = words(text)
        lengths[place] = len(mine)
        if len(mine) < RUN:
            made[place] = len(squeezed(text)) >= SHORT and squeezed(text) in flat
        else:
            hits = [tuple(mine[i : i + RUN]) in runs for i in range(len(mine) - RUN + 1)]
            made[place] = np.mean(hits) >= 0.5
    sure = np.flatnonzero((made > 0) & (lengths >= SURE))
    if sure.size:
        rows = np.arange(len(texts))
        outside = (rows < sure[0] - NEAR) | (rows > sure[-1] + NEAR)
        made[outside & (lengths < SURE)] = 0.0
    return made


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
