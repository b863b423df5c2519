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

Numbers may hold ``_`` and end in k, M or B (20k tokens).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

from datapruner.core.items import Items
from datapruner.errors import BudgetError

__all__ = ["Budget", "Limits", "as_budget"]

COUNT_UNITS = frozenset(
    {
        "item",
        "items",
        "row",
        "rows",
        "example",
        "examples",
        "chunk",
        "chunks",
        "sentence",
        "sentences",
    }
)
_SUFFIX = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9}
_NUMBER = r"(?P<number>\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?)"
_CLAUSES = {
    "share": re.compile(rf"{_NUMBER}\s*%(?:\s+of\s+(?P<of>\w+))?"),
    "per_group": re.compile(rf"{_NUMBER}(?P<suffix>[kKmMbB]?)\s+per\s+group"),
    "floor_share": re.compile(rf"floor\s+{_NUMBER}\s*%"),
    "floor": re.compile(rf"floor\s+{_NUMBER}(?P<suffix>[kKmMbB]?)"),
    "threshold": re.compile(rf"threshold\s+(?P<sign>-?){_NUMBER}"),
    "amount": re.compile(rf"{_NUMBER}(?P<suffix>[kKmMbB]?)\s+(?P<unit>[A-Za-z][\w-]*)"),
}
_EXAMPLES = '"30%", "1200 items", "2048 tokens, 3 per group", "20%, floor 50%" or "threshold 0.8"'


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
        cost: at most this total price ...
        unit: ... in this unit, which must be the items' own; None: whatever it is.
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
            if value is not None and (not _is_whole(value) or value < 0):
                raise BudgetError(f"{name} is {value!r}; it must be a whole number, 0 or more.")
        share = self.share
        if share is not None and not (_is_number(share) and 0 < share <= 1):
            raise BudgetError(
                f"share is {share!r}; it says what is kept and must lie in (0, 1]. "
                'Write "30%" or 0.3 to keep three tenths.'
            )
        if self.share_of not in ("items", "cost"):
            raise BudgetError(f'share_of is {self.share_of!r}; it must be "items" or "cost".')
        if self.cost is not None and not (_is_number(self.cost) and self.cost >= 0):
            raise BudgetError(f"cost is {self.cost!r}; it must be a finite number, 0 or more.")
        if self.threshold is not None and not _is_number(self.threshold):
            raise BudgetError(f"threshold is {self.threshold!r}; it must be a finite number.")
        if (
            not _is_number(self.floor)
            or self.floor < 0
            or (isinstance(self.floor, float) and self.floor > 1)
        ):
            raise BudgetError(
                f"floor is {self.floor!r}; give a whole number of rows, or a share in [0, 1]."
            )

    @classmethod
    def parse(cls, text: str) -> Budget:
        """The budget that a text such as ``"2048 tokens, 3 per group"`` describes.

        Raises:
            BudgetError: a clause that cannot be read, or one that is said twice.
        """
        if not text.strip():
            raise BudgetError(f"the budget is empty. Write for example {_EXAMPLES}.")
        found: dict[str, object] = {}
        for clause in text.split(","):
            for name, value in _read_clause(clause.strip(), text).items():
                if name in found and name not in ("share_of", "unit"):
                    raise BudgetError(f"budget {text!r} sets {name.replace('_', ' ')} twice.")
                found[name] = value
        return cls(**found)  # type: ignore[arg-type]

    def __str__(self) -> str:
        """The text that ``parse`` reads back to the same budget; ``everything`` without limits."""
        parts = []
        if self.share is not None:
            of = " of cost" if self.share_of == "cost" else ""
            parts.append(f"{_percent(self.share)}{of}")
        if self.count is not None:
            parts.append(f"{self.count} items")
        if self.cost is not None:
            parts.append(f"{_plain(self.cost)} {self.unit or 'cost'}")
        if self.per_group is not None:
            parts.append(f"{self.per_group} per group")
        if self.floor:
            share = isinstance(self.floor, float)
            parts.append(f"floor {_percent(self.floor) if share else self.floor}")
        if self.threshold is not None:
            parts.append(f"threshold {_plain(self.threshold)}")
        return ", ".join(parts) or "everything"

    def resolve(self, items: Items, n_groups: int) -> Limits:
        """The limits in numbers for these rows.

        Args:
            items: the rows; shares are of them, shells apart.
            n_groups: G, over which a floor's even split is taken.

        Raises:
            BudgetError: the unit is not the items' own, or floors that cannot be met.
        """
        count = items.countable
        cost = math.inf
        if self.cost is not None:
            self._check_unit(items)
            cost = float(self.cost)
        if self.share is not None and self.share_of == "items":
            # floor with a hair of slack: 0.29 * 100 is 28.999999999999996 in binary.
            count = min(count, math.floor(self.share * items.countable + 1e-9))
        elif self.share is not None:
            cost = min(cost, self.share * math.fsum(items.cost.tolist()))
        if self.count is not None:
            count = min(count, self.count)
        return Limits(
            count=count,
            cost=cost,
            per_group=self.per_group,
            floor=self._resolve_floor(count, n_groups, cost),
            threshold=self.threshold,
        )

    def _check_unit(self, items: Items) -> None:
        if self.unit is not None and self.unit != items.unit and self.unit != "cost":
            raise BudgetError(
                f"the budget is in {self.unit}, but these rows are priced in {items.unit}. "
                f'Ask for "{_plain(self.cost or 0)} {items.unit}", or give the rows costs in '
                f"{self.unit}."
            )

    def _resolve_floor(self, count: int, n_groups: int, cost: float) -> int:
        if not self.floor:
            return 0
        if cost != math.inf:
            raise BudgetError(
                "a floor counts rows and cannot be combined with a limit on the total price. "
                "Drop the floor, or ask for a share or a number of items."
            )
        if isinstance(self.floor, float):
            return math.floor(self.floor * count / n_groups + 1e-9)
        return self.floor


def as_budget(value: Budget | str | float) -> Budget:
    """A budget from what a user may write: a Budget, a text, or a bare share such as 0.3.

    Raises:
        BudgetError: a bare whole number, which could mean rows or tokens; or anything else.
    """
    if isinstance(value, Budget):
        return value
    if isinstance(value, str):
        return Budget.parse(value)
    if isinstance(value, int) and not isinstance(value, bool):
        raise BudgetError(
            f'a bare {value} could mean rows or tokens. Write "{value} items" or "{value} tokens".'
        )
    if isinstance(value, float):
        return Budget(share=value)
    raise BudgetError(f"cannot read a budget from {value!r}. Write for example {_EXAMPLES}.")


def _read_clause(clause: str, text: str) -> dict[str, object]:
    for kind, pattern in _CLAUSES.items():
        match = pattern.fullmatch(clause)
        if match:
            return _clause_value(kind, match)
    if re.fullmatch(r"-?[\d._]+", clause):
        raise BudgetError(
            f"budget {text!r}: a bare {clause} could mean a share, rows or tokens. "
            f'Write "{clause}%", "{clause} items" or "{clause} tokens".'
        )
    raise BudgetError(
        f"cannot read {clause!r} in the budget {text!r}. Write for example {_EXAMPLES}."
    )


def _clause_value(kind: str, match: re.Match[str]) -> dict[str, object]:
    found = match.groupdict()
    number = float(found["number"].replace("_", "")) * _SUFFIX[(found.get("suffix") or "").lower()]
    if kind == "share":
        of = found["of"] or "items"
        return {"share": number / 100, "share_of": "items" if of in COUNT_UNITS else "cost"}
    if kind == "floor_share":
        return {"floor": number / 100}
    if kind == "threshold":
        return {"threshold": -number if found["sign"] else number}
    if kind == "amount" and found["unit"].lower() not in COUNT_UNITS:
        unit = found["unit"]
        return {"cost": number, "unit": None if unit == "cost" else unit}
    if number != int(number):
        raise BudgetError(f"{match.group(0)!r}: a number of rows must be whole.")
    return {"count" if kind == "amount" else kind: int(number)}


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _plain(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))


def _percent(share: float) -> str:
    # The shortest decimal that reads back to the same share.
    for digits in range(18):
        text = f"{share * 100:.{digits}f}"
        if float(text) / 100 == share:
            return f"{text}%"
    return f"{share * 100!r}%"
