"""blend(): one scale, weights, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from datapruner.core.blend import blend
from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.errors import ScoreError

ITEMS = Items.of(4, group=list("aabb"))


def scores(*values: float, **more: Any) -> Scores:
    return Scores(np.array(values, dtype=np.float32), ITEMS, **more)


def test_ranks_lie_inside_0_and_1_and_equal_values_share_theirs() -> None:
    assert blend([scores(10, 10, 1, 1e30)]).values.tolist() == [0.5, 0.5, 0.125, 0.875]


def test_z_scores_have_mean_0_and_deviation_1() -> None:
    values = blend([scores(1, 2, 3, 6)], scale="z").values
    assert values.mean() == pytest.approx(0)
    assert values.std() == pytest.approx(1)


def test_a_constant_score_becomes_0() -> None:
    assert blend([scores(0.1, 0.1, 0.1, 0.1)], scale="z").values.tolist() == [0, 0, 0, 0]
    assert blend([scores(0, 0, 0, 0)], scale="z").values.tolist() == [0, 0, 0, 0]


def test_huge_values_standardise_without_overflow() -> None:
    big = Scores(np.array([1e308, -1e308, 0, 0]), ITEMS)
    assert blend([big], scale="z").values == pytest.approx([2**0.5, -(2**0.5), 0, 0])


def test_weights_mix_and_a_negative_one_turns_round() -> None:
    up, down = scores(1, 2, 3, 4), scores(4, 3, 2, 1)
    assert blend([up, down], [1, -1]).values == pytest.approx(blend([up]).values - 0.5)
    assert blend([up, down], [3, 1]).values.argmax() == 3


def test_the_first_part_gives_items_and_groups() -> None:
    first = scores(1, 2, 3, 4, method="a", meaning="older", group_weight=np.array([1.0, 2.0]))
    first = replace(first, group_floor=np.array([1, 0]), notes=("mind a",))
    both = blend([first, scores(1, 2, 3, 4, method="b", meaning="odder")])
    assert both.notes == ("mind a",)
    assert both.group_floor is not None
    assert both.method == "blend(a, b)"
    assert both.meaning == "older and odder"
    assert both.names == ("a", "b")
    assert both.group_weight is not None
    assert both.details == {"scale": "rank", "weights": [0.5, 0.5]}


def test_no_rows_blend_to_no_rows() -> None:
    none = Scores(np.zeros(0), Items.of(0))
    assert blend([none]).values.size == 0
    assert blend([none], scale="z").values.size == 0


def test_nothing_to_blend_is_refused() -> None:
    with pytest.raises(ScoreError, match=r"at least one Scores"):
        blend([])


def test_scores_of_other_rows_are_refused() -> None:
    other = Scores(np.zeros(4), Items.of(4, group=list("abab")), method="b")
    with pytest.raises(ScoreError, match=r"given scored 4 rows and b scored 4 other rows"):
        blend([scores(1, 2, 3, 4), other])
    with pytest.raises(ScoreError, match=r"scored 2 other rows"):
        blend([scores(1, 2, 3, 4), Scores(np.zeros(2), Items.of(2))])


@pytest.mark.parametrize("weights", [[1.0], [0.0, 0.0], [1.0, np.nan]])
def test_weights_that_do_not_fit_are_refused(weights: list[float]) -> None:
    with pytest.raises(ScoreError, match=r"2 scores need 2 finite weights"):
        blend([scores(1, 2, 3, 4)] * 2, weights)


def test_an_unknown_scale_is_refused() -> None:
    with pytest.raises(ScoreError, match=r"scale is 'log'; it must be \"rank\" or \"z\""):
        blend([scores(1, 2, 3, 4)], scale="log")  # type: ignore[arg-type]
