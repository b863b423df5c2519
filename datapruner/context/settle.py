"""From additive prices to the real text: render, count, and trim until the promise holds."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from datapruner.context.cutting import joined
from datapruner.core.items import Items
from datapruner.core.reason import Reason
from datapruner.core.selection import Selection
from datapruner.errors import BudgetError

__all__ = ["MOST_CHECKS", "cut_to_fit", "settle", "with_titles"]

MOST_CHECKS = 64
"""Sentences that are tried once more, one by one, after trimming."""

_WORD_END = re.compile(r"\w(?!\w)|\S(?!\S)")

Measure = Callable[[Sequence[int]], int]


def settle(selection: Selection, measure: Measure, limit: float, held: Sequence[int]) -> Selection:
    """The selection trimmed until its rendered text costs no more than the limit.

    Prices of sentences do not add up to the price of the text, so what was filled by price is
    rendered and counted. Where it is over, the longest part of the order of preference that fits
    stays (found by bisection), and with ``fill="skip"`` those after it are tried once more, one by
    one. Companions stand behind what they come with, and what comes along stands before, so any
    part of the order is complete.

    Args:
        selection: filled by additive prices.
        measure: the real cost of the text of some rows.
        limit: what it may cost.
        held: rows that may not be trimmed: pinned ones and what floors guarantee.

    Returns:
        The selection, or a smaller one; rows that went have the reason ``COST``.

    Raises:
        BudgetError: the held rows alone cost more than the limit.
    """
    order = selection.order.tolist()
    if measure(order) <= limit:
        return selection
    least = _last_of(order, frozenset(held))
    if least and (cost := measure(order[:least])) > limit:
        raise BudgetError(
            f"the text of the {least} sentences that must stay (pins, floors) has {cost:,} tokens, "
            f"but the budget allows {limit:,.10g}. Raise it, or pin less."
        )
    fits, over = least, len(order)
    while over - fits > 1:
        middle = (fits + over) // 2
        fits, over = (middle, over) if measure(order[:middle]) <= limit else (fits, middle)
    kept = order[:fits]
    if selection.provenance.fill == "skip":
        kept = _refill(selection, kept, order[fits:], measure, limit)
    return _keeping(selection, kept)


def _last_of(order: Sequence[int], held: frozenset[int]) -> int:
    return max((place + 1 for place, row in enumerate(order) if row in held), default=0)


def _refill(
    selection: Selection, kept: list[int], rest: Sequence[int], measure: Measure, limit: float
) -> list[int]:
    parent = selection.scores.items.parent
    inside = set(kept)
    for row in rest[:MOST_CHECKS]:
        above = int(parent[row])
        if above >= 0 and above not in inside and not selection.scores.items.shell[above]:
            continue
        if measure([*kept, row]) <= limit:
            kept.append(row)
            inside.add(row)
    return kept


def _keeping(selection: Selection, kept: Sequence[int]) -> Selection:
    reasons = selection.reasons.copy()
    gone = np.setdiff1d(selection.order, np.asarray(kept, dtype=np.int64))
    reasons[gone] = Reason.COST
    items = selection.scores.items
    titles = items.shell & (reasons < Reason.NOT_OFFERED)
    titles[with_titles(items, kept)] = False
    reasons[titles] = Reason.SHELL
    return replace(selection, order=np.asarray(kept, dtype=np.int64), reasons=reasons)


def with_titles(items: Items, rows: Sequence[int]) -> list[int]:
    """The rows and the titles that come along with them, which no order of preference holds.

    Args:
        items: the sentences; titles are shells.
        rows: kept ones, with all that they lean on.
    """
    if not items.shell.any():
        return list(rows)
    found = dict.fromkeys(rows)
    for row in rows:
        above = int(items.parent[row])
        if above >= 0 and items.shell[above]:
            found[above] = None
    return list(found)


def cut_to_fit(text: str, measure: Callable[[int], int], limit: float) -> int:
    """How many characters of a text fit: to the end of a word if one fits, else of a character.

    Args:
        text: a sentence that is too long by itself.
        measure: the cost of the first so many characters.
        limit: what they may cost.

    Returns:
        A length, 0 where nothing fits, or where nothing visible does.
    """
    if measure(len(text)) <= limit:
        return len(text)
    words = [m.end() for m in _WORD_END.finditer(text) if not joined(text, m.end())]
    length = _longest(words, measure, limit)
    if length:
        return length
    # Not even one word: scripts without spaces, or a string without any.
    first = words[0] if words else 0
    characters = [end for end in range(1, first) if not joined(text, end)]
    return _longest([end for end in characters if text[:end].strip()], measure, limit)


def _longest(ends: Sequence[int], measure: Callable[[int], int], limit: float) -> int:
    """The last of these ascending ends that fits; 0 for none. Counts need not be monotone."""
    fits, over = 0, len(ends)
    while fits < over:
        middle = (fits + over + 1) // 2
        if measure(ends[middle - 1]) <= limit:
            fits = middle
        else:
            over = middle - 1
    return ends[fits - 1] if fits else 0
