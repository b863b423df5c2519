"""suggest_alpha, advise_teacher and probe_alpha: numbers, intervals, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datapruner.dataset.distill import advise_teacher, probe_alpha, suggest_alpha
from datapruner.errors import InputError


@pytest.mark.parametrize(
    ("share", "noise", "value"),
    [
        (0.05, 0, 1.0),
        (0.2, 0, 1.0),
        (0.5, 0, 0.825),
        (1.0, 0, 0.5),
        (0.5, 0.05, 0.925),
        (1.0, 0.2, 0.9),
        (0.1, 1.0, 1.0),
    ],
)
def test_alpha_is_the_line_that_the_docstring_tells(share, noise, value):
    assert float(suggest_alpha(share, noise)) == pytest.approx(value)


@given(st.floats(0.001, 1), st.floats(0.001, 1), st.floats(0, 1), st.floats(0, 1))
def test_alpha_never_falls_as_less_is_kept_or_more_labels_are_wrong(f, g, v, w):
    assert suggest_alpha(min(f, g), v).value >= suggest_alpha(max(f, g), v).value
    assert suggest_alpha(f, max(v, w)).value >= suggest_alpha(f, min(v, w)).value


@given(st.floats(0.001, 1), st.floats(0, 1))
def test_alpha_lies_inside_its_interval(share, noise):
    found = suggest_alpha(share, noise)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.source


@pytest.mark.parametrize(
    ("share", "noise", "low"),
    [(0.05, 0, 0.3), (0.2, 0, 0.3), (0.3, 0, 0), (1, 0, 0), (0.2, 0.2, 0.7), (0.3, 0.2, 0)],
)
def test_the_interval_holds_what_tied_with_the_best(share, noise, low):
    assert suggest_alpha(share, noise).low == low
    assert suggest_alpha(share, noise).high == 1


@pytest.mark.parametrize(
    ("share", "noise", "message"),
    [
        (0, 0, r"share is 0;"),
        (1.1, 0, r"share is 1\.1;"),
        (float("nan"), 0, r"share is nan;"),
        (0.5, -0.1, r"noise is -0\.1;"),
        (0.5, 20, r"noise is 20;"),
    ],
)
def test_what_is_no_share_is_refused(share, noise, message):
    with pytest.raises(InputError, match=message):
        suggest_alpha(share, noise)


class TestTeacher:
    def test_a_far_larger_teacher_for_few_rows(self):
        found = advise_teacher(0.05, 900, 100, accuracy=0.981)
        assert not found.is_fit
        assert "9.0 times" in found.sentences[0]
        assert "98.1%" in found.sentences[-1]

    def test_a_far_smaller_teacher_for_many_rows(self):
        found = advise_teacher(0.3, 10, 100)
        assert not found.is_fit
        assert "0.10 times" in found.sentences[0]
        assert "is not given" in found.sentences[-1]

    @pytest.mark.parametrize(("share", "teacher"), [(0.05, 100), (0.05, 10), (0.3, 900)])
    def test_nothing_speaks_against_the_others(self, share, teacher):
        found = advise_teacher(share, teacher, 100)
        assert found.is_fit
        assert len(found.sentences) == 1

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ((0, 1, 1, None), r"share is 0"),
            ((0.1, 0, 5, None), r"teacher has 0 parameters and the student 5"),
            ((0.1, 5, 5, 98.1), r"accuracy is 98\.1; give it as a share"),
        ],
    )
    def test_impossible_numbers(self, given, message):
        with pytest.raises(InputError, match=message):
            advise_teacher(*given[:3], accuracy=given[3])


class TestProbe:
    def test_the_best_mean_wins_and_ties_are_told(self):
        noise = np.random.default_rng(0).normal(size=(11, 5)) * 0.1
        curve = {0.0: 50.0, 0.3: 80.0, 0.5: 90.0, 0.7: 90.02, 0.9: 90.0, 1.0: 85.0}

        def evaluate(alpha, seed):
            return curve[alpha] + noise[int(alpha * 10), seed]

        found = probe_alpha(evaluate, seeds=range(5))
        assert found.value in (0.5, 0.7, 0.9)
        assert 0.5 <= found.low <= found.high <= 0.9

    def test_of_equal_means_the_larger_alpha(self):
        found = probe_alpha(lambda alpha, seed: 1.0, alphas=(1.0, 0.0, 0.5))
        assert (found.value, found.low, found.high) == (1.0, 0.0, 1.0)

    def test_every_alpha_runs_with_every_seed(self):
        runs = []
        probe_alpha(
            lambda alpha, seed: runs.append((alpha, seed)) or alpha, alphas=(0, 1), seeds=(3, 4)
        )
        assert sorted(runs) == [(0, 3), (0, 4), (1, 3), (1, 4)]

    @pytest.mark.parametrize(
        ("alphas", "seeds"), [((), (0, 1)), ((0.5, 1.5), (0, 1)), ((0.5,), (0,))]
    )
    def test_too_little_to_go_by(self, alphas, seeds):
        with pytest.raises(InputError, match=r"give at least one alpha, each between 0 and 1"):
            probe_alpha(lambda alpha, seed: 0.0, alphas=alphas, seeds=seeds)

    def test_a_result_that_is_no_number(self):
        with pytest.raises(InputError, match=r"evaluate gave nan for alpha 1\.0 and seed 4"):
            probe_alpha(
                lambda alpha, seed: float("nan") if (alpha, seed) == (1.0, 4) else 1.0, seeds=(3, 4)
            )
