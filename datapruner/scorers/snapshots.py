"""Snapshots: what was logged of every row at several times, whatever it lives in.

A *snapshot* is what was logged of every row at one time: an epoch of one run, or one of several
runs. Logits come as an array of shape (n, C), one snapshot, or (n, S, C), or as anything that keeps
the ``Snapshots`` protocol, such as a run log on the disk; rows come first, as in every column of
``Items``.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np

from datapruner.core.items import Items
from datapruner.core.types import AnyArray, BoolArray, FloatArray, IntArray
from datapruner.errors import InputError

__all__ = ["Snapshots", "open_labels", "open_snapshots"]


@runtime_checkable
class Snapshots(Protocol):
    """Numbers logged of n rows at several times; memory-mapped, or wherever they live."""

    @property
    def count(self) -> int:
        """How many snapshots S there are."""
        ...

    @property
    def width(self) -> int:
        """Numbers a row and snapshot: classes C of logits, dimensions d of features."""
        ...

    def __len__(self) -> int:
        """The number of rows n."""
        ...

    def snapshot(self, number: int, start: int, stop: int) -> tuple[FloatArray, BoolArray]:
        """One snapshot of the rows from ``start`` up to ``stop``.

        Returns:
            (values, seen): shape (m, width), float64; shape (m,), bool, False for rows that were
            not logged then, whose values mean nothing.
        """
        ...


class _Array:
    """Snapshots that lie in an array of shape (n, S, width), or (n, width) for one."""

    def __init__(self, array: AnyArray) -> None:
        self._array = array[:, None] if array.ndim == 2 else array
        self.count = int(self._array.shape[1])
        self.width = int(self._array.shape[2])

    def __len__(self) -> int:
        return len(self._array)

    def snapshot(self, number: int, start: int, stop: int) -> tuple[FloatArray, BoolArray]:
        """See ``Snapshots.snapshot``; everything was logged."""
        values = np.ascontiguousarray(self._array[start:stop, number], dtype=np.float64)
        return values, np.ones(stop - start, dtype=bool)


def open_snapshots(column: Any, name: str, method: str) -> Snapshots:
    """A column as snapshots.

    Args:
        column: an array of shape (n, width) or (n, S, width), or ``Snapshots``.
        name, method: what messages call the column and the scorer.

    Raises:
        InputError: another shape, or no numbers.
    """
    if isinstance(column, Snapshots):
        return column
    array = np.asarray(column)
    if array.ndim not in (2, 3) or array.dtype.kind not in "fiu":
        raise InputError(
            f"{method}: {name} are {array.dtype} of shape {array.shape}; expected numbers of shape "
            "(rows, width), or (rows, snapshots, width): rows come first."
        )
    return _Array(array)


def open_labels(column: Any, items: Items, classes: int, method: str) -> IntArray:
    """Label codes, checked.

    Args:
        column: shape (n,), whole numbers; -1 for a row that was never logged.
        items: the rows; what barred rows have is not looked at.
        classes: C.
        method: what messages call the scorer.

    Returns:
        Shape (n,), int64, in [-1, C).

    Raises:
        InputError: not one whole number a row, or out of range (names the first five).
    """
    codes = np.asarray(column)
    if codes.shape != (items.n,) or (codes.size and codes.dtype.kind not in "iu"):
        raise InputError(
            f"{method}: label_codes are {codes.dtype} of shape {codes.shape}; {items.n} rows need "
            f"whole numbers from 0 to {classes - 1}, one each."
        )
    codes = codes.astype(np.int64)
    # -1 is what a log says of a row that it never saw; such rows are dealt with as not logged.
    wrong = np.flatnonzero(((codes < -1) | (codes >= classes)) & items.is_countable)
    if wrong.size:
        shown = ", ".join(f"row {r}: {codes[r]}" for r in wrong[:5].tolist())
        raise InputError(
            f"{method}: {wrong.size} labels are outside 0 to {classes - 1} ({shown}). The logits "
            f"have {classes} classes; code the labels as the model does."
        )
    return np.where(codes < classes, codes, -1)
