"""Selections: masks, orders and reasons belong together; cuts are nested; cascades add nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from fakes import FeatureScorer
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import Case, cases, flat_items

from datapruner.core.budget import Budget
from datapruner.core.items import Items
from datapruner.core.pruner import Cascade, Pruner
from datapruner.core.reason import Reason
from datapruner.core.scores import Scores
from datapruner.core.select import select
from datapruner.core.selection import Selection
from datapruner.errors import BudgetError


def tree_selection(case: Case) -> Selection:
    """A selection of rows with parents, shells, pins and bars, within a number and a price."""
    items, rules = case.items(), case.rules
    values = np.random.default_rng(rules.n).integers(0, 9, rules.n)
    price = None if rules.total == float("inf") else rules.total
    pinned = rules.price(rules.forced())
    budget = Budget(
        count=max(rules.count, len(rules.counted(rules.forced()))),
        cost=None if price is None else max(price, pinned),
    )
    return select(Scores(values, items), budget, fill=rules.fill)


@settings(max_examples=200)
@given(cases())
def test_order_mask_and_reasons_tell_the_same_story(case: Case) -> None:
    kept = tree_selection(case)
    items = kept.scores.items
    assert np.array_equal(kept.mask, kept.reasons < Reason.NOT_OFFERED)
    assert sorted(kept.order.tolist()) == kept.indices.tolist()
    assert kept.indices.tolist() == np.flatnonzero(kept.mask & ~items.shell).tolist()
    assert kept.ids.tolist() == items.ids[kept.order].tolist()
    assert len(kept) == len(set(kept.order.tolist()))
    for row in range(items.n):
        verdict = "kept" if kept.mask[row] else "dropped"
        assert kept.explain(row).splitlines()[0].endswith(f": {verdict}")
        assert "  rule   " in kept.explain(row)


@settings(max_examples=150)
@given(case=cases(), percents=st.lists(st.integers(1, 100), min_size=2, max_size=5))
def test_cuts_are_nested_and_inside_the_selection(case: Case, percents: list[int]) -> None:
    kept = tree_selection(case)
    previous = set(np.flatnonzero(kept.mask).tolist())
    for percent in sorted(percents, reverse=True):
        try:
            cut = kept.cut(f"{percent}%")
        except BudgetError:
            assert kept.scores.items.pinned.any()
            return
        rows = set(np.flatnonzero(cut.mask).tolist())
        assert rows <= previous
        assert len(cut) <= percent * kept.scores.items.countable // 100
        previous = rows


@settings(max_examples=100)
@given(case=cases(), more=st.integers(0, 20))
def test_a_cut_no_smaller_than_the_selection_changes_no_row(case: Case, more: int) -> None:
    kept = tree_selection(case)
    cut = kept.cut(f"{len(kept) + more} items")
    assert cut.order.tolist() == kept.order.tolist()


@settings(max_examples=60)
@given(case=cases())
def test_a_selection_comes_back_as_it_was_saved(case: Case) -> None:
    kept = tree_selection(case)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "kept.npz"
        kept.save(path)
        first = path.read_bytes()
        again = Selection.load(path)
        again.save(path, overwrite=True)
        assert path.read_bytes() == first
    assert again.order.tolist() == kept.order.tolist()
    assert again.reasons.tolist() == kept.reasons.tolist()
    assert again.provenance == kept.provenance
    assert str(again.report()) == str(kept.report())
    assert [again.explain(r) for r in range(case.rules.n)] == [
        kept.explain(r) for r in range(case.rules.n)
    ]


@settings(max_examples=150)
@given(cases())
def test_a_report_adds_up_and_is_json(case: Case) -> None:
    kept = tree_selection(case)
    items = kept.scores.items
    told = json.loads(json.dumps(kept.report().to_dict(), allow_nan=False))
    dropped = int(np.count_nonzero(~kept.mask & ~items.shell))
    assert sum(told["dropped"].values()) == dropped
    assert sum(g["kept"] for g in told["groups"]) == told["kept"] == len(kept)
    assert sum(g["rows"] for g in told["groups"]) == told["rows"] == items.countable
    assert told["cost_kept"] == items.cost[kept.mask].sum()
    assert str(kept.report()).startswith(f"kept {len(kept)} of {items.countable} rows")


@settings(max_examples=150)
@given(
    drawn=flat_items(),
    percent=st.integers(1, 100),
    overdraft=st.floats(1, 8),
    seed=st.integers(0, 1000),
)
def test_a_cascade_is_its_second_stage_on_what_the_first_kept(
    drawn: tuple[Items, Scores], percent: int, overdraft: float, seed: int
) -> None:
    items, scores = drawn
    second = np.random.default_rng(seed).random(items.n)
    items = replace(items, features={"cheap": scores.values, "costly": second})
    cheap, costly = Pruner(FeatureScorer("cheap")), Pruner(FeatureScorer("costly"))
    k = percent * items.n // 100
    if items.pinned.sum() > k:
        return
    both = Cascade(cheap, costly, overdraft)(items, f"{percent}%")
    loose = cheap(items, Budget(count=min(int(k * overdraft), items.n)))
    rows = np.flatnonzero(loose.mask)
    alone = costly(items.take(rows), Budget(count=k))
    assert both.ids.tolist() == alone.ids.tolist()
    assert both.reasons[rows].tolist() == alone.reasons.tolist()
    assert np.all(both.reasons[~loose.mask] == Reason.EARLIER_STAGE)
    assert len(both) == k
