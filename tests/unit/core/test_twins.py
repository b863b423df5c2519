"""Twins: what fits together, what is saved, and what explain and the pick make of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datapruner.core.archive import read_archive, write_archive
from datapruner.core.explain import twin_text
from datapruner.core.items import Items
from datapruner.core.reason import Reason
from datapruner.core.scores import Scores
from datapruner.core.select import select
from datapruner.core.selection import Selection
from datapruner.core.twins import Twins
from datapruner.errors import FormatError, ScoreError

# Row 1 repeats 0, row 2 repeats 1, row 3 is nearest to 0, row 4 was compared with nobody.
ROW, SIMILARITY, STAGE = [-1, 0, 1, 0, -1], [0, 1, 0.97, 0.5, 0], [0, 1, 2, 0, 0]


def twins(**change: Any) -> Twins:
    given = {
        "row": np.array(ROW),
        "similarity": np.array(SIMILARITY),
        "stage": np.array(STAGE),
        "stages": ("exact", "semantic"),
    }
    return Twins(**{**given, **change})


def scores(**change: Any) -> Scores:
    items = Items.of(5, id=list("abcde"), **change)
    return Scores(np.array([0, 1, 0.97, 0.5, 0]), items, "more redundant", "mine", twins=twins())


def test_columns_have_their_types() -> None:
    found = twins()
    assert (found.row.dtype, found.similarity.dtype, found.stage.dtype) == ("i8", "f4", "u1")
    assert found.is_duplicate.tolist() == [False, True, True, False, False]
    empty = Twins.none(0, ("exact",))
    assert (empty.row.size, empty.stages) == (0, ("exact",))
    assert Twins.none(2, ()).row.tolist() == [-1, -1]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"row": np.array([0])}, "one entry a row"),
        ({"row": np.zeros((5, 1)), "similarity": np.zeros((5, 1)), "stage": np.zeros((5, 1))}, "a"),
        ({"row": np.array([-1, 0, 1, 0, 5])}, "name rows -1 to 5, but there are 5"),
        ({"row": np.array([-2, 0, 1, 0, 1])}, "name rows -2 to 1"),
        ({"similarity": np.array([0, 1, np.nan, 0, 0])}, "finite"),
        ({"stages": ("exact",)}, "stage 2, but there are 1"),
        ({"stages": ("s",) * 256}, "there are 256"),
        ({"stage": np.array([1, 1, 2, 0, 0])}, "must name the row"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ScoreError, match=says):
        twins(**change)


def test_scores_refuse_twins_of_other_rows() -> None:
    with pytest.raises(ScoreError, match="twins for 5 rows do not fit 2 rows"):
        Scores(np.zeros(2), Items.of(2), twins=twins())


def test_take_renumbers_and_forgets() -> None:
    some = scores().take(np.array([3, 1, 0]))
    assert some.twins is not None
    assert some.twins.row.tolist() == [2, 2, -1]
    assert some.twins.stage.tolist() == [0, 1, 0]
    lone = twins().take(np.array([2, 3]))
    assert (lone.row.tolist(), lone.stage.tolist()) == ([-1, -1], [0, 0])
    assert lone.similarity.tolist() == [0, 0]


def test_they_are_saved_with_scores_and_selections(tmp_path: Path) -> None:
    scores().save(tmp_path / "s.npz")
    again = Scores.load(tmp_path / "s.npz")
    select(again, "100%", pick="distinct").save(tmp_path / "k.npz")
    for found in (again, Selection.load(tmp_path / "k.npz").scores):
        assert found.twins is not None
        assert found.twins.row.tolist() == ROW
        assert found.twins.stage.tolist() == STAGE
        assert found.twins.similarity.tolist() == np.float32(SIMILARITY).tolist()
        assert found.twins.stages == ("exact", "semantic")


def test_scores_without_twins_stay_without(tmp_path: Path) -> None:
    plain = Scores(np.zeros(2), Items.of(2))
    plain.save(tmp_path / "s.npz")
    assert Scores.load(tmp_path / "s.npz").twins is None
    assert plain.take(np.array([1])).twins is None


@pytest.mark.parametrize("damage", ["missing", "wrong"])
def test_a_damaged_file_is_an_error_of_its_own(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "s.npz"
    scores().save(path)
    header, arrays = read_archive(path, "scores")
    if damage == "missing":
        del arrays["twin"]
    else:
        arrays["twin"] = np.full(5, 99)
    kept = {k: v for k, v in header.items() if k not in ("format", "version")}
    write_archive(path, "scores", kept, arrays, overwrite=True)
    with pytest.raises(FormatError, match="damaged"):
        Scores.load(path)


def test_the_pick_drops_duplicates_with_their_reason() -> None:
    kept = select(scores(), "100%", pick="distinct")
    assert sorted(kept.order.tolist()) == [0, 3, 4]
    assert [Reason(r).name for r in kept.reasons[[1, 2]]] == ["DUPLICATE", "DUPLICATE"]
    assert kept.provenance.side == "low"
    assert len(select(scores(), "2 items", pick="distinct")) == 2


def test_a_pinned_duplicate_stays() -> None:
    kept = select(scores(pinned=np.arange(5) == 1), "100%", pick="distinct")
    assert kept.mask.tolist() == [True, True, False, True, True]


def test_without_twins_the_pick_is_low() -> None:
    plain = Scores(np.array([3.0, 1, 2]), Items.of(3))
    both = [select(plain, "2 items", pick=name).order.tolist() for name in ("distinct", "low")]
    assert both[0] == both[1] == [1, 2]


def elsewhere() -> Twins:
    """Row 2 repeats row 7 of another set, row 3 is nearest to its row x, row 4 repeats that."""
    found = twins().with_foreign(
        np.array([2, 3]), np.array([7, 9]), np.array([0.9, 0.2]), np.array([2, 0])
    )
    both = np.array(["x", "x"], dtype=object)
    return found.with_foreign(np.array([3, 4]), both, np.array([0.75, 0.75]), np.array([0, 1]))


def test_twins_may_stand_in_another_data_set() -> None:
    found = elsewhere()
    assert [found.foreign_id(row) for row in range(5)] == [None, None, "7", "x", "x"]
    assert found.has_twin.tolist() == [False, True, True, True, True]
    assert found.is_duplicate.tolist() == [False, True, True, False, True]
    assert found.similarity.tolist() == np.float32([0, 1, 0.9, 0.75, 0.75]).tolist()
    assert found.row[:2].tolist() == [-1, 0]
    with pytest.raises(ScoreError, match="there are 5, and 3 of other data sets"):
        twins(foreign=found.foreign, row=np.array([-5, 0, 1, 0, -1]))


def test_twins_in_another_data_set_outlive_a_cut() -> None:
    some = elsewhere().take(np.array([4, 1, 2]))
    assert [some.foreign_id(row) for row in range(3)] == ["x", None, "7"]
    assert some.stage.tolist() == [1, 0, 2]
    assert some.row[1] == -1


def test_twins_in_another_data_set_are_saved_and_explained(tmp_path: Path) -> None:
    items = Items.of(5, id=list("abcde"))
    given = Scores(np.zeros(5), items, "more redundant", "mine", twins=elsewhere())
    select(given, "100%", pick="distinct").save(tmp_path / "k.npz")
    kept = Selection.load(tmp_path / "k.npz")
    assert kept.scores.twins is not None
    assert kept.scores.twins.foreign.tolist() == elsewhere().foreign.tolist()
    assert sorted(kept.order.tolist()) == [0, 3]
    assert twin_text(kept, 2) == "duplicates id 7 of another data set, similarity 0.9 (semantic)"
    assert "twin   nearest to id x of another data set, similarity 0.75" in kept.explain(3)


def test_explain_tells_the_twin_the_similarity_and_the_stage() -> None:
    kept = select(scores(), "100%", pick="distinct")
    assert twin_text(kept, 1) == "duplicates row 0 (id a), similarity 1 (exact)"
    assert twin_text(kept, 2) == (
        "duplicates row 1 (id b), similarity 0.97 (semantic); that row was dropped as well"
    )
    assert twin_text(kept, 3) == "nearest to row 0 (id a), similarity 0.5"
    assert "twin   duplicates row 0 (id a)" in kept.explain(1)
    assert "rule   duplicates another row" in kept.explain(1)
    assert "twin" not in kept.explain(4)
    assert kept.report().to_dict()["dropped"] == {"duplicates another row": 2}
