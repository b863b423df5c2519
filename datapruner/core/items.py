"""Items: n things, each with a price, a group, maybe a parent; what scorers and ledgers read."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from datapruner.core import columns
from datapruner.core.types import AnyArray, BoolArray, FloatArray, IntArray, UInt64Array
from datapruner.errors import InputError, MissingColumnError, nearest
from datapruner.rng import hash_ids, mix

__all__ = ["Items"]


@dataclass(frozen=True, eq=False)
class Items:
    """A frame of n rows with the five core columns; any other column is a feature.

    Build it with ``Items.of``, which fills the defaults and checks everything.

    Attributes:
        n: number of rows.
        cost: shape (n,), float64, finite and not negative; whole numbers are exact up to 2**53.
        unit: what one unit of cost is: ``"items"`` when every cost is 1, else say ``"tokens"``.
        group: shape (n,), int32 codes into ``group_names``.
        group_names: one name a group, in code order.
        parent: shape (n,), int64, the row of the parent, -1 where there is none.
        pinned: shape (n,), bool, rows that are kept whatever they cost.
        shell: shape (n,), bool, structural rows: priced, never offered, not part of any count.
        barred: shape (n,), bool, rows that cannot be kept (unreadable, or without a direction),
            and all rows below them; they keep their row number but are no part of any total.
        id: shape (n,), int64 or str; None when the row number is the id.
        tie: shape (n,), uint64, orders rows of equal score; None: derived from the ids.
        features: further columns by name (``text``, ``embedding``, ``label``, ...).
    """

    n: int
    cost: FloatArray
    unit: str
    group: AnyArray
    group_names: tuple[str, ...]
    parent: IntArray
    pinned: BoolArray
    shell: BoolArray
    barred: BoolArray
    id: AnyArray | None
    tie: UInt64Array | None
    features: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        n: int,
        *,
        id: Sequence[Any] | AnyArray | None = None,
        cost: Sequence[float] | AnyArray | None = None,
        unit: str | None = None,
        group: Sequence[Any] | AnyArray | None = None,
        group_names: Sequence[str] | None = None,
        parent: Sequence[int] | AnyArray | None = None,
        pinned: Sequence[bool] | AnyArray | None = None,
        shell: Sequence[bool] | AnyArray | None = None,
        barred: Sequence[bool] | AnyArray | None = None,
        tie: UInt64Array | None = None,
        **features: Any,
    ) -> Items:
        """Items with every column checked; a missing column takes its neutral value.

        Args:
            n: number of rows, 0 or more.
            id: the user's names for the rows, all integers or all text, without repeats.
            cost: price of each row; default 1 each.
            unit: name of the cost unit; default ``"items"`` without costs, ``"units"`` with them.
            group: any labels (sorted and coded), or int codes if ``group_names`` is given.
            group_names: names of the coded groups; an empty group may be named here.
            parent: row number of each row's parent, -1 for none; no cycles.
            pinned: rows that must be kept.
            shell: structural rows.
            barred: rows that cannot be kept.
            tie: order of rows with equal scores; default from the ids.
            **features: columns for scorers; each must have n entries.

        Raises:
            InputError: a column of the wrong length or with values that cannot be used.
        """
        if n < 0:
            raise InputError(f"n is {n}; it must be 0 or more.")
        codes, names = columns.coded_groups(n, group, group_names)
        _check_features(n, features)
        above = columns.parents(n, parent)
        kept = columns.flags(n, pinned, "pinned")
        out = columns.inherited(above, columns.flags(n, barred, "barred"))
        _refuse_torn(kept & out)
        return cls(
            n=n,
            cost=columns.costs(n, cost),
            unit=unit or ("items" if cost is None else "units"),
            group=codes,
            group_names=names,
            parent=above,
            pinned=kept,
            shell=columns.flags(n, shell, "shell"),
            barred=out,
            id=columns.ids(n, id),
            tie=None
            if tie is None
            else columns.checked(n, tie, "tie").astype(np.uint64, copy=False),
            features=dict(features),
        )

    def __repr__(self) -> str:
        """One line: how many rows, what they are priced in, and which features they have."""
        features = ", ".join(self.features) or "none"
        return f"Items({self.n:,} rows, priced in {self.unit}, features: {features})"

    @cached_property
    def is_unit_cost(self) -> bool:
        """Whether every row costs exactly 1."""
        return bool(np.all(self.cost == 1.0))

    @cached_property
    def has_parents(self) -> bool:
        """Whether any row has a parent."""
        return bool(np.any(self.parent >= 0))

    @cached_property
    def forced(self) -> BoolArray:
        """Shape (n,), bool: the pinned rows and all their ancestors."""
        forced = self.pinned.copy()
        above = self.parent[forced]
        while (above := above[above >= 0]).size:
            above = above[~forced[above]]
            forced[above] = True
            above = self.parent[above]
        return forced

    @cached_property
    def countable(self) -> int:
        """Rows that a count or a share is a count or share of: all but shells and barred rows."""
        return int(np.count_nonzero(self.is_countable))

    @cached_property
    def is_countable(self) -> BoolArray:
        """Shape (n,), bool: neither a shell nor barred."""
        return ~(self.shell | self.barred)

    @cached_property
    def total_cost(self) -> float:
        """The price of all rows together, barred rows apart; the same in any order of rows."""
        if self.is_unit_cost:
            return float(self.n - np.count_nonzero(self.barred))
        return math.fsum(self.cost[~self.barred])

    def only_countable(self, rows: IntArray) -> IntArray:
        """These rows in this order without the shells and barred rows among them."""
        return rows if self.countable == self.n else rows[self.is_countable[rows]]

    def bar(self, rows: BoolArray) -> Items:
        """The same items with these rows, and all rows below them, barred and unpinned too."""
        barred = columns.inherited(self.parent, self.barred | rows)
        return replace(self, barred=barred, pinned=self.pinned & ~barred)

    def tie_keys(self) -> UInt64Array:
        """Shape (n,), uint64: what orders rows of equal score.

        The row number when rows have no ids (so the first of two equal rows wins), else a hash of
        the id: then shuffled input gives the same answer, and no part of a file is favoured.
        """
        return self._tie_keys

    @cached_property
    def _tie_keys(self) -> UInt64Array:
        if self.tie is not None:
            return self.tie
        if self.id is None:
            return np.arange(self.n, dtype=np.uint64)
        if self.id.dtype.kind == "i":
            return mix(self.id)
        return hash_ids(self.id.tolist())

    @property
    def ids(self) -> AnyArray:
        """Shape (n,): the ids, or the row numbers where rows have none."""
        return np.arange(self.n) if self.id is None else self.id

    def feature(self, name: str, asked_by: str = "this scorer") -> Any:
        """The feature column of that name.

        Raises:
            MissingColumnError: there is none; the message names the nearest.
        """
        if name not in self.features:
            raise MissingColumnError(
                f"{asked_by} needs the column {name!r}, which these items do not have. "
                f"{nearest(name, self.features)}"
            )
        return self.features[name]

    def take(self, rows: IntArray) -> Items:
        """These rows alone, in this order; a parent that is not among them becomes none."""
        new_place = np.full(self.n + 1, columns.NO_PARENT, dtype=np.int64)
        new_place[rows] = np.arange(rows.size)
        return Items(
            n=int(rows.size),
            cost=self.cost[rows],
            unit=self.unit,
            group=self.group[rows],
            group_names=self.group_names,
            parent=new_place[self.parent[rows]],
            pinned=self.pinned[rows],
            shell=self.shell[rows],
            barred=self.barred[rows],
            id=self.ids[rows],
            tie=self.tie_keys()[rows],
            features={name: _pick(column, rows) for name, column in self.features.items()},
        )

    def to_archive(self) -> tuple[dict[str, Any], dict[str, AnyArray]]:
        """The header and arrays that ``from_archive`` reads back; features are left out."""
        arrays: dict[str, AnyArray] = {
            "cost": self.cost,
            "item_group": self.group.astype(np.int32),
            "parent": self.parent,
            "pinned": self.pinned,
            "shell": self.shell,
            "barred": self.barred,
        }
        # Keys that follow from the ids are not written down.
        if self.tie is not None:
            arrays["tie"] = self.tie
        if self.id is not None:
            arrays["id"] = self.id
        names = list(self.group_names)
        return {"n": self.n, "unit": self.unit, "item_group_names": names}, arrays

    @classmethod
    def from_archive(cls, header: Mapping[str, Any], arrays: Mapping[str, AnyArray]) -> Items:
        """What ``to_archive`` gave; a KeyError where an entry is missing."""
        needed = ("cost", "parent", "pinned", "shell", "barred")
        return cls.of(
            header["n"],
            id=arrays.get("id"),
            unit=header["unit"],
            group=arrays["item_group"],
            group_names=header["item_group_names"],
            tie=arrays.get("tie"),
            **{name: arrays[name] for name in needed},
        )

    @cached_property
    def fingerprint(self) -> str:
        """Hex digest of ids, prices and groups, the same for the same rows in another order."""
        keys = mix(self.tie_keys()) if self.tie is None and self.id is None else self.tie_keys()
        with np.errstate(over="ignore"):
            rows = mix(keys ^ self.cost.astype(np.float64).view(np.uint64))
            rows = mix(rows + self.group.astype(np.uint64), 1)
            total = int(np.sum(rows, dtype=np.uint64))
        text = f"{self.n}|{self.unit}|{'|'.join(self.group_names)}|{total}"
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _check_features(n: int, features: Mapping[str, Any]) -> None:
    for name, column in features.items():
        if hasattr(column, "__len__") and len(column) != n:
            raise InputError(
                f"feature {name!r} has {len(column)} entries for {n} rows; give one a row."
            )


def _refuse_torn(torn: BoolArray) -> None:
    if torn.any():
        raise InputError(
            f"rows {np.flatnonzero(torn)[:5].tolist()} are pinned but cannot be kept: they are "
            "barred, or inside a barred row. Unpin them."
        )


def _pick(column: Any, rows: IntArray) -> Any:
    if isinstance(column, np.ndarray):
        return column[rows]
    if hasattr(column, "take") and not isinstance(column, (list, tuple)):
        return column.take(rows)
    return [column[row] for row in rows.tolist()]
