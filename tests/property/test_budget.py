"""Budgets read back what they write, and resolve to limits that fit the rows."""

from __future__ import annotations

import math
from contextlib import suppress
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import budgets

from datapruner.core.budget import Budget, as_budget
from datapruner.core.items import Items
from datapruner.errors import BudgetError


@settings(max_examples=250)
@given(budgets())
def test_a_budget_reads_back_as_it_was_written(budget: Budget) -> None:
    assert Budget.parse(str(budget)) == budget
    assert as_budget(str(budget)) == as_budget(budget) == budget


@settings(max_examples=300)
@given(st.text())
def test_any_text_is_a_budget_or_an_error_of_ours(text: str) -> None:
    with suppress(BudgetError):
        budget = Budget.parse(text)
        assert Budget.parse(str(budget)) == budget


@given(percent=st.integers(1, 100), n=st.integers(0, 2000), cost=st.integers(0, 1000))
def test_whole_per_cents_of_rows_and_of_tokens_are_exact(percent: int, n: int, cost: int) -> None:
    items = Items.of(n, cost=[cost] * n, unit="tokens")
    rows = Budget.parse(f"{percent}%").resolve(items, 1)
    assert rows.count == percent * n // 100
    price = Budget.parse(f"{percent}% of tokens").resolve(items, 1).cost
    exact = Fraction(percent * n * cost, 100)
    assert math.isclose(price, exact, rel_tol=1e-12)
    assert exact.denominator > 1 or price == exact


@given(st.integers(0, 10**6), st.integers(1, 50), st.integers(0, 100))
def test_a_share_as_floor_never_promises_more_than_there_is(count: int, many: int, b: int) -> None:
    limits = Budget(count=count, floor=b / 100).resolve(Items.of(count), many)
    assert limits.floor == b * count // (100 * many)
    assert limits.floor * many <= count
