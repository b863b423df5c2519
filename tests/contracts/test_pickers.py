"""Every registered picker keeps the promises that all of them make."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.core.select import select
from datapruner.errors import MissingColumnError
from datapruner.methods import PICKERS, load
from datapruner.rng import stream

N = 40
VECTORS = np.random.default_rng(0).normal(size=(N, 8)).astype(np.float32)
VALUES = np.random.default_rng(1).integers(0, 6, N).astype(np.float64)


def scores(rows: Any = slice(None), **columns: Any) -> Scores:
    order = np.arange(N)[rows]
    items = Items.of(
        order.size,
        id=[f"row {r}" for r in order],
        group=[f"g{r % 3}" for r in order],
        embedding=VECTORS[order],
        **{name: column[order] for name, column in columns.items()},
    )
    return Scores(VALUES[order], items)


@pytest.mark.parametrize("pick", PICKERS)
@pytest.mark.parametrize("count", [0, 1, 13, N])
def test_the_budget_is_spent_to_the_row(pick: str, count: int) -> None:
    assert len(select(scores(), f"{count} items", pick=pick)) == count


@pytest.mark.parametrize("pick", PICKERS)
@pytest.mark.parametrize("n", [0, 1, 2])
def test_a_few_rows_are_offered_too(pick: str, n: int) -> None:
    assert len(select(scores(slice(n)), "100%", pick=pick)) == n


@pytest.mark.parametrize("pick", PICKERS)
def test_the_same_seed_offers_in_the_same_order(pick: str) -> None:
    first, again = (select(scores(), "50%", pick=pick, seed=2) for _ in range(2))
    assert first.order.tolist() == again.order.tolist()


@pytest.mark.parametrize("pick", PICKERS)
@pytest.mark.parametrize("budget", ["30%", "12 items, 5 per group", "12 items, floor 3"])
def test_shuffled_rows_keep_the_same_ids(pick: str, budget: str) -> None:
    order = np.random.default_rng(2).permutation(N)
    kept = select(scores(), budget, pick=pick, seed=1)
    again = select(scores(order), budget, pick=pick, seed=1)
    assert kept.ids.tolist() == again.ids.tolist()


@pytest.mark.parametrize("pick", PICKERS)
def test_a_larger_budget_keeps_the_smaller_one_first(pick: str) -> None:
    few, more = (select(scores(), f"{k} items", pick=pick) for k in (9, 20))
    assert more.order[:9].tolist() == few.order.tolist()


@pytest.mark.parametrize("pick", PICKERS)
def test_pinned_rows_stay_and_barred_rows_go(pick: str) -> None:
    marks = {"pinned": np.arange(N) % 11 == 0, "barred": np.arange(N) % 7 == 3}
    kept = select(scores(**marks), "12 items", pick=pick)
    assert len(kept) == 12
    assert marks["pinned"][kept.order].sum() == marks["pinned"].sum()
    assert not marks["barred"][kept.order].any()


@pytest.mark.parametrize("pick", PICKERS)
def test_inputs_are_left_alone(pick: str) -> None:
    given = scores()
    before = given.values.tobytes(), given.groups.tobytes(), VECTORS.tobytes()
    select(given, "50%", pick=pick)
    assert (given.values.tobytes(), given.groups.tobytes(), VECTORS.tobytes()) == before


@pytest.mark.parametrize("pick", [p for p, entry in PICKERS.items() if entry.needs])
def test_a_missing_column_is_named(pick: str) -> None:
    column = PICKERS[pick].needs[0]
    with pytest.raises(MissingColumnError, match=rf"pick '{pick}' needs the column '{column}'"):
        select(Scores(np.zeros(3), Items.of(3)), "50%", pick=pick)


@pytest.mark.parametrize("pick", [p for p, entry in PICKERS.items() if entry.side != "any"])
def test_a_side_is_the_side_that_is_kept(pick: str) -> None:
    kept = select(scores(), "10 items", pick=pick)
    rest = np.setdiff1d(np.arange(N), kept.order)
    better, worse = (kept.order, rest) if PICKERS[pick].side == "high" else (rest, kept.order)
    assert VALUES[better].min() >= VALUES[worse].max()


@pytest.mark.parametrize("pick", PICKERS)
def test_a_picker_only_proposes(pick: str) -> None:
    class Deaf:
        """A ledger that takes nothing."""

        full, order = False, np.array([], dtype=np.int64)

        def __init__(self) -> None:
            self.offers: list[int] = []

        def admit(self, row: int) -> bool:
            self.offers.append(row)
            return False

        def admit_many(self, rows: Any) -> Any:
            self.offers += rows.tolist()
            return np.zeros(len(rows), dtype=bool)

    ledger = Deaf()
    load(PICKERS[pick].target)(scores(), ledger, rng=stream(0, "test"))
    assert sorted(ledger.offers) == list(range(N))
