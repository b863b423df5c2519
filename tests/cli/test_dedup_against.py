"""``datapruner dedup`` against a test set and against an index, from file to file."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Any

import pytest
from cli.shell import Shell, read_jsonl, write_jsonl

WORDS = [f"word{n}" for n in range(500)]


def text(seed: int) -> str:
    return " ".join(random.Random(seed).sample(WORDS, 40))


def rows(*seeds: int) -> list[dict[str, Any]]:
    return [{"id": f"r{seed}", "text": text(seed)} for seed in seeds]


def write(folder: Path, name: str, content: list[dict[str, Any]]) -> None:
    write_jsonl(folder / name, content)


def kept(folder: Path, name: str) -> set[str]:
    return {row["id"] for row in read_jsonl(folder / name)}


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


COMMON = ("--id", "id", "--embedder", "offline", "--quiet")


@pytest.fixture
def train(tmp_path: Path) -> Path:
    write(tmp_path, "train.jsonl", [*rows(*range(30)), {"id": "copy", "text": text(20)}])
    test = [{"key": f"t{i}", "body": text(i).upper() if i % 2 else text(i)} for i in range(25, 40)]
    write(tmp_path, "test.jsonl", test)
    return tmp_path / "train.jsonl"


AGAINST = ("--against", "test.jsonl", "--against-text", "body", "--against-id", "key")


def test_a_training_set_is_cleaned_of_a_test_set(shell: Shell, train: Path) -> None:
    shell.ok("dedup", "train.jsonl", *AGAINST, *COMMON, "--out", "clean.jsonl")
    left = kept(shell.folder, "clean.jsonl")
    assert len(left) == 25
    assert left - {"copy"} <= {f"r{i}" for i in range(25)}
    told = shell.ok("explain", "clean.jsonl", "--id", "r26").out
    assert "id t26 of another data set, similarity 1 (exact against test.jsonl)" in told
    facts = json.loads(shell.ok("explain", "clean.jsonl", "--id", "r27", "--json").out)
    assert facts["twin"] == {
        "id": "t27",
        "similarity": 1.0,
        "duplicate_by": "MinHash against test.jsonl",
        "elsewhere": True,
    }
    manifest = json.loads((shell.folder / "clean.jsonl.manifest.json").read_text())
    assert manifest["ran"]["against"][0]["exact"] == 2
    assert shell.ok("verify", "clean.jsonl").out.startswith("same: ")


def test_only_test_rows_go_with_inside_keep(shell: Shell, train: Path) -> None:
    done = shell.ok(
        "dedup", "train.jsonl", *AGAINST, *COMMON[:-1], "--inside", "keep", "--out", "clean.jsonl"
    )
    assert kept(shell.folder, "clean.jsonl") == {f"r{i}" for i in range(25)} | {"copy"}
    assert "dropped 2 exact copies, 3 MinHash" in " ".join(done.err.split())


def test_verify_names_a_test_set_that_has_changed(shell: Shell, train: Path) -> None:
    shell.ok("dedup", "train.jsonl", *AGAINST, *COMMON, "--out", "clean.jsonl")
    write(shell.folder, "test.jsonl", [{"key": "t", "body": text(2)}])
    done = shell("verify", "clean.jsonl")
    assert done.code == 2
    assert "rows compared with: sha256" in done.out


def test_shards_are_pruned_against_an_index_that_grows(shell: Shell, tmp_path: Path) -> None:
    for number, seeds in enumerate((range(20), range(10, 30), range(40)), 1):
        write(tmp_path, f"s{number}.jsonl", rows(*seeds))
        shell.ok(
            *("dedup", f"s{number}.jsonl", "--index", "seen", "--save-index", "seen"),
            *(*COMMON, "--out", f"k{number}.jsonl"),
        )
    assert kept(tmp_path, "k1.jsonl") == {f"r{i}" for i in range(20)}
    assert kept(tmp_path, "k2.jsonl") == {f"r{i}" for i in range(20, 30)}
    assert kept(tmp_path, "k3.jsonl") == {f"r{i}" for i in range(30, 40)}
    before = files(tmp_path / "seen")
    for number in (1, 2, 3):  # each is verified against what there was when it ran
        assert shell.ok("verify", f"k{number}.jsonl").out.startswith("same: ")
    assert files(tmp_path / "seen") == before
    told = shell.ok("explain", "k3.jsonl", "--id", "r25").out
    assert "id r25 of another data set, similarity 1 (exact against the index seen)" in told
    shell.ok("dedup", "s3.jsonl", "--index", "seen", *COMMON, "--out", "none.jsonl")
    assert read_jsonl(tmp_path / "none.jsonl") == []


def test_a_run_is_repeated_with_the_same_answer(shell: Shell, tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl", rows(*range(10)))
    write(tmp_path, "b.jsonl", rows(*range(5, 15)))
    shell.ok("dedup", "a.jsonl", *COMMON, "--save-index", "seen", "--out", "ka.jsonl")
    run = ("dedup", "b.jsonl", *COMMON, "--index", "seen", "--save-index", "seen")
    shell.ok(*run, "--out", "kb.jsonl")
    whole = files(tmp_path / "seen")
    # Killed after the index was extended, before the output had its name.
    first = (tmp_path / "kb.jsonl").read_bytes()
    (tmp_path / "kb.jsonl").unlink()
    shell.ok(*run, "--out", "kb.jsonl")
    assert (tmp_path / "kb.jsonl").read_bytes() == first
    assert files(tmp_path / "seen") == whole
    shell.ok(*run, "--out", "kb.jsonl", "--overwrite")
    assert (tmp_path / "kb.jsonl").read_bytes() == first
    # The same rows under another name are a shard of their own.
    shell.ok(*run, "--out", "other.jsonl")
    assert read_jsonl(tmp_path / "other.jsonl") == []


def test_a_new_index_is_not_written_over_an_old_one(shell: Shell, tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl", rows(*range(10)))
    write(tmp_path, "b.jsonl", rows(*range(5, 15)))
    save = (*COMMON, "--save-index", "seen")
    shell.ok("dedup", "a.jsonl", *save, "--out", "ka.jsonl")
    assert "is an index" in shell.refused("dedup", "b.jsonl", *save, "--out", "kb.jsonl")
    assert not (tmp_path / "kb.jsonl").exists()
    (tmp_path / "ka.jsonl").unlink()
    shell.ok("dedup", "a.jsonl", *save, "--out", "ka.jsonl")  # the same run once more
    shell.ok("dedup", "b.jsonl", *save, "--out", "kb.jsonl", "--overwrite")
    assert len(kept(tmp_path, "kb.jsonl")) == 10
    assert len(files(tmp_path / "seen")) == 3


def test_a_killed_run_leaves_the_old_index_and_the_next_one_ends_the_same(
    doomed: Shell, tmp_path: Path
) -> None:
    write(tmp_path, "a.jsonl", rows(*range(200)))
    write(tmp_path, "b.jsonl", rows(*range(150, 400)))
    doomed.ok("dedup", "a.jsonl", *COMMON, "--save-index", "seen", "--out", "ka.jsonl")
    before = (tmp_path / "seen" / "index.json").read_bytes()
    run = ("dedup", "b.jsonl", *COMMON, "--index", "seen", "--save-index", "seen", "--no-journal")
    run += ("--out", "kb.jsonl")
    saved = files(tmp_path / "seen")
    begun = time.monotonic()
    doomed.ok(*run)
    whole = time.monotonic() - begun
    names = ("kb.jsonl", "kb.jsonl.selection.npz", "kb.jsonl.manifest.json")
    expected = {name: (tmp_path / name).read_bytes() for name in names}
    after = files(tmp_path / "seen")
    draw = random.Random(0)
    for _ in range(3):
        for name in names:
            (tmp_path / name).unlink(missing_ok=True)
        for name in after.keys() - saved.keys():
            (tmp_path / "seen" / name).unlink(missing_ok=True)
        (tmp_path / "seen" / "index.json").write_bytes(before)
        running = doomed.start(*run)
        time.sleep(draw.uniform(0.4, 1.05) * whole)
        running.kill()
        running.communicate()
        head = (tmp_path / "seen" / "index.json").read_bytes()
        assert head in (before, after["index.json"])
        if (tmp_path / "kb.jsonl").exists():
            assert head == after["index.json"]
            (tmp_path / "kb.jsonl").unlink()
        doomed.ok(*run)
        assert {name: (tmp_path / name).read_bytes() for name in names} == expected
        assert files(tmp_path / "seen") == after


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--inside", "keep"), "nothing to drop"),
        (("--inside", "out"), "inside is 'out'"),
        (("--against", "none.jsonl"), "none.jsonl"),
        (("--against", "test.jsonl"), "against_text"),
        (("--against-text", "body"), "there is no against"),
        (("--index", "none"), "no index none"),
        (("--save-index", "train.jsonl"), "input"),
        (("--save-index", "kept.jsonl"), "one file"),
    ],
)
def test_what_no_run_could_use_is_one_line(
    shell: Shell, train: Path, flags: tuple[str, ...], says: str
) -> None:
    assert says in shell.refused("dedup", "train.jsonl", *COMMON, *flags, "--out", "kept.jsonl")
    assert not (shell.folder / "kept.jsonl").exists()


def test_no_output_goes_over_what_is_compared_with(shell: Shell, train: Path) -> None:
    shell.ok("dedup", "train.jsonl", *COMMON, "--save-index", "seen", "--out", "kept.jsonl")
    write(shell.folder / "seen", "mine.jsonl", rows(1))
    for out, flags in (("test.jsonl", AGAINST), ("seen/mine.jsonl", ("--index", "seen"))):
        line = shell.refused("dedup", "train.jsonl", *COMMON, *flags, "--out", out, "--overwrite")
        assert "choose another name" in line


def test_an_eps_is_not_suggested_where_none_is_used(shell: Shell, train: Path) -> None:
    flags = (*AGAINST, *COMMON, "--suggest", "50%")
    assert "keeps 15 of 31 rows" in shell.ok("dedup", "train.jsonl", *flags).out
    assert "no eps would change" in shell.refused(
        "dedup", "train.jsonl", *flags, "--inside", "keep"
    )


def test_streams_are_pruned_as_well(process: Shell, train: Path) -> None:
    lines = train.read_text()
    done = process.ok(
        *("dedup", "-", *AGAINST, *COMMON, "--save-index", "seen", "--out", "-"), stdin=lines
    )
    assert len(done.out.splitlines()) == 25
    again = process.ok(*("dedup", "-", "--index", "seen", *COMMON, "--out", "-"), stdin=lines)
    assert {json.loads(line)["id"] for line in again.out.splitlines()} == {
        f"r{i}" for i in range(25, 30)
    }


def test_vectors_and_bad_rows_from_the_command_line(shell: Shell, tmp_path: Path) -> None:
    import numpy as np

    x = np.random.default_rng(0).normal(size=(20, 8)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "test.npy", x[:4])
    run = ("dedup", "x.npy", "--against", "test.npy", "--quiet", "--save-index", "seen")
    shell.ok(*run, "--out", "kept.npy")
    assert np.load(tmp_path / "kept.npy").shape == (16, 8)
    assert shell.ok("verify", "kept.npy").out.startswith("same: ")
    write(tmp_path, "bad.jsonl", [*rows(1), {"id": "x", "text": None}])
    write(tmp_path, "good.jsonl", rows(1, 2))
    flags = ("dedup", "good.jsonl", "--against", "bad.jsonl", *COMMON, "--out", "g.jsonl")
    assert "cannot be used" in shell.refused(*flags)
    shell.ok(*flags, "--on-bad", "drop")
    assert kept(tmp_path, "g.jsonl") == {"r2"}
