"""Time a row and peak memory of a large run under a ceiling. Prints one JSON line."""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from common import env, results

CENTRES = 2000
BLOCK = 20_000


def generate(path: Path, n: int, d: int) -> None:
    """float16 rows around centres of unequal weight and spread, written block by block."""
    rng = np.random.default_rng(7)
    centres = rng.standard_normal((CENTRES, d), dtype=np.float32)
    spread = rng.uniform(0.4, 1.2, CENTRES).astype(np.float32)
    weight = rng.pareto(1.3, CENTRES) + 1
    weight /= weight.sum()
    header = {"descr": "<f2", "fortran_order": False, "shape": (n, d)}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, n, BLOCK):
            own = rng.choice(CENTRES, min(BLOCK, n - start), p=weight)
            noise = rng.standard_normal((len(own), d), dtype=np.float32)
            block = centres[own] + noise * spread[own, None]
            block /= np.linalg.norm(block, axis=1, keepdims=True)
            file.write(block.astype("<f2").data)


def measure(path: Path, method: str, k: int | None, memory: str | None) -> dict[str, Any]:
    """One run of the command line, whose own memory the system limits as well."""
    from datapruner.engines.memory import parse_memory

    out = path.with_name("kept.npy")
    command = [sys.executable, "-m", "datapruner", "prune", str(path), "--method", method]
    command += ["--budget", "30%" if method != "duplicates" else "everything", "--out", str(out)]
    command += ["--overwrite", "--quiet"]
    if k is not None:
        command += ["--k", str(k)]
    if memory is not None:
        command += ["--memory", memory]

    def limit() -> None:
        if memory is not None:
            size = parse_memory(memory)
            resource.setrlimit(resource.RLIMIT_DATA, (size, size))

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    child = subprocess.Popen(command, preexec_fn=limit)
    peak = watch(child)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if child.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {child.returncode}")
    kept = np.load(out, mmap_mode="r").shape[0]
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "cpu_s": round(cpu, 2),
        "wall_s": round(time.perf_counter() - begun, 2),
        "peak_own_gib": round(peak / 2**30, 3),
        "kept": kept,
    }


def watch(child: subprocess.Popen[bytes]) -> int:
    """Wait for a process; the most memory of its own (no mapped files) that was seen meanwhile."""
    peak = 0
    status = Path(f"/proc/{child.pid}/status")
    while child.poll() is None:
        try:
            lines = status.read_text(encoding="ascii").splitlines()
        except OSError:
            break
        found = [line for line in lines if line.startswith("RssAnon:")]
        if found:
            peak = max(peak, int(found[0].split()[1]) * 1024)
        time.sleep(0.05)
    child.wait()
    return peak


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="20,000 and 200,000 rows")
    parser.add_argument("--full", action="store_true", help="1 and 10 million rows; saved")
    parser.add_argument("--method", default="concepts")
    parser.add_argument("--k", type=int, help="clusters; default 1000, or 100 in the quick run")
    parser.add_argument("--memory", default="4GiB", help="of the large run")
    parser.add_argument("--folder", type=Path, help="where the vectors go (default: temporary)")
    options = parser.parse_args()
    sizes = (1_000_000, 10_000_000) if options.full else (20_000, 200_000)
    k = options.k or (1000 if options.full else 100)
    runs = []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for n in sizes:
            path = Path(folder) / "vectors.npy"
            generate(path, n, 384)
            found = measure(path, options.method, k, options.memory)
            runs.append({"rows": n, **found, "cpu_us_a_row": round(1e6 * found["cpu_s"] / n, 2)})
            print(json.dumps(runs[-1]), file=sys.stderr)
    growth = runs[1]["cpu_us_a_row"] / runs[0]["cpu_us_a_row"]
    answer = {
        "method": options.method,
        "k": k,
        "dimensions": 384,
        "dtype": "float16",
        "memory": options.memory,
        "growth_a_row": round(growth, 3),
        "runs": runs,
    }
    if options.full:
        command = f"python benchmarks/dataset/scale_memory/run.py --full --method {options.method}"
        question = f"dataset-scale-memory-{options.method}-full"
        results.write(question, {"environment": env.stamp(command), **answer})
    print(json.dumps(answer))


if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    main()
