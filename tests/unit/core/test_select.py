"""select(): which picker and allocator run, and what the provenance says of it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from fakes import OfferAll

from datapruner.core.items import Items
from datapruner.core.reason import Reason
from datapruner.core.scores import Scores
from datapruner.core.select import select
from datapruner.errors import BudgetError, MissingColumnError, UnknownMethodError

ITEMS = Items.of(6, id=list("abcdef"), group=list("xxxyyy"), cost=[1, 2, 3, 1, 2, 3], unit="tokens")
SCORES = Scores(np.array([5.0, 1, 4, 0, 3, 2]), ITEMS)


def test_highest_scores_are_kept_when_nobody_says_otherwise() -> None:
    kept = select(SCORES, "50%")
    assert kept.ids.tolist() == ["a", "c", "e"]
    assert (kept.provenance.pick, kept.provenance.side) == ("high", "high")
    assert kept.provenance.allocate == "whole"


def test_a_registered_method_brings_its_own_picker_with_a_note() -> None:
    scores = Scores(SCORES.values, ITEMS, method="prototypes")
    most, few = select(scores, "80%"), select(scores, "20%")
    assert (most.provenance.pick, few.provenance.pick) == ("high", "mixed")
    assert "67% stays" in most.provenance.notes[0]
    assert select(Scores(SCORES.values, ITEMS, method="random"), "20%").provenance.pick == "high"


def test_notes_of_the_scores_and_of_the_allocation_reach_the_user() -> None:
    scores = Scores(
        SCORES.values,
        Items.of(6),
        group=np.array([0, 0, 0, 0, 1, 1]),
        group_weight=np.array([1.0, 1.0]),
        group_floor=np.array([1, 1]),
        notes=("mind this",),
    )
    kept = select(scores, "1 items", allocate="weighted")
    first, second, third = kept.provenance.notes
    assert first == "mind this"
    assert "lowered to 0" in second
    assert "keep all they may" in third


def test_the_share_a_method_is_told_is_the_tighter_of_rows_and_price() -> None:
    scores = Scores(SCORES.values, ITEMS, method="prototypes")
    assert "25% left" in select(scores, "3 tokens").provenance.notes[0]
    free = Scores(np.zeros(2), Items.of(2, cost=[0, 0]), method="prototypes")
    assert "100% stays" in select(free, "3 cost").provenance.notes[0]
    none = Scores(np.zeros(0), Items.of(0), method="prototypes")
    assert len(select(none, "50%")) == 0


def test_a_callable_picks_and_may_veto() -> None:
    kept = select(SCORES, "3 items", pick=OfferAll(veto=(1,)))
    assert kept.ids.tolist() == ["a", "c", "d"]
    assert kept.reasons[1] == Reason.VETO
    assert (kept.provenance.pick, kept.provenance.side) == ("OfferAll", "any")


def test_a_threshold_is_inclusive_on_the_side_that_is_kept() -> None:
    assert sorted(select(SCORES, "threshold 3").ids) == ["a", "c", "e"]
    assert sorted(select(SCORES, "threshold 1", pick="low").ids) == ["b", "d"]


def test_a_threshold_without_a_side_is_refused() -> None:
    with pytest.raises(
        BudgetError, match=r"needs a side, and pick 'mixed' has none.*pick=\"high\""
    ):
        select(SCORES, "threshold 3", pick="mixed")


@pytest.mark.parametrize(
    ("choice", "error", "told"),
    [
        ({"pick": "hihg"}, UnknownMethodError, r"no pick 'hihg'. Did you mean \"high\"\?"),
        ({"pick": "os:getcwd"}, UnknownMethodError, r"no pick 'os:getcwd'"),
        ({"allocate": "even"}, UnknownMethodError, r"no allocator 'even'"),
        ({"allocate": ""}, UnknownMethodError, r"no allocator ''"),
        ({"fill": "skp"}, BudgetError, r"fill is 'skp'; it must be \"skip\" or \"stop\""),
        ({"pick": "kcentre"}, MissingColumnError, r"pick 'kcentre' needs the column 'embedding'"),
    ],
)
def test_a_choice_nobody_knows_is_refused(choice: Any, error: Any, told: str) -> None:
    with pytest.raises(error, match=told):
        select(SCORES, "50%", **choice)


def test_an_allocator_shares_rows_or_the_price() -> None:
    kept = select(SCORES, "4 items", allocate="equal")
    assert sorted(kept.ids) == ["a", "c", "e", "f"]
    priced = select(SCORES, "6 tokens", allocate="equal")
    assert sorted(priced.ids) == ["a", "b", "e", "d"] or priced.cost <= 6
    assert all(priced.scores.items.cost[priced.indices][:2] <= 3)


def test_crowded_groups_are_called_by_their_names() -> None:
    items = Items.of(2, group=["cats", "cats"], pinned=[True, True])
    with pytest.raises(BudgetError, match=r"group 'cats' has 2 pinned rows"):
        select(Scores(np.zeros(2), items), "1 per group")


def test_the_provenance_is_json_and_says_what_was_asked() -> None:
    kept = select(Scores(SCORES.values, ITEMS, details={"k": 3}), "5 tokens", fill="stop", seed=7)
    told = json.loads(json.dumps(asdict(kept.provenance)))
    assert told["limits"] == {
        "count": 6, "cost": 5.0, "per_group": None, "floor": 0, "threshold": None,
    }  # fmt: skip
    assert (told["budget"], told["fill"], told["seed"], told["unit"]) == (
        "5 tokens", "stop", 7, "tokens",
    )  # fmt: skip
    assert told["details"] == {"k": 3}
    assert told["fingerprint"] == ITEMS.fingerprint


def test_seeds_change_draws_and_nothing_else() -> None:
    drawn = [select(SCORES, "50%", pick="uniform", seed=s).ids.tolist() for s in range(8)]
    assert len({tuple(d) for d in drawn}) > 1
    assert select(SCORES, "50%", seed=1).ids.tolist() == select(SCORES, "50%").ids.tolist()
