"""Reasons: one byte a row, kept below ten."""

from __future__ import annotations

from datapruner.core.reason import Reason


def test_kept_reasons_are_those_below_ten() -> None:
    kept = ["ADMITTED", "PINNED", "ANCESTOR", "NEIGHBOUR", "FALLBACK"]
    assert [r.name for r in Reason if r.is_kept] == kept
    assert all((r < 10) == r.is_kept for r in Reason)
    assert max(Reason) < 256
