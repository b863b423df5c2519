"""How complex a cluster is: how spread out, times how far from its neighbours; and what it is due.

Plain functions of G numbers and of k centroids, so that one process or many can use them: per
block of rows only two whole numbers a cluster are summed (``tally``), and whole numbers add up to
the same total in any order and on any number of machines.

Source: Abbas, Rusak et al. 2024, "Effective pruning of web-scale datasets based on complexity of
concept clusters", arXiv:2401.04578. Departs from the released code in: the own centroid is left out
by its index, not as the first hit; l is at most one less than the clusters that hold rows; a
cluster of one row has no spread (0, not an average of the others); float64 throughout.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from datapruner.core.types import AnyArray, BoolArray, FloatArray, IntArray
from datapruner.vectors.content import row_dot

__all__ = ["complexity", "effective_number", "mean_spread", "separation", "shares", "tally"]

# Distances are summed as whole numbers of this unit: 2**-32 is finer than the float32 a distance is
# known in (about 2**-24), and 2**30 rows of the largest distance, 2, still fit into 64 bits.
UNIT = 2.0**-32

# Rows summed at a time in float64: 2**19 of at most 2**33 units stay below 2**53, so every partial
# sum is a whole number that float64 holds exactly.
TALLY_ROWS = 1 << 19

PRODUCT_ROWS = 128  # against all centroids: 50 MB where there are 50,000

# Below this exponent a share is a share all the same: exp(-300) of any budget rounds to no row, but
# a weight of exactly zero would say that the cluster is empty.
LEAST_EXPONENT = -300.0


def tally(labels: AnyArray, distance: AnyArray, k: int) -> tuple[IntArray, IntArray]:
    """Rows and summed distance of every cluster, exactly; tallies of blocks simply add up.

    Args:
        labels: shape (m,), integers in [0, k).
        distance: shape (m,), float32 or float64, to the own centroid, in [0, 2].
        k: number of clusters.

    Returns:
        (sizes, sums): shape (k,), int64 both; sums are in units of ``2**-32``, each distance
        rounded to a whole number of them, so the order of the rows cannot matter.
    """
    sizes = np.zeros(k, dtype=np.int64)
    sums = np.zeros(k, dtype=np.int64)
    for first in range(0, len(labels), TALLY_ROWS):
        rows = slice(first, first + TALLY_ROWS)
        units = np.rint(np.asarray(distance[rows], dtype=np.float64) / UNIT)
        sizes += np.bincount(labels[rows], minlength=k)
        sums += np.bincount(labels[rows], weights=units, minlength=k).astype(np.int64)
    return sizes, sums


def mean_spread(sizes: IntArray, sums: IntArray) -> FloatArray:
    """d_intra: the mean distance of a cluster's rows to its centroid.

    ``d_intra(j) = mean over members i of (1 - <x_i, c_j>)``; 0 for clusters of one row or none.

    Args:
        sizes, sums: shape (k,), as ``tally`` gives them.

    Returns:
        Shape (k,), float64, in [0, 2].
    """
    spread: FloatArray = np.where(sizes > 1, sums * UNIT / np.maximum(sizes, 1), 0.0)
    return spread


def separation(
    centroids: npt.NDArray[np.float32], live: BoolArray, neighbours: int = 20
) -> FloatArray:
    """d_inter: the mean distance of a centroid to its nearest other ones.

    ``d_inter(j) = mean over the l nearest live centroids m != j of (1 - <c_j, c_m>)``, with
    ``l = min(neighbours, live clusters - 1)``. The product only proposes who is near; distances are
    then computed pair by pair and summed without rounding, so threads and blocks change nothing.

    Args:
        centroids: shape (k, d), unit rows.
        live: shape (k,), which clusters hold rows; the others are nobody's neighbour.
        neighbours: l, at least 1.

    Returns:
        Shape (k,), float64, in [0, 2]; 0 for clusters without rows, and where only one has any.
    """
    found = np.zeros(len(centroids))
    wide = centroids[live].astype(np.float64)
    count = len(wide)
    near = min(neighbours, count - 1)
    if near < 1:
        return found
    wide /= np.sqrt(row_dot(wide, wide))[:, None]
    margin = 4 * wide.shape[1] * 2.0**-53
    means = np.empty(count)
    for start in range(0, count, PRODUCT_ROWS):
        block = 1 - wide[start : start + PRODUCT_ROWS] @ wide.T
        block[np.arange(len(block)), np.arange(start, start + len(block))] = np.inf
        reach = np.partition(block, near - 1, axis=1)[:, near - 1] + 2 * margin
        for row, (away, limit) in enumerate(zip(block, reach, strict=True), start):
            others = wide[away <= limit]
            exact = 1 - row_dot(np.broadcast_to(wide[row], others.shape), others)
            means[row] = math.fsum(np.sort(exact)[:near]) / near
    found[live] = np.maximum(means, 0.0)
    return found


def complexity(spread: FloatArray, apart: FloatArray, live: BoolArray) -> FloatArray:
    """C = d_intra * d_inter; d_intra alone where only one cluster holds rows.

    Args:
        spread, apart: shape (k,), d_intra and d_inter.
        live: shape (k,), which clusters hold rows.

    Returns:
        Shape (k,), float64, never below 0.
    """
    product = spread if np.count_nonzero(live) < 2 else spread * apart
    return np.maximum(np.where(live, product, 0.0), 0.0)


def shares(values: FloatArray, live: BoolArray, temperature: float) -> FloatArray:
    """P_j = exp(C_j / tau) / sum over live m of exp(C_m / tau); 0 for clusters without rows.

    Args:
        values: shape (k,), the complexities.
        live: shape (k,), which clusters hold rows.
        temperature: tau, above 0. Large: equal shares. Small: nearly all to the most complex.

    Returns:
        Shape (k,), float64, summing to 1 (to 0 if no cluster is live).
    """
    if not live.any():
        return np.zeros(len(values))
    highest = float(values[live].max())
    power = np.maximum((values - highest) / temperature, LEAST_EXPONENT)
    weights: FloatArray = np.where(live, np.exp(power), 0.0)
    return weights / math.fsum(weights)


def effective_number(weights: FloatArray) -> float:
    """exp(H(P)): how many clusters of equal share would be as mixed as these.

    Args:
        weights: shape (k,), shares that sum to 1, or zeros alone.

    Returns:
        Between 1 and the number of positive shares; 0 without any.
    """
    some = weights[weights > 0]
    return math.exp(-math.fsum(some * np.log(some))) if some.size else 0.0
