"""Guards: does the teacher speak of the same classes, and how many labels are wrong?"""

from __future__ import annotations

from typing import Any

import numpy as np

from datapruner.core.types import IntArray
from datapruner.dataset.distill.advice import Estimate
from datapruner.errors import InputError

__all__ = ["check_classes", "estimate_noise"]

# A teacher this little above chance knows something else; with few classes half is asked for.
_TIMES_CHANCE = 3.0
_AT_MOST = 0.5
_SURE = 1.959964  # two-sided 95 % of a normal


def check_classes(teacher_logits: Any, labels: Any) -> float:
    """The share of rows where the teacher's first choice is the label.

    Args:
        teacher_logits: shape (m, C), of a sample of rows; some hundreds tell enough.
        labels: shape (m,), integers in [0, C).

    Returns:
        The agreement, 0..1; 1 for no rows, which speak against nothing.

    Raises:
        InputError: agreement under three times chance (3 / C), or under one half where that is
            less. Then the classes most likely stand in another order, and the message says in
            which if a renaming explains it. Or: shapes or labels that do not fit.
    """
    choice, truth, classes = _choices(teacher_logits, labels)
    if not truth.size:
        return 1.0
    agreement = float((choice == truth).mean())
    limit = min(_TIMES_CHANCE / classes, _AT_MOST)
    if classes > 1 and agreement < limit:
        raise InputError(
            f"the teacher's first choice is the label of {agreement:.1%} of {truth.size} rows, "
            f"under {limit:.1%}: chance alone gives {1 / classes:.1%}. {_renaming(choice, truth)}"
        )
    return agreement


def estimate_noise(
    teacher_logits: Any, labels: Any, *, teacher_accuracy: float | None = None
) -> Estimate:
    """The share of wrong labels, from where teacher and labels disagree.

    With errors of the teacher (rate e) and wrong labels (rate v) independent, and wrong answers
    spread evenly over the other classes, they disagree at the rate ``v + e - v e C / (C - 1)``;
    this is solved for v.

    Args:
        teacher_logits: shape (m, C), best of rows the teacher was not trained on: one that learnt
            wrong labels by heart agrees with them, and the estimate is then too low.
        labels: shape (m,), integers in [0, C).
        teacher_accuracy: on rows whose labels are right, 0..1; None: taken as 1, so that every
            disagreement counts as a wrong label and the estimate is an upper one.

    Returns:
        An Estimate in [0, 1]; low and high are the 95 % interval of the rate of disagreement
        (Wilson 1927), carried through; without an accuracy low is 0.

    Raises:
        InputError: as ``check_classes``; a teacher no better than chance; no rows.
    """
    check_classes(teacher_logits, labels)
    choice, truth, classes = _choices(teacher_logits, labels)
    if not truth.size or classes < 2:
        raise InputError(
            f"{truth.size} rows of {classes} classes say nothing about wrong labels; give some "
            "hundreds, of two classes or more."
        )
    error = 0.0 if teacher_accuracy is None else 1 - teacher_accuracy
    left = 1 - error * classes / (classes - 1)
    if not 0 < left <= 1:
        raise InputError(
            f"teacher_accuracy is {teacher_accuracy}; between chance ({1 / classes:.2f}) and 1 it "
            "can tell wrong labels from right ones."
        )
    rate = float((choice != truth).mean())
    value, low, high = (
        min(1.0, max(0.0, (one - error) / left)) for one in (rate, *_wilson(rate, truth.size))
    )
    if teacher_accuracy is None:
        return Estimate(
            value, 0.0, high, "disagreement of teacher and labels, the teacher taken as perfect"
        )
    return Estimate(
        value,
        low,
        high,
        f"disagreement of teacher and labels, less what an accuracy of {teacher_accuracy:.1%} "
        "explains",
    )


def _choices(teacher_logits: Any, labels: Any) -> tuple[IntArray, IntArray, int]:
    z, truth = np.asarray(teacher_logits), np.asarray(labels)
    if z.ndim != 2 or truth.shape != (len(z),):
        raise InputError(
            f"teacher logits have shape {z.shape} and labels {truth.shape}; they need (m, C) and "
            "(m,)."
        )
    if not np.isfinite(z).all():
        raise InputError(
            f"the teacher's logits of {int((~np.isfinite(z).all(axis=1)).sum())} rows are not "
            "finite."
        )
    classes = z.shape[1]
    if truth.size and (truth.dtype.kind not in "iu" or truth.min() < 0 or truth.max() >= classes):
        raise InputError(
            f"labels are {truth.dtype} from {truth.min()} to {truth.max()}; the teacher knows the "
            f"classes 0 to {classes - 1}. Map the labels to them."
        )
    return z.argmax(axis=1), truth.astype(np.int64), classes


def _renaming(choice: IntArray, truth: IntArray) -> str:
    """What to do; names the renaming of classes that explains most, if one explains half."""
    from scipy.optimize import linear_sum_assignment

    classes = int(max(choice.max(), truth.max())) + 1
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (choice, truth), 1)
    theirs, ours = linear_sum_assignment(counts, maximize=True)
    explained = counts[theirs, ours].sum() / truth.size
    if explained < _AT_MOST:
        return (
            "Teacher and labels do not speak of the same classes, or the logits are of other rows."
        )
    moved = [f"{a} is {b}" for a, b in zip(theirs, ours, strict=True) if a != b]
    return (
        f"The classes stand in another order: with the teacher's class {', '.join(moved[:5])}"
        f"{' and so on' if len(moved) > 5 else ''} it is {explained:.1%}. Put its outputs into the "
        "order of the labels."
    )


def _wilson(rate: float, n: int) -> tuple[float, float]:
    """The 95 % interval of a share that was seen n times."""
    square = _SURE**2
    centre = (rate + square / (2 * n)) / (1 + square / n)
    half = _SURE / (1 + square / n) * float(np.sqrt(rate * (1 - rate) / n + square / (4 * n * n)))
    return centre - half, centre + half
