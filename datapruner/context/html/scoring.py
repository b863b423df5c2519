"""Scores of blocks from any scorer of sentences: a passage is its chunk, the headings its title."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from datapruner.context.html.blocks import Blocks
from datapruner.context.html.passages import passages_and_links
from datapruner.context.html.priors import put_down
from datapruner.context.queryfree import query_free
from datapruner.context.scoring import Scored, context_scorer
from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.errors import DataPrunerError, ScoreError
from datapruner.methods import METHODS
from datapruner.scorers.lexical import Lexical
from datapruner.scorers.passages import Passages
from datapruner.scorers.staged import Staged
from datapruner.scorers.withwords import WithWords

__all__ = ["MAIN", "block_scorer", "query_free_scorer", "score_blocks"]

MAIN = "main"
"""The method that needs no query."""


def block_scorer(
    method: str | Callable[..., Scores], model: str | None = None
) -> Callable[..., Scores]:
    """The scorer of a method, in the form that suits blocks; a scorer as it is.

    ``"lexical"`` weighs the words of a block together with those of its passage and its headings
    (see ``Passages``); ``"semantic"`` adds them to its cosines (see ``WithWords``).

    Args:
        method, model: as ``context_scorer`` takes them.

    Raises:
        UnknownMethodError: no such context method; the message names the nearest.
        InputError: a model that no method takes.
    """
    scorer = context_scorer(method, model)
    return _of_blocks(scorer) if isinstance(method, str) else scorer


def _of_blocks(scorer: Callable[..., Scores]) -> Callable[..., Scores]:
    if isinstance(scorer, Lexical):
        return Passages()
    if isinstance(scorer, Staged):
        return replace(scorer, first=_of_blocks(scorer.first), second=_of_blocks(scorer.second))
    from datapruner.scorers.semantic import Semantic  # brings what only embeddings need

    return WithWords(scorer) if isinstance(scorer, Semantic) else scorer


def query_free_scorer() -> Callable[..., Scores]:
    """The scorer where there is no query: main content, else place and centrality."""
    return context_scorer(MAIN) if MAIN in METHODS else _central


def _central(items: Items, *, query: str | None = None, seed: int = 0) -> Scores:
    return Scores(query_free(items), items, "more central", "query-free")


def score_blocks(
    blocks: Blocks,
    scorer: Callable[..., Scores],
    query: str,
    seed: int = 0,
    prior: float = 0.0,
) -> Scored:
    """Scores of all rows; the scorer sees those that can be offered.

    It has blocks as its sentences, their passages (see ``passages_and_links``) as chunks, and the
    title of the page with the headings above as the title of a chunk. Two features come with them:
    ``linked``, the share of a block that is links, and ``section``, equal for the rows under one
    heading. A scorer that fails breaks no call: rows are scored by place and centrality then.

    Args:
        blocks: the rows.
        scorer: as the library's protocol has it.
        query: may be empty.
        seed: passed on.
        prior: how far what stands around the text is put down, in [0, 1]; see ``put_down``.

    Returns:
        Scores with values of shape (n,); shells have the lowest. ``failed`` has what a scorer said
        that failed, under the key 0.

    Raises:
        DataPrunerError: what is wrong with the set-up, such as a missing package.
    """
    items = blocks.items
    rows = np.flatnonzero(~items.shell)
    if not rows.size:
        return Scored(Scores(np.zeros(items.n), items, "more relevant", "given"), {})
    passage, linked = passages_and_links(blocks, rows)
    taken = items.take(rows)
    offered = replace(
        taken,
        group=passage.astype(np.int32),
        group_names=tuple(map(str, range(int(passage[-1]) + 1))),
        features={
            **taken.features,
            "linked": linked,
            "section": np.array(blocks.sections, dtype=np.int64)[rows],
        },
    )
    failed: dict[int, str] = {}
    try:
        scores = scorer(offered, query=query, seed=seed)
    except Exception as error:
        if isinstance(error, DataPrunerError) and not isinstance(error, ScoreError):
            raise
        failed[0] = f"{type(error).__name__}: {error}"
        warnings.warn(
            f"the scorer failed ({failed[0]}); blocks were scored by place and centrality.",
            RuntimeWarning,
            stacklevel=4,
        )
        scores = _central(offered)
    values = np.full(items.n, scores.values.min(), dtype=np.float64)
    values[rows] = scores.values
    if prior:
        values[rows] = put_down(values[rows], items.features["marks"].take(rows).read(), prior)
    details = {key: value for key, value in scores.details.items() if not key.startswith("chunk_")}
    whole = Scores(
        values, items, scores.meaning, scores.method, details=details, notes=scores.notes
    )
    return Scored(whole, failed, ranked=bool(query.strip()))
