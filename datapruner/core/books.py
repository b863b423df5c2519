"""The books of a ledger: limits, what has been charged, and ``admit``, which defines every rule."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from datapruner.core.allocate import Allocation
from datapruner.core.floors import Floors
from datapruner.core.items import Items
from datapruner.core.reason import Reason
from datapruner.core.types import AnyArray, BoolArray, IntArray, UInt8Array
from datapruner.errors import BudgetError

__all__ = ["Books", "Fill"]

Fill = Literal["skip", "stop"]


class Books:
    """Limits, prices and the reasons of every decision, for one selection.

    Args:
        items: the rows; their prices, parents, pins and shells.
        groups: shape (n,), the group codes that caps and floors speak of.
        count: most rows to keep, shells apart.
        cost: highest total price, shells included; infinite for no limit.
        allocation: caps and floors per group.
        eligible: shape (n,), False where a threshold rules a row out; pinned rows are spared.
        ruled_out: shape (n,), uint8, why a scorer ruled a row out, else 0; pinned rows are spared.
        fill: ``"skip"`` passes over a row that does not fit and goes on; ``"stop"`` ends at the
            first row that does not fit (a full group ends for itself alone).

    Raises:
        BudgetError: the pinned rows alone, with their ancestors, exceed a limit.
    """

    def __init__(
        self,
        items: Items,
        *,
        groups: AnyArray | None = None,
        count: int | None = None,
        cost: float = math.inf,
        allocation: Allocation | None = None,
        eligible: BoolArray | None = None,
        ruled_out: UInt8Array | None = None,
        fill: Fill = "skip",
    ) -> None:
        self.items = items
        self.fill = fill
        self.count_limit = items.countable if count is None else count
        self.cost_limit = cost
        self.count = 0
        self.cost = 0.0
        self._groups = items.group if groups is None else groups
        self._cost_stop = _with_slack(items, cost)
        self._reasons = np.full(items.n, Reason.NOT_OFFERED, dtype=np.uint8)
        if eligible is not None:
            self._reasons[~eligible] = Reason.THRESHOLD
        if ruled_out is not None:
            np.copyto(self._reasons, ruled_out, where=ruled_out != 0)
        self._reasons[items.barred] = Reason.BAD_ROW
        self._reasons[items.shell] = Reason.SHELL
        self._order: list[IntArray] = []
        self._tail: list[int] = []
        self._stopped = False
        self._set_groups(allocation)
        self._has_groups = not (
            self._caps is None and self._cost_caps is None and self._floors is None
        )
        self._unit = items.is_unit_cost
        self._parents = items.has_parents
        self._admit_pinned()

    def _set_groups(self, allocation: Allocation | None) -> None:
        self._caps = None if allocation is None else allocation.caps
        self._cost_caps = None if allocation is None else allocation.cost_caps
        self._floors: Floors | None = None
        size = int(self._groups.max(initial=0)) + 1
        if allocation is not None:
            size = max(size, allocation.floors.size)
        self._group_count = np.zeros(size, dtype=np.int64)
        self._group_cost = np.zeros(size, dtype=np.float64)
        self._group_stopped = np.zeros(size, dtype=bool)
        if allocation is not None and allocation.floors.any():
            floors, caps = allocation.floors, allocation.caps
            undecided = self._groups[self._reasons == Reason.NOT_OFFERED]
            self._floors = Floors(
                floors if caps is None else np.minimum(floors, caps),
                np.bincount(undecided, minlength=size),
            )

    # -- what stands in the books ---------------------------------------------------------------

    @property
    def full(self) -> bool:
        """Whether no further row can be admitted, so that a picker may stop offering."""
        return self._stopped or self.count >= self.count_limit

    @property
    def reasons(self) -> UInt8Array:
        """Shape (n,), uint8, a copy: the ``Reason`` of every row so far."""
        return self._reasons.copy()

    @property
    def order(self) -> IntArray:
        """The kept rows so far in the order of their admission, shells left out."""
        self._flush()
        rows = np.concatenate(self._order) if self._order else np.empty(0, dtype=np.int64)
        return rows[~self.items.shell[rows]]

    def is_kept(self, row: int) -> bool:
        """Whether the row has been admitted, was pinned, or came along as an ancestor."""
        return bool(self._reasons[row] < Reason.NOT_OFFERED)

    # -- the scalar lane: the definition --------------------------------------------------------

    def admit(self, row: int) -> bool:
        """Offer one row: charge it and keep it, or note why not.

        Args:
            row: a row number; a row already decided stays as it is.

        Returns:
            Whether the row is kept.
        """
        reason = int(self._reasons[row])
        if reason != Reason.NOT_OFFERED:
            return reason < Reason.NOT_OFFERED
        if self._parents:
            return self._admit_chain(row)
        refusal = self._refusal(1, float(self.items.cost[row]))
        if refusal is None and self._has_groups:
            refusal = self._group_refusal(row)
        if refusal is not None:
            return self._note_refusal(row, refusal)
        self._charge(row, Reason.ADMITTED)
        return True

    def _refusal(self, count: int, cost: float) -> Reason | None:
        if self._stopped:
            return Reason.STOPPED
        if self.count + count > self.count_limit:
            return Reason.COUNT
        if self.cost + cost > self._cost_stop:
            return Reason.COST
        return None

    def _group_refusal(self, row: int) -> Reason | None:
        group = self._groups[row]
        if self._group_stopped[group]:
            return Reason.STOPPED
        if self._caps is not None and self._group_count[group] >= self._caps[group]:
            return Reason.GROUP
        if (
            self._cost_caps is not None
            and self._group_cost[group] + self.items.cost[row] > self._cost_caps[group]
        ):
            return Reason.GROUP
        # What other groups are still owed is not free for a group that has its floor.
        if (
            self._floors is not None
            and self._floors.need[group] == 0
            and self.count + self._floors.reserved >= self.count_limit
        ):
            return Reason.FLOOR
        return None

    def _note_refusal(self, row: int, reason: Reason) -> bool:
        self._settle(row, reason)
        if self.fill == "stop" and reason != Reason.STOPPED:
            if reason in (Reason.GROUP, Reason.FLOOR):
                self._group_stopped[self._groups[row]] = True
            else:
                self._stopped = True
        return False

    def _settle(self, row: int, reason: Reason) -> None:
        """Write down a reason; an undecided row can then no longer help its group to its floor."""
        if self._floors is not None:
            group = int(self._groups[row])
            undecided = bool(self._reasons[row] == Reason.NOT_OFFERED)
            self._floors.update(group, int(self._group_count[group]), undecided)
        self._reasons[row] = reason

    def _charge(self, row: int, reason: Reason) -> None:
        self._tail.append(row)
        self.cost += float(self.items.cost[row])
        if not self.items.shell[row]:
            self.count += 1
            group = self._groups[row]
            self._group_count[group] += 1
            if self._cost_caps is not None:
                self._group_cost[group] += self.items.cost[row]
        self._settle(row, reason)

    def _admit_chain(self, row: int) -> bool:
        chain = self._ancestors(row)
        countable = [r for r in chain if not self.items.shell[r]]
        price = math.fsum([float(self.items.cost[r]) for r in (*chain, row)])
        refusal = self._refusal(1 + len(countable), price)
        if refusal is None and self._has_groups:
            refusal = (
                self._chain_refusal([*countable, row]) if countable else self._group_refusal(row)
            )
        if refusal is not None:
            return self._note_refusal(row, refusal)
        for ancestor in reversed(chain):
            self._charge(ancestor, Reason.ANCESTOR)
        self._charge(row, Reason.ADMITTED)
        return True

    def _ancestors(self, row: int) -> list[int]:
        chain = []
        above = int(self.items.parent[row])
        while above >= 0 and not self.is_kept(above):
            chain.append(above)
            above = int(self.items.parent[above])
        return chain

    def _chain_refusal(self, rows: list[int]) -> Reason | None:
        """Several rows at once may fill a group, or eat what other groups are owed."""
        groups = self._groups[rows]
        counts = np.bincount(groups, minlength=self._group_count.size)
        if np.any(self._group_stopped[groups]):
            return Reason.STOPPED
        if self._caps is not None and np.any((self._group_count + counts > self._caps)[groups]):
            return Reason.GROUP
        if self._cost_caps is not None:
            costs = np.bincount(groups, weights=self.items.cost[rows], minlength=counts.size)
            if np.any((self._group_cost + costs > self._cost_caps)[groups]):
                return Reason.GROUP
        if self._floors is not None:
            undecided = [r for r in rows if self._reasons[r] == Reason.NOT_OFFERED]
            decided = np.bincount(self._groups[undecided], minlength=counts.size)
            owed = self._floors.reserved_after(self._group_count + counts, decided)
            if self.count + len(rows) + owed > self.count_limit:
                return Reason.FLOOR
        return None

    def refuse(self, row: int, why: Reason = Reason.VETO) -> None:
        """A picker's own veto of a row that has not been decided yet."""
        if self._reasons[row] == Reason.NOT_OFFERED:
            self._settle(row, why)

    # -- pinned rows ----------------------------------------------------------------------------

    def _admit_pinned(self) -> None:
        pinned = np.flatnonzero(self.items.pinned).tolist()
        for row in pinned:
            if self.is_kept(row):
                self._reasons[row] = Reason.PINNED
                continue
            for ancestor in reversed(self._ancestors(row)):
                self._charge(ancestor, Reason.ANCESTOR)
            self._charge(row, Reason.PINNED)
        self._check_pinned(len(pinned))

    def _check_pinned(self, pinned: int) -> None:
        if self.count > self.count_limit:
            raise BudgetError(
                f"{pinned} pinned rows keep {self.count} rows with their ancestors, but the budget "
                f'allows {self.count_limit}. Raise it to "{self.count} items" or unpin rows.'
            )
        if self.cost > self._cost_stop:
            raise BudgetError(
                f"{pinned} pinned rows cost {self.cost:,.10g} {self.items.unit} with their "
                f"ancestors, but the budget allows {self.cost_limit:,.10g}. Raise it or unpin rows."
            )
        over = np.zeros(self._group_count.size, dtype=bool)
        if self._caps is not None:
            over |= self._group_count > self._caps
        if self._cost_caps is not None:
            over |= self._group_cost > self._cost_caps
        if over.any():
            raise BudgetError(
                f"the pinned rows of groups {np.flatnonzero(over)[:5].tolist()} are over the "
                "limits of those groups. Raise the limits or unpin rows."
            )
        reserved = 0 if self._floors is None else self._floors.reserved
        if self.count + reserved > self.count_limit:
            raise BudgetError(
                f"floors and pinned rows ask for {self.count + reserved} rows but the budget "
                f"allows {self.count_limit}. Lower the floors or raise the budget."
            )

    def _flush(self) -> None:
        if self._tail:
            self._order.append(np.array(self._tail, dtype=np.int64))
            self._tail = []


def _with_slack(items: Items, cost: float) -> float:
    # Whole prices add up exactly. Others round at every step, and ten times 0.1 must fit into 1.
    if cost == math.inf or np.array_equal(items.cost, np.floor(items.cost)):
        return cost
    return cost * (1 + 1e-12)
