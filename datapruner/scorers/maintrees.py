"""Boosted decision trees as plain arrays: many small trees, read side by side."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from datapruner.core.types import FloatArray, IntArray
from datapruner.errors import FormatError

__all__ = ["Trees"]

_ROWS = 256
"""Rows that are sent through the trees at a time: with more, the places do not fit into a
processor's cache, which takes twice the time."""


@dataclass(frozen=True, eq=False)
class Trees:
    """T trees of at most K nodes; the log-odds of a row are the sum of the leaves it comes to.

    A node sends a row left where its feature is at most the threshold. Nodes of a tree are numbered
    from its root, 0; a leaf leads to itself.

    Attributes:
        feature: shape (T, K), int16; 0 in leaves.
        threshold: shape (T, K), float32; +inf in leaves.
        left, right: shape (T, K), int16.
        value: shape (T, K), float32; 0 in inner nodes.
        depth: shape (), steps to the deepest leaf.
        base: shape (), float64, log-odds before any tree.
    """

    feature: IntArray
    threshold: FloatArray
    left: IntArray
    right: IntArray
    value: FloatArray
    depth: IntArray
    base: FloatArray

    def log_odds(self, columns: FloatArray) -> FloatArray:
        """What the trees say of each row, whatever other rows there are.

        Args:
            columns: shape (n, d), float32.

        Returns:
            Shape (n,), float64.
        """
        found = np.empty(columns.shape[0])
        for start in range(0, found.size, _ROWS):
            found[start : start + _ROWS] = self._some(columns[start : start + _ROWS])
        return found

    def _some(self, columns: FloatArray) -> FloatArray:
        trees, nodes = self.feature.shape
        root = np.arange(trees, dtype=np.int64) * nodes
        feature, threshold = self.feature.reshape(-1).astype(np.int64), self.threshold.reshape(-1)
        left = (self.left + root[:, None]).reshape(-1)
        step = (self.right - self.left).reshape(-1).astype(np.int64)
        wide = columns.shape[1]
        flat = np.ascontiguousarray(columns, dtype=np.float32).reshape(-1)
        begin = np.arange(columns.shape[0], dtype=np.int64)[:, None] * wide
        at = np.broadcast_to(root, (columns.shape[0], trees))
        for _ in range(int(self.depth)):
            goes_right = flat.take(begin + feature.take(at)) > threshold.take(at)
            at = left.take(at) + step.take(at) * goes_right
        reached = self.value.reshape(-1).take(at).astype(np.float64)
        summed: FloatArray = reached.sum(axis=1) + float(self.base)
        return summed

    @classmethod
    def load(cls, path: Path) -> Trees:
        """The trees of a file of numpy's that has their arrays by their names.

        Raises:
            FormatError: it has other arrays.
        """
        with np.load(path, allow_pickle=False) as held:
            names = [one.name for one in fields(cls)]
            if sorted(held.files) != sorted(names):
                raise FormatError(f"{path.name} holds {sorted(held.files)}, not {sorted(names)}.")
            return cls(**{name: held[name] for name in names})
