"""CPU seconds and bytes a row of every stage, and what they add up to. Prints one JSON line.

With ``--table`` it prints the table instead, from the newest full result, and fills docs/scale.md.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from benchmarks.common import env, results, tables  # noqa: E402 (after the path is set)
from benchmarks.dataset.scale_estimate import estimate  # noqa: E402

QUESTION = "dataset-scale-estimate-full"
PAGE = ROOT / "docs" / "scale.md"
D = 384
WORDS = 28  # about 32 tokens
EVERYDAY = (
    "the a of and in to is was for on that with as it by from at his her an were are which this "
    "be or had first one their its new after but who not they have year two time when there all "
    "city state river house music team water school war game film book station company family "
    "small large early late north south east west old young long short high low open red green "
    "found made used known called began played won lost moved wrote built sold named born died"
)


def cpu(work: Callable[[], Any], repeats: int) -> float:
    """Median CPU seconds of some runs, after one that does not count."""
    work()
    taken = []
    for _ in range(repeats):
        begun = time.process_time()
        work()
        taken.append(time.process_time() - begun)
    return statistics.median(taken)


def vectors(n: int, seed: int = 0) -> np.ndarray:
    """Unit rows around 200 directions, far enough apart that few are duplicates."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((200, D), dtype=np.float32)
    rows = centres[rng.integers(0, 200, n)] + rng.standard_normal((n, D), dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def texts(n: int) -> list[str]:
    """Lines of everyday words, of which a tokenizer makes about one token each; no two alike."""
    rng = np.random.default_rng(1)
    words = EVERYDAY.split()
    picked = rng.integers(0, len(words), (n, WORDS))
    return [" ".join(words[i] for i in row) + f" {at}." for at, row in enumerate(picked)]


def fitted(xs: list[int], ys: list[float]) -> dict[str, float]:
    """A line through costs a row; neither of its parts may be negative."""
    slope, fixed = np.polyfit(xs, ys, 1)
    slope = max(float(slope), 0.0)
    return {"fixed": max(float(fixed), 0.0), "slope": slope, "at": list(zip(xs, ys, strict=True))}


def measure(n: int, repeats: int) -> dict[str, Any]:
    """Every figure that the estimate needs; n rows, and a few more where n is little."""
    x = vectors(n)
    return {
        "rows": n,
        "words": WORDS,
        **_clusters(x, repeats),
        **_texts(n, repeats),
        **_bytes(x),
        "select_s": _select(10 * n, repeats),
    }


def _clusters(x: np.ndarray, repeats: int) -> dict[str, Any]:
    from datapruner.scorers.duplicates import Comparison
    from datapruner.vectors.content import row_keys
    from datapruner.vectors.kmeans import fit_centroids
    from datapruner.vectors.store import open_vectors
    from datapruner.vectors.tasks import Assign, Scan

    opened, n = open_vectors(x), len(x)
    k, rounds = min(200, n // 64), 5

    def train(iterations: int) -> float:
        return cpu(lambda: fit_centroids(opened, k, iterations=iterations), repeats)

    sample = min(n, estimate.POINTS * k)
    ks = [100, 400, 1600]
    assigned = []
    for count in ks:
        task = Assign(_centroids(count))
        assigned.append(cpu(lambda task=task: task(x), repeats) / n)
    sizes = [max(100, n // 16), n // 4, n]
    keys = row_keys(x)
    compared = []
    for size in sizes:
        groups = [np.arange(at, at + size) for at in range(0, n - size + 1, size)]
        task = Comparison(0.95, "leader")
        rows = len(groups) * size
        compared.append(cpu(lambda t=task, g=groups: t(opened, g, keys), repeats) / rows)
    return {
        "scan_s": cpu(lambda: Scan()(x), repeats) / n,
        "train_s_per_row_centroid": (train(2 * rounds) - train(rounds)) / (sample * k * rounds),
        "assign": fitted(ks, assigned),
        "compare": fitted(sizes, compared),
    }


def _centroids(k: int) -> Any:
    from datapruner.vectors.centroids import Centroids

    return Centroids(vectors(k, seed=2), k, "cosine", "faiss", "cpu", k, 1, 0)


def _texts(n: int, repeats: int) -> dict[str, float]:
    from datapruner.scorers.minhash import Printer
    from datapruner.vectors.embed import resolve_embedder

    some = texts(max(n // 4, 256))

    def prints() -> None:
        made = Printer(signatures=True, ignore_case=False)
        made.add(some)
        made.finish()

    offline, minilm = resolve_embedder("offline"), resolve_embedder("minilm")
    few = some[: max(n // 64, 64)]
    return {
        "minhash_s": cpu(prints, repeats) / len(some),
        "offline_s": cpu(lambda: offline.encode(some), repeats) / len(some),
        "minilm_s": cpu(lambda: minilm.encode(few), 1) / len(few),
    }


def _select(n: int, repeats: int) -> float:
    from datapruner.pickers.cuts import cut_of
    from datapruner.rng import mix

    values = np.random.default_rng(3).random(n, dtype=np.float32)
    ties = mix(np.arange(n))
    return cpu(lambda: cut_of("high", values, ties, n // 3, 0), repeats) / n


def _bytes(x: np.ndarray) -> dict[str, float]:
    """Bytes a row that the driver holds, vectors and texts of ids apart, and that travel."""
    import pyarrow

    import datapruner as dp
    from datapruner.dataset.judged import Measured, Slim

    scores = dp.score(x, method="duplicates", k=20, id=np.arange(len(x)))
    items, twins = scores.items, scores.twins
    held = [scores.values, scores.groups, twins.row, twins.similarity, twins.stage]
    held += [items.cost, items.group, items.parent, items.pinned, items.shell, items.barred]
    held += [items.id, items.tie_keys(), *items.features["embedding"].scanned]
    flat = pyarrow.array(x.reshape(-1))
    table = pyarrow.table(
        {"id": np.arange(len(x)), "v": pyarrow.FixedSizeListArray.from_arrays(flat, D)}
    )
    slim = Slim(Measured(_centroids(8), "id", "v", "auto", "cpu"), "high", 0)(table)
    return {
        "driver_bytes": sum(column.nbytes for column in held) / len(x),
        "slim_bytes": slim.nbytes / len(x),
    }


def main() -> None:
    """Measure and print, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="2,000 rows (default)")
    parser.add_argument("--full", action="store_true", help="8,000 rows; writes the result")
    parser.add_argument("--table", action="store_true", help="print the table, fill docs/scale.md")
    for field in dataclasses.fields(estimate.Assumptions):
        kind = type(field.default)
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=kind, default=field.default)
    options = parser.parse_args()
    if options.table:
        names = [field.name for field in dataclasses.fields(estimate.Assumptions)]
        assumed = estimate.Assumptions(**{name: getattr(options, name) for name in names})
        text = block(assumed)
        print(text)
        if assumed == estimate.Assumptions():
            tables.replace_block(PAGE, text, "estimate")
        return
    found = measure(8_000, 3) if options.full else measure(2_000, 1)
    if options.full:
        command = "python -m benchmarks.dataset.scale_estimate.run --full"
        results.write(QUESTION, {"environment": env.stamp(command), **found})
    print(json.dumps(found))


def block(assumed: estimate.Assumptions) -> str:
    """The sentence and the table, from the newest full result."""
    measured = results.latest(QUESTION)
    return f"{estimate.sentence(assumed, measured)}\n\n{estimate.table(measured, assumed)}"


if __name__ == "__main__":
    main()
