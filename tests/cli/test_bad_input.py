"""Bad input, end to end: a clear line, exit 2, and nothing lost or half written."""

from __future__ import annotations

import gzip
import json
import os
import resource
from pathlib import Path
from typing import Any

import polars
import pytest
import zstandard
from cli.shell import Shell, make_rows, read_jsonl, write_jsonl

OFFLINE = ("--embedder", "offline")
PRUNE = ("--budget", "30%", "--out", "kept.jsonl", *OFFLINE)


def left(folder: Path) -> set[str]:
    """What a run left in its folder, hidden files too."""
    return {p.name for p in folder.iterdir()} - {"corpus.jsonl", ".cache-of-embeddings"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--text", "txet"), 'no column "txet" in corpus.jsonl. Did you mean "text"?'),
        (("--label", "lable"), 'Did you mean "label"?'),
        (("--id", "ids"), 'Did you mean "id"?'),
        (("--cost", "price"), 'no column "price"'),
        (("--embedding", "vec"), "neither a column"),
        (("--k", "500"), "200 usable rows"),
        (("--k", "many"), "--k"),
        (("--method", "prototype"), 'Did you mean "prototypes"?'),
        (("--method", "lexical"), "is for contexts"),
        (("--method", "lexical", "--dry-run"), "Use `datapruner chunks`"),
        (("--pick", "hihg"), 'Did you mean "high"?'),
        (("--allocate", "equals"), 'Did you mean "equal"?'),
        (("--fill", "all"), 'must be "skip" or "stop"'),
        (("--metric", "dot"), 'must be "cosine" or "l2"'),
        (("--device", "gpu"), 'must be "auto", "cpu" or "cuda"'),
        (("--on-bad", "skip"), 'must be "error" or "drop"'),
        (("--bad-limit", "some"), "bad_limit"),
        (("--method", "random", "--k", "3"), "unknown key 'k'"),
        (("--budget", "lots"), "cannot read 'lots'"),
        (("--budget", "0.3"), "could mean a share"),
        (("--budget", "300 tokens", "--cost", "id"), "not a price"),
        (("--out", "nowhere/kept.jsonl"), "no folder"),
        (("--out", "corpus.jsonl", "--overwrite"), "is the input"),
        (("--out", "kept.npy"), "kept rows cannot be written"),
        (("--out", "kept.parquet.gz"), "Parquet compresses its own pages"),
        (("--embedder", "ofline"), 'Did you mean "offline"?'),
        (("--tokens", "nope"), "no token counter"),
        (("--config", "none.toml"), "no file none.toml"),
        (("--cache", "c", "--no-cache"), "exclude each other"),
        (("--nonsense",), "No such option"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    shell: Shell, corpus: Path, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    before = corpus.read_bytes()
    line = shell.refused("prune", corpus.name, *PRUNE, *arguments)
    assert said in line
    assert corpus.read_bytes() == before
    assert left(tmp_path) == set()


def test_a_missing_file_names_the_nearest(shell: Shell, corpus: Path) -> None:
    assert 'Did you mean "corpus.jsonl"?' in shell.refused("prune", "corpus.json", *PRUNE)


def test_an_output_that_exists_is_untouched(shell: Shell, corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "kept.jsonl").write_text("mine")
    assert "exists; pass --overwrite" in shell.refused("prune", corpus.name, *PRUNE)
    assert (tmp_path / "kept.jsonl").read_text() == "mine"
    assert left(tmp_path) == {"kept.jsonl"}
    shell.ok("prune", corpus.name, *PRUNE, "--overwrite")
    assert len(read_jsonl(tmp_path / "kept.jsonl")) == 60


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_found_out_first(
    shell: Shell, corpus: Path, tmp_path: Path
) -> None:
    (tmp_path / "closed").mkdir(mode=0o555)
    line = shell.refused(
        "prune", corpus.name, *OFFLINE, "--budget", "1%", "--out", "closed/k.jsonl"
    )
    assert "no permission" in line


@pytest.mark.parametrize(("n", "kept"), [(0, 0), (1, 0), (2, 0), (4, 1)])
def test_few_rows_are_no_error(shell: Shell, tmp_path: Path, n: int, kept: int) -> None:
    write_jsonl(tmp_path / "few.jsonl", make_rows(n))
    for out in ("few-kept.jsonl", "few-kept.parquet"):
        shell.ok("prune", "few.jsonl", *OFFLINE, "--budget", "30%", "--out", out)
    assert len(read_jsonl(tmp_path / "few-kept.jsonl")) == kept
    assert polars.read_parquet(tmp_path / "few-kept.parquet").height == kept
    shell.ok("prune", "few.jsonl", *OFFLINE, "--budget", "9 tokens", "--out", "t.jsonl")


def test_equal_rows_are_pruned_to_the_exact_number(shell: Shell, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "same.jsonl", [{"text": "the very same words"}] * 50)
    done = shell.ok("prune", "same.jsonl", *PRUNE)
    assert "kept 15 of 50 rows" in done.err


def broken_rows() -> list[Any]:
    rows: list[Any] = [json.dumps(row) for row in make_rows(100)]
    rows[3] = '{"id": "r3", "text": '
    rows[10] = json.dumps({"id": "r10", "text": 7})
    rows[20] = json.dumps({"id": "r20"})
    rows[30] = json.dumps({"id": "r30", "text": "  "})
    rows[40] = "[1, 2]"
    return rows


def test_bad_rows_stop_the_run_by_name_or_go_to_quarantine(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text("\n".join(broken_rows()) + "\n")
    common = ("prune", "bad.jsonl", *PRUNE, "--id", "id")
    line = shell.refused(*common)
    assert "5 of the first 100 rows cannot be used: bad.jsonl line 4: broken JSON" in line
    assert "--on-bad drop" in line
    done = shell.ok(*common, "--on-bad", "drop", "--bad-limit", "5%")
    assert "kept 28 of 95 rows" in done.err
    assert "5 rows could not be used" in done.err
    noted = read_jsonl(tmp_path / "kept.jsonl.quarantine.jsonl")
    assert [row["row"] for row in noted] == [3, 10, 20, 30, 40]
    assert [row["id"] for row in noted][1:4] == ["r10", "r20", "r30"]
    assert "int, not text" in noted[1]["reason"]
    assert "missing" in noted[2]["reason"]
    assert "empty" in noted[3]["reason"]
    manifest = json.loads((tmp_path / "kept.jsonl.manifest.json").read_text())
    assert manifest["counts"]["bad"] == 5
    assert sum(manifest["counts"]["reasons"].values()) == 100
    assert "could not be scored" in shell.ok("explain", "kept.jsonl", "--id", "r20").out
    assert shell.ok("verify", "kept.jsonl").out.startswith("same")


@pytest.mark.parametrize(
    ("limit", "said"), [("4", "more than 4 bad rows"), ("4%", "5 of 100 rows")]
)
def test_too_many_bad_rows_end_the_run(shell: Shell, tmp_path: Path, limit: str, said: str) -> None:
    (tmp_path / "corpus.jsonl").write_text("\n".join(broken_rows()) + "\n")
    line = shell.refused("prune", "corpus.jsonl", *PRUNE, "--on-bad", "drop", "--bad-limit", limit)
    assert said in line
    assert left(tmp_path) == set()


def test_vectors_without_direction_are_named_or_quarantined(shell: Shell, tmp_path: Path) -> None:
    vectors: list[list[float | None]] = [[float(i % 7), 1.0, float(i % 3)] for i in range(60)]
    vectors[5] = [float("nan"), 1.0, 1.0]
    vectors[6] = [float("inf"), 1.0, 1.0]
    vectors[7] = [0.0, 0.0, 0.0]
    vectors[8] = [1.0]
    frame = polars.DataFrame({"id": range(60), "vec": vectors})
    frame.write_parquet(tmp_path / "v.parquet")
    common = ("prune", "v.parquet", "--embedding", "vec", "--budget", "50%", "--out", "k.parquet")
    assert 'row 8: "vec" is not 3 numbers' in shell.refused(*common, "--id", "id")
    shell.ok(*common, "--id", "id", "--on-bad", "drop")
    noted = read_jsonl(tmp_path / "k.parquet.quarantine.jsonl")
    reasons = {row["id"]: row["reason"] for row in noted}
    assert set(reasons) == {5, 6, 7, 8}
    assert "NaN" in reasons[5]
    assert "infinity" in reasons[6]
    assert "no length" in reasons[7]
    kept = polars.read_parquet(tmp_path / "k.parquet")
    assert kept.height == 28
    assert not set(kept["id"]) & {5, 6, 7, 8}


def test_vectors_that_are_all_bad_say_so(shell: Shell, tmp_path: Path) -> None:
    frame = polars.DataFrame({"vec": [[0.0, 0.0]] * 12})
    frame.write_parquet(tmp_path / "v.parquet")
    common = ("prune", "v.parquet", "--embedding", "vec", "--budget", "50%", "--out", "k.parquet")
    assert "12 of 12 vectors cannot be used" in shell.refused(*common)
    assert "kept 0 of 0 rows" in shell.ok(*common, "--on-bad", "drop").err


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_a_truncated_stream_is_no_short_file(shell: Shell, tmp_path: Path, ending: str) -> None:
    text = "".join(json.dumps(row) + "\n" for row in make_rows(3000)).encode()
    packed = gzip.compress(text) if ending == ".gz" else zstandard.compress(text)
    (tmp_path / f"c.jsonl{ending}").write_bytes(packed[: len(packed) // 2])
    line = shell.refused("prune", f"c.jsonl{ending}", *PRUNE)
    assert "truncated or corrupt" in line
    assert not (tmp_path / "kept.jsonl").exists()


def test_a_full_disk_leaves_nothing(doomed: Shell, corpus: Path, tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))

    plain = ("--method", "random")  # no vectors, so the output is the first large file
    line = doomed.refused("prune", corpus.name, *PRUNE, *plain, preexec_fn=limit)
    assert "disk full" in line
    assert left(tmp_path) == set()
    line = doomed.refused("prune", corpus.name, *PRUNE, "--no-cache", preexec_fn=limit)
    assert "File too large" in line or "disk full" in line
    assert left(tmp_path) == set()
