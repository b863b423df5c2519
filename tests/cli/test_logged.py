"""Methods that score a logged run, end to end: rows find their place in the log, or are named."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli.shell import Shell, make_rows, read_jsonl, write_jsonl

import datapruner as dp
from datapruner.core.scores import Scores
from datapruner.dataset.loggedrun import open_run, run_items
from datapruner.dataset.runlog import RunLog
from datapruner.scorers.memorisation import Memorisation

N, EPOCHS = 60, 3
OF_A_LOG = ("el2n", "grand", "forgetting", "margin", "entropy", "confidence", "aum")
TO = ("--budget", "30%", "--out", "kept.jsonl")


@pytest.fixture
def rows(tmp_path: Path) -> list[dict[str, Any]]:
    """A corpus of labelled rows in ``data.jsonl``."""
    made = make_rows(N)
    write_jsonl(tmp_path / "data.jsonl", made)
    return made


@pytest.fixture
def logged(tmp_path: Path, rows: list[dict[str, Any]]) -> Callable[..., Path]:
    """Writes a log of the corpus."""

    def write(name: str = "run.log", seed: int = 0, skip: int = 0, **options: Any) -> Path:
        draw = np.random.default_rng(seed)
        codes = np.array(["abc".index(row["label"]) for row in rows])
        width = options.get("features", 0)
        with RunLog(tmp_path / name, n=N, classes=3, **options) as log:
            for epoch in range(EPOCHS):
                for part in np.array_split(draw.permutation(np.arange(skip, N)), 4):
                    names = part if "ids" not in options else [rows[row]["id"] for row in part]
                    log.record(
                        names,
                        draw.normal(size=(part.size, 3)),
                        codes[part],
                        epoch=epoch,
                        features=draw.normal(size=(part.size, width)) if width else None,
                    )
        return tmp_path / name

    return write


def ids_of(rows: list[dict[str, Any]]) -> list[str]:
    return [row["id"] for row in rows]


@pytest.mark.parametrize("method", OF_A_LOG)
def test_rows_of_a_file_get_the_scores_of_their_log(
    shell: Shell, rows: Any, logged: Any, tmp_path: Path, method: str
) -> None:
    path = logged(features=4)
    shell.ok("score", "data.jsonl", "--method", method, "--log", "run.log", "--out", "s.npz")
    expected = dp.score(open_run(path), method=method)
    found = Scores.load(tmp_path / "s.npz")
    assert found.values.tolist() == expected.values.tolist()
    assert found.items.group.tolist() == expected.items.group.tolist()
    assert found.details["log"] == "run.log"


def test_a_log_with_ids_finds_its_rows_in_any_order(
    shell: Shell, rows: Any, logged: Any, tmp_path: Path
) -> None:
    logged(ids=ids_of(rows))
    other = rows.copy()
    random.Random(1).shuffle(other)
    write_jsonl(tmp_path / "other.jsonl", other)
    kept = []
    for name in ("data", "other"):
        out = f"{name}-kept.jsonl"
        options = ("--method", "el2n", "--log", "run.log", "--id", "id", "--budget", "30%")
        shell.ok("prune", f"{name}.jsonl", *options, "--out", out)
        kept.append(sorted(ids_of(read_jsonl(tmp_path / out))))
    assert kept[0] == kept[1]
    assert len(kept[0]) == 18


def test_a_run_can_be_verified_and_explained(
    shell: Shell, rows: Any, logged: Any, tmp_path: Path
) -> None:
    path = logged(ids=ids_of(rows))
    shell.ok("prune", "data.jsonl", "--method", "aum", "--log", "run.log", "--id", "id", *TO)
    manifest = json.loads((tmp_path / "kept.jsonl.manifest.json").read_text())
    assert manifest["config"]["log"] == ["run.log"]
    assert len(manifest["input"]["log_sha256"]) == 64
    assert "same" in shell.ok("verify", "kept.jsonl").out
    score = dp.score(open_run(path), method="aum").values[7]
    told = shell.ok("explain", "kept.jsonl", "--id", "r7", "--json")
    assert json.loads(told.out)["score"] == score
    for name in ("data.jsonl", "run.log", "run.log.json", *(p.name for p in tmp_path.glob("k*"))):
        (tmp_path / "moved").mkdir(exist_ok=True)
        shutil.move(tmp_path / name, tmp_path / "moved" / name)
    assert "same" in shell.ok("verify", "moved/kept.jsonl").out
    for file in (tmp_path / "moved").glob("run.log*"):
        file.unlink()
    assert "no file run.log" in shell.refused("verify", "moved/kept.jsonl")


def test_verify_says_that_the_log_is_another_one(shell: Shell, rows: Any, logged: Any) -> None:
    path = logged()
    shell.ok("prune", "data.jsonl", "--method", "aum", "--log", "run.log", *TO)
    path.unlink()
    path.with_name("run.log.json").unlink()
    logged(seed=1)
    done = shell("verify", "kept.jsonl")
    assert done.code == 2
    assert done.out.startswith("log: sha256 ")


def test_memorisation_takes_several_runs(
    shell: Shell, rows: Any, logged: Any, tmp_path: Path
) -> None:
    paths = [logged(f"{seed}.log", seed) for seed in range(3)]
    held_in = (np.arange(N)[:, None] + np.arange(3)) % 3 == 0
    np.save(tmp_path / "held.npy", held_in)
    logs = [part for seed in range(3) for part in ("--log", f"{seed}.log")]
    options = ("--method", "memorisation", *logs, "--held-in", "held.npy")
    shell.ok("score", "data.jsonl", *options, "--out", "s.npz")
    expected = Memorisation()(run_items(*map(open_run, paths), held_in=held_in))
    assert Scores.load(tmp_path / "s.npz").values.tolist() == expected.values.tolist()
    shell.ok("prune", "data.jsonl", *options, *TO)
    assert "same" in shell.ok("verify", "kept.jsonl").out
    np.save(tmp_path / "held.npy", ~held_in)
    assert "held_in: sha256" in shell("verify", "kept.jsonl").out


def test_parameters_of_the_methods_are_flags_and_keys_of_a_file(
    shell: Shell, rows: Any, logged: Any, tmp_path: Path
) -> None:
    path = logged()
    (tmp_path / "a.toml").write_text('method = "el2n"\nlog = ["run.log"]\nsnapshots = 2\n')
    shell.ok("score", "data.jsonl", "--config", "a.toml", "--out", "two.npz")
    expected = dp.score(open_run(path), method="el2n", snapshots=2).values.tolist()
    assert Scores.load(tmp_path / "two.npz").values.tolist() == expected
    (tmp_path / "b.toml").write_text('method = "el2n"\nlog = "run.log"\nepoch = 1\n')
    shell.ok("score", "data.jsonl", "--config", "b.toml", "--out", "one.npz")
    expected = dp.score(open_run(path), method="el2n", epoch=1).values.tolist()
    assert Scores.load(tmp_path / "one.npz").values.tolist() == expected
    options = ("--method", "forgetting", "--never-learned", "drop", "--log", "run.log", *TO)
    assert "times answered right" in shell.ok("prune", "data.jsonl", *options).err


def test_a_dry_run_estimates_the_score_and_finds_what_does_not_fit(
    shell: Shell, rows: Any, logged: Any, tmp_path: Path
) -> None:
    logged()
    options = ("--method", "el2n", "--log", "run.log", *TO, "--dry-run")
    done = shell.ok("prune", "data.jsonl", *options, "--json")
    steps = {step["name"]: step["basis"] for step in json.loads(done.out)["steps"]}
    assert steps["score"] == "60 rows of the log"
    write_jsonl(tmp_path / "few.jsonl", rows[:50])
    assert "made of 60 rows, and few.jsonl has 50" in shell.refused("prune", "few.jsonl", *options)
    assert not (tmp_path / "kept.jsonl").exists()


def test_a_dry_run_of_several_runs_needs_what_the_run_needs(
    shell: Shell, rows: Any, logged: Any, tmp_path: Path
) -> None:
    logged("a.log", ids=ids_of(rows))
    logged("b.log", 1, ids=ids_of(rows))
    np.save(tmp_path / "held.npy", np.tile([True, False], (N, 1)))
    options = ("--method", "memorisation", "--log", "a.log", "--log", "b.log", *TO, "--dry-run")
    shell.ok("prune", "data.jsonl", *options, "--held-in", "held.npy")
    assert "held_in (--held-in FILE.npy)" in shell.refused("prune", "data.jsonl", *options)


def test_rows_that_were_never_logged_stop_the_run_or_go_to_quarantine(
    shell: Shell, rows: Any, logged: Any, tmp_path: Path
) -> None:
    logged(skip=2)
    options = ("--method", "el2n", "--log", "run.log", *TO)
    said = shell.refused("prune", "data.jsonl", *options)
    assert "2 of 60 rows were never logged (rows 0, 1)" in said
    shell.ok("prune", "data.jsonl", *options, "--on-bad", "drop")
    bad = read_jsonl(tmp_path / "kept.jsonl.quarantine.jsonl")
    assert [row["row"] for row in bad] == [0, 1]
    assert {row["reason"] for row in bad} == {"it was never logged"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("el2n",), 'RunLog("run.log", n=len(data), classes=C)'),
        (("el2n",), "then give log="),
        (("el2n", "--log", "none.log"), "no file none.log"),
        (("el2n", "--log", "data.jsonl"), "no file data.jsonl.json"),
        (("el2n", "--log", "cut.log"), "cut.log has 100 bytes of"),
        (("el2n", "--log", "run.log", "--epoch", "7"), "no whole epoch 7; it holds 0 to 2"),
        (("el2n", "--log", "run.log", "--snapshots", "0"), "snapshots is 0"),
        (("grand", "--log", "run.log"), "features=their width"),
        (("memorisation", "--log", "run.log"), "two logs or more, here are 1"),
        (("el2n", "--log", "run.log", "--held-in", "h.npy"), "which rows a run trained on"),
        (("prototypes", "--log", "run.log"), "reads no log of a training run; leave log (--log)"),
        (("random", "--epoch", "1"), "leave epoch (--epoch) out"),
        (("el2n", "--log", "ids.log"), 'name the column of those ids with id="..." (--id)'),
        (("el2n", "--log", "ids.log", "--id", "text"), "60 of 60 rows are not in it (ids "),
        (("el2n", "--log", "run.log", "--log", "ids.log"), "give runs of the same rows"),
        (("el2n", "--log", "run.log", "--out", "run.log", "--overwrite"), "is the input"),
        (("el2n", "--log", "run.log", "--out", "run.log.json", "--overwrite"), "is the input"),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(
    shell: Shell, rows: Any, logged: Any, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    logged()
    logged("ids.log", ids=ids_of(rows))
    cut = logged("cut.log")
    cut.write_bytes(cut.read_bytes()[:100])
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert said in shell.refused("prune", "data.jsonl", *TO, "--method", *arguments)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()} == before


def test_rows_that_are_not_those_of_the_log_are_named(
    shell: Shell, rows: Any, logged: Any, tmp_path: Path
) -> None:
    logged(ids=ids_of(rows))
    write_jsonl(tmp_path / "few.jsonl", [*rows[2:], {"id": "new", "text": "x", "label": "a"}])
    options = ("--method", "el2n", "--log", "run.log", "--id", "id", *TO)
    said = shell.refused("prune", "few.jsonl", *options)
    assert "1 of 59 rows are not in it (ids new)" in said
    assert "2 of its 60 rows are not there (its rows 0, 1)" in said


def test_labels_that_speak_against_the_log_are_a_warning(
    shell: Shell, rows: Any, logged: Any, tmp_path: Path
) -> None:
    logged()
    options = ("--method", "el2n", "--log", "run.log", "--label", "label", *TO)
    assert "pair off" not in shell.ok("prune", "data.jsonl", *options).err
    write_jsonl(tmp_path / "turned.jsonl", rows[::-1])
    done = shell.ok("prune", "turned.jsonl", *options, "--overwrite")
    assert "the labels of turned.jsonl and those in " in done.err
    assert "stand in another order" in done.err
