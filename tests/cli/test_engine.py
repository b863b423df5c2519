"""A large run from the command line: under a ceiling, killed at any moment, cut in any way."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from cli.shell import Shell, make_rows, write_jsonl

SIDECARS = ("", ".manifest.json", ".selection.npz")
PRUNE = ("prune", "x.npy", "--out", "kept.npy", "--memory", "256MiB", "--quiet")
JOURNAL = ("--journal", "kept.npy.journal")  # these runs are too small for one unasked
RUNS = {
    "concepts": ("--method", "concepts", "--k", "40", "--budget", "30%"),
    "duplicates": ("--method", "duplicates", "--k", "40", "--budget", "everything"),
}


def clustered(n: int, d: int, seed: int = 0) -> np.ndarray:
    """Rows around 300 centres, every tenth a near-copy of another."""
    draw = np.random.default_rng(seed)
    centres = draw.standard_normal((300, d), dtype=np.float32)
    rows = centres[draw.integers(0, 300, n)]
    rows += 0.6 * draw.standard_normal((n, d), dtype=np.float32)
    copies = n // 10
    rows[-copies:] = rows[:copies] + 1e-3 * draw.standard_normal((copies, d), dtype=np.float32)
    return rows


def outputs(folder: Path) -> dict[str, bytes]:
    """What a run left, the journal as a name alone."""
    found = (path for path in folder.iterdir() if "kept.npy" in path.name)
    return {path.name: b"" if path.is_dir() else path.read_bytes() for path in found}


@pytest.mark.parametrize("method", RUNS)
def test_a_run_killed_again_and_again_ends_with_the_same_bytes(
    doomed: Shell, tmp_path: Path, method: str
) -> None:
    """Ten moments for each of two methods: inside the stages, between them, while writing."""
    np.save(tmp_path / "x.npy", clustered(50_000, 96))
    run = (*PRUNE, *RUNS[method], "--k", "200", *JOURNAL)
    begun = time.monotonic()
    doomed.ok(*run)
    whole = time.monotonic() - begun
    expected = outputs(tmp_path)
    assert set(expected) == {f"kept.npy{kind}" for kind in SIDECARS}
    draw = random.Random(method)
    stages: set[str] = set()
    for _ in range(10):
        for name in expected:
            (tmp_path / name).unlink(missing_ok=True)
        running = doomed.start(*run)
        time.sleep(draw.uniform(0.3, 1.0) * whole)
        running.kill()
        running.communicate()
        journal = tmp_path / "kept.npy.journal"
        if journal.is_dir():
            stages |= {path.name.split("-")[0] for path in journal.iterdir()}
            if draw.random() < 0.3:  # so that some runs begin anew, and are killed early again
                for path in journal.iterdir():
                    path.unlink()
        if (tmp_path / "kept.npy").exists():
            made = outputs(tmp_path)
            assert {name: made[name] for name in expected} == expected
    assert "train" in stages
    for name in expected:
        (tmp_path / name).unlink(missing_ok=True)
    doomed.ok(*run)
    assert outputs(tmp_path) == expected  # and neither journal nor draft is left over


def test_a_second_run_takes_finished_work_from_the_journal(doomed: Shell, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", clustered(30_000, 64))
    run = ("score", "x.npy", "--method", "concepts", "--k", "40", "--journal", "j")
    (tmp_path / "s.npz").write_bytes(b"in the way")
    assert "exists" in doomed.refused(*run, "--out", "s.npz")
    assert not (tmp_path / "j").exists()  # found out before any work
    running = doomed.start(*run, "--out", "t.npz")
    deadline = time.monotonic() + 60
    while not list((tmp_path / "j").glob("train-*.npz")) and time.monotonic() < deadline:
        time.sleep(0.01)
    running.kill()
    running.communicate()
    kept = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "j").glob("train-*.npz")}
    assert kept
    for path in (tmp_path / "j").glob("*.tmp-*"):
        path.unlink()
    # A run of another configuration beside it neither uses nor harms it.
    doomed.ok("score", "x.npy", "--method", "concepts", "--k", "41", "--out", "u.npz")
    doomed.ok(*run, "--out", "t.npz")
    doomed.ok("score", "x.npy", "--method", "concepts", "--k", "40", "--out", "v.npz")
    assert (tmp_path / "t.npz").read_bytes() == (tmp_path / "v.npz").read_bytes()
    assert not (tmp_path / "j").exists()


@pytest.mark.parametrize("method", RUNS)
def test_threads_blocks_and_the_order_of_rows_change_no_byte(
    doomed: Shell, tmp_path: Path, method: str
) -> None:
    rows = clustered(20_000, 32)
    np.save(tmp_path / "x.npy", rows)
    made = {}
    for threads, memory in (("1", "256MiB"), ("2", "4GiB"), ("4", "700MiB")):
        out = f"{threads}.npy"
        shell = Shell(tmp_path, {**doomed.environment, "OMP_NUM_THREADS": threads})
        shell.ok("prune", "x.npy", "--out", out, "--memory", memory, "--quiet", *RUNS[method])
        made[threads] = (tmp_path / out).read_bytes()
    assert made["1"] == made["2"] == made["4"]
    order = np.random.default_rng(1).permutation(len(rows))
    np.save(tmp_path / "x.npy", rows[order])
    doomed.ok("prune", "x.npy", "--out", "s.npy", "--quiet", *RUNS[method])
    kept, shuffled = (np.load(tmp_path / name) for name in ("1.npy", "s.npy"))
    assert sorted(map(bytes, kept)) == sorted(map(bytes, shuffled))


def test_any_order_of_the_input_files_keeps_the_same_rows(shell: Shell, tmp_path: Path) -> None:
    rows = make_rows(300)
    for part in range(3):
        write_jsonl(tmp_path / f"part{part}.jsonl", rows[part::3])
    kept = []
    for names in (("part0", "part1", "part2"), ("part2", "part0", "part1")):
        files = [f"{name}.jsonl" for name in names]
        more = ("--method", "concepts", "--budget", "30%", "--embedder", "offline", "--k", "8")
        shell.ok("prune", *files, "--out", f"{names[0]}.out.jsonl", *more)
        kept.append(sorted((tmp_path / f"{names[0]}.out.jsonl").read_text().splitlines()))
    assert kept[0] == kept[1]
    assert len(kept[0]) == 90


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on a process's own memory")
def test_a_ceiling_holds_under_a_real_limit(doomed: Shell, tmp_path: Path) -> None:
    """1.2 GB of float32 rows, as float16 on disk, in a process that may not have 1 GiB."""
    import resource

    n, d = 1_500_000, 200
    block = (clustered(25_000, d) * 0.3).astype(np.float16)
    out = np.lib.format.open_memmap(tmp_path / "x.npy", mode="w+", dtype=np.float16, shape=(n, d))
    for start in range(0, n, len(block)):
        out[start : start + len(block)] = block
    out.flush()
    del out

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (2**30, 2**30))

    run = ("prune", "x.npy", "--method", "concepts", "--k", "20", "--budget", "10%", "--quiet")
    doomed.ok(*run, "--out", "kept.npy", "--memory", "1GiB", preexec_fn=limit)
    assert np.load(tmp_path / "kept.npy", mmap_mode="r").shape == (n // 10, d)


def test_work_that_cannot_fit_is_refused_before_it_is_begun(doomed: Shell, tmp_path: Path) -> None:
    out = np.lib.format.open_memmap(
        tmp_path / "x.npy", mode="w+", dtype=np.float16, shape=(260_000, 300)
    )
    for start in range(0, 260_000, 20_000):
        out[start : start + 20_000] = clustered(20_000, 300, start)
    out.flush()
    del out
    said = doomed.refused(
        *("prune", "x.npy", "--method", "concepts", "--k", "1000", "--budget", "10%"),
        *("--out", "kept.npy", "--memory", "256MiB"),
    )
    assert "a training sample of 256,000 rows takes" in said
    assert "lower k or points_per_centroid" in said
    assert outputs(tmp_path) == {}


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--memory", "lots"), "write it as"),
        (("--engine", "rya"), "no engine 'rya'"),
        (("--journal", "j", "--no-journal"), "exclude each other"),
        (("--journal", "x.npy"), "is a file; name a folder"),
        (("--engine", "ray", "--journal", "j"), "Drop journal"),
    ],
)
def test_flags_that_cannot_be(
    shell: Shell, tmp_path: Path, flags: tuple[str, ...], words: str
) -> None:
    np.save(tmp_path / "x.npy", clustered(40, 4))
    run = ("prune", "x.npy", "--budget", "50%", "--out", "kept.npy", *flags)
    assert words in shell.refused(*run)
    assert outputs(tmp_path) == {}


@pytest.mark.parametrize(("flags", "expected"), [((), True), (("--no-journal",), False)])
def test_a_large_run_keeps_a_journal_unless_none_is_wanted(
    doomed: Shell, tmp_path: Path, flags: tuple[str, ...], expected: bool
) -> None:
    np.save(tmp_path / "x.npy", clustered(140_000, 128))
    run = ("prune", "x.npy", "--out", "kept.npy", "--quiet", *RUNS["concepts"], *flags)
    running = doomed.start(*run)
    seen = False
    while running.poll() is None:
        seen |= (tmp_path / "kept.npy.journal").exists()
        time.sleep(0.005)
    running.communicate()
    assert running.returncode == 0
    assert seen == expected
    assert set(outputs(tmp_path)) == {f"kept.npy{kind}" for kind in SIDECARS}


def test_a_full_disk_under_the_journal_is_a_clear_error(doomed: Shell, tmp_path: Path) -> None:
    import resource

    np.save(tmp_path / "x.npy", clustered(30_000, 64))

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))

    said = doomed.refused(*PRUNE, *RUNS["concepts"], *JOURNAL, preexec_fn=limit)
    assert "kept.npy.journal" in said
    left = outputs(tmp_path)
    assert set(left) <= {"kept.npy.journal"}
    doomed.ok(*PRUNE, *RUNS["concepts"], *JOURNAL)  # with room again the same command goes on
    assert set(outputs(tmp_path)) == {f"kept.npy{kind}" for kind in SIDECARS}
    assert os.path.getsize(tmp_path / "kept.npy") > 4000
