"""Which near neighbours a search by clusters finds in another data set; one JSON line.

Copies of real texts that lack a word are looked for among those texts, exhaustively and in some of
the clusters (``scorers.nearest``). Only neighbours above the threshold count.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from borders import texts

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from common import env

from datapruner.engines.local import Local
from datapruner.scorers import nearest
from datapruner.vectors.embed import resolve_embedder
from datapruner.vectors.store import Vectors, open_vectors


def searched(ours: Vectors, theirs: Vectors, large: int) -> tuple[Any, float]:
    """Similarity and place of each row's nearest, and the CPU seconds it took."""
    begun = time.process_time()
    usable = np.ones(theirs.n, dtype=bool)
    ties = np.arange(theirs.n, dtype=np.uint64)
    task = nearest.nearest_in(theirs, usable, ties, Local(), large=large)
    found = Local().rows(task, ours)
    return found, time.process_time() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--copies", type=int, default=5_000)
    parser.add_argument("--eps", type=float, default=0.05)
    parser.add_argument("--embedder", default="offline")
    given = parser.parse_args()
    rows = [text for text in texts(given.rows) if len(text.split()) > 3]
    draw = np.random.default_rng(0)
    copies = []
    for place in draw.choice(len(rows), given.copies, replace=False).tolist():
        words = rows[place].split()
        del words[int(draw.integers(len(words)))]
        copies.append(" ".join(words))
    embedder = resolve_embedder(given.embedder)
    theirs, ours = (
        open_vectors(np.asarray(embedder.encode(some), dtype=np.float32)) for some in (rows, copies)
    )
    (whole, _), whole_cpu = searched(ours, theirs, len(rows))
    near = whole > 1 - given.eps
    runs = []
    for probes in (1, 2, 4, 8, 16):
        nearest.PROBES = probes
        (some, _), cpu = searched(ours, theirs, 0)
        hit = np.count_nonzero(some[near] > 1 - given.eps)
        runs.append({"probes": probes, "found": round(hit / near.sum(), 4), "cpu_s": round(cpu, 1)})
    answer = {
        "rows": len(rows),
        "copies": len(copies),
        "above": int(near.sum()),
        "eps": given.eps,
        "embedder": given.embedder,
        "exhaustive_cpu_s": round(whole_cpu, 1),
        "runs": runs,
    }
    print(json.dumps({**answer, "env": env.stamp("benchmarks/dataset/duplicates/reference.py")}))


if __name__ == "__main__":
    main()
