"""Distillation on a tenth of the rows: labels alone, against labels and a teacher.

A teacher is trained on all of Fashion-MNIST (digits, where that is not installed) and asked once
about every row; its answers go into a cache on disk. Then two students of the same size see a fair
draw of a tenth of the rows, for the same number of steps.

    python examples/kd_fashion.py
"""

from __future__ import annotations

import argparse
import gzip
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from datapruner.dataset.distill import (
    TeacherCache,
    advise_teacher,
    check_classes,
    kd_loss,
    kd_subset,
    suggest_alpha,
)

FASHION = Path("/usr/share/datasets/fashion-mnist")  # the Debian package dataset-fashion-mnist
BATCH = 128
Part = tuple[torch.Tensor, torch.Tensor]


def read(name: str, offset: int) -> torch.Tensor:
    """The bytes of one file of Fashion-MNIST."""
    with gzip.open(FASHION / f"{name}-ubyte.gz") as stream:
        return torch.from_numpy(np.frombuffer(stream.read(), np.uint8, offset=offset).copy())


def fashion() -> tuple[Part, Part]:
    """Train and test rows: images of 784 numbers, labels 0 to 9."""

    def part(stem: str) -> Part:
        images = read(f"{stem}-images-idx3", 16).reshape(-1, 784)
        return images / 255 - 0.286, read(f"{stem}-labels-idx1", 8).long()

    return part("train"), part("t10k")


def digits() -> tuple[Part, Part]:
    """The small digits of scikit-learn, a quarter of them for testing."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    x, y = torch.tensor(pixels, dtype=torch.float32)[order] / 16 - 0.3, torch.tensor(labels)[order]
    return (x[450:], y[450:]), (x[:450], y[:450])


def network(width: int, hidden: int) -> torch.nn.Sequential:
    """One hidden layer."""
    return torch.nn.Sequential(
        torch.nn.Linear(width, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, 10)
    )


def train(
    train_rows: Part, ids: torch.Tensor, hidden: int, steps: int, cache: TeacherCache | None = None
) -> torch.nn.Sequential:
    """A network trained on the rows ``ids``, with the answers in ``cache`` if there is one."""
    torch.manual_seed(0)
    x, y = train_rows
    model = network(x.shape[1], hidden)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    alpha = suggest_alpha(len(ids) / len(y))
    for _ in range(steps):
        some = ids[torch.randint(len(ids), (BATCH,))]
        logits = model(x[some])
        if cache is None:
            loss = cross_entropy(logits, y[some])
        else:
            loss = kd_loss(logits, cache.take(some), y[some], alpha=alpha)  # the one line
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        falling.step()
    return model.eval()


def accuracy(model: torch.nn.Sequential, rows: Part) -> float:
    """Share of right answers."""
    with torch.no_grad():
        return float((model(rows[0]).argmax(1) == rows[1]).float().mean())


def main() -> None:
    """Teacher, cache, fair draw, two students."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--digits", action="store_true", help="the small set, wherever we are")
    options = parser.parse_args()
    torch.set_num_threads(1)  # networks this small gain nothing from more
    begun = time.perf_counter()
    if options.digits or not FASHION.is_dir():
        if not options.digits:
            print("Fashion-MNIST is not here (apt-get install dataset-fashion-mnist): digits it is")
        rows, held = digits()
    else:
        rows, held = fashion()
    n, everything = len(rows[1]), torch.arange(len(rows[1]))
    teacher = train(rows, everything, 128, options.steps)
    print(f"teacher on all {n} rows: {accuracy(teacher, held):.1%}")

    with tempfile.TemporaryDirectory() as folder:
        print(f"its answers take {TeacherCache.estimate(n, 10) / 1e6:.1f} MB at most")
        batches = ((ids, rows[0][ids]) for ids in everything.split(4096))
        cache = TeacherCache.build(
            Path(folder) / "teacher", everything, batches, teacher=teacher, classes=10
        )
        kept = torch.from_numpy(kd_subset(everything, "10%", labels=rows[1].numpy()).indices)
        agreement = check_classes(cache.take(kept), rows[1][kept])
        print(f"it agrees with {agreement:.1%} of the labels of the {len(kept)} rows that are kept")
        size = sum(weight.numel() for weight in teacher.parameters())
        advice = advise_teacher(0.1, size, size, accuracy=accuracy(teacher, held))
        print(" ".join(advice.sentences))
        alone = train(rows, kept, 128, options.steps)
        taught = train(rows, kept, 128, options.steps, cache)
    print(f"student, a tenth of the rows, labels alone:  {accuracy(alone, held):.1%}")
    print(f"student, the same rows, with the teacher:    {accuracy(taught, held):.1%}")
    print(f"{time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
