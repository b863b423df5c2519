"""Scores for a call: each different chunk once; a chunk that breaks a scorer breaks no call."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from datapruner.context.chunk import Chunk
from datapruner.context.queryfree import query_free
from datapruner.context.units import Units
from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.core.types import BoolArray, FloatArray, IntArray
from datapruner.errors import (
    DataPrunerError,
    InputError,
    ScoreError,
    UnknownMethodError,
    nearest,
)
from datapruner.methods import METHODS, Method, load
from datapruner.scorers.staged import Staged

__all__ = ["Scored", "chunk_scores", "context_scorer", "score_units"]

Scorer = Callable[..., Scores]


@dataclass(frozen=True)
class Scored:
    """What the scorer said.

    Attributes:
        scores: of all rows.
        failed: positions of the chunks that the scorer could not score, with what it said.
        ranked: False where no scorer was asked, for want of a query.
    """

    scores: Scores
    failed: dict[int, str]
    ranked: bool = True


def context_scorer(method: str | Scorer, model: str | None = None) -> Scorer:
    """The scorer of a method of the context side, with its default parameters; a scorer as it is.

    Args:
        method: a registered name; two or more with ``>`` between them, the cheaper one first (see
            ``Staged``); or anything that follows the scorer protocol.
        model: a folder, file or name, for the one method among them that reads with a model; None:
            its default.

    Raises:
        UnknownMethodError: no such context method; the message names the nearest.
        InputError: a model, and no method that takes one, or several.
    """
    if not isinstance(method, str):
        if not callable(method):
            raise InputError(
                f"method is {method!r}; give a name or a scorer, which is called with items and a "
                "query."
            )
        if model is not None:
            raise InputError("the method is a scorer; give it its model when you make it.")
        return method
    names = [name.strip() for name in method.split(">")]
    known = [m.name for m in METHODS.values() if m.side == "context"]
    for name in names:
        if name not in known:
            other = "is for data sets" if name in METHODS else "is unknown"
            raise UnknownMethodError(f"method {name!r} {other}. {nearest(name, known)}")
    if model is not None:
        _check_model(names)
    scorer, *others = [_made(METHODS[name], model) for name in reversed(names)]
    for cheaper in others:
        scorer = Staged(cheaper, scorer)
    return scorer


def _made(method: Method, model: str | None) -> Scorer:
    named = {method.model: model} if model is not None and method.model else {}
    scorer: Scorer = load(method.scorer)(**named)
    return scorer


def _check_model(names: list[str]) -> None:
    takers = [name for name in names if METHODS[name].model]
    if len(takers) != 1:
        every = [m.name for m in METHODS.values() if m.side == "context" and m.model]
        who = " and ".join(map(repr, takers)) + " all read" if takers else f"{names[0]!r} reads"
        how = "a model" if takers else "no model"
        raise InputError(
            f"{who} with {how}. Name one method that does, of {', '.join(every)}; in Python, each "
            "scorer is given its own."
        )


def score_units(units: Units, scorer: Scorer, query: str, seed: int) -> Scored:
    """Scores of all sentences.

    A chunk that repeats another one, title and text, takes its scores. Without a query, sentences
    are scored by place and by how central they are. Where the scorer fails, it is asked for each
    chunk by itself; sentences of chunks at which it fails again are scored without the query and
    take the values that sentences of the same rank have in the other chunks.

    Args:
        units: the sentences.
        scorer: as the library's protocol has it.
        query: may be empty.
        seed: passed on.

    Returns:
        The scores, and which chunks failed; a ``RuntimeWarning`` names the failure.

    Raises:
        DataPrunerError: what is wrong with the set-up and not with a chunk, such as a missing
            package or column.
    """
    items = units.items
    if not query.strip():
        free = Scores(query_free(items), items, "more central", "query-free")
        return Scored(free, {}, ranked=False)
    if not items.n:
        return Scored(Scores(np.zeros(0), items), {})
    source, first = _repeats(units.chunks, items)
    unique = items.take(np.flatnonzero(first)) if not first.all() else items
    failed: dict[int, str] = {}
    try:
        scores = scorer(unique, query=query, seed=seed)
    except Exception as error:
        _raise_if_ours(error)
        scores, failed = _each(unique, scorer, query, seed)
        told = next(iter(failed.values()), f"{type(error).__name__}: {error}")
        warnings.warn(
            f"the scorer failed ({told}); {len(failed)} of {len(units.chunks)} chunks were scored "
            "without it.",
            RuntimeWarning,
            stacklevel=4,
        )
    if unique is items:
        return Scored(scores, failed)
    return Scored(_spread(scores, items, source, first, units.chunks), failed)


def _raise_if_ours(error: Exception) -> None:
    # A wrong score is the fault of one text; all our other errors are of the set-up.
    if isinstance(error, DataPrunerError) and not isinstance(error, ScoreError):
        raise error


def _repeats(chunks: tuple[Chunk, ...], items: Items) -> tuple[IntArray, BoolArray]:
    """For each row the row it repeats or itself, and whether its chunk is the first of its kind."""
    seen: dict[tuple[str, str], int] = {}
    original = [seen.setdefault((c.title, c.text), code) for code, c in enumerate(chunks)]
    groups = items.group.astype(np.int64)
    firsts = np.searchsorted(groups, np.arange(len(chunks) or 1))
    same = np.asarray(original or [0], dtype=np.int64)
    source = np.arange(items.n) - firsts[groups] + firsts[same[groups]]
    return source, np.asarray(same[groups] == groups)


def _spread(
    scores: Scores, items: Items, source: IntArray, first: BoolArray, chunks: tuple[Chunk, ...]
) -> Scores:
    place = np.cumsum(first) - 1
    values = scores.values[place[source]]
    details: dict[str, Any] = dict(scores.details)
    if "chunk_scores" in details:
        seen: dict[tuple[str, str], int] = {}
        codes = [seen.setdefault((c.title, c.text), code) for code, c in enumerate(chunks)]
        details["chunk_scores"] = [details["chunk_scores"][code] for code in codes]
    return Scores(values, items, scores.meaning, scores.method, details=details, notes=scores.notes)


def _each(items: Items, scorer: Scorer, query: str, seed: int) -> tuple[Scores, dict[int, str]]:
    """Chunk by chunk; the values of those that fail are put among the others by rank."""
    values = np.zeros(items.n)
    bad = np.zeros(items.n, dtype=bool)
    failed: dict[int, str] = {}
    meaning, method = "more relevant", "given"
    for code in np.unique(items.group).tolist():
        rows = np.flatnonzero(items.group == code)
        try:
            part = scorer(items.take(rows), query=query, seed=seed)
        except Exception as error:
            _raise_if_ours(error)
            failed[code] = f"{type(error).__name__}: {error}"
            bad[rows] = True
            continue
        values[rows] = part.values
        meaning, method = part.meaning, part.method
    values[bad] = _among(query_free(items)[bad], values[~bad])
    return Scores(values, items, meaning, method), failed


def _among(free: FloatArray, others: FloatArray) -> FloatArray:
    if not others.size:
        return free
    found: FloatArray = np.quantile(others, free)
    return found


def chunk_scores(scores: Scores) -> FloatArray:
    """One score a chunk: the scorer's own where it has them, else of its best sentence.

    Args:
        scores: of the sentences; ``details["chunk_scores"]`` may hold a number for each group.

    Returns:
        Shape (G,), float64; a chunk without rows has the lowest score of all.
    """
    told = scores.details.get("chunk_scores")
    if told is not None:
        return np.asarray(told, dtype=np.float64)
    lowest = float(scores.values.min(initial=0.0))
    best = np.full(scores.n_groups, lowest)
    np.maximum.at(best, scores.groups, scores.values.astype(np.float64))
    return best
