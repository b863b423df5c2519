"""What to set: alpha for a share of the rows, and which teacher; each with where it comes from."""

from __future__ import annotations

from dataclasses import dataclass

from datapruner.errors import InputError

__all__ = ["Advice", "Estimate", "advise_teacher", "suggest_alpha"]


@dataclass(frozen=True)
class Estimate:
    """A number, how far to trust it, and where it comes from; ``float(it)`` is the number.

    Attributes:
        value: the number.
        low: smallest value that the evidence does not speak against.
        high: largest such value.
        source: one sentence.
    """

    value: float
    low: float
    high: float
    source: str

    def __float__(self) -> float:
        """The number alone."""
        return self.value


@dataclass(frozen=True)
class Advice:
    """What to think of a teacher.

    Attributes:
        is_fit: whether nothing speaks against it.
        sentences: what to know, warnings first.
    """

    is_fit: bool
    sentences: tuple[str, ...]


# A line through what won on digits (benchmarks/distill): the teacher alone where little stays, less
# of it where most stays, more with wrong labels. Four other sets agree in the direction, and not in
# where the line lies: with clean labels and half of the rows two sets of images want hardly any.
_AT_NOTHING, _SLOPE, _PER_NOISE, _LEAST = 1.15, 0.65, 2.0, 0.3
_FEW, _NOISY = 0.2, 0.1


def suggest_alpha(share: float, noise: float = 0.0) -> Estimate:
    """How much the teacher should count when a share of the rows is kept.

    ``clip(1.15 - 0.65 share + 2 noise, 0.3, 1)``: 1 up to a fifth of the rows, 0.8 for half of
    them, 0.5 for all; 20 % wrong labels add 0.4. A starting point: ``probe_alpha`` measures.

    Args:
        share: of the rows that the student sees, above 0 and at most 1.
        noise: share of wrong labels among them, 0..1 (see ``estimate_noise``).

    Returns:
        An Estimate in [0.3, 1]. Its interval holds the alphas that were best, or tied with the
        best, on one of five sets or another: up to a fifth of the rows from 0.3 on with clean
        labels and from 0.7 on with a fifth of wrong ones; any, where more stays. With all rows and
        clean labels, labels alone were best on all five.

    Raises:
        InputError: share or noise out of range.

    Source: the direction (alpha grows as the share falls and as noise rises) Ben-Baruch et al.,
    arXiv:2403.07854; the numbers benchmarks/distill.
    """
    if not 0 < share <= 1:
        raise InputError(
            f"share is {share}; it is the share of the rows that is kept, above 0 and at most 1."
        )
    if not 0 <= noise <= 1:
        raise InputError(f"noise is {noise}; it is a share of wrong labels, between 0 and 1.")
    value = _clipped(_AT_NOTHING - _SLOPE * share + _PER_NOISE * noise)
    low = 0.0
    if share <= _FEW:
        low = _LEAST if noise < _NOISY else 0.7
    return Estimate(
        value=value,
        low=low,
        high=1.0,
        source=(
            "a line through the best alphas for a small network on 1347 digits; on two sets of "
            "sentences and two of images the best alpha moved the same way but lay elsewhere, so "
            "probe_alpha is worth its runs"
        ),
    )


def _clipped(value: float) -> float:
    return min(1.0, max(_LEAST, value))


# At 3 % of digits a teacher of eight times the student's width cost it about two points, at 30 %
# nothing (benchmarks/distill); where in between the two lie apart was not measured.
_SMALL_SHARE, _GAP = 0.1, 4.0


def advise_teacher(
    share: float,
    teacher_parameters: int,
    student_parameters: int,
    *,
    accuracy: float | None = None,
) -> Advice:
    """Whether a teacher suits a student that sees a share of the rows.

    Where few rows stay, a teacher that is far larger than the student draws borders that few points
    do not pin down; one of the student's size or half of it does better. Where more stay, the more
    accurate teacher wins.

    Args:
        share: of the rows that the student sees, above 0 and at most 1.
        teacher_parameters: number of weights, 1 or more.
        student_parameters: number of weights, 1 or more.
        accuracy: of the teacher on rows it was not trained on, 0..1; None: unknown.

    Raises:
        InputError: a number out of range.

    Source: Ben-Baruch et al., arXiv:2403.07854; benchmarks/distill for the sizes.
    """
    if not 0 < share <= 1:
        raise InputError(
            f"share is {share}; it is the share of the rows that is kept, above 0 and at most 1."
        )
    if min(teacher_parameters, student_parameters) < 1:
        raise InputError(
            f"the teacher has {teacher_parameters} parameters and the student "
            f"{student_parameters}; both must have 1 or more."
        )
    if accuracy is not None and not 0 <= accuracy <= 1:
        raise InputError(f"accuracy is {accuracy}; give it as a share between 0 and 1.")
    ratio = teacher_parameters / student_parameters
    warnings = []
    if share < _SMALL_SHARE and ratio > _GAP:
        warnings.append(
            f"The teacher has {ratio:.1f} times the student's parameters, and {share:.0%} of the "
            "rows is little to learn it from: also try one of about the student's size, or half."
        )
    if share >= _SMALL_SHARE and ratio < 1 / _GAP:
        warnings.append(
            f"The teacher has {ratio:.2f} times the student's parameters: with {share:.0%} of the "
            "rows a larger one that is more accurate should teach better."
        )
    told = (
        "The teacher's accuracy on held-out rows is not given: measure it, and report it beside "
        "the student's."
        if accuracy is None
        else f"The teacher's accuracy is {accuracy:.1%}; a student may end above it."
    )
    return Advice(not warnings, (*warnings, told))
