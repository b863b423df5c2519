"""explain: the right numbers and the right rule for every kind of row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fakes import FeatureScorer

from datapruner.core.explain import rule_text
from datapruner.core.items import Items
from datapruner.core.pruner import Cascade, Pruner
from datapruner.core.reason import Reason
from datapruner.core.scores import Scores
from datapruner.core.select import select
from datapruner.core.selection import Selection


def tree(budget: str = "4 items", **choices: Any) -> Selection:
    # 0 is a shell over 1 and 2; 3 is a row over 4; 5 is pinned, 6 barred, 7 a leaf of its own.
    items = Items.of(
        8,
        id=[f"r{n}" for n in range(8)],
        cost=[1_500_000] * 8,
        unit="tokens",
        parent=[-1, 0, 0, -1, 3, -1, -1, -1],
        shell=np.arange(8) == 0,
        pinned=np.arange(8) == 5,
        barred=np.arange(8) == 6,
        group=list("aaaabbbb"),
    )
    values = np.array([0, 8, 1, 2, 7, 0.5, 0, 1.0])
    return select(Scores(values, items, "odder", "mine"), budget, **choices)


def test_a_kept_row_tells_score_rank_group_price_and_rule() -> None:
    assert tree().explain(1).splitlines() == [
        "row 1 (id r1): kept",
        "  score  8  (mine; higher is odder)",
        "  rank   1 of 6, highest first",
        "  group  a: 2 of 3 rows kept",
        "  cost   1,500,000 tokens",
        "  rule   kept by pick 'high' within 4 items",
    ]


def test_a_dropped_row_tells_the_limit_it_met_and_its_ties() -> None:
    told = tree().explain(2)
    assert "row 2 (id r2): dropped" in told
    assert "rank   4 of 6, highest first, 1 with the same score" in told
    assert "the budget of 4 rows was full (pick 'high' within 4 items)" in told


def test_pinned_ancestor_shell_and_barred_rows_tell_theirs() -> None:
    kept = tree()
    assert "pinned: kept whatever it scores" in kept.explain(5)
    assert "came along with a row inside it that was kept" in kept.explain(3)
    shell = kept.explain(0)
    assert "row 0 (id r0): kept" in shell
    assert "score" not in shell
    barred = kept.explain(6)
    assert "dropped" in barred
    assert "could not be scored" in barred
    assert "score  " not in barred


def test_the_low_side_ranks_from_below() -> None:
    assert "rank   1 of 6, lowest first" in tree("2 items", pick="low").explain(5)


def test_pickers_without_a_side_tell_when_a_row_was_taken() -> None:
    kept = tree("4 items", pick="mixed")
    second = int(kept.order[1])
    assert "; taken as number 2" in kept.explain(second)
    dropped = int(np.flatnonzero(~kept.mask)[-1])
    assert "taken as number" not in kept.explain(dropped)


def test_a_pinned_shell_is_explained_without_a_score() -> None:
    items = Items.of(2, shell=[True, False], pinned=[True, False], parent=[-1, 0])
    kept = select(Scores(np.zeros(2), items), "1 items", pick="mixed")
    assert "pinned" in kept.explain(0)


def test_rows_without_ids_and_prices_are_told_by_number_alone() -> None:
    told = select(Scores(np.arange(3.0), Items.of(3)), "1 items").explain(2)
    assert told.startswith("row 2: kept\n")
    assert "cost" not in told


def test_a_row_an_earlier_stage_dropped_has_no_score_of_its_own() -> None:
    items = Items.of(4, cheap=np.arange(4.0), costly=np.array([9.0, 8, 7, 6]))
    both = Cascade(Pruner(FeatureScorer("cheap")), Pruner(FeatureScorer("costly")), 2)(
        items, "1 items"
    )
    told = both.explain(0)
    assert "score  " not in told
    assert "dropped by an earlier stage" in told
    assert "rank   1 of 2" in both.explain(2)


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_its_rule(reason: Reason) -> None:
    told = rule_text(tree(), reason)
    assert told
    assert len(told) < 100
    assert rule_text(tree("9M tokens, 4 items"), Reason.COST).endswith("9,000,000 tokens")
