"""What a first judgement of all rows of a page says of each: its neighbours, holders and kind."""

from __future__ import annotations

import numpy as np

from datapruner.core.types import AnyArray, FloatArray
from datapruner.scorers.mainfeatures import FIRST, WINDOWS, Sheet, in_columns
from datapruner.scorers.mainsums import Table, around, shifted, together

__all__ = ["SECOND", "second_features"]

_WIDER = (*WINDOWS, 20)
_LEVELS = (0, 1, 2)
_LIMITS = (0.3, 0.5, 0.7)
_SURE, _SAYING = 0.8, 8.0
_AWAY = 99

_ADDED = (
    "first",
    "first run",
    *(f"first within {width}" for width in _WIDER),
    *("first before", "first after", "between", "first section", "section part"),
    *(f"up {level} {what}" for level in _LEVELS for what in ("first", "part", "rows")),
    *(f"{what} {limit}" for limit in _LIMITS for what in ("in net", "net", "net first")),
    *("to next sure", "from last sure", "away from sure", "part before", "part after"),
    *("most", "all"),
)

SECOND: tuple[str, ...] = (*(f"{name} (1)" for name in _ADDED), *FIRST)
"""Names of the columns of ``second_features``."""

_EDGE = 1e-4


def second_features(chance: FloatArray, sheet: Sheet, first: Table) -> Table:
    """What the first judgement says, beside what it was made from.

    Args:
        chance: shape (n,), in [0, 1], of each row by the first judgement.
        sheet: the page of these n rows.
        first: its features.

    Returns:
        n rows of len(SECOND) columns.
    """
    ways = (_of_row, _of_holders, _of_nets, _of_places)
    groups = (way(chance, sheet) for way in ways)
    return Table((in_columns(groups, _ADDED, chance.size), *first.parts))


def _of_row(chance: FloatArray, sheet: Sheet) -> dict[str, AnyArray | float]:
    words = sheet.words
    weight = np.maximum(words, 1.0)
    inner = np.clip(chance, _EDGE, 1.0 - _EDGE)
    mass = chance * weight
    before, after = shifted(chance)
    run, section = sheet.run_code, sheet.section_code
    held = together(mass, section)
    made: dict[str, AnyArray | float] = {
        "first": np.log(inner / (1.0 - inner)),
        "first run": together(mass, run) / together(weight, run),
        "first before": before,
        "first after": after,
        "between": np.minimum(before, after),
        "first section": held / together(weight, section),
        "section part": held / max(float(mass.sum()), 1e-9),
        "most": float(chance.max()),
        "all": float(np.log1p(mass.sum())),
    }
    return made | {f"first within {w}": around(chance, words, w) for w in _WIDER}


def _of_holders(chance: FloatArray, sheet: Sheet) -> dict[str, AnyArray | float]:
    inside = sheet.inside
    weight = np.maximum(sheet.words, 1.0)
    every, likely = inside.sums(weight), inside.sums(chance * weight)
    rows, good = inside.sums(np.ones(chance.size)), inside.sums((chance > 0.5) * 1.0)
    total = max(float((chance * weight).sum()), 1e-9)
    made: dict[str, AnyArray | float] = {}
    for level, up in enumerate(inside.up):
        made |= {
            f"up {level} first": likely[up] / np.maximum(every[up], 1.0),
            f"up {level} part": likely[up] / total,
            f"up {level} rows": good[up] / np.maximum(rows[up], 1.0),
        }
    return made


def _of_nets(chance: FloatArray, sheet: Sheet) -> dict[str, AnyArray | float]:
    """The one element that holds most of what is likely, and least of the rest."""
    inside = sheet.inside
    weight = np.maximum(sheet.words, 1.0)
    every, likely = inside.sums(weight), inside.sums(chance * weight)
    made: dict[str, AnyArray | float] = {}
    for limit in _LIMITS:
        net = likely - limit * every
        best = int(net.argmax())
        most = float(net[best])
        made |= {
            f"in net {limit}": inside.holds(best),
            f"net {limit}": inside.highest(net) / most if most > _EDGE else 0.0,
            f"net first {limit}": float(likely[best]) / max(float(every[best]), 1.0),
        }
    return made


def _of_places(chance: FloatArray, sheet: Sheet) -> dict[str, AnyArray | float]:
    """How far the sure rows are, and how much of what is likely stands before and behind."""
    words = sheet.words
    n = chance.size
    rows = np.arange(n)
    sure = np.flatnonzero((chance > _SURE) & (words > _SAYING))
    up, down = np.full(n, _AWAY), np.full(n, _AWAY)
    if sure.size:
        following = np.searchsorted(sure, rows)
        last = np.searchsorted(sure, rows, side="right") - 1
        gap = sure[np.minimum(following, sure.size - 1)] - rows
        up = np.where(following < sure.size, np.minimum(gap, _AWAY), _AWAY)
        down = np.where(last >= 0, np.minimum(rows - sure[np.maximum(last, 0)], _AWAY), _AWAY)
    mass = chance * np.maximum(words, 1.0)
    total = max(float(mass.sum()), 1e-9)
    reached = np.cumsum(mass)
    return {
        "to next sure": up,
        "from last sure": down,
        "away from sure": np.maximum(up, down),
        "part before": (reached - mass) / total,
        "part after": 1.0 - reached / total,
    }
