"""Concept clusters: prune each concept as hard as its complexity allows.

Spherical k-means finds k concepts among the embeddings. A concept that is spread out (d_intra) and
far from its neighbours (d_inter) is complex and keeps more of its rows; a dense one in a crowded
place has little more to say after a few. Inside a concept the paper keeps the rows farthest from
the centroid.

    d_intra(j) = mean over members of (1 - <x_i, c_j>)
    d_inter(j) = mean over the l nearest other centroids of (1 - <c_j, c_m>)
    P_j        = softmax(d_intra * d_inter / tau)
    quotas     = argmin sum (x_j - N P_j)^2 / 2   with   sum x_j = N,  1 <= x_j <= n_j

The quotas are not made here: the scores carry P as group weights and the 1 as group floors, and
``allocate="weighted"`` solves the program exactly (core/apportion.py).

What drives it: quotas know nothing of sizes, so large concepts are cut down to the size of small
ones. That flattening comes first, complexity second: a lower temperature gives it more to say, but
only until the complex concepts are full, for the program hands what they cannot take out equally.

Source: Abbas, Rusak et al. 2024, "Effective pruning of web-scale datasets based on complexity of
concept clusters", arXiv:2401.04578. Departs from the released code in: the total is met to the row
(a solver's answer rounded to the nearest integers misses it); a quota of zero keeps nothing (there
the slice ``[-0:]`` of the easy end keeps the whole cluster); no lower bound but one row (there half
of an even split by default, while the paper's best run used none); temperature 0.1, not 0.5; and
what complexity.py says of the distances.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.core.types import FloatArray
from datapruner.errors import InputError
from datapruner.scorers.clustered import Clustered, Clustering, check_k, cluster
from datapruner.scorers.complexity import (
    complexity,
    effective_number,
    mean_spread,
    separation,
    shares,
    tally,
)

if TYPE_CHECKING:
    from datapruner.engines.base import Engine

__all__ = ["ROWS_PER_CONCEPT", "Concepts", "concept_count"]

# The paper's runs had 100 to 500 concepts; a rule of thumb that reaches them at web scale.
ROWS_PER_CONCEPT = 2000
FEWEST, MOST = 20, 500

# Effective concepts per concept beyond which the temperature is worth a second look.
NEARLY_EQUAL, NEARLY_ONE = 0.95, 0.2


def concept_count(n: int) -> int:
    """How many concepts to look for when nobody says: n / 2000 in [20, 500], never more than n.

    Args:
        n: number of rows.

    Returns:
        k in [1, max(1, n)].
    """
    k = min(max(round(n / ROWS_PER_CONCEPT), FEWEST), MOST)
    return max(1, min(k, n))


@dataclass(frozen=True)
class Concepts:
    """Distance of every row to the centre of its concept, and how much each concept is due.

    Attributes:
        k: number of concepts; None: one for 2000 rows, at least 20, at most 500, never more than n.
        neighbours: l, how many other centroids d_inter looks at; all there are, if fewer.
        temperature: tau of the softmax, above 0. Large: equal quotas. Small: the most complex
            concept takes what it can.
        iterations: of k-means.
        points_per_centroid: the training sample is this times k rows, chosen by content.
        backend: ``"auto"``, ``"faiss"`` or ``"sklearn"``.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
        on_bad: what to do with vectors that are NaN, infinite or of zero length: ``"error"``, or
            ``"drop"`` to bar those rows.
    """

    k: int | None = None
    neighbours: int = 20
    temperature: float = 0.1
    iterations: int = 20
    points_per_centroid: int = 256
    backend: str = "auto"
    device: str = "auto"
    on_bad: Literal["error", "drop"] = "error"

    needs: ClassVar[frozenset[str]] = frozenset({"embedding"})
    meaning: ClassVar[str] = "harder"
    default_k: ClassVar[Callable[[int], int]] = staticmethod(concept_count)

    def __post_init__(self) -> None:
        """Refuse parameters that no run could use."""
        check_k(self.k, "concept")
        if self.neighbours < 1:
            raise InputError(
                f"neighbours is {self.neighbours}; look at one other centroid or more."
            )
        if not 0 < self.temperature < math.inf:
            raise InputError(
                f"temperature is {self.temperature}; it must be a finite number above 0."
            )
        self._clustering()

    def __call__(
        self,
        items: Items,
        *,
        query: str | None = None,
        seed: int = 0,
        progress: Any = None,
        engine: Engine | None = None,
    ) -> Scores:
        """Scores with values of shape (n,), float32: 1 - cosine to the own centroid, in [0, 2].

        Groups are the clusters; ``group_weight`` is P, ``group_floor`` one row for every cluster
        that has any. Labels of the items are not looked at.

        Args:
            items: rows with an ``embedding`` feature: an (n, d) array or ``Vectors``.
            query: unused.
            seed: of the training sample and the initial centroids.
            progress: called with (stage, done, total).
            engine: who runs the passes over the rows; None: this process, without a journal.

        Raises:
            MissingColumnError: there is no ``embedding``.
            ScoreError: a vector is NaN, infinite or without direction (names the first five rows).
            InputError: k above the number of rows.
        """
        found = cluster(
            items,
            self._clustering(),
            lambda n: self.k or concept_count(n),
            method="concepts",
            seed=seed,
            progress=progress,
            engine=engine,
        )
        return self.weigh(found)

    def weigh(self, found: Clustered) -> Scores:
        """The scores of rows that are clustered already, by cosine.

        Args:
            found: from ``clustered.cluster``, or made by hand.

        Returns:
            As calling does.
        """
        usable = found.items.is_countable
        sizes, sums = tally(found.labels[usable], found.distance[usable], len(found.names))
        live = sizes > 0
        apart: FloatArray = np.zeros(len(sizes))
        if found.centroids is not None:
            apart = separation(found.centroids.centroids, live, self.neighbours)
        weight = shares(complexity(mean_spread(sizes, sums), apart, live), live, self.temperature)
        return Scores(
            values=found.distance,
            items=found.items,
            meaning=self.meaning,
            method="concepts",
            group=found.labels,
            group_names=found.names,
            group_weight=weight,
            group_floor=live.astype(np.int64),
            details={**found.details, **self._details(weight)},
            notes=self._notes(weight),
        )

    def _details(self, weight: FloatArray) -> dict[str, Any]:
        count = int(np.count_nonzero(weight))
        return {
            "concepts": count,
            "neighbours": max(min(self.neighbours, count - 1), 0),
            "temperature": self.temperature,
            "effective_concepts": effective_number(weight),
        }

    def _notes(self, weight: FloatArray) -> tuple[str, ...]:
        count = int(np.count_nonzero(weight))
        if count < 2:
            return ()
        share = effective_number(weight) / count
        if share > NEARLY_EQUAL:
            return (
                f"concepts: {share:.0%} of {count} concepts count in effect, so quotas are nearly "
                f"equal; a temperature below {self.temperature:g} gives complexity more to say",
            )
        if share < NEARLY_ONE:
            return (
                f"concepts: only {share:.0%} of {count} concepts count in effect, the others share "
                f"what those cannot take; a temperature above {self.temperature:g} weighs them all",
            )
        return ()

    def _clustering(self) -> Clustering:
        return Clustering(
            metric="cosine",
            iterations=self.iterations,
            points_per_centroid=self.points_per_centroid,
            backend=self.backend,
            device=self.device,
            on_bad=self.on_bad,
        )
