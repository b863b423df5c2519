"""How many rows of each class a round holds: exact in every round, fair over the rounds.

A class of n_c of n rows is due k * n_c / n rows a round, seldom a whole number. Largest remainder
alone would round up the same classes in every round, and a class that is due 0.4 rows would never
be seen. Here every class gets the whole part, and the rows that are left over rotate: lay the
fractions end to end on a line of length f (f rows are left over), and put f marks on it at unit
distances; a class whose stretch holds a mark gets a row more. Every round shifts the marks by about
a golden section of a unit, in whole n-ths. So

- a round has exactly k rows, and each class its share rounded down or up;
- n rounds give a class exactly k * n_c rows, and any number of rounds comes close to its part;
- a sum over any number of rounds is a sum of floors along a line, found in O(log n): nobody walks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from datapruner.core.types import IntArray
from datapruner.rng import subseed

__all__ = ["Quotas", "floor_sums"]

_GOLDEN = (math.sqrt(5) - 1) / 2
_TRIED = 256  # strides on either side of it: the largest term is then 5 or less


@dataclass(frozen=True, eq=False)
class Quotas:
    """Rows a class for any round.

    Attributes:
        sizes: shape (G,), int64, rows of each class, none of them 0.
        k: rows a round, 0 <= k <= sum(sizes).
        seed: where the marks stand in round 0.
    """

    sizes: IntArray
    k: int
    seed: int

    @property
    def n(self) -> int:
        """Rows of all classes."""
        return int(self.sizes.sum())

    def before(self, number: int) -> IntArray:
        """Shape (G,), int64: rows that each class has had before round ``number``."""
        whole, due, edges = self._parts()
        turns, rest = divmod(number, self.n)
        marks = floor_sums(rest, self.n, self._stride, edges + self._offset())
        return whole * number + due * turns + np.diff(marks)

    def at(self, number: int) -> IntArray:
        """Shape (G,), int64: rows of each class in round ``number``; they sum to k."""
        whole, _, edges = self._parts()
        shift = (self._offset() + self._stride * (number % self.n)) % self.n
        return whole + np.diff((edges + shift) // self.n)

    def _parts(self) -> tuple[IntArray, IntArray, IntArray]:
        """Whole rows, the n-ths of a row that are due beside them, and their sums."""
        whole, due = np.divmod(self.sizes * self.k, self.n)
        return whole, due, np.concatenate([np.zeros(1, np.int64), np.cumsum(due)])

    def _offset(self) -> int:
        return subseed(self.seed, "quotas") % self.n

    @cached_property
    def _stride(self) -> int:
        """The n-ths by which the marks move, such that they soon come near every place.

        They do when the continued fraction of stride / n has small terms only; of the strides near
        the golden section, whose own terms are all 1, take the one with the smallest largest term.
        """
        golden = round(_GOLDEN * self.n)
        near = range(max(golden - _TRIED, 1), min(golden + _TRIED, self.n - 1) + 1)
        sound = [stride for stride in near if math.gcd(stride, self.n) == 1] or [1]
        return min(sound, key=lambda stride: (_largest_term(stride, self.n), abs(stride - golden)))


def _largest_term(numerator: int, denominator: int) -> int:
    """Of the continued fraction of a proper fraction."""
    largest = 0
    while numerator:
        largest = max(largest, denominator // numerator)
        numerator, denominator = denominator % numerator, numerator
    return largest


def floor_sums(terms: int, modulus: int, slope: int, offsets: IntArray) -> IntArray:
    """For each offset b the sum over i < terms of floor((slope * i + b) / modulus), exactly.

    Args:
        terms: 0 or more.
        modulus: 1 or more; modulus * max(terms, modulus) must fit into 62 bits.
        slope: 0 or more.
        offsets: shape (G,), int64, 0 or more.

    Returns:
        Shape (G,), int64.

    Source: the Euclidean algorithm on lattice points under a line; each step turns the picture on
    its side, so that there are O(log modulus) of them.
    """
    total, count, above = np.zeros_like(offsets), np.full_like(offsets, terms), offsets.copy()
    while count.any():
        steep, slope = divmod(slope, modulus)
        total += count * (count - 1) // 2 * steep
        high, above = np.divmod(above, modulus)
        total += count * high
        # Rows of points that are left; where there are none, nothing is added any more.
        count, above = np.divmod(slope * count + above, modulus)
        modulus, slope = slope, modulus
    return total
