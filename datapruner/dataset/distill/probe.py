"""Which alpha, by trying: a few short runs on a held-out split, and which of them are ties."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from datapruner.dataset.distill.advice import Estimate
from datapruner.errors import InputError

__all__ = ["ALPHAS", "probe_alpha"]

ALPHAS = (0.0, 0.3, 0.5, 0.7, 0.9, 1.0)


def probe_alpha(
    evaluate: Callable[[float, int], float],
    *,
    alphas: Sequence[float] = ALPHAS,
    seeds: Sequence[int] = (0, 1, 2),
) -> Estimate:
    """The alpha with the best mean, and the range of those that tie with it.

    Args:
        evaluate: called with (alpha, seed); trains a student on the rows that are kept and gives
            its accuracy, or anything where more is better, on rows it did not see.
        alphas: to try, each in 0..1, at least one.
        seeds: of the runs, at least two; every alpha runs with every seed.

    Returns:
        An Estimate: low and high are the ends of the alphas whose paired difference to the best
        lies inside its own 95 % t-interval over the seeds. Of equal means the larger alpha.

    Raises:
        InputError: too few alphas or seeds, an alpha out of range, a result that is not finite.
    """
    if not alphas or not all(0 <= alpha <= 1 for alpha in alphas) or len(seeds) < 2:
        raise InputError(
            f"alphas are {list(alphas)} and seeds {list(seeds)}; give at least one alpha, each "
            "between 0 and 1, and at least two seeds."
        )
    order = sorted(set(alphas))
    results = np.array([[evaluate(alpha, seed) for seed in seeds] for alpha in order])
    if not np.isfinite(results).all():
        row, column = np.argwhere(~np.isfinite(results))[0]
        raise InputError(
            f"evaluate gave {results[row, column]} for alpha {order[row]} and seed "
            f"{seeds[column]}; it must give a finite number."
        )
    means = results.mean(axis=1)
    best = len(order) - 1 - int(np.argmax(means[::-1]))
    tied = [
        alpha
        for alpha, values in zip(order, results, strict=True)
        if _is_tie(results[best] - values)
    ]
    return Estimate(
        value=float(order[best]),
        low=float(min(tied)),
        high=float(max(tied)),
        source=f"{len(seeds)} runs each of {len(order)} alphas on a held-out split",
    )


def _is_tie(lead: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> bool:
    """Whether a lead, seed by seed, lies inside its own 95 % interval (Student's t)."""
    from scipy.stats import t

    half = float(t.ppf(0.975, len(lead) - 1)) * float(lead.std(ddof=1)) / np.sqrt(len(lead))
    return not abs(float(lead.mean())) > half
