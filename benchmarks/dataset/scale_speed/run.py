"""CPU time and peak memory of concepts, duplicates and both, beside bare FAISS. One JSON line."""

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

from mixture import generate

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from common import env, results
from common.bare import GIB, bare_interpreter, choose_sample, run_faiss, usage

BUDGETS = {"concepts": "30%", "duplicates": "100%", "density": "30%"}
"""Our recipes, and a budget for each; ``duplicates`` keeps all that repeats nothing."""

ALLOWED = {"concepts": 1.2, "duplicates": 1.3, "density": 1.4}


def run_ours(path: Path, k: int, method: str) -> dict[str, Any]:
    """Score, select and write, as a user would from Python."""
    import faiss  # noqa: F401  (both sides start the clock with FAISS loaded)

    import datapruner as dp
    from datapruner.core import pruner  # noqa: F401
    from datapruner.dataset import prune  # noqa: F401
    from datapruner.vectors import kmeans  # noqa: F401

    stages: dict[str, float] = {}

    def watch(stage: str, done: int, total: int) -> None:
        stages[stage] = usage()[0]  # when it was last heard of

    before, _ = usage()
    begun = time.perf_counter()
    selection = dp.prune(
        embedding=str(path), method=method, k=k, budget=BUDGETS[method], progress=watch
    )
    selected, _ = usage()
    selection.save(path.with_name("kept.npz"), overwrite=True)
    after, peak = usage()
    ends = sorted([*((when, stage) for stage, when in stages.items()), (selected, "select")])
    starts = [before, *(when for when, _ in ends)]
    return {
        "cpu_s": after - before,
        "wall_s": time.perf_counter() - begun,
        "peak_gib": peak / GIB,
        "kept": len(selection),
        **{f"{name}_s": end - start for start, (end, name) in zip(starts, ends, strict=False)},
        "write_s": after - selected,
    }


def in_turn(path: Path, k: int, sides: list[str], repeats: int) -> dict[str, list[dict[str, Any]]]:
    """Every side in a process of its own, one after the other, so often."""
    found: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
    for _ in range(repeats):
        for side, runs in found.items():
            command = [sys.executable, __file__, "--side", side, "--path", str(path), "--k", str(k)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            runs.append(json.loads(done.stdout))
    return found


def summarise(runs: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Medians of every side, the ratios of CPU time, the peak memory above a bare interpreter."""
    sides = {
        side: {f: round(statistics.median(run[f] for run in some), 3) for f in some[0]}
        for side, some in runs.items()
    }
    ours = [side for side in runs if side != "faiss"]
    bare = bare_interpreter() / GIB
    highest = {side: max(run["peak_gib"] for run in runs[side]) for side in runs}
    return {
        "cpu_ratio": {s: round(sides[s]["cpu_s"] / sides["faiss"]["cpu_s"], 3) for s in ours},
        "cpu_ratio_allowed": {s: ALLOWED[s] for s in ours},
        "peak_above_interpreter_gib": {s: round(p - bare, 3) for s, p in highest.items()},
        "sides": sides,
    }


def available(asked: list[str]) -> list[str]:
    """The recipes among these that this version of the library has."""
    from datapruner.methods import METHODS

    return [name for name in asked if name in METHODS]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="50,000 rows, k = 150 (default)")
    parser.add_argument("--full", action="store_true", help="1,000,000 rows; writes the result")
    parser.add_argument("--rows", type=int, help="another number of rows")
    parser.add_argument("--k", type=int, help="another number of clusters")
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--dtype", choices=("float32", "float16"), default="float32")
    parser.add_argument("--methods", nargs="+", choices=list(BUDGETS), default=list(BUDGETS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the vectors go (default: temporary)")
    parser.add_argument("--side", choices=("faiss", *BUDGETS), help=argparse.SUPPRESS)
    parser.add_argument("--path", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.side:
        faiss = given.side == "faiss"
        told = (
            run_faiss(given.path, given.k) if faiss else run_ours(given.path, given.k, given.side)
        )
        print(json.dumps(told))
        return
    n, k = (1_000_000, 1000) if given.full else (50_000, 150)
    n, k = given.rows or n, given.k or k
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        path = Path(folder) / "vectors.npy"
        generate(path, n, given.width, 2 * k, given.dtype)
        choose_sample(path, k)
        runs = in_turn(path, k, ["faiss", *available(given.methods)], given.repeats)
    shape = {"rows": n, "width": given.width, "dtype": given.dtype, "k": k}
    found = {**shape, "repeats": given.repeats, **summarise(runs)}
    if given.full:
        command = "python benchmarks/dataset/scale_speed/run.py " + " ".join(sys.argv[1:])
        payload = {"environment": env.stamp(command), **found, "runs": runs}
        results.write("dataset-scale-speed-full", payload)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
