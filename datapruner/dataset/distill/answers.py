"""Reading the answers back: from places in the index to logits, or to the short form."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from datapruner.core.types import AnyArray, FloatArray, IntArray
from datapruner.dataset.distill.held import Held
from datapruner.dataset.distill.pieces import as_float32
from datapruner.dataset.distill.plan import Plan
from datapruner.dataset.distill.topk import TopK

__all__ = ["Answers"]


class Answers:
    """The arrays of some segments, each verified at its first use.

    Args:
        plan: what they hold.
        held: where.
    """

    def __init__(self, plan: Plan, held: Held) -> None:
        self.plan = plan
        self.held = held
        self._verified = [False] * len(held.segments)

    def at(self, place: IntArray) -> FloatArray | TopK:
        """The answers at some places of the index, in that order.

        Args:
            place: shape (b,), each in [0, len(held)); one may be asked for twice.

        Returns:
            As ``TeacherCache.take``.

        Raises:
            FormatError: a segment is damaged.
        """
        segment, row = self.held.segment[place], self.held.row[place]
        if self.plan.per == "token":
            return self._tokens(segment, row)
        if self.plan.topk is None:
            return as_float32(self._gathered("logits", segment, row))
        return TopK(
            as_float32(self._gathered("values", segment, row)),
            self._gathered("classes", segment, row),
            self._gathered("rest", segment, row),
            self.plan.classes,
        )

    def verify(self) -> None:
        """Read every segment and compare with its checksums.

        Raises:
            FormatError: one is damaged.
        """
        for number in range(len(self._verified)):
            self._sound(number)

    def _sound(self, number: int) -> Mapping[str, AnyArray]:
        """The arrays of a segment, verified at its first use."""
        segment = self.held.segments[number]
        if not self._verified[number]:
            segment.verify()
            self._verified[number] = True
        return segment.arrays

    def _gathered(self, name: str, segment: IntArray, row: IntArray) -> AnyArray:
        """One entry for each pair of segment and row."""
        if len(self.held.segments) == 1:
            one: AnyArray = self._sound(0)[name].take(row, axis=0)
            return one
        widths = {"logits": (self.plan.classes,), "rest": ()}
        kinds = {"rest": np.float32, "classes": np.int32}
        width = widths.get(name, (self.plan.topk,))
        out = np.empty((len(row), *width), dtype=kinds.get(name, np.float16))
        for number in np.unique(segment).tolist():
            some = segment == number
            out[some] = self._sound(number)[name].take(row[some], axis=0)
        return out

    def _tokens(self, segment: IntArray, row: IntArray) -> TopK:
        """Rows of tokens, padded on the right with a certain class 0 that no loss should read."""
        start, stop = np.empty_like(row), np.empty_like(row)
        for number in np.unique(segment).tolist():
            some = segment == number
            ends = self._sound(number)["ends"]
            stop[some] = ends[row[some]]
            start[some] = np.where(row[some] > 0, ends[row[some] - 1], 0)
        lengths = stop - start
        shape = (len(row), int(lengths.max(initial=0)))
        topk = self.plan.topk or 0
        values = np.zeros((*shape, topk), dtype=np.float32)
        classes = np.zeros((*shape, topk), dtype=np.int32)
        classes[...] = np.arange(topk)
        rest = np.full(shape, -np.inf, dtype=np.float32)
        for place in range(len(row)):
            arrays, length = self._sound(int(segment[place])), int(lengths[place])
            some = slice(int(start[place]), int(stop[place]))
            values[place, :length] = arrays["values"][some]
            classes[place, :length] = arrays["classes"][some]
            rest[place, :length] = arrays["rest"][some]
        return TopK(values, classes, rest, self.plan.classes, lengths)
