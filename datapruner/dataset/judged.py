"""Rows judged where they are: clusters, scores, quotas, and what is kept of a block.

As in ``dataset.blocks``, every function takes an Arrow table, a block or a group of the data, and
gives one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from datapruner.core.items import Items
from datapruner.core.types import AnyArray, BoolArray, FloatArray, UInt64Array
from datapruner.dataset.blocks import (
    PREFIX,
    Table,
    column,
    masked,
    table_of,
    ties_of,
    vectors_of,
    with_columns,
)
from datapruner.engines.local import Local
from datapruner.pickers.cuts import Cut, cut_of, histogram, places, sharing
from datapruner.scorers.complexity import tally
from datapruner.scorers.duplicates import Comparison, keep_order
from datapruner.vectors.centroids import Centroids
from datapruner.vectors.content import scan
from datapruner.vectors.tasks import Assign

__all__ = [
    "DUPLICATE",
    "GROUP",
    "PLACE",
    "SCORE",
    "TIE",
    "Clusters",
    "Cuts",
    "Digits",
    "Fetch",
    "Keep",
    "Measured",
    "Quota",
    "Repeats",
    "Slim",
    "Tallies",
]

GROUP, SCORE = f"{PREFIX}group", f"{PREFIX}score"
"""What may be asked for beside the columns of the data."""

DUPLICATE, PLACE, TIE = f"{PREFIX}duplicate", f"{PREFIX}place", f"{PREFIX}tie"


@dataclass(frozen=True, eq=False)
class Measured:
    """Cluster, score and tie key of every row, with whether it may be kept at all.

    Attributes:
        centroids: from ``kmeans.fit_sample``.
        id: column of ids.
        embedding: column of vectors.
        backend, device: of the assignment.
    """

    centroids: Centroids
    id: str
    embedding: str
    backend: str
    device: str

    def __call__(self, table: Table) -> tuple[AnyArray, FloatArray, UInt64Array, BoolArray]:
        """Shapes (m,): group int32, score float32, tie uint64, and bool.

        Where an earlier stage wrote groups and scores into the table they are taken from there.
        """
        ties = ties_of(table, self.id)
        if DUPLICATE in table.column_names:
            able = ~column(table, DUPLICATE).to_numpy(zero_copy_only=False)
            group, score = (column(table, name).to_numpy() for name in (GROUP, SCORE))
            return group, score, ties, able
        task = Assign(self.centroids, self.backend, self.device)
        group, score = Local(threads=1).rows(task, vectors_of(table, self.embedding))
        able = group >= 0
        return np.where(able, group, 0), np.where(able, score, np.float32(0)), ties, able


@dataclass(frozen=True, eq=False)
class Clusters:
    """Adds cluster and distance to the rows that can be used, and leaves out the others.

    Attributes:
        measured: says what the rows are.
    """

    measured: Measured

    def __call__(self, table: Table) -> Table:
        """The table with two more columns."""
        group, score, _, able = self.measured(table)
        return masked(with_columns(table, {GROUP: group, SCORE: score}), able)


@dataclass(frozen=True, eq=False)
class Repeats:
    """Semantic duplicates inside one group.

    Attributes:
        id, embedding: columns.
        comparison: the rule and the threshold.
        keep, by: as in ``duplicates.keep_order``.
    """

    id: str
    embedding: str
    comparison: Comparison
    keep: str
    by: str | None

    def __call__(self, table: Table) -> Table:
        """The group with the columns of its scores and duplicates; distances are in ``SCORE``."""
        vectors = vectors_of(table, self.embedding)
        features = {} if self.by is None else {self.by: column(table, self.by).to_numpy()}
        items = Items.of(len(table), tie=ties_of(table, self.id), **features)
        order = keep_order(items, column(table, SCORE).to_numpy(), self.keep, self.by)
        similarity, _, repeats = self.comparison(vectors, [order], scan(vectors)[0])
        score = np.empty(len(table), dtype=np.float32)
        is_duplicate = np.empty(len(table), dtype=bool)
        score[order], is_duplicate[order] = similarity, repeats
        return with_columns(table.drop_columns([SCORE]), {SCORE: score, DUPLICATE: is_duplicate})


@dataclass(frozen=True, eq=False)
class Slim:
    """Group, score, place and tie key of the rows that may be kept; nothing else of them.

    Attributes:
        measured: says what the rows are.
        pick: one of ``cuts.CUTTABLE``.
        seed: the user's seed.
    """

    measured: Measured
    pick: str
    seed: int

    def __call__(self, table: Table) -> Table:
        """Four columns, 24 bytes a row."""
        group, score, tie, able = self.measured(table)
        group, score, tie = group[able], score[able], tie[able]
        place = places(self.pick, score, tie, self.seed)
        return table_of({GROUP: group, SCORE: score, PLACE: place, TIE: tie})


@dataclass(frozen=True)
class Quota:
    """The cut of one group.

    Attributes:
        caps: rows that each group may keep.
        pick, seed: as in ``cuts.cut_of``.
    """

    caps: tuple[int, ...]
    pick: str
    seed: int

    def __call__(self, table: Table) -> Table:
        """One row: the group, and its cut; no row where nothing is kept."""
        group = int(table[GROUP][0].as_py()) if len(table) else 0
        cap = self.caps[group]
        cut: Cut | None = None
        if len(table) and cap:
            score, tie = (column(table, name).to_numpy() for name in (SCORE, TIE))
            cut = cut_of(self.pick, score, tie, cap, self.seed)
        made = [] if cut is None else [cut]
        return table_of(
            {
                GROUP: np.full(len(made), group, dtype=np.int32),
                PLACE: np.array([one.place for one in made], dtype=np.uint64),
                TIE: np.array([one.tie for one in made], dtype=np.uint64),
            }
        )


@dataclass(frozen=True)
class Cuts:
    """What is kept of every group.

    Attributes:
        of: the cut of a group, by its number; nothing is kept of a group that is not in it.
        default: the cut of every other group; None: nothing of it is kept.
    """

    of: Mapping[int, Cut]
    default: Cut | None = None

    def keeps(self, group: AnyArray, place: UInt64Array, tie: UInt64Array) -> BoolArray:
        """Shape (m,), bool: the rows that are kept; all arguments have shape (m,)."""
        kept = np.zeros(len(group), dtype=bool)
        for one in np.unique(group).tolist():
            cut = self.of.get(one, self.default)
            if cut is not None:
                rows = np.flatnonzero(group == one)
                kept[rows] = cut.keeps(place[rows], tie[rows])
        return kept


@dataclass(frozen=True, eq=False)
class Keep:
    """The kept rows of a block.

    Attributes:
        measured: says what the rows are.
        cuts: what is kept of every group.
        pick, seed: as of ``Slim``.
        columns: to give back; of ours, ``GROUP`` and ``SCORE`` may be among them.
    """

    measured: Measured
    cuts: Cuts
    pick: str
    seed: int
    columns: tuple[str, ...]

    def __call__(self, table: Table) -> Table:
        """The rows as they came, with the columns that were asked for."""
        group, score, tie, able = self.measured(table)
        kept = able & self.cuts.keeps(group, places(self.pick, score, tie, self.seed), tie)
        judged = with_columns(table, {GROUP: group, SCORE: score})
        return masked(judged, kept).select(self.columns)


@dataclass(frozen=True)
class Tallies:
    """Sizes and summed distances of the clusters.

    Attributes:
        k: how many clusters there are.
    """

    k: int

    def __call__(self, table: Table) -> Table:
        """One row of a slim table: ``sizes`` and ``sums``, as ``complexity.tally`` gives them."""
        group, score = (column(table, name).to_numpy() for name in (GROUP, SCORE))
        sizes, sums = tally(group, score, self.k)
        return table_of({"sizes": [sizes.tobytes()], "sums": [sums.tobytes()]})


@dataclass(frozen=True)
class Digits:
    """How many rows of a prefix have each next digit of their place in the order.

    Attributes:
        prefix: the digits that are known.
    """

    prefix: tuple[int, ...]

    def __call__(self, table: Table) -> Table:
        """One row of a slim table: ``counts``, as ``cuts.histogram`` gives them."""
        place, tie = (column(table, name).to_numpy() for name in (PLACE, TIE))
        return table_of({"counts": [histogram(place, tie, self.prefix).tobytes()]})


@dataclass(frozen=True)
class Fetch:
    """The places and tie keys of the rows that share a prefix.

    Attributes:
        prefix: their first digits.
    """

    prefix: tuple[int, ...]

    def __call__(self, table: Table) -> Table:
        """Two columns of a slim table."""
        place, tie = (column(table, name).to_numpy() for name in (PLACE, TIE))
        return masked(table.select([PLACE, TIE]), sharing(place, tie, self.prefix))
