"""What the bridges into retrieval frameworks share: documents in, the kept text of each out.

A bridge turns each of its documents into a ``Chunk``, or None where there is no text to prune, and
gets back, in the order in which the documents are to be handed on, what is left of each. All
documents of a call share one budget. Nothing of a framework is known here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

import numpy as np

from datapruner.context.chunk import Chunk
from datapruner.context.chunks import ContextPruner
from datapruner.context.result import PrunedContext
from datapruner.context.scoring import context_scorer
from datapruner.context.wishes import as_counter
from datapruner.integrations.deadline import Deadline

__all__ = ["DETAILS", "OPTIONS", "DocumentPruner", "Piece", "title_of"]

DETAILS = "datapruner"
"""The one key under which a document's metadata tells what was done to it."""

OPTIONS: dict[str, Any] = {f.name: f.default for f in fields(ContextPruner) if f.init}
"""The options of ``ContextPruner``, which every bridge takes, with their defaults."""


@dataclass(frozen=True)
class Piece:
    """What is left of one document.

    Attributes:
        text: the kept sentences; the whole text where the deadline passed.
        score: of the document, larger is more relevant; None where nothing was ranked.
        details: JSON-safe: ``kept`` and ``total`` sentences, ``tokens`` and ``tokens_before`` by
            the pruner's counter, ``spans``, the ``[start, end]`` code points of the kept stretches
            in the text that came in, and ``flags`` of the call (see ``PrunedContext``). Where the
            deadline passed, ``flags`` is ``["deadline"]``, the span is the whole text, and nothing
            was counted: the numbers are None.
    """

    text: str
    score: float | None
    details: dict[str, Any]


Placed = list[tuple[int, Piece | None]]
"""Positions of documents in the order they are handed on; None: unchanged, for want of a text."""


class DocumentPruner:
    """A ``ContextPruner`` for documents of a framework, with a deadline that fails open.

    Copies and pickles are made from the settings; models are loaded anew.

    Args:
        options: of ``ContextPruner``, by name.
        deadline: seconds for one call; when they are over, its documents come back unpruned, the
            budget does not hold, and a flag says so. None: no deadline.
        drop_empty: whether documents of which nothing is left are left out.

    Raises:
        InputError: the deadline is not a positive number.
    """

    def __init__(
        self, options: Mapping[str, Any], *, deadline: float | None, drop_empty: bool
    ) -> None:
        self._options, self._drop_empty = {**OPTIONS, **options}, drop_empty
        self._deadline: Deadline[Placed] = Deadline(deadline)
        self._pruner: ContextPruner | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _made, (self._options, self._deadline.seconds, self._drop_empty)

    def warm_up(self) -> None:
        """Read the settings and load what they name, once; a first call is then no slower.

        Raises:
            DataPrunerError: a setting that cannot be used; the message says which.
        """
        self._ready()

    def prune(self, query: str, chunks: Sequence[Chunk | None], **limits: Any) -> Placed:
        """The documents pruned for the query.

        Args:
            query: what the reader of the documents will be asked.
            chunks: a chunk a document; None for one that goes on as it is.
            limits: ``budget`` or ``threshold`` for this call alone; None: as set.

        Returns:
            Positions of documents, each with what is left of it. They stand in the order of the
            option ``order``; those without a chunk keep their places among the others.

        Raises:
            DataPrunerError: limits, settings or documents that cannot be used.
        """
        work = self._work(query, chunks, limits)
        placed = self._deadline.run(work) if work else None
        return _as_they_were(chunks) if placed is None else placed

    async def aprune(self, query: str, chunks: Sequence[Chunk | None], **limits: Any) -> Placed:
        """``prune`` off the event loop; models that are not loaded yet are loaded there as well.

        Args:
            query: as ``prune`` has it.
            chunks: as ``prune`` has them.
            limits: as ``prune`` has them.
        """
        work = self._work(query, chunks, limits)
        placed = await self._deadline.arun(work) if work else None
        return _as_they_were(chunks) if placed is None else placed

    def _work(
        self, query: str, chunks: Sequence[Chunk | None], limits: Mapping[str, Any]
    ) -> Callable[[], Placed] | None:
        """The call to make; None where there is nothing to prune."""
        if all(chunk is None for chunk in chunks):
            return None
        return partial(self._prune, query, chunks, limits)

    def _prune(
        self, query: str, chunks: Sequence[Chunk | None], limits: Mapping[str, Any]
    ) -> Placed:
        pruner = self._ready()
        changed = {name: limit for name, limit in limits.items() if limit is not None}
        if changed:
            pruner = replace(pruner, **changed)
        places = [place for place, chunk in enumerate(chunks) if chunk is not None]
        context = pruner(query, [chunk for chunk in chunks if chunk is not None])
        pieces = _pieces(context)
        order = iter(context.layout.order)
        placed: Placed = []
        for place, chunk in enumerate(chunks):
            if chunk is None:
                placed.append((place, None))
                continue
            code = next(order)
            if pieces[code].text.strip() or not self._drop_empty:
                placed.append((places[code], pieces[code]))
        return placed

    def _ready(self) -> ContextPruner:
        if self._pruner is None:
            named = self._options["method"]
            scorer = context_scorer(named)
            counter = as_counter(self._options["counter"])
            pruner = ContextPruner(**{**self._options, "method": scorer, "counter": counter})
            if isinstance(named, str):
                # Named methods load their models when they first score something.
                ContextPruner(method=scorer)("warm up", "One sentence. Another.")
            self._pruner = pruner
        return self._pruner


def _made(options: Mapping[str, Any], deadline: float | None, drop_empty: bool) -> DocumentPruner:
    return DocumentPruner(options, deadline=deadline, drop_empty=drop_empty)


def _pieces(context: PrunedContext) -> list[Piece]:
    """What is left of each chunk, in the order in which chunks were given."""
    groups = context.source.groups
    number = len(context.chunks)
    total = np.bincount(groups, minlength=number).tolist()
    kept = np.bincount(groups[context.selection.mask], minlength=number).tolist()
    ranked = "no_query" not in context.flags
    return [
        Piece(
            chunk.text,
            chunk.score if ranked else None,
            {
                "kept": kept[code],
                "total": total[code],
                "tokens": chunk.tokens,
                "tokens_before": chunk.tokens_before,
                "spans": [list(span) for span in chunk.spans],
                "flags": list(context.flags),
            },
        )
        for code, chunk in enumerate(context.chunks)
    ]


def _as_they_were(chunks: Sequence[Chunk | None]) -> Placed:
    """The documents unpruned, and those that have a text with the flag of the deadline."""
    return [(place, None if chunk is None else _whole(chunk)) for place, chunk in enumerate(chunks)]


def _whole(chunk: Chunk) -> Piece:
    nothing = dict.fromkeys(("kept", "total", "tokens", "tokens_before"))
    spans = [[0, len(chunk.text)]] if chunk.text else []
    return Piece(chunk.text, None, {**nothing, "spans": spans, "flags": ["deadline"]})


def title_of(metadata: Mapping[str, Any], key: str | None) -> str:
    """The title that a document's metadata holds; "" where there is none, or it is no text.

    Args:
        metadata: of the document.
        key: where its title stands; None: titles are not used.
    """
    title = None if key is None else metadata.get(key)
    return title if isinstance(title, str) else ""
