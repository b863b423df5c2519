"""Scores: finite, of the right length, with groups that fit; saved and loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datapruner.core.archive import read_archive, write_archive
from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.errors import FormatError, ScoreError

ITEMS = Items.of(3, group=list("aab"))


def test_groups_come_from_the_items_unless_given() -> None:
    assert Scores(np.zeros(3), ITEMS).names == ("a", "b")
    own = Scores(np.zeros(3), ITEMS, group=np.array([0, 2, 1]))
    assert (own.names, own.n_groups, own.groups.dtype) == (("0", "1", "2"), 3, np.int32)
    named = Scores(np.zeros(3), ITEMS, group=[0, 0, 1], group_names=["x", "y", "z"])  # type: ignore[arg-type]
    assert named.names == ("x", "y", "z")
    assert Scores(np.zeros(0), Items.of(0), group=np.array([], dtype=int)).names == ("0",)


@pytest.mark.parametrize(
    ("dtype", "becomes"), [("f4", "f4"), ("f8", "f8"), ("f2", "f8"), ("i8", "f8"), ("?", "f8")]
)
def test_values_are_float32_or_float64(dtype: str, becomes: str) -> None:
    assert Scores(np.ones(3, dtype=dtype), ITEMS).values.dtype == np.dtype(becomes)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"values": np.zeros(2)}, r"mine: values have shape \(2,\); 3 rows need one each, \(3,\)"),
        ({"values": np.zeros((3, 1))}, r"values have shape \(3, 1\)"),
        ({"values": np.array(["a"] * 3)}, r"mine: values must be numbers, not <U1"),
        ({"values": np.array([0, np.nan, np.inf])}, r"2 scores are not finite \(row 1: nan, row 2"),
        ({"group": np.zeros(2, int)}, r"groups are int64 of shape \(2,\); 3 rows need integer"),
        ({"group": np.zeros(3)}, r"groups are float64"),
        ({"group": np.array([0, -1, 1])}, r"codes go from -1 to 1"),
        (
            {"group": np.array([0, 1, 2]), "group_names": ("a", "b")},
            r"codes go from 0 to 2, but there are names for 0 to 1",
        ),
        ({"group_weight": np.ones(3)}, r"group weights have shape \(3,\); 2 groups need \(2,\)"),
        ({"group_weight": np.array([1, -1])}, r"group b has the weight -1\.0"),
        ({"group_weight": np.array([np.nan, 1])}, r"group a has the weight nan"),
        ({"group_floor": np.ones(2)}, r"group floors are float64 of shape \(2,\)"),
        ({"group_floor": np.array([1])}, r"2 groups need whole numbers, 0 or more, of shape"),
        ({"group_floor": np.array([1, -1])}, r"0 or more"),
        ({"details": {"k": {1, 2}}}, r"details must be what JSON can hold"),
    ],
)
def test_scores_that_do_not_fit_are_refused(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(ScoreError, match=told):
        Scores(**({"values": np.zeros(3), "items": ITEMS, "method": "mine"} | fields))


def test_taking_rows_keeps_groups_and_weights() -> None:
    scores = Scores(np.arange(3.0), ITEMS, group_weight=np.array([1.0, 2.0]), details={"k": 1})
    some = scores.take(np.array([2, 0]))
    assert some.values.tolist() == [2, 0]
    assert some.groups.tolist() == [1, 0]
    assert some.items.ids.tolist() == [2, 0]
    assert some.group_weight is not None
    assert some.details == {"k": 1}


@pytest.mark.parametrize(
    "given", [{"k": [1, 2.5, None, "a"]}, {"k": (1, 2)}, {"k": {"a": [1, [2]]}}, {1: "a"}]
)
def test_details_are_as_json_reads_them_back_and_the_scores_own(given: dict[Any, Any]) -> None:
    expected = json.loads(json.dumps(given))
    scores = Scores(np.arange(3.0), ITEMS, details=given)
    if isinstance(given.get("k"), list):
        given["k"].append("later")
    assert scores.details == expected


def test_floors_and_notes_are_kept_through_taking_and_a_file(tmp_path: Path) -> None:
    scores = Scores(np.arange(3.0), ITEMS, group_floor=np.array([1, 0]), notes=("mind this",))
    scores.save(tmp_path / "s.npz")
    for again in (scores.take(np.array([2, 0])), Scores.load(tmp_path / "s.npz")):
        assert again.group_floor is not None
        assert again.group_floor.tolist() == [1, 0]
        assert again.notes == ("mind this",)


def test_weights_and_tie_keys_survive_a_file(tmp_path: Path) -> None:
    items = Items.of(3, id=[5, 6, 7], tie=np.array([3, 2, 1], dtype=np.uint64))
    scores = Scores(
        np.zeros(3), items, group=np.array([0, 1, 1]), group_weight=np.array([1.0, 2.0])
    )
    scores.save(tmp_path / "s.npz")
    again = Scores.load(tmp_path / "s.npz")
    assert again.items.tie_keys().tolist() == [3, 2, 1]
    assert again.group_weight is not None
    assert again.group_weight.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"cost": None}, r"is damaged: it has no 'cost'"),
        ({"cost": np.ones(2)}, r"is damaged: column 'cost' has shape \(2,\)"),
        ({"values": np.ones(2)}, r"is damaged: given: values have shape \(2,\)"),
        ({"values": np.array([np.nan] * 3)}, r"is damaged: given: 3 scores are not finite"),
    ],
)
def test_a_file_whose_parts_do_not_fit_is_damaged(
    tmp_path: Path, change: dict[str, Any], told: str
) -> None:
    header, arrays = Scores(np.zeros(3), ITEMS).to_archive()
    arrays = {k: v for k, v in (arrays | change).items() if v is not None}
    write_archive(tmp_path / "s.npz", "scores", header, arrays)
    with pytest.raises(FormatError, match=told):
        Scores.load(tmp_path / "s.npz")
    write_archive(tmp_path / "h.npz", "scores", header | {"group_names": 3}, arrays)
    with pytest.raises(FormatError, match=r"is damaged"):
        Scores.load(tmp_path / "h.npz")
    assert read_archive(tmp_path / "h.npz", "scores")[0]["n"] == 3
