"""dedup(): exact, near and semantic duplicates out of any container, with the reason for each."""

from __future__ import annotations

import dataclasses
import os
from typing import Any, Literal

from datapruner.core.budget import Budget, as_budget
from datapruner.core.scores import Scores
from datapruner.core.select import select
from datapruner.core.selection import Selection
from datapruner.dataset.outside import (
    Outside,
    check_widths,
    keep_index,
    read_others,
    with_embedder,
)
from datapruner.dataset.prune import counter_for, reporter, with_bad_vectors
from datapruner.dataset.reading import Note, Reading, is_source, is_vectors, read_items
from datapruner.dataset.recipe import recipe_of
from datapruner.dataset.source import BadRow, Source, open_source
from datapruner.engines.base import Engine
from datapruner.engines.choose import open_engine
from datapruner.engines.local import Local
from datapruner.errors import InputError
from datapruner.scorers.dedup import Dedup
from datapruner.scorers.duplicates import Duplicates

__all__ = ["DEFAULT_EPS", "EVERYTHING", "cascade", "dedup", "dedup_with"]

EVERYTHING = "everything"

DEFAULT_EPS = 0.05
"""The usual value for sentence encoders; safe for the offline embedder too (docs/methods.md)."""


def cascade(
    *,
    eps: float = DEFAULT_EPS,
    rule: str = "leader",
    keep: str = "hard",
    by: str | None = None,
    jaccard: float = 0.8,
    k: int | None = None,
    probes: int = 1,
    inside: str = "drop",
    device: str = "auto",
    on_bad: str = "error",
) -> Dedup:
    """The stages with their parameters.

    Raises:
        InputError: a parameter that no run could use.
    """
    semantic = Duplicates(
        eps=eps,
        rule=rule,  # type: ignore[arg-type]
        keep=keep,  # type: ignore[arg-type]
        by=by,
        k=k,
        probes=probes,
        device=device,
        on_bad=on_bad,  # type: ignore[arg-type]
    )
    return Dedup(semantic, jaccard, inside=inside)  # type: ignore[arg-type]


def dedup(
    data: Any = None,
    *,
    text: str | None = None,
    embedding: Any = None,
    label: Any = None,
    id: Any = None,
    eps: float = DEFAULT_EPS,
    rule: Literal["leader", "any_earlier", "components"] = "leader",
    keep: Literal["hard", "easy", "first", "best"] = "hard",
    by: str | None = None,
    jaccard: float = 0.8,
    ignore_case: bool = False,
    budget: Budget | str | float = EVERYTHING,
    k: int | None = None,
    probes: int = 1,
    against: Any = None,
    against_text: str | None = None,
    against_id: str | None = None,
    against_embedding: Any = None,
    inside: Literal["drop", "keep"] = "drop",
    index: str | os.PathLike[str] | None = None,
    save_index: str | os.PathLike[str] | None = None,
    cost: str | None = None,
    tokens: Any = None,
    embedder: Any = "auto",
    device: str = "auto",
    cache: Any = None,
    on_bad: Literal["error", "drop"] = "error",
    engine: str | Engine = "local",
    memory: str | int | None = None,
    journal: Any = None,
    seed: int = 0,
    progress: Any = False,
) -> Selection:
    """One row of every group of duplicates: exact copies, near-copies by MinHash, semantic ones.

    Args:
        data: rows in any container or file, or vectors alone (then the semantic stage only).
        text: the column to compare; None takes a column named ``text`` if there is one.
        embedding: vectors instead of embedding the text.
        label: the column of labels: groups for floors.
        id: the column of ids; None: ids made of the content.
        eps: a cosine above 1 - eps makes a semantic duplicate; 0 leaves the stage out, and with
            it the embedding.
        rule: ``"leader"``, ``"any_earlier"`` or ``"components"`` (``scorers.duplicates``).
        keep: which of a group stays: ``"hard"``, ``"easy"``, ``"first"``, or ``"best"`` with
            ``by``.
        by: a column of numbers, the highest stays.
        jaccard: share of word shingles that near-copies share; 1 leaves the stage out.
        ignore_case: exact copies may differ in case (near-copies always may).
        budget: a limit beside the duplicates: with a number or share of rows, exactly as many
            stay (fewer only where the text stages leave fewer), and eps is found, not given.
        k: clusters of the semantic stage; None: one up to 50,000 rows, which compares all
            pairs, then the square root of n.
        probes: 2 compares rows with what the second-nearest cluster keeps, too.
        against: other rows, in any container or file (vectors where data is vectors): what repeats
            one of them by any stage goes, whatever the keep order.
        against_text, against_id, against_embedding: their columns; None: as in data. Without ids
            they are called by their row numbers.
        inside: ``"keep"`` leaves duplicates inside data alone and drops only what ``against`` or
            ``index`` has.
        index: a folder that ``save_index`` has made: what repeats a row kept then goes.
        save_index: a folder for what a later run needs of the kept rows. The same as ``index``
            extends it (and starts it where it is not there); another one gets the rows of both.
        cost, tokens, embedder, device, cache, on_bad, engine, memory, journal, seed, progress: see
            ``score``.

    Returns:
        The selection; ``explain`` names the row that a dropped one repeats.

    Raises:
        InputError: rows or parameters that cannot be used.
        BudgetError: the budget cannot be read or met.
    """
    wanted = as_budget(budget)
    if tokens is None and cost is None:
        tokens = counter_for(wanted)
    reading = Reading(
        text=text,
        embedding=embedding,
        label=label,
        id=id,
        by=by,
        ignore_case=ignore_case,
        signatures=jaccard < 1,
        cost=cost,
        tokens=tokens,
        unit=wanted.unit,
        embedder=embedder,
        device=device,
        cache=cache,
        on_bad=on_bad,
    )
    scorer = cascade(
        eps=eps,
        rule=rule,
        keep=keep,
        by=by,
        jaccard=jaccard,
        k=k,
        probes=probes,
        inside=inside,
        device=device,
        on_bad=on_bad,
    )
    outside = Outside(
        against=against,
        against_text=against_text,
        against_id=against_id,
        against_embedding=against_embedding,
        index=index,
        save_index=save_index,
    )
    outside.check_target()
    runner = open_engine(engine, memory=memory, journal=journal)
    scores, _ = dedup_with(
        data, reading, scorer, wanted, outside, seed=seed, progress=progress, engine=runner
    )
    kept = select(scores, wanted, pick="distinct", seed=seed)
    if save_index is not None:
        keep_index(outside, scores, kept.indices, recipe_of(scores, reading, scorer))
    return kept


def dedup_with(
    data: Any,
    reading: Reading,
    scorer: Dedup,
    budget: Budget,
    outside: Outside | None = None,
    *,
    seed: int = 0,
    progress: Any = False,
    note: Note | None = None,
    engine: Engine | None = None,
) -> tuple[Scores, tuple[BadRow, ...]]:
    """Scores with twins, and the rows that were left out, ascending, each with its reason.

    Args:
        data: as for ``dedup``, or a Source or Vectors.
        reading: which column plays which part.
        scorer: the stages.
        budget: what will be selected; a number of rows makes the scorer find its eps.
        outside: other data sets to compare with; None: there are none.
        seed: of the clusters.
        progress: see ``score``.
        note: called with each bad row as soon as it is found; may raise to end the run.
        engine: who runs the heavy passes; None: this process, without a journal.

    Raises:
        InputError: vectors alone with nothing to compare them by, or rows that cannot be compared
            with the other data sets.
    """
    report, runner, outside = reporter(progress), engine or Local(), outside or Outside()
    if scorer.inside == "keep" and outside.against is None and outside.index is None:
        raise InputError(
            'inside is "keep", so there is nothing to drop: name other rows with against '
            "(--against) or index (--index)."
        )
    has_rows = not (data is None or is_vectors(data))
    if has_rows and not is_source(data):
        data = open_source(data)
    is_sized = _is_sized(budget) and scorer.inside == "drop"
    needs, notes = _needs(data if has_rows else None, reading, scorer, is_sized)
    if (outside.against is not None or outside.index is not None) and has_rows:
        reading = with_embedder(reading, needs)
    others, told = read_others(outside, reading, scorer, needs, runner)
    loaded, details = read_items(data, reading, needs, progress=report, note=note)
    check_widths(loaded.items.features.get("embedding"), others)
    if is_sized:
        limits = budget.resolve(loaded.items, len(loaded.items.group_names))
        scorer = dataclasses.replace(scorer, size=limits.count)
    scores = scorer(loaded.items, seed=seed, progress=report, engine=runner, against=others)
    scores = dataclasses.replace(
        scores, details={**details, **scores.details, **told}, notes=(*scores.notes, *notes)
    )
    return scores, with_bad_vectors(scores, loaded.bad, data, note)


def _needs(
    source: Source | None, reading: Reading, scorer: Dedup, is_sized: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is read of every row, and what to tell the user about it."""
    if source is None:
        if not scorer.is_semantic:
            raise InputError("eps is 0, and vectors alone have no text to compare; give both.")
        return ("embedding",), ()
    needs = scorer.needs
    if is_sized:
        needs = tuple(dict.fromkeys((*needs, "embedding")))
    lacks_text = reading.text is None and source.columns and "text" not in source.columns
    if not lacks_text or reading.embedding is None or "embedding" not in needs:
        return needs, ()
    note = (
        f"{source.description} was compared by its vectors alone: without a column of texts "
        "(text, --text) the exact and MinHash stages did not run"
    )
    return ("embedding",), (note,)


def _is_sized(budget: Budget) -> bool:
    counted = budget.count is not None or budget.share is not None
    return counted and budget.share_of == "items"
