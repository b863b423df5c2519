"""Batches are exactly as many and as large for everybody, and a recipe that cheats is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import datapruner as dp
from datapruner.dataset.compare.trial import (
    Batches,
    Ground,
    Trial,
    of_rounds,
    of_subset,
    run_trial,
)
from datapruner.errors import InputError, MissingExtraError

KEYS = np.arange(40, dtype=np.uint64)


def ground(train: np.ndarray | None = None, seed: int = 3, keys: np.ndarray = KEYS) -> Ground:
    x = np.arange(80.0).reshape(40, 2)
    y = np.arange(40) % 2
    return Ground(
        x=x,
        y=y,
        keys=keys,
        train=np.arange(40) if train is None else train,
        test_x=x[:4],
        test_y=y[:4],
        classes=("no", "yes"),
        seed=seed,
    )


def trial(steps: int = 4, batch: int = 5) -> Trial:
    there = ground()
    rows = np.arange(10)
    batches = Batches(of_subset(there, rows), steps, batch)
    return Trial(method="mine", budget="10%", rows=rows, batches=batches, ground=there)


def numbers() -> Iterator[np.ndarray]:
    for start in count(0, 3):
        yield np.arange(start, start + 3)


@given(st.integers(1, 20), st.integers(1, 20))
def test_batches_cut_the_stream_without_gaps(steps: int, batch: int) -> None:
    found = Batches(numbers(), steps, batch)
    parts = list(found)
    assert [part.size for part in parts] == [batch] * steps
    assert np.concatenate(parts).tolist() == list(range(steps * batch))
    assert (found.taken, len(found)) == (steps, steps)


def test_a_second_pass_over_the_batches_is_refused() -> None:
    found = Batches(numbers(), 2, 5)
    assert len(list(found)) == 2
    with pytest.raises(InputError, match="take them in one loop"):
        list(found)


@given(st.integers(1, 40), st.integers(0, 5))
def test_a_subset_is_seen_whole_before_anything_is_seen_again(k: int, seed: int) -> None:
    rows = np.random.default_rng(seed).permutation(40)[:k]
    stream = of_subset(ground(seed=seed), rows)
    passes = [next(stream) for _ in range(3)]
    for one in passes:
        assert sorted(one) == sorted(rows)
    if k > 8:
        assert not np.array_equal(passes[0], passes[1])


def test_the_order_of_a_subset_follows_from_the_rows_and_not_from_how_they_are_listed() -> None:
    rows = np.array([3, 17, 5, 30, 8])
    one, two = of_subset(ground(), rows), of_subset(ground(), rows[::-1])
    for _ in range(3):
        assert np.array_equal(next(one), next(two))


def test_rounds_are_those_of_resample() -> None:
    keys = dp.Items.of(40, id=[f"r{row}" for row in range(40)]).tie_keys()
    schedule = dp.resample(dp.Items.of(40, id=[f"r{i}" for i in range(40)]), budget=0.3, seed=3)
    stream = of_rounds(ground(keys=keys), 12)
    for number in range(7):
        assert np.array_equal(next(stream), schedule[number].rows)


def test_rounds_never_hold_a_row_that_is_held_out() -> None:
    train = np.array([1, 4, 30, 2, 9, 22, 13])
    stream = of_rounds(ground(train=train), 3)
    seen = np.concatenate([next(stream) for _ in range(7)])
    assert sorted(seen) == sorted(np.repeat(train, 3))


def test_moments_are_those_of_the_training_rows() -> None:
    train = np.array([5, 1, 7, 20])
    mean, variance = ground(train=train).moments
    assert mean == pytest.approx(ground().x[train].mean(axis=0))
    assert variance == pytest.approx(ground().x[train].var(axis=0))


def test_a_trial_tells_what_it_is() -> None:
    one = trial()
    assert (one.steps, one.classes, one.seed) == (4, 2, 3)
    assert str(one) == "mine at 10%, seed 3"
    assert one.train.size == 40
    assert one.test_x.shape == (4, 2)


def takes(part: int) -> Callable[[Trial], float]:
    def recipe(given: Trial) -> float:
        for _ in range(part):
            next(given.batches)
        return 1.0

    return recipe


def gives(value: Any) -> Callable[[Trial], Any]:
    def recipe(given: Trial) -> Any:
        list(given.batches)
        return value

    return recipe


class Tensor:
    shape = ()

    def item(self) -> float:
        return 0.5


@pytest.mark.parametrize("value", [0.5, np.float32(0.5), np.array(0.5), Tensor()])
def test_numbers_of_any_kind_are_scores(value: Any) -> None:
    assert run_trial(gives(value), trial()) == 0.5


@pytest.mark.parametrize(
    ("recipe", "why"),
    [
        (takes(3), "took 3 of 4 batches in the trial of mine at 10%, seed 3"),
        (takes(5), "StopIteration"),
        (takes(6), "StopIteration"),
        (gives(float("nan")), "gave nan"),
        (gives(float("inf")), "gave inf"),
        (gives(None), "gave None"),
        (gives("0.5"), "gave '0.5'"),
        (gives(True), "gave True"),
        (gives(np.ones(2)), "must give a number"),
        (lambda given: 1 / 0, "failed in the trial of mine at 10%, seed 3: ZeroDivisionError"),
    ],
)
def test_a_recipe_that_cheats_or_fails_is_told_in_which_trial(
    recipe: Callable[[Trial], Any], why: str
) -> None:
    with pytest.raises(InputError, match=why):
        run_trial(recipe, trial())


def test_an_error_of_our_own_keeps_its_kind_and_says_where() -> None:
    def recipe(given: Trial) -> float:
        raise MissingExtraError("no torch")

    with pytest.raises(MissingExtraError) as caught:
        run_trial(recipe, trial())
    assert caught.value.__notes__ == ["in the trial of mine at 10%, seed 3"]
