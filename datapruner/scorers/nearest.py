"""The nearest row of another data set, for every row: a pass that any engine can run.

Up to ``LARGE`` rows of the other set the search is exhaustive. Above it they are clustered, and a
row is compared with those of its nearest ``PROBES`` clusters alone. Either way products only
propose: a similarity that could be the highest is computed anew in float64, pair by pair, and
rounded to float32 once. So a row's answer follows from that row and the other set, whatever block
it is read in and on however many threads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from datapruner.core.types import AnyArray, BoolArray, IntArray, UInt64Array
from datapruner.engines.base import Engine
from datapruner.scorers.clustered import scanned
from datapruner.scorers.pairs import NOBODY, NOTHING, PAIRS, ROUNDING, Float32Array, blocks
from datapruner.scorers.pairs import exact_similarity as settled
from datapruner.vectors.centroids import Centroids
from datapruner.vectors.content import row_dot, unit_and_bad, unit_rows
from datapruner.vectors.store import Vectors, open_vectors

__all__ = ["LARGE", "Nearest", "nearest_in"]

LARGE = 50_000
"""Rows above which a search by clusters replaces the exhaustive one. At this size and 384
dimensions a row costs about 0.5 ms of a core, a tenth of what a small sentence model takes."""

PROBES = 8
"""Clusters that a row is compared with. Of copies of real texts that lack a word, 2 clusters
find 93 % of those above 0.95, 4 find 96 %, 8 find 98 % and 16 find 99 %
(benchmarks/dataset/duplicates/reference.py)."""

POINTS = 64  # of the training sample, a cluster: it need not be the best clustering
HELD_BYTES = 256 * 2**20  # up to this size the other set is read once
QUERY_ROWS, OTHER_ROWS = 512, 2048  # a tile of similarities: 4 MiB


def nearest_in(
    vectors: Vectors,
    usable: BoolArray,
    ties: UInt64Array,
    engine: Engine,
    *,
    large: int = LARGE,
    backend: str = "auto",
    device: str = "auto",
) -> Nearest:
    """The task that finds every row's nearest among these vectors.

    Args:
        vectors: shape (m, d), the other set.
        usable: shape (m,), rows that may be anybody's nearest; bad vectors never are.
        ties: shape (m,), of rows that are equally near the one with the lowest is taken.
        engine: who reads them.
        large: rows of distinct content above which they are clustered.
        backend, device: of the clustering, as in ``kmeans.fit_centroids``.
    """
    keys, bad = scanned(vectors, engine)
    rows = np.flatnonzero(usable & (bad == 0))
    # Of rows of equal content one is enough, and a set of copies costs no more than one row.
    ranked = rows[np.lexsort((ties[rows], keys[rows]))]
    fresh = np.ones(ranked.size, dtype=bool)
    fresh[1:] = keys[ranked[1:]] != keys[ranked[:-1]]
    rows = np.sort(ranked[fresh])
    if rows.size <= large:
        bounds = np.array([0, rows.size], dtype=np.int64)
        return Nearest(vectors, rows, bounds, None, ties[rows], keys[rows])
    from datapruner.vectors.kmeans import default_k, fit_centroids
    from datapruner.vectors.tasks import Assign

    among = np.zeros(vectors.n, dtype=bool)
    among[rows] = True
    made = fit_centroids(
        vectors,
        default_k(rows.size),
        points_per_centroid=POINTS,
        backend=backend,
        device=device,
        rows=among,
        keys=keys,
        engine=engine,
    )
    labels = engine.rows(Assign(made, backend, device), vectors, keys=keys)[0][rows]
    rows = rows[np.argsort(labels, kind="stable")]
    bounds = np.concatenate([[0], np.cumsum(np.bincount(labels, minlength=made.k))])
    return Nearest(vectors, rows, bounds.astype(np.int64), made, ties[rows], keys[rows])


@dataclass(frozen=True, eq=False)
class Nearest:
    """The highest cosine of each row of a block to a row of another set; a ``RowTask``.

    Attributes:
        vectors: the other set.
        rows: shape (m,), int64, its rows that count, cluster after cluster.
        bounds: shape (k + 1,), int64, where each cluster starts in ``rows``; one cluster holds all
            where nothing was clustered.
        made: the centroids of those clusters; None where nothing was clustered.
        ties: shape (m,), uint64; of equally near rows the one with the lowest is taken.
        keys: shape (m,), uint64, ``content.row_keys``, in the order of ``rows``.
    """

    vectors: Vectors
    rows: IntArray
    bounds: IntArray
    made: Centroids | None
    ties: UInt64Array
    keys: UInt64Array

    name: ClassVar[str] = "nearest"
    dtypes: ClassVar[tuple[str, ...]] = ("float32", "int64")

    @property
    def search(self) -> str:
        """How it searches, for people."""
        if self.made is None:
            return "searched exhaustively"
        return f"searched in {min(PROBES, self.made.k)} of {self.made.k:,} clusters"

    @property
    def key(self) -> bytes:
        """Of the other set's rows, their clusters and their order among equals."""
        made = hashlib.blake2b(digest_size=16)
        for part in (self.rows, self.bounds, self.ties, self.keys):
            made.update(np.ascontiguousarray(part).data)
        if self.made is not None:
            made.update(np.ascontiguousarray(self.made.centroids).data)
        return made.digest()

    def __call__(self, block: Float32Array) -> tuple[AnyArray, ...]:
        """Shapes (m,): similarity, float32 in [-1, 1], and row number in the other set, int64.

        0 and -1 for a bad row, and for all where the other set has no row to offer.
        """
        unit, _, bad = unit_and_bad(block)
        best = _Best(unit, self)
        for guests, places in self._meetings(unit, np.flatnonzero(bad == 0)):
            for there in blocks(places, OTHER_ROWS):
                other = self.unit(there).T
                for here in blocks(guests, QUERY_ROWS):
                    best.offer(here, there, unit[here] @ other)
        return best.settle()

    def unit(self, places: IntArray) -> Float32Array:
        """The rows at these places of ``rows``, of length one; shape (len(places), d)."""
        if self._held is not None:
            return self._held[places]
        return unit_rows(self.vectors.take(self.rows[places]))[0]

    @property
    def slack(self) -> np.float32:
        """How far two products can be apart whose true values are equal (``vectors.assign``)."""
        return np.float32(2 * 1.02 * (self.vectors.d + 4) * ROUNDING)

    def _meetings(self, unit: Float32Array, able: IntArray) -> Iterator[tuple[IntArray, IntArray]]:
        """Which rows of the block meet which places of ``rows``."""
        if self.made is None:
            yield able, np.arange(self.rows.size)
            return
        near = self._probed(unit[able])
        for cluster in np.unique(near).tolist():
            guests = able[(near == cluster).any(axis=1)]
            yield guests, np.arange(self.bounds[cluster], self.bounds[cluster + 1])

    def _probed(self, unit: Float32Array) -> IntArray:
        """Shape (m, probes): the nearest centroids of unit rows, exactly; equals by number."""
        assert self.made is not None
        centroids = self.made.centroids
        probes = min(PROBES, len(centroids))
        near = np.empty((len(unit), probes), dtype=np.int64)
        for here in blocks(np.arange(len(unit)), QUERY_ROWS):
            product = unit[here] @ centroids.T
            floor = np.partition(product, -probes, axis=1)[:, -probes] - self.slack
            row, column = np.nonzero(product >= floor[:, None])
            value = row_dot(
                unit[here[row]].astype(np.float64), centroids[column].astype(np.float64)
            )
            order = np.lexsort((column, -value, row))
            first = np.searchsorted(row[order], np.arange(here.size))
            near[here] = column[order][first[:, None] + np.arange(probes)]
        return near

    @cached_property
    def _held(self) -> Float32Array | None:
        if self.rows.size * self.vectors.d * 4 > HELD_BYTES:
            return None
        return unit_rows(self.vectors.take(self.rows))[0]

    def __getstate__(self) -> dict[str, Any]:
        """With the rows themselves instead of the file that they are in, which may be far away."""
        nothing = np.empty((0, self.vectors.d), dtype=np.float32)
        held = self.unit(np.arange(self.rows.size))
        return {**self.__dict__, "vectors": open_vectors(nothing), "_held": held}


class _Best:
    """For each row of a block the highest similarity offered, settled at the end."""

    def __init__(self, unit: Float32Array, task: Nearest) -> None:
        self.unit, self.task = unit, task
        self.top = np.full(len(unit), NOTHING, dtype=np.float32)
        self.offers: list[tuple[IntArray, IntArray, Float32Array]] = []

    def offer(self, here: IntArray, there: IntArray, tile: Float32Array) -> None:
        """Similarities of rows of the block to places of the other set."""
        highest = tile.max(axis=1)
        top = np.maximum(self.top[here], highest)
        self.top[here] = top
        # Soon hardly any tile has something to offer, so most are read but once.
        some = np.flatnonzero(highest >= top - self.task.slack)
        row, column = np.nonzero(tile[some] >= (top[some] - self.task.slack)[:, None])
        row = some[row]
        self.offers.append((here[row], there[column], tile[row, column]))

    def settle(self) -> tuple[Float32Array, IntArray]:
        """Exact similarity and row number of the best."""
        similarity = np.zeros(len(self.unit), dtype=np.float32)
        found = np.full(len(self.unit), NOBODY, dtype=np.int64)
        if not self.offers:
            return similarity, found
        row, place, rough = (np.concatenate(part) for part in zip(*self.offers, strict=True))
        close = rough >= self.top[row] - self.task.slack
        row, place = row[close], place[close]
        value = np.empty(row.size, dtype=np.float32)
        for start in range(0, row.size, PAIRS):
            some = slice(start, start + PAIRS)
            value[some] = settled(self.unit[row[some]], self.task.unit(place[some]))
        order = np.lexsort((self.task.rows[place], self.task.ties[place], -value, row))
        of, best = np.unique(row[order], return_index=True)
        similarity[of] = value[order][best]
        found[of] = self.task.rows[place[order][best]]
        return similarity, found
