"""Nearest rows by inner product, exactly, behind the same three methods on every backend.

The backend proposes and the answer is settled here: similarities are computed again row by row,
ties go to the lower row, and where a row that was not proposed could still belong, within the
rounding of the backend, that query is compared with every row. So FAISS and scikit-learn, on CPU
and GPU, agree.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

from datapruner.core.types import IntArray
from datapruner.errors import InputError
from datapruner.vectors.content import row_dot
from datapruner.vectors.kmeans import choose_backend, load_faiss

__all__ = ["NeighbourIndex", "make_index"]

Float32Array: TypeAlias = npt.NDArray[np.float32]

SPARE = 4
"""Neighbours asked for beyond k, so that ties at the end seldom need the whole comparison."""

QUERY_ROWS = 256
PAIRS = 16_384
GPU_MOST = 2048  # the largest k that FAISS's GPU indexes answer
GPU_ERROR = 2.0**-9  # its products may run in half precision
ROUNDING = 2.0**-24


@runtime_checkable
class NeighbourIndex(Protocol):
    """Rows that can be searched."""

    def add(self, x: Float32Array) -> None:
        """Append rows of shape (m, d), float32; they are numbered in the order they come."""
        ...

    def search(self, x: Float32Array, k: int) -> tuple[Float32Array, IntArray]:
        """The k largest inner products of each query.

        Args:
            x: shape (m, d), float32, finite.
            k: neighbours a query.

        Returns:
            (similarity, rows): shapes (m, k), float32 falling and int64, equal similarities in the
            order of their rows; -inf and -1 where there are fewer than k rows.
        """
        ...

    def range(self, x: Float32Array, threshold: float) -> tuple[IntArray, IntArray, Float32Array]:
        """Every pair of a query and a row with at least this inner product.

        Returns:
            (query, row, similarity): shapes (h,), int64, int64, float32, ordered by query and row.
        """
        ...


def make_index(d: int, *, backend: str = "auto", device: str = "auto") -> NeighbourIndex:
    """An empty index of width d.

    Args:
        d: width of the rows.
        backend: ``"faiss"``, ``"sklearn"``, or ``"auto"``: FAISS where it is installed.
        device: ``"cpu"``, ``"cuda"`` (FAISS with a GPU), or ``"auto"``.

    Raises:
        InputError, MissingExtraError: what was asked for is not there.
    """
    name, where = choose_backend(backend, device)
    return _FaissIndex(d, where) if name == "faiss" else _SklearnIndex(d)


class _Index:
    """What both share: the rows themselves, and the settling of proposals."""

    error = 0.0

    def __init__(self, d: int) -> None:
        self.d = d
        self.rows: Float32Array = np.empty((0, d), dtype=np.float32)
        self.longest = 0.0

    def __len__(self) -> int:
        return len(self.rows)

    def add(self, x: Float32Array) -> None:
        """See ``NeighbourIndex.add``."""
        x = self._checked(x)
        self.rows = np.concatenate([self.rows, x])
        self.longest = max(self.longest, float(np.sqrt(row_dot(x, x).max(initial=0))))
        self._stored(x)

    def search(self, x: Float32Array, k: int) -> tuple[Float32Array, IntArray]:
        """See ``NeighbourIndex.search``."""
        x = self._checked(x)
        if k < 1:
            raise InputError(f"k={k}: ask for at least one neighbour.")
        similarity = np.full((len(x), k), -np.inf, dtype=np.float32)
        rows = np.full((len(x), k), -1, dtype=np.int64)
        for first in range(0, len(x) if len(self.rows) else 0, QUERY_ROWS):
            part = slice(first, first + QUERY_ROWS)
            similarity[part], rows[part] = self._search_block(x[part], k)
        return similarity, rows

    def range(self, x: Float32Array, threshold: float) -> tuple[IntArray, IntArray, Float32Array]:
        """See ``NeighbourIndex.range``."""
        x = self._checked(x)
        found = []
        for first in range(0, len(x) if len(self.rows) else 0, QUERY_ROWS):
            block = x[first : first + QUERY_ROWS]
            query, row = self._above(block, np.float32(threshold) - self._margin(block))
            order = np.lexsort((row, query))
            query, row = query[order], row[order]
            value = self._exact(block, query, row)
            keep = value >= np.float32(threshold)
            found.append((query[keep] + first, row[keep], value[keep]))
        if not found:
            none = np.empty(0, dtype=np.int64)
            return none, none.copy(), np.empty(0, dtype=np.float32)
        queries, rows, values = zip(*found, strict=True)
        return np.concatenate(queries), np.concatenate(rows), np.concatenate(values)

    def _checked(self, x: Float32Array) -> Float32Array:
        x = np.ascontiguousarray(x, dtype=np.float32)
        if x.ndim != 2 or x.shape[1] != self.d:
            raise InputError(f"Rows of shape {x.shape} do not fit an index of width {self.d}.")
        if not np.isfinite(x).all():
            wrong = int(np.flatnonzero(~np.isfinite(x).all(axis=1))[0])
            raise InputError(f"Row {wrong} holds NaN or infinity.")
        return x

    def _search_block(self, x: Float32Array, k: int) -> tuple[Float32Array, IntArray]:
        n = len(self.rows)
        asked = min(n, k + SPARE)
        raw, rows = self._top(x, asked)
        query = np.repeat(np.arange(len(x)), asked)
        value = self._exact(x, query, rows.ravel()).reshape(rows.shape)
        order = np.lexsort((rows, -value), axis=1)[:, :k]
        out = np.full((len(x), k), -np.inf, dtype=np.float32)
        out_rows = np.full((len(x), k), -1, dtype=np.int64)
        have = order.shape[1]
        out[:, :have] = np.take_along_axis(value, order, axis=1)
        out_rows[:, :have] = np.take_along_axis(rows, order, axis=1)
        if asked < n:
            # What was not proposed is at most raw[-1], give or take the rounding of either side.
            open_end = np.flatnonzero(raw[:, -1] + self._margin(x) >= out[:, have - 1])
            for i in open_end.tolist():
                every = self._exact(x[i : i + 1], np.zeros(n, dtype=np.int64), np.arange(n))
                best = np.lexsort((np.arange(n), -every))[:k]
                out[i, :have], out_rows[i, :have] = every[best], best
        return out, out_rows

    def _exact(self, x: Float32Array, query: IntArray, row: IntArray) -> Float32Array:
        value = np.empty(len(query), dtype=np.float32)
        for first in range(0, len(query), PAIRS):
            part = slice(first, first + PAIRS)
            value[part] = row_dot(x[query[part]], self.rows[row[part]])
        return value

    def _margin(self, x: Float32Array) -> Float32Array:
        """Shape (m,): how far a proposed and a settled similarity can be apart."""
        unit = 2.04 * (self.d + 4) * ROUNDING + self.error
        margin: Float32Array = np.sqrt(row_dot(x, x)) * np.float32(self.longest * unit)
        return margin

    def _stored(self, x: Float32Array) -> None:
        """Tell the backend of new rows."""

    def _top(self, x: Float32Array, k: int) -> tuple[Float32Array, IntArray]:
        """Proposals of shape (m, k), similarities falling."""
        product = self._product(x)
        part = np.argpartition(-product, k - 1, axis=1)[:, :k]
        value = np.take_along_axis(product, part, axis=1)
        order = np.argsort(-value, axis=1, kind="stable")
        return np.take_along_axis(value, order, axis=1), np.take_along_axis(part, order, axis=1)

    def _above(self, x: Float32Array, floor: Float32Array) -> tuple[IntArray, IntArray]:
        query, row = np.nonzero(self._product(x) >= floor[:, None])
        return query, row

    def _product(self, x: Float32Array) -> Float32Array:
        product: Float32Array = x @ self.rows.T
        return product


class _SklearnIndex(_Index):
    """Brute force through scikit-learn's kernel; needs neither FAISS nor a GPU."""

    def _product(self, x: Float32Array) -> Float32Array:
        from sklearn.metrics.pairwise import linear_kernel

        product: Float32Array = linear_kernel(x, self.rows)
        return product


class _FaissIndex(_Index):
    """FAISS's flat index, on the CPU or one GPU."""

    def __init__(self, d: int, device: str) -> None:
        super().__init__(d)
        self.device = device
        faiss: Any = load_faiss()
        self._faiss = faiss.IndexFlatIP(d)
        if device == "cuda":
            self.error = GPU_ERROR
            self._resources = faiss.StandardGpuResources()
            self._faiss = faiss.index_cpu_to_gpu(self._resources, 0, self._faiss)

    def _stored(self, x: Float32Array) -> None:
        self._faiss.add(x)

    def _top(self, x: Float32Array, k: int) -> tuple[Float32Array, IntArray]:
        if self.device == "cuda" and k > GPU_MOST:
            return super()._top(x, k)
        similarity, rows = self._faiss.search(x, k)
        return similarity, rows

    def _above(self, x: Float32Array, floor: Float32Array) -> tuple[IntArray, IntArray]:
        if self.device == "cuda":  # GPU indexes have no range search
            return super()._above(x, floor)
        # One radius for the block, below every query's own; the settling filters the rest. FAISS
        # keeps what is strictly above it.
        limits, _, rows = self._faiss.range_search(x, float(np.nextafter(floor.min(), -np.inf)))
        return np.repeat(np.arange(len(x)), np.diff(limits).astype(np.int64)), rows
