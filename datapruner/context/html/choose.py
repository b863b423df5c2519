"""From scores to the kept blocks, so that the rendered text keeps every limit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from datapruner.context.html.blocks import Blocks
from datapruner.context.html.render import Writer
from datapruner.context.offers import Offers
from datapruner.context.wishes import Wishes
from datapruner.core.budget import Budget
from datapruner.core.items import Items
from datapruner.core.reason import Reason
from datapruner.core.scores import Scores
from datapruner.core.select import select
from datapruner.core.selection import Selection
from datapruner.errors import BudgetError

__all__ = ["Decision", "choose", "keeping", "with_ancestors"]

Count = Callable[[str], int]

# Additive prices above this many times the limit, and more, leave no doubt that pages do not fit.
_SURELY_OVER = 1.5
_SLACK = 64
# What is left unspent before the prices are put right and the blocks chosen anew.
_SPENT = 0.9
_ROUNDS = 1
_SAFE = 0.99


@dataclass(frozen=True)
class Decision:
    """What was decided.

    Attributes:
        selection: of the rows.
        text: the kept rows as rendered.
        tokens: of ``text``.
        before: tokens of all pages; None where nobody had to count.
        ends: offsets at which rows were cut short.
        flags, notes: as ``PrunedHtml`` has them.
    """

    selection: Selection
    text: str
    tokens: int
    before: int | None = None
    ends: Mapping[int, int] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def with_ancestors(items: Items, order: Sequence[int]) -> list[int]:
    """These rows and all that comes along with them, in ascending order.

    Args:
        items: the rows.
        order: kept ones in any order.
    """
    parents = items.parent.tolist()
    kept = bytearray(items.n)
    for row in order:
        at = row
        while at >= 0 and not kept[at]:
            kept[at] = 1
            at = parents[at]
    found: list[int] = np.flatnonzero(np.frombuffer(kept, dtype=np.uint8)).tolist()
    return found


def choose(blocks: Blocks, scores: Scores, wishes: Wishes, write: Writer, count: Count) -> Decision:
    """The rows that stay.

    Where the whole fits, everything stays. Else rows are filled by their prices, rendered and
    counted; prices that were off are put right by what the text really costs, and at last the order
    of preference is bisected, so that O(log n) texts are rendered.

    Args:
        blocks: the rows.
        scores: of all rows.
        wishes: the limits, and how to choose.
        write: renders kept rows.
        count: the caller's counter for one text.

    Returns:
        A decision whose text costs no more than the budget allows; it may keep nothing.

    Raises:
        BudgetError: the limits cannot be met.
    """
    return _Choice(blocks, scores, wishes, write, count).make()


class _Choice:
    """One call's limits and how to measure against them."""

    def __init__(
        self, blocks: Blocks, scores: Scores, wishes: Wishes, write: Writer, count: Count
    ) -> None:
        self.blocks, self.scores, self.wishes = blocks, scores, wishes
        self.write, self.count = write, count
        self.before: int | None = None

    def make(self) -> Decision:
        """The settled decision."""
        wanted = self.wishes.budget
        items = self.blocks.items
        estimate = items.total_cost
        told = wanted.cost
        shared = wanted.share_of == "cost" and wanted.share is not None
        if told is None or shared or estimate <= _SURELY_OVER * told + _SLACK:
            text = self.write(range(items.n))
            self.before = self.count(text)
            budget, limit = self.wishes.in_tokens(self.before, 0)
            if self.before <= limit and _limits_only_cost(self.wishes.budget, budget):
                whole = select(self.scores, "everything", pick=Offers())
                return Decision(self.signed(whole), text, self.before, self.before)
        else:
            budget, limit = self.wishes.in_tokens(int(estimate), 0)
        return self.fitted(budget, limit)

    def fitted(self, budget: Budget, limit: float) -> Decision:
        """Fill by prices and render; then put the prices right, or bisect."""
        found = self.measured(self.fill(budget, limit))
        best = found if found.tokens <= limit else self.bisected(found.selection, limit)
        for _ in range(0 if self.wishes.fill == "stop" else _ROUNDS):
            refused = bool(np.any(found.selection.reasons == Reason.COST))
            is_over = found.tokens > limit
            if not found.tokens or not (is_over or (refused and best.tokens < _SPENT * limit)):
                break
            scale = _SAFE * found.selection.cost / found.tokens
            found = self.measured(self.fill(budget, limit * scale))
            # What is less liked may only be added, never take the place of what is liked more.
            if best.tokens < found.tokens <= limit and not np.any(
                best.selection.mask & ~found.selection.mask
            ):
                best = found
        return replace(best, selection=self.signed(best.selection))

    def fill(self, budget: Budget, cost: float) -> Selection:
        """The rows that fit by their prices."""
        floor = 0
        if budget.cost is not None:
            # The core's floors count rows alone; here the best of each page are offered first.
            floor = min(int(budget.floor), budget.per_group or int(budget.floor))
            budget = replace(budget, floor=0, cost=cost)
        offers = Offers(self.wishes.pick, self.wishes.budget.threshold, floor)
        selection = select(self.scores, budget, pick=offers, fill=self.wishes.fill)
        missed = [row for row in offers.guaranteed if not selection.mask[row]]
        if missed:
            price = self.blocks.items.cost[offers.guaranteed].sum()
            raise BudgetError(
                f"the floor asks for {len(offers.guaranteed)} blocks of {price:,.10g} tokens with "
                f"more for their tags, but the budget {self.wishes.budget} has no room for "
                f"{len(missed)} of them. Lower the floor or raise the budget."
            )
        return selection

    def measured(self, selection: Selection) -> Decision:
        """The text of a selection."""
        text = self.write(np.flatnonzero(selection.mask).tolist())
        return Decision(selection, text, self.count(text), self.before)

    def bisected(self, selection: Selection, limit: float) -> Decision:
        """The longest part of the order of preference that fits, found by bisection."""
        order = selection.order.tolist()
        best = Decision(keeping(selection, []), "", 0, self.before)
        fits, over = 0, len(order)
        while over - fits > 1:
            middle = (fits + over) // 2
            found = self.measured(keeping(selection, order[:middle]))
            if found.tokens <= limit:
                fits, best = middle, found
            else:
                over = middle
        return best

    def signed(self, selection: Selection) -> Selection:
        """The selection with the user's own words for its budget."""
        told = selection.provenance
        wanted = self.wishes.budget
        limits = {**told.limits, "threshold": wanted.threshold, "cost": wanted.cost}
        return replace(selection, provenance=replace(told, budget=str(wanted), limits=limits))


def _limits_only_cost(wanted: Budget, budget: Budget) -> bool:
    return (
        wanted.threshold is None
        and budget.count is None
        and budget.share is None
        and budget.per_group is None
    )


def keeping(selection: Selection, kept: Sequence[int]) -> Selection:
    """The selection with no more than these of its rows.

    Args:
        selection: any.
        kept: the first rows of its order.
    """
    items = selection.scores.items
    stays = np.zeros(items.n, dtype=bool)
    stays[with_ancestors(items, kept)] = True
    reasons = selection.reasons.copy()
    gone = selection.mask & ~stays
    reasons[gone] = np.where(items.shell[gone], Reason.SHELL, Reason.COST)
    return replace(selection, order=np.asarray(kept, dtype=np.int64), reasons=reasons)
