"""What a round costs: CPU seconds of building one, and of a sampler beside the training."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import datapruner as dp

ROWS = 10_000_000
REPEATS = 5


def seconds(work: Callable[[], Any]) -> float:
    """Median CPU seconds of five runs, after one to warm up."""
    work()
    taken = []
    for _ in range(REPEATS):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return sorted(taken)[REPEATS // 2]


def rounds() -> dict[str, float]:
    """CPU seconds to build a round over ten million rows."""
    found = {}
    for budget in ("1%", "10%", "30%", "70%", "100%"):
        schedule = dp.resample(ROWS, budget=budget)
        found[f"{budget}, round 1,000,000"] = seconds(lambda s=schedule: s[1_000_000])
    straddling = dp.resample(ROWS, budget="30%")
    found["30%, a round on the edge of two passes"] = seconds(lambda: straddling[3])
    found["10%, with replacement"] = seconds(
        lambda: dp.resample(ROWS, budget="10%", replacement=True)[7]
    )
    return {name: round(value, 3) for name, value in found.items()}


def sampler() -> dict[str, float]:
    """An epoch of 6,000 of 60,000 images of 28 x 28 with a small network: with and without us."""
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    from datapruner.integrations.torch import ScheduleSampler

    torch.set_num_threads(1)
    torch.manual_seed(0)
    schedule = dp.resample(60_000, budget="10%")
    data = TensorDataset(torch.rand(60_000, 1, 28, 28), torch.randint(0, 10, (60_000,)))
    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, 16, 3),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(16, 32, 3),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(800, 10),
    )
    optimiser = torch.optim.SGD(model.parameters(), 0.01)

    def epoch() -> None:
        ours = ScheduleSampler(schedule)
        for x, y in DataLoader(data, batch_size=64, sampler=ours):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(model(x), y).backward()
            optimiser.step()
            ours.advance(len(y))

    def alone() -> None:
        ours, left = ScheduleSampler(schedule), 6000
        iterator = iter(ours)
        while left:
            size = min(64, left)
            for _ in range(size):
                next(iterator)
            ours.advance(size)
            left -= size

    whole, part = seconds(epoch), seconds(alone)
    return {
        "epoch": round(whole, 3),
        "sampler": round(part, 5),
        "share of the epoch": round(part / whole, 5),
    }
