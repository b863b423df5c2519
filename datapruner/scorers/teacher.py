"""Scores for distillation: where the teacher is unsure, and where the student disagrees with it.

Neither needs labels. Both rank hard rows first; with distillation a fair draw is as good where
little is kept, and better where labels are wrong (benchmarks/distill).

Source: the comparison of selections under distillation is that of Ben-Baruch et al.,
arXiv:2403.07854; the margin is the classical one of uncertainty sampling.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.errors import InputError, ScoreError

__all__ = ["Disagreement", "TeacherMargin"]

_BLOCK = 1 << 20  # numbers worked on at a time: 8 MiB


@dataclass(frozen=True)
class TeacherMargin:
    """How unsure the teacher is: 1 less the lead of its first choice over its second.

    0 where one class has all the probability, 1 where two share the lead. With one class alone it
    is 0 everywhere.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"teacher_logits"})
    meaning: ClassVar[str] = "harder for the teacher"

    def __call__(self, items: Items, *, query: str | None = None, seed: int = 0) -> Scores:
        """Scores with values of shape (n,), float64, in [0, 1].

        Args:
            items: rows with a ``teacher_logits`` feature of shape (n, C).
            query: unused.
            seed: unused.

        Raises:
            MissingColumnError: there is no ``teacher_logits``.
            ScoreError: another shape, or not finite (names the first five rows).
        """
        logits = _logits(items, "teacher_logits", "teacher-margin")
        values = np.zeros(items.n)
        for rows in _blocks(logits):
            p = np.exp(_log_softmax(logits[rows], 1.0))
            if p.shape[1] > 1:
                second, first = np.partition(p, (-2, -1), axis=1)[:, -2:].T
                values[rows] = 1 - (first - second)
        return Scores(values, items, self.meaning, "teacher-margin")


@dataclass(frozen=True)
class Disagreement:
    """Kullback-Leibler divergence of the student from the teacher, both softened.

    Attributes:
        temperature: what logits are divided by first, above 0.
    """

    temperature: float = 1.0

    needs: ClassVar[frozenset[str]] = frozenset({"teacher_logits", "student_logits"})
    meaning: ClassVar[str] = "student farther from the teacher"

    def __post_init__(self) -> None:
        """Refuse a temperature that no logits can be divided by."""
        if not 0 < self.temperature < np.inf:
            raise InputError(
                f"temperature is {self.temperature}; it must be a finite number above 0."
            )

    def __call__(self, items: Items, *, query: str | None = None, seed: int = 0) -> Scores:
        """Scores with values of shape (n,), float64, 0 or more.

        Args:
            items: rows with ``teacher_logits`` and ``student_logits`` of the same shape (n, C).
            query: unused.
            seed: unused.

        Raises:
            MissingColumnError: one of them is missing.
            ScoreError: shapes that differ, or values that are not finite (names five rows).
        """
        teacher = _logits(items, "teacher_logits", "disagreement")
        student = _logits(items, "student_logits", "disagreement")
        if teacher.shape != student.shape:
            raise ScoreError(
                f"disagreement: teacher_logits have shape {teacher.shape}, student_logits "
                f"{student.shape}; both need a row of the same classes for each row."
            )
        values = np.zeros(items.n)
        for rows in _blocks(teacher):
            log_q = _log_softmax(teacher[rows], self.temperature)
            log_p = _log_softmax(student[rows], self.temperature)
            divergence = (np.exp(log_q) * (log_q - log_p)).sum(axis=1)
            values[rows] = np.maximum(divergence, 0)  # rounding can fall just below
        details = {"temperature": self.temperature}
        return Scores(values, items, self.meaning, "disagreement", details=details)


def _logits(items: Items, name: str, asked_by: str) -> Any:
    logits = items.feature(name, asked_by)
    if not hasattr(logits, "dtype"):
        logits = np.asarray(logits)
    if logits.ndim != 2 or logits.shape[0] != items.n or (items.n and not logits.shape[1]):
        raise ScoreError(
            f"{asked_by}: {name} have shape {tuple(logits.shape)}; {items.n} rows need ({items.n}, "
            "C)."
        )
    bad = [
        row
        for rows in _blocks(logits)
        for row in rows.start + np.flatnonzero(~np.isfinite(np.asarray(logits[rows])).all(axis=1))
    ]
    if bad:
        shown = ", ".join(str(row) for row in bad[:5])
        raise ScoreError(
            f"{asked_by}: {name} of {len(bad)} rows are not finite (rows {shown}). Compute them "
            "again, or leave these rows out."
        )
    return logits


def _blocks(logits: Any) -> Iterator[slice]:
    n, classes = logits.shape
    step = max(1, _BLOCK // max(1, classes))
    for start in range(0, n, step):
        yield slice(start, min(start + step, n))


def _log_softmax(logits: Any, temperature: float) -> npt.NDArray[np.float64]:
    z = np.asarray(logits, dtype=np.float64) / temperature
    z -= z.max(axis=1, keepdims=True)
    out: npt.NDArray[np.float64] = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    return out
