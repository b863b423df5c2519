"""Selection: apply, cut, ids, explain, save and load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datapruner.core.archive import write_archive
from datapruner.core.items import Items
from datapruner.core.reason import Reason
from datapruner.core.scores import Scores
from datapruner.core.select import select
from datapruner.core.selection import Selection
from datapruner.errors import BudgetError, FormatError, InputError


def selection(budget: str = "3 items", **choices: Any) -> Selection:
    items = Items.of(
        6, id=[10, 11, 12, 13, 14, 15], cost=[1, 2, 3, 1, 2, 3], unit="tokens", group=list("xxxyyy")
    )
    return select(Scores(np.array([5.0, 1, 4, 0, 3, 2]), items), budget, **choices)


def test_it_counts_and_names_what_is_kept() -> None:
    kept = selection()
    assert len(kept) == 3
    assert kept.order.tolist() == [0, 2, 4]
    assert kept.ids.tolist() == [10, 12, 14]
    assert kept.indices.tolist() == [0, 2, 4]
    assert kept.cost == 6
    assert repr(kept) == "Selection(3 of 6 kept, given, 3 items)"


def test_no_rows_are_an_empty_selection() -> None:
    none = select(Scores(np.zeros(0), Items.of(0)), "30%")
    assert len(none) == 0
    assert none.ids.tolist() == []
    assert none.cost == 0
    assert len(none.cut("10%")) == 0
    with pytest.raises(InputError, match=r"no row 0; the selection has no rows at all"):
        none.explain(0)
    with pytest.raises(InputError, match=r"no row has the id 'a'; the selection has no rows"):
        none.row_of("a")


def test_apply_takes_the_kept_rows_of_a_list() -> None:
    assert selection().apply(list("abcdef")) == ["a", "c", "e"]


@pytest.mark.parametrize("id", [12, "12", np.int64(12)])
def test_an_id_is_found_however_it_is_written(id: Any) -> None:
    assert selection().row_of(id) == 2


def test_an_id_nobody_has_says_what_ids_look_like() -> None:
    with pytest.raises(InputError, match=r"no row has the id 99; ids look like 10, 11, 12\."):
        selection().row_of(99)


def test_rows_count_from_the_end_too() -> None:
    kept = selection()
    assert kept.explain(-1) == kept.explain(5)
    for row in (6, -7):
        with pytest.raises(InputError, match=rf"no row {row}; rows go from 0 to 5"):
            kept.explain(row)


def test_a_cut_takes_the_best_and_shares_are_of_all_rows() -> None:
    kept = selection("6 items")
    assert kept.cut("50%").order.tolist() == [0, 2, 4]
    assert kept.cut("4 tokens").order.tolist() == [0, 2]
    assert kept.cut("2 items").provenance.budget == "6 items; cut to 2 items"
    assert kept.cut("4 items").cut("2 items").order.tolist() == [0, 2]


def test_a_cut_keeps_earlier_reasons_and_the_tighter_limits() -> None:
    kept = selection("5 items, threshold 1")
    cut = kept.cut("4 tokens")
    assert [Reason(int(r)).name for r in cut.reasons] == [
        "ADMITTED", "STOPPED", "ADMITTED", "THRESHOLD", "COST", "STOPPED",
    ]  # fmt: skip
    assert cut.provenance.limits["threshold"] == 1
    assert cut.provenance.limits["count"] == 5
    assert cut.provenance.limits["cost"] == 4
    assert "beyond the threshold 1" in cut.explain(3)
    assert cut.cut("100 tokens").provenance.limits["cost"] == 4


@pytest.mark.parametrize("budget", ["1 per group", "floor 1", "threshold 2"])
def test_a_cut_by_group_or_score_is_refused_not_ignored(budget: str) -> None:
    with pytest.raises(BudgetError, match=rf"cannot cut to {budget}.*select again"):
        selection().cut(budget)


def test_a_cut_below_the_pinned_rows_is_an_error() -> None:
    items = Items.of(3, pinned=[True, True, False])
    with pytest.raises(BudgetError, match=r"2 pinned rows"):
        select(Scores(np.zeros(3), items), "3 items").cut("1 items")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"order": None}, r"'order'"),
        ({"reasons": np.zeros(5, np.uint8)}, r"its reasons do not fit its rows"),
        ({"reasons": np.full(6, 99, np.uint8)}, r"its reasons do not fit its rows"),
        ({"order": np.array([6])}, r"its order names rows that are not there"),
        ({"order": np.array([[1]])}, r"its order names rows that are not there"),
    ],
)
def test_a_file_whose_parts_do_not_fit_is_damaged(
    tmp_path: Path, change: dict[str, Any], told: str
) -> None:
    kept = selection()
    path = tmp_path / "k.npz"
    header, arrays = kept.scores.to_archive()
    header["provenance"] = {**vars(kept.provenance), "notes": []}
    parts = arrays | {"order": kept.order, "reasons": kept.reasons} | change
    write_archive(path, "selection", header, {k: v for k, v in parts.items() if v is not None})
    with pytest.raises(FormatError, match=told):
        Selection.load(path)


@pytest.mark.parametrize("provenance", [None, {}, {"notes": [], "who": 1}, 7])
def test_a_file_without_a_provenance_is_damaged(tmp_path: Path, provenance: Any) -> None:
    kept = selection()
    header, arrays = kept.scores.to_archive()
    header["provenance"] = provenance
    arrays |= {"order": kept.order, "reasons": kept.reasons}
    write_archive(tmp_path / "k.npz", "selection", header, arrays)
    with pytest.raises(FormatError, match=r"k\.npz is damaged.*Make it again"):
        Selection.load(tmp_path / "k.npz")


def test_scores_are_no_selection(tmp_path: Path) -> None:
    selection().scores.save(tmp_path / "s.npz")
    with pytest.raises(FormatError, match=r"'datapruner\.scores', not datapruner\.selection"):
        Selection.load(tmp_path / "s.npz")
