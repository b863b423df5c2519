"""Semantic duplicates: how similar a row is to one that would be kept before it.

Rows are clustered by spherical k-means and compared inside their cluster, where near-copies meet.
In each cluster the rows stand in the keep order; a row's value is its highest cosine to a row
before it, 0 for the first. A row whose value exceeds 1 - eps is a duplicate: the pick ``distinct``
drops it and ``explain`` names the row it repeats.

Three rules say what counts. ``any_earlier`` (the released code): any row before it, kept or not.
``leader`` (the paper's "keep one per group"; default): only rows that stay themselves, so each
dropped row has a kept one near it. ``components``: one row of each group of rows linked by pairs.
In a chain A~B~C with A unlike C, in this order, ``leader`` keeps A and C, the others A alone.

Which row of a group stays: ``hard`` (farthest from the centroid first; the paper's choice),
``easy``, ``first`` (in the order of the tie keys) or ``best`` by a numeric column.

Source: Abbas et al. 2023, "SemDeDup", arXiv:2303.09540. Departs from it in: the rule above; no
cluster is ever cut into pieces that are searched apart; decisions are settled exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.core.twins import NO_TWIN, Twins
from datapruner.core.types import AnyArray, BoolArray, FloatArray, IntArray, UInt64Array
from datapruner.engines.local import Local
from datapruner.errors import InputError
from datapruner.scorers.borders import across_borders
from datapruner.scorers.clustered import Clustered, Clustering, check_k, cluster, scanned
from datapruner.scorers.groups import compare_groups
from datapruner.scorers.pairs import HELD_BYTES, PAIRS, Found, exact_similarity, rows_by
from datapruner.scorers.triangle import RULES
from datapruner.vectors.store import Vectors

if TYPE_CHECKING:
    from datapruner.engines.base import Engine

__all__ = ["KEEP", "SEMANTIC", "Comparison", "Duplicates", "cluster_count", "keep_order"]

KEEP = ("hard", "easy", "first", "best")
SEMANTIC = "semantic"

EXHAUSTIVE = 50_000
"""Rows up to which all pairs are compared: at 384 dimensions some ten seconds of a core, a fraction
of what embedding them took."""


def cluster_count(n: int) -> int:
    """How many clusters to look in when nobody says.

    One up to 50,000 rows: all pairs are compared then, and none is cut by a border. Above that the
    square root of n, where the work of clustering and of comparing balance.

    Args:
        n: number of rows.

    Returns:
        k in [1, max(1, n)].

    Source: the square root is D4's rule (Tirumala et al. 2023, arXiv:2308.12284).
    """
    from datapruner.vectors.kmeans import default_k

    return 1 if n <= EXHAUSTIVE else default_k(n)


@dataclass(frozen=True)
class Duplicates(Clustering):
    """Highest similarity of every row to an earlier row of its cluster.

    Attributes:
        eps: a similarity above 1 - eps makes a duplicate, compared in float32; 0 drops nothing.
        rule: ``"leader"``, ``"any_earlier"`` or ``"components"``.
        keep: which row of a group stays: ``"hard"``, ``"easy"``, ``"first"`` or ``"best"``.
        by: the numeric feature that ``"best"`` goes by, highest first.
        k: number of clusters; None: see ``cluster_count``.
        probes: 2 compares what is left with the second-nearest cluster, too.
    """

    eps: float = 0.05
    rule: Literal["leader", "any_earlier", "components"] = "leader"
    keep: Literal["hard", "easy", "first", "best"] = "hard"
    by: str | None = None
    k: int | None = None
    probes: int = 1

    needs: ClassVar[frozenset[str]] = frozenset({"embedding"})
    meaning: ClassVar[str] = "more redundant"
    default_k: ClassVar[Callable[[int], int]] = staticmethod(cluster_count)

    def __post_init__(self) -> None:
        """Refuse parameters that no run could use."""
        super().__post_init__()
        if not 0 <= self.eps <= 1:
            raise InputError(
                f"eps is {self.eps}; it must be 0 to 1, for rows that point apart are no "
                "duplicates. Try 0.05."
            )
        if self.rule not in RULES:
            raise InputError(f"rule is {self.rule!r}; it must be one of {', '.join(RULES)}.")
        if self.keep not in KEEP:
            raise InputError(f"keep is {self.keep!r}; it must be one of {', '.join(KEEP)}.")
        if (self.keep == "best") != (self.by is not None):
            raise InputError(
                f'keep is {self.keep!r} and by is {self.by!r}; keep="best" needs by="column", and '
                "nothing else takes it."
            )
        if self.probes not in (1, 2):
            raise InputError(f"probes is {self.probes}; it must be 1 or 2.")
        check_k(self.k, "cluster")
        if self.metric != "cosine":
            raise InputError(f"metric is {self.metric!r}; duplicates are compared by cosine.")

    def __call__(
        self,
        items: Items,
        *,
        query: str | None = None,
        seed: int = 0,
        progress: Any = None,
        engine: Engine | None = None,
    ) -> Scores:
        """Scores with values of shape (n,), float32 in [-1, 1]; groups are labels, else clusters.

        Args:
            items: rows with an ``embedding`` feature: an (n, d) array or ``Vectors``.
            query: unused.
            seed: of the training sample and the initial centroids.
            progress: called with (stage, done, total).
            engine: who runs the passes over the rows; None: this process, without a journal.

        Raises:
            MissingColumnError: there is no ``embedding``, or no column to keep by.
            ScoreError: a vector is NaN, infinite or without direction (names the first five rows).
            InputError: k above the number of rows, or a column to keep by with gaps.
        """
        found = self.cluster(items, seed=seed, progress=progress, engine=engine)
        order = keep_order(found.items, found.distance, self.keep, self.by)
        values, twins = self.compare(found, order, progress=progress, engine=engine)
        labelled = len(items.group_names) > 1
        return Scores(
            values=values,
            items=found.items,
            meaning=self.meaning,
            method="duplicates",
            group=found.items.group if labelled else found.labels,
            group_names=found.items.group_names if labelled else found.names,
            details={
                **found.details,
                "eps": self.eps,
                "rule": self.rule,
                "keep": self.keep if self.by is None else f"{self.keep} {self.by}",
                "duplicates": int(np.count_nonzero(twins.is_duplicate)),
            },
            twins=twins,
        )

    def cluster(
        self,
        items: Items,
        *,
        seed: int = 0,
        progress: Any = None,
        engine: Engine | None = None,
    ) -> Clustered:
        """Every usable row with its cluster."""

        def choose(usable: int) -> int:
            return self.k or cluster_count(usable)

        return cluster(
            items, self, choose, method="duplicates", seed=seed, progress=progress, engine=engine
        )

    def compare(
        self,
        found: Clustered,
        order: IntArray,
        *,
        progress: Any = None,
        engine: Engine | None = None,
    ) -> tuple[FloatArray, Twins]:
        """Values and twins of clustered rows.

        Args:
            found: the rows with their clusters.
            order: shape (m,), int64, the rows to compare, those to keep first first.
            progress: called as progress("compare", rows done, rows).
            engine: as for calling.
        """
        from datapruner.vectors.store import open_vectors

        engine = engine or Local()
        vectors = open_vectors(found.items.feature("embedding", "duplicates"))
        keys = scanned(vectors, engine)[0]
        answer = _Answer(found.items.n)
        own = found.labels[order].astype(np.int64)
        groups = [order[places] for _, places in rows_by(own)]
        task = Comparison(1 - self.eps, self.rule, engine.room)
        columns = engine.groups(task, vectors, groups, keys=keys, progress=progress)
        for rows, seen in zip(groups, _apart(columns, groups), strict=True):
            answer.put(rows, seen)
        if self.probes > 1 and found.centroids is not None:
            stays = ~answer.repeats[order]
            left, made = order[stays], found.centroids
            cut = across_borders(
                *(vectors, left, own[stays], made, 1 - self.eps, self.rule), held_bytes=engine.room
            )
            answer.put(left, cut, cut.is_duplicate)
        return answer.values, answer.twins(vectors, self.rule)


@dataclass(frozen=True)
class Comparison:
    """Who repeats whom inside each of some groups; a ``GroupTask``.

    Attributes:
        threshold: a similarity above this makes a duplicate.
        rule: as in ``triangle.search``.
        held_bytes: of rows, at a time; changes nothing in the answer.
    """

    threshold: float
    rule: str
    held_bytes: int = HELD_BYTES

    name: ClassVar[str] = "compare"
    dtypes: ClassVar[tuple[str, ...]] = ("float32", "int64", "bool")

    @property
    def key(self) -> bytes:
        """Of the threshold and the rule."""
        return f"{self.threshold!r} {self.rule}".encode()

    def __call__(
        self, vectors: Vectors, groups: Sequence[IntArray], keys: UInt64Array
    ) -> tuple[AnyArray, ...]:
        """Similarity, place of the earlier row in its group, and whether it is a duplicate."""
        found = compare_groups(
            vectors, groups, keys, self.threshold, self.rule, held_bytes=self.held_bytes
        )
        return found.similarity, found.earlier, found.is_duplicate


def _apart(columns: tuple[AnyArray, ...], groups: Sequence[IntArray]) -> Iterator[Found]:
    """The answers of the groups, one by one."""
    stop = 0
    for rows in groups:
        start, stop = stop, stop + rows.size
        yield Found(*(column[start:stop] for column in columns))


class _Answer:
    """Columns of n rows, filled cluster by cluster."""

    def __init__(self, n: int) -> None:
        self.values = np.zeros(n, dtype=np.float32)
        self.twin = np.full(n, NO_TWIN, dtype=np.int64)
        self.repeats = np.zeros(n, dtype=bool)

    def put(self, rows: IntArray, seen: Found, where: BoolArray | None = None) -> None:
        """What was found of some rows, or of those among them that ``where`` names."""
        some = np.arange(rows.size) if where is None else np.flatnonzero(where)
        self.values[rows[some]] = seen.similarity[some]
        self.repeats[rows[some]] = seen.is_duplicate[some]
        earlier = seen.earlier[some]
        self.twin[rows[some]] = np.where(earlier >= 0, rows[earlier], NO_TWIN)

    def twins(self, vectors: Vectors, rule: str) -> Twins:
        """The evidence; under ``components`` a twin may be another row than the most similar."""
        from datapruner.vectors.content import unit_rows

        similarity = self.values.copy()
        if rule == "components":
            hits = np.flatnonzero(self.repeats)
            for start in range(0, hits.size, PAIRS):
                some = hits[start : start + PAIRS]
                left, right = (unit_rows(vectors.take(r))[0] for r in (some, self.twin[some]))
                similarity[some] = exact_similarity(left, right)
        return Twins(self.twin, similarity, self.repeats.astype(np.uint8), (SEMANTIC,))


def keep_order(items: Items, distance: AnyArray, keep: str, by: str | None = None) -> IntArray:
    """The usable rows, those to keep first first; equals follow their tie keys.

    Args:
        items: the rows.
        distance: shape (n,), to the own centroid.
        keep: ``"hard"``, ``"easy"``, ``"first"`` or ``"best"``; pinned rows come before all others.
        by: the feature that ``"best"`` goes by.

    Returns:
        Shape (m,), int64, without barred rows.

    Raises:
        MissingColumnError: no such feature.
        InputError: it is not a finite number in some usable row.
    """
    rows = np.flatnonzero(items.is_countable)
    key = np.zeros(items.n, dtype=np.float64)
    if keep == "best":
        assert by is not None
        key = np.negative(_numbers(items, by, rows))
    elif keep != "first":
        key = distance.astype(np.float64) * (-1 if keep == "hard" else 1)
    ties = items.tie_keys()[rows]
    order: IntArray = rows[np.lexsort((ties, key[rows], ~items.pinned[rows]))]
    return order


def _numbers(items: Items, by: str, rows: IntArray) -> FloatArray:
    column = items.feature(by, 'keep="best"')
    try:
        values = np.asarray(column, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f'"{by}" does not hold numbers: {error}.') from error
    wrong = rows[~np.isfinite(values[rows])]
    if wrong.size:
        raise InputError(
            f'"{by}" is not a finite number in {wrong.size} rows (row {wrong[0]}: '
            f"{values[wrong[0]]}); give every row one, or keep another way."
        )
    return values
