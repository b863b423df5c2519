"""TeacherMargin and Disagreement against their formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.distill_oracle import softmax

from datapruner.core.items import Items
from datapruner.errors import InputError, MissingColumnError, ScoreError
from datapruner.scorers import teacher as module
from datapruner.scorers.teacher import Disagreement, TeacherMargin


def logits(rows, classes, seed):
    return np.random.default_rng(seed).normal(size=(rows, classes)) * 3


def margin(row):
    p = sorted(softmax(row))
    return 1 - (p[-1] - p[-2])


def divergence(teacher, student, temperature):
    q, p = softmax(teacher, temperature), softmax(student, temperature)
    return math.fsum(a * math.log(a / b) for a, b in zip(q, p, strict=True))


@given(st.integers(1, 8), st.integers(2, 6), st.integers(0, 300))
def test_margin_is_one_less_the_lead_of_the_first_choice(rows, classes, seed):
    z = logits(rows, classes, seed)
    scores = TeacherMargin()(Items.of(rows, teacher_logits=z))
    np.testing.assert_allclose(scores.values, [margin(row) for row in z.tolist()], atol=1e-12)
    assert ((scores.values >= 0) & (scores.values <= 1)).all()
    assert scores.meaning == "harder for the teacher"


@given(st.integers(1, 8), st.integers(1, 6), st.floats(0.2, 8), st.integers(0, 300))
def test_disagreement_is_the_divergence_of_the_student(rows, classes, temperature, seed):
    teacher, student = logits(rows, classes, seed), logits(rows, classes, seed + 1)
    items = Items.of(rows, teacher_logits=teacher, student_logits=student)
    values = Disagreement(temperature)(items).values
    expected = [
        divergence(t, s, temperature)
        for t, s in zip(teacher.tolist(), student.tolist(), strict=True)
    ]
    np.testing.assert_allclose(values, expected, atol=1e-9)
    assert (values >= 0).all()


def test_a_constant_added_to_the_logits_changes_nothing():
    z = logits(5, 4, 0)
    items = Items.of(5, teacher_logits=z, student_logits=z + 7)
    np.testing.assert_allclose(Disagreement()(items).values, 0, atol=1e-12)
    shifted = TeacherMargin()(Items.of(5, teacher_logits=z - 100)).values
    np.testing.assert_allclose(TeacherMargin()(items).values, shifted, atol=1e-12)


def test_the_ends_of_the_margin():
    z = np.array([[100.0, 0.0], [0.0, 0.0]])
    assert TeacherMargin()(Items.of(2, teacher_logits=z)).values.tolist() == [0.0, 1.0]
    assert TeacherMargin()(Items.of(2, teacher_logits=z[:, :1])).values.tolist() == [0.0, 0.0]


def test_blocks_change_nothing(monkeypatch):
    z = logits(50, 4, 1).astype(np.float16)
    items = Items.of(50, teacher_logits=z, student_logits=z[::-1].copy())
    whole = [score(items).values.tobytes() for score in (TeacherMargin(), Disagreement())]
    monkeypatch.setattr(module, "_BLOCK", 12)
    assert [score(items).values.tobytes() for score in (TeacherMargin(), Disagreement())] == whole


def test_lists_and_no_rows_are_welcome():
    assert TeacherMargin()(Items.of(1, teacher_logits=[[1.0, 1.0]])).values.tolist() == [1.0]
    assert TeacherMargin()(Items.of(0, teacher_logits=np.zeros((0, 3)))).values.shape == (0,)


@pytest.mark.parametrize(
    ("scorer", "features", "error", "message"),
    [
        (TeacherMargin(), {}, MissingColumnError, r"teacher-margin needs the column 'teacher_lo"),
        (TeacherMargin(), {"teacher_logits": np.zeros(3)}, ScoreError, r"have shape \(3,\)"),
        (TeacherMargin(), {"teacher_logits": np.zeros((3, 0))}, ScoreError, r"shape \(3, 0\)"),
        (
            TeacherMargin(),
            {"teacher_logits": np.array([[0, 1], [np.nan, 0], [0, np.inf]])},
            ScoreError,
            r"teacher_logits of 2 rows are not finite \(rows 1, 2\)",
        ),
        (
            Disagreement(),
            {"teacher_logits": np.zeros((3, 2))},
            MissingColumnError,
            r"disagreement needs the column 'student_logits'",
        ),
        (
            Disagreement(),
            {"teacher_logits": np.zeros((3, 2)), "student_logits": np.zeros((3, 4))},
            ScoreError,
            r"teacher_logits have shape \(3, 2\), student_logits \(3, 4\)",
        ),
    ],
)
def test_what_does_not_fit_is_refused(scorer, features, error, message):
    with pytest.raises(error, match=message):
        scorer(Items.of(3, **features))


@pytest.mark.parametrize("temperature", [0, -1, float("nan"), float("inf")])
def test_a_temperature_that_nothing_can_be_divided_by(temperature):
    with pytest.raises(InputError, match=r"temperature is"):
        Disagreement(temperature)
