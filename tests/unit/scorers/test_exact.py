"""Exact duplicates: what counts as the same text, and which one stays."""

from __future__ import annotations

import numpy as np
import pytest

from datapruner.scorers.exact import content_keys, first_of_equals, normalised


@pytest.mark.parametrize(
    ("left", "right", "same", "same_folded"),
    [
        ("a b", " a \t\n b ", True, True),
        ("ﬁne １２", "fine 12", True, True),
        ("e\u0301t\u00e9", "\u00e9te\u0301", True, True),
        ("a\u00a0b", "a b", True, True),
        ("Hello", "hello", False, True),
        ("Straße", "STRASSE", False, True),
        ("a b", "ab", False, False),
        ("a + b", "a - b", False, False),
        ("", "  ", True, True),
    ],
)
def test_what_is_the_same_text(left: str, right: str, same: bool, same_folded: bool) -> None:
    assert (normalised(left) == normalised(right)) == same
    folded = normalised(left, ignore_case=True) == normalised(right, ignore_case=True)
    assert folded == same_folded


def test_keys_are_equal_where_texts_are_and_take_lone_surrogates() -> None:
    keys = content_keys(["a", "b", "a", "\ud800"])
    assert (keys.shape, keys.dtype) == ((4, 2), np.uint64)
    assert keys[0].tolist() == keys[2].tolist()
    assert len(np.unique(keys, axis=0)) == 3
    assert content_keys([]).shape == (0, 2)


def test_the_first_of_the_order_stays_and_rows_left_out_take_no_part() -> None:
    keys = content_keys(list("abaaba"))
    assert first_of_equals(keys, np.array([5, 4, 3, 2, 1])).tolist() == [-1, 4, 5, 5, -1, -1]
    assert first_of_equals(keys, np.arange(0)).tolist() == [-1] * 6
