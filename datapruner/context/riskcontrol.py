"""How many losses a promise allows: conformal risk control, and exact binomial bounds.

All of it is for losses of 0 or 1 that never fall as the threshold rises.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from datapruner.errors import InputError

__all__ = ["allowed_losses", "check_levels", "clopper_pearson", "fewest_examples"]


def check_levels(keep: float, confidence: float | None) -> None:
    """Refuse levels that nothing can be promised for.

    Raises:
        InputError: a level that is no number strictly between 0 and 1.
    """
    for name, value in (("keep_answer", keep), ("confidence", confidence)):
        if value is None and name == "confidence":
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
            raise InputError(
                f"{name} is {value!r}; it must lie between 0 and 1, both left out, such as 0.95."
            )


def allowed_losses(n: int, keep: float, confidence: float | None = None) -> int:
    """The most losses among n examples at which a threshold still keeps the promise.

    Without a confidence, the largest k with ``(n / (n + 1)) (k / n) + 1 / (n + 1) <= 1 - keep``:
    the risk is then controlled in expectation. With one, the largest k whose one-sided
    Clopper-Pearson bound at that confidence is no higher than ``1 - keep``.

    Args:
        n: number of examples, 0 or more.
        keep: share of answers to keep, in (0, 1).
        confidence: in (0, 1), or None.

    Returns:
        k, 0 or more; -1 where n is too small for any threshold.

    Source: Angelopoulos et al. 2022, arXiv:2208.02814, equation 4; Bates et al. 2021,
    arXiv:2101.02703, for the bound.
    """
    # As the user wrote it: 1 - 0.95 in floating point is a little more than a twentieth.
    risk = 1 - Fraction(repr(float(keep)))
    if confidence is None:
        return max(-1, math.floor(risk * (n + 1)) - 1)
    from scipy.special import bdtr

    # Where the risk is as high as it may be: how probable are k losses or fewer?
    below = bdtr(np.arange(n + 1, dtype=np.float64), n, float(risk))
    return int(np.searchsorted(below, float(1 - Fraction(repr(float(confidence)))), "right")) - 1


def fewest_examples(keep: float, confidence: float | None = None) -> int:
    """The least n for which ``allowed_losses`` is 0 or more."""
    risk = 1 - Fraction(repr(float(keep)))
    if confidence is None:
        return math.ceil(1 / risk) - 1
    doubt = 1 - Fraction(repr(float(confidence)))
    near = max(1, math.floor(math.log(doubt) / math.log(1 - risk)) - 1)
    # A logarithm that comes out whole may be off by the last bit, hence from one below.
    return next(n for n in range(near, near + 4) if allowed_losses(n, keep, confidence) >= 0)


def clopper_pearson(lost: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """The exact two-sided interval of a share, from so many losses in n.

    Args:
        lost: 0 to n.
        n: 1 or more.
        level: of the interval, in (0, 1).

    Returns:
        ``(low, high)`` in [0, 1]; low is 0 where nothing was lost, high 1 where everything was.

    Source: Clopper and Pearson 1934, doi:10.1093/biomet/26.4.404.
    """
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    low = float(betaincinv(lost, n - lost + 1, tail)) if lost else 0.0
    high = float(betaincinv(lost + 1, n - lost, 1 - tail)) if lost < n else 1.0
    return low, high
