"""Selection: the answer. Which rows stay, in order of preference, and why each other row goes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from datapruner.core.archive import read_archive, write_archive
from datapruner.core.budget import Budget, Limits, as_budget
from datapruner.core.explain import explain_row
from datapruner.core.ledger import Ledger
from datapruner.core.reason import Reason
from datapruner.core.scores import Scores
from datapruner.core.types import AnyArray, BoolArray, IntArray, UInt8Array
from datapruner.errors import BudgetError, FormatError, InputError

if TYPE_CHECKING:
    from datapruner.core.report import Report

__all__ = ["Provenance", "Selection"]

T = TypeVar("T")


@dataclass(frozen=True)
class Provenance:
    """How a selection came about: enough to make it again.

    Attributes:
        method, pick, allocate, fill: the recipe's parts by name.
        budget: the budget as text.
        seed: the user's seed.
        side: which end of the scores is preferred: ``"high"``, ``"low"`` or ``"any"``.
        limits: the budget in numbers.
        unit: what costs are counted in.
        fingerprint: digest of the items.
        version: of datapruner.
        details: what ran (backends, k, embedder, ...).
        notes: sentences for the user.
    """

    method: str
    pick: str
    allocate: str
    fill: str
    budget: str
    seed: int
    side: str
    limits: Mapping[str, Any]
    unit: str
    fingerprint: str
    version: str
    details: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Selection:
    """The rows to keep and the reason of every row.

    Attributes:
        order: shape (k,), int64, kept rows (shells left out) in order of preference.
        reasons: shape (n,), uint8, a ``Reason`` a row.
        scores: what the decision rests on, with the items.
        provenance: how it came about.
    """

    order: IntArray
    reasons: UInt8Array
    scores: Scores
    provenance: Provenance

    @cached_property
    def mask(self) -> BoolArray:
        """Shape (n,), bool: True for every kept row, shells that came along included."""
        mask: BoolArray = self.reasons < Reason.NOT_OFFERED
        return mask

    @cached_property
    def indices(self) -> IntArray:
        """Shape (k,), int64: the kept rows in ascending order, shells left out."""
        return np.sort(self.order)

    @cached_property
    def scored(self) -> BoolArray:
        """Shape (n,), bool: True where the score counts: not for shells, barred rows, rows that
        the scorer ruled out, and rows that an earlier stage dropped."""
        seen: BoolArray = self.reasons != Reason.EARLIER_STAGE
        return self.scores.contenders & seen

    @property
    def cost(self) -> float:
        """The total price of what is kept, shells included."""
        return math.fsum(self.scores.items.cost[self.mask])

    @property
    def ids(self) -> AnyArray:
        """Shape (k,): the ids of the kept rows in order of preference."""
        return self.scores.items.ids[self.order]

    def __len__(self) -> int:
        """Number of kept rows, shells left out."""
        return int(self.order.size)

    def __repr__(self) -> str:
        """One line: how many of how many, by which recipe."""
        p = self.provenance
        return (
            f"Selection({len(self)} of {self.scores.items.countable} kept, {p.method}, {p.budget})"
        )

    def apply(self, data: T) -> T:
        """The kept rows of the data, in their original order; the same type out as in.

        Args:
            data: what was pruned, or anything with the same rows: a list, a dict of columns, an
                array, a polars, pandas, Hugging Face or torch data set.

        Raises:
            InputError: it has another number of rows, or a type nobody knows how to cut.
        """
        from datapruner.methods import TAKE_ROWS, load

        kept: T = load(TAKE_ROWS)(data, self.indices, self.scores.items.n)
        return kept

    def cut(self, budget: Budget | str | float) -> Selection:
        """A smaller selection inside this one: its best rows that fit the budget.

        Shares are of the original rows, so ``s.cut("10%")`` keeps a tenth of what there was, and
        every cut is a subset of every larger one.

        Raises:
            BudgetError: the budget cannot be read or met, or speaks of groups or a threshold.
        """
        wanted = as_budget(budget)
        if wanted.per_group is not None or wanted.floor or wanted.threshold is not None:
            raise BudgetError(
                f"cannot cut to {wanted}: a cut takes the best rows of this selection, whatever "
                "their group or score. Give a share, a number or a price, or select again."
            )
        items = self.scores.items
        limits = wanted.resolve(items, self.scores.n_groups)
        ledger = Ledger(
            items, count=limits.count, cost=limits.cost, eligible=self.mask, fill="stop"
        )
        ledger.admit_many(self.order)
        reasons = np.where(self.mask, ledger.reasons, self.reasons).astype(np.uint8)
        before = self.provenance.limits
        provenance = replace(
            self.provenance,
            budget=f"{self.provenance.budget}; cut to {wanted}",
            limits={
                **before,
                "count": min(before["count"], limits.count),
                "cost": _lower(before["cost"], limits_dict(limits)["cost"]),
            },
            fill="stop",
        )
        return Selection(ledger.order, reasons, self.scores, provenance)

    def row_of(self, id: Any) -> int:
        """The row number of an id, as the user wrote it (``17`` and ``"17"`` both find 17).

        Raises:
            InputError: no such id.
        """
        ids = self.scores.items.ids
        found = np.flatnonzero(ids == id)
        if not found.size:
            found = np.flatnonzero(ids.astype(str) == str(id))
        if not found.size:
            shown = ", ".join(str(v) for v in ids[:3].tolist())
            raise InputError(
                f"no row has the id {id!r}; "
                + (f"ids look like {shown}." if shown else "the selection has no rows at all.")
            )
        return int(found[0])

    def explain(self, row: int | None = None, *, id: Any = None) -> str:
        """Why this row was kept or dropped: score, rank, group, price and rule, as text.

        Args:
            row: its number; negative counts from the end.
            id: its id, instead of the number.

        Raises:
            InputError: there is no such row, or neither or both were given.
        """
        n = self.scores.items.n
        if (row is None) == (id is None):
            raise InputError("explain wants a row number, or id=...; give one of the two.")
        if row is None:
            row = self.row_of(id)
        if isinstance(row, bool) or not isinstance(row, int | np.integer):
            raise InputError(f"{row!r} is no row number; for an id write explain(id={row!r}).")
        row = int(row)
        if not -n <= row < n:
            raise InputError(
                f"there is no row {row}; "
                + (f"rows go from 0 to {n - 1}." if n else "the selection has no rows at all.")
            )
        return explain_row(self, row % n)

    def report(self) -> Report:
        """What happened, for human eyes (``str``) or as JSON (``to_dict``)."""
        from datapruner.core.report import Report

        return Report.of(self)

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write the selection with its scores; it can be explained and cut after ``load``.

        Args:
            path: an ``.npz`` file; it appears whole or not at all.
            overwrite: replace a file that exists.

        Raises:
            OutputError: the file exists or cannot be written.
        """
        header, arrays = self.scores.to_archive()
        header["provenance"] = asdict(self.provenance)
        arrays["order"] = self.order
        arrays["reasons"] = self.reasons
        write_archive(path, "selection", header, arrays, overwrite=overwrite)

    @classmethod
    def load(cls, path: str | Path) -> Selection:
        """Read what ``save`` wrote.

        Raises:
            FormatError: not a selection file, damaged, or of another version.
        """
        header, arrays = read_archive(path, "selection")
        scores = Scores.from_archive(path, header, arrays)
        try:
            provenance = header["provenance"]
            order, reasons = arrays["order"], arrays["reasons"]
            n = scores.items.n
            if reasons.shape != (n,) or not np.all(np.isin(reasons, list(Reason))):
                raise ValueError("its reasons do not fit its rows")
            if order.ndim != 1 or (order.size and not 0 <= order.min() <= order.max() < n):
                raise ValueError("its order names rows that are not there")
            told = Provenance(**{**provenance, "notes": tuple(provenance["notes"])})
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(f"{path} is damaged: {error}. Make it again.") from error
        return cls(order, reasons, scores, told)


def _lower(a: float | None, b: float | None) -> float | None:
    known = [v for v in (a, b) if v is not None]
    return min(known) if known else None


def limits_dict(limits: Limits) -> dict[str, Any]:
    """Limits as JSON-able values; no limit on the price is None."""
    return {
        "count": limits.count,
        "cost": limits.cost if limits.limits_cost else None,
        "per_group": limits.per_group,
        "floor": limits.floor,
        "threshold": limits.threshold,
    }
