"""The short form: what it keeps, what it says of the rest, and how far it can be off."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import distill_oracle as oracle

from datapruner.dataset.distill import top_k
from datapruner.errors import InputError


def logits(rows, classes, seed, scale=3.0):
    return np.random.default_rng(seed).normal(size=(rows, classes)) * scale


@given(classes=st.integers(1, 9), seed=st.integers(0, 500), data=st.data())
def test_the_spread_out_form_is_that_of_the_oracle(classes, seed, data):
    k = data.draw(st.integers(1, classes))
    z = logits(3, classes, seed)
    found = np.exp(top_k(z, k).dense())
    if k == classes:
        expected = [oracle.softmax(row) for row in z.tolist()]
    else:
        expected = [oracle.spread(row, k) for row in z.tolist()]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_classes_stand_in_falling_order_and_ties_in_rising_order():
    short = top_k([[1.0, 5.0, 5.0, 9.0], [0.0, 0.0, 0.0, 0.0]], 3)
    assert short.classes[0].tolist() == [3, 1, 2]
    assert short.classes[1].tolist() == sorted(short.classes[1].tolist())
    assert np.diff(short.values).max() <= 0
    assert short.rest[1] == pytest.approx(np.log(0.25))


@given(
    k=st.integers(1, 8),
    temperature=st.floats(1, 16),
    scale=st.floats(0.1, 8),
    seed=st.integers(0, 2000),
)
def test_no_answer_is_farther_off_than_the_bound(k, temperature, scale, seed):
    z = logits(2, 8, seed, scale).astype(np.float32)
    short = top_k(z, k)
    spread = short.dense()
    for row, bound in enumerate(short.bound(temperature)):
        found = oracle.softmax(spread[row].tolist(), temperature)
        true = oracle.softmax(z[row].tolist(), temperature)
        assert oracle.variation(found, true) <= bound + 1e-5


def test_at_temperature_one_the_bound_is_the_rest_mass():
    z = logits(5, 20, 3)
    short = top_k(z, 4)
    rest = [1 - sum(sorted(oracle.softmax(row))[-4:]) for row in z.tolist()]
    np.testing.assert_allclose(short.bound(), rest, rtol=1e-4)
    assert (short.bound(4.0) > short.bound()).all()


def test_all_classes_leave_no_rest_and_no_error():
    short = top_k(logits(4, 6, 0), 6)
    assert (short.rest == -np.inf).all()
    assert (short.bound() == 0).all()


def test_huge_logits_do_not_overflow():
    short = top_k(np.array([[3e38, 0.0, -3e38]], dtype=np.float32), 1)
    assert short.values.tolist() == [[0.0]]
    assert short.rest.tolist() == [-np.inf]
    np.testing.assert_array_equal(np.exp(short.dense()), [[1, 0, 0]])


def test_no_rows():
    short = top_k(np.zeros((0, 5)), 2)
    assert short.values.shape == (0, 2)
    assert short.dense().shape == (0, 5)


@pytest.mark.parametrize("k", [0, 4, -1])
def test_a_k_out_of_range_is_refused(k):
    with pytest.raises(InputError, match=rf"topk is {k}; of 3 classes between 1 and 3"):
        top_k(np.zeros((2, 3)), k)


def test_no_bound_below_temperature_one():
    with pytest.raises(InputError, match=r"temperature is 0\.5; the bound holds from 1 on"):
        top_k(np.zeros((2, 3)), 1).bound(0.5)
