from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datapruner.core.selection import Selection
from datapruner.dataset.job import PruneJob, ScoreJob
from datapruner.dataset.staging import Staging, sidecar
from datapruner.errors import BudgetError, InputError, OutputError, UnknownMethodError


@pytest.fixture(autouse=True)
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    lines = [json.dumps({"id": f"r{i}", "text": f"word{i % 7} and word{i}"}) for i in range(40)]
    (tmp_path / "c.jsonl").write_text("\n".join(lines) + "\n")
    return tmp_path


def job(**changes: Any) -> PruneJob:
    given = {"inputs": ("c.jsonl",), "out": "k.jsonl", "budget": "30%", "embedder": "offline"}
    return PruneJob(**{**given, **changes})


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"c.jsonl"}


def test_a_run_writes_output_selection_and_manifest(corpus: Path) -> None:
    result = job(id="id").run(cache=None)
    assert [path.name for path in result.paths] == [
        "k.jsonl",
        "k.jsonl.selection.npz",
        "k.jsonl.manifest.json",
    ]
    assert names(corpus) == {path.name for path in result.paths}
    loaded = Selection.load("k.jsonl.selection.npz")
    assert loaded.ids.tolist() == result.selection.ids.tolist()
    assert len(loaded) == 12
    assert json.loads((corpus / "k.jsonl.manifest.json").read_text()) == result.manifest
    assert result.manifest["counts"]["reasons"] == {"admitted": 12, "count": 28}
    assert result.manifest["output"]["rows"] == 12


def test_a_job_is_data_and_comes_back() -> None:
    one = job(params={"k": 3}, bad_limit=0.05, tokens="words")
    assert PruneJob.from_dict(json.loads(json.dumps(one.to_dict()))) == one
    with pytest.raises(InputError, match=r'unknown key .*Did you mean "budget"'):
        PruneJob.from_dict({**one.to_dict(), "bugdet": 1})
    with pytest.raises(InputError, match="does not say 'out'"):
        PruneJob.from_dict({"inputs": ["c.jsonl"]})


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"budget": "much"}, BudgetError, "cannot read"),
        ({"pick": "hihg"}, UnknownMethodError, "high"),
        ({"allocate": "x"}, UnknownMethodError, "allocator"),
        ({"method": "x"}, UnknownMethodError, "method"),
        ({"fill": "x"}, BudgetError, "fill"),
        ({"inputs": ()}, InputError, "nothing to read"),
        ({"inputs": ("a.npy", "c.jsonl")}, InputError, "one file of vectors"),
        ({"out": "k.npy"}, OutputError, "cannot be written to k.npy"),
        ({"out": "c.jsonl"}, OutputError, "is the input"),
        ({"inputs": (".",), "out": "./k.jsonl"}, OutputError, "part of the input folder"),
        ({"bad_limit": -1}, InputError, "limit"),
    ],
)
def test_what_can_be_refused_is_refused_before_any_work(
    corpus: Path, changes: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        job(**changes).run(cache=None)
    assert names(corpus) == set()


def test_vectors_go_to_npy_files_alone(corpus: Path) -> None:
    np.save("v.npy", np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32))
    for out in ("k.jsonl", "-"):
        with pytest.raises(OutputError):
            job(inputs=("v.npy",), out=out).run(cache=None)
    job(inputs=("v.npy",), out="k.npy").run(cache=None)
    assert np.load("k.npy").shape == (6, 4)


def test_an_overwritten_output_keeps_its_permissions_and_its_link(corpus: Path) -> None:
    (corpus / "real.jsonl").write_text("old")
    (corpus / "real.jsonl").chmod(0o600)
    (corpus / "k.jsonl").symlink_to("real.jsonl")
    job().run(overwrite=True, cache=None)
    assert (corpus / "k.jsonl").is_symlink()
    assert (corpus / "real.jsonl").stat().st_mode & 0o777 == 0o600
    assert len((corpus / "real.jsonl").read_text().splitlines()) == 12


def test_an_output_made_meanwhile_is_not_replaced(corpus: Path) -> None:
    with Staging(Path("k.jsonl"), overwrite=False) as staging:
        staging.draft().write_text("ours")
        staging.draft("manifest.json").write_text("ours")
        (corpus / "k.jsonl").write_text("theirs")
        with pytest.raises(OutputError, match="exists"):
            staging.commit()
    assert (corpus / "k.jsonl").read_text() == "theirs"
    assert names(corpus) == {"k.jsonl"}


def test_a_pipe_gets_the_bytes_and_no_sidecars(corpus: Path) -> None:
    os.mkfifo(corpus / "pipe")
    reader = os.open(corpus / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    job(out="pipe").run(cache=None)
    assert len(os.read(reader, 1 << 16).splitlines()) == 12
    os.close(reader)
    assert names(corpus) == {"pipe"}


def test_a_draft_leaves_with_an_error(corpus: Path) -> None:
    with contextlib.suppress(RuntimeError), Staging(Path("k.[x].jsonl"), False) as staging:
        staging.draft().write_text("half")
        raise RuntimeError
    assert names(corpus) == set()
    assert sidecar(Path("a/k.csv"), "x.json") == Path("a/k.csv.x.json")


def test_scores_are_written_with_their_quarantine(corpus: Path) -> None:
    with (corpus / "c.jsonl").open("a") as file:
        file.write('{"id": "r40"}\n')
    given: dict[str, Any] = {"inputs": ("c.jsonl",), "out": "s.npz", "embedder": "offline"}
    with pytest.raises(InputError, match="1 of the first 41 rows"):
        ScoreJob(**given).run_score(cache=None)
    scores, bad, paths = ScoreJob(**given, on_bad="drop").run_score(cache=None)
    assert (scores.items.countable, len(bad)) == (40, 1)
    assert [path.name for path in paths] == ["s.npz", "s.npz.quarantine.jsonl"]
    with pytest.raises(OutputError, match="binary"):
        ScoreJob(**{**given, "out": "-"}).run_score()


def test_an_old_quarantine_goes_when_nothing_is_bad(corpus: Path) -> None:
    (corpus / "k.jsonl.quarantine.jsonl").write_text("{}\n")
    job().run(cache=None)
    assert not (corpus / "k.jsonl.quarantine.jsonl").exists()
