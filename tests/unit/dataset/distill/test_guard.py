"""check_classes and estimate_noise, against labels whose faults are known."""

from __future__ import annotations

import numpy as np
import pytest

from datapruner.dataset.distill import check_classes, estimate_noise
from datapruner.errors import InputError

rng = np.random.default_rng(0)


def world(rows, classes, error=0.0, noise=0.0, seed=0):
    """Teacher logits and labels with independent faults at these rates."""
    draw = np.random.default_rng(seed)
    truth = draw.integers(0, classes, rows)

    def spoiled(rate):
        wrong = draw.random(rows) < rate
        return np.where(wrong, (truth + draw.integers(1, classes, rows)) % classes, truth)

    return np.eye(classes)[spoiled(error)] * 5, spoiled(noise)


def test_agreement_is_the_share_of_equal_choices():
    logits, labels = np.eye(4)[[0, 1, 2, 3]], np.array([0, 1, 2, 0])
    assert check_classes(logits, labels) == 0.75


def test_classes_in_another_order_are_refused_with_the_order():
    logits, labels = world(500, 10, error=0.1)
    order = np.roll(np.arange(10), 1)
    with pytest.raises(
        InputError, match=r"another order: with the teacher's class 0 is 9.*9\d\.|8"
    ):
        check_classes(logits[:, np.argsort(order)], labels)


def test_the_order_that_is_told_is_the_right_one():
    logits, labels = world(300, 5)
    logits[:, [1, 3]] = logits[:, [3, 1]]
    logits[:, [0, 4]] = logits[:, [4, 0]]
    with pytest.raises(InputError) as caught:
        check_classes(logits, labels)
    assert "class 0 is 4, 1 is 3, 3 is 1, 4 is 0 it is 100.0%" in str(caught.value)


def test_many_classes_in_another_order_are_not_all_listed():
    logits, labels = world(2000, 50)
    with pytest.raises(InputError, match=r"and so on it is 100\.0%"):
        check_classes(np.roll(logits, 1, axis=1), labels)


def test_logits_of_other_rows_are_refused():
    logits, labels = world(2000, 10)
    with pytest.raises(InputError, match=r"or the logits are of other rows"):
        check_classes(logits[rng.permutation(2000)], labels)


@pytest.mark.parametrize(
    ("classes", "limit"), [(2, 0.5), (3, 0.5), (6, 0.5), (10, 0.3), (100, 0.03)]
)
def test_the_limit_is_three_times_chance_and_at_most_one_half(classes, limit):
    for error, is_fine in ((1 - limit - 0.02, True), (1 - limit + 0.02, False)):
        logits, labels = world(100_000, classes, error=error)
        if is_fine:
            assert check_classes(logits, labels) == pytest.approx(1 - error, abs=0.01)
        else:
            with pytest.raises(InputError, match=rf"under {limit:.1%}: chance alone"):
                check_classes(logits, labels)


def test_no_rows_speak_against_nothing():
    assert check_classes(np.zeros((0, 3)), np.zeros(0, dtype=int)) == 1.0
    assert check_classes(np.zeros((3, 1)), np.zeros(3, dtype=int)) == 1.0


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (np.zeros((3, 2)), np.zeros(2, dtype=int), r"shape \(3, 2\) and labels \(2,\)"),
        (np.zeros(3), np.zeros(3, dtype=int), r"shape \(3,\)"),
        (np.full((3, 2), np.nan), np.zeros(3, dtype=int), r"logits of 3 rows are not finite"),
        (np.zeros((2, 2)), np.array([0, 2]), r"from 0 to 2; the teacher knows the classes 0 to 1"),
        (np.zeros((2, 2)), np.array([-1, 1]), r"from -1 to 1"),
        (np.zeros((2, 2)), np.array([0.0, 1.0]), r"labels are float64"),
    ],
)
def test_what_does_not_fit_is_refused(logits, labels, message):
    with pytest.raises(InputError, match=message):
        check_classes(logits, labels)


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("error", [0.0, 0.05, 0.2])
@pytest.mark.parametrize("classes", [3, 10])
def test_the_noise_is_found_again(noise, error, classes):
    logits, labels = world(50_000, classes, error=error, noise=noise)
    found = estimate_noise(logits, labels, teacher_accuracy=1 - error)
    assert found.value == pytest.approx(noise, abs=0.01)
    assert found.low <= found.value <= found.high
    assert found.high - found.low < 0.03


def test_without_an_accuracy_it_is_an_upper_bound():
    logits, labels = world(20_000, 10, error=0.1, noise=0.2)
    found = estimate_noise(logits, labels)
    assert found.low == 0
    assert found.value > 0.2
    assert "taken as perfect" in found.source


def test_the_interval_covers_the_truth_nineteen_times_in_twenty():
    hits = 0
    for seed in range(400):
        logits, labels = world(150, 10, noise=0.2, seed=seed)
        found = estimate_noise(logits, labels, teacher_accuracy=1.0)
        hits += found.low <= 0.2 <= found.high
    assert 0.92 <= hits / 400 <= 0.98


@pytest.mark.parametrize("accuracy", [0.1, 0.05, 1.01])
def test_an_accuracy_that_tells_nothing_is_refused(accuracy):
    logits, labels = world(100, 10)
    with pytest.raises(
        InputError, match=rf"teacher_accuracy is {accuracy}; between chance \(0\.10"
    ):
        estimate_noise(logits, labels, teacher_accuracy=accuracy)


def test_too_little_to_say_anything():
    with pytest.raises(InputError, match=r"0 rows of 3 classes say nothing"):
        estimate_noise(np.zeros((0, 3)), np.zeros(0, dtype=int))
    with pytest.raises(InputError, match=r"3 rows of 1 classes say nothing"):
        estimate_noise(np.zeros((3, 1)), np.zeros(3, dtype=int))
