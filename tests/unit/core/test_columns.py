"""The helpers that Items.of does not show: what is inherited, and where copies are made."""

from __future__ import annotations

import numpy as np

from datapruner.core import columns


def test_marks_are_inherited_down_any_depth_and_order() -> None:
    parent = np.array([1, 2, 3, -1, 3, -1])
    marked = np.array([False, False, True, False, False, True])
    assert columns.inherited(parent, marked).tolist() == [True, True, True, False, False, True]
    assert columns.inherited(parent, np.zeros(6, dtype=bool)).tolist() == [False] * 6


def test_neutral_columns_take_no_memory() -> None:
    n = 10**6
    for column in (
        columns.costs(n, None),
        columns.flags(n, None, "pinned"),
        columns.parents(n, None),
        columns.coded_groups(n, None, None)[0],
    ):
        assert column.shape == (n,)
        assert column.strides == (0,)


def test_no_ids_stay_none() -> None:
    assert columns.ids(3, None) is None
