"""``datapruner dedup`` from file to file: what goes, what stays, what can be asked of it."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from cli.shell import Shell, make_rows, read_jsonl, write_jsonl

import datapruner as dp

COPIES = {"exact": 3, "case": 10, "dropped": 20, "swapped": 30}


def long_rows() -> list[dict[str, Any]]:
    """120 different texts of 60 words, and four copies of a kind each."""
    draw = random.Random(4)
    words = [f"{row['text'].split()[0]}{i}" for i, row in enumerate(make_rows(500, 9))]
    rows = [
        {"id": f"r{i}", "text": " ".join(draw.sample(words, 60)), "stars": i % 7}
        for i in range(120)
    ]
    for kind, row in COPIES.items():
        text = rows[row]["text"].split()
        if kind == "dropped":
            text.pop(25)
        if kind == "swapped":
            text[30], text[31] = text[31], text[30]
        joined = "  ".join(text).upper() if kind == "case" else "  ".join(text)
        rows.append({"id": f"copy {kind}", "text": joined, "stars": 9})
    return rows


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    return write_jsonl(tmp_path / "texts.jsonl", long_rows())


RUN = ("dedup", "texts.jsonl", "--text", "text", "--id", "id", "--embedder", "offline")


def test_one_of_each_pair_stays_and_nothing_else_goes(shell: Shell, texts: Path) -> None:
    done = shell.ok(*RUN, "--out", "kept.jsonl")
    kept = {row["id"] for row in read_jsonl(shell.folder / "kept.jsonl")}
    for kind, row in COPIES.items():
        assert len({f"copy {kind}", f"r{row}"} & kept) == 1, kind
    assert len(kept) == 120
    assert "kept 120 of 124 rows" in done.err
    assert not done.out


def test_explain_names_the_row_the_similarity_and_the_stage(shell: Shell, texts: Path) -> None:
    shell.ok(*RUN, "--keep", "best", "--by", "stars", "--out", "kept.jsonl")
    told = shell.ok("explain", "kept.jsonl", "--id", "r3", "--id", "r10").out
    assert "row 3 (id r3): dropped" in told
    assert "duplicates row 120 (id copy exact), similarity 1 (exact)" in told
    assert "duplicates row 121 (id copy case), similarity 1 (MinHash)" in told
    facts = json.loads(shell.ok("explain", "kept.jsonl", "--id", "r20", "--json").out)
    assert facts["reason"] == "duplicate"
    assert facts["twin"]["id"] == "copy dropped"
    assert facts["twin"]["duplicate_by"] == "MinHash"
    assert facts["twin"]["kept"]
    assert 0.8 <= facts["twin"]["similarity"] < 1


def test_a_run_is_verified_and_the_order_of_the_rows_is_nothing(shell: Shell, texts: Path) -> None:
    shell.ok(*RUN, "--out", "kept.jsonl", "--quiet")
    assert shell.ok("verify", "kept.jsonl").out.startswith("same: ")
    told = json.loads((shell.folder / "kept.jsonl.manifest.json").read_text())
    assert told["config"]["command"] == "dedup"
    assert told["counts"]["reasons"] == {"admitted": 120, "duplicate": 4}
    assert "rensa" in told["versions"]
    rows = long_rows()
    random.Random(1).shuffle(rows)
    write_jsonl(texts, rows)
    shell.ok(*RUN, "--out", "again.jsonl", "--quiet")
    ids = [{r["id"] for r in read_jsonl(shell.folder / f"{n}.jsonl")} for n in ("kept", "again")]
    assert ids[0] == ids[1]


def test_a_budget_is_met_exactly(shell: Shell, texts: Path) -> None:
    for rule in ("leader", "any_earlier", "components"):
        shell.ok(*RUN, "--budget", "50%", "--rule", rule, "--out", "half.jsonl", "--overwrite")
        assert len(read_jsonl(shell.folder / "half.jsonl")) == 62


def test_an_eps_is_suggested_with_pairs_to_look_at(shell: Shell, texts: Path) -> None:
    told = shell.ok(*RUN, "--suggest", "80%", "--quiet").out
    assert "keeps 99 of 124 rows" in told
    assert "dropped at it" in told
    found = json.loads(shell.ok(*RUN, "--suggest", "0.8", "--json").out)
    assert found["kept"] == 99
    assert found["above"][0]["text"]
    assert list(shell.folder.glob("*.npz")) == []


def test_text_stages_alone_embed_nothing(shell: Shell, texts: Path) -> None:
    done = shell.ok(*RUN, "--eps", "0", "--out", "kept.jsonl")
    assert "embedder" not in done.err
    assert len(read_jsonl(shell.folder / "kept.jsonl")) == 120
    shell.ok(*RUN, "--eps", "0", "--jaccard", "1", "--ignore-case", "--out", "exact.jsonl")
    assert len(read_jsonl(shell.folder / "exact.jsonl")) == 122


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ((), "nothing to write"),
        (("--out", "-", "--json"), "drop one of them"),
        (("--out", "k.jsonl", "--eps", "3"), "eps is 3"),
        (("--out", "k.jsonl", "--rule", "most"), "rule is 'most'"),
        (("--out", "k.jsonl", "--keep", "best"), "needs by"),
        (("--out", "k.jsonl", "--keep", "best", "--by", "star"), "star"),
        (("--out", "k.jsonl", "--jaccard", "0"), "jaccard is 0"),
        (("--suggest", "much"), "suggest is 'much'"),
        (("--out", "k.jsonl", "--k", "9000"), "k=9000"),
    ],
)
def test_what_no_run_could_use_is_one_line(
    shell: Shell, texts: Path, flags: tuple[str, ...], says: str
) -> None:
    done = shell(*RUN, *flags)
    assert done.code == 2
    assert says in done.err.splitlines()[-1]
    assert not (shell.folder / "k.jsonl").exists()


def test_from_python_it_is_the_same() -> None:
    rows = long_rows()
    found = dp.dedup(rows, text="text", id="id", embedder="offline")
    assert len(found.apply(rows)) == 120
    texts = [row["text"] for row in rows]
    assert len(dp.dedup(texts, embedder="offline", budget="40%")) == 49
    assert len(dp.dedup(texts, eps=0)) == 120


def test_vectors_alone_have_the_semantic_stage_alone() -> None:
    import numpy as np

    x = np.random.default_rng(0).normal(size=(200, 16)).astype(np.float32)
    x[100:110] = x[:10]
    assert len(dp.dedup(x)) == 190
    with pytest.raises(dp.InputError, match="vectors alone have no text"):
        dp.dedup(x, eps=0)


def data_file(name: str) -> Path:
    named = os.environ.get("DATAPRUNER_DATA")
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    path = (Path(named) if named else beside) / name
    if not path.is_file():
        pytest.skip("the optional data sets are not here; DATAPRUNER_DATA names their folder")
    return path


@pytest.mark.data
def test_labelled_near_duplicates_are_broken_up_and_hardly_anything_else_goes() -> None:
    data = pl.read_parquet(data_file("near_duplicates/articles_1000.parquet"))
    kept = set(dp.dedup(data, text="text", id="id", embedder="offline").ids.tolist())
    pairs = {
        frozenset((a, b))
        for a, others in zip(data["id"], data["duplicate_of"].to_list(), strict=True)
        for b in others or ()
    }
    broken = sum(not pair <= kept for pair in pairs)
    assert broken >= 0.9 * len(pairs)
    assert len(data) - len(kept) - broken <= 2
