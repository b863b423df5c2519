"""Two real processes share the rounds: gloo with DistributedDataParallel, and accelerate."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import datapruner as dp

N, ROUNDS, BATCH = 50, 3, 4

# Both print what each rank trained on, round by round; with a file to resume from they go on.
SCRIPT = """
import json, os, sys
import torch
import torch.distributed as dist
from torch.utils.data import DataLoader, TensorDataset
import datapruner as dp
from datapruner.integrations.torch import ScheduleSampler

kind, folder, stop, workers = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
torch.set_num_threads(1)
schedule = dp.resample({n}, budget="42%", rounds={rounds}, seed=7)
data = TensorDataset(torch.arange({n}))
model = torch.nn.Linear(1, 1)
saved = os.path.join(folder, "state.pt")
if kind == "ddp":
    dist.init_process_group("gloo")
    sampler = ScheduleSampler.of_process_group(schedule)
    model = torch.nn.parallel.DistributedDataParallel(model)
    loader, per_step = DataLoader(data, {batch}, sampler=sampler, num_workers=workers), 1
else:
    from accelerate import Accelerator
    accelerator = Accelerator(cpu=True)
    sampler = ScheduleSampler(schedule, multiple_of={batch} * world)
    loader = DataLoader(data, {batch}, sampler=sampler, num_workers=workers)
    model, loader = accelerator.prepare(model, loader)
    per_step = world
if os.path.exists(saved):
    sampler.load_state_dict(torch.load(saved, weights_only=True))
optimiser = torch.optim.SGD(model.parameters(), 0.1)
seen, steps = [], 0
for epoch in range(sampler.epoch, {rounds}):
    (sampler if kind == "ddp" else loader).set_epoch(epoch)
    for (rows,) in loader:
        optimiser.zero_grad()
        model(rows[:, None] / {n}).square().mean().backward()
        optimiser.step()
        seen += [(epoch, row) for row in rows.tolist()]
        sampler.advance(len(rows) * per_step)
        steps += 1
        if steps == stop:
            break
    if steps == stop:
        break
if rank == 0 and stop:
    torch.save(sampler.state_dict(), saved)
with open(os.path.join(folder, f"{{rank}}.json"), "w") as out:
    json.dump([seen, [p.item() for p in model.parameters()]], out)
if dist.is_initialized():
    dist.barrier()
    dist.destroy_process_group()
"""


def free_port() -> int:
    with socket.socket() as plug:
        plug.bind(("127.0.0.1", 0))
        return int(plug.getsockname()[1])


def run(kind: str, folder: Path, *, stop: int = 0, workers: int = 0) -> list[list[tuple[int, int]]]:
    """What each of the two processes trained on."""
    script = folder / "train.py"
    script.write_text(SCRIPT.format(n=N, rounds=ROUNDS, batch=BATCH), encoding="utf-8")
    base = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE")}
    base |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2"}
    base |= {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "1", "LOCAL_WORLD_SIZE": "2"}
    command = [sys.executable, str(script), kind, str(folder), str(stop), str(workers)]
    started = [
        subprocess.Popen(
            command,
            env={**base, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for process in started:
        _, complaint = process.communicate(timeout=240)
        assert process.returncode == 0, complaint
    found = [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]
    assert found[0][1] == found[1][1]  # the same model on both: they did train together
    return [[tuple(pair) for pair in seen] for seen, _ in found]


def expected(kind: str) -> list[list[tuple[int, int]]]:
    """Every round, filled up with the rows that come next, dealt out by rows or by batches."""
    schedule = dp.resample(N, budget="42%", rounds=ROUNDS, seed=7)
    parts: list[list[tuple[int, int]]] = [[], []]
    unit = 2 if kind == "ddp" else 2 * BATCH
    for number in range(ROUNDS):
        more = schedule.spare(number, -schedule.k % unit).tolist()
        rows = [*schedule[number].rows.tolist(), *more]
        assert len(set(rows)) == len(rows)
        width = unit // 2
        for rank in range(2):
            mine = [
                row for a in range(rank * width, len(rows), unit) for row in rows[a : a + width]
            ]
            parts[rank] += [(number, row) for row in mine]
    return parts


@pytest.mark.parametrize("kind", ["ddp", "accelerate"])
def test_two_processes_share_every_round_and_resume_to_the_row(kind: str, tmp_path: Path) -> None:
    if kind == "accelerate":
        pytest.importorskip("accelerate")
    first = run(kind, tmp_path, stop=4, workers=2)  # in the middle of the second round
    assert first[0][-1][0] == 1
    rest = run(kind, tmp_path)
    assert [one + two for one, two in zip(first, rest, strict=True)] == expected(kind)
