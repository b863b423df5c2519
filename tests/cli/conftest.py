"""What the end-to-end tests share: a small corpus, and the command line."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from cli.shell import Done, Inside, Shell, make_rows, write_jsonl


@pytest.fixture
def process(tmp_path: Path) -> Shell:
    """The command line as a process of its own."""
    cache = tmp_path / ".cache-of-embeddings"
    environment = {**os.environ, "DATAPRUNER_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
    return Shell(tmp_path, environment)


@pytest.fixture
def doomed(process: Shell) -> Shell:
    """A process that will be killed or starved of disk: it must not write coverage data, too."""
    kept = {k: v for k, v in process.environment.items() if not k.startswith("COVERAGE")}
    return Shell(process.folder, kept)


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Inside:
    """The command line called in this process, where a process of its own is not the point."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATAPRUNER_CACHE", str(tmp_path / ".cache-of-embeddings"))
    return Inside(tmp_path, {}, capsys)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write_jsonl(tmp_path / "corpus.jsonl", make_rows(200))


@pytest.fixture
def pruned(shell: Inside, corpus: Path) -> Callable[..., Done]:
    """``prune corpus.jsonl`` with the offline embedder and what else a test wants."""

    def run(*more: str) -> Done:
        return shell.ok("prune", corpus.name, "--embedder", "offline", *more)

    return run
