"""PrunedContext: the text, what it costs, and what became of every sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from datapruner.context.render import Layout, stretches
from datapruner.context.scoring import chunk_scores
from datapruner.context.told import frame_of, line_of, story_of
from datapruner.context.units import Units
from datapruner.core.reason import Reason
from datapruner.core.selection import Selection
from datapruner.core.types import IntArray
from datapruner.errors import InputError

if TYPE_CHECKING:
    import polars as pl

__all__ = ["PrunedChunk", "PrunedContext", "Sentence"]


@dataclass(frozen=True)
class Sentence:
    """One sentence and what became of it.

    Attributes:
        chunk: id of its chunk.
        position: number of its chunk in the call.
        index: number of the sentence in its chunk.
        start, end: code-point offsets in the chunk's text; of a sentence that was cut to fit, the
            part that is kept.
        text: that slice; without hidden characters where they were dropped.
        score: what the scorer gave it.
        tokens: of the sentence by itself; 0 where an earlier answer has paid for it.
        reason: name of the ``Reason`` in lower case: ``admitted``, ``pinned``, ``ancestor``,
            ``neighbour`` and ``fallback`` of kept ones, ``threshold``, ``cost`` ... of others.
    """

    chunk: str | int
    position: int
    index: int
    start: int
    end: int
    text: str
    score: float
    tokens: int
    reason: str


@dataclass(frozen=True)
class PrunedChunk:
    """What is left of one chunk.

    Attributes:
        id: as given.
        text: its kept text; "" where nothing is kept.
        spans: ``(start, end)`` offsets of the kept stretches in the chunk's text; sentences that
            follow each other make one.
        score: the scorer's for the chunk, else of its best sentence.
        tokens: of the kept text by itself.
        tokens_before: of the chunk's text by itself.
    """

    id: str | int
    text: str
    spans: tuple[tuple[int, int], ...]
    score: float
    tokens: int
    tokens_before: int


@dataclass(frozen=True, eq=False)
class PrunedContext:
    """What a pruner made of some chunks.

    Attributes:
        text: what to send.
        tokens: of ``text``, by the caller's counter; never above the budget.
        tokens_before: of all chunks joined by the separator.
        query: as given.
        counter: name of the counter.
        flags: what a caller may want to act on: ``no_query`` (nothing to rank by),
            ``scorer_failed``, ``hidden`` (characters that nobody sees), ``empty`` (nothing kept),
            ``fallback`` (kept because nothing else was), ``cut`` (a sentence was shortened to fit).
        notes: sentences for a human reader, about flags and what the scorer had to say.
        selection: the decision in the library's own terms; rows are sentences.
        source: the sentences.
        layout: how kept ones are rendered.
        ends: offsets, in its chunk's text, at which a row was cut short.
        measure: the counter.
        earlier: the sentences of the answer that this one goes on from, each as
            ``Units.place`` names it.
    """

    text: str
    tokens: int
    tokens_before: int
    query: str
    counter: str
    flags: tuple[str, ...]
    notes: tuple[str, ...]
    selection: Selection = field(repr=False)
    source: Units = field(repr=False)
    layout: Layout = field(repr=False)
    ends: Mapping[int, int] = field(repr=False)
    measure: Callable[[Sequence[str]], IntArray] = field(repr=False)
    earlier: frozenset[tuple[str, int, int]] = field(default=frozenset(), repr=False)

    def __repr__(self) -> str:
        """One line: how many tokens of how many, in how many sentences."""
        flags = f", {', '.join(self.flags)}" if self.flags else ""
        return (
            f"PrunedContext({self.tokens:,} of {self.tokens_before:,} tokens, "
            f"{len(self.kept)} of {self.source.items.n} sentences{flags})"
        )

    @property
    def compression(self) -> float:
        """Per cent of the characters that went: ``100 (1 - after / before)``; 0 of nothing."""
        before = self.layout.separator.join(c.text for c in self.source.chunks if c.text.strip())
        return 100.0 * (1 - len(self.text) / len(before)) if before else 0.0

    @cached_property
    def told(self) -> frozenset[tuple[str, int, int]]:
        """The sentences that stand whole in the text, each as ``Units.place`` names it."""
        rows = np.flatnonzero(self.selection.mask).tolist()
        return self.earlier.union(self.source.place(r) for r in rows if r not in self.ends)

    @cached_property
    def kept(self) -> tuple[Sentence, ...]:
        """The kept sentences in source order."""
        return tuple(self._sentences(np.flatnonzero(self.selection.mask).tolist()))

    @cached_property
    def dropped(self) -> tuple[Sentence, ...]:
        """The dropped sentences in source order."""
        return tuple(self._sentences(np.flatnonzero(~self.selection.mask).tolist()))

    @cached_property
    def chunks(self) -> tuple[PrunedChunk, ...]:
        """What is left of each chunk, in the order in which they were given."""
        rows: dict[int, list[int]] = {}
        for row in np.flatnonzero(self.selection.mask).tolist():
            rows.setdefault(int(self.source.groups[row]), []).append(row)
        scores = chunk_scores(self.selection.scores).tolist()
        texts = [
            self.layout.one(self.source, rows.get(code, []), self.ends)
            for code in range(len(self.source.chunks))
        ]
        after = self.measure(texts)
        before = self.measure([chunk.text for chunk in self.source.chunks])
        return tuple(
            PrunedChunk(
                chunk.id,
                texts[code],
                tuple(self._spans(code, rows.get(code, []))),
                float(scores[code]),
                int(after[code]),
                int(before[code]),
            )
            for code, chunk in enumerate(self.source.chunks)
        )

    def _spans(self, code: int, rows: list[int]) -> Iterator[tuple[int, int]]:
        place = self.source.texts[code].place
        for start, end in stretches(self.source, rows, self.ends):
            yield place(start), place(end)

    def _extent(self, row: int) -> tuple[int, int]:
        """Where a row stands in the chunk as it was given."""
        cleaned = self.source.texts[int(self.source.groups[row])]
        end = self.ends.get(row, int(self.source.ends[row]))
        return cleaned.place(int(self.source.starts[row])), cleaned.place(end)

    def _sentences(self, rows: list[int]) -> Iterator[Sentence]:
        source, items = self.source, self.source.items
        first = np.searchsorted(source.groups, np.arange(len(source.chunks) or 1))
        for row in rows:
            code = int(source.groups[row])
            start, end = self._extent(row)
            yield Sentence(
                source.chunks[code].id,
                code,
                row - int(first[code]),
                start,
                end,
                source.slice(row, self.ends.get(row)),
                float(self.selection.scores.values[row]),
                int(items.cost[row]),
                Reason(int(self.selection.reasons[row])).name.lower(),
            )

    def explain(self, chunk: str | int | None = None, sentence: int = 0) -> str:
        """Why sentences were kept or dropped, as text.

        Args:
            chunk: id of a chunk (the first of that id), for the whole story of one sentence; None
                for a line on every sentence.
            sentence: its number in the chunk.

        Raises:
            InputError: there is no such chunk or sentence.
        """
        if chunk is None:
            return "\n".join(self._lines())
        ids = [c.id for c in self.source.chunks]
        if chunk not in ids:
            raise InputError(f"no chunk has the id {chunk!r}; the first are {ids[:3]}.")
        rows = np.flatnonzero(self.source.groups == ids.index(chunk)).tolist()
        if not 0 <= sentence < len(rows):
            raise InputError(f"chunk {chunk!r} has {len(rows)} sentences; there is no {sentence}.")
        row = rows[sentence]
        name = f"chunk {chunk}, sentence {sentence}"
        return story_of(self.selection, row, name, self.source.slice(row))

    def _lines(self) -> Iterator[str]:
        yield f"{self.tokens:,} of {self.tokens_before:,} tokens ({self.counter})"
        yield from (f"note: {note}" for note in self.notes)
        for part in self._parts():
            yield line_of(part, f"{part.chunk}:{part.index:<3}")

    def _parts(self) -> list[Sentence]:
        return sorted((*self.kept, *self.dropped), key=lambda s: (s.position, s.index))

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON-safe values; equal to itself after a round trip through JSON."""
        p = self.selection.provenance
        return {
            "text": self.text,
            "tokens": self.tokens,
            "tokens_before": self.tokens_before,
            "compression": self.compression,
            "query": self.query,
            "method": p.method,
            "budget": p.budget,
            "counter": self.counter,
            "flags": list(self.flags),
            "notes": list(self.notes),
            "kept": [asdict(s) for s in self.kept],
            "dropped": [asdict(s) for s in self.dropped],
            "chunks": [
                {**asdict(c), "spans": [list(span) for span in c.spans]} for c in self.chunks
            ],
        }

    def to_frame(self) -> pl.DataFrame:
        """A row a sentence, in source order, with its fields and a column ``kept``."""
        return frame_of(self._parts(), Sentence)
