"""Progress: bars on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest
from cli.shell import Shell

from datapruner.cli import progress
from datapruner.cli.progress import Lines


class Clock:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(progress.time, "monotonic", found)
    return found


def test_lines_come_every_few_seconds_with_an_eta(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = Lines(rows=4000)
    for second in range(1, 13):
        clock.now = second
        lines("embed", second * 100, 0)
    clock.now = 100
    lines("assign", 10, 10)
    clock.now = 110
    lines("read", 9000, 0)
    said = capsys.readouterr().err.splitlines()
    assert said == [
        "datapruner: embedding 500 of about 4,000, about 28 s left",
        "datapruner: embedding 1,000 of about 4,000, about 27 s left",
        "datapruner: measuring distances 10 of 10",
        "datapruner: reading 9,000",
    ]


@pytest.mark.parametrize(("seconds", "said"), [(30, "30 s"), (600, "10 min"), (20_000, "5.6 h")])
def test_durations_read_well(seconds: float, said: str) -> None:
    assert progress._duration(seconds) == said


def test_a_terminal_gets_bars(process: Shell, corpus: Path) -> None:
    ours, theirs = pty.openpty()
    command = process.command(
        "prune", corpus.name, "--embedder", "offline", "--budget", "30%", "--out", "k.jsonl"
    )
    environment = {**process.environment, "TERM": "xterm", "COLUMNS": "100"}
    running = subprocess.Popen(
        command, cwd=process.folder, env=environment, stderr=theirs, stdin=theirs
    )
    os.close(theirs)
    said = b""
    while True:
        try:
            part = os.read(ours, 1 << 16)
        except OSError:  # the other side is closed
            break
        if not part:
            break
        said += part
    os.close(ours)
    assert running.wait(60) == 0
    assert b"embedding" in said
    assert b"kept 60 of 200 rows" in said
