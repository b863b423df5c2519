"""kd_loss: the formula, its gradient, its two ends, and what it refuses."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracles import distill_oracle as oracle

from datapruner.dataset.distill import TopK, kd_loss, suggest_alpha, top_k
from datapruner.errors import InputError, ScoreError

cross_entropy = torch.nn.functional.cross_entropy


def logits(rows, classes, seed, scale=3.0):
    rng = np.random.default_rng(seed)
    return torch.tensor(rng.normal(size=(rows, classes)) * scale)


def labels_for(rows, classes, seed):
    return torch.tensor(np.random.default_rng(seed + 99).integers(0, classes, rows))


def test_the_worked_example():
    student = torch.tensor([[2.0, 1.0, 0.0]], dtype=torch.float64, requires_grad=True)
    teacher = np.array([[3.0, 0.0, 0.0]])
    loss = kd_loss(student, teacher, torch.tensor([1]), alpha=0.7, temperature=4)
    loss.backward()
    assert loss.item() == pytest.approx(0.669151, abs=1e-6)
    assert student.grad[0].tolist() == pytest.approx([-0.066373, 0.007500, 0.058873], abs=1e-6)


@given(
    rows=st.integers(1, 6),
    classes=st.integers(2, 7),
    alpha=st.floats(0, 1),
    temperature=st.floats(0.5, 10),
    seed=st.integers(0, 1000),
)
def test_loss_and_gradient_are_those_of_the_formula(rows, classes, alpha, temperature, seed):
    student, teacher = logits(rows, classes, seed), logits(rows, classes, seed + 1)
    y = labels_for(rows, classes, seed)
    student.requires_grad_()
    loss = kd_loss(student, teacher, y, alpha=alpha, temperature=temperature)
    loss.backward()
    each = [
        (student[r].tolist(), teacher[r].tolist(), int(y[r]), alpha, temperature)
        for r in range(rows)
    ]
    assert loss.item() == pytest.approx(np.mean([oracle.loss(*row) for row in each]), abs=1e-9)
    expected = np.array([oracle.gradient(*row) for row in each]) / rows
    np.testing.assert_allclose(student.grad.numpy(), expected, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_alpha_zero_is_cross_entropy_to_the_bit(dtype):
    student = logits(33, 7, 0).to(dtype).requires_grad_()
    y = labels_for(33, 7, 0)
    y[3] = -100
    ours = kd_loss(student, logits(33, 7, 1), y, alpha=0.0)
    (own,) = torch.autograd.grad(ours, student)
    theirs = cross_entropy(student, y)
    (their,) = torch.autograd.grad(theirs, student)
    assert torch.equal(ours, theirs)
    assert torch.equal(own, their)


def test_alpha_one_does_not_look_at_labels():
    student, teacher = logits(20, 5, 2).requires_grad_(), logits(20, 5, 3)
    y = labels_for(20, 5, 2)
    grads = [
        torch.autograd.grad(kd_loss(student, teacher, labels, alpha=1.0), student)[0]
        for labels in (None, y, y[torch.randperm(20, generator=torch.Generator().manual_seed(0))])
    ]
    assert torch.equal(grads[0], grads[1])
    assert torch.equal(grads[0], grads[2])


def test_a_student_that_equals_its_teacher_has_nothing_to_learn():
    z = logits(4, 6, 4).requires_grad_()
    loss = kd_loss(z, z.detach() + 5, alpha=1)  # logits are the same up to a constant
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-12)
    assert z.grad.abs().max() < 1e-12


def test_the_temperature_hardly_changes_the_length_of_the_gradient():
    student, teacher = logits(50, 10, 5, 1.0).requires_grad_(), logits(50, 10, 6, 1.0)
    lengths = []
    for temperature in (1, 2, 4, 8):
        loss = kd_loss(student, teacher, alpha=1, temperature=temperature)
        lengths.append(torch.autograd.grad(loss, student)[0].norm().item())
    assert max(lengths) < 2 * min(lengths)


def test_the_teacher_gets_no_gradient():
    teacher = logits(3, 4, 7).requires_grad_()
    student = logits(3, 4, 8).requires_grad_()
    kd_loss(student, teacher, alpha=1).backward()
    assert teacher.grad is None


def test_alpha_may_be_what_was_suggested():
    student, teacher = logits(3, 4, 8), logits(3, 4, 9)
    suggested = kd_loss(student, teacher, alpha=suggest_alpha(0.1))
    assert torch.equal(suggested, kd_loss(student, teacher, alpha=1.0))


def test_an_array_that_may_not_be_written_is_read_all_the_same():
    teacher = np.zeros((3, 4), dtype=np.float32)
    teacher.flags.writeable = False
    assert torch.isfinite(kd_loss(logits(3, 4, 0), teacher, alpha=1))


class TestTokens:
    """(b, L, C): padded and ignored positions count in neither part."""

    student = logits(10, 6, 10).reshape(2, 5, 6)
    teacher = logits(10, 6, 11).reshape(2, 5, 6)
    labels = torch.tensor([[1, 2, 3, -100, -100], [-100, 4, 0, 5, 1]])

    def test_ignored_positions_count_in_neither_part(self):
        student = self.student.clone().requires_grad_()
        loss = kd_loss(student, self.teacher, self.labels, alpha=0.4, temperature=2)
        loss.backward()
        real = self.labels != -100
        each = [
            oracle.loss(s.tolist(), t.tolist(), int(y), 0.4, 2)
            for s, t, y in zip(
                self.student[real], self.teacher[real], self.labels[real], strict=True
            )
        ]
        assert loss.item() == pytest.approx(np.mean(each), abs=1e-9)
        assert (student.grad[~real] == 0).all()
        assert (student.grad[real] != 0).all()

    def test_with_alpha_one_too(self):
        changed = self.teacher.clone()
        changed[self.labels == -100] = 77.0 * torch.arange(6, dtype=torch.float64)
        first = kd_loss(self.student, self.teacher, self.labels, alpha=1)
        assert torch.equal(first, kd_loss(self.student, changed, self.labels, alpha=1))

    def test_another_ignore_index(self):
        labels = torch.where(self.labels == -100, 3, self.labels)
        masked = kd_loss(self.student, self.teacher, labels, alpha=0.5, ignore_index=3)
        real = labels != 3
        flat = kd_loss(self.student[real], self.teacher[real], labels[real], alpha=0.5)
        assert masked.item() == pytest.approx(flat.item(), abs=1e-12)

    @pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
    def test_a_batch_where_nothing_counts_is_zero_and_has_a_gradient(self, alpha):
        student = self.student.clone().requires_grad_()
        loss = kd_loss(student, self.teacher, torch.full((2, 5), -100), alpha=alpha)
        loss.backward()
        assert loss.item() == 0
        assert (student.grad == 0).all()

    def test_short_answers_of_rows_of_different_length(self):
        short = top_k(self.teacher.numpy(), 6)
        padded = TopK(short.values, short.classes, short.rest, 6, np.array([3, 5]))
        labels = torch.tensor([[1, 2, 3, -100, -100], [0, 4, 0, 5, 1]])
        found = kd_loss(self.student, padded, labels, alpha=0.5, temperature=1)
        dense = kd_loss(self.student, self.teacher, labels, alpha=0.5, temperature=1)
        assert found.item() == pytest.approx(dense.item(), abs=1e-5)
        # Without labels the lengths alone say what counts.
        alone = kd_loss(self.student, padded, alpha=1, temperature=1)
        real = labels != -100
        rows = kd_loss(self.student[real], self.teacher[real], alpha=1, temperature=1)
        assert alone.item() == pytest.approx(rows.item(), abs=1e-5)

    def test_a_student_padded_further_than_the_teacher(self):
        short = top_k(self.teacher.numpy()[:, :3], 4)
        cached = TopK(short.values, short.classes, short.rest, 6, np.array([3, 2]))
        labels = torch.tensor([[1, 2, 3, -100, -100], [1, 2, -100, -100, -100]])
        found = kd_loss(self.student, cached, labels, alpha=1, temperature=1)
        flat = TopK(
            np.concatenate([short.values[0], short.values[1, :2]]),
            np.concatenate([short.classes[0], short.classes[1, :2]]),
            np.concatenate([short.rest[0], short.rest[1, :2]]),
            6,
        )
        rows = torch.cat([self.student[0, :3], self.student[1, :2]])
        expected = kd_loss(rows, flat, alpha=1, temperature=1)
        assert found.item() == pytest.approx(expected.item(), abs=1e-6)

    def test_labels_where_the_teacher_was_not_asked_are_refused(self):
        short = top_k(self.teacher.numpy(), 4)
        cached = TopK(short.values, short.classes, short.rest, 6, np.array([5, 3]))
        labels = torch.tensor([[1, 2, 3, 4, -100], [1, 2, 3, 0, -100]])
        with pytest.raises(InputError, match=r"row 1 .* beyond the 3 tokens"):
            kd_loss(self.student, cached, labels, alpha=1)
        with pytest.raises(InputError, match=r"row 1 .* beyond the 3 tokens"):
            kd_loss(self.student, cached, labels.clamp(min=0), alpha=1)

    def test_rows_that_were_cut_since_are_refused(self):
        short = top_k(self.teacher.numpy(), 4)
        cached = TopK(short.values, short.classes, short.rest, 6, np.array([5, 3]))
        with pytest.raises(InputError, match=r"4 positions a row and the teacher up to 5"):
            kd_loss(self.student[:, :4], cached, alpha=1)
        with pytest.raises(InputError, match=r"tokens are of 2 rows"):
            kd_loss(self.student[:1], cached, alpha=1)


class TestShortAnswers:
    """A TopK teacher gives what its spread-out form gives, and never takes its size."""

    @given(
        k=st.integers(1, 7),
        alpha=st.floats(0.1, 1),
        temperature=st.floats(0.5, 8),
        seed=st.integers(0, 500),
    )
    def test_equals_the_loss_with_the_rest_spread_evenly(self, k, alpha, temperature, seed):
        student, teacher = logits(4, 7, seed), logits(4, 7, seed + 1).numpy()
        y = labels_for(4, 7, seed)
        student.requires_grad_()
        loss = kd_loss(student, top_k(teacher, k), y, alpha=alpha, temperature=temperature)
        loss.backward()
        even = [np.log(oracle.spread(row, k)).tolist() for row in teacher.tolist()]
        each = [
            (student[r].tolist(), even[r], int(y[r]), alpha, temperature) for r in range(len(y))
        ]
        assert loss.item() == pytest.approx(np.mean([oracle.loss(*row) for row in each]), rel=1e-4)
        expected = np.array([oracle.gradient(*row) for row in each]) / len(y)
        np.testing.assert_allclose(student.grad.numpy(), expected, atol=2e-5)

    def test_a_rest_of_nothing_is_no_trouble(self):
        short = TopK(
            np.zeros((1, 1)), np.zeros((1, 1), dtype=np.int32), np.array([-np.inf]), width=3
        )
        student = torch.zeros((1, 3), requires_grad=True)
        loss = kd_loss(student, short, alpha=1, temperature=1)
        loss.backward()
        assert loss.item() == pytest.approx(np.log(3), abs=1e-6)
        assert torch.isfinite(student.grad).all()

    def test_answers_of_another_shape_are_refused(self):
        short = top_k(logits(4, 7, 0).numpy(), 3)
        with pytest.raises(InputError, match=r"top of 7 classes .* \(4, 8\)"):
            kd_loss(logits(4, 8, 0), short, alpha=1)
        with pytest.raises(InputError, match=r"top of 7 classes .* \(5, 7\)"):
            kd_loss(logits(5, 7, 0), short, alpha=1)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_an_empty_batch_is_zero_and_has_a_gradient(alpha):
    student = torch.zeros((0, 4), requires_grad=True)
    loss = kd_loss(student, torch.zeros((0, 4)), torch.zeros(0, dtype=torch.long), alpha=alpha)
    loss.backward()
    assert loss.item() == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"alpha": 1.5}, r"alpha is 1\.5; .* between 0"),
        ({"alpha": float("nan")}, r"alpha is nan"),
        ({"temperature": 0}, r"temperature is 0; it must be a finite number above 0"),
        ({"labels": None}, r"labels are missing, and alpha 0\.5 gives them a weight of 0\.5"),
        ({"labels": torch.zeros(4, dtype=torch.long)}, r"labels have shape \(4,\).*\(3, 5\)"),
        (
            {"labels": torch.tensor([0, 7, -1])},
            r"2 labels are outside \[0, 5\), the first is 7",
        ),
        ({"teacher": torch.zeros((3, 6))}, r"teacher logits have shape \(3, 6\).*\(3, 5\)"),
        ({"student": torch.zeros(5)}, r"student logits have shape \(5,\)"),
        ({"student": torch.zeros((3, 5)).long()}, r"are torch\.int64; they must be a floating"),
        ({"student": torch.zeros((3, 5)).numpy()}, r"are float32; they must be a floating tensor"),
        ({"student": None}, r"shape \(\) and are NoneType"),
        ({"labels": [0, 1, 2]}, "labels are list; give a tensor of whole numbers"),
        ({"labels": torch.zeros(3)}, r"labels are torch\.float32; give"),
        ({"alpha": "half"}, "alpha is half; it is how much"),
        ({"alpha": None}, "alpha is None; it is how much"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    given = {"student": torch.zeros((3, 5)), "teacher": torch.zeros((3, 5))}
    given |= {"labels": torch.tensor([0, 1, 2]), "alpha": 0.5, "temperature": 4.0} | change
    with pytest.raises(InputError, match=message):
        kd_loss(
            given["student"],
            given["teacher"],
            given["labels"],
            alpha=given["alpha"],
            temperature=given["temperature"],
        )


@pytest.mark.parametrize("who", ["student", "teacher"])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_logits_that_are_not_finite_are_told(who, bad):
    student, teacher = torch.zeros((2, 3)), torch.zeros((2, 3))
    {"student": student, "teacher": teacher}[who][1, 2] = bad
    message = rf"the loss is (nan|inf): the logits of the {who} are not finite in 1 of 2 rows"
    with pytest.raises(ScoreError, match=rf"{message} of the batch \(rows 1\)"):
        kd_loss(student, teacher, torch.tensor([0, 1]), alpha=0.5)


def test_a_short_answer_that_is_not_finite_is_told():
    teacher = top_k(np.array([[0.0, 1.0, 2.0], [2.0, 0.0, 1.0]], dtype=np.float32), 2)
    teacher.values[0, 1] = np.nan
    with pytest.raises(ScoreError, match=r"of the teacher are not finite in 1 of 2 .*\(rows 0\)"):
        kd_loss(torch.zeros((2, 3)), teacher, torch.tensor([0, 1]), alpha=0.5)


@pytest.mark.parametrize("alpha", [0, 0.5])
def test_logits_too_far_apart_are_told(alpha):
    student = torch.tensor([[3e38, -3e38]])
    with pytest.raises(ScoreError, match=r"the loss is inf: .* too far apart"):
        kd_loss(student, torch.zeros((1, 2)), torch.tensor([1]), alpha=alpha)


def test_importing_the_package_does_not_load_torch():
    code = "import sys, datapruner.dataset.distill; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
