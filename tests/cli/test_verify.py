"""``datapruner verify``, ``methods``, ``--help`` and start-up."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cli.shell import Done, Shell, make_rows, write_jsonl

from datapruner.methods import METHODS, PICKERS


@pytest.fixture
def manifest(pruned: Callable[..., Done], tmp_path: Path) -> Path:
    pruned("--budget", "30%", "--id", "id", "--out", "kept.jsonl")
    return tmp_path / "kept.jsonl.manifest.json"


def test_an_untouched_run_is_the_same(shell: Shell, manifest: Path) -> None:
    assert shell.ok("verify", "kept.jsonl").out.startswith("same: kept.jsonl.manifest.json")
    found = json.loads(shell.ok("verify", manifest.name, "--json", "--quiet").out)
    assert found == {"manifest": manifest.name, "same": True, "differences": []}


def test_a_changed_input_is_told(shell: Shell, manifest: Path, corpus: Path) -> None:
    write_jsonl(corpus, make_rows(201))
    done = shell("verify", "kept.jsonl")
    assert done.code == 2
    assert done.err.splitlines()[-1].startswith("datapruner: error: kept.jsonl.manifest.json: ")
    assert "input: sha256 " in done.out
    assert "rows read: 200 then, 201 now" in done.out


def test_an_edited_digest_is_told(shell: Shell, manifest: Path) -> None:
    told = json.loads(manifest.read_text())
    told["kept_ids"] = "0" * 64
    manifest.write_text(json.dumps(told))
    done = shell("verify", "kept.jsonl")
    assert done.code == 2
    assert done.out.startswith("kept ids: sha256 000000000000 then, sha256 ")
    assert "1 thing differs" in done.err


def test_a_changed_output_is_told(shell: Shell, manifest: Path, tmp_path: Path) -> None:
    with (tmp_path / "kept.jsonl").open("a") as file:
        file.write("{}\n")
    done = shell("verify", "kept.jsonl")
    assert done.code == 2
    assert "kept.jsonl is not the file that was written" in done.out


def test_files_that_moved_together_still_verify(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work" / "runs").mkdir(parents=True)
    write_jsonl(tmp_path / "work" / "rows.jsonl", make_rows(60))
    monkeypatch.chdir(tmp_path / "work")
    shell.ok(
        *("prune", "rows.jsonl", "--method", "random", "--budget", "30%"),
        *("--out", "runs/kept.csv"),
    )
    shutil.move(tmp_path / "work", tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path)
    assert shell.ok("verify", "elsewhere/runs/kept.csv").out.startswith("same")
    # Another file of that name lies here: the digest tells which was meant.
    write_jsonl(tmp_path / "rows.jsonl", make_rows(9))
    assert shell.ok("verify", "elsewhere/runs/kept.csv").out.startswith("same")
    flat = tmp_path / "flat"
    flat.mkdir()
    for path in (tmp_path / "elsewhere" / "rows.jsonl", *(tmp_path / "elsewhere/runs").iterdir()):
        shutil.copy(path, flat)
    monkeypatch.chdir(flat.parent)
    (tmp_path / "rows.jsonl").unlink()
    assert shell.ok("verify", "flat/kept.csv.manifest.json").out.startswith("same")


def test_what_cannot_be_verified_is_explained(
    shell: Shell, manifest: Path, corpus: Path, tmp_path: Path
) -> None:
    assert "no manifest" in shell.refused("verify", "corpus.jsonl")
    assert "no manifest" in shell.refused("verify", "nothing.jsonl")
    corpus.rename(tmp_path / "gone.jsonl")
    assert "cannot find the input corpus.jsonl" in shell.refused("verify", "kept.jsonl")
    manifest.write_text("{")
    assert "is not a manifest" in shell.refused("verify", "kept.jsonl")
    manifest.write_text("{}")
    assert "not a datapruner manifest" in shell.refused("verify", "kept.jsonl")


def test_explain_says_what_is_missing(shell: Shell, manifest: Path, tmp_path: Path) -> None:
    assert "which row?" in shell.refused("explain", "kept.jsonl")
    assert "no row has the id 'r999'" in shell.refused("explain", "kept.jsonl", "--id", "r999")
    assert "there is no row 200" in shell.refused("explain", "kept.jsonl", "--row", "200")
    assert "no file none.jsonl" in shell.refused("explain", "none.jsonl", "--row", "0")
    assert "no selection beside" in shell.refused("explain", "corpus.jsonl", "--row", "0")
    (tmp_path / "kept.jsonl.selection.npz").write_bytes(b"PK\x05\x06")
    assert "kept.jsonl.selection.npz" in shell.refused("explain", "kept.jsonl", "--row", "0")


def test_methods_lists_the_registry(shell: Shell) -> None:
    text = shell.ok("methods").out
    for name in (*METHODS, *PICKERS):
        assert f"\n  {name} " in text
    found = json.loads(shell.ok("methods", "--json").out)
    assert [entry["name"] for entry in found["methods"]] == list(METHODS)
    assert [entry["name"] for entry in found["picks"]] == list(PICKERS)


def test_help_answers_without_anything_heavy() -> None:
    code = (
        "import sys; from datapruner.cli import main; main(['--help'])\n"
        "heavy = {'numpy', 'torch', 'faiss', 'sklearn', 'polars', 'pyarrow', 'rich', 'pandas'}\n"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    begun = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    spent = time.monotonic() - begun
    assert done.stderr == ""
    for command in ("prune", "score", "select", "explain", "methods", "verify", "recommend"):
        assert f"\n  {command} " in done.stdout
    assert spent < 5  # 0.3 s on an idle machine; the module list above is the real check


def test_no_command_shows_the_help(shell: Shell) -> None:
    assert "Commands:" in shell.ok().out
    assert "Did you mean 'prune'? See datapruner --help." in shell.refused("prun")


def test_the_version_is_told(shell: Shell) -> None:
    assert shell.ok("--version").out.startswith("datapruner ")


def test_an_error_of_ours_names_debug(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr("datapruner.core.scores.Scores.load", fail)
    select = ("select", "s.npz", "--budget", "5%", "--json")
    done = shell(*select)
    assert done.code == 1
    assert "internal error: RuntimeError: boom" in done.err
    assert "--debug" in done.err
    assert "Traceback" not in done.err
    assert "Traceback" in shell(*select, "--debug").err
