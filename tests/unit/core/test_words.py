"""What a person reads in a notebook, and what they are told when they hold something wrong."""

from __future__ import annotations

import numpy as np
import pytest

import datapruner as dp
from datapruner.errors import BudgetError, InputError, ScoreError, UnknownMethodError


@pytest.fixture
def scores():
    items = dp.Items.of(4, id=["a", "b", "c", "d"], cost=[1, 2, 3, 4], unit="tokens")
    return dp.Scores(np.array([4.0, 3.0, 2.0, 1.0]), items)


def test_every_noun_shows_itself_in_one_line(scores):
    kept = dp.select(scores, "50%")
    assert repr(scores) == "Scores(4 rows, given, 1 to 4, 1 groups)"
    assert repr(scores.items) == "Items(4 rows, priced in tokens, features: none)"
    assert repr(dp.Budget.parse("30%, floor 5")) == 'Budget("30%, floor 5")'
    assert repr(kept.report()) == "Report(kept 2 of 4 rows (50.0%))"
    assert repr(dp.Scores(np.empty(0), dp.Items.of(0))).startswith("Scores(0 rows, given, none")


def test_explain_takes_a_row_or_an_id(scores):
    kept = dp.select(scores, "50%")
    assert kept.explain(id="c") == kept.explain(2) == kept.explain(np.int64(-2))
    with pytest.raises(InputError, match="one of the two"):
        kept.explain()
    with pytest.raises(InputError, match=r"explain\(id='c'\)"):
        kept.explain("c")


def test_select_says_what_it_was_given_instead_of_scores(scores):
    with pytest.raises(ScoreError, match=r"not str; .*Scores\.load"):
        dp.select("scores.npz", "30%")
    with pytest.raises(UnknownMethodError, match="pick is 5"):
        dp.select(scores, "30%", pick=5)
    with pytest.raises(InputError, match="whole number"):
        dp.select(scores, "30%", seed="a")
    with pytest.raises(InputError, match="64 bits"):
        dp.select(scores, "30%", seed=2**70)


def test_a_misspelt_unit_is_not_taken_for_a_price():
    with pytest.raises(BudgetError, match='Did you mean "items"'):
        dp.prune([{"text": "one"}, {"text": "two"}], budget="1 itms", embedder="offline")


def test_a_misspelt_option_is_answered_with_the_nearest():
    with pytest.raises(InputError, match='Did you mean "embedder"'):
        dp.prune([{"text": "one"}], budget="50%", embeder="offline")


def test_numbers_and_their_texts_order_equal_scores_alike():
    numbers = dp.Items.of(50, id=np.arange(-10, 40))
    texts = dp.Items.of(50, id=[str(i) for i in range(-10, 40)])
    assert np.array_equal(numbers.tie_keys(), texts.tie_keys())
    others = ["007", "+7", "٣", "9" * 30, str(2**63), "", "-", "7.0"]
    assert len(set(dp.Items.of(len(others), id=others).tie_keys().tolist())) == len(others)


@pytest.mark.parametrize("k", ["5", 5.0, True, 0])
def test_a_k_that_is_no_number_of_clusters_is_refused(k):
    with pytest.raises(InputError, match="k is"):
        dp.score(embedding=np.eye(8, dtype=np.float32), k=k)


def test_rows_that_cancel_out_still_have_a_prototype():
    vectors = np.array([[1, 0], [-1, 0]], dtype=np.float32)
    values = dp.score(embedding=vectors, k=1).values
    assert np.isfinite(values).all()


def test_a_row_that_came_too_late_is_told_that_the_budget_was_full():
    vectors = np.random.default_rng(0).standard_normal((20, 4)).astype(np.float32)
    kept = dp.select(dp.score(embedding=vectors, k=2), "5 items", pick="kcentre")
    dropped = int(np.flatnonzero(~kept.mask)[0])
    assert "was full" in kept.explain(dropped)
