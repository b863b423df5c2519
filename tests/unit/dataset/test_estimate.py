from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars
import pytest
import zstandard

from datapruner.dataset import estimate as module
from datapruner.dataset.discover import find_files
from datapruner.dataset.estimate import count_rows, estimate, expected_rows
from datapruner.dataset.job import PruneJob, ScoreJob
from datapruner.errors import BudgetError, MissingColumnError

N = 500
TEXT = "".join(json.dumps({"text": f"words and {i}", "vec": [i, 1.5]}) + "\n" for i in range(N))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "c.jsonl").write_text(TEXT)
    (tmp_path / "c.jsonl.gz").write_bytes(gzip.compress(TEXT.encode()))
    (tmp_path / "c.jsonl.zst").write_bytes(zstandard.compress(TEXT.encode()))
    frame = polars.read_ndjson(tmp_path / "c.jsonl")
    frame.write_parquet(tmp_path / "c.parquet")
    frame.select("text").write_csv(tmp_path / "c.csv")
    return tmp_path


@pytest.mark.parametrize("name", ["c.jsonl", "c.jsonl.gz", "c.jsonl.zst", "c.parquet", "c.csv"])
def test_rows_of_a_small_file_are_counted(folder: Path, name: str) -> None:
    rows, is_exact = count_rows(find_files([folder / name]))
    assert rows == N
    assert is_exact is (name != "c.csv")  # a quoted field may hold a line break


def test_a_method_with_its_own_number_of_clusters_is_asked(folder: Path) -> None:
    assert estimate(job(folder, method="concepts")).k == 20
    assert estimate(job(folder, method="concepts", params={"k": 7})).k == 7


@pytest.mark.parametrize("name", ["c.jsonl", "c.jsonl.gz"])
def test_rows_of_a_large_file_are_extrapolated(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SAMPLE_BYTES", 1000)
    rows, is_exact = count_rows(find_files([folder / name]))
    assert not is_exact
    assert N * 0.7 < rows < N * 1.4


def job(folder: Path, name: str = "c.jsonl", **changes: Any) -> PruneJob:
    given = {"inputs": (str(folder / name),), "out": "k", "budget": "30%", "embedder": "offline"}
    return PruneJob(**{**given, **changes})


def test_a_job_is_estimated_from_a_pilot(folder: Path) -> None:
    found = estimate(job(folder))
    assert (found.rows, found.is_exact, found.kept) == (N, True, 150)
    assert (found.embedder, found.dimensions, found.k) == ("offline-hashed-384", 384, 22)
    assert [step.name for step in found.steps] == [
        "read",
        "embed",
        "write",
        "prototypes",
        "distances",
    ]
    assert all(step.seconds >= 0 for step in found.steps)
    assert found.disk == N * 384 * 4
    assert found.memory > found.disk
    assert "measured on" in str(found)
    assert json.loads(json.dumps(found.to_dict()))["seconds"] == found.seconds


def test_other_jobs_have_other_steps(folder: Path) -> None:
    assert estimate(job(folder, embedding="vec")).dimensions == 2
    assert estimate(job(folder, budget="9 tokens")).kept is None
    assert [s.name for s in estimate(job(folder, method="random")).steps] == ["read", "write"]
    np.save(folder / "v.npy", np.ones((70, 3), np.float32))
    found = estimate(ScoreJob(inputs=(str(folder / "v.npy"),), out="s.npz", params={"k": 5}))
    assert (found.rows, found.k, found.disk, found.kept) == (70, 5, 0, None)
    np.save(folder / "w.npy", np.ones((N, 3), np.float32))
    assert estimate(job(folder, embedding=str(folder / "w.npy"))).dimensions == 3
    (folder / "none.jsonl").write_text("")
    assert estimate(job(folder, "none.jsonl")).rows == 0


def test_what_would_stop_the_run_stops_the_estimate(folder: Path) -> None:
    with pytest.raises(MissingColumnError, match='no column "txt"'):
        estimate(job(folder, text="txt"))
    with pytest.raises(BudgetError):
        estimate(job(folder, budget="lots"))


def test_expected_rows_never_read_stdin_nor_fail(folder: Path) -> None:
    assert expected_rows(job(folder)) == N
    assert expected_rows(job(folder, inputs=("-",))) == 0
    assert expected_rows(job(folder, "nothing.jsonl")) == 0
