"""Which centroids could be the nearest ones: block products in NumPy, or in torch on a GPU.

The callers' part (``assign``) is to settle what is proposed here; nothing in this file has to be
exact, only within a margin that the caller knows.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from datapruner.core.types import IntArray
from datapruner.errors import InputError, MissingExtraError

__all__ = ["Maker", "Proposal", "Propose", "numpy_proposer", "proposer", "torch_proposer"]

Float32Array: TypeAlias = npt.NDArray[np.float32]

Proposal: TypeAlias = tuple[Float32Array, IntArray, tuple[IntArray, IntArray]]
"""Best scores, their centroids, and the (row, centroid) pairs of every row with a close second."""

Propose: TypeAlias = Callable[[Float32Array, Float32Array], Proposal]
"""From rows (m, d) and margins (m,) to the proposal: a second is close within the row's margin."""

Maker: TypeAlias = Callable[[Float32Array, Float32Array], Propose]
"""From centroids (k, d) and what is taken off their scores (k,) to the function that proposes."""

TILE_CENTROIDS = 4096
"""Centroids multiplied at a time, so that a tile of the product stays near the caches."""


def proposer(backend: str, device: str) -> Maker:
    """The function that makes the proposing function, for the library and device asked for."""
    known = ("auto", "numpy", "torch", "faiss", "sklearn")
    if backend not in known or device not in ("auto", "cpu", "cuda"):
        raise InputError(
            f'backend="{backend}", device="{device}" is not known; backends: {", ".join(known)}; '
            "devices: auto, cpu, cuda."
        )
    if backend in ("faiss", "sklearn"):
        backend = "auto"
    if backend == "torch" or device == "cuda":
        if backend == "numpy":
            raise InputError('NumPy has no CUDA; use backend="torch", or "auto".')
        if find_spec("torch") is None:
            raise MissingExtraError('This needs torch: pip install "datapruner[gpu]".')
    elif backend == "numpy" or device == "cpu" or not _may_have_cuda():
        return numpy_proposer
    import torch

    has_cuda = device != "cpu" and torch.cuda.is_available()
    if device == "cuda" and not has_cuda:
        raise InputError('device="cuda" needs a GPU that torch sees; use device="auto".')
    if backend == "auto" and not has_cuda:
        return numpy_proposer
    return partial(torch_proposer, device="cuda" if has_cuda else "cpu")


def _may_have_cuda() -> bool:
    """Whether it is worth loading torch (two seconds) to ask it."""
    return find_spec("torch") is not None and (
        "torch" in sys.modules or shutil.which("nvidia-smi") is not None
    )


def numpy_proposer(centroids: Float32Array, half: Float32Array) -> Propose:
    """Proposals by NumPy, a tile of the centroids at a time."""
    tiles = [
        (first, np.ascontiguousarray(centroids[first : first + TILE_CENTROIDS].T))
        for first in range(0, len(centroids), TILE_CENTROIDS)
    ]
    shift = half if half.any() else None

    def scores(rows: Float32Array, first: int, tile: Float32Array) -> Float32Array:
        product = rows @ tile
        if shift is not None:
            product -= shift[first : first + TILE_CENTROIDS]
        return product

    def propose(rows: Float32Array, margin: Float32Array) -> Proposal:
        best = np.full(len(rows), -np.inf, dtype=np.float32)
        second = best.copy()
        labels = np.zeros(len(rows), dtype=np.int64)
        every = np.arange(len(rows))
        for first, tile in tiles:
            product = scores(rows, first, tile)
            top = product.argmax(axis=1)
            value = product[every, top]
            product[every, top] = -np.inf
            runner_up = np.maximum(product.max(axis=1), np.minimum(best, value))
            labels = np.where(value > best, top + first, labels)
            np.maximum(second, runner_up, out=second)
            np.maximum(best, value, out=best)
        close = np.flatnonzero(second >= best - margin)
        if not len(close):
            return best, labels, (close, close)
        few, floor = rows[close], (best - margin)[close, None]
        found = [
            (close[r], c + first)
            for first, tile in tiles
            for r, c in [np.nonzero(scores(few, first, tile) >= floor)]
        ]
        rows_of, near = zip(*found, strict=True)
        return best, labels, (np.concatenate(rows_of), np.concatenate(near))

    return propose


def torch_proposer(centroids: Float32Array, half: Float32Array, *, device: str) -> Propose:
    """Proposals by torch on one device, all centroids at once."""
    import torch

    table = torch.from_numpy(np.ascontiguousarray(centroids.T)).to(device)
    shift = torch.from_numpy(half).to(device)

    def propose(rows: Float32Array, margin: Float32Array) -> Proposal:
        with torch.inference_mode():
            product = torch.from_numpy(rows).to(device) @ table - shift
            best, labels = product.max(dim=1)
            floor = (best - torch.from_numpy(margin).to(device))[:, None]
            near = product >= floor
            near[near.sum(dim=1) == 1] = False
            of, candidate = near.nonzero(as_tuple=True)
            out = [t.cpu().numpy() for t in (best, labels, of, candidate)]
        return out[0], out[1], (out[2], out[3])

    return propose
