"""The table in docs/scale.md is what the script prints from the committed result."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.dataset.scale_estimate import estimate, run  # noqa: E402 (after the path is set)

FIGURES = {
    "minilm_s": 1e-2,
    "offline_s": 1e-4,
    "minhash_s": 2e-5,
    "scan_s": 1e-6,
    "select_s": 1e-7,
    "train_s_per_row_centroid": 1e-8,
    "assign": {"fixed": 1e-6, "slope": 1e-8},
    "compare": {"fixed": 5e-6, "slope": 1e-8},
    "driver_bytes": 70.0,
    "slim_bytes": 24.0,
}


def test_the_page_shows_the_table_of_the_newest_result():
    page = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    shown = page.split("<!-- estimate: begin -->")[1].split("<!-- estimate: end -->")[0]
    assert shown.strip() == run.block(estimate.Assumptions())


def test_costs_follow_the_formulas():
    cost = estimate.stages(FIGURES, 10**8)
    assert cost["embed, MiniLM"] == pytest.approx(1e6)
    assert cost["assign to concepts, twice"] == pytest.approx(2 * 10**8 * (1e-6 + 500e-8))
    assert cost["train concepts"] == pytest.approx(256 * 500 * 500 * 20 * 1e-8)
    assert cost["assign to them"] == pytest.approx(10**8 * (1e-6 + 10_000e-8))
    assert cost["compare inside them"] == pytest.approx(10**8 * (5e-6 + 10_000e-8))
    assumed = estimate.Assumptions(cores=10, driver_cores=2, used=0.5)
    assert estimate.hours(3600.0, 1800.0, assumed) == pytest.approx(0.2 + 0.5)


def test_assumptions_change_the_table():
    plain = estimate.table(FIGURES, estimate.Assumptions())
    assert plain.count("\n") == 25
    assert estimate.table(FIGURES, estimate.Assumptions(price=0.08)) != plain
