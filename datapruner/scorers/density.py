"""Density-based pruning, the whole pipeline: duplicates, then quality, then concepts.

1. Rows are clustered, and semantic duplicates are ruled out (``duplicates.py``).
2. With a column of quality, of what is left only the best share stays in the running.
3. Concepts are weighed by the complexity of what is still left (``concepts.py``), so neither copies
   nor poor rows make a concept look spread out, or large. The budget is then spent concept by
   concept on the rows farthest from their centroid.

``clusters="once"`` uses the same clusters for both ends: the centroids stay, while sizes, d_intra
and with them the complexities are taken over what is left. ``"again"`` looks for duplicates in
clusters of its own (as many as ``duplicates`` takes) and fits the concepts to what is
left, for clusters that were nothing but copies are no concepts; it costs a second clustering.

What is ruled out is never offered to a picker, counts for no quota and is explained: the row it
repeats, or its quality and the limit. A share of the budget stays a share of all rows.

Source: Abbas, Rusak et al. 2024, "Effective pruning of web-scale datasets based on complexity of
concept clusters", arXiv:2401.04578: SemDeDup, a cut by CLIP score, then pruning by density;
re-clustering from Tirumala et al. 2023, "D4", arXiv:2308.12284. Departs from them as
``duplicates.py`` and ``concepts.py`` say, and in: one clustering by default instead of two.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from datapruner.core.items import Items
from datapruner.core.reason import Reason
from datapruner.core.rulings import Rulings
from datapruner.core.scores import Scores
from datapruner.core.twins import Twins
from datapruner.core.types import BoolArray, FloatArray
from datapruner.errors import InputError
from datapruner.scorers.clustered import Clustered, cluster
from datapruner.scorers.concepts import Concepts, concept_count
from datapruner.scorers.duplicates import Duplicates, cluster_count, keep_order

if TYPE_CHECKING:
    from datapruner.engines.base import Engine

__all__ = ["QUALITY_SHARE", "Density"]

# The paper's runs on LAION kept about 60 % of the deduplicated rows by CLIP score.
QUALITY_SHARE = 0.6

CLUSTERS = ("once", "again")


@dataclass(frozen=True)
class Density(Concepts):
    """Distance of every row to the centre of its concept, once duplicates and poor rows are out.

    Attributes:
        k, neighbours, temperature, iterations, points_per_centroid, backend, device, on_bad: as
            for ``Concepts``.
        eps: a cosine above 1 - eps makes a duplicate; 0 leaves the duplicates in.
        rule: ``"leader"``, ``"any_earlier"`` or ``"components"``, as for ``Duplicates``.
        keep: which row of a group of duplicates stays: ``"hard"``, ``"easy"``, ``"first"``, or
            ``"best"``, the one of the highest quality.
        quality: a numeric feature, higher is better; None: no cut by quality.
        quality_share: of the rows left after the duplicates, the share that stays, above 0 to 1:
            ``floor(share * rows)``, the best first, ties by tie key, pinned rows before all. None:
            0.6 with ``quality``. 1 cuts nothing, for ``keep="best"`` alone.
        clusters: ``"once"``, or ``"again"`` to fit the concepts to what is left.

    Raises:
        InputError: a value that no run could use.
    """

    eps: float = 0.05
    rule: Literal["leader", "any_earlier", "components"] = "leader"
    keep: Literal["hard", "easy", "first", "best"] = "hard"
    quality: str | None = None
    quality_share: float | None = None
    clusters: Literal["once", "again"] = "once"

    def __post_init__(self) -> None:
        """Refuse parameters that no run could use."""
        super().__post_init__()
        if self.clusters not in CLUSTERS:
            raise InputError(f'clusters is {self.clusters!r}; it must be "once" or "again".')
        if self.quality is None and (self.keep == "best" or self.quality_share is not None):
            asked = 'keep is "best"' if self.keep == "best" else "quality_share is given"
            raise InputError(f'{asked}, but no column to go by; name it with quality="column".')
        if self.quality == "embedding":
            raise InputError(
                'quality is "embedding", which holds vectors; name a column of numbers.'
            )
        if self.quality_share is not None and not 0 < self.quality_share <= 1:
            raise InputError(
                f"quality_share is {self.quality_share}; it is what stays of the rows left after "
                "the duplicates, above 0 and at most 1. Try 0.6."
            )
        self._duplicates()

    @property
    def by(self) -> str | None:
        """The column of numbers that must be read for this scorer."""
        return self.quality

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

        Groups are the clusters, weighed as by ``Concepts`` over the rows that are not ruled out;
        ``rulings`` says which are, ``twins`` what duplicates repeat (None with ``eps=0``). Labels
        of the items are not looked at.

        Args:
            items: rows with an ``embedding`` feature, and the one that ``quality`` names.
            query: unused.
            seed: of the training samples and the initial centroids.
            progress: called with (stage, done, total).
            engine: who runs the passes over the rows; None: this process, without a journal.

        Raises:
            MissingColumnError: there is no ``embedding``, or no such column of quality.
            ScoreError: a vector is NaN, infinite or without direction (names the first five rows).
            InputError: k above the number of rows, or a quality that is no finite number.
        """
        items, quality = self._with_quality(items)
        run: dict[str, Any] = {"seed": seed, "progress": progress, "engine": engine}
        found = self._first(items, run)
        twins = self._compared(found, progress, engine)
        rulings = self._ruled(found.items, twins, quality)
        if self._is_twice:
            found = self._second(found, ~rulings.is_out, run)
        left = replace(found, items=found.items.bar(rulings.is_out))
        scores = self.weigh(left)
        return replace(
            scores,
            items=found.items,
            method="density",
            details={**scores.details, **self._told(rulings)},
            notes=(*_notes(rulings, found.items), *scores.notes),
            twins=twins,
            rulings=rulings,
        )

    @property
    def _is_twice(self) -> bool:
        return self.clusters == "again" and (self.eps > 0 or self.quality is not None)

    def _first(self, items: Items, run: dict[str, Any]) -> Clustered:
        """Clusters to look for duplicates in."""

        def choose(usable: int) -> int:
            return cluster_count(usable) if self._is_twice else self.k or concept_count(usable)

        return cluster(items, self._clustering(), choose, method="density", **run)

    def _second(self, first: Clustered, stays: BoolArray, run: dict[str, Any]) -> Clustered:
        """Concepts of what is left; what is not is assigned to them, so that it can be told."""

        def choose(left: int) -> int:
            if self.k is None or self.k > first.items.countable:
                return self.k or concept_count(left)  # too large a k is refused where it is used
            return min(self.k, left)

        how = self._clustering()
        return cluster(first.items, how, choose, method="density", learn=stays, **run)

    def _compared(self, found: Clustered, progress: Any, engine: Engine | None) -> Twins | None:
        if not self.eps:
            return None
        scorer = self._duplicates()
        order = keep_order(found.items, found.distance, scorer.keep, scorer.by)
        return scorer.compare(found, order, progress=progress, engine=engine)[1]

    def _ruled(self, items: Items, twins: Twins | None, quality: FloatArray | None) -> Rulings:
        reason = np.zeros(items.n, dtype=np.uint8)
        if twins is not None:
            reason[twins.is_duplicate & ~items.pinned] = Reason.DUPLICATE
        if quality is None:
            return Rulings(reason)
        rows = np.flatnonzero(items.is_countable & (reason == 0))
        keys = (items.tie_keys()[rows], -quality[rows], ~items.pinned[rows])
        best = rows[np.lexsort(keys)]
        kept = int((self.quality_share or QUALITY_SHARE) * rows.size + 1e-9)
        cut, merit = best[kept:], best[:kept]
        reason[cut[~items.pinned[cut]]] = Reason.QUALITY
        merit = merit[~items.pinned[merit]]
        limit = float(quality[merit].min()) if merit.size else None
        return Rulings(reason, self.quality, quality, limit)

    def _with_quality(self, items: Items) -> tuple[Items, FloatArray | None]:
        """The rows, those without a usable quality barred if so wished; and the column, or None."""
        if self.quality is None:
            return items, None
        column = items.feature(self.quality, "density")
        try:
            values: FloatArray = np.asarray(column, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(f'quality "{self.quality}" does not hold numbers: {error}.') from error
        if values.shape != (items.n,):
            raise InputError(
                f'quality "{self.quality}" has shape {values.shape}; {items.n} rows need one '
                "number each."
            )
        finite = np.isfinite(values)
        wrong = np.flatnonzero(items.is_countable & ~finite)
        if wrong.size and self.on_bad == "error":
            shown = ", ".join(f"row {r}: {values[r]}" for r in wrong[:5])
            raise InputError(
                f'quality "{self.quality}" is not a finite number in {wrong.size} of {items.n} '
                f"rows ({shown}). Give every row one, or leave such rows out with "
                'on_bad="drop" (--on-bad drop).'
            )
        if wrong.size:
            items = items.bar(~finite)
        return items, np.where(finite, values, 0.0)

    def _duplicates(self) -> Duplicates:
        return Duplicates(
            eps=self.eps,
            rule=self.rule,
            keep=self.keep,
            by=self.quality if self.keep == "best" else None,
        )

    def _told(self, rulings: Rulings) -> dict[str, Any]:
        """What ran, beside what ``Concepts`` tells."""
        told: dict[str, Any] = {
            "clusters": self.clusters,
            "eps": self.eps,
            "rule": self.rule,
            "keep": self.keep,
            "duplicates": _count(rulings, Reason.DUPLICATE),
        }
        if self.quality is not None:
            told["quality"] = self.quality
            told["quality_share"] = self.quality_share or QUALITY_SHARE
            told["below_quality"] = _count(rulings, Reason.QUALITY)
        return told


def _count(rulings: Rulings, reason: Reason) -> int:
    return int(np.count_nonzero(rulings.reason == reason))


def _notes(rulings: Rulings, items: Items) -> tuple[str, ...]:
    copies, poor = (_count(rulings, r) for r in (Reason.DUPLICATE, Reason.QUALITY))
    if not copies + poor:
        return ()
    and_poor = "" if rulings.column is None else f' and {poor:,} are too low in "{rulings.column}"'
    return (
        f"density: of {items.countable:,} rows {copies:,} repeat another{and_poor}; a share of the "
        "budget is still one of all rows",
    )
