"""Items: n things, each with a price, a group, maybe a parent; what every scorer and ledger reads."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from datapruner.core.types import AnyArray, BoolArray, FloatArray, IntArray, UInt64Array
from datapruner.errors import InputError, MissingColumnError, nearest
from datapruner.rng import hash_strings, mix

__all__ = ["Items"]

_NO_PARENT = -1


@dataclass(frozen=True, eq=False)
class Items:
    """A frame of n rows with the five core columns; any other column is a feature.

    Build it with ``Items.of``, which fills the defaults and checks everything.

    Attributes:
        n: number of rows.
        cost: shape (n,), float64, finite and not negative; whole numbers are exact up to 2**53.
        unit: what one unit of cost is: ``"items"`` when every cost is 1, else for example ``"tokens"``.
        group: shape (n,), int32 codes into ``group_names``.
        group_names: one name a group, in code order.
        parent: shape (n,), int64, the row of the parent, -1 where there is none.
        pinned: shape (n,), bool, rows that are kept whatever they cost.
        shell: shape (n,), bool, structural rows: priced, never offered, not part of any count.
        barred: shape (n,), bool, rows that cannot be kept (unreadable, or without a direction);
            they keep their row number but are not part of any count.
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
        codes, names = _coded(n, group, group_names)
        for name, column in features.items():
            if hasattr(column, "__len__") and len(column) != n:
                raise InputError(f"feature {name!r} has {len(column)} entries for {n} rows.")
        return cls(
            n=n,
            cost=_costs(n, cost),
            unit=unit or ("items" if cost is None else "units"),
            group=codes,
            group_names=names,
            parent=_parents(n, parent),
            pinned=_flags(n, pinned, "pinned"),
            shell=_flags(n, shell, "shell"),
            barred=_flags(n, barred, "barred"),
            id=_ids(n, id),
            tie=None if tie is None else _column(n, tie, "tie").astype(np.uint64, copy=False),
            features=dict(features),
        )

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

    def bar(self, rows: BoolArray) -> Items:
        """The same items with these rows barred too; they cost nothing."""
        barred = self.barred | rows
        cost = self.cost if self.is_unit_cost else np.where(barred, 0.0, self.cost)
        return replace(self, barred=barred, pinned=self.pinned & ~barred, cost=cost)

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
        return hash_strings(self.id.tolist())

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
        new_place = np.full(self.n + 1, _NO_PARENT, dtype=np.int64)
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


def _pick(column: Any, rows: IntArray) -> Any:
    if isinstance(column, np.ndarray):
        return column[rows]
    if hasattr(column, "take") and not isinstance(column, (list, tuple)):
        return column.take(rows)
    return [column[row] for row in rows.tolist()]


def _column(n: int, values: Any, name: str) -> AnyArray:
    array = np.asarray(values)
    if array.shape != (n,):
        raise InputError(f"column {name!r} has shape {array.shape}; {n} rows need ({n},).")
    return array


def _costs(n: int, cost: Any) -> FloatArray:
    if cost is None:
        return np.broadcast_to(np.float64(1.0), (n,))
    array = _column(n, cost, "cost")
    if array.dtype.kind not in "iufb":
        raise InputError(f"costs must be numbers, not {array.dtype}.")
    array = array.astype(np.float64)
    wrong = np.flatnonzero(~(np.isfinite(array) & (array >= 0)))
    if wrong.size:
        shown = ", ".join(f"row {r}: {array[r]}" for r in wrong[:5])
        raise InputError(f"{wrong.size} costs are negative or not finite ({shown}).")
    return array


def _flags(n: int, values: Any, name: str) -> BoolArray:
    if values is None:
        return np.broadcast_to(np.False_, (n,))
    array = _column(n, values, name)
    if array.dtype != np.bool_ and array.size:
        raise InputError(f"column {name!r} must be true or false, not {array.dtype}.")
    return array.astype(np.bool_)


def _ids(n: int, values: Any) -> AnyArray | None:
    if values is None:
        return None
    if not isinstance(values, np.ndarray):
        values = list(values)
        if not (
            all(isinstance(v, str) for v in values)
            or all(isinstance(v, (int, np.integer)) and not isinstance(v, bool) for v in values)
        ):
            raise InputError("ids must be all integers or all text.")
        values = np.array(
            values, dtype=None if values and not isinstance(values[0], str) else object
        )
    array = _column(n, values, "id")
    if array.dtype.kind in "iu":
        array = array.astype(np.int64)
    elif array.dtype.kind not in "UO" and array.size:
        raise InputError(f"ids must be integers or text, not {array.dtype}.")
    else:
        array = array.astype(object)
    _refuse_repeats(array)
    return array


def _refuse_repeats(ids: AnyArray) -> None:
    if ids.dtype == object:
        seen: set[Any] = set()
        repeats = [v for v in ids.tolist() if v in seen or seen.add(v)]
    else:
        values, counts = np.unique(ids, return_counts=True)
        repeats = values[counts > 1].tolist()
    if repeats:
        shown = ", ".join(repr(v) for v in repeats[:5])
        raise InputError(f"{len(repeats)} ids occur more than once ({shown}); ids must be unique.")


def _coded(
    n: int, group: Any, group_names: Sequence[str] | None
) -> tuple[AnyArray, tuple[str, ...]]:
    if group is None:
        if group_names is not None:
            raise InputError("group_names were given without group codes.")
        return np.broadcast_to(np.int32(0), (n,)), ("all",)
    if group_names is not None:
        codes = _column(n, group, "group")
        if codes.size and (
            codes.dtype.kind not in "iu" or codes.min() < 0 or codes.max() >= len(group_names)
        ):
            raise InputError(f"group codes must be integers in [0, {len(group_names)}).")
        return codes.astype(np.int32), tuple(group_names)
    labels = np.asarray(group)
    if labels.dtype == object:
        labels = np.array([str(v) for v in labels.tolist()], dtype=str)
    labels = _column(n, labels, "group")
    if labels.dtype.kind == "f" and not np.all(np.isfinite(labels)):
        raise InputError("a group label is not a finite number; give every row a group.")
    names, codes = np.unique(labels, return_inverse=True)
    return codes.astype(np.int32), tuple(str(v) for v in names.tolist()) or ("all",)


def _parents(n: int, parent: Any) -> IntArray:
    if parent is None:
        return np.broadcast_to(np.int64(_NO_PARENT), (n,))
    array = _column(n, parent, "parent")
    if array.size and array.dtype.kind not in "iu":
        raise InputError(f"parents must be row numbers, not {array.dtype}.")
    array = array.astype(np.int64)
    if array.size and (array.min() < _NO_PARENT or array.max() >= n):
        raise InputError(f"parents must be row numbers in [0, {n}), or -1 for none.")
    if np.any(array >= np.arange(n)):
        _refuse_cycles(array)
    return array


def _refuse_cycles(parent: IntArray) -> None:
    # Pointer jumping: after enough doublings every chain has reached "none" unless it is a cycle.
    jump = np.append(parent, _NO_PARENT)
    for _ in range(int(parent.size).bit_length()):
        jump = jump[jump]
    stuck = np.flatnonzero(jump >= 0)
    if stuck.size:
        raise InputError(
            f"rows {stuck[:5].tolist()} are their own ancestors; parents form a cycle."
        )
