from __future__ import annotations

from pathlib import Path

import pytest
from rows import read_lines

from datapruner.dataset.quarantine import Quarantine
from datapruner.dataset.source import BadRow
from datapruner.errors import InputError, OutputError


def _bad(row: int, reason: str = "broken") -> BadRow:
    return BadRow(row, f"a.jsonl line {row + 1}", reason, "x" * 500)


def test_bad_rows_are_written_in_row_order_with_their_reason(tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    quarantine = Quarantine(path)
    quarantine.add(_bad(7), id="seven")
    quarantine.add(_bad(3, "first"), id=3)
    quarantine.add(_bad(3, "second"))
    assert len(quarantine) == 2
    assert not path.exists()
    assert quarantine.close(10) == 2
    first, second = read_lines(path)
    assert first == {
        "row": 3,
        "id": 3,
        "where": "a.jsonl line 4",
        "reason": "first",
        "text": "x" * 200,
    }
    assert (second["row"], second["id"]) == (7, "seven")


def test_no_bad_rows_give_an_empty_file(tmp_path: Path) -> None:
    Quarantine(tmp_path / "bad.jsonl").close(0)
    assert (tmp_path / "bad.jsonl").read_bytes() == b""


def test_one_row_too_many_stops_the_run_and_shows_five(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path / "bad.jsonl", 6)
    for row in range(6):
        quarantine.add(_bad(row))
    with pytest.raises(InputError, match=r"more than 6 bad rows.*line 1: broken.*line 5") as caught:
        quarantine.add(_bad(6))
    assert "line 6" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("n", "fine"), [(10, True), (9, False)])
def test_a_share_is_checked_when_all_rows_are_known(tmp_path: Path, n: int, fine: bool) -> None:
    quarantine = Quarantine(tmp_path / "bad.jsonl", 0.2)
    quarantine.add(_bad(1))
    quarantine.add(_bad(2))
    if fine:
        assert quarantine.close(n) == 2
        return
    with pytest.raises(InputError, match=r"2 of 9 rows are bad, more than 20 %"):
        quarantine.close(n)
    assert list(tmp_path.iterdir()) == []


def test_without_a_path_rows_are_only_counted() -> None:
    quarantine = Quarantine(limit=0.5)
    quarantine.add(_bad(0))
    assert quarantine.close(2) == 1
    assert [bad.row for bad in quarantine.rows] == [0]


@pytest.mark.parametrize("limit", [-1, 1.5, float("nan")])
def test_an_impossible_limit_is_refused(limit: float) -> None:
    with pytest.raises(InputError, match="a limit of"):
        Quarantine(limit=limit)


def test_an_existing_quarantine_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text("old")
    with pytest.raises(OutputError, match="exists"):
        Quarantine(path)
    assert Quarantine(path, overwrite=True).close(0) == 0
