"""RS2 in a plain torch loop on digits: every epoch trains on a fresh tenth of the rows.

The same loop trains on a fixed tenth, for as many steps. A run that is killed goes on from its
checkpoint with the next row: give ``--checkpoint FILE``, stop it, and start it again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, TensorDataset

import datapruner as dp
from datapruner.integrations.torch import ScheduleSampler

ROUNDS, BATCH = 60, 32


def load() -> tuple[TensorDataset, torch.Tensor, torch.Tensor]:
    """Rows to train on, and images and labels to test on."""
    pixels, labels = load_digits(return_X_y=True)
    x = (pixels / 16 - 0.3).astype(np.float32)
    parts = train_test_split(x, labels, test_size=450, stratify=labels, random_state=0)
    train, test, y, z = (torch.from_numpy(part) for part in parts)
    return TensorDataset(train, y), test, z


def train(
    data: TensorDataset, schedule: dp.Schedule, checkpoint: Path | None = None
) -> torch.nn.Module:
    """A network trained on the rounds; goes on from the checkpoint if there is one."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-4)
    # The learning rate falls over the steps of the rounds, not over those of the whole data.
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, schedule.steps(BATCH))
    sampler = ScheduleSampler(schedule)
    loader = DataLoader(data, batch_size=BATCH, sampler=sampler)
    parts = {"model": model, "optimiser": optimiser, "falling": falling, "sampler": sampler}
    if checkpoint is not None and checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        for name, part in parts.items():
            part.load_state_dict(saved[name])
    for epoch in range(sampler.epoch, len(schedule)):
        sampler.set_epoch(epoch)
        for x, y in loader:
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(model(x), y).backward()
            optimiser.step()
            falling.step()
            sampler.advance(len(y))
            if checkpoint is not None:
                torch.save({name: part.state_dict() for name, part in parts.items()}, checkpoint)
    return model


def main() -> None:
    """Train twice for as many steps, and compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, help="go on from here, and save every step")
    options = parser.parse_args()
    torch.set_num_threads(1)
    data, x, y = load()
    schedule = dp.resample(len(data), budget="10%", rounds=ROUNDS, seed=0)
    fixed_rows = schedule[0].rows
    fixed = torch.utils.data.TensorDataset(*data[torch.from_numpy(fixed_rows)])
    again = dp.resample(len(fixed), budget="100%", rounds=ROUNDS, seed=0)
    print(schedule)
    for name, rows, plan, path in (
        ("a fresh tenth every epoch", data, schedule, options.checkpoint),
        ("one fixed tenth", fixed, again, None),
    ):
        model = train(rows, plan, path)
        with torch.no_grad():
            right = float((model(x).argmax(1) == y).float().mean())
        print(f"{name}: {plan.steps(BATCH)} steps, test accuracy {100 * right:.1f} %")


if __name__ == "__main__":
    main()
