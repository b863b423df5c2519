"""kd_subset: a fair draw by default, and rankings by what teacher and student say."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from datapruner.dataset.distill import kd_subset
from datapruner.errors import InputError, MissingColumnError

rng = np.random.default_rng(0)
IDS = [f"row {r}" for r in range(200)]
LABELS = np.repeat([0, 1, 2], (100, 60, 40))
TEACHER = rng.normal(size=(200, 3)) * 2
STUDENT = TEACHER + rng.normal(size=(200, 3))


def test_a_fair_draw_has_the_size_and_the_labels_of_the_budget():
    found = kd_subset(IDS, "10%", labels=LABELS, seed=1)
    assert len(found.indices) == 20
    assert np.bincount(LABELS[found.indices]).tolist() == [10, 6, 4]


def test_it_is_fair():
    counts = np.zeros(200)
    for seed in range(300):
        counts[kd_subset(IDS, "50%", seed=seed).indices] += 1
    assert abs(counts - 150).max() < 5 * np.sqrt(300 * 0.25)


def test_seeds_draw_differently_and_repeat_themselves():
    first, again, other = (kd_subset(IDS, 0.3, seed=seed).indices.tolist() for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize("rank", ["random", "margin", "disagreement"])
def test_the_order_of_the_rows_does_not_matter(rank):
    order = rng.permutation(200)
    plain = kd_subset(
        IDS, "20%", labels=LABELS, rank=rank, teacher_logits=TEACHER, student_logits=STUDENT
    )
    turned = kd_subset(
        [IDS[r] for r in order],
        "20%",
        labels=LABELS[order],
        rank=rank,
        teacher_logits=TEACHER[order],
        student_logits=STUDENT[order],
    )
    assert sorted(plain.ids) == sorted(turned.ids)


def test_margin_keeps_the_rows_the_teacher_is_least_sure_of():
    found = kd_subset(IDS, "25%", rank="margin", teacher_logits=TEACHER)
    p = np.exp(TEACHER) / np.exp(TEACHER).sum(1, keepdims=True)
    lead = np.diff(np.sort(p, axis=1)[:, 1:], axis=1)[:, 0]
    assert set(found.indices) == set(np.argsort(lead)[:50])
    sure = kd_subset(IDS, "25%", rank="margin", teacher_logits=TEACHER, pick="low")
    assert set(sure.indices) == set(np.argsort(-lead)[:50])


def test_rankings_need_their_logits():
    with pytest.raises(MissingColumnError, match=r"teacher-margin needs the column 'teacher_log"):
        kd_subset(IDS, "10%", rank="margin")
    with pytest.raises(MissingColumnError, match=r"disagreement needs the column 'student_log"):
        kd_subset(IDS, "10%", rank="disagreement", teacher_logits=TEACHER)


def test_tensors_are_as_good_as_arrays():
    ids = torch.arange(200)
    given = {"labels": torch.tensor(LABELS), "teacher_logits": torch.tensor(TEACHER)}
    found = kd_subset(ids, "20%", rank="margin", **given)
    plain = kd_subset(list(range(200)), "20%", rank="margin", labels=LABELS, teacher_logits=TEACHER)
    assert found.indices.tolist() == plain.indices.tolist()


def test_an_unknown_rank_is_refused():
    with pytest.raises(InputError, match=r"rank is 'el2n'; it is one of random, margin, disag"):
        kd_subset(IDS, "10%", rank="el2n")


def test_no_rows():
    assert kd_subset([], "10%").indices.tolist() == []
