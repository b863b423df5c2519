"""One row's story in a few lines: what it scored, where it stood, and which rule decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from datapruner.core.reason import Reason

if TYPE_CHECKING:
    from datapruner.core.selection import Selection

__all__ = ["explain_row", "quality_text", "rule_text", "twin_text"]


def explain_row(selection: Selection, row: int) -> str:
    """Score, rank, group, price and rule of one row.

    Args:
        selection: the selection the row was decided in.
        row: its number, 0 <= row < n.

    Returns:
        Several lines of text, the verdict first.
    """
    scores, items = selection.scores, selection.scores.items
    reason = Reason(int(selection.reasons[row]))
    group = int(scores.groups[row])
    members = (scores.groups == group) & items.is_countable
    lines = [f"{_named(selection, row)}: {'kept' if reason.is_kept else 'dropped'}"]
    if selection.scored[row]:
        lines.append(
            f"  score  {scores.values[row]:.6g}  ({scores.method}; higher is {scores.meaning})"
        )
        lines.append(f"  rank   {_rank(selection, row)}")
    kept = int(np.count_nonzero(selection.mask & members))
    lines.append(
        f"  group  {scores.names[group]}: {kept:,} of {int(np.count_nonzero(members)):,} rows kept"
    )
    if not items.is_unit_cost:
        lines.append(f"  cost   {items.cost[row]:,.10g} {items.unit}")
    if scores.twins is not None and scores.twins.has_twin[row]:
        lines.append(f"  twin   {twin_text(selection, row)}")
    if scores.rulings is not None and scores.rulings.quality is not None and not items.barred[row]:
        lines.append(f"  value  {quality_text(selection, row)}")
    lines.append(f"  rule   {rule_text(selection, reason)}")
    return "\n".join(lines)


def _named(selection: Selection, row: int) -> str:
    id = selection.scores.items.id
    return f"row {row}" if id is None else f"row {row} (id {id[row]})"


def twin_text(selection: Selection, row: int) -> str:
    """The row that this one duplicates or is nearest to, how similar it is, and what became of it.

    Args:
        selection: one whose scores have twins.
        row: a row that has a twin.
    """
    twins = selection.scores.twins
    assert twins is not None
    other, stage = int(twins.row[row]), int(twins.stage[row])
    similarity, elsewhere = f"similarity {twins.similarity[row]:.4g}", twins.foreign_id(row)
    if elsewhere is not None:
        name, dropped = f"id {elsewhere} of another data set", ""
    else:
        name = _named(selection, other)
        dropped = "" if selection.mask[other] else "; that row was dropped as well"
    if stage:
        return f"duplicates {name}, {similarity} ({twins.stages[stage - 1]}){dropped}"
    return f"nearest to {name}, {similarity}{dropped}"


def quality_text(selection: Selection, row: int) -> str:
    """What the row has in the column of quality, and the lowest value that stays on its merits.

    Args:
        selection: one whose scores rule by a column of quality.
        row: any row.
    """
    rulings = selection.scores.rulings
    assert rulings is not None
    assert rulings.quality is not None
    value, limit = float(rulings.quality[row]), rulings.limit
    text = f'{value:.6g} in "{rulings.column}"'
    if limit is None:
        return text
    if value == limit and rulings.reason[row] == Reason.QUALITY:
        return f"{text}, the lowest that stays; of equal rows the tie keys decided"
    return f"{text}; the lowest that stays is {limit:.6g}"


def _rank(selection: Selection, row: int) -> str:
    side = selection.provenance.side
    value = selection.scores.values[row]
    values = selection.scores.values[selection.scored]
    better = int(np.count_nonzero(values < value if side == "low" else values > value))
    equal = int(np.count_nonzero(values == value)) - 1
    end = "lowest" if side == "low" else "highest"
    ties = f", {equal:,} with the same score" if equal else ""
    text = f"{better + 1:,} of {values.size:,}, {end} first{ties}"
    if selection.mask[row] and side == "any":
        text += f"; taken as number {int(np.flatnonzero(selection.order == row)[0]) + 1:,}"
    return text


def rule_text(selection: Selection, reason: Reason) -> str:
    """The rule behind a reason, with this selection's numbers in it."""
    p = selection.provenance
    count, cost = p.limits["count"], p.limits["cost"]
    picked = f"pick {p.pick!r} within {p.budget}"
    full = f"the budget of {count:,} rows was full"
    texts = {
        Reason.ADMITTED: f"kept by {picked}",
        Reason.PINNED: "pinned: kept whatever it scores",
        Reason.ANCESTOR: "came along with a row inside it that was kept",
        Reason.NEIGHBOUR: "came along with a kept row beside it",
        Reason.FALLBACK: "kept because the limits would have left nothing",
        Reason.NOT_OFFERED: f"{full} before its turn ({picked})"
        if len(selection) >= count
        else f"never offered by {picked}",
        Reason.COUNT: f"{full} ({picked})",
        Reason.COST: f"did not fit what was left of {cost or 0:,.10g} {p.unit}",
        Reason.GROUP: f"its group had reached its limit (allocate {p.allocate!r})",
        Reason.FLOOR: "what was left of the budget is guaranteed to other groups",
        Reason.THRESHOLD: f"beyond the threshold {p.limits['threshold']}",
        Reason.VETO: f"refused by pick {p.pick!r}",
        Reason.STOPPED: 'fill="stop": a better row did not fit, so nothing after it was taken',
        Reason.SHELL: "structure: only kept when a row inside it is",
        Reason.EARLIER_STAGE: "dropped by an earlier stage of the cascade",
        Reason.DUPLICATE: "duplicates another row",
        Reason.BAD_ROW: "could not be scored; see the quarantine file",
        Reason.QUALITY: _quality_rule(selection),
    }
    return texts[reason]


def _quality_rule(selection: Selection) -> str:
    rulings = selection.scores.rulings
    if rulings is None or rulings.column is None:
        return "ruled out for its quality"
    least = "" if rulings.limit is None else f"; the lowest that stays is {rulings.limit:.6g}"
    return f'too low in "{rulings.column}"{least}'
