"""The rows that rounds are drawn from: which there are, what they are known by, their classes."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.core.types import AnyArray, BoolArray, FloatArray, IntArray, UInt64Array
from datapruner.errors import InputError, ScoreError
from datapruner.rng import mix

__all__ = ["Population", "Stratum", "populate"]

_SHOWN = 5


@dataclass(frozen=True, eq=False)
class Stratum:
    """The rows of one class.

    Attributes:
        rows: shape (m,), int64, ascending row numbers; None: all rows.
        keys: shape (m,), uint64, what they are known by; None: their row numbers.
        size: m.
    """

    rows: IntArray | None
    keys: UInt64Array | None
    size: int

    def numbered(self, places: IntArray) -> IntArray:
        """Row numbers of places in this stratum."""
        return places if self.rows is None else self.rows[places]


@dataclass(frozen=True, eq=False)
class Population:
    """Rows to draw from.

    Attributes:
        n: rows of the data, those that cannot be used included.
        keys: shape (n,), uint64, hashes of the ids; None: rows are known by their number.
        classes: shape (n,), int32 codes; None: one class.
        names: of the classes, in code order.
        usable: shape (m,), int64, rows that may be drawn, ascending; None: all.
        scores: shape (n,), float64, chances to be drawn; None: equal.
    """

    n: int
    keys: UInt64Array | None = None
    classes: AnyArray | None = None
    names: tuple[str, ...] = ("",)
    usable: IntArray | None = None
    scores: FloatArray | None = None

    @property
    def size(self) -> int:
        """Rows that may be drawn."""
        return self.n if self.usable is None else int(self.usable.size)

    @cached_property
    def strata(self) -> tuple[Stratum, ...]:
        """The classes that have rows, in the order of their names; one class if none are known."""
        if self.classes is None:
            return (self._stratum(self.usable, self.size),)
        rows = np.arange(self.n) if self.usable is None else self.usable
        order = rows[np.argsort(self.classes[rows], kind="stable")]
        counts = np.bincount(self.classes[rows], minlength=len(self.names))
        ends = np.cumsum(counts)
        return tuple(
            self._stratum(order[end - count : end], int(count))
            for end, count in zip(ends.tolist(), counts.tolist(), strict=True)
            if count
        )

    def _stratum(self, rows: IntArray | None, size: int) -> Stratum:
        keys = self.keys if rows is None or self.keys is None else self.keys[rows]
        if keys is None and rows is not None:
            keys = rows.astype(np.uint64)
        return Stratum(rows, keys, size)

    @cached_property
    def digest(self) -> str:
        """32 hexadecimal digits of ids, classes, chances and usable rows, in any order of rows."""
        rows = np.arange(self.n) if self.usable is None else self.usable
        marks = mix(rows if self.keys is None else self.keys[rows])
        with np.errstate(over="ignore"):
            if self.classes is not None:
                marks = mix(marks + self.classes[rows].astype(np.uint64), 1)
            if self.scores is not None:
                marks = mix(marks ^ self.scores[rows].view(np.uint64), 2)
            total = int(np.sum(marks, dtype=np.uint64))
        known = "numbers" if self.keys is None else "ids"
        text = f"{self.n}|{self.size}|{known}|{'|'.join(self.names)}|{total}"
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

    def to_arrays(self) -> dict[str, AnyArray]:
        """What ``from_arrays`` reads back."""
        names = ("keys", "classes", "usable", "scores")
        found = {name: getattr(self, name) for name in names}
        return {name: array for name, array in found.items() if array is not None}

    @classmethod
    def from_arrays(cls, n: int, names: list[str], arrays: Mapping[str, AnyArray]) -> Population:
        """What ``to_arrays`` gave."""
        return cls(n=n, names=tuple(names), **arrays)


def populate(
    data: Any,
    *,
    label: Any = None,
    id: str | None = None,
    scores: Any = None,
    on_bad: Literal["error", "drop"] = "error",
) -> Population:
    """The rows to draw from, whatever they are given as; see ``resample``.

    Raises:
        InputError: no such data, labels or scores of another length, rows that cannot be read.
        ScoreError: scores that are no chances.
    """
    if isinstance(data, int | np.integer) and not isinstance(data, bool):
        if id is not None:
            raise InputError(f"id is {id!r}, but a number of rows has no columns; give the rows.")
        if data < 0:
            raise InputError(f"{data} rows are too few; give their number, or the rows themselves.")
        items = Items.of(int(data), group=_labels(label, int(data)))
        found = _of_items(items, is_numbered=True)
    elif isinstance(data, Items):
        found = _of_items(_grouped(data, label), is_numbered=data.id is None and data.tie is None)
    else:
        found = _of_rows(data, label, id, on_bad)
    return found if scores is None else _with_scores(found, scores)


def _of_rows(data: Any, label: Any, id: str | None, on_bad: Any) -> Population:
    from datapruner.dataset.reading import Reading, read_items

    named = label if isinstance(label, str) else None
    loaded, _ = read_items(data, Reading(label=named, id=id, on_bad=on_bad), (), progress=None)
    items = loaded.items if named is not None else _grouped(loaded.items, label)
    return _of_items(items, is_numbered=False)


def _of_items(items: Items, *, is_numbered: bool) -> Population:
    is_one = len(items.group_names) < 2
    usable = items.is_countable
    return Population(
        n=items.n,
        keys=None if is_numbered else items.tie_keys(),
        classes=None if is_one else items.group,
        names=("",) if is_one else items.group_names,
        usable=None if usable.all() else np.flatnonzero(usable),
    )


def _labels(label: Any, n: int) -> Any:
    if isinstance(label, str):
        raise InputError(
            f"label is {label!r}, but a number of rows has no columns; give {n} labels, or the "
            "rows themselves."
        )
    if label is None:
        return None
    values = label.tolist() if hasattr(label, "tolist") else list(label)
    if len(values) != n:
        raise InputError(f"{len(values)} labels do not fit {n} rows; give one a row.")
    return [str(value) for value in values]


def _grouped(items: Items, label: Any) -> Items:
    """The items with these labels as groups; without labels all are one group."""
    groups = _labels(label, items.n)
    fresh = Items.of(items.n, group=groups)
    return dataclasses.replace(items, group=fresh.group, group_names=fresh.group_names)


def _in_the_running(scores: Any, n: int) -> BoolArray:
    """Rows that their scorer has not ruled out."""
    rulings = scores.rulings if isinstance(scores, Scores) else None
    return np.ones(n, dtype=np.bool_) if rulings is None else rulings.reason == 0


def _order_of(scores: Scores, population: Population) -> IntArray | None:
    """Shape (n,), int64: where the scores have each row; None: where the data has it.

    Scores of the same ids in another order are put in order. Where none of the ids are the same,
    they come from another column, and the position of a row is all there is to go by.

    Raises:
        InputError: some of the rows have scores, and some have not.
    """
    ours, theirs = population.keys, scores.items.tie_keys()
    known = scores.items.id is not None and ours is not None
    if ours is None or not known or np.array_equal(ours, theirs):
        return None
    missing = int(np.count_nonzero(~np.isin(ours, theirs)))
    if missing == len(ours) or not len(ours):
        return None
    if missing:
        raise InputError(
            f"the scores are of other rows: {missing} of {len(ours)} ids are not among the "
            f"{len(theirs)} that were scored. Score the rows that you draw from."
        )
    by_key = np.argsort(theirs)
    order: IntArray = by_key[np.searchsorted(theirs, ours, sorter=by_key)]
    return order


def _with_scores(population: Population, scores: Any) -> Population:
    if population.classes is not None:
        raise InputError(
            "scores and labels cannot both steer the draw; weigh the classes within the scores, "
            "or leave one of them out."
        )
    given = scores.values if isinstance(scores, Scores) else scores
    values = np.array(given, dtype=np.float64)
    running = _in_the_running(scores, len(values))
    order = _order_of(scores, population) if isinstance(scores, Scores) else None
    if order is not None:
        values, running = values[order], running[order]
    if values.shape != (population.n,):
        raise ScoreError(
            f"scores have shape {values.shape}; {population.n} rows need one each, "
            f"({population.n},)."
        )
    wrong = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
    if wrong.size:
        shown = ", ".join(f"row {row}: {values[row]:g}" for row in wrong[:_SHOWN])
        raise ScoreError(
            f"{wrong.size} scores are no chances ({shown}); a score here must be finite and not "
            "negative. Shift or mend them."
        )
    drawn = np.flatnonzero((values > 0) & running)
    if population.usable is not None:
        drawn = np.intersect1d(drawn, population.usable, assume_unique=True)
    usable = None if drawn.size == population.n else drawn
    return dataclasses.replace(population, usable=usable, scores=values)
