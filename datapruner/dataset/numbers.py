"""Columns of numbers as users have them: text from CSV, decimals from Parquet, gaps and all."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from datapruner.core.types import AnyArray
from datapruner.dataset.source import Block, Source

__all__ = ["Note", "numbers", "plain", "prices"]

Note: TypeAlias = Callable[[int, Source, str, Any], None]
"""Told of a bad value: its row, the source, what is wrong, and the value."""


def plain(values: Any) -> list[Any]:
    """The values as a list of Python objects."""
    return values.tolist() if isinstance(values, np.ndarray) else list(values)


def prices(block: Block, name: str, source: Source, note: Note) -> AnyArray:
    """The prices of a block, shape (rows,), float64; a row without one is noted and costs 0."""
    found = np.zeros(block.rows)
    for place, value in enumerate(plain(block.columns[name])):
        price = _price(value)
        if math.isfinite(price) and price >= 0:
            found[place] = price
        else:
            reason = f'"{name}" is not a price: a finite number, 0 or more'
            note(block.start + place, source, reason, value)
    return found


def numbers(block: Block, name: str, source: Source, note: Note) -> AnyArray:
    """The numbers of a block, shape (rows,), float64; a row without one is noted and has 0."""
    found = np.array([_price(value) for value in plain(block.columns[name])], dtype=np.float64)
    for place in np.flatnonzero(~np.isfinite(found)).tolist():
        value = block.columns[name][place]
        note(block.start + place, source, f'"{name}" is not a finite number', value)
        found[place] = 0
    return found


def _price(value: Any) -> float:
    """The number, NaN for what is none; CSV hands numbers out as text, Parquet decimals as such."""
    if value is None or isinstance(value, bool):
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
