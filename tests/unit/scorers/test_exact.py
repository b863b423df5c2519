"""Exact duplicates: what counts as the same text, and which one stays."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datapruner.scorers.exact import Cleaned, cleaned, content_keys, first_of_equals


def literal(text: str, *, ignore_case: bool = False) -> str:
    """The definition, one text at a time."""
    text = " ".join(unicodedata.normalize("NFKC", text).split())
    return text.casefold() if ignore_case else text


def read(texts: Cleaned) -> list[str]:
    bounds = zip(texts.starts, texts.stops, strict=True)
    return [texts.data[a:b].decode("utf-8", "surrogatepass") for a, b in bounds]


@pytest.mark.parametrize(
    ("left", "right", "same", "same_folded"),
    [
        ("a b", " a \t\n b ", True, True),
        ("ﬁne １２", "fine 12", True, True),
        ("e\u0301t\u00e9", "\u00e9te\u0301", True, True),
        ("a\u00a0b", "a b", True, True),
        ("a\u2028b\x85", "a b", True, True),
        ("a\u2029\u1680b", "a b", True, True),
        ("Hello", "hello", False, True),
        ("Straße", "STRASSE", False, True),
        ("a b", "ab", False, False),
        ("a + b", "a - b", False, False),
        ("", "  ", True, True),
    ],
)
def test_what_is_the_same_text(left: str, right: str, same: bool, same_folded: bool) -> None:
    plain = content_keys(cleaned([left, right])).tolist()
    assert (plain[0] == plain[1]) == same
    folded = content_keys(cleaned([left, right], ignore_case=True)).tolist()
    assert (folded[0] == folded[1]) == same_folded


# Much white space of every kind, and characters that NFKC changes, joins or folds.
TEXTS = st.lists(
    st.text(alphabet="aBß \t\n\x1c\x85\xa0\u1680\u2028\u2029\u3000e\u0301ﬁΣ日😀\ud800\x00")
)


@given(TEXTS, st.booleans())
def test_texts_are_cleaned_together_as_each_would_be_alone(
    texts: list[str], ignore_case: bool
) -> None:
    made = cleaned(texts, ignore_case=ignore_case)
    assert read(made) == [literal(text, ignore_case=ignore_case) for text in texts]
    assert len(made) == len(texts)
    assert (made.stops >= made.starts).all()
    assert made.data.startswith(b" ")
    assert made.data.endswith(b" ")
    assert b"  " not in made.data


def test_keys_are_equal_where_texts_are_and_take_lone_surrogates() -> None:
    keys = content_keys(cleaned(["a", "b", "a", "\ud800"]))
    assert (keys.shape, keys.dtype) == ((4, 2), np.uint64)
    assert keys[0].tolist() == keys[2].tolist()
    assert len(np.unique(keys, axis=0)) == 3
    assert content_keys(cleaned([])).shape == (0, 2)


def test_the_first_of_the_order_stays_and_rows_left_out_take_no_part() -> None:
    keys = content_keys(cleaned(list("abaaba")))
    assert first_of_equals(keys, np.array([5, 4, 3, 2, 1])).tolist() == [-1, 4, 5, 5, -1, -1]
    assert first_of_equals(keys, np.arange(0)).tolist() == [-1] * 6
