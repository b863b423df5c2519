"""The driver of a run over a data set that no process sees as a whole.

It hands out passes and sees sizes, sums, a training sample and one cut a group; never a column of
all rows.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from datapruner.core.allocate import allocate as spread_budget
from datapruner.core.budget import Budget, Limits
from datapruner.core.types import IntArray
from datapruner.dataset.blocks import Check, Draw, column, drawn_sample
from datapruner.dataset.judged import (
    DUPLICATE,
    GROUP,
    PLACE,
    SCORE,
    TIE,
    Clusters,
    Cuts,
    Digits,
    Fetch,
    Keep,
    Measured,
    Quota,
    Repeats,
    Slim,
    Tallies,
)
from datapruner.engines.shipping import raise_fault
from datapruner.engines.stages import Stages
from datapruner.errors import InputError, ScoreError
from datapruner.methods import METHODS, load
from datapruner.pickers.cuts import DIGITS, Cut, check_cuttable, narrowed
from datapruner.scorers.complexity import complexity, mean_spread, separation, shares
from datapruner.scorers.duplicates import Comparison
from datapruner.vectors.centroids import Centroids
from datapruner.vectors.kmeans import default_k, fit_sample

__all__ = ["Driver", "Recipe", "hash_bound"]

log = logging.getLogger("datapruner")

FETCHED = 1 << 20
"""Rows whose places may be sorted in the driver: 16 MiB."""

SLIM_BYTES = 24
"""Of a row that is reduced to its group, score, place and tie key."""

EVERYTHING = Cut(2**64 - 1, 2**64 - 1)


@dataclass(frozen=True)
class Recipe:
    """What was asked for.

    Attributes:
        method: its name.
        scorer: with the method's own parameters.
        budget: a number or a share of rows.
        pick: None: the method's own.
        allocate: an allocator.
        seed: the user's seed.
    """

    method: str
    scorer: Any
    budget: Budget
    pick: str | None
    allocate: str
    seed: int

    @property
    def spherical(self) -> bool:
        """Whether vectors are compared by cosine."""
        return getattr(self.scorer, "metric", "cosine") == "cosine"

    def k(self, usable: int) -> int:
        """How many clusters: as asked, else the method's own choice for so many rows."""
        if self.scorer.k:
            return int(self.scorer.k)
        own = getattr(self.scorer, "default_k", default_k)
        return int(own(usable))


@dataclass(frozen=True)
class Driver:
    """One run over one data set: what is handed out, and what is made of the answers.

    Attributes:
        stages: hands out the work.
        recipe: what was asked for.
        id, embedding: columns.
        columns: those of the kept rows.
    """

    stages: Stages
    recipe: Recipe
    id: str
    embedding: str
    columns: tuple[str, ...]

    def pruned(self, base: Any) -> Any:
        """The kept rows of a data set with vectors."""
        usable, width = self.check(base, Check(self.id, None, self.embedding))
        if not usable:
            return base.limit(0)
        made = self.centroids(base, usable, width)
        how = self.recipe.scorer
        measured = Measured(made, self.id, self.embedding, how.backend, how.device)
        limits = self.recipe.budget.resolve_counts(usable, made.k)
        pick = self.pick(limits, usable)
        needed = [self.id, self.embedding]
        if self.recipe.method == "duplicates":
            base = self.compared(base, measured, usable * width * 4, made.k)
            needed = [self.id, GROUP, SCORE, DUPLICATE]
        slim = Slim(measured, pick, self.recipe.seed)
        reduced = self.stages.mapped(base.select_columns(needed), slim)
        rows = self.stages.kept(reduced, "measure")
        cuts = self.cuts(rows, limits, made, pick)
        return self.stages.mapped(base, Keep(measured, cuts, pick, self.recipe.seed, self.columns))

    def check(self, base: Any, check: Check) -> tuple[int, int]:
        """How many rows can be used, and how wide their vectors are.

        Raises:
            InputError: ids, texts or vectors that cannot be read, or texts that are empty.
            ScoreError: a vector without direction.
        """
        rows, bad, width = 0, 0, 0
        shown: list[str] = []
        looked_at = base.select_columns(list(check.columns))
        for one in self.stages.told(looked_at, check, "check"):
            raise_fault(one["fault"], one["told"])
            rows, bad = rows + one["rows"], bad + one["bad"]
            shown += one["shown"]
            if one["width"] and width and one["width"] != width:
                raise InputError(
                    f'"{self.embedding}" has vectors of {width} and of {one["width"]} numbers; '
                    "one width is needed."
                )
            width = width or one["width"]
        if bad and self.recipe.scorer.on_bad == "error":
            kind = InputError if check.text is not None else ScoreError
            raise kind(
                f"{bad:,} of {rows:,} rows cannot be used: {'; '.join(sorted(shown)[:5])}. "
                'Mend them, or leave such rows out with on_bad="drop".'
            )
        return rows - bad, width

    def centroids(self, base: Any, usable: int, width: int) -> Centroids:
        """Trained in the driver on the sample that one machine would take."""
        how, k = self.recipe.scorer, self.recipe.k(usable)
        if k > usable:
            raise InputError(f"k={k} centroids cannot be fitted to {usable} usable rows. Lower k.")
        size = min(usable, how.points_per_centroid * k)
        rows = base.select_columns([self.embedding])
        bound = hash_bound(size, usable)
        while True:
            draw = Draw(self.embedding, self.recipe.seed, bound)
            x, hashes = drawn_sample(self.stages.told(rows, draw, "sample"), size, width)
            if len(x) == size or bound == EVERYTHING.tie:
                break
            bound = min(4 * bound, EVERYTHING.tie)
        log.info("training %d centroids on %d rows", k, len(x))
        return fit_sample(
            x,
            hashes,
            k,
            spherical=self.recipe.spherical,
            iterations=how.iterations,
            seed=self.recipe.seed,
            backend=how.backend,
            device=how.device,
        )

    def pick(self, limits: Limits, usable: int) -> str:
        """The pick that was asked for, or the method's own for this budget."""
        pick = self.recipe.pick or METHODS[self.recipe.method].pick
        if ":" in pick:
            pick = load(pick)(limits.count / usable)[0]
        check_cuttable(pick)
        return pick

    def compared(self, base: Any, measured: Measured, size: int, k: int) -> Any:
        """The data set with similarities inside clusters instead of distances."""
        how = self.recipe.scorer
        task = Comparison(1 - how.eps, how.rule)
        repeats = Repeats(self.id, self.embedding, task, how.keep, how.by)
        clustered = self.stages.mapped(base, Clusters(measured))
        made = self.stages.by_group(clustered, GROUP, repeats, size, k)
        return self.stages.kept(made, "compare")

    def cuts(self, rows: Any, limits: Limits, made: Centroids, pick: str) -> Cuts:
        """What is kept of every group: the budget spread, then the last row of each."""
        if self.recipe.allocate == "whole":
            return Cuts({}, self.last_row(rows, limits.count))
        caps = self.quotas(rows, limits, made)
        if caps is None:
            return Cuts({}, EVERYTHING)
        quota = Quota(tuple(caps.tolist()), pick, self.recipe.seed)
        found = self.stages.by_group(rows, GROUP, quota, SLIM_BYTES * rows.count(), made.k)
        told = self.stages.rows(found, "pick")
        return Cuts({one[GROUP]: Cut(one[PLACE], one[TIE]) for one in told})

    def quotas(self, rows: Any, limits: Limits, made: Centroids) -> IntArray | None:
        """Rows that each group may keep; None where the budget reaches for all."""
        sizes = np.zeros(made.k, dtype=np.int64)
        sums = np.zeros(made.k, dtype=np.int64)
        for one in self.stages.told(rows, Tallies(made.k), "tally"):
            sizes += np.frombuffer(one["sizes"], dtype=np.int64)
            sums += np.frombuffer(one["sums"], dtype=np.int64)
        weights = floors = None
        if self.recipe.method == "concepts":
            how, live = self.recipe.scorer, sizes > 0
            apart = separation(made.centroids, live, how.neighbours)
            complex_ = complexity(mean_spread(sizes, sums), apart, live)
            weights, floors = shares(complex_, live, how.temperature), live.astype(np.int64)
        nothing = np.zeros(made.k, dtype=np.int64)
        return spread_budget(
            self.recipe.allocate,
            sizes=sizes,
            costs=sizes.astype(np.float64),
            weights=weights,
            pinned=nothing,
            pinned_costs=nothing.astype(np.float64),
            count=limits.count,
            cost=math.inf,
            per_group=limits.per_group,
            floor=limits.floor,
            group_floors=floors,
        ).caps

    def last_row(self, rows: Any, count: int) -> Cut | None:
        """The cut after so many rows of all, found by counting, without a sort of all."""
        left = rows.count()
        if not count or not left:
            return None
        if count >= left:
            return EVERYTHING
        prefix: tuple[int, ...] = ()
        while left > FETCHED and len(prefix) < DIGITS:
            counts = np.zeros(1 << 16, dtype=np.int64)
            for one in self.stages.told(rows, Digits(prefix), "cut"):
                counts += np.frombuffer(one["counts"], dtype=np.int64)
            digit, count = narrowed(counts, count)
            prefix, left = (*prefix, digit), int(counts[digit])
        told = list(self.stages.tables(self.stages.mapped(rows, Fetch(prefix)), "cut"))
        place, tie = (
            np.concatenate([column(table, name).to_numpy() for table in told])
            for name in (PLACE, TIE)
        )
        last = np.lexsort((tie, place))[count - 1]
        return Cut(int(place[last]), int(tie[last]))


def hash_bound(size: int, usable: int) -> int:
    """A hash below which at least ``size`` of so many rows almost surely lie, and not many more.

    Hashes are uniform, so their number below a bound spreads by less than its root; six of those
    and a few rows more make a second pass rare. Rows of equal content share a hash, and can.
    """
    share = (size + 6 * math.sqrt(size) + 16) / usable
    return EVERYTHING.tie if share >= 1 else int(share * 2**64)
