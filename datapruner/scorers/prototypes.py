"""Self-supervised prototypes: how far a row is from the nearest typical row.

k-means finds k prototypes among the embeddings; a row's score is its distance to the nearest one.
Low: a typical, redundant row ("easy"). High: an unusual one ("hard"): rare, difficult, or broken.

Which end to keep depends on how much data is left. In the perceptron theory of the paper, hard
rows win once about two rows are kept for each free parameter of the learner, and easy rows below
that; on real data (benchmarks/dataset/prototypes) keep-hard ties or beats a random draw only where
most rows stay, and where few stay neither end beats a random draw. So the default is: keep the hard
end when at least 60 % stays; below that take even steps along the ranking (``mixed``), which spends
the budget on every level of difficulty. It is a rule of thumb: ``datapruner recommend`` tests it on
your rows.

Source: Sorscher et al. 2022, "Beyond neural scaling laws", arXiv:2206.14486. Departs from it in:
unit vectors and cosine distance by default; clusters that do not depend on the order of the rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.scorers.clustered import Clustering, check_k, cluster

if TYPE_CHECKING:
    from datapruner.engines.base import Engine

__all__ = ["HARD_FROM", "Prototypes", "end_to_keep"]

# The kept share from which keep-hard is the default: where it stops losing to a random draw on
# digits and on sentence embeddings (docs/methods.md; benchmarks/dataset/prototypes).
HARD_FROM = 0.6


@dataclass(frozen=True)
class Prototypes:
    """Distance of every row to its nearest prototype.

    Attributes:
        k: number of prototypes; None: the number of labels where rows are labelled, else the square
            root of n, at least 10, at most 50,000 and never more than n.
        metric: ``"cosine"`` (unit vectors; 1 - cosine, in [0, 2]) or ``"l2"`` (Euclidean). Inside
            one cluster of unit vectors both give the same order, across clusters they do not.
        iterations: of k-means.
        points_per_centroid: the training sample is this times k rows, chosen by content.
        backend: ``"auto"``, ``"faiss"`` or ``"sklearn"``.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
        on_bad: what to do with vectors that are NaN, infinite or of zero length: ``"error"``, or
            ``"drop"`` to bar those rows.
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
        check_k(self.k, "prototype")
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
        """Scores with values of shape (n,), float32; groups are the labels, else the clusters.

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
        labelled = len(items.group_names) > 1
        found = cluster(
            items,
            self._clustering(),
            lambda n: self.k or _default_k(n, len(items.group_names) if labelled else None),
            method="prototypes",
            seed=seed,
            progress=progress,
            engine=engine,
        )
        if found.centroids is None:
            return Scores(found.distance, found.items, self.meaning, "prototypes")
        return Scores(
            values=found.distance,
            items=found.items,
            meaning=self.meaning,
            method="prototypes",
            group=items.group if labelled else found.labels,
            group_names=items.group_names if labelled else found.names,
            details=found.details,
        )

    def _clustering(self) -> Clustering:
        return Clustering(
            metric=self.metric,
            iterations=self.iterations,
            points_per_centroid=self.points_per_centroid,
            backend=self.backend,
            device=self.device,
            on_bad=self.on_bad,
        )


def _default_k(n: int, classes: int | None) -> int:
    from datapruner.vectors.kmeans import default_k

    return default_k(n, classes)


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
