"""score() and prune(): the dataset pruner from Python."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from datapruner.core.budget import Budget, as_budget
from datapruner.core.items import Items
from datapruner.core.ledger import Fill
from datapruner.core.pruner import refuse_unknown_keys
from datapruner.core.scores import Scores
from datapruner.core.select import Picker, select
from datapruner.core.selection import Selection
from datapruner.core.types import IntArray
from datapruner.dataset.loggedrun import LoggedRun
from datapruner.dataset.reading import PLAIN_UNITS, Note, Reading, is_source, read_items
from datapruner.dataset.runrows import check_runs, open_runs, reads_log
from datapruner.dataset.source import BadRow, open_source
from datapruner.engines.base import Engine
from datapruner.engines.choose import open_engine
from datapruner.errors import BudgetError, InputError, nearest
from datapruner.methods import Method, dataset_method, load
from datapruner.rng import check_seed
from datapruner.vectors.store import Vectors

__all__ = [
    "counter_for",
    "prune",
    "reporter",
    "score",
    "score_with",
    "scorer_of",
    "take_rows",
    "with_bad_vectors",
]

_BAD_VECTOR = {
    1: "its vector holds NaN",
    2: "its vector holds an infinity",
    3: "its vector has no length",
}


def score(
    data: Any = None,
    *,
    method: str = "prototypes",
    text: str | None = None,
    embedding: Any = None,
    label: Any = None,
    id: Any = None,
    cost: str | None = None,
    log: Any = None,
    epoch: int | None = None,
    held_in: Any = None,
    tokens: Any = None,
    unit: str | None = None,
    embedder: Any = "auto",
    device: str = "auto",
    cache: Any = None,
    on_bad: Literal["error", "drop"] = "error",
    spill: Path | None = None,
    engine: str | Engine = "local",
    memory: str | int | None = None,
    journal: str | Path | None = None,
    seed: int = 0,
    progress: Any = False,
    **params: Any,
) -> Scores:
    """A score for every row: the costly half; every later ``select`` shares it.

    Args:
        data: rows in any container or file (see ``open_source``), or vectors alone: an (n, d)
            array, a ``.npy`` or a ``.safetensors`` file; None with ``embedding`` vectors; or a
            ``LoggedRun``, whose rows are then known by their ids or numbers alone.
        method: a registered method: ``"prototypes"``, ``"random"``.
        text: the column to embed and count; None takes a column named ``text`` if there is one.
        embedding: vectors instead of a text: a column's name, an (n, d) array, or a file
            (``.npy``, ``.safetensors``, ``file.parquet:column``).
        label: a column of labels (or n labels, with bare vectors): groups for floors.
        id: the column of ids (or n ids, with bare vectors); None: ids made of the content.
        cost: a column of prices.
        log: for methods that score a training run, the log of one that had these rows, its file or
            a ``LoggedRun``; or several. Rows are found by id where the log has ids (name their
            column with ``id``), else by position. Without ``label`` groups are the log's labels.
        epoch: which of its epochs counts; None: all of one log, or the last of each of several.
        held_in: for ``"memorisation"``, which rows each of the runs trained on: bool, of shape
            (n, runs), an array or a ``.npy`` file, in the order of the log.
        tokens: count tokens as prices with this counter: ``"words"``, ``"characters"``,
            ``"bytes"``, a tokenizer file or folder, or an object with ``count``; ``"auto"``: the
            tokenizer of the embedder if it has one, else ``"words"``.
        unit: what to call those prices, for a budget must name the same unit; None: the counter's
            own unit or ``"tokens"``, and ``"cost"`` for a column.
        embedder: ``"auto"`` (MiniLM if it is on this machine, else the offline one), ``"minilm"``,
            ``"offline"``, a folder or model name, or an object with ``encode(list[str])``.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
        cache: folder for finished embeddings, ``True`` for the default folder, None for no cache.
        on_bad: ``"error"``, or ``"drop"`` to leave out rows that cannot be used.
        spill: folder for vectors while they are needed; None: the system's temporary folder.
        engine: who runs the heavy passes: ``"local"``, ``"ray"``, or an engine; changes nothing in
            the result.
        memory: what the process may use in all, as ``"4GiB"``; None: as much as there is.
        journal: a folder for finished pieces of work, from which a run that was stopped goes on.
            It is emptied by the command line when all is done, and by you otherwise.
        seed: of every draw.
        progress: True for lines on stderr, or a callable of (stage, done, total).
        **params: the method's own parameters, such as ``k`` or ``metric``.

    Returns:
        Scores with the items.

    Raises:
        InputError: rows or parameters that cannot be used.
        MissingColumnError: a column that is not there.
        UnknownMethodError: no such method.
    """
    reading = Reading(
        text=text,
        embedding=embedding,
        label=label,
        id=id,
        cost=cost,
        log=open_runs(log),
        epoch=epoch,
        held_in=held_in,
        tokens=tokens,
        unit=unit,
        embedder=embedder,
        device=device,
        cache=cache,
        on_bad=on_bad,
        spill=spill,
    )
    runner = open_engine(engine, memory=memory, journal=journal)
    return score_with(data, reading, method, params, seed=seed, progress=progress, engine=runner)[0]


def score_with(
    data: Any,
    reading: Reading,
    method: str,
    params: Mapping[str, Any],
    *,
    seed: int = 0,
    progress: Any = False,
    note: Note | None = None,
    engine: Engine | None = None,
) -> tuple[Scores, tuple[BadRow, ...]]:
    """As ``score``, with the rows that were left out, ascending, each with its reason.

    Args:
        note: called with each bad row as soon as it is found; may raise to end the run.
        engine: who runs the heavy passes; None: this process, without a journal.
    """
    entry = dataset_method(method)
    seed = check_seed(seed)
    scorer = scorer_of(entry, reading, params)
    runs = (data,) if isinstance(data, LoggedRun) else reading.log
    if reads_log(entry) or runs is reading.log:
        check_runs(entry, runs, reading.epoch, reading.held_in)
    # A scorer that goes by a column of numbers names it, so that it is read as a feature.
    reading = dataclasses.replace(reading, by=getattr(scorer, "by", None))
    report = reporter(progress)
    loaded, details = read_items(data, reading, entry.needs, progress=report, note=note)
    more = {"progress": report, "engine": engine} if "embedding" in entry.needs else {}
    scores: Scores = scorer(loaded.items, seed=seed, **more)
    scores = dataclasses.replace(scores, details={**details, **scores.details})
    return scores, with_bad_vectors(scores, loaded.bad, data, note)


def scorer_of(entry: Method, reading: Reading, params: Mapping[str, Any]) -> Any:
    """The scorer of a method with these parameters.

    Raises:
        InputError: a parameter that it does not have, or a value that no run could use.
    """
    scorer_class = load(entry.scorer)
    known = [f.name for f in dataclasses.fields(scorer_class)]
    shared_names = [f.name for f in dataclasses.fields(Reading)]
    refuse_unknown_keys(params, known, f"method {entry.name!r}", also=shared_names)
    shared = {"device": reading.device, "on_bad": reading.on_bad}
    return scorer_class(**{k: v for k, v in shared.items() if k in known} | dict(params))


def with_bad_vectors(
    scores: Scores, known: tuple[BadRow, ...], data: Any, note: Note | None
) -> tuple[BadRow, ...]:
    """The bad rows of the input and those that the scorer barred for their vectors, ascending."""
    bad = {row.row: row for row in known}
    for row in _bad_vectors(scores.items, bad, _described(data)):
        bad[row.row] = row
        if note is not None:
            note(row)
    return tuple(bad[row] for row in sorted(bad))


def prune(
    data: Any = None,
    *,
    method: str = "prototypes",
    budget: Budget | str | float,
    pick: str | Picker | None = None,
    allocate: str | None = None,
    fill: Fill = "skip",
    seed: int = 0,
    tokens: Any = None,
    **options: Any,
) -> Selection:
    """The rows to keep: ``score`` and ``select`` in one go.

    Args:
        data: rows in any container or file.
        method: a registered method.
        budget: what to keep: ``"30%"``, ``"1200 items"``, ``"20000 tokens"``, 0.3, or a Budget. A
            budget in tokens, words, characters or bytes counts them in the text.
        pick: which end to keep; None: the method's own choice for this budget.
        allocate: how groups share the budget.
        fill: ``"skip"`` or ``"stop"`` at a row that does not fit.
        seed: of every draw.
        tokens: see ``score``; None: what the budget's unit asks for.
        **options: everything else ``score`` takes.

    Returns:
        The selection; ``selection.apply(data)`` gives the kept rows in the same type.

    Raises:
        BudgetError: the budget cannot be read or met.
        DataPrunerError: as ``score``.
    """
    wanted = as_budget(budget)
    if tokens is None and options.get("cost") is None:
        tokens = counter_for(wanted)
    unit = options.pop("unit", None) or wanted.unit
    scores = score(data, method=method, seed=seed, tokens=tokens, unit=unit, **options)
    return select(scores, wanted, pick=pick, allocate=allocate, fill=fill, seed=seed)


def counter_for(budget: Budget) -> Any:
    """The counter a budget's own unit asks for; None where it counts rows alone.

    Raises:
        BudgetError: a unit that nobody counts in, most likely a slip of the pen.
    """
    if budget.cost is None and not (budget.share is not None and budget.share_of == "cost"):
        return None
    if budget.unit is not None and budget.unit not in (*PLAIN_UNITS, "tokens", "cost"):
        known = nearest(budget.unit, ("items", "rows", "tokens", "cost", *PLAIN_UNITS))
        raise BudgetError(
            f"nobody counts {budget.unit!r} here: without a column of prices (cost, --cost) or a "
            f"counter (tokens, --tokens) a budget is in one of the known units. {known}"
        )
    return budget.unit if budget.unit in PLAIN_UNITS else "auto"


def take_rows(data: Any, rows: IntArray, n: int) -> Any:
    """These rows of the data, in its own type.

    Raises:
        InputError: the data has another number of rows than were scored.
    """
    size = None
    if hasattr(data, "__len__") and not isinstance(data, (str, Mapping)):
        size = len(data)
    if size is not None and size != n and not _is_paths(data):
        raise InputError(f"the data has {size} rows, but {n} were scored; pass the same rows.")
    return open_source(data).take(rows)


def _is_paths(data: Any) -> bool:
    return isinstance(data, list | tuple) and any(isinstance(item, Path) for item in data)


def _described(data: Any) -> str:
    return f"{data.description} " if is_source(data) or isinstance(data, Vectors) else ""


def _bad_vectors(items: Items, known: Mapping[int, BadRow], where: str) -> list[BadRow]:
    """The rows that a scorer barred, with what is wrong with their vectors."""
    barred = np.flatnonzero(items.barred)
    rows = barred[[row not in known for row in barred.tolist()]] if barred.size else barred
    if not rows.size:
        return []
    is_logged = "logits" in items.features
    if is_logged or "embedding" not in items.features:
        why = "it was never logged" if is_logged else "the scorer could not use it"
        return [BadRow(row, f"{where}row {row}", why, "") for row in rows.tolist()]
    from datapruner.vectors.content import bad_rows
    from datapruner.vectors.store import open_vectors

    codes = bad_rows(open_vectors(items.feature("embedding")).take(rows)).tolist()
    return [
        BadRow(row, f"{where}row {row}", _BAD_VECTOR.get(code, "its vector cannot be used"), "")
        for row, code in zip(rows.tolist(), codes, strict=True)
    ]


def reporter(progress: Any) -> Any:
    """What ``progress`` means: True for lines on stderr, a callable for itself, else None."""
    if not progress:
        return None
    return progress if callable(progress) else _to_stderr


def _to_stderr(stage: str, done: int, total: int) -> None:
    of = f" of {total:,}" if total else ""
    sys.stderr.write(f"\rdatapruner: {stage} {done:,}{of}   ")
