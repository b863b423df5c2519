"""From a wanted size to a threshold, and what it would mean: pairs just above and just below it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from datapruner.core.scores import Scores
from datapruner.core.types import IntArray
from datapruner.errors import InputError
from datapruner.scorers.clustered import Clustered
from datapruner.scorers.duplicates import SEMANTIC, Duplicates

if TYPE_CHECKING:
    from datapruner.engines.base import Engine

__all__ = ["Pair", "Suggestion", "around", "eps_for", "suggest_threshold"]

STEPS = 14  # of the bisection: eps is then settled to about 1e-4


@dataclass(frozen=True)
class Pair:
    """Two rows and how similar they are.

    Attributes:
        row, twin: row numbers, the one to drop first.
        id, twin_id: their ids.
        similarity: of the two.
        text, twin_text: how they begin, where somebody looked it up.
    """

    row: int
    twin: int
    id: int | str
    twin_id: int | str
    similarity: float
    text: str = ""
    twin_text: str = ""


@dataclass(frozen=True)
class Suggestion:
    """A threshold for a wanted size, and what it would mean.

    Attributes:
        share: of the rows that should stay; None where a threshold was given.
        threshold: rows with a similarity above it go.
        eps: 1 - threshold.
        kept, rows: how many rows stay, and of how many.
        above: pairs just above the threshold: what would be dropped, nearest the threshold first.
        below: pairs just below it: what would be kept, nearest the threshold first.
    """

    share: float | None
    threshold: float
    eps: float
    kept: int
    rows: int
    above: tuple[Pair, ...]
    below: tuple[Pair, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able values."""
        return asdict(self)

    def __str__(self) -> str:
        """Lines for a terminal."""
        part = self.kept / self.rows if self.rows else 0.0
        lines = [f"--eps {self.eps:.6g} keeps {self.kept:,} of {self.rows:,} rows ({part:.1%})"]
        for title, pairs in (("dropped at it", self.above), ("kept at it", self.below)):
            lines += ["", f"{title}, nearest the threshold first"] if pairs else []
            for pair in pairs:
                lines.append(f"  {pair.similarity:.4f}  {pair.id} {pair.text}".rstrip())
                lines.append(f"          {pair.twin_id} {pair.twin_text}".rstrip())
        return "\n".join(lines)


def suggest_threshold(scores: Scores, share: float, *, pairs: int = 5) -> Suggestion:
    """The similarity above which rows must go so that a share of them stays.

    Exact for values of ``rule="any_earlier"``, which follow from no threshold; an estimate from
    scores of another rule.

    Args:
        scores: of ``duplicates`` or ``dedup``; rows that a text stage dropped stay dropped.
        share: of the usable rows that should stay, above 0 to 1.
        pairs: how many to show on either side.

    Raises:
        InputError: scores without twins, or a share that keeps no row.
    """
    rows = _compared(scores)
    keep = min(int(share * scores.items.countable + 1e-9), rows.size)
    if not 0 < share <= 1 or not keep:
        raise InputError(
            f"a share of {share:.6g} keeps none of {scores.items.countable} rows, or more than "
            "there are; give one above 0 and at most 1."
        )
    threshold = float(np.sort(scores.values[rows])[keep - 1])
    return replace(around(scores, threshold, pairs=pairs), share=share)


def around(scores: Scores, threshold: float, *, pairs: int = 5) -> Suggestion:
    """What a threshold means: how many rows stay, and the pairs just above and just below it.

    Raises:
        InputError: scores without twins.
    """
    rows = _compared(scores)
    assert scores.twins is not None
    order = rows[np.lexsort((scores.items.tie_keys()[rows], scores.values[rows]))]
    over = scores.values[order] > np.float32(threshold)
    has_twin = scores.twins.row[order] >= 0
    return Suggestion(
        share=None,
        threshold=threshold,
        eps=1 - threshold,
        kept=int(np.count_nonzero(~over)),
        rows=scores.items.countable,
        above=_pairs(scores, order[over & has_twin][:pairs]),
        below=_pairs(scores, order[~over & has_twin][::-1][:pairs]),
    )


def _compared(scores: Scores) -> IntArray:
    """The rows that the last stage compared."""
    if scores.twins is None:
        raise InputError(f"{scores.method} scores name no twins; score with duplicates or dedup.")
    last = scores.twins.stages.index(SEMANTIC) + 1
    stays = (scores.twins.stage == 0) | (scores.twins.stage == last)
    return np.flatnonzero(scores.items.is_countable & stays)


def _pairs(scores: Scores, rows: IntArray) -> tuple[Pair, ...]:
    assert scores.twins is not None
    twin = scores.twins.row[rows]
    ids = scores.items.ids
    columns = (rows, twin, ids[rows], ids[twin], scores.values[rows])
    return tuple(Pair(*found) for found in zip(*(c.tolist() for c in columns), strict=True))


def eps_for(
    scorer: Duplicates,
    found: Clustered,
    order: IntArray,
    size: int,
    *,
    progress: Any = None,
    engine: Engine | None = None,
) -> Duplicates:
    """The scorer with an eps at which its rule leaves at least so many rows, and few more.

    Under ``any_earlier`` eps follows from the order statistic of the values, so only rows of equal
    value are left over. Under the other rules it is found by bisection. What is left over is for
    the ledger to trim, least similar first.

    Args:
        scorer: its own eps is ignored.
        found: the rows with their clusters.
        order: the rows to compare, those to keep first first.
        size: rows to keep.
        progress: called with (stage, done, total).
        engine: who runs the passes over the rows.
    """
    if size >= order.size:
        return replace(scorer, eps=0.0)
    if size < 1:
        return replace(scorer, eps=1.0)
    plain = replace(scorer, rule="any_earlier")
    values, _ = plain.compare(found, order, progress=progress, engine=engine)
    middle = max(0.0, float(np.sort(values[order])[size - 1]))
    if scorer.rule == "any_earlier":
        return replace(scorer, eps=1 - middle)
    # One rule keeps at least as much as any_earlier at the same threshold, the other at most.
    low, high = (0.0, middle) if scorer.rule == "leader" else (middle, 1.0)
    for _ in range(STEPS):
        half = float(np.float32((low + high) / 2))
        _, twins = replace(scorer, eps=1 - half).compare(found, order, engine=engine)
        if order.size - int(np.count_nonzero(twins.is_duplicate)) >= size:
            high = half
        else:
            low = half
    return replace(scorer, eps=1 - high)
