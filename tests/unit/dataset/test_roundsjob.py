"""The job behind ``datapruner resample``, where the command line cannot reach."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from cli.shell import make_rows, write_jsonl

import datapruner as dp
from datapruner import InputError
from datapruner.dataset.roundsjob import RoundsJob, round_file


def test_several_files_are_one_corpus_and_the_progress_is_told(tmp_path: Path) -> None:
    rows = make_rows(30)
    names = [str(write_jsonl(tmp_path / f"{i}.jsonl", rows[i::2])) for i in range(2)]
    told: list[tuple[str, int, int]] = []
    job = RoundsJob(
        inputs=tuple(names), budget="20%", rounds=3, out=str(tmp_path / "rounds"), id="id"
    )
    done = job.run(progress=lambda *words: told.append(words))
    assert (done.fresh, done.known, done.bad) == (3, 0, ())
    assert [words for words in told if words[0] == "rounds"] == [
        ("rounds", r, 3) for r in (1, 2, 3)
    ]
    expected = dp.resample([Path(name) for name in names], budget="20%", id="id")
    for number in range(3):
        table = pl.read_parquet(round_file(tmp_path / "rounds", number))
        assert table["row"].to_list() == expected[number].rows.tolist()
    assert job.run().known == 3


def test_no_input_is_refused() -> None:
    with pytest.raises(InputError, match="nothing to read"):
        RoundsJob(inputs=(), budget="20%", rounds=3, out="rounds").run()
