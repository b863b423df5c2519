"""The numbers of ordered lists: items that stay keep theirs, whatever goes from before them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from datapruner.context.html.tree import Tree

__all__ = ["Numbers", "item_numbers", "renumbered", "told_numbers"]

# A whole number in HTML (2.3.4.1), whatever stands behind it. Browsers keep 32 bits.
_NUMBER = re.compile(r"[ \t\n\f\r]*([+-]?[0-9]{1,10})(?![0-9])")
_MOST = 2**31 - 1

_Held = Mapping[str, str] | None


@dataclass(frozen=True)
class Numbers:
    """How a page numbers its lists, by the origins of rows.

    Attributes:
        items: the number of each item that stands directly in an ordered list.
        down: lists that count down.
    """

    items: Mapping[int, int]
    down: frozenset[int]


def told_numbers(tree: Tree) -> Numbers:
    """How a page numbers its lists.

    Args:
        tree: a page with the attributes ``start``, ``reversed`` and ``value`` it came with.
    """
    origins = tree.origins
    down = (row for row, _ in _lists(tree) if "reversed" in (tree.attributes[row] or ()))
    items = {origins[row]: number for row, number in item_numbers(tree).items()}
    return Numbers(items, frozenset(origins[row] for row in down))


def item_numbers(tree: Tree) -> dict[int, int]:
    """The number of each row that is an item of an ordered list, as a browser shows it.

    Args:
        tree: any; items that are not children of their list have no number.
    """
    found = {}
    attributes = tree.attributes
    for row, items in _lists(tree):
        number, step = _begin(attributes[row], len(items))
        for item in items:
            said = _whole(attributes[item], "value")
            number = number if said is None else said
            found[item] = number
            number += step
    return found


def renumbered(tree: Tree, numbers: Numbers) -> Tree:
    """The tree with the attributes that its items need to have these numbers.

    A list that begins elsewhere gets a ``start``, an item behind a gap a ``value``.

    Args:
        tree: a page whose items or attributes are gone in part.
        numbers: how it is to be numbered.
    """
    held = list(tree.attributes)
    for row, items in _lists(tree):
        if tree.origins[row] in numbers.down:
            held[row] = _with(held[row], "reversed", "")
        number, step = _begin(held[row], len(items))
        for place, item in enumerate(items):
            said = _whole(held[item], "value")
            number = number if said is None else said
            wanted = numbers.items.get(tree.origins[item], number)
            if wanted != number and (place or said is not None):
                held[item] = _with(held[item], "value", str(wanted))
            elif wanted != number:
                held[row] = _with(held[row], "start", str(wanted))
            number = wanted + step
    return replace(tree, attributes=held)


def _lists(tree: Tree) -> Iterator[tuple[int, list[int]]]:
    """Each ordered list with its items."""
    tags, ends = tree.tags, tree.ends
    row = -1
    for _ in range(tags.count("ol")):
        row = tags.index("ol", row + 1)
        items, child = [], row + 1
        while child < ends[row]:
            if tags[child] == "li":
                items.append(child)
            child = ends[child]
        yield row, items


def _begin(held: _Held, count: int) -> tuple[int, int]:
    """The first number of a list of so many items, and the step to the next."""
    number = _whole(held, "start")
    if held is not None and "reversed" in held:
        return (count if number is None else number), -1
    return (1 if number is None else number), 1


def _whole(held: _Held, name: str) -> int | None:
    """A whole number that an attribute gives."""
    if held is None or name not in held:
        return None
    found = _NUMBER.match(held[name])
    number = int(found[1]) if found else _MOST + 1
    return number if abs(number) <= _MOST else None


def _with(held: _Held, name: str, value: str) -> Mapping[str, str]:
    """The attributes with one more, ``start`` behind the others: read again, the order is this."""
    made = {**(held or {}), name: value}
    if "start" in made:
        made["start"] = made.pop("start")
    return made
