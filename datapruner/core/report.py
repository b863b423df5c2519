"""Report: a selection for human eyes, or as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from textwrap import wrap
from typing import Any

import numpy as np

from datapruner.core.explain import rule_text
from datapruner.core.reason import Reason
from datapruner.core.scores import Scores
from datapruner.core.selection import Selection
from datapruner.core.table import aligned
from datapruner.core.types import BoolArray

__all__ = ["GroupLine", "Report"]

# A terminal shows this many groups; the JSON holds all of them.
_SHOWN_GROUPS = 12
_COLUMNS = 100


@dataclass(frozen=True)
class GroupLine:
    """One group of a report.

    Attributes:
        name: the group's name.
        rows, kept: counts, shells left out.
        mean_score, mean_kept: mean score of all and of the kept rows; NaN-free: None when empty.
    """

    name: str
    rows: int
    kept: int
    mean_score: float | None
    mean_kept: float | None


@dataclass(frozen=True)
class Report:
    """What was asked, what was kept, why the rest went, and what is unspent.

    Attributes:
        rows, kept: counts, shells left out.
        unit: what prices are in.
        cost, cost_kept: total price of all and of the kept rows, in ``unit``.
        score: the quartiles of the scores, their mean over the kept rows, and what they mean.
        unspent: what the budget left over, in words; empty when nothing is.
        groups: one line a group.
        dropped: how many rows each rule dropped, most first.
        provenance: the recipe, as a dict.
    """

    rows: int
    kept: int
    unit: str
    cost: float
    cost_kept: float
    unspent: str
    score: dict[str, float | str]
    groups: tuple[GroupLine, ...]
    dropped: dict[str, int]
    provenance: dict[str, Any]

    @classmethod
    def of(cls, selection: Selection) -> Report:
        """The report of a selection."""
        items = selection.scores.items
        return cls(
            rows=items.countable,
            kept=len(selection),
            unit=items.unit,
            cost=items.total_cost,
            cost_kept=selection.cost,
            unspent=_unspent(selection),
            score=_score_spread(selection),
            groups=_group_lines(selection),
            dropped=_dropped(selection),
            provenance=asdict(selection.provenance),
        )

    def to_dict(self) -> dict[str, Any]:
        """The whole report as JSON-able values."""
        return asdict(self)

    def __repr__(self) -> str:
        """The first line of the text."""
        return f"Report({str(self).splitlines()[0]})"

    def __str__(self) -> str:
        """Lines for a terminal."""
        p = self.provenance
        share = self.kept / self.rows if self.rows else 0.0
        lines = [
            f"kept {self.kept:,} of {self.rows:,} rows ({share:.1%})",
            f"  method   {p['method']}, pick {p['pick']}, allocate {p['allocate']}, "
            f"seed {p['seed']}",
            f"  budget   {p['budget']}",
        ]
        if self.unit != "items":
            lines.append(f"  cost     {self.cost_kept:,.0f} of {self.cost:,.0f} {self.unit}")
        if self.unspent:
            lines.append(f"  unspent  {self.unspent}")
        ran = ", ".join(f"{k} {v}" for k, v in p["details"].items() if isinstance(v, (str, int)))
        if ran:
            lines += _wrapped("ran", ran)
        if "median" in self.score:
            lines.append(
                f"  score    {self.score['lowest']:.4g} to {self.score['highest']:.4g}, median "
                f"{self.score['median']:.4g}; {self.score['meaning']}"
            )
        for note in p["notes"]:
            lines += _wrapped("note", note)
        return "\n".join([*lines, *self._drop_lines(), *self._group_table()])

    def _drop_lines(self) -> list[str]:
        if not self.dropped:
            return []
        return ["", "dropped"] + [f"  {count:>10,}  {why}" for why, count in self.dropped.items()]

    def _group_table(self) -> list[str]:
        if len(self.groups) < 2:
            return []
        biggest = sorted(self.groups, key=lambda g: (-g.rows, g.name))[:_SHOWN_GROUPS]
        cells = [
            (
                g.name,
                f"{g.rows:,}",
                f"{g.kept:,}",
                f"{g.kept / g.rows:.0%}" if g.rows else "-",
                _short(g.mean_score),
                _short(g.mean_kept),
            )
            for g in biggest
        ]
        head = ("group", "rows", "kept", "share", "mean score", "mean kept")
        rest = len(self.groups) - len(biggest)
        tail = [f"... and {rest:,} smaller groups"] if rest else []
        return ["", *aligned(head, cells), *tail]


def _wrapped(name: str, text: str) -> list[str]:
    """A field whose text may be long, folded under its own column."""
    return wrap(
        text,
        width=_COLUMNS,
        initial_indent=f"  {name:<9}",
        subsequent_indent=" " * 11,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _score_spread(selection: Selection) -> dict[str, float | str]:
    scores = selection.scores
    spread: dict[str, float | str] = {"meaning": f"higher is {scores.meaning}"}
    values = scores.values[selection.scored].astype(np.float64)
    if values.size:
        quartiles = np.quantile(values, [0, 0.25, 0.5, 0.75, 1]).tolist()
        names = ("lowest", "quartile_1", "median", "quartile_3", "highest")
        spread.update(zip(names, quartiles, strict=True))
    kept = scores.values[selection.scored & selection.mask]
    if kept.size:
        spread["mean_kept"] = float(kept.mean(dtype=np.float64))
    return spread


def _group_lines(selection: Selection) -> tuple[GroupLine, ...]:
    scores = selection.scores
    counted = scores.items.is_countable
    kept = selection.mask & counted
    columns = (
        _counts(scores, counted),
        _counts(scores, kept),
        _means(scores, selection.scored),
        _means(scores, kept),
    )
    return tuple(GroupLine(*line) for line in zip(scores.names, *columns, strict=True))


def _counts(scores: Scores, rows: BoolArray) -> list[int]:
    counts: list[int] = np.bincount(scores.groups[rows], minlength=scores.n_groups).tolist()
    return counts


def _means(scores: Scores, rows: BoolArray) -> list[float | None]:
    values = scores.values[rows]
    sums = np.bincount(scores.groups[rows], weights=values, minlength=scores.n_groups).tolist()
    return [s / c if c else None for s, c in zip(sums, _counts(scores, rows), strict=True)]


def _dropped(selection: Selection) -> dict[str, int]:
    counts = np.bincount(selection.reasons, minlength=max(Reason) + 1)
    gone = [
        (int(counts[r]), r) for r in Reason if not r.is_kept and r != Reason.SHELL and counts[r]
    ]
    return {
        rule_text(selection, reason): count
        for count, reason in sorted(gone, key=lambda pair: (-pair[0], pair[1]))
    }


def _unspent(selection: Selection) -> str:
    limits, items = selection.provenance.limits, selection.scores.items
    if limits["cost"] is None:
        short = limits["count"] - len(selection)
        left = f"{short:,} rows" if short > 0 else ""
    else:
        rest = limits["cost"] - selection.cost
        left = f"{rest:,.10g} {items.unit}" if rest > 1e-9 * limits["cost"] else ""
    if not left:
        return ""
    why = next(iter(_dropped(selection)), "there were no more rows")
    return f"{left}: {why}"
