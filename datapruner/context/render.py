"""Kept sentences back into text: verbatim slices, chunk by chunk."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from datapruner.context.units import Units
from datapruner.core.types import FloatArray, IntArray

__all__ = ["ORDERS", "Layout", "chunk_order", "edges_first", "stretches"]

ORDERS = ("source", "score", "edges")
"""How chunks may be put in order; sentences inside a chunk always stand in source order."""


@dataclass(frozen=True)
class Layout:
    """How kept rows become one text.

    Attributes:
        order: positions of the chunks in the order in which they are rendered.
        separator: stands between the chunks of which anything is kept.
        gap: stands for what was left out between two kept sentences of a chunk, where it is
            shorter than that.
        before: text that is there already and comes first, with a separator behind it.
        told: rows that are part of it.
    """

    order: Sequence[int]
    separator: str
    gap: str
    before: str = ""
    told: frozenset[int] = frozenset()

    def render(self, units: Units, rows: Iterable[int], ends: Mapping[int, int]) -> str:
        """The text of the kept rows.

        Args:
            units: the sentences.
            rows: the kept ones, in any order.
            ends: offsets at which rows end that were cut short.
        """
        kept = sorted(set(rows) - self.told)
        own: defaultdict[int, list[int]] = defaultdict(list)
        for row, code in zip(kept, units.groups[kept].tolist() if kept else (), strict=True):
            own[code].append(row)
        parts = [self.one(units, own[code], ends) for code in self.order if code in own]
        return self.separator.join([self.before, *parts] if self.before else parts)

    def one(self, units: Units, rows: Sequence[int], ends: Mapping[int, int]) -> str:
        """The text of one chunk from its kept rows, which must be in source order."""
        if not rows:
            return ""
        text = units.texts[int(units.groups[rows[0]])].text
        pieces: list[str] = []
        reached = -1
        for start, end in stretches(units, rows, ends):
            if reached >= 0 and len(self.gap) < start - reached:
                pieces.append(self.gap)
            pieces.append(text[start:end])
            reached = end
        return "".join(pieces)


def stretches(
    units: Units, rows: Iterable[int], ends: Mapping[int, int]
) -> Iterator[tuple[int, int]]:
    """``(start, end)`` of the stretches that rows of one chunk cover, in its cleaned text.

    Args:
        units: the sentences.
        rows: of one chunk, in source order.
        ends: offsets at which rows end that were cut short.
    """
    begun = reached = -1
    for row in rows:
        start, end = units.bounds[row]
        if start != reached:
            if reached >= 0:
                yield begun, reached
            begun = start
        reached = ends.get(row, end)
    if reached >= 0:
        yield begun, reached


def chunk_order(order: str, scores: FloatArray) -> list[int]:
    """The positions of the chunks in the order of rendering.

    Args:
        order: ``"source"``; ``"score"``: best first; ``"edges"``: best first, second-best last,
            the worst in the middle, where long prompts are read least well (arXiv:2307.03172).
        scores: shape (G,), of the chunks; equal ones in source order.
    """
    if order == "source":
        return list(range(scores.size))
    ranked: IntArray = np.argsort(-scores, kind="stable")
    return ranked.tolist() if order == "score" else edges_first(ranked.tolist())


def edges_first(ranked: Sequence[int]) -> list[int]:
    """Things ranked best first so that the best come first and last: 1, 3, 5, 6, 4, 2 of six.

    Args:
        ranked: the best first.
    """
    return [*ranked[::2], *ranked[1::2][::-1]]
