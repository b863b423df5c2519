"""Floors: what is owed shrinks as rows come, and as rows that could have come go."""

from __future__ import annotations

import numpy as np

from datapruner.core.floors import Floors


def test_no_group_is_owed_more_than_it_can_give() -> None:
    floors = Floors(np.array([3, 3]), np.array([5, 1]))
    assert floors.need.tolist() == [3, 1]
    assert floors.reserved == 4


def test_a_kept_row_pays_and_a_lost_row_only_counts_when_it_was_needed() -> None:
    floors = Floors(np.array([2]), np.array([3]))
    floors.update(0, kept=1, decided=True)
    assert floors.reserved == 1
    floors.update(0, kept=1, decided=True)
    assert floors.reserved == 1
    floors.update(0, kept=1, decided=True)
    assert floors.reserved == 0


def test_many_rows_at_once_equal_one_by_one() -> None:
    one, many = (Floors(np.array([2, 1]), np.array([3, 2])) for _ in range(2))
    for group, kept in ((0, 1), (0, 1), (1, 1)):
        one.update(group, kept, True)
    assert many.reserved_after(np.array([1, 1]), np.array([2, 1])) == one.reserved
    many.update_all(np.array([1, 1]), np.array([2, 1]))
    assert many.need.tolist() == one.need.tolist()


def test_what_the_caller_gave_is_left_alone() -> None:
    floors, left = np.array([1]), np.array([2])
    Floors(floors, left.copy()).update_all(np.array([1]), np.array([1]))
    assert (floors.tolist(), left.tolist()) == ([1], [2])
