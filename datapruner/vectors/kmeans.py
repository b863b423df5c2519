"""K-means whose answer does not depend on the order of the rows, and the nearest centroid of each
row.

FAISS samples and seeds by position, so a shuffled file would give other clusters. Here the
training sample is the rows with the smallest hash of their content, put in the order of that hash,
and the first distinct ones of them are the initial centroids: FAISS sees the same bytes however
the file is ordered.

Threads: with faiss-cpu 1.15.1 the trained centroids were bit-identical on 1, 2, 3 and 4 OpenMP
threads for fourteen combinations of n, d, k and metric (500 to 51,200 rows, 33 to 1,024
dimensions, 40 to 1,100 centroids; a test repeats some). That is an observation about one build on
one machine, not a theorem: ``assign`` is exact by construction, training is repeatable as far as
FAISS is.

Source: Sorscher et al. 2022, arXiv:2206.14486, for the use of it; the order of the sample is ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from datapruner import rng
from datapruner.core.types import BoolArray, IntArray, UInt64Array
from datapruner.engines.journal import digest
from datapruner.errors import InputError, MissingExtraError
from datapruner.vectors.assign import (
    AssignedBlock,
    Assignment,
    Progress,
    assign,
    assign_blocks,
    check_range,
)
from datapruner.vectors.centroids import Centroids, Metric, distinct, tidy
from datapruner.vectors.content import row_dot, scan, unit_rows
from datapruner.vectors.store import Vectors

if TYPE_CHECKING:
    from datapruner.engines.base import Engine

__all__ = [
    "AssignedBlock",
    "Assignment",
    "Centroids",
    "Metric",
    "Progress",
    "assign",
    "assign_blocks",
    "default_k",
    "fit_centroids",
    "fit_sample",
]

Float32Array: TypeAlias = npt.NDArray[np.float32]

NORMALISE_ROWS = 8192

TOGETHER = 5
"""Iterations between two entries in the journal; each time FAISS checks all of the sample anew."""


def default_k(n: int, classes: int | None = None) -> int:
    """How many clusters to make when nobody says.

    The number of classes where it is known; else the square root of n, rounded, but at least 10
    and at most 50,000. Never more than n, and never less than 1.

    Args:
        n: number of rows.
        classes: number of known classes, None if there are none.

    Returns:
        k in [1, max(1, n)].

    Source: prototypes bear a factor of ten either way (Sorscher et al. 2022, arXiv:2206.14486);
    the square root is D4's rule (Tirumala et al. 2023, arXiv:2308.12284).
    """
    k = classes if classes else min(max(round(math.sqrt(n)), 10), 50_000)
    return max(1, min(k, n))


def fit_centroids(
    vectors: Vectors,
    k: int,
    *,
    spherical: bool = True,
    iterations: int = 20,
    points_per_centroid: int = 256,
    seed: int = 0,
    backend: str = "auto",
    device: str = "auto",
    rows: BoolArray | None = None,
    keys: UInt64Array | None = None,
    engine: Engine | None = None,
    progress: Progress | None = None,
) -> Centroids:
    """K-means centroids that depend on which rows there are, not on how they are ordered.

    Args:
        vectors: the rows; those with NaN, infinities or no length at all are left out.
        k: how many centroids; where fewer rows differ there are fewer (``Centroids.k``).
        spherical: unit rows and centroids, compared by cosine; else Euclidean.
        iterations: rounds of Lloyd's algorithm.
        points_per_centroid: the sample is the min(n, this * k) rows of smallest content hash.
        seed: changes the sample and the initial centroids.
        backend: ``"faiss"``, ``"sklearn"``, or ``"auto"``: FAISS where it is installed.
        device: ``"cpu"``, ``"cuda"`` (FAISS with a GPU), or ``"auto"``: CUDA where FAISS sees one.
        rows: shape (n,), which rows may be used; needed together with ``keys`` to save a pass over
            the data that finds out both.
        keys: shape (n,), ``content.row_keys`` of every row.
        engine: whose journal keeps the centroids of every few iterations, and whose ceiling the
            sample must respect; None: no journal and no ceiling.
        progress: called as progress(stage, done, total).

    Returns:
        Centroids in canonical order, near-equal ones dropped; with k asked and k there are.

    Raises:
        InputError: k is below 1 or above the number of usable rows, CUDA is not there, or the
            sample does not fit in the engine's memory.
        MissingExtraError: the backend is not installed.
    """
    name, where = choose_backend(backend, device)
    if k < 1 or iterations < 1 or points_per_centroid < 1:
        raise InputError(
            f"k={k}, iterations={iterations}, points_per_centroid={points_per_centroid}: each must "
            "be at least 1."
        )
    if keys is None or rows is None:
        keys, bad = scan(vectors, progress)
        rows = (bad == 0) if rows is None else rows & (bad == 0)
    usable = np.flatnonzero(rows)
    if k > len(usable):
        raise InputError(
            f"k={k} centroids cannot be fitted to {len(usable)} usable rows (of {vectors.n}). "
            f"Lower k; the default for so many rows is {default_k(len(usable))}."
        )
    sample, hashes = _sample(keys[usable], seed, min(len(usable), points_per_centroid * k))
    if engine is not None:
        engine.reserve(
            f"a training sample of {len(sample):,} rows",
            # The rows once, and for FAISS their distances to the nearest centroid.
            len(sample) * (4 * vectors.d + 16) + k * vectors.d * 16,
            "lower k or points_per_centroid",
        )
    return fit_sample(
        vectors.take(usable[sample]),
        hashes,
        k,
        spherical=spherical,
        iterations=iterations,
        seed=seed,
        backend=name,
        device=where,
        engine=engine,
        progress=progress,
    )


def fit_sample(
    x: Float32Array,
    hashes: UInt64Array,
    k: int,
    *,
    spherical: bool = True,
    iterations: int = 20,
    seed: int = 0,
    backend: str = "auto",
    device: str = "auto",
    engine: Engine | None = None,
    progress: Progress | None = None,
) -> Centroids:
    """The centroids of a training sample that is drawn already; other arguments as above.

    Args:
        x: shape (m, d), float32, m at least k, the usable rows of smallest hash; normalised in
            place.
        hashes: shape (m,), ``rng.mix(content.row_keys(x), seed)``, rising.
        k: how many centroids.

    Raises:
        InputError: CUDA is not there, or rows are too long for Euclidean distances.
        MissingExtraError: the backend is not installed.
    """
    name, where = choose_backend(backend, device)
    _prepare(x, spherical)
    is_first = np.concatenate([[True], hashes[1:] != hashes[:-1]])
    # Rows that differ in length alone have other keys but the same direction: FAISS would split the
    # clusters they leave empty. Twice as many candidates leave room to drop them.
    start = x[np.flatnonzero(is_first)[: 2 * k]]
    start = start[distinct(start)][:k] if spherical else start[:k]
    if is_first.sum() <= k:
        trained = start  # every distinct row is its own centroid: nothing to train
    else:
        how = _Training(name, where, spherical, seed, digest(hashes, name, where, spherical, seed))
        trained = _train(x, start, iterations, how, engine, progress)
    metric: Metric = "cosine" if spherical else "l2"
    tidied = tidy(trained, metric)
    if not len(tidied):  # rows that cancel out leave means without a direction
        tidied = tidy(start, metric)
    return Centroids(tidied, k, metric, name, where, len(x), iterations, seed)


def choose_backend(backend: str, device: str) -> tuple[str, str]:
    """(backend, device) that will run; asking for what is not there is an error, ``auto`` is not.

    FAISS without a GPU accepts ``gpu=True`` and runs on the CPU without a word, so its own count of
    GPUs decides.
    """
    if backend not in ("auto", "faiss", "sklearn") or device not in ("auto", "cpu", "cuda"):
        raise InputError(
            f'backend="{backend}", device="{device}" is not known; backends: auto, faiss, sklearn; '
            "devices: auto, cpu, cuda."
        )
    faiss: Any = None if backend == "sklearn" else load_faiss()
    if faiss is None and backend == "faiss":
        raise MissingExtraError('FAISS is not installed: pip install "datapruner[cpu]".')
    gpus = faiss.get_num_gpus() if hasattr(faiss, "StandardGpuResources") else 0
    if device == "cuda" and gpus < 1:
        raise InputError(
            'device="cuda" needs FAISS with a GPU (pip install "datapruner[gpu]"), and it sees '
            'none; device="auto" takes what is there.'
        )
    where = "cuda" if gpus and device != "cpu" else "cpu"
    return ("sklearn" if faiss is None else "faiss"), where


def load_faiss() -> Any:
    """The module, or None; without its CUDA libraries the GPU wheel raises RuntimeError."""
    try:
        return import_module("faiss")
    except (ImportError, RuntimeError):
        return None


def _sample(keys: UInt64Array, seed: int, size: int) -> tuple[IntArray, UInt64Array]:
    """Positions of the smallest hashes and those hashes, rising; equal hash means equal content."""
    hashes = rng.mix(keys, seed)
    low = np.argpartition(hashes, size - 1)[:size]
    low = low[np.argsort(hashes[low], kind="stable")]
    return low, hashes[low]


def _prepare(x: Float32Array, spherical: bool) -> None:
    """Normalise in place, piece by piece: the sample is the largest thing in memory."""
    for first in range(0, len(x), NORMALISE_ROWS):
        piece = x[first : first + NORMALISE_ROWS]
        if spherical:
            piece[...] = unit_rows(piece)[0]
        else:
            check_range(float(np.sqrt(row_dot(piece, piece).max())))


@dataclass(frozen=True)
class _Training:
    backend: str
    device: str
    spherical: bool
    seed: int
    key: bytes


def _train(
    x: Float32Array,
    start: Float32Array,
    iterations: int,
    how: _Training,
    engine: Engine | None,
    progress: Progress | None,
) -> Float32Array:
    """The centroids after so many iterations, a few at a time, each few kept by the journal."""
    rows = start
    for done in range(0, iterations, TOGETHER):
        some = min(TOGETHER, iterations - done)
        if progress is not None:
            progress("train", done, iterations)
        make = partial(_some_iterations, x, rows, some, how)
        key = digest(how.key, rows, some)
        made = make() if engine is None else engine.once("train", key, make, size=x.nbytes)
        if np.array_equal(made["centroids"], rows):
            break  # settled: more iterations would change nothing
        rows = made["centroids"]
    if progress is not None:
        progress("train", iterations, iterations)
    return rows


def _some_iterations(
    x: Float32Array, rows: Float32Array, iterations: int, how: _Training
) -> dict[str, Float32Array]:
    if how.backend == "sklearn":
        return {"centroids": _train_sklearn(x, rows, iterations)}
    return {"centroids": _train_faiss(x, rows, how.spherical, iterations, how.seed, how.device)}


def _train_faiss(
    x: Float32Array,
    start: Float32Array,
    spherical: bool,
    iterations: int,
    seed: int,
    device: str,
) -> Float32Array:
    faiss: Any = load_faiss()
    trainer = faiss.Kmeans(
        x.shape[1],
        len(start),
        niter=iterations,
        spherical=spherical,
        seed=rng.subseed(seed, "kmeans") % 2**31,
        min_points_per_centroid=1,
        max_points_per_centroid=len(x),  # the sample is drawn already
        gpu=device == "cuda",
    )
    trainer.train(x, init_centroids=start)
    return cast("Float32Array", trainer.centroids.copy())


def _train_sklearn(x: Float32Array, start: Float32Array, iterations: int) -> Float32Array:
    """Lloyd by scikit-learn, on one thread, whose sums are then always in the same order.

    Spherical data is clustered by Euclidean distance between unit rows and the centroids are
    normalised afterwards (``tidy``): the same objective but for the length of the centroids.
    """
    from sklearn.cluster import KMeans

    with import_module("threadpoolctl").threadpool_limits(1):
        fitted = KMeans(len(start), init=start, n_init=1, max_iter=iterations, tol=0.0).fit(x)
    return cast("Float32Array", fitted.cluster_centers_.astype(np.float32))
