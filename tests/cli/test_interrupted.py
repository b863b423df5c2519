"""Killed, interrupted or left by its reader: nothing half written, and the next run is as good."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from cli.shell import Shell, make_rows, write_jsonl

RUN = ("prune", "corpus.jsonl", "--embedder", "offline", "--budget", "30%", "--out", "kept.parquet")


def _outputs(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if "kept.parquet" in p.name}


def test_a_run_that_was_killed_ends_with_the_same_bytes(doomed: Shell, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "corpus.jsonl", make_rows(1000))
    begun = time.monotonic()
    doomed.ok(*RUN)
    whole = time.monotonic() - begun
    expected = _outputs(tmp_path)
    assert set(expected) == {
        "kept.parquet",
        "kept.parquet.selection.npz",
        "kept.parquet.manifest.json",
    }
    for name in expected:
        (tmp_path / name).unlink()
    draw = random.Random(0)
    for _ in range(5):
        running = doomed.start(*RUN)
        time.sleep(draw.uniform(0.3, 1.0) * whole)
        running.kill()
        running.communicate()
        # An output that is there is complete and described, whenever the kill came.
        if (tmp_path / "kept.parquet").exists():
            assert {k: v for k, v in _outputs(tmp_path).items() if k in expected} == expected
            (tmp_path / "kept.parquet").unlink()
    doomed.ok(*RUN)
    assert _outputs(tmp_path) == expected  # and no draft is left over


def test_drafts_of_a_killed_run_are_swept_by_the_next(shell: Shell, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "corpus.jsonl", make_rows(30))
    leftovers = (
        ".partial.kept.parquet",
        ".partial.kept.parquet.tmp-0123abcd",
        ".partial.kept.parquet.selection.npz",
        "kept.parquet.manifest.json",
    )
    for name in leftovers:
        (tmp_path / name).write_text("half of someth")
    shell.ok(*RUN)
    assert sorted(_outputs(tmp_path)) == sorted(
        ["kept.parquet", "kept.parquet.manifest.json", "kept.parquet.selection.npz"]
    )
    assert shell.ok("verify", "kept.parquet").out.startswith("same")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_leaves_nothing(
    process: Shell, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    write_jsonl(tmp_path / "corpus.jsonl", make_rows(20_000))
    running = process.start(*RUN)
    assert running.stderr is not None
    assert "embedder" in running.stderr.readline()  # at work now, with seconds to go
    time.sleep(0.3)
    running.send_signal(number)
    _, said = running.communicate(timeout=60)
    assert running.returncode == code
    assert said.splitlines()[-1] == "datapruner: interrupted; nothing was written"
    assert "Traceback" not in said
    assert _outputs(tmp_path) == {}


def test_a_reader_that_leaves_ends_the_run_quietly(process: Shell, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "corpus.jsonl", make_rows(5000))
    command = process.command(
        "prune", "corpus.jsonl", "--method", "random", "--budget", "90%", "--out", "-", "--quiet"
    )
    running = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=process.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert running.stdout is not None
    assert running.stderr is not None
    running.stdout.readline()
    running.stdout.close()
    assert running.stderr.read() == b""
    assert running.wait(60) == 141
    running.stderr.close()
