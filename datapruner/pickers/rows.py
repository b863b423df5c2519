"""Unit rows for pickers that look at the embedding space, the same numbers in any order of rows.

Every dot product is summed inside its own row (a matrix product would round differently with the
position of a row in its block), and the mean is summed in the order of the tie keys.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from datapruner.core.items import Items
from datapruner.core.types import AnyArray, BoolArray, FloatArray, UInt64Array
from datapruner.errors import InputError, ScoreError
from datapruner.vectors.content import row_dot
from datapruner.vectors.store import Vectors, open_vectors

__all__ = ["UnitRows", "embedding_of", "refuse_bad_rows"]

BLOCK_VALUES = 1 << 22  # values touched at once: 16 MiB of float32
PIECE = 4096  # columns summed at once: longer sums NumPy cuts where the rows' number says
HELD_BYTES = 1 << 30  # vectors up to this size are read once, larger ones again at every step


def embedding_of(items: Items, asked_by: str) -> AnyArray | Vectors:
    """The vectors of the rows: one float32 array up to 1 GiB, else read again whenever needed.

    Raises:
        MissingColumnError: the items carry no ``embedding``.
    """
    vectors = open_vectors(items.feature("embedding", asked_by))
    held = 4 * vectors.n * vectors.d <= HELD_BYTES
    return vectors.take(np.arange(vectors.n)) if held else vectors


class UnitRows:
    """Rows of length one, read in blocks.

    Args:
        x: shape (n, d), floating, or ``Vectors``; any row lengths but zero. Never written to.
        tie: shape (n,), uint64: a key per row that does not depend on its position.
        usable: shape (n,), bool: rows that count; None for all. The others are not read.
        asked_by: what messages call the picker.

    Raises:
        InputError: ``x`` is not two-dimensional, or ``tie`` has another length.
        ScoreError: a usable row is zero or not finite (names the first five).
    """

    __slots__ = ("_inverse", "_x", "is_usable", "tie", "width")

    tie: UInt64Array
    is_usable: BoolArray
    width: int

    def __init__(
        self,
        x: AnyArray | Vectors,
        tie: UInt64Array,
        usable: BoolArray | None = None,
        *,
        asked_by: str = "this picker",
    ) -> None:
        if isinstance(x, np.ndarray) and x.ndim != 2:
            raise InputError(f"embedding has shape {x.shape}; expected (rows, dimensions).")
        if tie.shape != (len(x),):
            raise InputError(f"tie has shape {tie.shape}; expected ({len(x)},), one key per row.")
        self._x = x
        self.tie = tie
        self.width = x.d if isinstance(x, Vectors) else int(x.shape[1])
        self.is_usable = np.ones(len(x), dtype=bool) if usable is None else usable
        self._inverse = self._inverse_lengths(asked_by)

    def __len__(self) -> int:
        return len(self._x)

    def unit(self, row: int) -> npt.NDArray[np.float32]:
        """Shape (d,): the row, scaled to length one."""
        values = self._x.take(np.array([row]))[0] if isinstance(self._x, Vectors) else self._x[row]
        unit: npt.NDArray[np.float32] = values.astype(np.float32) * self._inverse[row]
        return unit

    def cosines(self, direction: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Shape (n,): the dot product of every unit row with a vector of shape (d,).

        Rows that are not usable may be 0 or NaN.
        """
        out = np.zeros_like(self._inverse)
        with np.errstate(invalid="ignore", over="ignore"):  # rows that are not usable
            for start, block in self._blocks():
                part = out[start : start + len(block)]
                np.einsum("nd,d->n", block[:, :PIECE], direction[:PIECE], out=part)
                for first in range(PIECE, len(direction), PIECE):
                    columns = slice(first, first + PIECE)
                    part += np.einsum("nd,d->n", block[:, columns], direction[columns])
            out *= self._inverse
        return out

    def mean(self) -> npt.NDArray[np.float64]:
        """Shape (d,): the mean of the usable unit rows; zero where there are none."""
        order = np.argsort(self.tie, kind="stable")
        order = order[self._inverse[order] > 0]
        total = np.zeros(self.width, dtype=np.float64)
        step = max(1, BLOCK_VALUES // max(1, self.width))
        for first in range(0, len(order), step):
            rows = order[first : first + step]
            wide = self._taken(rows).astype(np.float64) * self._inverse[rows, None]
            wide[0] += total  # one running total: the same sum for any size of block
            total = wide.sum(axis=0)
        return total / max(1, len(order))

    def first_of(self, value: FloatArray) -> int:
        """The row with the largest value; of equal ones that with the smaller tie key."""
        tied = np.flatnonzero(value == value.max())
        return int(tied[0] if len(tied) == 1 else tied[np.argmin(self.tie[tied])])

    def _taken(self, rows: AnyArray) -> AnyArray:
        return self._x.take(rows) if isinstance(self._x, Vectors) else self._x[rows]

    def _blocks(self) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
        if isinstance(self._x, Vectors):
            yield from self._x.blocks()
            return
        step = max(1, BLOCK_VALUES // max(1, self._x.shape[1]))
        for start in range(0, len(self._x), step):
            yield start, self._x[start : start + step].astype(np.float32, copy=False)

    def _inverse_lengths(self, asked_by: str) -> npt.NDArray[np.float32]:
        """1 / length of every usable row, 0 for the others."""
        square = np.zeros(len(self), dtype=np.float64)
        for start, block in self._blocks():
            wide = block.astype(np.float64)
            square[start : start + len(block)] = row_dot(wide, wide)
        fit = np.isfinite(square) & (square > 0)
        refuse_bad_rows(self.is_usable & ~fit, asked_by)
        inverse: npt.NDArray[np.float32] = np.zeros(len(self), dtype=np.float32)
        inverse[self.is_usable] = 1.0 / np.sqrt(square[self.is_usable])
        return inverse


def refuse_bad_rows(bad: BoolArray, asked_by: str) -> None:
    """Refuse vectors that have no direction.

    Args:
        bad: shape (n,), the rows whose vectors are zero or not finite.
        asked_by: what the message calls the picker.

    Raises:
        ScoreError: there are any; names the first five.
    """
    rows = np.flatnonzero(bad)
    if not len(rows):
        return
    named = ", ".join(str(int(row)) for row in rows[:5])
    raise ScoreError(
        f"{asked_by}: {len(rows)} vectors are zero or not finite (rows {named}"
        f"{', ...' if len(rows) > 5 else ''}). Drop them or embed them again."
    )
