"""The figures of a validation, against sums done by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from datapruner.training.metrics import Judged, measure


def judged(**changes: Any) -> Judged:
    """Two pairs with an answer, of 3 and 2 sentences, and one without."""
    facts: dict[str, Any] = {
        "pair": [0, 0, 0, 1, 1, 2],
        "score": [0.9, 0.2, 0.1, 0.5, 0.6, 0.95],
        "tokens": [10, 20, 30, 20, 20, 50],
        "keep": [1, 0, 0, 1, 0, 0],
        "token_score": [0.9, 0.8, 0.3, 0.6, 0.2],
        "token_keep": [1, 0, 1, 1, 0],
        "rank": [1.0, -1.0, 2.0],
        "relevant": [1, 1, 0],
    }
    return Judged(**{name: np.array(value) for name, value in {**facts, **changes}.items()})


def test_recall_is_that_of_one_threshold_at_thirty_per_cent() -> None:
    # 100 tokens in the pairs with an answer: .9 (10) and .6 (20) make 30, then .5 would make 50.
    assert measure(judged())["recall_30"] == pytest.approx(0.5)
    assert measure(judged(score=[0.9, 0.2, 0.1, 0.7, 0.6, 0.95]))["recall_30"] == 1.0
    assert measure(judged(tokens=[31, 20, 9, 20, 20, 50]))["recall_30"] == 0.0


def test_every_kept_sentence_must_be_there() -> None:
    both = judged(keep=[1, 0, 1, 0, 1, 0])
    assert measure(both)["recall_30"] == pytest.approx(0.5)


def test_the_best_sentence_answers() -> None:
    assert measure(judged())["sentence_top"] == pytest.approx(0.5)


def test_tokens() -> None:
    made = measure(judged())
    # said: .9, .8, .6; kept: first, third, fourth
    assert made["token_f1"] == pytest.approx(2 * 2 / (3 + 3))
    assert made["token_ap"] == pytest.approx((1 / 1 + 2 / 3 + 3 / 4) / 3)


def test_rank() -> None:
    assert measure(judged())["rank_accuracy"] == pytest.approx(1 / 3)


def test_figures_without_a_case_are_left_out() -> None:
    none = judged(keep=[0] * 6, token_keep=[0] * 5)
    assert set(measure(none)) == {"rank_accuracy"}
    empty = Judged(*(np.zeros(0) for _ in range(8)))
    assert measure(empty) == {}
