"""A few mutated pages in every run; ten thousand with ``python -m tests.fuzz.html``."""

from __future__ import annotations

from pathlib import Path

import pytest
from fuzz.html import run


def test_mutated_pages_break_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The same pages on every machine, whatever data sets it has; the slow run takes those, too.
    monkeypatch.setenv("DATAPRUNER_DATA", str(tmp_path))
    # Measuring coverage slows everything down several times; a hang takes far longer than this.
    assert run(150, seed=1, most_seconds=15.0) == []


@pytest.mark.slow
def test_ten_thousand_mutated_pages_break_nothing() -> None:
    assert run(10_000, seed=0) == []
