"""The rules of the ledger, written literally and slowly: every offer checks every limit anew.

Nothing is carried from one offer to the next but who is kept, in which order, and why the others
are not. Prices must add up exactly (whole numbers or sixty-fourths), so no rounding is needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from datapruner.core.reason import Reason

__all__ = ["Oracle", "Refused", "Rules"]

KEPT = (Reason.ADMITTED, Reason.PINNED, Reason.ANCESTOR)


class Refused(Exception):
    """The pinned rows, or the floors, cannot be met."""


@dataclass(frozen=True)
class Rules:
    """What a ledger is told, as plain tuples with one entry a row or a group."""

    n: int
    groups: int
    cost: tuple[float, ...]
    group: tuple[int, ...]
    parent: tuple[int, ...]
    pinned: tuple[bool, ...]
    shell: tuple[bool, ...]
    barred: tuple[bool, ...]
    eligible: tuple[bool, ...]
    ruled: tuple[int, ...]
    count: int
    total: float
    caps: tuple[int, ...] | None
    cost_caps: tuple[float, ...] | None
    floors: tuple[int, ...]
    fill: Literal["skip", "stop"]

    def ancestors(self, row: int) -> list[int]:
        """All of them, the root first."""
        chain: list[int] = []
        while self.parent[row] >= 0:
            row = self.parent[row]
            chain.insert(0, row)
        return chain

    def counted(self, rows: Sequence[int]) -> list[int]:
        return [r for r in rows if not self.shell[r]]

    def price(self, rows: Sequence[int]) -> float:
        return sum(self.cost[r] for r in rows)

    def in_group(self, rows: Sequence[int], group: int) -> list[int]:
        return [r for r in self.counted(rows) if self.group[r] == group]

    def forced(self) -> list[int]:
        found = [r for p in range(self.n) if self.pinned[p] for r in (*self.ancestors(p), p)]
        return sorted(set(found))

    def made_feasible(self) -> Rules:
        """The same rules with limits just wide enough for pinned rows and floors."""
        forced = self.forced()
        has = [self.in_group(forced, g) for g in range(self.groups)]
        caps = cost_caps = None
        if self.caps is not None:
            caps = tuple(max(c, len(h)) for c, h in zip(self.caps, has, strict=True))
        if self.cost_caps is not None:
            cost_caps = tuple(
                max(c, self.price(h)) for c, h in zip(self.cost_caps, has, strict=True)
            )
        promised = sum(max(f, len(h)) for f, h in zip(self.floors, has, strict=True))
        return replace(
            self,
            caps=caps,
            cost_caps=cost_caps,
            total=max(self.total, self.price(forced)),
            count=max(self.count, promised),
        )


@dataclass
class Oracle:
    """Who is kept, in which order, and why the others are not."""

    rules: Rules
    kept: list[int] = field(default_factory=list)
    why: dict[int, Reason] = field(default_factory=dict)
    ended: bool = False
    ended_groups: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        r = self.rules
        for row in range(r.n):
            if r.shell[row]:
                self.why[row] = Reason.SHELL
            elif r.barred[row]:
                self.why[row] = Reason.BAD_ROW
            elif r.ruled[row]:
                self.why[row] = Reason(r.ruled[row])
            elif not r.eligible[row]:
                self.why[row] = Reason.THRESHOLD
        for pinned in (row for row in range(r.n) if r.pinned[row]):
            for row in (*r.ancestors(pinned), pinned):
                if row not in self.kept:
                    self.kept.append(row)
                    self.why[row] = Reason.ANCESTOR
            self.why[pinned] = Reason.PINNED
        if self.broken(self.kept, range(r.groups)) is not None:
            raise Refused

    def order(self) -> list[int]:
        return self.rules.counted(self.kept)

    def reasons(self) -> list[int]:
        return [int(self.why.get(row, Reason.NOT_OFFERED)) for row in range(self.rules.n)]

    def admit(self, row: int) -> bool:
        r = self.rules
        if row in self.why:
            return self.why[row] in KEPT
        chain = [above for above in r.ancestors(row) if above not in self.kept]
        would = [*self.kept, *chain, row]
        groups = {r.group[x] for x in r.counted([*chain, row])}
        refusal = self._refusal(would, groups)
        if refusal is None:
            self.kept = would
            self.why.update(dict.fromkeys(chain, Reason.ANCESTOR))
        self.why[row] = refusal or Reason.ADMITTED
        if r.fill == "stop":
            self.ended |= refusal in (Reason.COUNT, Reason.COST)
            if refusal in (Reason.GROUP, Reason.FLOOR):
                self.ended_groups.add(r.group[row])
        return refusal is None

    def refuse(self, row: int) -> None:
        self.why.setdefault(row, Reason.VETO)

    def _refusal(self, would: list[int], groups: set[int]) -> Reason | None:
        if self.ended:
            return Reason.STOPPED
        broken = self.broken(would, groups)
        if broken not in (Reason.COUNT, Reason.COST) and groups & self.ended_groups:
            return Reason.STOPPED
        return broken

    def broken(self, kept: list[int], groups: Iterable[int]) -> Reason | None:
        """The first rule that keeping exactly these rows would break."""
        r = self.rules
        if len(r.counted(kept)) > r.count:
            return Reason.COUNT
        if r.price(kept) > r.total:
            return Reason.COST
        for g in groups:
            inside = r.in_group(kept, g)
            if r.caps is not None and len(inside) > r.caps[g]:
                return Reason.GROUP
            if r.cost_caps is not None and r.price(inside) > r.cost_caps[g]:
                return Reason.GROUP
        if len(r.counted(kept)) + sum(self.owed(kept, g) for g in range(r.groups)) > r.count:
            return Reason.FLOOR
        return None

    def owed(self, kept: list[int], group: int) -> int:
        """Rows the group must still get for its floor, as far as it still has any to give."""
        r = self.rules
        floor = r.floors[group] if r.caps is None else min(r.floors[group], r.caps[group])
        to_come = [
            row for row in r.in_group(range(r.n), group) if row not in self.why and row not in kept
        ]
        return min(max(floor - len(r.in_group(kept, group)), 0), len(to_come))
