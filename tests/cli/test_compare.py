"""``datapruner compare`` on digits, from files to a table and a JSON file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from cli.shell import Shell
from sklearn.datasets import load_digits

import datapruner as dp

QUICK = ("--label", "label", "--id", "id", "--steps", "20", "--seeds", "2", "--budget", "10%")
RUN = ("compare", "digits.parquet", "--embedding", "pixels", *QUICK)


@pytest.fixture(autouse=True)
def digits(tmp_path: Path) -> pl.DataFrame:
    x, y = load_digits(return_X_y=True)
    table = pl.DataFrame(
        {
            "id": [f"d{row}" for row in range(600)],
            "label": y[:600],
            "pixels": x[:600].astype(np.float32).tolist(),
        }
    )
    table.write_parquet(tmp_path / "digits.parquet")
    table.drop("pixels").write_ndjson(tmp_path / "labels.jsonl")
    np.save(tmp_path / "images.npy", x[:600].reshape(-1, 8, 8))
    return table


def test_the_table_goes_to_stdout_and_the_result_to_a_file(shell: Shell) -> None:
    done = shell.ok(*RUN, "--method", "prototypes:high", "--out", "found.json")
    assert "mlp: 20 steps of 32 rows for every method, 2 seeds" in done.out
    assert "prototypes:high" in done.out
    assert max(map(len, done.out.splitlines())) <= 80
    found = json.loads((shell.folder / "found.json").read_text())
    path = shell.folder / "digits.parquet"
    again = dp.compare(
        path, label="label", id="id", embedding="pixels", budgets=["10%"],
        methods=["prototypes:high"], steps=20, seeds=2,
    )  # fmt: skip
    assert [one["scores"] for one in found["cells"]] == [list(one.scores) for one in again.cells]
    assert "found.json" in done.err
    assert not (shell.folder / "found.json.journal").exists()
    assert "found.json exists" in shell.refused(*RUN, "--out", "found.json")
    shell.ok(*RUN, "--out", "found.json", "--overwrite", "--quiet")


def test_json_goes_to_stdout_alone(shell: Shell) -> None:
    done = shell.ok(*RUN, "--json", "--quiet", "--recipe", "linear", "--held-out", "0.5")
    plain = json.loads(done.out)
    assert [one["method"] for one in plain["cells"]] == ["random", "rs2", "prototypes"]
    assert (plain["recipe"], plain["held_out"]) == ("linear", 0.5)
    assert not done.err


def test_features_and_test_rows_in_files_of_their_own(shell: Shell, digits: pl.DataFrame) -> None:
    np.save(shell.folder / "others.npy", np.load(shell.folder / "images.npy")[:50])
    digits.head(50).drop("pixels").write_ndjson(shell.folder / "test.jsonl")
    rest = ("--features", "images.npy", "--test", "test.jsonl", "--recipe", "cnn", *QUICK)
    run = ("compare", "labels.jsonl", *rest)
    plain = json.loads(shell.ok(*run, "--test-features", "others.npy", "--json").out)
    assert (plain["test"], plain["train"], plain["held_out"]) == (50, 600, None)
    assert "--test-features" in shell.refused(*run)


def test_a_recipe_of_ones_own_is_run_because_it_is_named(shell: Shell) -> None:
    (shell.folder / "mine.py").write_text(
        "def score(trial):\n    rows = list(trial.batches)\n    return len(rows) + trial.seed\n"
    )
    run = (*RUN, "--recipe", "mine.py:score", "--unit", "steps")
    plain = json.loads(shell.ok(*run, "--json").out)
    assert plain["reference"]["scores"] == [20.0, 21.0]
    assert plain["unit"] == "steps"
    (shell.folder / "mine.py").write_text("def score(trial):\n    return 1 / 0\n")
    assert "the recipe failed in the trial of random at 10%, seed 0: Zero" in shell.refused(*run)


def test_a_killed_run_goes_on_and_ends_with_the_same_numbers(shell: Shell) -> None:
    """The recipe fails at its fifth call; once mended, by a file it reads, the rest is run."""
    (shell.folder / "mine.py").write_text(
        "import pathlib\n"
        "def score(trial):\n"
        "    for rows in trial.batches:\n"
        "        total = float(trial.x[rows].sum())\n"
        "    left = int(pathlib.Path('left').read_text())\n"
        "    pathlib.Path('left').write_text(str(left - 1))\n"
        "    return total / (left > 0)\n"
    )
    run = (*RUN, "--recipe", "mine.py:score", "--json", "--quiet")
    left = shell.folder / "left"
    left.write_text("99")
    plain = json.loads(shell.ok(*run).out)
    left.write_text("5")
    assert "ZeroDivisionError" in shell.refused(*run, "--out", "found.json")
    assert len(list((shell.folder / "found.json.journal").iterdir())) == 5
    left.write_text("3")
    again = json.loads(shell.ok(*run, "--out", "found.json").out)
    assert left.read_text() == "0"
    for one, other in zip(plain["cells"], again["cells"], strict=True):
        assert one["scores"] == other["scores"]
    assert not (shell.folder / "found.json.journal").exists()


def test_flags_may_stand_in_a_file(shell: Shell) -> None:
    (shell.folder / "c.toml").write_text(
        'budget = ["10%", "20%"]\nlabel = "label"\nembedding = "pixels"\nsteps = 5\nseeds = 2\n'
        'method = "concepts:uniform"\n'
    )
    plain = json.loads(shell.ok("compare", "digits.parquet", "--config", "c.toml", "--json").out)
    assert [one["budget"] for one in plain["budgets"]] == ["10%", "20%"]
    assert plain["cells"][2]["method"] == "concepts:uniform"


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (("--method", "protypes"), 'Did you mean "prototypes"'),
        (("--method", "lexical"), "Use `datapruner chunks`"),
        (("--method", "el2n"), "--log"),
        (("--seeds", "1"), "seeds is 1"),
        (("--held-out", "most"), "held_out is 'most'"),
        (("--recipe", "none.py:score"), "none.py cannot be read"),
        (("--out", "digits.parquet", "--overwrite"), "digits.parquet is the input"),
        (("--out", "-"), "--json"),
        (("--out", "no/found.json"), "no folder"),
        (("--label", "digit"), '"digit"'),
    ],
)
def test_what_the_user_can_mend_is_told_in_one_line(
    shell: Shell, more: tuple[str, ...], why: str
) -> None:
    assert why in shell.refused(*RUN, *more)


def test_an_array_as_input_has_no_labels(shell: Shell) -> None:
    assert "--features" in shell.refused("compare", "images.npy", *QUICK)


def test_help_says_that_a_recipe_is_run(process: Shell) -> None:
    words = " ".join(process.ok("compare", "--help").out.split())
    assert "The file is run as a program" in words
