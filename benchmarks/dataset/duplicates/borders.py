"""How many duplicates lie on two sides of a cluster border; one JSON line.

Every row is compared with every other (one cluster), then inside about sqrt(n) clusters with one
and with two probes, by the rule ``any_earlier`` in the same keep order.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from common import env, loaders

from datapruner.core.items import Items
from datapruner.scorers.duplicates import Duplicates
from datapruner.vectors.embed import resolve_embedder
from datapruner.vectors.kmeans import default_k

SETS = ("goemotions/train", "clinc150/train", "banking77/train")


def texts(rows: int) -> list[str]:
    found: list[str] = []
    for name in SETS:
        found += pl.read_parquet(loaders.data_folder() / f"{name}.parquet")["text"].to_list()
    return [text for text in dict.fromkeys(found) if text.strip()][:rows]


def dropped(items: Items, **how: Any) -> tuple[set[int], float]:
    begun = time.process_time()
    twins = Duplicates(keep="first", on_bad="drop", **how)(items).twins
    assert twins is not None
    return set(np.flatnonzero(twins.is_duplicate).tolist()), time.process_time() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--embedder", default="offline")
    given = parser.parse_args()
    rows = texts(given.rows)
    vectors = np.asarray(resolve_embedder(given.embedder).encode(rows), dtype=np.float32)
    items = Items.of(len(rows), embedding=vectors)
    clusters = default_k(len(rows))
    answer: dict[str, Any] = {"rows": len(rows), "embedder": given.embedder, "runs": []}
    for rule in ("any_earlier", "leader"):
        for eps in (0.05, 0.1, 0.2):
            whole, whole_cpu = dropped(items, rule=rule, eps=eps, k=1)
            for probes in (1, 2):
                found, cpu = dropped(items, rule=rule, eps=eps, probes=probes, k=clusters)
                answer["runs"].append(
                    {
                        "rule": rule,
                        "eps": eps,
                        "probes": probes,
                        "duplicates": len(whole),
                        "dropped": len(found),
                        "missed_share": round(1 - len(found) / max(1, len(whole)), 4),
                        "cpu_s": round(cpu, 1),
                        "exhaustive_cpu_s": round(whole_cpu, 1),
                    }
                )
    print(json.dumps({**answer, "env": env.stamp("benchmarks/dataset/duplicates/borders.py")}))


if __name__ == "__main__":
    main()
