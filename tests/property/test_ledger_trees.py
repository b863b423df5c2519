"""The fast lanes of trees (one total price; a count that is full) against the scalar definition."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import Case, cases

from datapruner.core.items import Items
from datapruner.core.ledger import Ledger
from datapruner.core.reason import Reason

PRICED_TREES = cases(flat=False, limits=("price",))
FULL_TREES = cases(flat=False, limits=("count", "price"), fill="skip")


@contextmanager
def never_one_by_one() -> Iterator[None]:
    """Fails where rows go through the lane that offers each to ``admit``."""
    error = AssertionError("the scalar lane was taken")
    with mock.patch.object(Ledger, "_admit_each", side_effect=error):
        yield


def same(fast: Ledger, slow: Ledger) -> None:
    assert fast.reasons.tolist() == slow.reasons.tolist()
    assert fast.order.tolist() == slow.order.tolist()
    assert (fast.count, fast.cost, fast.full) == (slow.count, slow.cost, slow.full)


@settings(max_examples=500)
@given(case=PRICED_TREES, data=st.data())
def test_chains_under_one_price_are_admitted_as_one_by_one(case: Case, data: Any) -> None:
    fast, slow = case.ledger(), case.ledger()
    left = list(case.offers)
    while left:
        size = data.draw(st.integers(1, len(left)))
        batch, left = left[:size], left[size:]
        if not case.ledger().items.has_parents:
            return
        with never_one_by_one():
            kept = fast.admit_many(np.array(batch, dtype=np.int64))
        for row in batch:
            slow.admit(row)
        # A row that was refused may have come along with a later one.
        assert kept.tolist() == [slow.is_kept(row) for row in batch]
        same(fast, slow)


@settings(max_examples=500)
@given(case=FULL_TREES)
def test_when_the_count_is_full_the_rest_is_refused_at_once(case: Case) -> None:
    fast, slow = case.ledger(), case.ledger()
    taken = 0
    for row in case.offers:
        if slow.count >= slow.count_limit:
            break
        assert fast.admit(row) == slow.admit(row)
        taken += 1
    rest = case.offers[taken:]
    if slow.count < slow.count_limit or not fast.items.has_parents:
        return
    with never_one_by_one(), mock.patch.object(Ledger, "admit", side_effect=AssertionError):
        kept = fast.admit_many(np.array(rest, dtype=np.int64))
    assert kept.tolist() == [slow.admit(row) for row in rest]
    same(fast, slow)


@settings(max_examples=300)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(2, 60),
    total=st.floats(0, 40),
    fill=st.sampled_from(["skip", "stop"]),
)
def test_prices_that_round_do_so_alike_in_both_lanes(
    seed: int, n: int, total: float, fill: Any
) -> None:
    draw = np.random.default_rng(seed)
    parent = np.array([-1, *(int(draw.integers(-1, row)) for row in range(1, n))], dtype=np.int64)
    parent[1] = 0
    items = Items.of(
        n,
        cost=draw.choice([0.1, 0.2, 0.3, 1 / 3, 1.7], n),
        parent=parent,
        shell=draw.random(n) < 0.4,
    )
    fast, slow = (Ledger(items, cost=total, fill=fill) for _ in range(2))
    offers = draw.permutation(n)
    with never_one_by_one():
        fast.admit_many(offers)
    for row in offers.tolist():
        slow.admit(row)
    same(fast, slow)


@pytest.mark.parametrize("fill", ["skip", "stop"])
def test_a_chain_that_fits_to_the_last_token_is_kept(fill: Any) -> None:
    items = Items.of(4, cost=[1, 2, 3, 4], parent=np.array([-1, 0, 1, 0], dtype=np.int64))
    for total, kept in ((6, [0, 1, 2]), (5, []), (10, [0, 1, 2, 3])):
        ledger = Ledger(items, cost=float(total), fill=fill)
        ledger.admit_many(np.array([2, 3], dtype=np.int64))
        found = [row for row in range(4) if ledger.is_kept(row)]
        assert found == (kept if kept or fill == "stop" else [0, 3])


def test_a_deep_chain_that_is_too_dear_is_left_where_the_price_is_spent() -> None:
    n = 20_000
    parent = np.arange(-1, n - 1, dtype=np.int64)
    items = Items.of(n, parent=parent, cost=np.full(n, 2.0))
    ledger = Ledger(items, cost=9.0)
    ledger.admit_many(np.arange(n - 1, -1, -1, dtype=np.int64))
    assert [row for row in range(n) if ledger.is_kept(row)] == [0, 1, 2, 3]
    assert ledger.reasons[4:].tolist() == [Reason.COST] * (n - 4)
    assert math.isclose(ledger.cost, 8.0)
