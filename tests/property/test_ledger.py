"""The eight rules of the ledger, each against an oracle that follows them literally."""

from __future__ import annotations

import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.ledger_oracle import Oracle, Refused
from strategies import COUNTED, LIMITS, PRICED, Case, cases, flat_items, shuffled

from datapruner.core.budget import Budget
from datapruner.core.items import Items
from datapruner.core.ledger import Ledger
from datapruner.core.reason import Reason
from datapruner.core.rulings import RULINGS, Rulings
from datapruner.core.scores import Scores
from datapruner.core.select import select
from datapruner.errors import BudgetError

PICKS = ("high", "low", "middle", "mixed", "uniform", "weighted")
ANY = st.one_of(cases(), cases(flat=True, limits=COUNTED), cases(flat=True, limits=PRICED))
FLAT = st.one_of(*(cases(flat=True, fill="skip", limits=k) for k in (LIMITS, COUNTED, PRICED)))
SPREADS = ("whole", "proportional", "equal", "weighted")


def filled(case: Case) -> Ledger:
    ledger = case.ledger()
    ledger.admit_many(np.array(case.offers, dtype=np.int64))
    return ledger


# -- 1: never over ------------------------------------------------------------------------------


@settings(max_examples=300)
@given(ANY)
def test_rule_1_no_limit_is_ever_exceeded(case: Case) -> None:
    rules, ledger = case.rules, filled(case)
    kept = [row for row in range(rules.n) if ledger.is_kept(row)]
    assert len(rules.counted(kept)) == ledger.count <= rules.count
    assert rules.price(kept) == ledger.cost <= rules.total
    for g in range(rules.groups):
        inside = rules.in_group(kept, g)
        assert rules.caps is None or len(inside) <= rules.caps[g]
        assert rules.cost_caps is None or rules.price(inside) <= rules.cost_caps[g]
    forced = rules.forced()
    for row in kept:
        assert not rules.barred[row]
        spared = row in forced or rules.shell[row] or ledger.reasons[row] == Reason.ANCESTOR
        assert (rules.eligible[row] and not rules.ruled[row]) or spared


@settings(max_examples=200)
@given(
    drawn=flat_items(),
    percent=st.integers(1, 100),
    per_group=st.none() | st.integers(0, 9),
    price=st.none() | st.integers(0, 60),
    threshold=st.none() | st.integers(0, 6),
    pick=st.sampled_from(PICKS),
    spread=st.sampled_from(SPREADS),
    fill=st.sampled_from(["skip", "stop"]),
)
def test_rule_1_a_selection_stays_inside_its_budget(
    drawn: tuple[Items, Scores],
    percent: int,
    per_group: int | None,
    price: int | None,
    threshold: int | None,
    pick: str,
    spread: str,
    fill: Any,
) -> None:
    items, scores = drawn
    sided = pick in ("high", "low")
    budget = Budget(
        share=percent / 100,
        per_group=per_group,
        cost=price,
        threshold=threshold if sided else None,
    )
    try:
        kept = select(scores, budget, pick=pick, allocate=spread, fill=fill)
    except BudgetError:
        assert items.pinned.any()
        return
    rows = kept.indices
    assert items.pinned[rows].sum() == items.pinned.sum()
    assert len(kept) <= percent * items.n // 100
    assert scores.contenders[rows].all()
    assert price is None or items.cost[rows].sum() <= price
    assert per_group is None or np.bincount(items.group[rows], minlength=1).max() <= per_group
    if budget.threshold is not None:
        free = scores.values[rows][~items.pinned[rows]]
        met = free >= budget.threshold if pick == "high" else free <= budget.threshold
        assert met.all()


# -- 2: exact -----------------------------------------------------------------------------------


@settings(max_examples=200)
@given(
    n=st.integers(0, 400),
    percent=st.integers(1, 100),
    many=st.integers(1, 6),
    pick=st.sampled_from(PICKS),
    spread=st.sampled_from(SPREADS),
    fill=st.sampled_from(["skip", "stop"]),
    seed=st.integers(0, 99),
)
def test_rule_2_unit_costs_keep_exactly_the_share(
    n: int, percent: int, many: int, pick: str, spread: str, fill: Any, seed: int
) -> None:
    draw = np.random.default_rng(seed)
    group = draw.integers(0, many, n)
    items = Items.of(n, group=group, group_names=[str(g) for g in range(many)])
    scores = Scores(draw.integers(0, 9, n), items, group_weight=draw.random(many) + 0.01)
    kept = select(scores, f"{percent}%", pick=pick, allocate=spread, fill=fill)
    assert len(kept) == percent * n // 100


@settings(max_examples=200)
@given(
    n=st.integers(0, 200),
    percent=st.integers(1, 100),
    many=st.integers(1, 6),
    out=st.floats(0, 1),
    pick=st.sampled_from(PICKS),
    spread=st.sampled_from(SPREADS),
    fill=st.sampled_from(["skip", "stop"]),
    seed=st.integers(0, 99),
)
def test_rule_2_what_is_ruled_out_is_made_up_for_by_the_others(
    n: int, percent: int, many: int, out: float, pick: str, spread: str, fill: Any, seed: int
) -> None:
    draw = np.random.default_rng(seed)
    group = draw.integers(0, many, n)
    items = Items.of(n, group=group, group_names=[str(g) for g in range(many)])
    reason = np.where(draw.random(n) < out, draw.choice([Reason.DUPLICATE, Reason.QUALITY], n), 0)
    scores = Scores(
        draw.integers(0, 9, n),
        items,
        group_weight=draw.random(many) + 0.01,
        group_floor=np.ones(many, dtype=np.int64),
        rulings=Rulings(reason),
    )
    kept = select(scores, f"{percent}%", pick=pick, allocate=spread, fill=fill)
    assert len(kept) == min(percent * n // 100, int(np.count_nonzero(reason == 0)))
    assert kept.reasons[reason > 0].tolist() == reason[reason > 0].tolist()
    everything = select(scores, "everything", pick=pick, allocate=spread, fill=fill)
    assert everything.mask.tolist() == (reason == 0).tolist()


def test_rule_2_every_whole_per_cent_of_any_number_of_rows_is_exact() -> None:
    for n in range(301):
        items = Items.of(n)
        for percent in range(1, 101):
            assert Budget(share=percent / 100).resolve(items, 1).count == percent * n // 100


@pytest.mark.parametrize(
    ("share", "n", "k"),
    [(0.29, 100, 29), (0.57, 100, 57), (0.07, 100, 7), (1.0, 3, 3), (0.5, 1, 0), (1 / 3, 3, 1)],
)
def test_rule_2_a_share_of_the_rows_is_not_lost_to_rounding(share: float, n: int, k: int) -> None:
    assert len(select(Scores(np.arange(n), Items.of(n)), share)) == k


@settings(max_examples=150)
@given(drawn=flat_items(), count=st.integers(0, 35), floor=st.integers(0, 5))
def test_rule_2_floors_are_met_and_the_budget_is_spent(
    drawn: tuple[Items, Scores], count: int, floor: int
) -> None:
    items, scores = drawn
    sizes = np.bincount(items.group[scores.contenders], minlength=scores.n_groups)
    pinned = np.bincount(items.group[items.pinned], minlength=scores.n_groups)
    promised = np.maximum(np.minimum(sizes, floor), pinned)
    budget = Budget(count=count, floor=floor)
    if promised.sum() > min(count, items.n):
        with pytest.raises(BudgetError, match=r"allows"):
            select(scores, budget)
        return
    kept = select(scores, budget)
    assert len(kept) == min(count, int(sizes.sum()))
    assert np.all(np.bincount(items.group[kept.indices], minlength=scores.n_groups) >= promised)


# -- 3: maximal ---------------------------------------------------------------------------------


@settings(max_examples=300)
@given(FLAT)
def test_rule_3_no_refused_row_would_still_fit(case: Case) -> None:
    rules, ledger = case.rules, filled(case)
    oracle = Oracle(rules)
    oracle.kept = [*np.flatnonzero([ledger.is_kept(r) for r in range(rules.n)]).tolist()]
    oracle.why = {r: Reason(int(w)) for r, w in enumerate(ledger.reasons) if w != 10}
    for row in case.offers:
        if ledger.reasons[row] in (Reason.COUNT, Reason.COST, Reason.GROUP, Reason.FLOOR):
            assert oracle.broken([*oracle.kept, row], [rules.group[row]]) is not None


@settings(max_examples=300)
@given(cases(fill="stop", limits=PRICED, pins=False))
def test_rule_3_stop_keeps_a_prefix_of_the_offers(case: Case) -> None:
    ledger = filled(case)
    # Rows that were never up for a decision, or came along before their own turn, say nothing.
    aside = (Reason.SHELL, Reason.BAD_ROW, Reason.THRESHOLD, Reason.ANCESTOR, *RULINGS)
    verdicts = [ledger.is_kept(row) for row in case.offers if ledger.reasons[row] not in aside]
    assert verdicts == sorted(verdicts, reverse=True)


@settings(max_examples=200)
@given(cases(flat=True, fill="stop", limits=PRICED, pins=False))
def test_rule_3_stop_equals_dropping_the_lowest_until_it_fits(case: Case) -> None:
    rules = case.rules
    able = [e and not r for e, r in zip(rules.eligible, rules.ruled, strict=True)]
    left = [r for r in case.offers if able[r] and not rules.barred[r]]
    while len(left) > rules.count or rules.price(left) > rules.total:
        left.pop()
    assert filled(case).order.tolist() == left


# -- 4: pinned first ----------------------------------------------------------------------------


@settings(max_examples=300)
@given(cases(feasible=False))
def test_rule_4_pinned_rows_come_first_or_the_budget_is_refused(case: Case) -> None:
    try:
        oracle = Oracle(case.rules)
    except Refused:
        with pytest.raises(BudgetError):
            case.ledger()
        return
    ledger = case.ledger()
    assert ledger.order.tolist() == oracle.order()
    ledger.admit_many(np.array(case.offers, dtype=np.int64))
    assert ledger.order[: len(oracle.order())].tolist() == oracle.order()
    pinned = [row for row in range(case.rules.n) if case.rules.pinned[row]]
    assert all(ledger.reasons[row] == Reason.PINNED for row in pinned)


# -- 5: ancestors come along --------------------------------------------------------------------


@settings(max_examples=300)
@given(cases(flat=False))
def test_rule_5_ancestors_come_along_and_are_paid(case: Case) -> None:
    rules, ledger = case.rules, filled(case)
    kept = [row for row in range(rules.n) if ledger.is_kept(row)]
    for row in kept:
        assert set(rules.ancestors(row)) <= set(kept)
    assert ledger.cost == rules.price(kept) <= rules.total
    assert ledger.count == len(rules.counted(kept)) <= rules.count
    shells = [row for row in kept if rules.shell[row]]
    assert set(ledger.order.tolist()) == set(kept) - set(shells)
    for row in shells:
        below = [r for r in kept if row in rules.ancestors(r) and not rules.shell[r]]
        assert below or row in rules.forced()


# -- 6: deterministic ---------------------------------------------------------------------------


@settings(max_examples=200)
@given(
    drawn=flat_items(),
    percent=st.integers(1, 100),
    pick=st.sampled_from(PICKS),
    spread=st.sampled_from(SPREADS),
    fill=st.sampled_from(["skip", "stop"]),
    data=st.data(),
)
def test_rule_6_shuffled_rows_keep_the_same_ids_in_the_same_order(
    drawn: tuple[Items, Scores], percent: int, pick: str, spread: str, fill: Any, data: Any
) -> None:
    items, scores = drawn
    order = data.draw(st.permutations(range(items.n)))
    choices: dict[str, Any] = {"pick": pick, "allocate": spread, "fill": fill, "seed": 3}
    try:
        kept = select(scores, f"{percent}%", **choices)
    except BudgetError:
        with pytest.raises(BudgetError):
            select(shuffled(scores, order), f"{percent}%", **choices)
        return
    again = select(shuffled(scores, order), f"{percent}%", **choices)
    pins = int(items.pinned.sum())
    assert set(kept.ids[:pins].tolist()) == set(again.ids[:pins].tolist())
    assert kept.ids[pins:].tolist() == again.ids[pins:].tolist()


@settings(max_examples=100)
@given(drawn=flat_items(), count=st.integers(0, 30))
def test_rule_6_rows_without_ids_tie_by_row_number(drawn: tuple[Items, Scores], count: int) -> None:
    _, scores = drawn
    free = Scores(scores.values, Items.of(scores.items.n))
    kept = select(free, f"{count} items")
    best = sorted(range(free.items.n), key=lambda row: (-free.values[row], row))
    assert kept.order.tolist() == best[:count]


@settings(max_examples=40)
@given(drawn=flat_items(), percent=st.integers(1, 100), pick=st.sampled_from(PICKS))
def test_rule_6_the_same_items_budget_and_seed_give_the_same_bytes(
    drawn: tuple[Items, Scores], percent: int, pick: str
) -> None:
    items, scores = drawn
    budget = Budget(share=percent / 100, count=max(int(items.pinned.sum()), items.n))
    if items.pinned.sum() > percent * items.n // 100:
        return
    with TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("a.npz", "b.npz")]
        for file in files:
            select(scores, budget, pick=pick, seed=5).save(file)
        assert files[0].read_bytes() == files[1].read_bytes()


# -- 7: monotone --------------------------------------------------------------------------------


@settings(max_examples=200)
@given(
    drawn=flat_items(),
    small=st.integers(0, 150),
    more=st.integers(0, 100),
    unit=st.sampled_from(["items", "cost"]),
    pick=st.sampled_from(PICKS),
)
def test_rule_7_a_larger_budget_keeps_a_superset(
    drawn: tuple[Items, Scores], small: int, more: int, unit: str, pick: str
) -> None:
    _, scores = drawn
    try:
        less = select(scores, f"{small} {unit}", pick=pick, allocate="whole", fill="stop")
    except BudgetError:
        return
    larger = select(scores, f"{small + more} {unit}", pick=pick, allocate="whole", fill="stop")
    assert larger.order[: len(less)].tolist() == less.order.tolist()


# -- 8: two lanes, one answer -------------------------------------------------------------------


@settings(max_examples=400)
@given(ANY)
def test_rule_8_the_scalar_lane_follows_the_rules_literally(case: Case) -> None:
    oracle, ledger = Oracle(case.rules), case.ledger()
    for row in case.offers:
        assert ledger.admit(row) == oracle.admit(row)
    assert ledger.order.tolist() == oracle.order()
    assert ledger.reasons.tolist() == oracle.reasons()


@settings(max_examples=500)
@given(case=ANY, data=st.data())
def test_rule_8_both_lanes_agree_however_the_offers_arrive(case: Case, data: Any) -> None:
    slow, fast = case.ledger(), case.ledger()
    left = list(case.offers)
    while left:
        how = data.draw(st.sampled_from(["many", "many", "one", "refuse"]))
        size = data.draw(st.integers(1, len(left))) if how == "many" else 1
        batch, left = left[:size], left[size:]
        if how == "refuse":
            slow.refuse(batch[0])
            fast.refuse(batch[0])
        elif how == "one":
            assert fast.admit(batch[0]) == slow.admit(batch[0])
        else:
            kept = fast.admit_many(np.array(batch, dtype=np.int64))
            for row in batch:
                slow.admit(row)
            assert kept.tolist() == [slow.is_kept(row) for row in batch]
        assert fast.reasons.tolist() == slow.reasons.tolist()
    assert fast.order.tolist() == slow.order.tolist()
    assert (fast.count, fast.cost, fast.full) == (slow.count, slow.cost, slow.full)


@pytest.mark.parametrize("fill", ["skip", "stop"])
@pytest.mark.parametrize("count", [0, 7, 64, 500, 1500])
@pytest.mark.parametrize("total", [0.0, 13.5, 600.25, 1e9, math.inf])
def test_rule_8_the_lanes_agree_beyond_one_chunk(
    fill: Any, count: int, total: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datapruner.core.ledger._CHUNK", 64)
    draw = np.random.default_rng(7)
    items = Items.of(1000, cost=draw.integers(1, 40, 1000) / 8)
    slow, fast = (Ledger(items, count=count, cost=total, fill=fill) for _ in range(2))
    offers = draw.permutation(1000)
    for row in offers.tolist():
        slow.admit(row)
    fast.admit_many(offers)
    assert fast.reasons.tolist() == slow.reasons.tolist()
    assert fast.order.tolist() == slow.order.tolist()
    assert fast.cost == slow.cost


def test_rule_8_the_lanes_agree_on_prices_in_a_wicked_order() -> None:
    n = 400
    prices = np.ones(n)
    prices[1::2] = n - np.arange(
        n // 2
    )  # each dear row just fails to fit after its cheap neighbour
    items = Items.of(n, cost=prices)
    slow, fast = Ledger(items, cost=float(n)), Ledger(items, cost=float(n))
    verdicts = [slow.admit(row) for row in range(n)]
    assert fast.admit_many(np.arange(n)).tolist() == verdicts
    assert fast.order.tolist() == slow.order.tolist()


@settings(max_examples=200)
@given(
    prices=st.lists(st.floats(0, 1e6), max_size=40),
    total=st.floats(0, 1e6),
    fill=st.sampled_from(["skip", "stop"]),
)
def test_rule_8_the_lanes_round_alike(prices: list[float], total: float, fill: Any) -> None:
    items = Items.of(len(prices), cost=np.array(prices, dtype=np.float64))
    slow, fast = Ledger(items, cost=total, fill=fill), Ledger(items, cost=total, fill=fill)
    verdicts = [slow.admit(row) for row in range(items.n)]
    assert fast.admit_many(np.arange(items.n)).tolist() == verdicts
    assert fast.cost == slow.cost <= total * (1 + 1e-12)
