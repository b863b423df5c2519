"""Structural priors: parts of a page that seldom answer, put down before blocks are chosen."""

from __future__ import annotations

import math

from datapruner.core.types import FloatArray
from datapruner.errors import InputError
from datapruner.scorers.marks import TAGGED, Marks

__all__ = ["check_prior", "put_down"]

# Elements around the text of a page, by the bits that the scorer of main content knows them by.
_AROUND = frozenset({"nav", "header", "footer", "aside", "form"})
_BITS = sum(1 << place for place, (name, _) in enumerate(TAGGED) if name in _AROUND)
_MOSTLY = 0.5


def check_prior(prior: object) -> float:
    """The prior, if it is one.

    Raises:
        InputError: it is no number in [0, 1].
    """
    is_number = isinstance(prior, int | float) and not isinstance(prior, bool)
    if is_number and math.isfinite(prior) and 0 <= prior <= 1:  # type: ignore[operator, arg-type]
        return float(prior)  # type: ignore[arg-type]
    raise InputError(
        f"prior is {prior!r}; it must be a number from 0 (structure does not count) to 1 (what "
        "stands in navigation is worth no more than the worst block outside)."
    )


def put_down(values: FloatArray, marks: Marks, prior: float) -> FloatArray:
    """Scores with those of blocks around the text lowered.

    A block is lowered that stands in a nav, header, footer, aside or form, or of whose letters more
    than half are links: by ``prior`` times the distance from the worst to the best score, so that
    one number means the same for every scorer.

    Args:
        values: shape (n,), higher is better.
        marks: of the same n blocks.
        prior: in [0, 1].

    Returns:
        Shape (n,), float64.
    """
    is_around = ((marks.bits & _BITS) != 0) | (marks.linked > _MOSTLY)
    spread = float(values.max(initial=-math.inf) - values.min(initial=math.inf))
    lowered: FloatArray = values - (prior * spread if values.size else 0.0) * is_around
    return lowered
