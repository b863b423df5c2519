"""The text grammar of budgets (budget.py lists its clauses): text to fields, numbers to text."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from datapruner.errors import BudgetError

__all__ = ["EXAMPLES", "UNIT", "counts_rows", "percent", "plain", "read_clauses"]

_COUNT_UNITS = frozenset(
    name + plural
    for name in ("item", "row", "example", "chunk", "sentence")
    for plural in ("", "s")
)
_SUFFIX = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9}
_NUMBER = r"(?P<number>\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?)"
UNIT = r"(?P<unit>[A-Za-z][\w-]*)"
_CLAUSES = {
    "share": re.compile(rf"{_NUMBER}\s*%(?:\s+of\s+{UNIT})?"),
    "per_group": re.compile(rf"{_NUMBER}(?P<suffix>[kKmMbB]?)\s+per\s+group"),
    "floor_share": re.compile(rf"floor\s+{_NUMBER}\s*%"),
    "floor": re.compile(rf"floor\s+{_NUMBER}(?P<suffix>[kKmMbB]?)"),
    "threshold": re.compile(rf"threshold\s+(?P<sign>-?){_NUMBER}"),
    "amount": re.compile(rf"{_NUMBER}(?P<suffix>[kKmMbB]?)\s+{UNIT}"),
}
EXAMPLES = '"30%", "1200 items", "2048 tokens, 3 per group", "20%, floor 50%" or "threshold 0.8"'
_MOST_ROWS = 10**18


def read_clauses(text: str) -> dict[str, Any]:
    """The fields of a Budget that a text sets.

    Raises:
        BudgetError: a clause that cannot be read, or one that is said twice.
    """
    if not text.strip():
        raise BudgetError(f"the budget is empty. Write for example {EXAMPLES}.")
    if text.strip() == "everything":
        return {}
    found: dict[str, Any] = {}
    for clause in text.split(","):
        for name, value in _read_clause(clause.strip(), text).items():
            if found.get(name, value) != value or (name in found and name != "unit"):
                raise BudgetError(
                    f"budget {text!r} sets {name.replace('_', ' ')} twice; say it once."
                )
            found[name] = value
    return found


def _read_clause(clause: str, text: str) -> dict[str, Any]:
    for kind, pattern in _CLAUSES.items():
        match = pattern.fullmatch(clause)
        if match:
            return _clause_value(kind, match)
    if re.fullmatch(_NUMBER, clause):
        number = float(clause.replace("_", ""))
        share = percent(number) if number <= 1 else f"{clause}%"
        raise BudgetError(
            f"budget {text!r}: a bare {clause} could mean a share, rows or tokens. "
            f'Write "{share}", "{clause} items" or "{clause} tokens".'
        )
    raise BudgetError(
        f"cannot read {clause!r} in the budget {text!r}. Write for example {EXAMPLES}."
    )


def _clause_value(kind: str, match: re.Match[str]) -> dict[str, Any]:
    found = match.groupdict()
    # Decimal, for a per cent must come out as the float that its decimals say.
    number = Decimal(found["number"].replace("_", ""))
    number *= _SUFFIX[(found.get("suffix") or "").lower()]
    unit = found.get("unit")
    priced = None if unit is None or counts_rows(unit) else {} if unit == "cost" else {"unit": unit}
    if kind == "share":
        share = {"share": float(number.scaleb(-2))}
        return share if priced is None else {**share, "share_of": "cost", **priced}
    if kind == "floor_share":
        return {"floor": float(number.scaleb(-2))}
    if kind == "threshold":
        return {"threshold": float(-number if found["sign"] else number)}
    if kind == "amount" and priced is not None:
        return {"cost": float(number), **priced}
    if number > _MOST_ROWS or number != int(number):
        raise BudgetError(
            f"{match.group(0)!r}: a number of rows must be whole, and at most {_MOST_ROWS:,}."
        )
    return {"count" if kind == "amount" else kind: int(number)}


def counts_rows(unit: str) -> bool:
    """Whether a unit is a word for rows."""
    return unit.lower() in _COUNT_UNITS


def plain(value: float) -> str:
    """A number as short as it reads back: whole numbers without a point."""
    return str(int(value)) if value == int(value) else repr(float(value))


def percent(share: float) -> str:
    """A share as a per cent that reads back to the same float."""
    # repr is the shortest decimal that reads back to the same share; moving the point keeps that.
    text = f"{Decimal(repr(float(share))).scaleb(2):f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text}%"
