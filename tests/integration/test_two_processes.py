"""Two real processes share the rounds: gloo with DistributedDataParallel, and accelerate.

Starting a process with torch takes seconds, so all scenarios share two launches of two processes:
the first trains into the middle of a round and saves, the second goes on from the files.
"""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

import datapruner as dp
from datapruner.integrations.torch import ScheduleSampler

N, ROUNDS, BATCH, STOP = 50, 3, 4, 4
Seen = list[tuple[int, int]]


@dataclass(frozen=True)
class Scenario:
    """How rounds are dealt out, and how many workers load them before and after the stop."""

    name: str
    kind: str
    workers: tuple[int, int]
    uneven: str = "pad"


SCENARIOS = [
    Scenario("ddp", "ddp", (2, 0)),
    Scenario("ddp that drops", "ddp", (0, 2), "drop"),
    Scenario("accelerate", "accelerate", (0, 0)),
    Scenario("accelerate with workers", "accelerate", (2, 2)),
]
THERE = [s for s in SCENARIOS if s.kind == "ddp" or importlib.util.find_spec("accelerate")]

# Writes what this rank trained on in every scenario, round by round; goes on from saved states.
SCRIPT = """
import json, os, sys
import torch
import torch.distributed as dist
from torch.utils.data import DataLoader, TensorDataset
import datapruner as dp
from datapruner.integrations.torch import ScheduleSampler

folder, leg = sys.argv[1], int(sys.argv[2])
rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
torch.set_num_threads(1)
dist.init_process_group("gloo")
data = TensorDataset(torch.arange({n}))


def loop(name, kind, workers, uneven):
    saved = os.path.join(folder, name + ".pt")
    schedule = dp.resample({n}, budget="42%", rounds={rounds}, seed=7)
    torch.manual_seed(0)
    model = torch.nn.Linear(1, 1)
    if kind == "ddp":
        sampler = ScheduleSampler.of_process_group(schedule, uneven=uneven)
        model = torch.nn.parallel.DistributedDataParallel(model)
        loader, per_step = DataLoader(data, {batch}, sampler=sampler, num_workers=workers[leg]), 1
        set_epoch = sampler.set_epoch
    else:
        from accelerate import Accelerator
        accelerator = Accelerator(cpu=True)
        sampler = ScheduleSampler(schedule, multiple_of={batch} * world, uneven=uneven)
        loader = DataLoader(data, {batch}, sampler=sampler, num_workers=workers[leg])
        model, loader = accelerator.prepare(model, loader)
        per_step, set_epoch = accelerator.num_processes, loader.set_epoch
    if leg:
        sampler.load_state_dict(torch.load(saved, weights_only=True))
    optimiser = torch.optim.SGD(model.parameters(), 0.1)
    seen, steps = [], 0
    for epoch in range(sampler.epoch, {rounds}):
        set_epoch(epoch)
        for (rows,) in loader:
            optimiser.zero_grad()
            model(rows[:, None] / {n}).square().mean().backward()
            optimiser.step()
            seen += [(epoch, row) for row in rows.tolist()]
            sampler.advance(len(rows) * per_step)
            steps += 1
            if not leg and steps == {stop}:
                if rank == 0:
                    torch.save(sampler.state_dict(), saved)
                return seen, [p.item() for p in model.parameters()]
    return seen, [p.item() for p in model.parameters()]


with open(os.path.join(folder, f"{{rank}}.{{leg}}.json"), "w") as out:
    json.dump({{each["name"]: loop(**each) for each in {scenarios}}}, out)
dist.barrier()
dist.destroy_process_group()
"""


def free_port() -> int:
    with socket.socket() as plug:
        plug.bind(("127.0.0.1", 0))
        return int(plug.getsockname()[1])


def launch(folder: Path, leg: int) -> dict[str, list[Seen]]:
    """What each of two processes trained on, by scenario."""
    script = folder / "train.py"
    fields = {"n": N, "rounds": ROUNDS, "batch": BATCH, "stop": STOP}
    scenarios = [asdict(scenario) for scenario in THERE]
    script.write_text(SCRIPT.format(**fields, scenarios=scenarios), encoding="utf-8")
    base = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE")}
    base |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2"}
    base |= {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "1", "LOCAL_WORLD_SIZE": "2"}
    started = [
        subprocess.Popen(
            [sys.executable, str(script), str(folder), str(leg)],
            env={**base, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for process in started:
        _, complaint = process.communicate(timeout=240)
        assert process.returncode == 0, complaint
    both = [json.loads((folder / f"{rank}.{leg}.json").read_text()) for rank in range(2)]
    found = {}
    for scenario in THERE:
        (first, weights), (second, others) = (told[scenario.name] for told in both)
        assert weights == others  # the same model on both: they did train together
        found[scenario.name] = [[tuple(pair) for pair in seen] for seen in (first, second)]
    return found


@pytest.fixture(scope="module")
def legs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, Any]:
    """A folder of saved states, what was trained on before they were saved, and after."""
    folder = tmp_path_factory.mktemp("two")
    return folder, launch(folder, 0), launch(folder, 1)


def schedule() -> dp.Schedule:
    return dp.resample(N, budget="42%", rounds=ROUNDS, seed=7)


def expected(scenario: Scenario) -> list[Seen]:
    """Every round, filled up with the rows that come next, dealt out by rows or by batches."""
    plan = schedule()
    parts: list[Seen] = [[], []]
    unit = 2 if scenario.kind == "ddp" else 2 * BATCH
    for number in range(ROUNDS):
        rows = plan[number].rows.tolist()
        if scenario.uneven == "drop":
            rows = rows[: plan.k // unit * unit]
        else:
            rows += plan.spare(number, -plan.k % unit).tolist()
        assert len(set(rows)) == len(rows)
        width = unit // 2
        for rank in range(2):
            mine = [
                row for a in range(rank * width, len(rows), unit) for row in rows[a : a + width]
            ]
            parts[rank] += [(number, row) for row in mine]
    return parts


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_two_processes_share_every_round_and_resume_to_the_row(
    legs: Any, scenario: Scenario
) -> None:
    if scenario not in THERE:
        pytest.skip("accelerate is not installed")
    _, first, rest = (leg if isinstance(leg, Path) else leg[scenario.name] for leg in legs)
    assert first[0][-1][0] == 1  # they stopped in the middle of the second round
    assert {number for number, _ in rest[0]} == {1, 2}
    assert [one + two for one, two in zip(first, rest, strict=True)] == expected(scenario)


def test_one_process_goes_on_with_the_rows_that_two_have_left(legs: Any) -> None:
    folder, first, _ = legs
    sampler = ScheduleSampler(schedule())
    sampler.load_state_dict(torch.load(folder / "ddp.pt", weights_only=True))
    assert sampler.epoch == 1
    seen = [row for part in first["ddp"] for number, row in part if number == 1]
    rest = list(sampler)
    assert rest == [row for row in schedule()[1].rows.tolist() if row not in set(seen)]
    assert len(rest) + len(seen) == schedule().k
    assert list(sampler) == schedule()[2].rows.tolist()
