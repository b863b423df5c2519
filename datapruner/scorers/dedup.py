"""The whole cascade of duplicates: exact, then MinHash, then semantic; each sees what is left.

What an earlier stage dropped takes no part in a later one, so copies do not pull the centroids of
the clusters towards them. A row dropped by any stage has its twin: the row it repeats, how similar
the two are, and which stage found them.

Rows that repeat a row of another data set go first, whatever the keep order (``scorers.against``).

Source: the order of the stages is customary in corpus pipelines (Lee et al. 2022,
arXiv:2107.06499; Abbas et al. 2023, arXiv:2303.09540).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.core.twins import NO_TWIN, Twins
from datapruner.core.types import AnyArray, BoolArray, FloatArray, IntArray
from datapruner.engines.local import Local
from datapruner.errors import InputError
from datapruner.scorers.against import Reference, Thresholds, compare, stages
from datapruner.scorers.clustered import Clustered, bar_bad, scanned
from datapruner.scorers.duplicates import SEMANTIC, Duplicates, keep_order
from datapruner.scorers.exact import first_of_equals
from datapruner.scorers.minhash import PERMUTATIONS, Prints, estimated, near_copies
from datapruner.scorers.pairs import blocks
from datapruner.scorers.tosize import eps_for
from datapruner.vectors.assign import BlockAssigner
from datapruner.vectors.store import open_vectors

if TYPE_CHECKING:
    from datapruner.engines.base import Engine
    from datapruner.vectors.centroids import Centroids

__all__ = ["INSIDE", "STAGES", "Dedup"]

INSIDE = ("drop", "keep")

STAGES = ("exact", "MinHash", SEMANTIC)
_EXACT, _MINHASH, _SEMANTIC = 1, 2, 3
_GUESTS = 1 << 13  # rows assigned at a time


@dataclass(frozen=True)
class Dedup:
    """Twins of every row, by up to three stages.

    Attributes:
        semantic: the last stage with its parameters; with ``eps=0`` it is left out. Its ``keep``
            and ``by`` hold for all stages, but exact copies, and all where nothing is clustered,
            stay in the order of the tie keys instead of ``"hard"`` and ``"easy"``.
        jaccard: share of word shingles from which two texts are near-copies; 1 leaves the stage
            out.
        size: keep as many rows: eps is then found instead of given; None: eps as it is. Other data
            sets are compared by the eps of ``semantic`` either way.
        inside: ``"drop"``, or ``"keep"`` to leave duplicates among the rows themselves alone, and
            drop those of other data sets only.

    Raises:
        InputError: a Jaccard similarity outside 0.1 to 1, or ``inside`` that is neither.
    """

    semantic: Duplicates = field(default_factory=Duplicates)
    jaccard: float = 0.8
    size: int | None = None
    inside: Literal["drop", "keep"] = "drop"

    meaning: ClassVar[str] = "more redundant"

    def __post_init__(self) -> None:
        """Refuse a threshold that would link half the corpus."""
        if not 0.1 <= self.jaccard <= 1:
            raise InputError(f"jaccard is {self.jaccard}; it must be 0.1 to 1, try 0.8.")
        if self.inside not in INSIDE:
            raise InputError(f'inside is {self.inside!r}; it must be "drop" or "keep".')

    @property
    def needs(self) -> tuple[str, ...]:
        """The features that the stages read."""
        return ("prints", "embedding") if self.is_semantic else ("prints",)

    @property
    def is_semantic(self) -> bool:
        """Whether the last stage runs."""
        return self.semantic.eps > 0 or self.size is not None

    def __call__(
        self,
        items: Items,
        *,
        query: str | None = None,
        seed: int = 0,
        progress: Any = None,
        engine: Engine | None = None,
        against: Sequence[Reference] = (),
    ) -> Scores:
        """Scores with twins; values of shape (n,), float32: 1 for a row that a text stage dropped,
        else the similarity to an earlier row of its cluster (0 without a semantic stage). Of rows
        that another data set has, and of all with ``inside="keep"``: the similarity to it.

        Args:
            items: rows with ``prints`` (``minhash.Prints``; without them the text stages are left
                out) and, for the semantic stage, an ``embedding``.
            query: unused.
            seed: of the clusters.
            progress: called with (stage, done, total).
            engine: who runs the passes over the rows; None: this process, without a journal.
            against: other data sets; what repeats one of their rows goes.
        """
        engine = engine or Local()
        twins = Twins.none(items.n, (*STAGES, *stages(against)))
        limits = Thresholds(self.jaccard, self.semantic.eps)
        twins, values, outside = compare(
            items, against, limits, twins, engine, device=self.semantic.device, progress=progress
        )
        if self.inside == "keep":
            found = _one_group(self._without_bad(items, twins, engine))
            scores = self._scores(items, found, self.semantic, values, twins)
        else:
            scores = self._inside(items, twins, values, seed, progress, engine)
        if not outside:
            return scores
        told = {**scores.details, "against": [asdict(one) for one in outside]}
        return replace(scores, details=told, notes=tuple(str(one) for one in outside))

    def _inside(
        self,
        items: Items,
        twins: Twins,
        outside: FloatArray,
        seed: int,
        progress: Any,
        engine: Engine,
    ) -> Scores:
        """What duplicates another row of the same set, among the rows that no other set has."""
        gone = twins.is_duplicate
        twins = _only(twins, gone)
        prints: Prints | None = items.features.get("prints")
        if prints is not None:
            order = self._order(items.bar(gone), np.zeros(items.n))
            twins = _marked(twins, items, first_of_equals(prints.exact, order), _EXACT)
        found = self._cluster(items.bar(twins.is_duplicate), seed, progress, engine)
        order = self._order(found.items, found.distance)
        if prints is not None and self.jaccard < 1:
            copies = near_copies(prints, order, self.jaccard)
            twins = _marked(twins, items, copies, _MINHASH, prints)
            order = order[~twins.is_duplicate[order]]
        scorer = self.semantic
        values: FloatArray = np.zeros(items.n, dtype=np.float32)
        if self.is_semantic:
            if self.size is not None:
                scorer = eps_for(scorer, found, order, self.size, progress=progress, engine=engine)
            values, last = scorer.compare(found, order, progress=progress, engine=engine)
            twins = _merged(twins, last, order)
        values[(twins.stage == _EXACT) | (twins.stage == _MINHASH)] = 1
        values[gone] = outside[gone]
        return self._scores(items, found, scorer, values, twins)

    def _settle_guests(
        self, items: Items, made: Centroids, labels: AnyArray, rows: IntArray
    ) -> None:
        """Name the clusters of rows that another data set has: they took no part in clustering."""
        vectors = open_vectors(items.feature("embedding", "dedup"))
        assigner = BlockAssigner(made, self.semantic.backend, self.semantic.device)
        for some in blocks(rows, _GUESTS):
            labels[some] = np.maximum(assigner(vectors.take(some))[0], 0)

    def _without_bad(self, items: Items, twins: Twins, engine: Engine) -> Items:
        """The rows that no other set has, those with a bad vector barred or refused."""
        left = items.bar(twins.is_duplicate)
        if self.semantic.eps == 0:
            return left
        vectors = open_vectors(items.feature("embedding", "dedup"))
        return bar_bad(left, scanned(vectors, engine)[1], self.semantic.on_bad, "dedup")

    def _order(self, items: Items, distance: FloatArray) -> IntArray:
        return keep_order(items, distance, self.semantic.keep, self.semantic.by)

    def _cluster(self, items: Items, seed: int, progress: Any, engine: Engine | None) -> Clustered:
        if self.is_semantic:
            return self.semantic.cluster(items, seed=seed, progress=progress, engine=engine)
        nothing = np.zeros(items.n, dtype=np.float32)
        return Clustered(items, None, np.zeros(items.n, dtype=np.int32), nothing)

    def _scores(
        self, items: Items, found: Clustered, scorer: Duplicates, values: FloatArray, twins: Twins
    ) -> Scores:
        # Exact copies were barred while the others were clustered; bad vectors stay barred.
        items = items.bar(found.items.barred & ~twins.is_duplicate)
        labels = found.labels.copy()
        if found.centroids is not None:
            self._settle_guests(items, found.centroids, labels, np.flatnonzero(twins.row < NO_TWIN))
        copies = np.flatnonzero(twins.stage == _EXACT)
        labels[copies] = labels[twins.row[copies]]
        labelled = len(items.group_names) > 1
        dropped = np.bincount(twins.stage, minlength=len(twins.stages) + 1)
        return Scores(
            values=values,
            items=items,
            meaning=self.meaning,
            method="dedup",
            group=items.group if labelled else labels,
            group_names=items.group_names if labelled else found.names,
            details={
                **found.details,
                "eps": scorer.eps,
                "rule": scorer.rule,
                "keep": scorer.keep if scorer.by is None else f"{scorer.keep} {scorer.by}",
                "jaccard": self.jaccard,
                "permutations": PERMUTATIONS,
                **{stage.lower(): int(dropped[i]) for i, stage in enumerate(STAGES, 1)},
            },
            twins=twins,
        )


def _one_group(items: Items) -> Clustered:
    """All rows in one group, where nothing is clustered."""
    nothing = np.zeros(items.n, dtype=np.float32)
    return Clustered(items, None, np.zeros(items.n, dtype=np.int32), nothing)


def _only(twins: Twins, rows: BoolArray) -> Twins:
    """Those of some rows; the others have none yet."""
    none = Twins.none(rows.size, twins.stages)
    return replace(
        twins,
        row=np.where(rows, twins.row, none.row),
        similarity=np.where(rows, twins.similarity, none.similarity),
        stage=np.where(rows, twins.stage, none.stage),
    )


def _marked(
    twins: Twins, items: Items, other: IntArray, stage: int, prints: Prints | None = None
) -> Twins:
    """The twins with what a text stage found; pinned rows duplicate nothing."""
    hit = np.flatnonzero((other >= 0) & ~items.pinned)
    row, similarity, marks = twins.row.copy(), twins.similarity.copy(), twins.stage.copy()
    row[hit], marks[hit] = other[hit], stage
    similarity[hit] = 1 if prints is None else estimated(prints.signature, hit, other[hit])
    return replace(twins, row=row, similarity=similarity, stage=marks)


def _merged(twins: Twins, last: Twins, order: IntArray) -> Twins:
    row, similarity, marks = twins.row.copy(), twins.similarity.copy(), twins.stage.copy()
    row[order], similarity[order] = last.row[order], last.similarity[order]
    marks[order] = np.where(last.stage[order] > 0, _SEMANTIC, 0)
    return replace(twins, row=row, similarity=similarity, stage=marks)
