"""apportion(): exact sums, the quadratic program's answer, and what may not matter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from oracles.apportion_oracle import nearest_point, round_by_largest_remainder

from datapruner.core.apportion import apportion, box, project_box, scale_box

PROJECTIONS = [project_box, scale_box]


@st.composite
def boxes(draw: Any, *, wished: bool = False) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
    """Total, ceilings, weights (none of them 0 if ``wished``) and floors that can be met."""
    many = draw(st.integers(1, 7))
    upper = np.array(draw(st.lists(st.integers(0, 60), min_size=many, max_size=many)))
    lower = np.minimum(draw(st.lists(st.integers(0, 6), min_size=many, max_size=many)), upper)
    some = st.floats(0.001, 100)
    one = some if wished else some | st.sampled_from([0.0, 0.0, 1.0, 2.0])
    weights = draw(st.lists(one, min_size=many, max_size=many))
    total = draw(st.integers(int(lower.sum()), int(upper.sum()) + 5))
    return total, upper, np.array(weights), lower


def real_shares(drawn: Any, project: Any) -> np.ndarray:
    total, upper, weights, lower = drawn
    total = min(total, int(upper.sum()))
    shares: np.ndarray = project(
        *box(weights, lower.astype(float), upper.astype(float), total), float(total)
    )
    return shares


@pytest.mark.parametrize("project", PROJECTIONS)
@settings(max_examples=120)
@given(drawn=boxes())
def test_the_sum_is_exact_and_bounds_hold(project: Any, drawn: Any) -> None:
    total, upper, weights, lower = drawn
    got = apportion(total, upper, weights, lower, project=project)
    assert got.sum() == min(total, upper.sum())
    assert np.all((lower <= got) & (got <= upper))


@pytest.mark.parametrize("project", PROJECTIONS)
@settings(max_examples=120)
@given(drawn=boxes())
def test_no_group_is_a_whole_unit_from_its_real_share(project: Any, drawn: Any) -> None:
    total, upper, weights, lower = drawn
    got = apportion(total, upper, weights, lower, project=project)
    real = real_shares(drawn, project)
    assert real.sum() == pytest.approx(min(total, upper.sum()))
    assert np.all(np.abs(got - real) < 1 + 1e-6)
    assert got.tolist() == round_by_largest_remainder(real, upper, int(got.sum()))


@settings(max_examples=60)
@given(drawn=boxes(wished=True))
def test_the_real_shares_solve_the_quadratic_program(drawn: Any) -> None:
    total, upper, weights, lower = drawn
    total = min(total, int(upper.sum()))
    target = weights * (total / weights.sum())
    solved = nearest_point(target, lower, upper, total)
    assert real_shares(drawn, project_box) == pytest.approx(solved, abs=2e-3)


@settings(max_examples=120)
@given(drawn=boxes(wished=True))
def test_one_shift_of_the_targets_explains_every_share(drawn: Any) -> None:
    total, upper, weights, lower = drawn
    total = min(total, int(upper.sum()))
    moved = real_shares(drawn, project_box) - weights * (total / weights.sum())
    real = moved + weights * (total / weights.sum())
    inside = (real > lower + 1e-7) & (real < upper - 1e-7)
    assume(inside.any())
    nu = moved[inside].mean()
    assert moved[inside] == pytest.approx(nu, abs=1e-6)
    at_top, at_floor = real >= upper - 1e-7, real <= lower + 1e-7
    assert np.all(moved[at_top & ~at_floor] <= nu + 1e-6)
    assert np.all(moved[at_floor & ~at_top] >= nu - 1e-6)


@settings(max_examples=120)
@given(drawn=boxes(wished=True))
def test_one_factor_of_the_targets_explains_every_scaled_share(drawn: Any) -> None:
    _, upper, weights, lower = drawn
    real = real_shares(drawn, scale_box)
    factor = real / weights
    inside = (real > lower + 1e-7) & (real < upper - 1e-7)
    assume(inside.any())
    s = factor[inside].mean()
    assert factor[inside] == pytest.approx(s, rel=1e-6)
    at_top, at_floor = real >= upper - 1e-7, real <= lower + 1e-7
    assert np.all(factor[at_top & ~at_floor] <= s * (1 + 1e-6))
    assert np.all(factor[at_floor & ~at_top] >= s * (1 - 1e-6))


@pytest.mark.parametrize("project", PROJECTIONS)
@settings(max_examples=120)
@given(drawn=boxes())
def test_zero_means_zero_until_everything_else_is_full(project: Any, drawn: Any) -> None:
    total, upper, weights, lower = drawn
    got = apportion(total, upper, weights, lower, project=project)
    unwished = weights == 0
    if unwished.all() or np.all(got[~unwished] == upper[~unwished]):
        return
    assert got[unwished].tolist() == lower[unwished].tolist()


@pytest.mark.parametrize("project", PROJECTIONS)
@settings(max_examples=100)
@given(drawn=boxes(), power=st.integers(-200, 200))
def test_the_scale_of_the_weights_does_not_matter(project: Any, drawn: Any, power: int) -> None:
    total, upper, weights, lower = drawn
    scaled = weights * 2.0**power
    assume(np.array_equal(scaled / 2.0**power, weights))
    plain = apportion(total, upper, weights, lower, project=project)
    assert apportion(total, upper, scaled, lower, project=project).tolist() == plain.tolist()


@settings(max_examples=100)
@given(drawn=boxes(wished=True), data=st.data())
def test_groups_in_another_order_get_the_same_up_to_ties(drawn: Any, data: Any) -> None:
    total, upper, weights, lower = drawn
    order = np.array(data.draw(st.permutations(range(len(upper)))))
    real = real_shares(drawn, project_box)
    moved = real_shares((total, upper[order], weights[order], lower[order]), project_box)
    assert moved == pytest.approx(real[order], abs=1e-6)
    got = apportion(total, upper[order], weights[order], lower[order])
    assert np.all(np.abs(got - real[order]) < 1 + 1e-6)


@settings(max_examples=100)
@given(drawn=boxes(wished=True))
def test_real_shares_never_fall_when_the_total_grows(drawn: Any) -> None:
    total, upper, weights, lower = drawn
    more = (total + 1, upper, weights, lower)
    assert np.all(real_shares(more, project_box) >= real_shares(drawn, project_box) - 1e-6)


def test_extreme_weights_neither_overflow_nor_lose_the_total() -> None:
    upper = np.array([10, 10, 10])
    for weights in ([1e308, 1e308, 1.0], [5e-324, 5e-324, 0.0], [1.0, 1e-300, 1e300]):
        for project in PROJECTIONS:
            assert apportion(12, upper, np.array(weights), project=project).sum() == 12
