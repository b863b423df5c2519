"""Forgetting events and the memorisation proxy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import difficulty_oracle as oracle

import datapruner as dp
from datapruner.core.items import Items
from datapruner.errors import InputError, ScoreError
from datapruner.scorers import logged
from datapruner.scorers.forgetting import Forgetting, forgetting_events
from datapruner.scorers.memorisation import Memorisation

WORKED = ("1111", "0101", "0000", "1010", "0011")


def answers(rows: Any) -> Items:
    """Items whose logits are right (label 0 leads) or wrong as the strings of 1 and 0 say."""
    right = np.array([[c == "1" for c in row] for row in rows])
    z = np.stack([right, ~right], axis=-1).astype(np.float32)
    return Items.of(len(rows), logits=z, label_codes=np.zeros(len(rows), dtype=np.int64))


def test_the_worked_examples() -> None:
    assert Forgetting()(answers(WORKED)).values.tolist() == [0, 1, 4, 2, 0]


@pytest.mark.parametrize(("never", "value"), [("max", 4), ("zero", 0), ("drop", 0)])
def test_rows_that_were_never_learnt_are_the_hardest_unless_told_otherwise(
    never: Any, value: float
) -> None:
    # Published code starts from "wrong" and so calls them the easiest of all.
    scores = Forgetting(never_learned=never)(answers(WORKED))
    assert scores.values.tolist() == [0, 1, value, 2, 0]
    assert scores.details["never_learned_rows"] == 1


def test_dropped_rows_are_not_offered_and_explained() -> None:
    kept = dp.select(Forgetting(never_learned="drop")(answers(WORKED)), "100%", pick="high")
    assert sorted(kept.order.tolist()) == [0, 1, 3, 4]
    assert "times answered right" in kept.explain(2)
    assert Forgetting(never_learned="drop")(answers(("11", "01"))).rulings is None
    nobody = Forgetting(never_learned="drop")(answers(("00",)))
    assert len(dp.select(nobody, "100%")) == 0


@settings(max_examples=60)
@given(st.lists(st.lists(st.sampled_from([True, False, None]), min_size=6, max_size=6), max_size=8))
def test_what_was_not_logged_is_passed_over(rows: list[list[bool | None]]) -> None:
    right = np.array([[a is True for a in row] for row in rows], dtype=bool).reshape(-1, 6)
    seen = np.array([[a is not None for a in row] for row in rows], dtype=bool).reshape(-1, 6)
    expected = [oracle.forgetting(row) or 0 for row in rows]
    assert forgetting_events(right, seen).tolist() == expected


def test_without_a_mask_every_snapshot_counts() -> None:
    assert forgetting_events(np.array([[True, False, True, False]])).tolist() == [2]


def test_a_tie_for_the_largest_logit_is_a_wrong_answer() -> None:
    z = np.array([[[1.0, 0.0], [0.5, 0.5], [1.0, 0.0], [0.0, 1.0]]])
    scores = Forgetting()(Items.of(1, logits=z, label_codes=np.array([0])))
    assert scores.values.tolist() == [2]


def test_blocks_and_a_choice_of_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logged, "BLOCK_VALUES", 2)
    assert Forgetting()(answers(WORKED)).values.tolist() == [0, 1, 4, 2, 0]
    assert Forgetting(snapshots=2)(answers(WORKED)).values.tolist() == [0, 0, 2, 1, 2]
    assert Forgetting(snapshots=-3)(answers(WORKED)).values.tolist() == [0, 1, 3, 1, 0]


def test_bad_parameters_are_refused() -> None:
    with pytest.raises(InputError, match="never_learned is 'hardest'; it must be"):
        Forgetting(never_learned="hardest")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="forgetting: snapshots is 0"):
        Forgetting(snapshots=0)


# -- memorisation -----------------------------------------------------------------------------


def runs(n: int, r: int, seed: int) -> tuple[Any, Any, Any]:
    draw = np.random.default_rng(seed)
    held_in = np.argsort(draw.random((n, r)), axis=1) < max(1, r // 2)
    return draw.normal(size=(n, r, 3)), draw.integers(0, 3, n), held_in


@settings(max_examples=40)
@given(n=st.integers(1, 8), r=st.integers(2, 6), seed=st.integers(0, 10**6))
def test_memorisation_is_the_difference_of_two_means(n: int, r: int, seed: int) -> None:
    z, y, held_in = runs(n, r, seed)
    scores = Memorisation()(Items.of(n, logits=z, label_codes=y, held_in=held_in))
    expected = [
        oracle.memorisation([oracle.softmax(z[i, j])[y[i]] for j in range(r)], held_in[i].tolist())
        for i in range(n)
    ]
    assert scores.values == pytest.approx(expected, abs=1e-12)
    assert scores.details == {"runs": r, "fewest_runs_a_side": min(max(1, r // 2), r - r // 2)}


def test_a_row_that_only_its_own_runs_know_is_memorised() -> None:
    z = np.zeros((2, 4, 2))
    held_in = np.tile([True, True, False, False], (2, 1))
    z[0, :, 0] = 50  # everybody knows row 0
    z[1, :2, 0], z[1, 2:, 1] = 50, 50
    scores = Memorisation()(Items.of(2, logits=z, label_codes=np.zeros(2, int), held_in=held_in))
    assert scores.values == pytest.approx([0, 1])


def test_rows_without_a_comparison_are_an_error_or_barred() -> None:
    z, y, held_in = runs(4, 4, 0)
    held_in[2] = True
    given_items = Items.of(4, logits=z, label_codes=y, held_in=held_in)
    with pytest.raises(ScoreError, match=r"memorisation: 1 of 4 rows were in the training part"):
        Memorisation()(given_items)
    scores = Memorisation(on_bad="drop")(given_items)
    assert scores.items.barred.tolist() == [False, False, True, False]
    assert scores.values[2] == 0


@pytest.mark.parametrize("held_in", [np.ones((4, 3), bool), np.ones((4, 4)), np.ones(4, bool)])
def test_held_in_must_be_true_or_false_for_every_run(held_in: Any) -> None:
    z, y, _ = runs(4, 4, 0)
    with pytest.raises(InputError, match=r"4 rows and 4 runs need true or false of shape \(4, 4\)"):
        Memorisation()(Items.of(4, logits=z, label_codes=y, held_in=held_in))
