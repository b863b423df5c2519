"""A cut says of each row what select says of all of them together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datapruner.core.budget import Budget
from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.core.select import select
from datapruner.errors import BudgetError
from datapruner.pickers.cuts import (
    CUTTABLE,
    DIGITS,
    Cut,
    cut_of,
    histogram,
    narrowed,
    places,
    sharing,
)
from datapruner.rng import mix

VALUES = st.lists(st.sampled_from([-1.5, -0.0, 0.0, 0.25, 0.25000003, 2.0]), max_size=30)


def columns(values: list[float]) -> tuple[np.ndarray, np.ndarray]:
    return np.array(values, dtype=np.float32), mix(np.arange(len(values)), 9)


@given(VALUES, st.sampled_from(CUTTABLE), st.integers(0, 32), st.integers(0, 3))
def test_the_rows_up_to_the_cut_are_the_rows_that_select_keeps(values, pick, count, seed):
    x, tie = columns(values)
    scores = Scores(x, Items.of(len(x), tie=tie))
    expected = select(scores, Budget(count=count), pick=pick, allocate="whole", seed=seed).mask
    cut = cut_of(pick, x, tie, count, seed)
    kept = (
        np.zeros(len(x), dtype=bool) if cut is None else cut.keeps(places(pick, x, tie, seed), tie)
    )
    assert np.array_equal(kept, expected)


@given(VALUES.filter(bool), st.sampled_from(CUTTABLE), st.data())
def test_a_place_does_not_depend_on_the_other_rows(values, pick, data):
    x, tie = columns(values)
    row = data.draw(st.integers(0, len(x) - 1))
    alone = places(pick, x[row : row + 1], tie[row : row + 1], 4)
    assert alone[0] == places(pick, x, tie, 4)[row]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1), st.data())
def test_narrowing_digit_by_digit_finds_the_row_that_a_sort_finds(pairs, data):
    # Digits that differ near both ends of both words.
    place = np.array([(a << 60) | b for a, b in pairs], dtype=np.uint64)
    tie = np.array([(b << 62) | a for a, b in pairs], dtype=np.uint64)
    wanted = data.draw(st.integers(1, len(pairs)))
    prefix: tuple[int, ...] = ()
    left = wanted
    for _ in range(DIGITS):
        digit, left = narrowed(histogram(place, tie, prefix), left)
        prefix = (*prefix, digit)
    last = np.lexsort((tie, place))[wanted - 1]
    same = sharing(place, tie, prefix)
    assert same[last]
    assert len(set(zip(place[same].tolist(), tie[same].tolist(), strict=True))) == 1
    cut = Cut(int(place[last]), int(tie[last]))
    assert wanted <= cut.keeps(place, tie).sum() <= wanted + same.sum() - 1


def test_histograms_of_blocks_add_up():
    rng = np.random.default_rng(0)
    place, tie = rng.integers(0, 2**64, (2, 500), dtype=np.uint64)
    whole = histogram(place, tie, ())
    parts = histogram(place[:200], tie[:200], ()) + histogram(place[200:], tie[200:], ())
    assert np.array_equal(whole, parts)
    assert whole.sum() == 500


@pytest.mark.parametrize("pick", ["mixed", "middle", "kcentre", "ccs", "weighted"])
def test_picks_that_look_at_all_rows_have_no_cut(pick):
    x, tie = columns([1.0])
    with pytest.raises(BudgetError, match=f"pick '{pick}' looks at all rows at once"):
        cut_of(pick, x, tie, 1, 0)
