"""``datapruner resample`` from file to folder: ids of every round, resumed and verified."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from cli.shell import Shell, make_rows, write_jsonl

import datapruner as dp

RUN = ("resample", "corpus.jsonl", "--budget", "10%", "--rounds", "5", "--out", "rounds")


def read(folder: Path, number: int) -> pl.DataFrame:
    return pl.read_parquet(folder / f"round-{number:06d}.parquet")


def test_the_files_hold_the_rounds_of_the_schedule(shell: Shell, corpus: Path) -> None:
    done = shell.ok(*RUN, "--id", "id", "--label", "label", "--seed", "4")
    schedule = dp.resample(corpus, budget="10%", id="id", label="label", rounds=5, seed=4)
    for number in range(5):
        table = read(shell.folder / "rounds", number)
        assert table["row"].to_list() == schedule[number].rows.tolist()
        assert table["id"].to_list() == [f"r{row}" for row in schedule[number].rows]
        assert table.columns == ["row", "id"]
    assert json.loads((shell.folder / "rounds" / "schedule.json").read_text()) == schedule.to_dict()
    assert "5 rounds of 20 of 200 rows" in done.err
    assert not done.out
    assert len(list((shell.folder / "rounds").iterdir())) == 6


def test_a_run_goes_on_with_the_rounds_that_are_missing(shell: Shell, corpus: Path) -> None:
    shell.ok(*RUN)
    folder = shell.folder / "rounds"
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    bytes_of = (folder / "round-000002.parquet").read_bytes()
    (folder / "round-000002.parquet").unlink()
    done = shell.ok(*RUN)
    assert "4 rounds were there already, and right" in done.err
    assert (folder / "round-000002.parquet").read_bytes() == bytes_of
    after = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert {name for name in before if before[name] != after[name]} == {"round-000002.parquet"}
    more = json.loads(shell.ok(*RUN, "--rounds", "7", "--json").out)
    assert (more["written"], more["kept"], more["rounds"]) == (2, 5, 7)
    assert json.loads((folder / "schedule.json").read_text())["rounds"] == 7
    assert "wrote" not in shell.ok(*RUN).err


@pytest.mark.parametrize("damage", [b"", b"PAR1 not a round"])
def test_a_round_that_does_not_verify_is_not_skipped(
    shell: Shell, corpus: Path, damage: bytes
) -> None:
    shell.ok(*RUN)
    path = shell.folder / "rounds" / "round-000003.parquet"
    path.write_bytes(damage)
    assert "round-000003.parquet is damaged" in shell.refused(*RUN)
    shell.ok(*RUN, "--overwrite")
    assert read(shell.folder / "rounds", 3).height == 20
    read(shell.folder / "rounds", 2).write_parquet(path)
    assert "is not that round" in shell.refused(*RUN)


def test_rounds_of_another_schedule_are_not_mixed_in(shell: Shell, corpus: Path) -> None:
    shell.ok(*RUN)
    assert "another schedule" in shell.refused(*RUN, "--seed", "1")
    shell.ok(*RUN, "--seed", "1", "--overwrite")
    (shell.folder / "rounds" / "schedule.json").write_text("[]")
    assert "no description of rounds" in shell.refused(*RUN)


def test_another_order_of_the_rows_gives_the_same_ids(shell: Shell, corpus: Path) -> None:
    shell.ok(*RUN, "--id", "id")
    rows = make_rows(200)
    write_jsonl(shell.folder / "corpus.jsonl", rows[::-1])
    shell.ok(*RUN[:-1], "other", "--id", "id")
    for number in range(5):
        one, two = (
            read(shell.folder / name, number)["id"].to_list() for name in ("rounds", "other")
        )
        assert one == two


def test_scores_steer_the_draw_and_weights_are_written(shell: Shell, tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    np.save(tmp_path / "vectors.npy", vectors)
    shell.ok("score", "vectors.npy", "--out", "scores.npz")
    shell.ok(
        *("resample", "vectors.npy", "--budget", "8 items", "--rounds", "2", "--out", "rounds"),
        *("--scores", "scores.npz", "--replacement"),
    )
    table = read(tmp_path / "rounds", 1)
    assert table.columns == ["row", "id", "weight"]
    assert (table["weight"] > 0).all()


def test_rows_that_cannot_be_read_are_told_or_left_out(shell: Shell, corpus: Path) -> None:
    with corpus.open("a") as file:
        file.write("{broken\n")
    assert "line 201" in shell.refused(*RUN)
    assert "1 rows could not be used" in shell.ok(*RUN, "--on-bad", "drop").err


def test_what_cannot_be_written_is_refused_before_any_work(shell: Shell, corpus: Path) -> None:
    assert "is none" in shell.refused(*RUN[:-1], "corpus.jsonl")
    assert "is none" in shell.refused(*RUN[:-1], "-")
    (shell.folder / "plain").write_text("x")
    assert "is none" in shell.refused(*RUN[:-1], "plain")
    assert "cannot make the folder" in shell.refused(*RUN[:-1], "plain/rounds")
    assert "rounds is 0" in shell.refused(*RUN, "--rounds", "0")
    assert "leaves none for a round" in shell.refused(*RUN, "--budget", "0.1%")


def test_the_folder_of_the_input_is_not_written_into(shell: Shell, corpus: Path) -> None:
    (shell.folder / "shards").mkdir()
    write_jsonl(shell.folder / "shards" / "a.jsonl", make_rows(20))
    refused = shell.refused(
        *("resample", "shards", "--budget", "50%", "--rounds", "2", "--out", "shards")
    )
    assert "shards is the input" in refused


def test_a_killed_run_leaves_whole_rounds_and_is_finished_by_the_same_command(
    doomed: Shell, corpus: Path
) -> None:
    import time

    more = ("--rounds", "400")
    process = doomed.start(*RUN, *more)
    folder = doomed.folder / "rounds"
    for _ in range(600):
        if len(list(folder.glob("round-*.parquet"))) > 3:
            break
        time.sleep(0.1)
    process.kill()
    process.communicate()
    there = [path for path in folder.iterdir() if path.suffix == ".parquet"]
    assert there
    done = json.loads(doomed.ok(*RUN, *more, "--json", "--quiet").out)
    assert done["written"] + done["kept"] == 400
    assert done["kept"] >= 4
