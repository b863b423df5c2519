"""Budget: limits that all hold at once, and the one text grammar they are written in.

Everything says what is **kept**. A budget is a comma-separated list of clauses::

    30%                      that share of the rows, floor(share * n)
    30% of tokens            that share of the total price
    1200 items               at most that many rows (rows, examples, chunks, sentences: the same)
    2048 tokens              at most that total price, in the unit of the rows' costs
    3 per group              at most three rows in every group
    floor 5                  five rows guaranteed to every group
    floor 50%                half of an even split guaranteed to every group
    threshold 0.8            only rows at 0.8 or better, on the side that is kept
    everything               no limit at all

Numbers may hold ``_`` and end in k, M or B (20k tokens).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Literal

from datapruner.core.grammar import EXAMPLES, UNIT, counts_rows, percent, plain, read_clauses
from datapruner.core.items import Items
from datapruner.errors import BudgetError

__all__ = ["Budget", "Limits", "as_budget"]


@dataclass(frozen=True, slots=True)
class Limits:
    """A budget worked out for given rows; what the ledger enforces.

    Attributes:
        count: most rows that may be kept (shells apart).
        cost: highest total price; infinite when prices are not limited.
        per_group: most rows a group may keep; None for no ceiling.
        floor: rows guaranteed to every group.
        threshold: the budget's own, or None.
    """

    count: int
    cost: float
    per_group: int | None
    floor: int
    threshold: float | None

    @property
    def limits_cost(self) -> bool:
        """Whether the total price is limited at all."""
        return self.cost != math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Limits that all hold at once; each says what is kept, ``None`` means no such limit.

    Attributes:
        count: at most this many rows.
        share: at most this share, in (0, 1] ...
        share_of: ... of the rows (``"items"``) or of their total price (``"cost"``).
        cost: at most this total price.
        unit: what cost, or a share of it, is in; must be the items' own. None: whatever it is.
        threshold: inclusive, on the side that the picker keeps; pinned rows are spared.
        per_group: ceiling in every group.
        floor: guaranteed to every group; an int counts rows, a float in (0, 1] is the share of an
            even split (``floor(floor * k / G)`` rows), and a group gives no more than it has.

    Raises:
        BudgetError: a value outside its range.
    """

    count: int | None = None
    share: float | None = None
    share_of: Literal["items", "cost"] = "items"
    cost: float | None = None
    unit: str | None = None
    threshold: float | None = None
    per_group: int | None = None
    floor: int | float = 0

    def __post_init__(self) -> None:
        """Refuse values that no reading could make sense of."""
        for name in ("count", "per_group"):
            value = getattr(self, name)
            if value is not None and not (_is_whole(value) and value >= 0):
                raise BudgetError(f"{name} is {value!r}; it must be a whole number, 0 or more.")
        share = self.share
        if share is not None and not (_is_number(share) and 0 < share <= 1):
            raise BudgetError(
                f"share is {share!r}; it says what is kept and must lie in (0, 1]. "
                'Write "30%" or 0.3 to keep three tenths.'
            )
        if self.cost is not None and not (_is_number(self.cost) and self.cost >= 0):
            raise BudgetError(f"cost is {self.cost!r}; it must be a finite number, 0 or more.")
        if self.threshold is not None and not _is_number(self.threshold):
            raise BudgetError(f"threshold is {self.threshold!r}; it must be a finite number.")
        whole = _is_whole(self.floor)
        if not _is_number(self.floor) or self.floor < 0 or (not whole and self.floor > 1):
            raise BudgetError(
                f"floor is {self.floor!r}; give a whole number of rows, or a share in [0, 1]."
            )
        self._check_price()

    def _check_price(self) -> None:
        if self.share_of not in ("items", "cost"):
            raise BudgetError(f'share_of is {self.share_of!r}; it must be "items" or "cost".')
        if self.share_of == "cost" and self.share is None:
            raise BudgetError('share_of is "cost" but there is no share; give one.')
        if self.unit is None:
            return
        if self.cost is None and self.share_of == "items":
            raise BudgetError(f"unit is {self.unit!r} but no price is limited; give a cost.")
        if not re.fullmatch(UNIT, self.unit) or counts_rows(self.unit) or self.unit == "cost":
            raise BudgetError(
                f"unit is {self.unit!r}; it must be one word for a price, such as tokens. "
                "Limit a number of rows with count."
            )

    @classmethod
    def parse(cls, text: str) -> Budget:
        """The budget that a text such as ``"2048 tokens, 3 per group"`` describes.

        Raises:
            BudgetError: a clause that cannot be read, or one that is said twice.
        """
        return cls(**read_clauses(text))

    def __repr__(self) -> str:
        """The budget as its text."""
        return f'Budget("{self}")'

    def __str__(self) -> str:
        """The text that ``parse`` reads back to the same budget; ``everything`` without limits."""
        parts = []
        if self.share is not None:
            of = f" of {self.unit or 'cost'}" if self.share_of == "cost" else ""
            parts.append(f"{percent(self.share)}{of}")
        if self.count is not None:
            parts.append(f"{self.count} items")
        if self.cost is not None:
            parts.append(f"{plain(self.cost)} {self.unit or 'cost'}")
        if self.per_group is not None:
            parts.append(f"{self.per_group} per group")
        if self.floor:
            rows = _is_whole(self.floor)
            parts.append(f"floor {self.floor if rows else percent(self.floor)}")
        if self.threshold is not None:
            parts.append(f"threshold {plain(self.threshold)}")
        return ", ".join(parts) or "everything"

    def resolve(self, items: Items, n_groups: int) -> Limits:
        """The limits in numbers for these rows.

        Args:
            items: the rows; shares are of them, shells apart.
            n_groups: G, over which a floor's even split is taken.

        Raises:
            BudgetError: the unit is not the items' own, or floors that cannot be met.
        """
        cost = math.inf
        self._check_unit(items)
        if self.cost is not None:
            cost = float(self.cost)
        if self.share is not None and self.share_of == "cost":
            cost = min(cost, _whole_if_close(float(self.share) * items.total_cost))
        return self._limits(items.countable, cost, n_groups)

    def resolve_counts(self, countable: int, n_groups: int) -> Limits:
        """The limits in numbers for so many rows, of which nothing else is known.

        Args:
            countable: rows that may be kept.
            n_groups: as for ``resolve``.

        Raises:
            BudgetError: a price is limited, or floors cannot be met.
        """
        if self.cost is not None or self.share_of == "cost":
            raise BudgetError(
                f"the budget {self} limits a price, but these rows have none. Give a share or a "
                'number of rows, such as "30%" or "1200 items".'
            )
        return self._limits(countable, math.inf, n_groups)

    def _limits(self, countable: int, cost: float, n_groups: int) -> Limits:
        count = countable
        if self.share is not None and self.share_of == "items":
            # floor with a hair of slack: 0.29 * 100 is 28.999999999999996 in binary.
            count = min(count, math.floor(float(self.share) * countable + 1e-9))
        if self.count is not None:
            count = min(count, int(self.count))
        return Limits(
            count=count,
            cost=cost,
            per_group=None if self.per_group is None else int(self.per_group),
            floor=self._resolve_floor(count, n_groups, cost),
            threshold=None if self.threshold is None else float(self.threshold),
        )

    def _check_unit(self, items: Items) -> None:
        if self.unit is not None and self.unit != items.unit:
            raise BudgetError(
                f"the budget is in {self.unit}, but these rows are priced in {items.unit}. "
                f"Give the rows costs in {self.unit}, or say {items.unit} in the budget."
            )

    def _resolve_floor(self, count: int, n_groups: int, cost: float) -> int:
        if not self.floor:
            return 0
        if cost != math.inf:
            raise BudgetError(
                "a floor counts rows and cannot be combined with a limit on the total price. "
                "Drop the floor, or ask for a share or a number of items."
            )
        if _is_whole(self.floor):
            return int(self.floor)
        return math.floor(self.floor * count / n_groups + 1e-9)


def as_budget(value: Budget | str | float) -> Budget:
    """A budget from what a user may write: a Budget, a text, or a bare share such as 0.3.

    Raises:
        BudgetError: a bare whole number, which could mean rows or tokens; or anything else.
    """
    if isinstance(value, Budget):
        return value
    if isinstance(value, str):
        return Budget.parse(value)
    if _is_whole(value):
        raise BudgetError(
            f'a bare {value} could mean rows or tokens. Write "{value} items" or "{value} tokens".'
        )
    if _is_number(value):
        return Budget(share=float(value))
    raise BudgetError(f"cannot read a budget from {value!r}. Write for example {EXAMPLES}.")


def _is_number(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, Real) and math.isfinite(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _whole_if_close(value: float) -> float:
    # 0.29 of 100 tokens are 29, not 28.999999999999996.
    near = float(round(value))
    return near if abs(value - near) <= 1e-12 * near else value
