"""score() and prune(): the dataset pruner from Python."""

from __future__ import annotations

import dataclasses
import logging
import sys
from pathlib import Path
from typing import Any, Literal

import numpy as np

from datapruner.core.budget import Budget, as_budget
from datapruner.core.ledger import Fill
from datapruner.core.pruner import Picker, refuse_unknown_keys, select
from datapruner.core.scores import Scores
from datapruner.core.selection import Selection
from datapruner.core.types import IntArray
from datapruner.dataset.load import Columns, Loaded, column_or_vectors, load_rows, load_vectors
from datapruner.dataset.source import BadRow, Source, open_source
from datapruner.errors import InputError, MissingColumnError, nearest
from datapruner.methods import load, method as find_method
from datapruner.tokens import resolve_counter
from datapruner.vectors.store import Vectors

__all__ = ["counter_for", "prune", "score", "score_with_bad", "take_rows"]

log = logging.getLogger("datapruner")


def score(
    data: Any = None,
    *,
    method: str = "prototypes",
    text: str | None = None,
    embedding: Any = None,
    label: Any = None,
    id: str | None = None,
    cost: str | None = None,
    tokens: Any = None,
    unit: str = "tokens",
    embedder: Any = "auto",
    device: str = "auto",
    cache: Any = None,
    on_bad: Literal["error", "drop"] = "error",
    spill: Path | None = None,
    seed: int = 0,
    progress: Any = False,
    **params: Any,
) -> Scores:
    """A score for every row: the costly half; every later ``select`` shares it.

    Args:
        data: rows in any container or file (see ``open_source``); None with ``embedding`` vectors.
        method: a registered method: ``"prototypes"``, ``"random"``.
        text: the column to embed and count; None takes a column named ``text`` if there is one.
        embedding: vectors instead of a text: a column's name, an (n, d) array, or a file
            (``.npy``, ``.safetensors``, ``file.parquet:column``).
        label: a column of labels (or n labels, with bare vectors): groups for floors.
        id: the column of ids; None: ids made of the content of the rows.
        cost: a column of prices.
        tokens: count tokens as prices with this counter: ``"words"``, ``"characters"``, ``"bytes"``, a
            tokenizer file or folder, or an object with ``count``.
        unit: what to call those prices; a budget must name the same unit.
        embedder: ``"auto"`` (MiniLM if it is on this machine, else the offline one), ``"minilm"``,
            ``"offline"``, a folder or model name, or an object with ``encode(list[str])``.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
        cache: folder for finished embeddings, ``True`` for the default folder, None for no cache.
        on_bad: ``"error"``, or ``"drop"`` to leave out rows that cannot be used.
        spill: folder for vectors while they are needed; None: the system's temporary folder.
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
    scores, _ = score_with_bad(
        data, method=method, text=text, embedding=embedding, label=label, id=id, cost=cost,
        tokens=tokens, unit=unit, embedder=embedder, device=device, cache=cache, on_bad=on_bad,
        spill=spill, seed=seed, progress=progress, **params,
    )
    return scores


def score_with_bad(
    data: Any, *, method: str, text: Any, embedding: Any, label: Any, id: Any, cost: Any,
    tokens: Any, unit: str, embedder: Any, device: str, cache: Any, on_bad: Any, spill: Any,
    seed: int, progress: Any, **params: Any,
) -> tuple[Scores, tuple[BadRow, ...]]:
    """As ``score``, with the rows that were left out, ascending, each with its reason."""
    entry = find_method(method)
    scorer_class = load(entry.scorer)
    known = [f.name for f in dataclasses.fields(scorer_class)]
    refuse_unknown_keys(params, known, f"method {method!r}")
    if on_bad not in ("error", "drop"):
        raise InputError(f'on_bad is {on_bad!r}; it must be "error" or "drop".')
    defaults = {"device": device, "on_bad": on_bad}
    scorer = scorer_class(**{k: v for k, v in defaults.items() if k in known} | params)
    report = _reporter(progress)
    details: dict[str, Any] = {}
    bad: tuple[BadRow, ...] = ()
    if data is None or _is_vectors(data):
        items = _bare_items(data if embedding is None else embedding, label)
    else:
        source = data if isinstance(data, Source) else open_source(data)
        columns, vectors = _columns(source, text, embedding, label, id, cost, entry.needs, tokens)
        loaded, details = _load(
            source, columns, vectors, entry.needs, embedder=embedder, device=device, cache=cache,
            tokens=tokens, unit=unit, on_bad=on_bad, spill=spill, progress=report,
        )
        items, bad = loaded.items, loaded.bad
    more = {"progress": report} if "embedding" in entry.needs else {}
    scores: Scores = scorer(items, seed=seed, **more)
    scores = dataclasses.replace(scores, details={**details, **scores.details})
    return scores, _all_bad(scores, bad)


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
        budget: what to keep: ``"30%"``, ``"1200 items"``, ``"20000 tokens"``, 0.3, or a Budget. A budget
            in tokens, words, characters or bytes counts them in the text.
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
    unit = wanted.unit or "tokens"
    scores = score(data, method=method, seed=seed, tokens=tokens, unit=unit, **options)
    return select(scores, wanted, pick=pick, allocate=allocate, fill=fill, seed=seed)


def counter_for(budget: Budget) -> Any:
    """The counter a budget's own unit asks for; None where it counts rows alone."""
    if budget.cost is None and not (budget.share is not None and budget.share_of == "cost"):
        return None
    return budget.unit if budget.unit in ("words", "characters", "bytes") else "auto"


def take_rows(data: Any, rows: IntArray, n: int) -> Any:
    """These rows of the data, in its own type.

    Raises:
        InputError: the data has another number of rows than were scored.
    """
    size = len(data) if hasattr(data, "__len__") and not isinstance(data, (dict, str)) else None
    if size is not None and size != n and not isinstance(data, list | tuple):
        raise InputError(f"the data has {size} rows, but {n} were scored; pass the same rows.")
    return open_source(data).take(rows)


def _all_bad(scores: Scores, noted: tuple[BadRow, ...]) -> tuple[BadRow, ...]:
    known = {bad.row: bad for bad in noted}
    for row in np.flatnonzero(scores.items.barred).tolist():
        if row not in known:
            reason = "its vector is NaN, infinite or of zero length"
            known[row] = BadRow(row, f"row {row}", reason, "")
    return tuple(known[row] for row in sorted(known))


def _is_vectors(data: Any) -> bool:
    return isinstance(data, Vectors | np.ndarray) or (
        isinstance(data, str | Path)
        and str(data).partition(":")[0].endswith((".npy", ".safetensors"))
    )


def _bare_items(embedding: Any, label: Any) -> Any:
    from datapruner.vectors.store import open_vectors

    if embedding is None:
        raise InputError("there is nothing to score: give data, or embedding=vectors.")
    return load_vectors(open_vectors(embedding), label)


def _columns(
    source: Source,
    text: str | None,
    embedding: Any,
    label: Any,
    id: str | None,
    cost: str | None,
    needs: tuple[str, ...],
    tokens: Any,
) -> tuple[Columns, Vectors | None]:
    column, vectors = column_or_vectors(embedding, source)
    has_vectors = column is not None or vectors is not None
    if text is None and (tokens is not None or ("embedding" in needs and not has_vectors)):
        text = "text"
        if "text" not in source.columns:
            raise MissingColumnError(
                f'which column of {source.description} holds the text? Name it with text="..." '
                f"(--text). {nearest('text', source.columns)}"
            )
    return Columns(text=text, embedding=column, label=label, id=id, cost=cost), vectors


def _load(
    source: Source,
    columns: Columns,
    vectors: Vectors | None,
    needs: tuple[str, ...],
    *,
    embedder: Any,
    device: str,
    cache: Any,
    tokens: Any,
    on_bad: Any,
    spill: Path | None,
    progress: Any,
) -> tuple[Loaded, dict[str, Any]]:
    details: dict[str, Any] = {}
    encode = None
    if "embedding" in needs and vectors is None and columns.embedding is None:
        from datapruner.vectors.embed import resolve_embedder

        encode = resolve_embedder(embedder, device=device)
        details |= {"embedder": encode.name, "embedder_fingerprint": encode.fingerprint}
        log.info("embedder: %s", encode.name)
    counter = None
    if tokens is not None:
        # MiniLM brings its own tokenizer; otherwise the rule-based counter, which is always there.
        spec = "words" if isinstance(tokens, str) and tokens == "auto" else tokens
        own = encode if tokens == "auto" and hasattr(encode, "count_tokens") else None
        counter = _EmbedderCounter(own) if own is not None else resolve_counter(spec)
        details["counter"] = counter.name
    loaded = load_rows(
        source,
        columns,
        embedder=encode,
        counter=counter,
        cache=_open_cache(cache, encode),
        spill=spill,
        on_bad=on_bad,
        progress=progress,
    )
    if vectors is not None:
        if vectors.n != loaded.items.n:
            raise InputError(
                f"{vectors.description} has {vectors.n} vectors for {loaded.items.n} rows of "
                f"{source.description}."
            )
        items = dataclasses.replace(
            loaded.items, features={**loaded.items.features, "embedding": vectors}
        )
        loaded = dataclasses.replace(loaded, items=items)
    return loaded, details


class _EmbedderCounter:
    """Counts tokens with the tokenizer of the embedder that runs anyway."""

    def __init__(self, embedder: Any) -> None:
        self._embedder = embedder
        self.name = f"tokenizer of {embedder.name}"

    def count(self, texts: Any) -> IntArray:
        """Shape (len(texts),), int64."""
        counts: IntArray = self._embedder.count_tokens(list(texts))
        return counts


def _open_cache(cache: Any, embedder: Any) -> Any:
    if cache is None or cache is False or embedder is None:
        return None
    from datapruner.vectors.cache import EmbeddingCache, default_folder

    if isinstance(cache, str | Path | bool):
        folder = default_folder(embedder.fingerprint) if cache is True else Path(cache)
        return EmbeddingCache(folder)
    return cache


def _reporter(progress: Any) -> Any:
    if not progress:
        return None
    return progress if callable(progress) else _to_stderr


def _to_stderr(stage: str, done: int, total: int) -> None:
    of = f" of {total:,}" if total else ""
    sys.stderr.write(f"\rdatapruner: {stage} {done:,}{of}   ")
