"""Pruner and Cascade: recipes as data, refusals, and the order of stages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fakes import FeatureScorer, OfferAll

from datapruner.core.items import Items
from datapruner.core.pruner import Cascade, Pruner
from datapruner.core.reason import Reason
from datapruner.errors import BudgetError, InputError, UnknownMethodError
from datapruner.scorers.draw import Draw

ITEMS = Items.of(
    6,
    id=list("abcdef"),
    cheap=np.array([6.0, 5, 4, 3, 2, 1]),
    costly=np.array([1.0, 2, 3, 4, 5, 6]),
)


def test_a_recipe_scores_once_and_selects_as_often_as_asked() -> None:
    pruner = Pruner(FeatureScorer("costly"), pick="low", fill="stop")
    scores = pruner.score(ITEMS)
    assert pruner.select(scores, "2 items").ids.tolist() == ["a", "b"]
    assert pruner(ITEMS, "1 items").ids.tolist() == ["a"]
    assert pruner.select(scores, "1 items").provenance.fill == "stop"


def test_a_method_may_be_given_by_name() -> None:
    assert Pruner("random").scorer == Draw()
    assert len(Pruner("random")(ITEMS, "50%", seed=4)) == 3


@pytest.mark.parametrize(
    ("recipe", "error", "told"),
    [
        ({"scorer": "rndom"}, UnknownMethodError, r"no method 'rndom'. Did you mean \"random\"\?"),
        ({"allocate": "evn"}, UnknownMethodError, r"no allocator 'evn'.*Known: equal"),
        ({"pick": "hgih"}, UnknownMethodError, r"no pick 'hgih'"),
        ({"fill": "stopp"}, BudgetError, r"fill is 'stopp'"),
    ],
)
def test_unknown_names_are_refused_when_the_recipe_is_written(
    recipe: Any, error: Any, told: str
) -> None:
    with pytest.raises(error, match=told):
        Pruner(**({"scorer": "random"} | recipe))


def test_a_recipe_survives_being_written_down() -> None:
    pruner = Pruner("prototypes", allocate="equal", pick="mixed", fill="stop")
    told = pruner.to_dict()
    assert (told["method"], told["allocate"], told["pick"]) == ("prototypes", "equal", "mixed")
    assert Pruner.from_dict(told) == pruner
    assert Pruner.from_dict({"method": "random"}) == Pruner("random")


@pytest.mark.parametrize("pruner", [Pruner(FeatureScorer()), Pruner("random", pick=OfferAll())])
def test_what_is_not_registered_cannot_be_written_down(pruner: Pruner) -> None:
    with pytest.raises(InputError, match=r"only recipes of registered methods and pickers"):
        pruner.to_dict()


@pytest.mark.parametrize(
    ("recipe", "told"),
    [
        ({}, r"the recipe names no method. Write for example method = \"prototypes\""),
        ({"methd": "random"}, r"unknown key 'methd'. Did you mean \"method\"\?"),
        (
            {"method": "prototypes", "params": {"iteration": 3}},
            r"params of prototypes has an unknown key 'iteration'. Did you mean \"iterations\"\?",
        ),
    ],
)
def test_a_recipe_with_a_misspelt_key_names_the_nearest(recipe: Any, told: str) -> None:
    with pytest.raises(InputError, match=told):
        Pruner.from_dict(recipe)


def test_a_cascade_hands_the_second_stage_what_the_first_left() -> None:
    both = Cascade(Pruner(FeatureScorer("cheap")), Pruner(FeatureScorer("costly")), 2)(
        ITEMS, "2 items"
    )
    assert both.ids.tolist() == ["d", "c"]
    assert [Reason(int(r)).name for r in both.reasons] == [
        "COUNT", "COUNT", "ADMITTED", "ADMITTED", "EARLIER_STAGE", "EARLIER_STAGE",
    ]  # fmt: skip
    assert both.provenance.method == "fake then fake"
    assert both.provenance.budget == "2 items"
    assert both.provenance.fingerprint == ITEMS.fingerprint


def test_the_share_of_a_cascade_is_of_all_rows_and_prices() -> None:
    items = Items.of(
        4, cost=[1, 1, 2, 4], unit="tokens", cheap=np.arange(4.0), costly=-np.arange(4.0)
    )
    stages = Pruner(FeatureScorer("cheap")), Pruner(FeatureScorer("costly"))
    assert Cascade(*stages, 1.5)(items, "50%").order.tolist() == [1, 2]
    assert Cascade(*stages, 1.5)(items, "50% of tokens").order.tolist() == [2]
    assert Cascade(*stages, 1.0)(items, "2 tokens, 3 items").order.tolist() == [2]


def test_a_cascade_keeps_pinned_rows_and_remembers_bad_ones() -> None:
    items = Items.of(
        5,
        pinned=[True, False, False, False, False],
        cheap=np.array([0.0, 4, np.nan, 3, 2]),
        costly=np.array([0.0, np.nan, 1, 2, 3]),
    )
    both = Cascade(Pruner(FeatureScorer("cheap")), Pruner(FeatureScorer("costly")), 2)(
        items, "2 items"
    )
    assert [Reason(int(r)).name for r in both.reasons] == [
        "PINNED", "BAD_ROW", "BAD_ROW", "COUNT", "ADMITTED",
    ]  # fmt: skip
    assert both.scores.items.countable == 3


@pytest.mark.parametrize("overdraft", [0.5, float("nan"), float("inf")])
def test_an_overdraft_that_starves_or_never_ends_is_refused(overdraft: float) -> None:
    with pytest.raises(BudgetError, match=r"overdraft is .*a finite number of 1 or more"):
        Cascade(Pruner("random"), Pruner("random"), overdraft)
