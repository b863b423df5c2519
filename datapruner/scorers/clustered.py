"""The step that scorers of clusters share: bar bad rows, fit centroids, assign every row.

Nothing here depends on the order of the rows, on threads or on the size of a block: the training
sample follows from the rows' content (``vectors.kmeans``) and the assignment is exact
(``vectors.assign``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from datapruner.core.items import Items
from datapruner.core.types import AnyArray, BoolArray, UInt8Array, UInt64Array
from datapruner.engines.local import Local
from datapruner.errors import InputError, ScoreError

if TYPE_CHECKING:
    from datapruner.engines.base import Engine
    from datapruner.vectors.centroids import Centroids
    from datapruner.vectors.store import Vectors

__all__ = ["Clustered", "Clustering", "bar_bad", "check_k", "cluster", "scanned"]

_BAD = {1: "NaN", 2: "infinite", 3: "zero length"}


@dataclass(frozen=True)
class Clustering:
    """How to cluster; every scorer of clusters has these parameters under these names.

    Attributes:
        metric: ``"cosine"`` (unit vectors; 1 - cosine, in [0, 2]) or ``"l2"`` (Euclidean).
        iterations: of k-means.
        points_per_centroid: the training sample is this times k rows, chosen by content.
        backend: ``"auto"``, ``"faiss"`` or ``"sklearn"``.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
        on_bad: what to do with vectors that are NaN, infinite or of zero length: ``"error"``, or
            ``"drop"`` to bar those rows.

    Raises:
        InputError: a value that no run could use.
    """

    metric: Literal["cosine", "l2"] = "cosine"
    iterations: int = 20
    points_per_centroid: int = 256
    backend: str = "auto"
    device: str = "auto"
    on_bad: Literal["error", "drop"] = "error"

    def __post_init__(self) -> None:
        """Refuse parameters that no run could use."""
        if self.metric not in ("cosine", "l2"):
            raise InputError(f'metric is {self.metric!r}; it must be "cosine" or "l2".')
        if self.on_bad not in ("error", "drop"):
            raise InputError(f'on_bad is {self.on_bad!r}; it must be "error" or "drop".')
        if self.iterations < 1 or self.points_per_centroid < 1:
            raise InputError("iterations and points_per_centroid must be at least 1.")


def check_k(k: object, what: str) -> None:
    """Refuse a k that is not a whole number of at least 1; None leaves the choice to us.

    Raises:
        InputError: says what it is.
    """
    if k is None:
        return
    if isinstance(k, bool) or not isinstance(k, int | np.integer):
        raise InputError(f"k is {k!r}; the number of {what}s must be a whole number.")
    if k < 1:
        raise InputError(f"k is {k}; there must be at least one {what}.")


@dataclass(frozen=True, eq=False)
class Clustered:
    """Every row with its cluster.

    Attributes:
        items: the rows that were given, those with a bad vector barred.
        centroids: in canonical order; None where no row could be used.
        labels: shape (n,), int32, the nearest centroid; 0 for a barred row.
        distance: shape (n,), float32, how far it is; 0 for a barred row.
    """

    items: Items
    centroids: Centroids | None
    labels: npt.NDArray[np.int32]
    distance: npt.NDArray[np.float32]

    @property
    def names(self) -> tuple[str, ...]:
        """One name a cluster, in the order of the centroids; one name where there are none."""
        count = self.centroids.k if self.centroids is not None else 1
        return tuple(f"cluster {j}" for j in range(count))

    @property
    def details(self) -> dict[str, Any]:
        """What ran, for the provenance; empty where nothing did."""
        made = self.centroids
        if made is None:
            return {}
        return {
            "k": made.k,
            "k_asked": made.k_asked,
            "metric": made.metric,
            "backend": made.backend,
            "device": made.device,
            "sample": made.sample_size,
            "iterations": made.iterations,
        }


def cluster(
    items: Items,
    how: Clustering,
    choose_k: Callable[[int], int],
    *,
    method: str,
    learn: BoolArray | None = None,
    seed: int = 0,
    progress: Any = None,
    engine: Engine | None = None,
) -> Clustered:
    """Fit centroids to the usable rows and find the nearest one of every row.

    Args:
        items: rows with an ``embedding`` feature: an (n, d) array or ``Vectors``.
        how: the parameters.
        choose_k: from the number of rows to learn from, at least 1, to the number of clusters.
        method: who asks, for messages.
        learn: shape (n,), which usable rows the centroids are fitted to; None: all of them. The
            others are assigned all the same.
        seed: of the training sample and the initial centroids.
        progress: called with (stage, done, total).
        engine: who runs the passes over the rows; None: this process, without a journal.

    Returns:
        The rows with their clusters; without centroids where there is no row to learn from.

    Raises:
        MissingColumnError: there is no ``embedding``.
        ScoreError: a vector is NaN, infinite or without direction (names the first five rows).
        InputError: k is below 1 or above the number of rows to learn from.
        MissingExtraError: the backend is not installed.
    """
    from datapruner.vectors.kmeans import fit_centroids
    from datapruner.vectors.store import open_vectors
    from datapruner.vectors.tasks import Assign

    engine = engine or Local()
    vectors = open_vectors(items.feature("embedding", method))
    keys, bad = scanned(vectors, engine, progress)
    items = bar_bad(items, bad, how.on_bad, method)
    rows = items.is_countable if learn is None else items.is_countable & learn
    count = int(np.count_nonzero(rows))
    if not count:
        return Clustered(items, None, np.zeros(items.n, np.int32), np.zeros(items.n, np.float32))
    centroids = fit_centroids(
        vectors,
        choose_k(count),
        spherical=how.metric == "cosine",
        iterations=how.iterations,
        points_per_centroid=how.points_per_centroid,
        seed=seed,
        backend=how.backend,
        device=how.device,
        rows=rows,
        keys=keys,
        engine=engine,
        progress=progress,
    )
    task = Assign(centroids, how.backend, how.device)
    labels, distance = engine.rows(task, vectors, keys=keys, progress=progress)
    labels[items.barred], distance[items.barred] = 0, 0
    return Clustered(items, centroids, labels, distance)


def scanned(
    vectors: Vectors, engine: Engine, progress: Any = None
) -> tuple[UInt64Array, UInt8Array]:
    """``content.scan`` by an engine; what it finds stays with the vectors."""
    from datapruner.vectors.tasks import Scan

    if vectors.scanned is None:
        keys, bad = engine.rows(Scan(), vectors, progress=progress)
        vectors.scanned = (keys, bad)
    return vectors.scanned


def bar_bad(items: Items, bad: AnyArray, on_bad: str, method: str) -> Items:
    """The items with rows of bad vectors barred, or an error.

    Args:
        items: the rows; those barred already are not looked at.
        bad: shape (n,), uint8, ``content.bad_rows``.
        on_bad: ``"error"`` or ``"drop"``.
        method: who asks, for the message.

    Raises:
        ScoreError: there are such rows, and ``on_bad`` is ``"error"`` (names the first five rows).
    """
    # A zero vector has a place, if no direction; but a row of zeros is a failed embedding far
    # more often than a point, so no metric takes it.
    wrong = (bad != 0) & ~items.barred
    rows = np.flatnonzero(wrong)
    if not rows.size:
        return items
    if on_bad == "error":
        shown = ", ".join(f"row {r}: {_BAD[int(bad[r])]}" for r in rows[:5])
        raise ScoreError(
            f"{method}: {rows.size} of {items.n} vectors cannot be used ({shown}). "
            'Mend them, or leave such rows out with on_bad="drop" (--on-bad drop).'
        )
    return items.bar(wrong)
