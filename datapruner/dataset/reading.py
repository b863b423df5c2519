"""How rows of any source become items: which column plays which part, and what runs on the way."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from datapruner.core.items import Items
from datapruner.core.types import IntArray
from datapruner.dataset.load import Columns, Loaded, load_rows
from datapruner.dataset.loggedrun import LoggedRun, run_items
from datapruner.dataset.runrows import join_runs
from datapruner.dataset.source import BadRow, Source, open_source
from datapruner.errors import InputError, MissingColumnError, OutputError, nearest
from datapruner.scorers.minhash import Printer
from datapruner.tokens import resolve_counter
from datapruner.vectors.store import Vectors, open_vectors

__all__ = [
    "PLAIN_UNITS",
    "Note",
    "Reading",
    "column_or_vectors",
    "is_source",
    "is_vectors",
    "load_vectors",
    "read_items",
]

log = logging.getLogger("datapruner")

Note = Callable[[BadRow], object]

# Counters that are units of their own: a budget of "300 words" asks for this counter by name.
PLAIN_UNITS = ("words", "characters", "bytes")


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How rows become items: which column plays which part, and what to do on the way.

    The fields are the parameters of ``score`` and ``dedup`` of the same names; ``by`` is the column
    of numbers that the scorer goes by, whatever its parameter is called; ``signatures`` says
    whether MinHash needs any; ``log`` holds runs that are open already.
    """

    text: str | None = None
    embedding: Any = None
    label: Any = None
    id: Any = None
    cost: str | None = None
    log: tuple[LoggedRun, ...] = ()
    epoch: int | None = None
    held_in: Any = None
    by: str | None = None
    ignore_case: bool = False
    signatures: bool = True
    tokens: Any = None
    unit: str | None = None
    embedder: Any = "auto"
    device: str = "auto"
    cache: Any = None
    on_bad: Literal["error", "drop"] = "error"
    spill: Path | None = None

    def __post_init__(self) -> None:
        """Refuse what no run could use."""
        if self.on_bad not in ("error", "drop"):
            raise InputError(f'on_bad is {self.on_bad!r}; it must be "error" or "drop".')
        if self.device not in ("auto", "cpu", "cuda"):
            raise InputError(f'device is {self.device!r}; it must be "auto", "cpu" or "cuda".')


def read_items(
    data: Any, reading: Reading, needs: tuple[str, ...], *, progress: Any, note: Note | None = None
) -> tuple[Loaded, dict[str, Any]]:
    """Items ready for a scorer, and what ran to make them.

    Args:
        data: as for ``score``, or a Source or Vectors.
        reading: which column plays which part.
        needs: features the scorer reads.
        progress: None, or called with (stage, done, total).
        note: see ``score_with``.
    """
    if isinstance(data, LoggedRun):
        rest = {"embedding": reading.embedding, "label": reading.label, "log": reading.log or None}
        advice = "Give the rows as data, and the log as log."
        _refuse_columns(reading, "the log of a run has", advice, rest)
        items = run_items(data, epoch=reading.epoch, id=reading.id)
        return Loaded(items, ()), {"log": data.path.name}
    if data is None or is_vectors(data):
        loaded = Loaded(_bare_items(data, reading), ())
        details: dict[str, Any] = {}
    else:
        source: Source = data if is_source(data) else open_source(data)
        loaded, details = _read_rows(source, reading, needs, progress=progress, note=note)
    if not reading.log:
        return loaded, details
    items = join_runs(
        loaded.items,
        reading.log,
        epoch=reading.epoch,
        held_in=reading.held_in,
        where="the data" if data is None else getattr(data, "description", "the data"),
        id=reading.id,
        label=reading.label,
    )
    details["log"] = ", ".join(run.path.name for run in reading.log)
    return dataclasses.replace(loaded, items=items), details


def _read_rows(
    source: Source, reading: Reading, needs: tuple[str, ...], *, progress: Any, note: Note | None
) -> tuple[Loaded, dict[str, Any]]:
    columns, vectors = _columns(source, reading, needs)
    details: dict[str, Any] = {}
    encode = None
    if "embedding" in needs and vectors is None and columns.embedding is None:
        from datapruner.vectors.embed import resolve_embedder

        encode = resolve_embedder(reading.embedder, device=reading.device)
        # Nested, for reports show plain details only: this one is for machines.
        details |= {"embedder": encode.name, "fingerprints": {"embedder": encode.fingerprint}}
    counter = None
    if reading.tokens is not None:
        counter = _counter(reading.tokens, encode)
        details["counter"] = counter.name
    loaded = load_rows(
        source,
        columns,
        embedder=encode,
        counter=counter,
        unit=_unit(reading),
        prints=Printer(signatures=reading.signatures, ignore_case=reading.ignore_case)
        if "prints" in needs
        else None,
        cache=_open_cache(reading.cache, encode),
        spill=reading.spill,
        on_bad=reading.on_bad,
        progress=progress,
        note=note,
    )
    return (loaded if vectors is None else _joined(loaded, vectors, source)), details


def _joined(loaded: Loaded, vectors: Vectors, source: Source) -> Loaded:
    if vectors.n != loaded.items.n:
        raise InputError(
            f"{vectors.description} has {vectors.n} vectors for {loaded.items.n} rows of "
            f"{source.description}; they must be of the same rows, in the same order."
        )
    features = {**loaded.items.features, "embedding": vectors}
    return dataclasses.replace(loaded, items=dataclasses.replace(loaded.items, features=features))


def is_source(data: Any) -> bool:
    """Whether data is a ``Source`` already; asks the type, for a lazy frame computes when asked."""
    return callable(getattr(type(data), "blocks", None)) and not isinstance(data, Vectors)


def is_vectors(data: Any) -> bool:
    """Whether data is vectors alone: an array, ``Vectors``, or a file of them."""
    return isinstance(data, Vectors | np.ndarray) or (
        isinstance(data, str | Path)
        and str(data).partition(":")[0].endswith((".npy", ".safetensors"))
    )


def _bare_items(data: Any, reading: Reading) -> Items:
    if data is None and reading.embedding is None:
        raise InputError("there is nothing to score: give data, or embedding=vectors.")
    if data is not None and reading.embedding is not None:
        raise InputError("data is vectors already; give them as data or as embedding, not both.")
    named = {"label": reading.label, "id": reading.id}
    named = {name: value for name, value in named.items() if isinstance(value, str)}
    advice = "Give the rows as input, and the vectors as embedding (--embedding)."
    _refuse_columns(reading, "vectors alone have", advice, named)
    vectors = open_vectors(reading.embedding if data is None else data)
    return load_vectors(vectors, reading.label, reading.id)


def _refuse_columns(reading: Reading, what: str, advice: str, more: dict[str, Any]) -> None:
    """An error where a column is named of data that has none."""
    asked = {name: getattr(reading, name) for name in ("text", "cost", "tokens")}
    for name, value in {**asked, "the column to go by": reading.by, **more}.items():
        if value is not None:
            raise InputError(f"{name} is {value!r}, but {what} no columns. {advice}")


def _columns(
    source: Source, reading: Reading, needs: tuple[str, ...]
) -> tuple[Columns, Vectors | None]:
    for name in ("label", "id"):
        value = getattr(reading, name)
        if value is not None and not isinstance(value, str):
            raise InputError(
                f"{name} is a {type(value).__name__}; name a column of {source.description}."
            )
    column, vectors = column_or_vectors(reading.embedding, source)
    text = reading.text
    has_vectors = column is not None or vectors is not None
    needs_text = reading.tokens is not None or "prints" in needs
    needs_text = needs_text or ("embedding" in needs and not has_vectors)
    if text is None and needs_text:
        text = "text"
        if "text" not in source.columns and source.columns:
            raise MissingColumnError(
                f'which column of {source.description} holds the text? Name it with text="..." '
                f"(--text). {nearest('text', source.columns)}"
            )
    columns = Columns(
        text=text,
        embedding=column,
        label=reading.label,
        id=reading.id,
        cost=reading.cost,
        by=reading.by,
    )
    return columns, vectors


def _unit(reading: Reading) -> str:
    if reading.unit is not None:
        return reading.unit
    if reading.tokens is None:
        return "cost"
    plain = isinstance(reading.tokens, str) and reading.tokens in PLAIN_UNITS
    return str(reading.tokens) if plain else "tokens"


def _counter(spec: Any, encode: Any) -> Any:
    # MiniLM brings its own tokenizer; otherwise the rule-based counter, which is always there.
    if isinstance(spec, str) and spec == "auto":
        if callable(getattr(encode, "count_tokens", None)):
            return _EmbedderCounter(encode)
        spec = "words"
    return resolve_counter(spec)


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

    if cache is not True:
        return EmbeddingCache(cache) if isinstance(cache, str | Path) else cache
    try:
        return EmbeddingCache(default_folder(embedder.fingerprint))
    except OutputError as error:  # nobody asked for this folder, so its absence stops nobody
        log.warning("embeddings are not cached: %s", error)
        return None


def load_vectors(vectors: Vectors, label: Any = None, id: Any = None) -> Items:
    """Items of rows that are nothing but vectors.

    Args:
        vectors: shape (n, d).
        label: n labels, or None.
        id: n ids; None: the row numbers. Then equal scores are ordered by the vectors' content.
    """
    tie = None
    if id is None:
        from datapruner.vectors.content import scan

        tie = scan(vectors)[0]
    return Items.of(vectors.n, id=id, group=label, tie=tie, embedding=vectors)


def column_or_vectors(embedding: Any, source: Source) -> tuple[str | None, Vectors | None]:
    """Whether ``embedding`` names a column of the source, or is vectors of its own.

    Raises:
        MissingColumnError: a name that is neither a column nor a file.
    """
    if embedding is None:
        return None, None
    if isinstance(embedding, str) and embedding in source.columns:
        return embedding, None
    if isinstance(embedding, str) and not Path(embedding.partition(":")[0]).exists():
        raise MissingColumnError(
            f'"{embedding}" is neither a column of {source.description} nor a file. '
            f"{nearest(embedding, source.columns)}"
        )
    return None, open_vectors(embedding)
