"""Semantic duplicates beside semhash: planted copies found, CPU seconds and peak memory.

Both get the same texts and the same vectors, which are made beforehand, and a threshold of .9.
semhash runs in the interpreter that ``--python`` names, with its defaults (USearch); ours are the
semantic stage alone with its defaults, with two probes and with ``k=1`` (every row is compared with
every other), and the whole cascade of ``dedup``, which looks at the texts as well, as semhash does
for exact copies. Every run is a process of its own. Prints one JSON line;
``--full`` also writes it to ``benchmarks/results``.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from common import env, loaders, results

SETS = ("goemotions/train", "clinc150/train", "banking77/train", "movie_polarity/train")
THRESHOLD = 0.9
LANES = ("semantic", "two probes", "every pair", "cascade", "semhash")
BLOCK = 2048
MIB = 2**20


def texts(rows: int) -> tuple[list[str], str]:
    """Distinct texts of four words or more, and where they are from."""
    try:
        import polars as pl

        found: list[str] = []
        for name in SETS:
            path = loaders.data_folder() / f"{name}.parquet"
            found += pl.read_parquet(path)["text"].to_list()
        origin = "real"
    except (loaders.DataAbsentError, FileNotFoundError):
        rng = np.random.default_rng(2)
        drawn = np.minimum(rng.zipf(1.3, (rows * 2, 14)), 20_000)
        found, origin = [" ".join(f"w{n}" for n in row) for row in drawn], "synthetic"
    usable = [text for text in dict.fromkeys(found) if len(text.split()) >= 4]
    return usable[:rows], origin


def planted(rows: int, each: int) -> tuple[list[str], dict[str, list[list[int]]], str]:
    """That many texts in all, copies of each kind among them, the pairs by kind, and the origin.

    Copies stand anywhere, before or behind what they copy.
    """
    from run import KINDS  # not at the top: where semhash is, what it imports is not

    base, origin = texts(rows - each * len(KINDS))
    rng = np.random.default_rng(5)
    long = [i for i, text in enumerate(base) if len(text.split()) >= 8]
    chosen = rng.permutation(long)[: each * len(KINDS)].reshape(len(KINDS), -1)
    copies = [KINDS[k](base[i], rng) for k, part in zip(KINDS, chosen, strict=True) for i in part]
    order = rng.permutation(len(base) + len(copies))
    place = np.argsort(order)
    everything = base + copies
    pairs = {
        kind: [[int(place[i]), int(place[len(base) + at * each + j])] for j, i in enumerate(part)]
        for at, (kind, part) in enumerate(zip(KINDS, chosen, strict=True))
    }
    return [everything[i] for i in order], pairs, origin


def usage() -> tuple[float, float]:
    """CPU seconds of this process and its ended children, and its peak memory in bytes."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    spent = sum(one.ru_utime + one.ru_stime for one in both)
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss would carry over the peak of the process that started this one
        line = next(text for text in status.read_text().splitlines() if text.startswith("VmHWM"))
        return spent, int(line.split()[1]) * 1024.0
    return spent, both[0].ru_maxrss * 1024.0


Lane = Callable[[list[str], np.ndarray], np.ndarray]


def ours(name: str) -> Lane:
    import datapruner as dp

    def run(rows: list[str], vectors: np.ndarray) -> np.ndarray:
        how: dict[str, Any] = {"eps": 1 - THRESHOLD}
        how |= {"two probes": {"probes": 2}, "every pair": {"k": 1}}.get(name, {})
        if name == "cascade":
            data = {"text": rows, "id": np.arange(len(rows))}
            return dp.dedup(data, text="text", id="id", embedding=vectors, **how).mask
        return dp.dedup(embedding=vectors, **how).mask

    return run


def semhash() -> Lane:
    from semhash import SemHash

    class Nobody:
        """The vectors are there; nothing is to be encoded."""

        def encode(self, inputs: Any, **more: Any) -> np.ndarray:
            raise AssertionError("semhash asked for vectors that it has been given")

    def run(rows: list[str], vectors: np.ndarray) -> np.ndarray:
        records = [{"text": text, "row": row} for row, text in enumerate(rows)]
        index = SemHash.from_embeddings(vectors, records, model=Nobody(), columns=["text"])
        stays = np.zeros(len(rows), dtype=bool)
        stays[[one["row"] for one in index.self_deduplicate(THRESHOLD).selected]] = True
        return stays

    return run


def child(name: str, folder: Path) -> dict[str, Any]:
    """One run of one lane: its cost above the interpreter with all imports done."""
    run = semhash() if name == "semhash" else ours(name)
    warm = np.random.default_rng(0).standard_normal((300, 16)).astype(np.float32)
    run([f"warm up {n} with these words" for n in range(300)], warm)
    begun, resting = usage()
    rows = json.loads((folder / "texts.json").read_text(encoding="utf-8"))
    stays = run(rows, np.load(folder / "vectors.npy"))
    ended, peak = usage()
    np.save(folder / f"{name}.npy", stays)
    packages = ("semhash", "usearch", "numpy") if name == "semhash" else ("faiss-cpu", "numpy")
    versions = {package: metadata.version(package) for package in packages}
    return {"cpu_s": ended - begun, "peak_mib": (peak - resting) / MIB, "versions": versions}


def recall(stays: np.ndarray, pairs: dict[str, list[list[int]]]) -> dict[str, float]:
    """Of the copies of each kind, the share of which it or what it copies is gone."""
    return {
        kind: round(float(np.mean(~stays[np.array(part)].all(axis=1))), 4)
        for kind, part in pairs.items()
    }


def within_reach(vectors: np.ndarray, pairs: dict[str, list[list[int]]]) -> dict[str, float]:
    """Of the copies of each kind, the share whose cosine reaches the threshold at all."""
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    found = {}
    for kind, part in pairs.items():
        left, right = np.array(part).T
        cosine = (unit[left].astype(np.float64) * unit[right]).sum(axis=1)
        found[kind] = round(float((cosine >= THRESHOLD - 1e-6).mean()), 4)
    return found


def left_behind(vectors: np.ndarray, stays: np.ndarray) -> int:
    """Rows that stay although one before them that stays is above the threshold; all compared."""
    unit = vectors[stays] / np.maximum(np.linalg.norm(vectors[stays], axis=1, keepdims=True), 1e-12)
    missed = 0
    for start in range(0, len(unit), BLOCK):
        tile = unit[start : start + BLOCK] @ unit[: start + BLOCK].T
        earlier = np.arange(tile.shape[1]) < start + np.arange(len(tile))[:, None]
        missed += int(((tile > THRESHOLD + 1e-5) & earlier).any(axis=1).sum())
    return missed


def measured(folder: Path, python: str, repeats: int) -> dict[str, list[dict[str, Any]]]:
    """Every lane in turn, so that all see the same machine; one thread where a tool obeys."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in LANES}
    for _ in range(repeats):
        for name in LANES:
            command = [python if name == "semhash" else sys.executable, __file__]
            command += ["--lane", name, "--folder", str(folder)]
            one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
            done = subprocess.run(command, capture_output=True, text=True, env=one_thread)
            if done.returncode:
                raise SystemExit(f"{name} failed: {done.stderr[-2000:]}")
            found[name].append(json.loads(done.stdout.splitlines()[-1]))
    return found


def vectors_of(rows: list[str], embedder: str) -> np.ndarray:
    """Made once with our embedder, kept outside the repository."""
    from benchmarks.common.features import cached
    from datapruner.vectors.embed import resolve_embedder

    def compute() -> np.ndarray:
        return np.asarray(resolve_embedder(embedder).encode(rows), dtype=np.float32)

    return cached(f"duplicates-{embedder}", loaders.fingerprint(rows), compute)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", help="interpreter with semhash")
    parser.add_argument("--embedder", default="minilm")
    parser.add_argument("--full", action="store_true", help="50,000 texts; else 5,000")
    parser.add_argument("--runs", type=int, default=1, help="of every lane; medians are shown")
    parser.add_argument("--lane", choices=LANES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.lane:
        print(json.dumps(child(given.lane, given.folder)))
        return
    if given.python is None:
        parser.error("name an interpreter that has semhash: --python /path/to/venv/bin/python")
    rows, pairs, origin = planted(*((50_000, 500) if given.full else (5_000, 100)))
    vectors = vectors_of(rows, given.embedder)
    answer: dict[str, Any] = {"texts": origin, "rows": len(rows), "embedder": given.embedder}
    answer |= {"runs": given.runs, "dimensions": vectors.shape[1], "threshold": THRESHOLD}
    answer |= {"copies_of_each_kind": len(pairs["exact"])}
    answer |= {"fingerprint": loaders.fingerprint(rows, vectors)}
    answer |= {"within_reach": within_reach(vectors, pairs), "lanes": {}}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "texts.json").write_text(json.dumps(rows), encoding="utf-8")
        np.save(folder / "vectors.npy", vectors)
        for name, runs in measured(folder, given.python, given.runs).items():
            stays = np.load(folder / f"{name}.npy")
            answer["lanes"][name] = {
                "recall": recall(stays, pairs),
                "dropped": int((~stays).sum()),
                "left_behind": left_behind(vectors, stays),
                "cpu_s": round(statistics.median(one["cpu_s"] for one in runs), 2),
                "peak_mib": round(statistics.median(one["peak_mib"] for one in runs)),
                "versions": runs[0]["versions"],
            }
    options = f"--full --runs {given.runs} --embedder {given.embedder}"
    answer["environment"] = env.stamp(f"benchmarks/dataset/duplicates/against_semhash.py {options}")
    if given.full:
        results.write(f"dataset-duplicates-semhash-{given.embedder}-full", answer)
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
