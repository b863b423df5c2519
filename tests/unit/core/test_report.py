"""Report: for eyes and as JSON."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from fakes import FeatureScorer

from datapruner.core.items import Items
from datapruner.core.pruner import Cascade, Pruner
from datapruner.core.report import Report
from datapruner.core.scores import Scores
from datapruner.core.select import select


def report(budget: str, values: Any = (5, 1, 4, 0, 3, 2), **columns: Any) -> Report:
    items = Items.of(len(values), **columns)
    scores = Scores(np.array(values, dtype=np.float32), items, "odder", details={"k": 3, "x": [1]})
    return select(scores, budget).report()


def test_the_text_says_what_was_asked_kept_and_dropped() -> None:
    told = str(report("50%", group=list("aaabbb"), cost=[1, 2, 3, 1, 2, 3], unit="tokens"))
    assert told.splitlines() == [
        "kept 3 of 6 rows (50.0%)",
        "  method   given, pick high, allocate whole, seed 0",
        "  budget   50%",
        "  cost     6 of 12 tokens",
        "  ran      k 3",
        "  score    0 to 5, median 2.5; higher is odder",
        "",
        "dropped",
        "           3  the budget of 3 rows was full (pick 'high' within 50%)",
        "",
        "group  rows  kept  share  mean score  mean kept",
        "a         3     2    67%       3.333        4.5",
        "b         3     1    33%       1.667          3",
    ]


def test_no_rows_make_a_short_report() -> None:
    none = report("50%", values=())
    assert str(none).startswith("kept 0 of 0 rows (0.0%)\n")
    assert none.score == {"meaning": "higher is odder"}
    assert none.dropped == {}
    assert none.unspent == ""


def test_nothing_kept_leaves_means_out() -> None:
    nothing = report("0 items", group=list("aaabbb"))
    assert nothing.groups[0].mean_kept is None
    assert "mean_kept" not in nothing.score
    assert "a         3     0     0%           3.333          -" not in str(nothing)
    assert json.loads(json.dumps(nothing.to_dict()))["groups"][0]["mean_kept"] is None


def test_what_is_unspent_says_why() -> None:
    assert report("threshold 3, 5 items").unspent == "2 rows: beyond the threshold 3.0"
    priced = {"cost": [4.0] * 6, "unit": "tokens"}
    assert report("10 tokens", **priced).unspent == (
        "2 tokens: did not fit what was left of 10 tokens"
    )
    assert report("30 tokens", **priced).unspent == "6 tokens: there were no more rows"
    assert report("24 tokens", **priced).unspent == ""
    assert report("0.75 cost", cost=[0.5] * 6).unspent.startswith("0.25 units")


def test_small_groups_are_counted_but_not_shown() -> None:
    many = report("50%", values=range(40), group=[f"g{r % 15}" for r in range(40)])
    assert len(many.groups) == 15
    assert str(many).splitlines()[-1] == "... and 3 smaller groups"


def test_an_empty_group_has_no_share_and_no_mean() -> None:
    items = Items.of(1, group=[0], group_names=["a", "empty"])
    told = str(select(Scores(np.ones(1), items), "1 items").report())
    assert "empty     0     0      -           -          -" in told


def test_notes_are_part_of_the_text() -> None:
    scores = Scores(np.arange(4.0), Items.of(4), method="prototypes")
    assert "  note     pick mixed: with 25% left" in str(select(scores, "25%").report())


def test_scores_of_an_earlier_stage_do_not_colour_the_report() -> None:
    items = Items.of(5, cheap=np.array([0.0, 1, 2, 3, np.nan]), costly=np.array([9.0, 8, 7, 6, 5]))
    both = Cascade(Pruner(FeatureScorer("cheap")), Pruner(FeatureScorer("costly")), 2)(
        items, "1 items"
    )
    told = both.report()
    assert (told.rows, told.kept, told.cost) == (4, 1, 4)
    assert (told.score["lowest"], told.score["highest"]) == (6, 7)
    assert told.dropped == {
        "dropped by an earlier stage of the cascade": 2,
        "the budget of 1 rows was full (pick 'high' within 1 items)": 1,
        "could not be scored; see the quarantine file": 1,
    }
