"""Floors: how many rows each group is still owed, so that no other group eats what is promised."""

from __future__ import annotations

import numpy as np

from datapruner.core.types import IntArray

__all__ = ["Floors"]


class Floors:
    """What floors owe: to each group its floor, less what it has, if it can still give that.

    Args:
        floors: shape (G,), rows guaranteed to each group.
        left: shape (G,), undecided rows of each group.

    Attributes:
        need: shape (G,), int64, rows still owed to each group.
        reserved: their sum, which no group beyond its floor may take.
    """

    def __init__(self, floors: IntArray, left: IntArray) -> None:
        self._floors = floors
        self._left = left
        self.need: IntArray = np.minimum(floors, left)
        self.reserved = int(self.need.sum())

    def update(self, group: int, kept: int, decided: bool) -> None:
        """One row of a group was decided.

        Args:
            group: its code.
            kept: rows the group has now.
            decided: whether the row was undecided before, so that the group has one less to give.
        """
        self._left[group] -= decided
        owed = min(max(int(self._floors[group]) - kept, 0), int(self._left[group]))
        self.reserved += owed - int(self.need[group])
        self.need[group] = owed

    def update_all(self, kept: IntArray, decided: IntArray) -> None:
        """As ``update``, for many rows of all groups; both shape (G,)."""
        self._left = self._left - decided
        self.need = self._owed(kept, self._left)
        self.reserved = int(self.need.sum())

    def reserved_after(self, kept: IntArray, decided: IntArray) -> int:
        """What would be reserved if the groups had these rows, and that many were decided."""
        return int(self._owed(kept, self._left - decided).sum())

    def _owed(self, kept: IntArray, left: IntArray) -> IntArray:
        owed: IntArray = np.minimum(np.maximum(self._floors - kept, 0), left)
        return owed
