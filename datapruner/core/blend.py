"""Put several Scores of the same rows on one scale and mix them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from datapruner.core.rulings import united
from datapruner.core.scores import Scores
from datapruner.core.types import FloatArray
from datapruner.errors import ScoreError

__all__ = ["blend"]


def blend(
    parts: Sequence[Scores],
    weights: Sequence[float] | None = None,
    *,
    scale: Literal["rank", "z"] = "rank",
) -> Scores:
    """The weighted mean of several scores on a common scale.

    A negative weight turns a score round, for when its high end means the opposite.

    Args:
        parts: one or more Scores of the same items, in any one order of rows.
        weights: one a part, not all zero; default equal.
        scale: ``"rank"`` maps values to their mid-rank in (0, 1), equal values to equal ranks,
            which no outlier disturbs; ``"z"`` subtracts the mean and divides by the standard
            deviation (a constant score becomes 0).

    Returns:
        Scores with the first part's items and groups; float64 values. What one part rules out is
        out.

    Raises:
        ScoreError: no parts, other rows, or weights that do not fit.
    """
    if not parts:
        raise ScoreError("blend got no scores; give it at least one Scores.")
    first = parts[0]
    for other in parts[1:]:
        if other.items.n != first.items.n or other.items.fingerprint != first.items.fingerprint:
            raise ScoreError(
                f"{first.method} scored {first.items.n} rows and {other.method} scored "
                f"{other.items.n} other rows; blend scores of the same items."
            )
    share = _shares(len(parts), weights)
    if scale not in ("rank", "z"):
        raise ScoreError(f'scale is {scale!r}; it must be "rank" or "z".')
    bring = _mid_rank if scale == "rank" else _standardise
    total = np.zeros(first.items.n)
    for part, weight in zip(parts, share.tolist(), strict=True):
        total += weight * bring(part.values.astype(np.float64))
    return Scores(
        values=total,
        items=first.items,
        meaning=" and ".join(p.meaning for p in parts),
        method=f"blend({', '.join(p.method for p in parts)})",
        group=first.group,
        group_names=first.group_names,
        group_weight=first.group_weight,
        group_floor=first.group_floor,
        details={"scale": scale, "weights": share.tolist()},
        notes=tuple(note for p in parts for note in p.notes),
        rulings=united([p.rulings for p in parts]),
    )


def _shares(parts: int, weights: Sequence[float] | None) -> FloatArray:
    share = np.ones(parts) if weights is None else np.asarray(weights, dtype=np.float64)
    if share.shape != (parts,) or not np.all(np.isfinite(share)) or not np.any(share):
        raise ScoreError(f"{parts} scores need {parts} finite weights that are not all 0.")
    summing_to_1: FloatArray = share / np.abs(share).sum()
    return summing_to_1


def _mid_rank(values: FloatArray) -> FloatArray:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    middle: FloatArray = (2 * last - counts) / 2
    return middle[inverse] / max(values.size, 1)


def _standardise(values: FloatArray) -> FloatArray:
    # By the largest first: squares of huge values leave the range of a float.
    top = float(np.abs(values).max(initial=0.0)) or 1.0
    scaled = values / top
    spread = float(scaled.std()) if values.size else 0.0
    # A spread that is only rounding error is no spread.
    if spread <= 1e-12:
        return np.zeros_like(values)
    standard: FloatArray = (scaled - scaled.mean()) / spread
    return standard
