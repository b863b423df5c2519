"""Self-supervised prototypes: how far a row is from the nearest typical row.

k-means finds k prototypes among the embeddings; a row's score is its distance to the nearest one.
Low: a typical, redundant row ("easy"). High: an unusual one ("hard"): rare, difficult, or broken.

Which end to keep depends on how much data is left. In the perceptron theory of the paper, hard rows
win once about two rows are kept for each free parameter of the learner, and easy rows below that; on
real data (benchmarks/dataset/prototypes) keep-hard ties or beats a random draw only where most rows
stay, and where few stay neither end beats a random draw. So the default is: keep the hard end when
at least 60 % stays; below that take even steps along the ranking (``mixed``), which spends the budget
on every level of difficulty. It is a rule of thumb: ``datapruner recommend`` tests it on your rows.

Source: Sorscher et al. 2022, "Beyond neural scaling laws", arXiv:2206.14486. Departs from it in: unit
vectors and cosine distance by default; clusters that do not depend on the order of the rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.core.types import AnyArray
from datapruner.errors import InputError, ScoreError

__all__ = ["HARD_FROM", "Prototypes", "end_to_keep"]

# The kept share from which keep-hard is the default: where it stops losing to a random draw on
# digits and on sentence embeddings (docs/methods.md; benchmarks/dataset/prototypes).
HARD_FROM = 0.6

_BAD = {1: "NaN", 2: "infinite", 3: "zero length"}


@dataclass(frozen=True)
class Prototypes:
    """Distance of every row to its nearest prototype.

    Attributes:
        k: number of prototypes; None: the number of labels where rows are labelled, else the square
            root of n, at least 10, at most 50,000 and never more than n.
        metric: ``"cosine"`` (unit vectors; 1 - cosine, in [0, 2]) or ``"l2"`` (Euclidean). Inside one
            cluster of unit vectors both give the same order, across clusters they do not.
        iterations: of k-means.
        points_per_centroid: the training sample is this times k rows, chosen by content.
        backend: ``"auto"``, ``"faiss"`` or ``"sklearn"``.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
        on_bad: what to do with vectors that are NaN, infinite or (for cosine) of zero length:
            ``"error"``, or ``"drop"`` to bar those rows.
    """

    k: int | None = None
    metric: Literal["cosine", "l2"] = "cosine"
    iterations: int = 20
    points_per_centroid: int = 256
    backend: str = "auto"
    device: str = "auto"
    on_bad: Literal["error", "drop"] = "error"

    needs: ClassVar[frozenset[str]] = frozenset({"embedding"})
    meaning: ClassVar[str] = "harder"

    def __post_init__(self) -> None:
        """Refuse parameters that no run could use."""
        if self.k is not None and self.k < 1:
            raise InputError(f"k is {self.k}; there must be at least one prototype.")
        if self.metric not in ("cosine", "l2"):
            raise InputError(f'metric is {self.metric!r}; it must be "cosine" or "l2".')
        if self.on_bad not in ("error", "drop"):
            raise InputError(f'on_bad is {self.on_bad!r}; it must be "error" or "drop".')
        if self.iterations < 1 or self.points_per_centroid < 1:
            raise InputError("iterations and points_per_centroid must be at least 1.")

    def __call__(
        self,
        items: Items,
        *,
        query: str | None = None,
        seed: int = 0,
        progress: Any = None,
    ) -> Scores:
        """Scores with values of shape (n,), float32; groups are the labels, else the clusters.

        Args:
            items: rows with an ``embedding`` feature: an (n, d) array or ``Vectors``.
            query: unused.
            seed: of the training sample and the initial centroids.
            progress: called with (stage, done, total).

        Raises:
            MissingColumnError: there is no ``embedding``.
            ScoreError: a vector is NaN, infinite or without direction (names the first five rows).
            InputError: k above the number of rows.
        """
        from datapruner.vectors.content import scan
        from datapruner.vectors.kmeans import assign, default_k, fit_centroids
        from datapruner.vectors.store import open_vectors

        vectors = open_vectors(items.feature("embedding", "prototypes"))
        labelled = len(items.group_names) > 1
        keys, bad = scan(vectors, progress)
        items = self._bar_bad(items, bad)
        if not items.countable:
            return Scores(np.zeros(items.n, np.float32), items, self.meaning, "prototypes")
        k = self.k or default_k(items.countable, len(items.group_names) if labelled else None)
        centroids = fit_centroids(
            vectors,
            k,
            spherical=self.metric == "cosine",
            iterations=self.iterations,
            points_per_centroid=self.points_per_centroid,
            seed=seed,
            backend=self.backend,
            device=self.device,
            rows=items.is_countable,
            keys=keys,
            progress=progress,
        )
        found = assign(
            vectors,
            centroids,
            keys=keys,
            backend=self.backend,
            device=self.device,
            progress=progress,
        )
        values = np.where(items.barred, np.float32(0), found.distance)
        labels = np.where(items.barred, np.int32(0), found.labels)
        details = {
            "k": centroids.k,
            "k_asked": centroids.k_asked,
            "metric": self.metric,
            "backend": centroids.backend,
            "device": centroids.device,
            "sample": centroids.sample_size,
            "iterations": centroids.iterations,
        }
        return Scores(
            values=values,
            items=items,
            meaning=self.meaning,
            method="prototypes",
            group=items.group if labelled else labels,
            group_names=items.group_names
            if labelled
            else tuple(f"cluster {j}" for j in range(centroids.k)),
            details=details,
        )

    def _bar_bad(self, items: Items, bad: AnyArray) -> Items:
        # A zero vector has no direction, but it has a place: only cosine refuses it.
        wrong = (bad != 0) if self.metric == "cosine" else (bad == 1) | (bad == 2)
        wrong &= ~items.barred
        rows = np.flatnonzero(wrong)
        if not rows.size:
            return items
        if self.on_bad == "error":
            shown = ", ".join(f"row {r}: {_BAD[int(bad[r])]}" for r in rows[:5])
            raise ScoreError(
                f"prototypes: {rows.size} of {items.n} vectors have no direction ({shown}). "
                'Mend them, or leave such rows out with on_bad="drop" (--on-bad drop).'
            )
        return items.bar(wrong)


def end_to_keep(share: float) -> tuple[str, str]:
    """The default picker for a kept share, and the sentence that says why.

    Args:
        share: of what is kept, 0..1.

    Returns:
        ``("high", note)`` from ``HARD_FROM`` on, else ``("mixed", note)``.
    """
    if share >= HARD_FROM:
        return "high", (
            f"pick high: {share:.0%} stays, and from {HARD_FROM:.0%} on the hard end holds up "
            "against a random draw"
        )
    return "mixed", (
        f"pick mixed: with {share:.0%} left neither end alone holds up against a random draw; "
        "try `datapruner recommend` on your labelled rows"
    )
