"""What the cache costs: writing beside the disk's own rate, and reading while training.

Writing: the same bytes are brought to the same disk once as one file in pieces of a segment (write,
then fsync) and once as a cache of logits that are there already as float32 tensors, one after the
other, several times; the ratio of the medians counts. Training: steps of a small convolutional
network and of a perceptron, with labels alone and with the cache, in turns; CPU seconds of the
process, medians over steps.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.common import env, results
from datapruner.dataset.distill import TeacherCache, kd_loss, suggest_alpha
from datapruner.dataset.distill.writer import SEGMENT_BYTES

QUESTION = "distill-speed"
MODULE = "python -m benchmarks.distill.speed"
BATCH = 128


def disk_seconds(folder: Path, size: int) -> float:
    """Wall seconds to bring that many bytes to the disk as one file."""
    piece = np.random.default_rng(0).integers(0, 256, SEGMENT_BYTES, dtype=np.uint8)
    path = folder / "plain"
    began = time.perf_counter()
    with path.open("wb", buffering=0) as file:
        for start in range(0, size, SEGMENT_BYTES):
            file.write(piece[: size - start])
        os.fsync(file.fileno())
    seconds = time.perf_counter() - began
    path.unlink()
    return seconds


def cache_seconds(folder: Path, logits: Any) -> tuple[float, float, int]:
    """Wall and CPU seconds to build a cache of these logits, and its size in bytes."""
    rows = len(logits)
    ids = np.arange(rows)
    batches = ((ids[a : a + 1024], logits[a : a + 1024]) for a in range(0, rows, 1024))
    path = folder / "cache"
    began, worked = time.perf_counter(), time.process_time()
    TeacherCache.build(
        path,
        ids,
        batches,
        teacher=lambda z: z,
        fingerprint="random",
        classes=logits.shape[1],
    )
    seconds, worked = time.perf_counter() - began, time.process_time() - worked
    size = sum(file.stat().st_size for file in path.iterdir())
    for file in path.iterdir():
        file.unlink()
    path.rmdir()
    return seconds, worked, size


def writing(folder: Path, megabytes: int, rounds: int) -> dict[str, Any]:
    """Rates in MB/s of plain writing and of the cache, and their ratio."""
    import torch

    classes = 1000
    rows = megabytes * 10**6 // (2 * classes)
    logits = torch.randn((rows, classes), generator=torch.Generator().manual_seed(0))
    plain, cached, work, size = [], [], [], 0
    for number in range(rounds + 1):
        seconds, worked, size = cache_seconds(folder, logits)
        beside = disk_seconds(folder, size)
        if number:  # the first round warms up
            cached.append(size / seconds / 1e6)
            plain.append(size / beside / 1e6)
            work.append(size / worked / 1e6)
    rate, disk = statistics.median(cached), statistics.median(plain)
    return {
        "bytes": size,
        "disk_mb_s": [round(value) for value in plain],
        "cache_mb_s": [round(value) for value in cached],
        "cache_mb_per_cpu_s": [round(value) for value in work],
        "ratio": round(rate / disk, 3),
    }


def networks() -> dict[str, Callable[[], Any]]:
    """A small convolutional network and a perceptron for 28 x 28 images."""
    from torch import nn

    def convolutional() -> Any:
        return nn.Sequential(
            *(nn.Unflatten(1, (1, 28)), nn.Conv2d(1, 16, 3, padding=1), nn.ReLU()),
            *(nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Flatten(), nn.Linear(1568, 10)),
        )

    def perceptron() -> Any:
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))

    return {"cnn 16-32": convolutional, "mlp 256": perceptron}


def steps(make: Callable[[], Any], cache: TeacherCache, count: int) -> Iterator[tuple[float, ...]]:
    """CPU seconds of a step with labels alone, and of one with the cache, in turns."""
    import torch

    draw = torch.Generator().manual_seed(0)
    images = torch.rand((len(cache), 28, 28), generator=draw)
    labels = torch.randint(0, 10, (len(cache),), generator=draw)
    alpha = suggest_alpha(0.5)
    models = [make(), make()]
    optimizers = [torch.optim.AdamW(model.parameters(), lr=1e-3) for model in models]
    for _ in range(count):
        ids = torch.randint(0, len(cache), (BATCH,), generator=draw)
        x, y = images[ids], labels[ids]
        seconds = []
        for number in (0, 1):
            began = time.process_time()
            optimizers[number].zero_grad()
            z = models[number](x)
            if number:
                loss = kd_loss(z, cache.take(ids), y, alpha=alpha)
            else:
                loss = torch.nn.functional.cross_entropy(z, y)
            loss.backward()
            optimizers[number].step()
            seconds.append(time.process_time() - began)
        yield tuple(seconds)


def training(folder: Path, count: int) -> dict[str, Any]:
    """Milliseconds a step by network, without and with the cache, and what the cache adds."""
    rows = 60_000
    ids = np.arange(rows)
    logits = np.random.default_rng(0).normal(size=(rows, 10)).astype(np.float32)
    cache = TeacherCache.build(
        folder / "teacher",
        ids,
        [(ids, logits)],
        teacher=lambda z: z,
        fingerprint="random",
        classes=10,
    )
    found = {}
    for name, make in networks().items():
        seconds = np.array(list(steps(make, cache, count)))[count // 5 :]
        alone, taught = np.median(seconds, axis=0)
        found[name] = {
            "labels_ms": round(1e3 * float(alone), 3),
            "cache_ms": round(1e3 * float(taught), 3),
            "adds": round(float(taught / alone) - 1, 4),
        }
    return found


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    import torch

    parser = argparse.ArgumentParser(prog=MODULE, description=(__doc__ or "").splitlines()[0])
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--quick", action="store_true")
    mode.add_argument("--full", action="store_true")
    parser.add_argument("--folder", type=Path, help="a folder on the disk to measure")
    options = parser.parse_args(arguments)
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    megabytes, rounds, count = (256, 3, 60) if options.quick else (1024, 7, 300)
    kind = "quick" if options.quick else "full"
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        payload = {
            "mode": kind,
            "environment": env.stamp(f"{MODULE} --{kind}"),
            "writing": writing(Path(folder), megabytes, rounds),
            "training": training(Path(folder), count),
        }
    path = results.write(f"{QUESTION}-{kind}", payload)
    line = {
        "benchmark": "distill/speed",
        "mode": kind,
        "writes_at": payload["writing"]["ratio"],
        "adds": {name: entry["adds"] for name, entry in payload["training"].items()},
        "result": f"benchmarks/results/{path.name}",
    }
    print(json.dumps(line))
    return 0


if __name__ == "__main__":
    sys.exit(main())
