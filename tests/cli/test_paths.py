"""No command writes over what it reads, nor one of its files over another."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from cli.shell import Shell, make_rows, read_jsonl, write_jsonl

RANDOM = ("--method", "random")
HALF = ("--budget", "50%")
OUT = ("--out", "k.jsonl")


@pytest.fixture
def folder(tmp_path: Path, corpus: Path) -> Path:
    """Every kind of file that a command reads."""
    x = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
    np.save(tmp_path / "v.npy", x)
    rows = make_rows(50)
    write_jsonl(tmp_path / "k.jsonl.quarantine.jsonl", rows)
    write_jsonl(tmp_path / "k.npz.quarantine.jsonl", rows)
    (tmp_path / "c.toml").write_text('method = "random"\n')
    (tmp_path / "link.jsonl").symlink_to(corpus)
    os.link(corpus, tmp_path / "hard.jsonl")
    (tmp_path / "in").mkdir()
    write_jsonl(tmp_path / "in" / "a.jsonl", rows)
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        ("score", "corpus.jsonl", *RANDOM, "--out", "corpus.jsonl"),
        ("score", "k.npz.quarantine.jsonl", *RANDOM, "--out", "k.npz"),
        ("prune", "corpus.jsonl", *RANDOM, *HALF, "--out", "k.jsonl", "--report", "corpus.jsonl"),
        ("prune", "link.jsonl", *RANDOM, *HALF, "--out", "k.jsonl", "--report", "corpus.jsonl"),
        ("prune", "hard.jsonl", *RANDOM, *HALF, "--out", "corpus.jsonl"),
        ("prune", "corp*.jsonl", *RANDOM, *HALF, "--out", "corpus.jsonl"),
        ("prune", "in", *RANDOM, *HALF, "--out", "k.jsonl", "--report", "in/a.jsonl"),
        ("prune", "v.npy", *HALF, "--out", "k.npy", "--report", "v.npy"),
        ("prune", "k.jsonl.quarantine.jsonl", *RANDOM, *HALF, "--out", "k.jsonl"),
        ("dedup", "k.jsonl.quarantine.jsonl", "--eps", "0", "--out", "k.jsonl"),
        ("prune", "corpus.jsonl", "--embedding", "v.npy", *HALF, *OUT, "--report", "v.npy"),
        ("prune", "corpus.jsonl", "--config", "c.toml", *HALF, *OUT, "--report", "c.toml"),
        ("dedup", "corpus.jsonl", "--eps", "0", "--out", "k.jsonl", "--report", "corpus.jsonl"),
        ("prune", "corpus.jsonl", *RANDOM, *HALF, "--out", "k.jsonl", "--report", "k.jsonl"),
        ("prune", "corpus.jsonl", *RANDOM, *HALF, *OUT, "--report", "k.jsonl.manifest.json"),
        ("prune", "corpus.jsonl", *RANDOM, *HALF, "--out", "-", "--report", "-"),
        ("select", "s.npz", *HALF, "--out", "s.npz"),
        ("select", "s.npz", *HALF, "--ids", "s.npz"),
        ("select", "s.npz", *HALF, "--out", "o.npz", "--report", "o.npz"),
        ("select", "s.npz", *HALF, "--ids", "-", "--report", "-"),
    ],
)
def test_nothing_that_is_read_is_written_over(
    shell: Shell, folder: Path, arguments: tuple[str, ...]
) -> None:
    shell.ok("score", "corpus.jsonl", *RANDOM, "--out", "s.npz")
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    line = shell.refused(*arguments, "--overwrite")
    assert any(said in line for said in ("is the input", "are one file", ".npz file", "both go"))
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before


def test_a_report_comes_with_the_output_or_not_at_all(shell: Shell, folder: Path) -> None:
    command = ("prune", "corpus.jsonl", *RANDOM, *HALF, "--report", "r.json", "--out", "k.jsonl")
    (folder / "k.jsonl.manifest.json").mkdir()  # cannot be replaced when the names are given
    (folder / "k.jsonl.manifest.json" / "x").touch()
    shell(*command)
    assert not (folder / "k.jsonl").exists()
    assert not (folder / "r.json").exists()
    assert not list(folder.glob(".partial*"))
    (folder / "k.jsonl.manifest.json" / "x").unlink()
    (folder / "k.jsonl.manifest.json").rmdir()
    shell.ok(*command)
    assert (folder / "r.json").is_file()


def test_a_stale_quarantine_goes_with_the_new_output(shell: Shell, folder: Path) -> None:
    stale = folder / "k.jsonl.quarantine.jsonl"
    shell.refused("prune", "corpus.jsonl", *HALF, "--id", "none", "--out", "k.jsonl")
    assert stale.is_file()
    shell.ok("prune", "corpus.jsonl", *RANDOM, *HALF, "--out", "k.jsonl")
    assert not stale.exists()


@pytest.mark.parametrize("name", ["k.jsonl.bz2", "k.txt", "k.xyz", "k.xyz.gz"])
def test_a_name_that_would_lie_is_refused(shell: Shell, folder: Path, name: str) -> None:
    line = shell.refused("prune", "corpus.jsonl", *RANDOM, *HALF, "--out", name)
    assert "known endings are .jsonl" in line
    assert not (folder / name).exists()


def test_a_format_that_was_said_goes_with_any_name(shell: Shell, folder: Path) -> None:
    common = ("prune", "corpus.jsonl", "--format", "jsonl", *RANDOM, *HALF)
    shell.ok(*common, "--out", "k.txt")
    assert (folder / "k.txt").read_text().startswith("{")
    shell.ok(*common, "--out", "k.csv")
    assert (folder / "k.csv").read_text().startswith("id,text")


@pytest.mark.parametrize("seed", [2**63, -(2**63) - 1])
def test_a_seed_beyond_64_bits_is_refused(shell: Shell, folder: Path, seed: int) -> None:
    shell.ok("score", "corpus.jsonl", *RANDOM, "--out", "s.npz")
    more = ("--seed", str(seed))
    for line in (
        shell.refused("prune", "corpus.jsonl", *RANDOM, *HALF, "--out", "k.jsonl", *more),
        shell.refused("select", "s.npz", *HALF, "--out", "o.npz", *more),
        shell.refused("dedup", "corpus.jsonl", "--eps", "0", "--out", "k.jsonl", *more),
    ):
        assert "2**63" in line


def test_scores_and_selections_are_npz(shell: Shell, folder: Path) -> None:
    assert ".npz file" in shell.refused("score", "corpus.jsonl", *RANDOM, "--out", "s.json")
    line = shell.refused("select", "corpus.jsonl", *HALF, "--out", "o.npz")
    assert "give the .npz of `datapruner score`" in line
    assert "`datapruner score`" in shell.refused("explain", "corpus.jsonl", "--row", "1")


def test_a_dry_run_counts_bad_rows(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "b.jsonl").write_text("{not json\n" * 56)
    command = ("prune", "b.jsonl", "--embedder", "offline", *HALF, *OUT, "--dry-run")
    assert "bad rows: 56 of the first 56" in shell.refused(*command)
    write_jsonl(tmp_path / "b.jsonl", [*make_rows(20), {"id": "x", "text": 7}])
    assert "bad rows 1 of the first 21" in shell.ok(*command).out


def test_a_limit_is_said_as_it_was_given(shell: Shell, tmp_path: Path) -> None:
    rows = [*make_rows(20), {"id": "x", "text": {"a": [1, None]}}]
    write_jsonl(tmp_path / "b.jsonl", rows)
    command = ("prune", "b.jsonl", "--embedder", "offline", *HALF, *OUT, "--on-bad", "drop")
    line = shell.refused(*command, "--bad-limit", "1%")
    assert "more than 1 %" in line
    assert "raise --bad-limit" in line
    shell.ok(*command)
    noted = read_jsonl(tmp_path / "k.jsonl.quarantine.jsonl")
    assert noted[0]["text"] == '{"a":[1,null]}'


@pytest.mark.skipif(sys.platform != "linux", reason="other systems may need a name for a moment")
def test_spilled_vectors_never_have_a_name(doomed: Shell, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "corpus.jsonl", make_rows(20_000))
    spill = tmp_path / "spill"
    spill.mkdir()
    killed = Shell(tmp_path, {**doomed.environment, "TMPDIR": str(spill)})
    command = ("prune", "corpus.jsonl", "--embedder", "offline", "--no-cache", *HALF, *OUT)
    running = killed.start(*command)
    assert running.stderr is not None
    assert "embedder" in running.stderr.readline()  # at work now, with seconds to go
    time.sleep(0.5)
    assert running.poll() is None
    running.kill()
    running.communicate()
    assert list(spill.iterdir()) == []
