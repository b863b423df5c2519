"""Sums over the neighbours, the groups and the elements that the rows of one page stand in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from datapruner.core.types import AnyArray, BoolArray, FloatArray, IntArray
from datapruner.scorers.marks import Outline

__all__ = ["Inside", "Table", "around", "shifted", "together"]

_ROWS = 4096
"""Rows that are put together at a time, so that long pages take little more memory."""


@dataclass(frozen=True, eq=False)
class Table:
    """Rows whose columns lie in several arrays, put side by side for some of them at a time.

    Attributes:
        parts: shape (n, d) each, of any numbers.
    """

    parts: tuple[AnyArray, ...]

    def slices(self) -> Iterator[tuple[slice, FloatArray]]:
        """Which rows, and their columns: shape (rows, all d), float32."""
        for start in range(0, len(self.parts[0]), _ROWS):
            rows = slice(start, start + _ROWS)
            some = [part[rows] for part in self.parts]
            yield rows, np.concatenate(some, axis=1, dtype=np.float32)

    def whole(self) -> FloatArray:
        """Shape (n, all d), float32."""
        made: FloatArray = np.concatenate(self.parts, axis=1, dtype=np.float32)
        return made


def around(values: FloatArray, words: FloatArray, width: int) -> FloatArray:
    """Mean of the neighbours on both sides of each row, long ones weighing more.

    Args:
        values: shape (n,).
        words: shape (n,), lengths.
        width: how many on either side.

    Returns:
        Shape (n,); 0 for a row without neighbours.
    """
    weight = np.sqrt(words + 1.0)
    top = np.concatenate([[0.0], np.cumsum(values * weight)])
    bottom = np.concatenate([[0.0], np.cumsum(weight)])
    rows = np.arange(values.size)
    start, end = np.maximum(rows - width, 0), np.minimum(rows + width + 1, values.size)
    upper = top[end] - top[start] - values * weight
    lower = bottom[end] - bottom[start] - weight
    mean: FloatArray = np.where(lower > 0.5, upper / np.maximum(lower, 0.5), 0.0)
    return mean


def shifted(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The values of the row before and of the row after; 0 at the ends."""
    before, after = np.zeros_like(values), np.zeros_like(values)
    before[1:], after[:-1] = values[:-1], values[1:]
    return before, after


def together(values: FloatArray, code: IntArray) -> FloatArray:
    """The sum of the values over the rows with the same code, for each row.

    Args:
        values: shape (n,).
        code: shape (n,), small numbers from 0.
    """
    sums: FloatArray = np.bincount(code, weights=values).astype(np.float64)[code]
    return sums


class Inside:
    """Which rows stand inside each element of a page.

    Args:
        outline: m elements.
        element: shape (n,), that of each row.
        whole: shape (n,), whether a row is the whole element.

    Attributes:
        up: the element that holds each row, the one above it, and the one above that.
    """

    def __init__(self, outline: Outline, element: IntArray, whole: BoolArray) -> None:
        self._outline, self._element = outline, element
        parents = outline.parents
        holder = np.where(whole, parents[element], element)
        self.up = (holder, parents[holder], parents[parents[holder]])

    def sums(self, values: FloatArray) -> FloatArray:
        """Shape (m,): the sum of the values over the rows inside each element."""
        ends = self._outline.ends
        own = np.bincount(self._element, weights=values, minlength=ends.size)
        before = np.concatenate([[0.0], np.cumsum(own)])
        found: FloatArray = before[ends] - before[:-1]
        return found

    def holds(self, element: int) -> BoolArray:
        """Shape (n,): whether each row stands in the element or is it."""
        held: BoolArray = (self._element >= element) & (self._element < self._outline.ends[element])
        return held

    def lifted(self, values: FloatArray) -> FloatArray:
        """Shape (m,): the values of the holders of the rows, half of them for what is above."""
        sums = np.zeros(self._outline.ends.size)
        np.add.at(sums, self.up[0], values)
        np.add.at(sums, self.up[1], values / 2)
        return sums

    def highest(self, values: FloatArray) -> FloatArray:
        """Shape (n,): the highest of the values (m,) of the three elements above each row."""
        found: FloatArray = np.maximum.reduce([values[up] for up in self.up])
        return found
