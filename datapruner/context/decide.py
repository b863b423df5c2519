"""From scores to the kept sentences: threshold, budget, floors, company, and what if none stay."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from datapruner.context.offers import Offers
from datapruner.context.render import Layout
from datapruner.context.scoring import Scored
from datapruner.context.settle import cut_to_fit, settle, with_titles
from datapruner.context.units import Units
from datapruner.context.wishes import Wishes
from datapruner.core.budget import Budget
from datapruner.core.order import best_first
from datapruner.core.reason import Reason
from datapruner.core.scores import Scores
from datapruner.core.select import select
from datapruner.core.selection import Selection
from datapruner.core.types import BoolArray
from datapruner.errors import BudgetError

__all__ = ["Decision", "decide"]

Count = Callable[[str], int]


@dataclass(frozen=True)
class Decision:
    """What was decided.

    Attributes:
        selection: of the sentences, settled.
        ends: rows that were cut short, and where.
        flags, notes: as ``PrunedContext`` has them.
    """

    selection: Selection
    ends: Mapping[int, int] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def decide(
    units: Units, scored: Scored, wishes: Wishes, layout: Layout, count: Count, before: int
) -> Decision:
    """The sentences that stay, so that their text keeps every limit.

    Args:
        units: the sentences.
        scored: their scores.
        wishes: the limits, and how to choose.
        layout: how the text is rendered.
        count: the caller's counter for one text.
        before: tokens of all chunks.

    Returns:
        A decision whose rendered text costs no more than the budget allows.

    Raises:
        BudgetError: the limits cannot be met: pins, floors or an earlier text alone exceed them.
    """
    if not scored.ranked and not (wishes.given and wishes.is_limited):
        whole = select(scored.scores, "everything", pick="high")
        return Decision(whole, flags=("no_query",), notes=("no query: nothing was pruned",))
    flags, notes = _told(scored)
    # A score made for want of a query is on no scale that a threshold or a price could mean.
    threshold = wishes.budget.threshold if scored.ranked else None
    price = wishes.price if scored.ranked else None
    budget, limit = wishes.in_tokens(before, count(layout.before))
    scores = scored.scores
    if scored.failed and not wishes.is_limited:
        scores = _keeping_failed(scores, scored.failed)
    choice = _Choice(units, scores, wishes, layout, count, budget, limit)
    selection = choice.make(threshold, price)
    ends: dict[int, int] = {}
    if units.items.n and not selection.order.size:
        selection, ends, more = choice.fall_back(selection)
        flags += more
    if not selection.order.size:
        flags += ("empty",)
    return Decision(selection, ends, flags, (*notes, *selection.provenance.notes))


def _told(scored: Scored) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if not scored.ranked:
        return ("no_query",), ("no query: sentences were ranked by place and centrality",)
    if scored.failed:
        names = [scored.scores.names[code] for code in scored.failed]
        why = next(iter(scored.failed.values()))
        return ("scorer_failed",), (f"the scorer failed for chunks {names[:5]}: {why}",)
    return (), ()


def _keeping_failed(scores: Scores, failed: Mapping[int, str]) -> Scores:
    items = scores.items
    whole: BoolArray = np.isin(items.group, list(failed))
    return replace(scores, items=replace(items, pinned=items.pinned | whole))


@dataclass(frozen=True)
class _Choice:
    """One call's limits and how to measure against them."""

    units: Units
    scores: Scores
    wishes: Wishes
    layout: Layout
    count: Count
    budget: Budget
    limit: float

    def measure(self, rows: Sequence[int]) -> int:
        """Tokens of the text of these rows, with the titles that come along."""
        whole = with_titles(self.scores.items, rows)
        return self.count(self.layout.render(self.units, whole, {}))

    def make(self, threshold: float | None, price: float | None) -> Selection:
        """The settled selection of all rows at or above the threshold, and worth their price."""
        wishes, budget = self.wishes, self.budget
        floor = 0
        if budget.cost is not None:
            # The core's floors count rows alone; here the best of each chunk are offered first.
            floor = min(int(budget.floor), budget.per_group or int(budget.floor))
            budget = replace(budget, floor=0)
        offers = Offers(wishes.pick, threshold, floor, wishes.neighbours, price)
        selection = select(self.scores, budget, pick=offers, fill=wishes.fill)
        missed = [row for row in offers.guaranteed if not selection.mask[row]]
        if missed:
            price = self.scores.items.cost[offers.guaranteed].sum()
            raise BudgetError(
                f"the floor asks for {len(offers.guaranteed)} sentences of {price:,.10g} tokens, "
                f"but the budget {wishes.budget} has no room for {len(missed)} of them. Lower the "
                "floor or raise the budget."
            )
        reasons = selection.reasons.copy()
        reasons[offers.company] = Reason.NEIGHBOUR
        held = [*np.flatnonzero(self.scores.items.forced).tolist(), *offers.guaranteed]
        settled = settle(replace(selection, reasons=reasons), self.measure, self.limit, held)
        return self._signed(settled, threshold, price)

    def _signed(
        self, selection: Selection, threshold: float | None, price: float | None
    ) -> Selection:
        told = selection.provenance
        limits = {**told.limits, "threshold": threshold}
        if price is not None:
            limits["price"] = price
        provenance = replace(told, budget=str(self.wishes.budget), limits=limits)
        return replace(selection, provenance=provenance)

    def fall_back(self, nothing: Selection) -> tuple[Selection, dict[int, int], tuple[str, ...]]:
        """What is kept where the limits leave nothing, as ``on_empty`` says."""
        how = self.wishes.on_empty or ("top1" if self.wishes.is_limited else "empty")
        if how == "empty":
            return nothing, {}, ()
        if how == "keep_all":
            every = self.make(None, None)
            if every.order.size:
                return _marked(every), {}, ("fallback",)
        return self._best_alone(nothing)

    def _best_alone(self, nothing: Selection) -> tuple[Selection, dict[int, int], tuple[str, ...]]:
        """The best sentence, cut to the budget if it must be; nothing where not a word fits."""
        limits = nothing.provenance.limits
        if limits["count"] < 1 or limits["per_group"] == 0:
            return nothing, {}, ()
        ranked = best_first(self.scores.values, self.scores.items.tie_keys())
        row = int(self.scores.only_contenders(ranked)[0])
        start = int(self.units.starts[row])
        text = self.units.slice(row)

        def measure(length: int) -> int:
            return self.count(self.layout.render(self.units, [row], {row: start + length}))

        length = cut_to_fit(text, measure, self.limit)
        if not length:
            return nothing, {}, ()
        reasons = nothing.reasons.copy()
        reasons[row] = Reason.FALLBACK
        found = replace(nothing, order=np.array([row], dtype=np.int64), reasons=reasons)
        if length == len(text):
            return found, {}, ("fallback",)
        return found, {row: start + length}, ("fallback", "cut")


def _marked(selection: Selection) -> Selection:
    reasons = selection.reasons.copy()
    reasons[selection.order] = Reason.FALLBACK
    return replace(selection, reasons=reasons)
