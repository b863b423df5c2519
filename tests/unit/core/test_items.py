"""Items and the checks of their columns: neutral values, refusals, ties, fingerprints."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from datapruner.core.items import Items
from datapruner.errors import InputError, MissingColumnError


def test_missing_columns_take_their_neutral_values() -> None:
    items = Items.of(3)
    assert items.cost.tolist() == [1, 1, 1]
    assert items.unit == "items"
    assert (items.group.tolist(), items.group_names) == ([0, 0, 0], ("all",))
    assert items.parent.tolist() == [-1, -1, -1]
    assert not np.any([items.pinned, items.shell, items.barred])
    assert items.ids.tolist() == [0, 1, 2]
    assert items.is_unit_cost
    assert not items.has_parents
    assert items.countable == items.total_cost == 3


def test_no_rows_are_fine_in_every_column() -> None:
    items = Items.of(
        0, id=[], cost=[], group=[], parent=[], pinned=[], shell=[], barred=[], text=[]
    )
    assert items.countable == 0
    assert items.group_names == ("all",)
    assert items.total_cost == 0
    assert items.fingerprint == Items.of(0, id=[], cost=[]).fingerprint
    assert Items.of(0, group=[], group_names=[]).group_names == ("all",)
    assert not items.forced.size


def test_given_costs_are_priced_in_units_unless_named() -> None:
    assert Items.of(1, cost=[2]).unit == "units"
    assert Items.of(1, cost=[2], unit="tokens").unit == "tokens"


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"cost": [1, 2]}, r"column 'cost' has shape \(2,\); 3 rows need one value each"),
        ({"cost": [[1], [2, 3], [4]]}, r"column 'cost' is not one value a row"),
        ({"cost": ["a", "b", "c"]}, r"costs must be numbers, not <U1"),
        ({"cost": [1, -2, np.nan]}, r"2 costs are negative or not finite \(row 1: -2\.0, row 2"),
        ({"pinned": [0, 1, 0]}, r"column 'pinned' must be true or false, not int64"),
        ({"id": ["a", 1, "b"]}, r"all integers or all text, but row 1 has 1\."),
        ({"id": [1, True, 2]}, r"ids must be all integers or all text, but row 1 has True"),
        ({"id": np.array([0.5, 1, 2])}, r"row 0 has 0\.5"),
        ({"id": [1, 2, 2**70]}, r"beyond 64 bits; give such ids as text"),
        ({"id": np.array([1, 2, 2**63], dtype=np.uint64)}, r"9223372036854775808 is beyond 64"),
        ({"id": ["a", "b", "a"]}, r"1 ids occur more than once \('a'\); ids must be unique"),
        ({"id": [4, 4, 4]}, r"1 ids occur more than once \(4\)"),
        ({"group_names": ["a"]}, r"group_names were given without group codes"),
        ({"group": [0, 1, 2], "group_names": ["a", "b"]}, r"integers in \[0, 2\), one for each"),
        ({"group": [0.0, 1.0, 0.0], "group_names": ["a", "b"]}, r"group codes must be integers"),
        ({"group": [0, -1, 0], "group_names": ["a"]}, r"group codes must be integers"),
        ({"group": ["a", None, "b"]}, r"row 1 has the group None; give every row a group"),
        ({"group": np.array(["a", np.nan, "b"], dtype=object)}, r"row 1 has the group nan"),
        ({"group": [1.0, 2.0, np.nan]}, r"row 2 has the group nan"),
        ({"parent": [0.5, 1, 2]}, r"parents must be row numbers, not float64"),
        ({"parent": [-2, -1, -1]}, r"row numbers in \[0, 3\), or -1 for none"),
        ({"parent": [3, -1, -1]}, r"row numbers in \[0, 3\)"),
        ({"parent": [1, 0, -1]}, r"cycle: rows \[0, 1\] are in it or below it"),
        ({"parent": [-1, 1, 1]}, r"cycle: rows \[1, 2\]"),
        ({"text": ["a"]}, r"feature 'text' has 1 entries for 3 rows"),
        (
            {"pinned": [False, True, False], "barred": [True, False, False], "parent": [-1, 0, 0]},
            r"rows \[1\] are pinned but cannot be kept.*Unpin them",
        ),
    ],
)
def test_a_column_that_cannot_be_used_says_why(columns: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        Items.of(3, **columns)


def test_a_negative_number_of_rows_is_refused() -> None:
    with pytest.raises(InputError, match=r"n is -1; it must be 0 or more"):
        Items.of(-1)


@pytest.mark.parametrize(
    ("group", "names"),
    [
        (["b", "a", "b"], ("a", "b")),
        ([3, 1, 3], ("1", "3")),
        ([0.5, 1.5, 0.5], ("0.5", "1.5")),
        ([True, False, True], ("False", "True")),
        (np.array(["x", 2, "x"], dtype=object), ("2", "x")),
    ],
)
def test_any_labels_become_sorted_names(group: Any, names: tuple[str, ...]) -> None:
    items = Items.of(3, group=group)
    assert items.group_names == names
    assert items.group.dtype == np.int32


def test_an_empty_group_may_be_named() -> None:
    assert Items.of(2, group=[0, 2], group_names=["a", "b", "c"]).group_names == ("a", "b", "c")


@pytest.mark.parametrize("kind", [list, tuple, np.array])
def test_ids_are_integers_or_text_in_any_container(kind: Any) -> None:
    assert Items.of(2, id=kind([7, -7])).ids.dtype == np.int64
    assert Items.of(2, id=kind(["a", "b"])).ids.dtype == object
    assert Items.of(2, id=kind([np.uint8(1), np.uint8(2)])).ids.tolist() == [1, 2]
    assert Items.of(2, id=np.array(["a", "b"], dtype=object)).ids.tolist() == ["a", "b"]


def test_columns_given_as_arrays_are_not_changed() -> None:
    cost, group = np.array([1, 2]), np.array([1, 0])
    Items.of(2, cost=cost, group=group, group_names=["a", "b"]).bar(np.array([True, False]))
    assert (cost.tolist(), group.tolist()) == ([1, 2], [1, 0])


def test_parents_may_stand_before_or_after_their_children() -> None:
    items = Items.of(4, parent=[2, -1, 1, 2], pinned=[True, False, False, False])
    assert items.has_parents
    assert items.forced.tolist() == [True, True, True, False]


def test_barring_a_row_bars_what_is_below_it_and_unpins() -> None:
    items = Items.of(4, parent=[-1, 0, 1, -1], pinned=[False, False, True, True], cost=[1, 2, 3, 4])
    barred = items.bar(np.array([True, False, False, False]))
    assert barred.barred.tolist() == [True, True, True, False]
    assert barred.pinned.tolist() == [False, False, False, True]
    assert (barred.countable, barred.total_cost) == (1, 4)
    assert barred.fingerprint == items.fingerprint
    given = Items.of(4, parent=[-1, 0, 1, -1], barred=[True, False, False, False])
    assert given.barred.tolist() == [True, True, True, False]
    assert given.total_cost == 1
    assert given.only_countable(np.array([3, 2, 0])).tolist() == [3]


def test_rows_without_ids_tie_by_number_and_others_by_a_hash() -> None:
    assert Items.of(3).tie_keys().tolist() == [0, 1, 2]
    for names in ([5, 6, 7], ["a", "b", "c"]):
        keys = Items.of(3, id=names).tie_keys()
        turned = Items.of(3, id=names[::-1]).tie_keys()
        assert keys.tolist() == turned[::-1].tolist()
        assert len(set(keys.tolist())) == 3
    given = np.array([9, 8, 7], dtype=np.uint64)
    assert Items.of(3, id=[1, 2, 3], tie=given).tie_keys().tolist() == [9, 8, 7]


def test_the_fingerprint_knows_the_rows_but_not_their_order() -> None:
    def made(*order: int, **more: Any) -> str:
        rows = np.array(order)
        columns: dict[str, Any] = {"cost": np.array([1, 2, 3]), "group": np.array(list("aab"))}
        columns |= more
        return Items.of(
            3, id=np.array(["x", "y", "z"])[rows], **{k: v[rows] for k, v in columns.items()}
        ).fingerprint

    assert made(0, 1, 2) == made(2, 0, 1)
    assert made(0, 1, 2) != made(0, 1, 2, cost=np.array([1, 3, 2]))
    assert made(0, 1, 2) != made(0, 1, 2, group=np.array(list("aba")))
    assert Items.of(3).fingerprint != Items.of(4).fingerprint


def test_a_missing_feature_names_who_asked_and_the_nearest() -> None:
    items = Items.of(1, text=["a"], label=["b"])
    assert items.feature("text") == ["a"]
    with pytest.raises(MissingColumnError) as caught:
        items.feature("txt", "bm25")
    told = str(caught.value)
    assert "bm25 needs the column 'txt'" in told
    assert 'Did you mean "text"? Known: label, text.' in told


class Column:
    def __init__(self, values: list[int]) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: Any) -> Column:
        return Column([self.values[r] for r in rows])


def test_taking_rows_takes_every_column_along() -> None:
    items = Items.of(
        4,
        cost=[1, 2, 3, 4],
        group=list("abab"),
        parent=[-1, 0, 1, 1],
        pinned=[False, True, False, False],
        text=list("wxyz"),
        vector=np.eye(4),
        column=Column([5, 6, 7, 8]),
    )
    some = items.take(np.array([3, 1]))
    assert (some.n, some.cost.tolist(), some.group.tolist()) == (2, [4, 2], [1, 1])
    assert some.parent.tolist() == [1, -1]
    assert some.pinned.tolist() == [False, True]
    assert some.ids.tolist() == [3, 1]
    assert some.tie_keys().tolist() == [3, 1]
    assert some.features["text"] == ["z", "x"]
    assert some.features["vector"].tolist() == np.eye(4)[[3, 1]].tolist()
    assert some.features["column"].values == [8, 6]
