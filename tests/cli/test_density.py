"""``datapruner prune --method density`` from file to file, by flags and by one TOML file."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from cli.shell import Inside, make_rows, read_jsonl, write_jsonl

COPIES, ROWS = 20, 140


def rated_rows() -> list[dict[str, Any]]:
    """120 texts with a rating of nine levels, and copies of twenty of them."""
    draw = random.Random(2)
    rows = [{**row, "clip_score": draw.randint(0, 8) / 8} for row in make_rows(ROWS - COPIES, 5)]
    copies = [{**rows[i], "id": f"copy{i}"} for i in range(COPIES)]
    return rows + copies


@pytest.fixture
def rated(tmp_path: Path) -> Path:
    return write_jsonl(tmp_path / "rated.jsonl", rated_rows())


PRUNE = ("prune", "rated.jsonl", "--embedder", "offline", "--id", "id", "--method", "density")
HOW = ("--quality", "clip_score", "--quality-share", "60%", "--eps", "0.01", "--keep", "best")
HOW += ("--k", "4", "--temperature", "0.05", "--clusters", "again", "--rule", "any_earlier")
TOML = """
method = "density"
budget = "20%"
id = "id"
embedder = "offline"
quality = "clip_score"
quality-share = "60%"
eps = 0.01
keep = "best"
k = 4
temperature = 0.05
clusters = "again"
rule = "any_earlier"
"""


def test_the_budget_is_met_and_every_row_has_its_reason(shell: Inside, rated: Path) -> None:
    done = shell.ok(*PRUNE, *HOW, "--budget", "20%", "--out", "kept.jsonl")
    kept = read_jsonl(shell.folder / "kept.jsonl")
    assert len(kept) == ROWS // 5
    told = json.loads((shell.folder / "kept.jsonl.manifest.json").read_text())["counts"]["reasons"]
    assert told["duplicate"] >= COPIES
    left = ROWS - told["duplicate"]
    assert told["quality"] == left - int(0.6 * left + 1e-9)
    assert 'too low in "clip_score"' in done.err
    texts = [row["text"] for row in kept]
    assert len(set(texts)) == len(texts)


def test_flags_and_one_toml_file_give_the_same_bytes(shell: Inside, rated: Path) -> None:
    (shell.folder / "prune.toml").write_text(TOML)
    shell.ok(*PRUNE, *HOW, "--budget", "20%", "--out", "a.jsonl", "--quiet")
    shell.ok("prune", "rated.jsonl", "--config", "prune.toml", "--out", "b.jsonl", "--quiet")
    for end in ("", ".selection.npz"):
        first, second = (shell.folder / f"{name}.jsonl{end}" for name in "ab")
        assert first.read_bytes() == second.read_bytes()
    assert shell.ok("verify", "b.jsonl").out.startswith("same: ")


def test_explain_tells_the_copy_and_the_quality(shell: Inside, rated: Path) -> None:
    shell.ok(*PRUNE, *HOW, "--budget", "20%", "--out", "kept.jsonl", "--quiet")
    manifest = json.loads((shell.folder / "kept.jsonl.manifest.json").read_text())
    assert manifest["config"]["params"]["quality_share"] == 0.6
    facts = [
        json.loads(shell.ok("explain", "kept.jsonl", "--id", row["id"], "--json").out)
        for row in rated_rows()
    ]
    copy = next(f for f in facts if f["reason"] == "duplicate")
    told = shell.ok("explain", "kept.jsonl", "--id", copy["id"]).out
    assert f"duplicates row {copy['twin']['row']} (id {copy['twin']['id']}), similarity " in told
    poor = next(f for f in facts if f["reason"] == "quality")
    assert poor["quality"]["column"] == "clip_score"
    assert poor["quality"]["value"] <= poor["quality"]["limit"]
    assert "too low in" in poor["rule"]
    kept = next(f for f in facts if f["kept"])
    assert kept["rows"] == sum(f["reason"] not in ("duplicate", "quality") for f in facts)
    assert kept["quality"]["value"] >= kept["quality"]["limit"]


def test_scores_are_cut_later_as_they_would_have_been_now(shell: Inside, rated: Path) -> None:
    shell.ok("score", *PRUNE[1:], *HOW, "--out", "scores.npz", "--quiet")
    shell.ok("select", "scores.npz", "--budget", "20%", "--ids", "kept.txt", "--quiet")
    shell.ok(*PRUNE, *HOW, "--budget", "20%", "--out", "kept.jsonl", "--quiet")
    ids = (shell.folder / "kept.txt").read_text().split()
    assert set(ids) == {row["id"] for row in read_jsonl(shell.folder / "kept.jsonl")}


def test_a_csv_of_texts_holds_numbers_too(shell: Inside, rated: Path) -> None:
    lines = [f"{r['id']},{r['text']},{r['clip_score']}\n" for r in rated_rows()]
    (shell.folder / "rated.csv").write_text("id,text,clip_score\n" + "".join(lines))
    shell.ok(*PRUNE, *HOW, "--budget", "20%", "--out", "a.jsonl", "--quiet")
    csv = ("prune", "rated.csv", *PRUNE[2:])
    shell.ok(*csv, *HOW, "--budget", "20%", "--out", "b.csv", "--quiet")
    ids = [line.split(",")[0] for line in (shell.folder / "b.csv").read_text().splitlines()[1:]]
    assert ids == [row["id"] for row in read_jsonl(shell.folder / "a.jsonl")]


def test_rows_without_a_rating_are_refused_or_left_out(shell: Inside, rated: Path) -> None:
    rows = rated_rows()
    rows[3]["clip_score"], rows[8]["clip_score"] = None, "good"
    write_jsonl(rated, rows)
    run = (*PRUNE, *HOW, "--budget", "20%", "--out", "kept.jsonl")
    told = shell.refused(*run)
    assert 'row 3: "clip_score" is not a finite number' in told
    assert "row 8" in told
    done = shell.ok(*run, "--on-bad", "drop")
    assert "2 rows could not be used" in done.err
    assert len(read_jsonl(shell.folder / "kept.jsonl")) == (ROWS - 2) // 5
    bad = (shell.folder / "kept.jsonl.quarantine.jsonl").read_text()
    assert bad.count("is not a finite number") == 2


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--quality", "clip_scor"), 'no column "clip_scor"'),
        (("--quality", "clip_score", "--quality-share", "160%"), "quality_share is '160%'"),
        (("--quality", "clip_score", "--quality-share", "0"), "quality_share is 0.0"),
        (("--quality-share", "60%"), "no column to go by"),
        (("--keep", "best"), "no column to go by"),
        (("--by", "clip_score"), "method 'density' has an unknown key 'by'"),
        (("--clusters", "twice"), "clusters is 'twice'"),
        (("--eps", "2"), "eps is 2"),
        (("--method", "concepts", "--quality", "clip_score"), "'concepts' has an unknown key"),
    ],
)
def test_what_cannot_run_is_refused(shell: Inside, rated: Path, flags: Any, says: str) -> None:
    assert says in shell.refused(*PRUNE, "--budget", "20%", "--out", "kept.jsonl", *flags)
    assert not (shell.folder / "kept.jsonl").exists()


def test_duplicates_go_by_a_column_from_prune_too(shell: Inside, rated: Path) -> None:
    rows = rated_rows()
    for row in rows[-COPIES:]:
        row["clip_score"] = 2
    write_jsonl(rated, rows)
    run = (*PRUNE[:-1], "duplicates", "--budget", "everything", "--out", "kept.jsonl")
    shell.ok(*run, "--keep", "best", "--by", "clip_score", "--eps", "0.001", "--quiet")
    kept = {row["id"] for row in read_jsonl(shell.folder / "kept.jsonl")}
    assert {f"copy{i}" for i in range(COPIES)} <= kept
    assert not {f"r{i}" for i in range(COPIES)} & kept


def test_an_empty_input_gives_an_empty_output(shell: Inside) -> None:
    write_jsonl(shell.folder / "rated.jsonl", [])
    shell.ok(*PRUNE, "--quality", "clip_score", "--budget", "20%", "--out", "kept.jsonl")
    assert read_jsonl(shell.folder / "kept.jsonl") == []
