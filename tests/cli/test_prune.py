"""``datapruner prune`` end to end: what is kept, what is written, what is said."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars
import pytest
from cli.shell import Done, Shell, make_rows, read_jsonl, write_jsonl

from datapruner.tokens import resolve_counter

OFFLINE = ("--embedder", "offline")


@pytest.mark.parametrize("name", ["kept.jsonl", "kept.parquet", "kept.csv", "kept.jsonl.zst"])
def test_a_share_keeps_exactly_that_share_in_every_format(
    pruned: Callable[..., Done], tmp_path: Path, name: str
) -> None:
    done = pruned("--budget", "30%", "--id", "id", "--out", name)
    assert done.out == ""
    assert "kept 60 of 200 rows" in done.err
    kept = _ids(tmp_path / name)
    assert len(kept) == 60
    source = [row["id"] for row in make_rows(200)]
    assert kept == [name for name in source if name in set(kept)]  # in the order of the input
    for beside in ("selection.npz", "manifest.json"):
        assert (tmp_path / f"{name}.{beside}").is_file()
    assert sorted(p.name for p in tmp_path.glob(".partial*")) == []


def _ids(path: Path) -> list[str]:
    if path.suffix == ".parquet":
        return polars.read_parquet(path)["id"].to_list()
    if path.suffix == ".csv":
        return [row["id"] for row in csv.DictReader(path.read_text().splitlines())]
    if path.suffix == ".zst":
        return polars.read_ndjson(path.read_bytes())["id"].to_list()
    return [row["id"] for row in read_jsonl(path)]


def test_a_token_budget_is_never_exceeded_and_nearly_spent(
    pruned: Callable[..., Done], tmp_path: Path
) -> None:
    pruned("--budget", "500 tokens", "--out", "kept.jsonl")
    counts = resolve_counter("words").count(
        [r["text"] for r in read_jsonl(tmp_path / "kept.jsonl")]
    )
    assert 480 <= counts.sum() <= 500


def test_explain_tells_score_group_rank_and_rule_of_kept_and_dropped_rows(
    pruned: Callable[..., Done], shell: Shell, tmp_path: Path
) -> None:
    pruned("--budget", "30%", "--id", "id", "--label", "label", "--out", "kept.jsonl")
    kept = {row["id"] for row in read_jsonl(tmp_path / "kept.jsonl")}
    dropped = next(row["id"] for row in make_rows(200) if row["id"] not in kept)
    stays = shell.ok("explain", "kept.jsonl", "--id", min(kept)).out
    goes = shell.ok("explain", "kept.jsonl.selection.npz", "--id", dropped).out
    assert "kept" in stays.splitlines()[0]
    assert "dropped" in goes.splitlines()[0]
    for text in (stays, goes):
        for word in ("score", "rank", "group", "rule"):
            assert f"\n  {word}" in text
    facts = json.loads(shell.ok("explain", "kept.jsonl", "--id", dropped, "--json").out)
    assert facts["id"] == dropped
    assert facts["kept"] is False
    assert facts["group"] in "abc"


@pytest.mark.parametrize("by", [("--id", "id"), ()])
def test_shuffled_or_split_rows_give_the_same_kept_ids(
    shell: Shell, tmp_path: Path, by: tuple[str, ...]
) -> None:
    rows = make_rows(120)
    if not by:
        rows += rows[:20]  # exact duplicates, told apart by their number alone
    mixed = random.Random(1).sample(rows, len(rows))
    write_jsonl(tmp_path / "a.jsonl", rows)
    write_jsonl(tmp_path / "b.jsonl", mixed)
    (tmp_path / "parts").mkdir()
    for part in range(3):
        write_jsonl(tmp_path / "parts" / f"{part}.jsonl", mixed[part::3])
    kept = []
    for source in ("a.jsonl", "b.jsonl", "parts"):
        out = f"kept-{source.partition('.')[0]}.jsonl"
        shell.ok("prune", source, *OFFLINE, "--budget", "30%", *by, "--out", out)
        manifest = json.loads((tmp_path / f"{out}.manifest.json").read_text())
        texts = sorted(json.dumps(row) for row in read_jsonl(tmp_path / out))
        kept.append((manifest["kept_ids"], texts))
    assert len(kept[0][1]) == len(rows) * 3 // 10
    assert kept[0] == kept[1] == kept[2]


def test_stdin_to_stdout_is_a_pipe_of_rows(process: Shell, corpus: Path, tmp_path: Path) -> None:
    text = corpus.read_text()
    done = process.ok("prune", "-", *OFFLINE, "--budget", "25%", "--out", "-", stdin=text)
    lines = done.out.splitlines()
    assert len(lines) == 50
    assert set(lines) <= set(text.splitlines())
    assert "kept 50 of 200 rows" in done.err
    assert sorted(p.name for p in tmp_path.iterdir() if p.name[0] != ".") == ["corpus.jsonl"]


def test_quiet_says_nothing(pruned: Callable[..., Done]) -> None:
    done = pruned("--budget", "30%", "--out", "kept.jsonl", "--quiet")
    assert (done.out, done.err) == ("", "")


def test_json_is_one_object_and_equals_the_report_file(
    pruned: Callable[..., Done], tmp_path: Path
) -> None:
    done = pruned("--budget", "30%", "--out", "kept.jsonl", "--json", "--report", "r.json")
    report = json.loads(done.out)
    assert (report["rows"], report["kept"]) == (200, 60)
    assert report == json.loads((tmp_path / "r.json").read_text())


def test_json_and_rows_cannot_share_stdout(shell: Shell, corpus: Path) -> None:
    line = shell.refused("prune", corpus.name, "--budget", "30%", "--out", "-", "--json")
    assert "stdout" in line


def test_a_config_file_equals_the_flags_and_flags_beat_it(
    pruned: Callable[..., Done], shell: Shell, tmp_path: Path
) -> None:
    pruned("--budget", "30%", "--id", "id", "--seed", "3", "--k", "7", "--out", "kept.jsonl")
    before = {p.name: p.read_bytes() for p in tmp_path.glob("kept.jsonl*")}
    (tmp_path / "run.toml").write_text(
        'inputs = "corpus.jsonl"\nbudget = "30%"\nid = "id"\nseed = 3\nk = 7\nout = "kept.jsonl"\n'
        'embedder = "offline"\noverwrite = true\n'
    )
    shell.ok("prune", "--config", "run.toml")
    assert {p.name: p.read_bytes() for p in tmp_path.glob("kept.jsonl*")} == before
    done = shell.ok("prune", "--config", "run.toml", "--budget", "10 items")
    assert "kept 10 of 200 rows" in done.err


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ('bugdet = "30%"', 'Did you mean "budget"?'),
        ("budget = [1]", "budget is [1]"),
        ("quiet = 1", "true or false"),
        ("budget = ", "is not TOML"),
    ],
)
def test_a_config_file_that_cannot_be_used_is_explained(
    shell: Shell, corpus: Path, tmp_path: Path, toml: str, said: str
) -> None:
    (tmp_path / "run.toml").write_text(toml)
    line = shell.refused("prune", corpus.name, "--out", "k.jsonl", "--config", "run.toml")
    assert said in line


def test_vectors_go_in_and_come_out(shell: Shell, tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(90, 8)).astype(np.float16)
    np.save(tmp_path / "v.npy", vectors)
    shell.ok("prune", "v.npy", "--budget", "30%", "--out", "kept.npy")
    kept = np.load(tmp_path / "kept.npy")
    assert kept.shape == (27, 8)
    assert kept.dtype == np.float16
    assert {row.tobytes() for row in kept} <= {row.tobytes() for row in vectors}
    assert "vectors alone have no columns" in shell.refused(
        "prune", "v.npy", "--budget", "30%", "--out", "k.npy", "--label", "label"
    )
    assert "to a .npy file" in shell.refused(
        "prune", "v.npy", "--budget", "30%", "--out", "k.jsonl"
    )


def test_rows_may_bring_their_vectors_in_a_file(shell: Shell, corpus: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.random.default_rng(0).normal(size=(200, 8)))
    common = ("prune", corpus.name, "--embedding", "v.npy", "--budget", "30%")
    shell.ok(*common, "--out", "kept.jsonl")
    assert len(read_jsonl(tmp_path / "kept.jsonl")) == 60
    assert shell.ok("verify", "kept.jsonl").out.startswith("same")
    np.save(tmp_path / "v.npy", np.zeros((199, 8)))
    assert "199 vectors for 200 rows" in shell.refused(*common, "--out", "k.jsonl")


def test_a_dry_run_estimates_and_writes_nothing(shell: Shell, corpus: Path, tmp_path: Path) -> None:
    common = ("prune", corpus.name, *OFFLINE, "--budget", "30%", "--out", "k.jsonl", "--dry-run")
    text = shell.ok(*common).out
    for word in ("rows     200", "keep     60", "memory", "time", "embed"):
        assert word in text
    found = json.loads(shell.ok(*common, "--json").out)
    assert found["rows"] == 200
    assert found["seconds"] > 0
    assert not (tmp_path / "k.jsonl").exists()
    assert 'no column "txt"' in shell.refused(*common, "--text", "txt")


def test_score_once_select_many_times(shell: Shell, corpus: Path, tmp_path: Path) -> None:
    shell.ok("score", corpus.name, *OFFLINE, "--id", "id", "--out", "scores.npz")
    direct = shell.ok(
        *("prune", corpus.name, *OFFLINE, "--id", "id", "--budget", "30%", "--out", "kept.jsonl")
    )
    assert "kept 60" in direct.err
    ids = shell.ok("select", "scores.npz", "--budget", "30%", "--ids", "-").out.split()
    assert sorted(ids) == sorted(row["id"] for row in read_jsonl(tmp_path / "kept.jsonl"))
    shell.ok("select", "scores.npz", "--budget", "10%", "--pick", "high", "--out", "hard.npz")
    assert "highest first" in shell.ok("explain", "hard.npz", "--row", "0").out
    assert "exists" in shell.refused("select", "scores.npz", "--budget", "5%", "--out", "hard.npz")
    assert "name --out" in shell.refused("select", "scores.npz", "--budget", "5%")
    report = json.loads(shell.ok("select", "scores.npz", "--budget", "5%", "--json").out)
    assert report["kept"] == 10


def test_recommend_answers_with_evidence(shell: Shell, corpus: Path) -> None:
    common = ("recommend", corpus.name, *OFFLINE, "--label", "label", "--share", "30%")
    text = shell.ok(*common).out
    assert "of 200 rows" in text
    found = json.loads(shell.ok(*common, "--json").out)
    assert found["pick"] in ("high", "low", "mixed", "kcentre", "uniform")
    assert "share is" in shell.refused(*common[:-1], "130%")


def test_recommend_leaves_bad_rows_out_and_needs_labels(shell: Shell, tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    rows = [{"label": "ab"[i % 2], "vec": draw.normal(size=4).tolist()} for i in range(80)]
    rows[3]["vec"] = [0.0] * 4
    write_jsonl(tmp_path / "v.jsonl", rows)
    common = ("recommend", "v.jsonl", "--embedding", "vec", "--label", "label", "--share", "0.3")
    assert "row 3: zero" in shell.refused(*common)
    assert "of 79 rows" in shell.ok(*common, "--on-bad", "drop").out
    np.save(tmp_path / "v.npy", draw.normal(size=(80, 4)))
    said = shell.refused("recommend", "v.npy", "--label", "label", "--share", "30%")
    assert "vectors alone have no labels" in said


def test_score_tells_what_it_found(shell: Shell, corpus: Path, tmp_path: Path) -> None:
    common = ("score", corpus.name, *OFFLINE, "--overwrite", "--out", "s.npz")
    facts = json.loads(shell.ok(*common, "--json").out)
    assert facts["rows"] == 200
    assert facts["lowest"] <= facts["median"] <= facts["highest"]
    assert "time" in shell.ok(*common, "--dry-run").out
    write_jsonl(tmp_path / "none.jsonl", [])
    said = shell.ok("score", "none.jsonl", *OFFLINE, "--out", "n.npz").err
    assert "there were no rows to score" in said


def test_select_keeps_stdout_for_one_thing_and_writes_a_report(
    shell: Shell, corpus: Path, tmp_path: Path
) -> None:
    shell.ok("score", corpus.name, "--method", "random", "--out", "s.npz")
    select = ("select", "s.npz", "--budget", "5%")
    assert "stdout" in shell.refused(*select, "--json", "--ids", "-")
    assert "binary file" in shell.refused(*select, "--out", "-")
    shell.ok(*select, "--report", "r.json", "--quiet")
    assert json.loads((tmp_path / "r.json").read_text())["kept"] == 10
    rows = [{"id": "a\nb", "text": "x"}, {"id": "c", "text": "y"}]
    write_jsonl(tmp_path / "odd.jsonl", rows)
    shell.ok("score", "odd.jsonl", "--method", "random", "--id", "id", "--out", "o.npz")
    assert "line break" in shell.refused("select", "o.npz", "--budget", "100%", "--ids", "-")


def test_concepts_take_their_parameters_from_flags(
    pruned: Callable[..., Done], shell: Shell, tmp_path: Path
) -> None:
    flags = ("--method", "concepts", "--k", "6", "--temperature", "0.05", "--neighbours", "3")
    done = pruned(*flags, "--budget", "30%", "--id", "id", "--out", "kept.jsonl")
    assert "kept 60 of 200 rows" in done.err
    assert "allocate weighted" in done.err
    manifest = json.loads((tmp_path / "kept.jsonl.manifest.json").read_text())
    assert '"temperature": 0.05' in json.dumps(manifest)
    shell.ok("verify", "kept.jsonl")


def test_a_flag_that_a_method_does_not_have_is_named(shell: Shell, corpus: Path) -> None:
    flags = ("--budget", "30%", "--out", "kept.jsonl", "--temperature", "0.05")
    line = shell.refused("prune", corpus.name, *OFFLINE, *flags)
    assert "unknown key 'temperature'" in line
