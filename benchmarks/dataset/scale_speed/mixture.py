"""Vectors for measuring speed: clusters of unequal size, narrow and broad, and near-copies.

Nothing is as large as the data: blocks are drawn, written and forgotten.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

__all__ = ["COPIES", "EXACT", "generate"]

Float32Array = npt.NDArray[np.float32]

BLOCK = 20_000
TOPICS = 40  # concepts come in families, as they do in text
LATENT = 64  # directions inside a concept; embeddings never fill all their dimensions
TAIL = 1.2  # of the Pareto law of the sizes: the largest concepts hold several per cent each
COPIES = 0.12  # share of near-copies: cosine .93 to .9995 to a row before
EXACT = 0.03  # share of exact copies


def generate(path: Path, n: int, d: int, concepts: int, dtype: str, seed: int = 7) -> None:
    """Write unit vectors, block by block, to a .npy file.

    A row is its concept's direction, plus noise in 64 shared directions of falling variance, plus
    a little in all; how much depends on the concept. The seed decides all of it.

    Args:
        path: the file to make.
        n: rows.
        d: columns.
        concepts: directions that rows gather around.
        dtype: ``"float16"`` or ``"float32"``.
        seed: of every draw.
    """
    rng = np.random.default_rng(seed)
    topics = rng.standard_normal((TOPICS, d), dtype=np.float32)
    centres = topics[rng.integers(0, TOPICS, concepts)]
    centres += 1.2 * rng.standard_normal((concepts, d), dtype=np.float32)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    chance = rng.pareto(TAIL, concepts) + 0.05
    breadth = rng.uniform(0.45, 0.9, concepts).astype(np.float32)
    basis = rng.standard_normal((LATENT, d), dtype=np.float32) / np.float32(np.sqrt(d))
    basis *= (np.arange(1, LATENT + 1, dtype=np.float32) ** -0.4)[:, None]
    basis /= np.sqrt((basis**2).sum())
    out = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=(n, d))
    stock = np.empty((0, d), dtype=np.float32)
    for start in range(0, n, BLOCK):
        rows = min(BLOCK, n - start)
        concept = rng.choice(concepts, rows, p=chance / chance.sum())
        latent = rng.standard_normal((rows, LATENT), dtype=np.float32) @ basis
        small = rng.standard_normal((rows, d), dtype=np.float32) * np.float32(0.3 / np.sqrt(d))
        block = centres[concept] + breadth[concept, None] * (latent + small)
        block /= np.linalg.norm(block, axis=1, keepdims=True)
        _plant(block, stock, rng)
        stock = _restock(stock, block, rng)
        out[start : start + rows] = block
    out.flush()


def _plant(block: Float32Array, stock: Float32Array, rng: np.random.Generator) -> None:
    """Overwrite some rows with copies of earlier ones, from faint to exact."""
    if not len(stock):
        return
    count = round(len(block) * (COPIES + EXACT))
    place = rng.choice(len(block), count, replace=False)
    copies = stock[rng.integers(0, len(stock), count)]
    apart = 10 ** rng.uniform(-1.5, -0.42, count).astype(np.float32)  # cosine 1 / sqrt(1 + apart^2)
    apart[: round(len(block) * EXACT)] = 0
    noise = rng.standard_normal(copies.shape, dtype=np.float32)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    copies += apart[:, None] * noise
    norms = np.linalg.norm(copies, axis=1)
    norms[apart == 0] = 1
    block[place] = copies / norms[:, None]


def _restock(stock: Float32Array, block: Float32Array, rng: np.random.Generator) -> Float32Array:
    """Rows that later blocks may copy: a draw from what was there and what is new."""
    both = np.concatenate([stock, block])
    return both[rng.permutation(len(both))[:BLOCK]]
