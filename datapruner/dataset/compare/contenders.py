"""Who competes: methods of the registry, subsets of one's own, and those that always run.

A contender that keeps a subset says which rows, for a budget and a seed; RS2 has other rows every
round, and the reference trains on all of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Protocol

import numpy as np

from datapruner.core.budget import Budget
from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.core.select import select
from datapruner.core.selection import Selection
from datapruner.core.types import IntArray
from datapruner.dataset.compare.pool import Pool
from datapruner.dataset.reading import Reading
from datapruner.dataset.runrows import check_runs, reads_log
from datapruner.errors import BudgetError, InputError, UnknownMethodError
from datapruner.errors import nearest as nearest_names
from datapruner.methods import METHODS, dataset_method, load, picker

__all__ = [
    "ALL",
    "ALWAYS",
    "RS2",
    "Contender",
    "Registered",
    "contenders",
    "settled",
]

RS2 = "rs2"
ALWAYS = ("random", RS2)
ALL = "all, same steps"
_SHOWN = 5


class Contender(Protocol):
    """Keeps a subset."""

    @property
    def name(self) -> str:
        """What the table calls it."""
        ...

    def takes_part(self, k: int) -> bool:
        """Whether it competes at a budget of k rows."""
        ...

    def choose(self, pool: Pool, k: int) -> Any:
        """Row numbers of the data."""
        ...


@dataclass(frozen=True, eq=False)
class Registered:
    """A method of the registry, with its own pick or another.

    Attributes:
        name: as it was written, ``"prototypes"`` or ``"prototypes:high"``.
        method: its name alone.
        pick: the pick; None: the method's own choice.
        options: of the scorer, where it has a field of that name.
    """

    name: str
    method: str
    pick: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    _scored: dict[int, Scores] = field(default_factory=dict, repr=False)

    def takes_part(self, k: int) -> bool:
        """At every budget."""
        return True

    def choose(self, pool: Pool, k: int) -> IntArray:
        """Scored once a seed, cut for every budget; as ``prune`` with the seed of the pool."""
        if pool.seed not in self._scored:
            self._scored.clear()  # the seed before is over
            self._scored[pool.seed] = self._score(pool)
        scores = self._scored[pool.seed]
        found = select(scores, Budget(count=k), pick=self.pick, seed=pool.seed)
        return pool.rows[found.indices]

    def _score(self, pool: Pool) -> Scores:
        items = pool.logged if reads_log(METHODS[self.method]) else pool.items
        assert items is not None, "contenders() refuses a method without its log"
        scorer = load(METHODS[self.method].scorer)
        known = {one.name for one in fields(scorer)}
        made = scorer(**{name: self.options[name] for name in self.options if name in known})
        scores: Scores = made(items, seed=pool.seed)
        return scores


@dataclass(frozen=True, eq=False)
class Own:
    """Rows that somebody chose, the same for every seed; competes where it has the size."""

    name: str
    rows: IntArray

    def takes_part(self, k: int) -> bool:
        """At the budget that it meets exactly."""
        return k == self.rows.size

    def choose(self, pool: Pool, k: int) -> IntArray:
        """The rows as they were given."""
        return self.rows


@dataclass(frozen=True, eq=False)
class Called:
    """A function of the pool and the number of rows."""

    name: str
    function: Callable[[Pool, int], Any]

    def takes_part(self, k: int) -> bool:
        """At every budget."""
        return True

    def choose(self, pool: Pool, k: int) -> Any:
        """Whatever the function gives; ``settled`` checks it."""
        return self.function(pool, k)


def contenders(
    methods: str | Iterable[str] | Mapping[str, Any],
    items: Items,
    reading: Reading,
    *,
    budgets: Sequence[tuple[str, int]],
) -> list[Contender]:
    """Random, and everybody who was asked for; RS2 and the reference keep no subset.

    Args:
        methods: names, or a mapping from names to a name, rows, text ids, a Selection or a
            function of (Pool, k).
        items: the rows of the data.
        reading: how they were read; its runs are those that methods may score.
        budgets: as text, with the rows they come to.

    Raises:
        UnknownMethodError: a name that nobody has.
        MissingColumnError: a method that reads a logged run, and there is none.
        InputError: rows that cannot be.
        BudgetError: rows that meet none of the budgets.
    """
    if isinstance(methods, str):
        methods = [methods]
    asked = dict(methods) if isinstance(methods, Mapping) else {name: name for name in methods}
    found: dict[str, Contender] = {"random": Registered("random", "random")}
    for name, given in asked.items():
        if name in (RS2, ALL) or (name == "random" and given != name):
            if given != name:
                raise InputError(f"{name!r} always runs; give your own rows another name.")
            continue
        if isinstance(given, str):
            found[name] = _registered(name, given, reading)
        elif callable(given):
            found[name] = Called(name, given)
        else:
            own = Own(name, _own_rows(name, given, items))
            if not any(own.takes_part(k) for _, k in budgets):
                listed = ", ".join(f"{text} is {k}" for text, k in budgets)
                raise BudgetError(
                    f"{name} keeps {own.rows.size} rows, and no budget comes to that: {listed}. "
                    "Methods are only compared at equal size."
                )
            found[name] = own
    return list(found.values())


def settled(contender: Contender, pool: Pool, k: int) -> tuple[IntArray, float]:
    """The rows of a contender, once it is certain that they are a subset of the right size.

    Returns:
        The rows, ascending, and the CPU seconds it took to choose them.

    Raises:
        InputError: no row numbers, rows that are held out, or some of them twice.
        BudgetError: more rows than k, or fewer.
    """
    begun = time.process_time()
    given = contender.choose(pool, k)
    seconds = time.process_time() - begun
    rows = np.sort(_numbers(contender.name, given))
    outside = rows[~np.isin(rows, pool.rows)]
    if outside.size:
        raise InputError(
            f"{contender.name} keeps {outside.size} rows that cannot be trained on: they are held "
            f"out for the test, or cannot be used, or do not exist (rows {_shown(outside)}). Fixed "
            "rows need a test set of their own, test=...; a function of (pool, k) chooses among "
            "pool.rows."
        )
    if np.unique(rows).size != rows.size:
        raise InputError(f"{contender.name} keeps some rows twice; give each row once.")
    if rows.size != k:
        raise BudgetError(
            f"{contender.name} keeps {rows.size} rows where the budget is {k}; methods are only "
            "compared at equal size. Take a budget that it can meet, or leave it out."
        )
    return rows, seconds


def _registered(name: str, spec: str, reading: Reading) -> Contender:
    method, _, pick = spec.partition(":")
    if method not in METHODS:
        known = [entry.name for entry in METHODS.values() if entry.side == "dataset"]
        raise UnknownMethodError(
            f"there is no method {method!r} to compare. {nearest_names(method, [*known, RS2])}"
        )
    entry = dataset_method(method)
    if pick:
        picker(pick)
    if reads_log(entry):
        check_runs(entry, reading.log, None, reading.held_in if "held_in" in entry.needs else None)
    return Registered(
        name, method, pick or None, {"device": reading.device, "on_bad": reading.on_bad}
    )


def _own_rows(name: str, given: Any, items: Items) -> IntArray:
    if isinstance(given, Selection):
        if given.mask.size != items.n:
            raise InputError(
                f"{name} is a selection of {given.mask.size} rows and the data have {items.n}; "
                "select from the same data."
            )
        return given.indices
    values = given.tolist() if hasattr(given, "tolist") else list(given)
    if not values or not all(isinstance(value, str) for value in values):
        return _numbers(name, values)
    place = {str(one): row for row, one in enumerate(items.ids.tolist())}
    unknown = [value for value in values if value not in place]
    if unknown:
        raise InputError(
            f"{name} names {len(unknown)} ids that the data do not have "
            f"({', '.join(map(repr, unknown[:_SHOWN]))}); name their column with id=... (--id)."
        )
    return np.array([place[value] for value in values], dtype=np.int64)


def _numbers(name: str, given: Any) -> IntArray:
    rows = np.asarray(given)
    if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "iu"):
        raise InputError(
            f"{name} gives an array of shape {rows.shape} and dtype {rows.dtype}; give row "
            "numbers, whole and in one dimension."
        )
    return rows.astype(np.int64)


def _shown(rows: IntArray) -> str:
    more = ", ..." if rows.size > _SHOWN else ""
    return f"{', '.join(map(str, rows[:_SHOWN].tolist()))}{more}"
