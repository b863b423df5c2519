"""Scores of blocks from any scorer of sentences: a section is its chunk, the headings its title."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from datapruner.context.html.blocks import Blocks
from datapruner.context.queryfree import query_free
from datapruner.context.scoring import Scored, context_scorer
from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.errors import DataPrunerError, ScoreError
from datapruner.methods import METHODS
from datapruner.scorers.lexical import Lexical
from datapruner.scorers.staged import Staged

__all__ = ["MAIN", "block_scorer", "query_free_scorer", "score_blocks"]

MAIN = "main"
"""The method that needs no query."""


def block_scorer(method: str | Callable[..., Scores]) -> Callable[..., Scores]:
    """The scorer of a method, with the parameters that suit blocks; a scorer as it is.

    Sections of a page do not name each other's titles as documents do, so the lexical scorer
    builds no bridges.

    Args:
        method: as ``context_scorer`` takes it.

    Raises:
        UnknownMethodError: no such context method; the message names the nearest.
    """
    scorer = context_scorer(method)
    return _without_bridges(scorer) if isinstance(method, str) else scorer


def _without_bridges(scorer: Callable[..., Scores]) -> Callable[..., Scores]:
    if isinstance(scorer, Lexical):
        return replace(scorer, bridge=0.0)
    if isinstance(scorer, Staged):
        first, second = _without_bridges(scorer.first), _without_bridges(scorer.second)
        return replace(scorer, first=first, second=second)
    return scorer


def query_free_scorer() -> Callable[..., Scores]:
    """The scorer where there is no query: main content, else place and centrality."""
    return context_scorer(MAIN) if MAIN in METHODS else _central


def _central(items: Items, *, query: str | None = None, seed: int = 0) -> Scores:
    return Scores(query_free(items), items, "more central", "query-free")


def score_blocks(
    blocks: Blocks, scorer: Callable[..., Scores], query: str, seed: int = 0
) -> Scored:
    """Scores of all rows; the scorer sees those that can be offered.

    It has blocks as its sentences, the rows under one heading as a chunk, and the title of the page
    with the headings above as the title of that chunk. A scorer that fails breaks no call: rows are
    scored by place and centrality then.

    Args:
        blocks: the rows.
        scorer: as the library's protocol has it.
        query: may be empty.
        seed: passed on.

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
    section = np.array(blocks.sections)[rows]
    begins = np.empty(rows.size, dtype=bool)
    begins[0] = True
    np.not_equal(section[1:], section[:-1], out=begins[1:])
    offered = replace(
        items.take(rows),
        group=np.cumsum(begins, dtype=np.int32) - 1,
        group_names=tuple(map(str, section[begins].tolist())),
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
    details = {key: value for key, value in scores.details.items() if not key.startswith("chunk_")}
    whole = Scores(
        values, items, scores.meaning, scores.method, details=details, notes=scores.notes
    )
    return Scored(whole, failed, ranked=bool(query.strip()))
