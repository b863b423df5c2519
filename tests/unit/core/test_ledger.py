"""Ledger and its books: single decisions, in both lanes, and what pinned rows may not do."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from datapruner.core.allocate import Allocation
from datapruner.core.items import Items
from datapruner.core.ledger import Ledger
from datapruner.core.reason import Reason
from datapruner.errors import BudgetError


def limits(caps: Any = None, cost_caps: Any = None, floors: Any = (0, 0)) -> Allocation:
    return Allocation(
        None if caps is None else np.array(caps),
        None if cost_caps is None else np.array(cost_caps, dtype=np.float64),
        np.array(floors),
        "given",
    )


def reasons(ledger: Ledger) -> list[str]:
    return [Reason(int(r)).name for r in ledger.reasons]


def test_no_rows_make_an_empty_answer() -> None:
    ledger = Ledger(Items.of(0))
    assert ledger.full
    assert ledger.admit_many(np.array([], dtype=np.int64)).tolist() == []
    assert ledger.order.tolist() == []


def test_one_row_is_kept_or_not() -> None:
    assert Ledger(Items.of(1)).admit(0)
    ledger = Ledger(Items.of(1), count=0)
    assert not ledger.admit(0)
    assert reasons(ledger) == ["COUNT"]


def test_a_row_offered_twice_stays_as_it_was_decided() -> None:
    ledger = Ledger(Items.of(3), count=1)
    assert ledger.admit(1)
    assert ledger.admit(1)
    assert not ledger.admit(0)
    assert not ledger.admit(0)
    assert ledger.admit_many(np.array([2, 1, 0])).tolist() == [False, True, False]
    assert ledger.count == 1


def test_reasons_and_order_are_copies() -> None:
    ledger = Ledger(Items.of(2))
    ledger.admit(1)
    ledger.reasons[:] = 0
    ledger.order[:] = 7
    assert reasons(ledger) == ["NOT_OFFERED", "ADMITTED"]
    assert ledger.order.tolist() == [1]


def test_a_veto_is_noted_once_and_only_for_undecided_rows() -> None:
    ledger = Ledger(Items.of(3))
    ledger.admit(0)
    ledger.refuse(0)
    ledger.refuse(1)
    ledger.refuse(2, Reason.DUPLICATE)
    ledger.refuse(2)
    assert reasons(ledger) == ["ADMITTED", "VETO", "DUPLICATE"]
    assert not ledger.admit(1)


def test_a_veto_frees_what_a_floor_had_reserved() -> None:
    items = Items.of(3, group=[0, 0, 1], group_names=["a", "b"])
    ledger = Ledger(items, count=2, allocation=limits(floors=[0, 1]))
    ledger.refuse(2)
    assert ledger.admit_many(np.array([0, 1])).tolist() == [True, True]


def test_every_kind_of_refusal_has_its_reason() -> None:
    items = Items.of(
        8,
        cost=[1, 1, 9, 1, 1, 1, 1, 1],
        group=[0, 0, 0, 0, 1, 1, 0, 1],
        group_names=["a", "b"],
        shell=np.arange(8) == 6,
        barred=np.arange(8) == 7,
    )
    ledger = Ledger(
        items,
        count=4,
        cost=8,
        allocation=limits(caps=[2, 2]),
        eligible=np.arange(8) != 5,
    )
    for row in (0, 1, 2, 3, 4):
        ledger.admit(row)
    assert reasons(ledger) == [
        "ADMITTED", "ADMITTED", "COST", "GROUP", "ADMITTED", "THRESHOLD", "SHELL", "BAD_ROW",
    ]  # fmt: skip


def test_prices_that_round_still_fit_where_they_should() -> None:
    for n in (3, 7, 10):
        items = Items.of(n, cost=[0.1] * n)
        assert Ledger(items, cost=n / 10).admit_many(np.arange(n)).all()
        pinned = Items.of(n, cost=[0.1] * n, pinned=[True] * n)
        assert Ledger(pinned, cost=n / 10).count == n


def test_whole_prices_are_held_to_the_unit_however_large() -> None:
    top = 2**52
    items = Items.of(2, cost=[top, 1])
    assert Ledger(items, cost=float(top)).admit_many(np.arange(2)).tolist() == [True, False]


def test_a_price_cap_holds_for_its_group_alone() -> None:
    items = Items.of(4, cost=[2, 2, 2, 2], group=[0, 0, 1, 1], group_names=["a", "b"])
    ledger = Ledger(items, cost=8, allocation=limits(cost_caps=[2, 9]))
    assert ledger.admit_many(np.arange(4)).tolist() == [True, False, True, True]
    assert reasons(ledger)[1] == "GROUP"


def test_under_stop_a_full_group_ends_for_itself_alone() -> None:
    items = Items.of(5, group=[0, 0, 1, 0, 1], group_names=["a", "b"])
    for many in (True, False):
        ledger = Ledger(items, allocation=limits(caps=[1, 2]), fill="stop")
        if many:
            ledger.admit_many(np.arange(5))
        else:
            for row in range(5):
                ledger.admit(row)
        assert reasons(ledger) == ["ADMITTED", "GROUP", "ADMITTED", "STOPPED", "ADMITTED"]


def test_a_full_ledger_says_so_to_the_picker() -> None:
    ledger = Ledger(Items.of(3), count=1)
    assert not ledger.full
    ledger.admit(2)
    assert ledger.full
    stopped = Ledger(Items.of(3, cost=[5, 1, 1]), cost=4, fill="stop")
    stopped.admit(0)
    assert stopped.full
    assert stopped.admit_many(np.array([1, 2])).tolist() == [False, False]


def test_a_chain_is_refused_as_a_whole() -> None:
    items = Items.of(
        4,
        cost=[4, 3, 2, 1],
        group=[0, 1, 1, 0],
        group_names=["a", "b"],
        parent=[-1, 0, 1, -1],
    )
    for change, reason in (
        ({"count": 2}, "COUNT"),
        ({"cost": 8}, "COST"),
        ({"allocation": limits(caps=[2, 1])}, "GROUP"),
        ({"allocation": limits(cost_caps=[9, 4])}, "GROUP"),
        ({"count": 3, "allocation": limits(floors=[2, 0])}, "FLOOR"),
    ):
        ledger = Ledger(items, **change)  # type: ignore[arg-type]
        assert not ledger.admit(2)
        assert reasons(ledger) == ["NOT_OFFERED", "NOT_OFFERED", reason, "NOT_OFFERED"]
    for change in ({"caps": [2, 2]}, {"cost_caps": [5, 5]}, {"floors": [2, 0]}):
        ledger = Ledger(items, allocation=limits(**change))
        assert ledger.admit(2)
        assert ledger.order.tolist() == [0, 1, 2]
        assert ledger.cost == 9


def test_a_chain_into_an_ended_group_is_passed_over() -> None:
    items = Items.of(4, group=[0, 0, 1, 0], group_names=["a", "b"], parent=[-1, -1, 3, -1])
    ledger = Ledger(items, allocation=limits(caps=[1, 2]), fill="stop")
    assert ledger.admit_many(np.array([0, 1, 2])).tolist() == [True, False, False]
    assert reasons(ledger) == ["ADMITTED", "GROUP", "STOPPED", "NOT_OFFERED"]


def test_pinned_rows_come_in_row_order_with_their_ancestors_first() -> None:
    items = Items.of(
        5,
        parent=[-1, -1, 1, 2, -1],
        pinned=[True, False, True, True, False],
        shell=[False, True, False, False, False],
    )
    ledger = Ledger(items, count=4)
    assert ledger.order.tolist() == [0, 2, 3]
    assert reasons(ledger)[:4] == ["PINNED", "ANCESTOR", "PINNED", "PINNED"]
    assert (ledger.count, ledger.cost) == (3, 4)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"count": 1}, r"2 pinned rows keep 2 rows.*allows 1\. Raise it to \"2 items\" or unpin"),
        (
            {"cost": 1500.0},
            r"2 pinned rows cost 2,000,000 tokens.*allows 1,500\. Raise it or unpin",
        ),
        ({"allocation": limits(caps=[1, 1])}, r"pinned rows of groups \[0\] are over the limits"),
        ({"allocation": limits(cost_caps=[1, 1])}, r"pinned rows of groups \[0\] are over"),
        (
            {"count": 2, "allocation": limits(floors=[0, 1])},
            r"floors and pinned rows ask for 3 rows but the budget allows 2",
        ),
    ],
)
def test_pinned_rows_that_cannot_be_met_are_an_error(change: dict[str, Any], told: str) -> None:
    items = Items.of(
        3,
        cost=[1e6, 1e6, 0],
        unit="tokens",
        group=[0, 0, 1],
        group_names=["a", "b"],
        pinned=[True, True, False],
    )
    with pytest.raises(BudgetError, match=told):
        Ledger(items, **change)


def test_a_threshold_spares_pinned_rows() -> None:
    items = Items.of(2, pinned=[True, False])
    ledger = Ledger(items, eligible=np.array([False, False]))
    assert reasons(ledger) == ["PINNED", "THRESHOLD"]


def test_groups_of_the_scores_stand_in_for_those_of_the_items() -> None:
    ledger = Ledger(Items.of(3), groups=np.array([0, 0, 1]), allocation=limits(caps=[1, 1]))
    assert ledger.admit_many(np.arange(3)).tolist() == [True, False, True]


def test_prices_without_a_limit_are_still_added_up() -> None:
    ledger = Ledger(Items.of(3, cost=[0.5, 2, 4]), count=2)
    ledger.admit_many(np.arange(3))
    assert ledger.cost == 2.5
    assert ledger.cost_limit == math.inf
