"""Ledger: the only place where limits are enforced.

A picker offers rows in its order of preference; the ledger admits a row or says why not. Two lanes
give one answer: ``admit`` (in books.py) is the definition, ``admit_many`` is vectorised where the
limits allow it.

The rules (docs/concepts.md explains them, tests/property proves them): never over; exact; maximal;
pinned first; ancestors come along; deterministic; monotone; two lanes, one answer.
"""

from __future__ import annotations

import math

import numpy as np

from datapruner.core.books import Books, Fill
from datapruner.core.order import rank_within
from datapruner.core.reason import Reason
from datapruner.core.types import AnyArray, BoolArray, IntArray

__all__ = ["Fill", "Ledger"]

# Rows a priced pass looks at together: large enough to vectorise, small enough that the few passes
# over what still fits stay cheap.
_CHUNK = 1 << 16
# Prices in a wicked order (dear and cheap in turn) need a pass a row; one by one is faster then.
_PASSES = 64
# A running sum may be off by rounding; only what is over by more is refused without the exact sum.
_ROOM = 1 + 1e-9


class Ledger(Books):
    """The books with a fast lane; see ``Books`` for its arguments and the rules."""

    def admit_many(self, rows: IntArray) -> BoolArray:
        """Offer many rows, the best first; the same answer as ``admit`` one by one.

        Vectorised without parents when only counts are limited, or only one total price is; any
        other combination goes through the scalar lane.

        Args:
            rows: shape (m,), int64, row numbers without repeats.

        Returns:
            Shape (m,), bool: which of them are kept.
        """
        rows = np.asarray(rows, dtype=np.int64)
        self._flush()
        undecided = rows[self._reasons[rows] == Reason.NOT_OFFERED]
        if self._stopped:
            self._reasons[undecided] = Reason.STOPPED
        elif self._parents and not self._has_groups and self._is_full_for_good():
            self._reasons[undecided] = Reason.COUNT
        elif self._parents and not self._has_groups and self.count_limit >= self.items.countable:
            self._admit_chains(undecided)
        elif self._parents or self._cost_caps is not None or self._group_stopped.any():
            self._admit_each(undecided)
        elif self.cost_limit == math.inf:
            self._admit_counted(undecided)
        elif self._caps is None and self._floors is None:
            self._admit_priced(undecided)
        else:
            self._admit_each(undecided)
        kept: BoolArray = self._reasons[rows] < Reason.NOT_OFFERED
        return kept

    def _is_full_for_good(self) -> bool:
        """Whether every row is refused for the count alone, however deep in a tree it is."""
        return self.fill == "skip" and self.count >= self.count_limit

    def _admit_each(self, rows: IntArray) -> None:
        for row in rows.tolist():
            self.admit(row)
        self._flush()

    def _admit_chains(self, rows: IntArray) -> None:
        """One total price, with ancestors that come along: the scalar lane on plain lists.

        Walks up from a row no further than its price can still be paid, so that a row deep in a
        tree is refused as fast as any other.
        """
        parents, prices = self.items.parent.tolist(), self.items.cost.tolist()
        kept = bytearray((self._reasons < int(Reason.NOT_OFFERED)).tobytes())
        places = rows.tolist()
        refused: list[int] = []
        for number, row in enumerate(places):
            if kept[row]:
                continue
            chain = [row]
            price, room = prices[row], (self._cost_stop - self.cost) * _ROOM
            above = parents[row]
            while above >= 0 and not kept[above] and price <= room:
                chain.append(above)
                price += prices[above]
                above = parents[above]
            if price > room or self.cost + math.fsum(prices[r] for r in chain) > self._cost_stop:
                if self.fill == "stop":
                    rest = rows[number:]
                    self._reasons[rest[self._reasons[rest] == Reason.NOT_OFFERED]] = Reason.STOPPED
                    self._reasons[row] = Reason.COST
                    self._stopped = True
                    break
                refused.append(row)
                continue
            for member in reversed(chain):
                kept[member] = 1
                self._charge(member, Reason.ANCESTOR if member != row else Reason.ADMITTED)
        undecided = np.array(refused, dtype=np.int64)
        undecided = undecided[self._reasons[undecided] == Reason.NOT_OFFERED]
        self._reasons[undecided] = Reason.COST
        self._flush()

    def _admit_counted(self, rows: IntArray) -> None:
        """Group caps, floors and one count: all by ranks within groups."""
        if self.fill == "stop" and self._floors is not None:
            # A floor refusal ends one group at a time and so shifts what the others may take.
            self._admit_each(rows)
            return
        groups = self._groups[rows]
        fits = np.ones(rows.size, dtype=bool)
        owed = np.zeros(rows.size, dtype=bool)
        room = self.count_limit - self.count
        if self._has_groups:
            rank = rank_within(groups)
            if self._caps is not None:
                fits = rank < (self._caps - self._group_count)[groups]
            if self._floors is not None:
                owed = rank < self._floors.need[groups]
                room -= self._floors.reserved
        # Rows owed to a floor always fit; the others share what no floor has claimed.
        free = fits & ~owed
        taken = owed | (free & (np.cumsum(free) <= room))
        self._record_counted(rows, groups, taken, fits)

    def _record_counted(
        self, rows: IntArray, groups: AnyArray, taken: BoolArray, fits: BoolArray
    ) -> None:
        room = self.count_limit - self.count
        number = np.cumsum(taken)
        full_before = np.empty(rows.size, dtype=bool)
        full_before[:1] = room <= 0
        np.greater_equal(number[:-1], room, out=full_before[1:])
        at_cap = ~fits
        if self._caps is not None:
            gained = np.bincount(groups[taken], minlength=self._caps.size)
            at_cap &= (self._group_count + gained >= self._caps)[groups]
        reason = np.where(taken, Reason.ADMITTED, np.where(at_cap, Reason.GROUP, Reason.FLOOR))
        reason[~taken & full_before] = Reason.COUNT
        if self.fill == "stop":
            first = np.flatnonzero(~taken & full_before)[:1]
            if first.size:
                reason[first[0] + 1 :] = Reason.STOPPED
                self._stopped = True
            self._stop_groups(groups, reason)
        self._reasons[rows] = reason.astype(np.uint8)
        self._book(rows, groups, taken)

    def _stop_groups(self, groups: AnyArray, reason: AnyArray) -> None:
        refused = np.flatnonzero(reason == Reason.GROUP)
        if refused.size:
            _, first = np.unique(groups[refused], return_index=True)
            later = np.ones(refused.size, dtype=bool)
            later[first] = False
            reason[refused[later]] = Reason.STOPPED
            self._group_stopped[groups[refused]] = True

    def _book(self, rows: IntArray, groups: AnyArray, taken: BoolArray) -> None:
        kept = rows[taken]
        self._order.append(kept)
        self.count += int(kept.size)
        if self._unit:
            self.cost += float(kept.size)
        else:
            prices = np.empty(kept.size + 1)
            prices[0], prices[1:] = self.cost, self.items.cost[kept]
            self.cost = float(np.cumsum(prices)[-1])
        size = self._group_count.size
        gained = np.bincount(groups[taken], minlength=size)
        self._group_count += gained
        if self._floors is not None:
            self._floors.update_all(self._group_count, np.bincount(groups, minlength=size))

    def _admit_priced(self, rows: IntArray) -> None:
        """One count and one total price, in chunks: rows that fit, then the one that does not."""
        for start in range(0, rows.size, _CHUNK):
            chunk = rows[start : start + _CHUNK]
            if self._stopped:
                self._reasons[chunk] = Reason.STOPPED
            elif self.fill == "stop" and self.count >= self.count_limit:
                self._admit_each(chunk)
            else:
                self._admit_priced_chunk(chunk)

    def _admit_priced_chunk(self, chunk: IntArray) -> None:
        rows, prices = chunk, self.items.cost[chunk]
        passes = 0
        while rows.size and self.count < self.count_limit:
            passes += 1
            if passes > _PASSES:
                self._admit_each(rows)
                return
            # cumsum adds one price at a time to the running total, exactly as the scalar lane does.
            running = np.cumsum(np.r_[self.cost, prices])[1:]
            over = np.flatnonzero(running > self._cost_stop)
            run = min(int(over[0]) if over.size else rows.size, self.count_limit - self.count)
            if run:
                self._take_run(rows[:run], float(running[run - 1]))
            rows, prices = rows[run:], prices[run:]
            if rows.size and self.fill == "stop":
                self._reasons[rows] = Reason.STOPPED
                full = self.count >= self.count_limit
                self._reasons[rows[0]] = Reason.COUNT if full else Reason.COST
                self._stopped = True
                return
            # The total only grows, so whatever does not fit now never will.
            fits = self.cost + prices <= self._cost_stop
            self._reasons[rows[~fits]] = Reason.COST
            rows, prices = rows[fits], prices[fits]
        if self.count >= self.count_limit:
            kept = np.flatnonzero(self._reasons[chunk] < Reason.NOT_OFFERED)
            after = chunk[kept[-1] + 1 :] if kept.size else chunk
            self._reasons[after] = Reason.COUNT

    def _take_run(self, rows: IntArray, total: float) -> None:
        self._reasons[rows] = Reason.ADMITTED
        self._order.append(rows)
        self.count += int(rows.size)
        self.cost = total
        self._group_count += np.bincount(self._groups[rows], minlength=self._group_count.size)
