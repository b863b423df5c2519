"""What bare FAISS and a bare interpreter cost: the other side of the speed benchmarks."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

ITERATIONS = 20
POINTS = 256
SEARCHED = 10_000  # rows a search; FAISS cuts them into blocks of its own
GIB = 2**30


def usage() -> tuple[float, float]:
    """CPU seconds of this process and its children so far, and its own peak memory in bytes.

    The peak is the kernel's high-water mark of this very process: ru_maxrss would carry over the
    parent's, which has just generated the vectors.
    """
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    seconds = sum(one.ru_utime + one.ru_stime for one in spent)
    status = Path("/proc/self/status")
    if status.exists():
        line = next(text for text in status.read_text().splitlines() if text.startswith("VmHWM"))
        return seconds, int(line.split()[1]) * 1024.0
    return seconds, spent[0].ru_maxrss * 1024.0


def bare_interpreter() -> float:
    """Peak memory in bytes of a Python process that imports nothing but itself."""
    code = "print(next(t for t in open('/proc/self/status') if t.startswith('VmHWM')).split()[1])"
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    return int(done.stdout or 0) * 1024.0


def run_faiss(path: Path, k: int) -> dict[str, Any]:
    """Train on the same sample with the same iterations, then one exhaustive assignment."""
    import faiss

    data = np.load(path, mmap_mode="r")
    sample = np.load(path.with_name("sample.npy"))
    before, _ = usage()
    begun = time.perf_counter()
    kmeans = faiss.Kmeans(
        data.shape[1],
        k,
        niter=ITERATIONS,
        spherical=True,
        seed=0,
        min_points_per_centroid=1,
        max_points_per_centroid=len(sample),
    )
    kmeans.train(sample, init_centroids=sample[:k])
    trained, _ = usage()
    for start in range(0, len(data), SEARCHED):
        block = np.ascontiguousarray(data[start : start + SEARCHED], dtype=np.float32)
        kmeans.index.search(block, 1)
    after, peak = usage()
    return {
        "cpu_s": after - before,
        "wall_s": time.perf_counter() - begun,
        "peak_gib": peak / GIB,
        "train_s": trained - before,
        "assign_s": after - trained,
    }


def choose_sample(path: Path, k: int) -> None:
    """Write the rows that our training uses, in its order, so that both sides train on the same."""
    from datapruner.rng import mix
    from datapruner.vectors.content import scan
    from datapruner.vectors.store import open_vectors

    vectors = open_vectors(str(path))
    keys, _ = scan(vectors)
    rows = np.argsort(mix(keys, 0), kind="stable")[: min(vectors.n, POINTS * k)]
    np.save(path.with_name("sample.npy"), vectors.take(rows))
