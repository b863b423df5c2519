"""Budget: the grammar, the limits in numbers, and every refusal."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from datapruner.core.budget import Budget, as_budget
from datapruner.core.items import Items
from datapruner.errors import BudgetError

TOKENS = Items.of(4, cost=[10, 20, 30, 40], unit="tokens", group=list("aabb"))


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("30%", Budget(share=0.3)),
        ("12.5 %", Budget(share=0.125)),
        ("30% of rows", Budget(share=0.3)),
        ("30% of Items", Budget(share=0.3)),
        ("30% of tokens", Budget(share=0.3, share_of="cost", unit="tokens")),
        ("30% of cost", Budget(share=0.3, share_of="cost")),
        ("1200 items", Budget(count=1200)),
        ("1_200 examples", Budget(count=1200)),
        ("1.5k chunks", Budget(count=1500)),
        ("1 sentence", Budget(count=1)),
        ("2048 tokens", Budget(cost=2048.0, unit="tokens")),
        ("20k tokens", Budget(cost=20_000.0, unit="tokens")),
        ("1.5M tokens", Budget(cost=1_500_000.0, unit="tokens")),
        ("2B gpu-seconds", Budget(cost=2e9, unit="gpu-seconds")),
        ("0.5 cost", Budget(cost=0.5)),
        ("1e3 tokens", Budget(cost=1000.0, unit="tokens")),
        ("3 per group", Budget(per_group=3)),
        ("floor 5", Budget(floor=5)),
        ("floor 50%", Budget(floor=0.5)),
        ("threshold 0.8", Budget(threshold=0.8)),
        ("threshold -0.8", Budget(threshold=-0.8)),
        ("everything", Budget()),
        (
            "2048 tokens, 3 per group, 50% of tokens",
            Budget(cost=2048.0, unit="tokens", per_group=3, share=0.5, share_of="cost"),
        ),
    ],
)
def test_the_grammar_reads(text: str, budget: Budget) -> None:
    assert Budget.parse(text) == budget
    assert Budget.parse(str(budget)) == budget


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", r"the budget is empty.*\"30%\""),
        ("30", r"a bare 30 could mean.*\"30%\", \"30 items\" or \"30 tokens\""),
        ("0.3", r"a bare 0\.3 could mean.*\"30%\""),
        ("some", r"cannot read 'some' in the budget 'some'"),
        ("-5%", r"cannot read '-5%'"),
        ("30%,", r"cannot read ''"),
        ("30%, 20%", r"sets share twice; say it once"),
        ("floor 5, floor 50%", r"sets floor twice"),
        ("5 tokens, 30% of words", r"sets unit twice"),
        ("5 tokens, 6 tokens", r"sets cost twice"),
        ("2.5 items", r"'2\.5 items': a number of rows must be whole"),
        ("1e30 items", r"at most 1,000,000,000,000,000,000"),
        ("0%", r"share is 0\.0; it says what is kept and must lie in \(0, 1\]"),
        ("130%", r"share is 1\.3"),
        ("1e999 tokens", r"cost is inf; it must be a finite number"),
        ("floor 130%", r"floor is 1\.3; give a whole number of rows, or a share"),
    ],
)
def test_what_cannot_be_read_says_why_and_what_to_write(text: str, told: str) -> None:
    with pytest.raises(BudgetError, match=told):
        Budget.parse(text)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"count": -1}, r"count is -1; it must be a whole number"),
        ({"count": 2.0}, r"count is 2\.0"),
        ({"count": True}, r"count is True"),
        ({"per_group": "3"}, r"per_group is '3'"),
        ({"share": 0}, r"share is 0"),
        ({"share": math.nan}, r"share is nan"),
        ({"share": True}, r"share is True"),
        ({"share": 0.5, "share_of": "rows"}, r"share_of is 'rows'; it must be \"items\" or"),
        ({"share_of": "cost"}, r"share_of is \"cost\" but there is no share"),
        ({"cost": -0.1}, r"cost is -0\.1"),
        ({"cost": "many"}, r"cost is 'many'"),
        ({"cost": 5, "unit": "rows"}, r"unit is 'rows'.*count"),
        ({"cost": 5, "unit": "two words"}, r"unit is 'two words'; it must be one word"),
        ({"cost": 5, "unit": "cost"}, r"unit is 'cost'"),
        ({"unit": "tokens"}, r"unit is 'tokens' but no price is limited"),
        ({"threshold": math.inf}, r"threshold is inf"),
        ({"floor": -1}, r"floor is -1"),
        ({"floor": "1"}, r"floor is '1'"),
    ],
)
def test_fields_out_of_range_are_refused(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(BudgetError, match=told):
        Budget(**fields)


def test_as_budget_takes_a_budget_a_text_or_a_share() -> None:
    assert as_budget(Budget(count=3)) == Budget(count=3)
    assert as_budget("3 items") == Budget(count=3)
    assert as_budget(0.3) == Budget(share=0.3)
    assert as_budget(np.float32(0.5)) == Budget(share=0.5)


@pytest.mark.parametrize("value", [30, 1, np.int64(30)])
def test_a_bare_whole_number_is_refused_with_a_hint(value: int) -> None:
    with pytest.raises(BudgetError, match=rf'"{value} items" or "{value} tokens"'):
        as_budget(value)


@pytest.mark.parametrize("value", [True, None, [3]])
def test_anything_else_is_no_budget(value: Any) -> None:
    with pytest.raises(BudgetError, match=r"cannot read a budget from .*\"30%\""):
        as_budget(value)


def test_numpy_numbers_are_numbers() -> None:
    budget = Budget(count=np.int64(3), share=np.float32(0.5), floor=np.int32(1))  # type: ignore[arg-type]
    assert budget.resolve(TOKENS, 2).count == 2
    assert str(budget) == "50%, 3 items, floor 1"


def test_limits_all_hold_at_once() -> None:
    limits = Budget.parse("75%, 2 items, 90 tokens, 1 per group, threshold 0.5").resolve(TOKENS, 2)
    assert (limits.count, limits.cost, limits.per_group, limits.floor) == (2, 90, 1, 0)
    assert limits.threshold == 0.5
    assert limits.limits_cost


def test_no_limit_is_every_row_and_any_price() -> None:
    limits = Budget().resolve(TOKENS, 2)
    assert (limits.count, limits.cost, limits.limits_cost) == (4, math.inf, False)


def test_shares_leave_barred_rows_and_shells_out() -> None:
    items = Items.of(
        4,
        cost=[10, 20, 30, 40],
        unit="tokens",
        shell=np.array([True, False, False, False]),
        barred=np.array([False, False, False, True]),
    )
    assert Budget.parse("50%").resolve(items, 1).count == 1
    assert Budget.parse("50% of tokens").resolve(items, 1).cost == 30


def test_the_smaller_of_a_price_and_a_share_of_the_price_holds() -> None:
    assert Budget.parse("45 cost, 50% of cost").resolve(TOKENS, 1).cost == 45
    assert Budget.parse("60 cost, 50% of cost").resolve(TOKENS, 1).cost == 50
    assert Budget.parse("33.33333% of cost").resolve(TOKENS, 1).cost == pytest.approx(33.33333)


def test_another_unit_is_refused_with_both_named() -> None:
    for text in ("50 words", "50% of words"):
        with pytest.raises(BudgetError, match=r"in words, but these rows are priced in tokens"):
            Budget.parse(text).resolve(TOKENS, 1)


def test_a_floor_is_rows_or_a_share_of_an_even_split() -> None:
    assert Budget.parse("4 items, floor 1").resolve(TOKENS, 2).floor == 1
    assert Budget.parse("4 items, floor 50%").resolve(TOKENS, 2).floor == 1
    assert Budget.parse("floor 100%").resolve(TOKENS, 3).floor == 1


def test_a_floor_and_a_price_are_refused_together() -> None:
    with pytest.raises(BudgetError, match=r"a floor counts rows and cannot be combined"):
        Budget.parse("50 tokens, floor 1").resolve(TOKENS, 2)
