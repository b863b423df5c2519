"""``datapruner chunks``: a file of chunks for one query, and a stream of jobs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli.shell import Inside, Shell, read_jsonl, write_jsonl

QUERY = "What is the capital of France?"
CHUNKS: list[dict[str, Any]] = [
    {"id": "it", "text": "Rome is the capital of Italy. It had 3 kings."},
    {"id": "fr", "text": "Paris is the capital of France. It lies on the Seine."},
]
JOBS: list[dict[str, Any]] = [
    {"id": "a", "query": QUERY, "chunks": CHUNKS},
    {"query": "Who purrs?", "chunks": ["Dogs bark. Cats purr.", "Nothing."]},
]


@pytest.fixture
def jobs(tmp_path: Path) -> Path:
    return write_jsonl(tmp_path / "jobs.jsonl", JOBS)


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_jobs_give_a_line_each_with_what_was_kept_and_dropped(shell: Inside, jobs: Path) -> None:
    done = shell.ok("chunks", jobs.name, "--budget", "8 tokens")
    first, second = lines(done.out)
    assert first["id"] == "a"
    assert first["text"] == "Paris is the capital of France. "
    assert first["tokens"] == 7
    assert [k["chunk"] for k in first["kept"]] == ["fr"]
    assert set(first["kept"][0]) == {"chunk", "start", "end", "score", "reason"}
    assert {d["reason"] for d in first["dropped"]} == {"cost"}
    assert second["id"] == 1
    assert second["tokens"] <= 8
    total = first["tokens"] + second["tokens"]
    assert f"kept {total} of 33 tokens" in done.err
    assert "of 2 jobs" in done.err


def test_a_file_of_chunks_for_one_query(shell: Inside, tmp_path: Path) -> None:
    path = tmp_path / "chunks.jsonl"
    path.write_text(json.dumps("Dogs bark.") + "\n\n" + json.dumps(CHUNKS[1]) + "\n")
    done = shell.ok("chunks", path.name, "--query", QUERY, "--budget", "1 sentence")
    (made,) = lines(done.out)
    assert made["id"] is None
    assert [k["chunk"] for k in made["kept"]] == ["fr"]


def test_a_text_file_is_one_chunk(shell: Inside, tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("# Cats\nCats purr. Dogs bark.\n", encoding="utf-8")
    done = shell.ok("chunks", "page.md", "--query", "Who purrs?", "--budget", "6 tokens")
    assert lines(done.out)[0]["text"] == "# Cats\nCats purr. "


def test_stdin_is_read_as_json_lines(process: Shell) -> None:
    given = "".join(json.dumps(job) + "\n" for job in JOBS)
    done = process.ok("chunks", "-", "--budget", "8 tokens", "-q", stdin=given)
    assert len(lines(done.out)) == 2
    assert done.err == ""


def test_out_is_a_file_that_appears_whole(shell: Inside, jobs: Path) -> None:
    done = shell.ok("chunks", jobs.name, "--out", "kept.jsonl", "--threshold", "0.5")
    assert done.out == ""
    assert len(read_jsonl(shell.folder / "kept.jsonl")) == 2
    assert "pass --overwrite" in shell.refused("chunks", jobs.name, "--out", "kept.jsonl")
    shell.ok("chunks", jobs.name, "--out", "kept.jsonl", "--overwrite")


def test_explain_tells_every_sentence_on_stderr(shell: Inside, jobs: Path) -> None:
    done = shell.ok("chunks", jobs.name, "--budget", "8 tokens", "--explain")
    assert len(lines(done.out)) == 2
    assert "jobs.jsonl, line 1 (job a)" in done.err
    assert "+ fr:0" in done.err
    assert "- it:0" in done.err


def test_every_option_reaches_the_pruner(shell: Inside, jobs: Path) -> None:
    done = shell.ok(
        *("chunks", jobs.name, "--budget", "40 characters, 2 per group", "--method", "lexical"),
        *("--counter", "characters", "--order", "score", "--fill", "stop", "--neighbours", "1"),
        *("--antecedents", "--on-empty", "top1", "--gap", "...", "--hidden", "drop"),
        *("--language", "en", "--seed", "3", "--pin", "title", "--pin", "Cats"),
    )
    for made in lines(done.out):
        assert len(made["text"]) == made["tokens"] <= 40
    assert "Cats purr." in lines(done.out)[1]["text"]
    none = shell.ok("chunks", jobs.name, "--budget", "8 tokens", "--pin", "none")
    assert lines(none.out)[0]["tokens"] == 7


def test_surrogates_and_hidden_characters_come_through(shell: Inside, tmp_path: Path) -> None:
    path = tmp_path / "odd.jsonl"
    path.write_text(
        '{"id": "s", "query": "cats", "chunks": ["Cats \\ud800 purr. Dogs\\u200b bark."]}\n'
    )
    (made,) = lines(shell.ok("chunks", path.name, "--budget", "9 tokens").out)
    assert "\ud800" in made["text"]
    assert made["flags"] == ["hidden"]


@pytest.mark.parametrize(
    ("content", "more", "told"),
    [
        ("{", (), "odd.jsonl, line 1 is no JSON"),
        ('"text"', (), "is no job"),
        ('{"id": 1, "text": "a"}', (), "give --query"),
        ('{"query": 3, "chunks": []}', (), "the query is a int"),
        ('{"query": "q", "chunks": [4]}', (), "line 1 (job 0): chunk 0 is a int"),
        (
            '{"id": "p", "query": "q", "chunks": ["It had 3 kings."]}',
            ("--pin", "numbers", "--budget", "2 tokens"),
            "(job p): ",
        ),
        ("{}", ("--budget", "ten"), "cannot read 'ten'"),
        ("{}", ("--method", "lexicl"), "lexical"),
        ("{}", ("--pin", "("), "nor a pattern"),
        ("{}", ("--out", "odd.jsonl"), "is what is read"),
    ],
)
def test_what_is_wrong_is_named_and_exits_with_2(
    shell: Inside, tmp_path: Path, content: str, more: tuple[str, ...], told: str
) -> None:
    (tmp_path / "odd.jsonl").write_text(content + "\n")
    assert told in shell.refused("chunks", "odd.jsonl", *more)


def test_files_that_are_none(shell: Inside, tmp_path: Path) -> None:
    assert "missing.jsonl" in shell.refused("chunks", "missing.jsonl")
    (tmp_path / "folder").mkdir()
    assert "is a folder" in shell.refused("chunks", "folder")
    (tmp_path / "latin.jsonl").write_bytes(b'{"query": "\xe9"}\n')
    assert "line 1 is no UTF-8" in shell.refused("chunks", "latin.jsonl")
    (tmp_path / "latin.txt").write_bytes(b"\xe9")
    assert "is no UTF-8" in shell.refused("chunks", "latin.txt", "--query", "q")


def test_a_scorer_that_fails_is_a_warning(
    shell: Inside, jobs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datapruner.scorers.lexical import Lexical

    def fail(*args: Any, **options: Any) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(Lexical, "__call__", fail)
    done = shell.ok("chunks", jobs.name, "--budget", "8 tokens", "--method", "lexical")
    assert "warning: jobs.jsonl, line 1 (job a): the scorer failed" in done.err
    assert lines(done.out)[0]["flags"] == ["scorer_failed"]


def test_no_jobs_are_no_error(shell: Inside, tmp_path: Path) -> None:
    (tmp_path / "none.jsonl").write_text("\n")
    done = shell.ok("chunks", "none.jsonl")
    assert done.out == ""
    assert "kept 0 of 0 tokens of 0 jobs" in done.err


def test_a_method_reads_with_the_model_that_is_named(shell: Inside, jobs: Path) -> None:
    asked = ("chunks", jobs.name, "--budget", "8 tokens", "--method", "semantic")
    assert lines(shell.ok(*asked, "--model", "offline").out)[0]["text"]
    assert "no-such-model" in shell.refused(*asked, "--model", "no-such-model")
    assert "reads with no model" in shell.refused(*asked[:-1], "lexical", "--model", "m")
