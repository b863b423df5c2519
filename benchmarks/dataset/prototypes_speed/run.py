"""CPU time and peak memory of prototypes beside bare FAISS. Prints one JSON line."""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from common import env, results
from common.bare import GIB, bare_interpreter, choose_sample, run_faiss, usage


def generate(path: Path, n: int, d: int) -> None:
    """Unit vectors around 2,000 directions, written block by block."""
    rng = np.random.default_rng(7)
    centres = rng.standard_normal((2000, d), dtype=np.float32)
    out = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(n, d))
    for start in range(0, n, 20_000):
        rows = min(20_000, n - start)
        block = centres[rng.integers(0, 2000, rows)]
        block += rng.standard_normal((rows, d), dtype=np.float32)
        out[start : start + rows] = block / np.linalg.norm(block, axis=1, keepdims=True)
    out.flush()


def run_ours(path: Path, k: int) -> dict[str, Any]:
    """Score, select and write, as a user would from Python."""
    import faiss  # noqa: F401  (both sides start the clock with FAISS loaded)

    import datapruner as dp
    from datapruner.core import pruner  # noqa: F401
    from datapruner.dataset import prune  # noqa: F401
    from datapruner.vectors import kmeans  # noqa: F401

    before, resting = usage()
    begun = time.perf_counter()
    scores = dp.score(embedding=str(path), method="prototypes", k=k)
    scored, _ = usage()
    selection = dp.select(scores, "30%")
    selected, _ = usage()
    selection.save(path.with_name("kept.npz"), overwrite=True)
    after, peak = usage()
    return {
        "cpu_s": after - before,
        "score_s": scored - before,
        "select_s": selected - scored,
        "write_s": after - selected,
        "wall_s": time.perf_counter() - begun,
        "peak_gib": peak / GIB,
        "resting_gib": resting / GIB,
        "kept": len(selection),
    }


def in_turn(path: Path, k: int, repeats: int) -> dict[str, list[dict[str, Any]]]:
    """Both sides in processes of their own, one after the other."""
    found: dict[str, list[dict[str, Any]]] = {"ours": [], "faiss": []}
    for _ in range(repeats):
        for side, runs in found.items():
            command = [sys.executable, __file__, "--side", side, "--path", str(path), "--k", str(k)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            runs.append(json.loads(done.stdout))
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100,000 rows (default)")
    parser.add_argument("--full", action="store_true", help="1,000,000 rows; writes the result")
    parser.add_argument("--folder", type=Path, help="where the vectors go (default: temporary)")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--side", choices=("ours", "faiss"), help=argparse.SUPPRESS)
    parser.add_argument("--path", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--k", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        side = run_ours if options.side == "ours" else run_faiss
        print(json.dumps(side(options.path, options.k)))
        return
    n, k = (1_000_000, 1000) if options.full else (100_000, 200)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "vectors.npy"
        generate(path, n, 384)
        choose_sample(path, k)
        runs = in_turn(path, k, options.repeats)
    print(json.dumps(summarise(n, k, runs, options.full)))


def summarise(n: int, k: int, runs: dict[str, list[dict[str, Any]]], full: bool) -> dict[str, Any]:
    """Medians, the ratio of the medians, and the peak memory above a bare interpreter."""

    def median(side: str, field: str) -> float:
        return round(statistics.median(run[field] for run in runs[side]), 3)

    peak = max(run["peak_gib"] for run in runs["ours"])
    found = {
        "rows": n,
        "k": k,
        "cpu_ratio": round(median("ours", "cpu_s") / median("faiss", "cpu_s"), 3),
        "peak_above_interpreter_gib": round(peak - bare_interpreter() / GIB, 3),
        "ours": {f: median("ours", f) for f in runs["ours"][0]},
        "faiss": {f: median("faiss", f) for f in runs["faiss"][0]},
    }
    if full:
        command = "python benchmarks/dataset/prototypes_speed/run.py --full"
        payload = {"environment": env.stamp(command), **found, "runs": runs}
        results.write("dataset-prototypes-speed-full", payload)
    return found


if __name__ == "__main__":
    main()
