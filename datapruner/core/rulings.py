"""Rulings: rows that a scorer rules out, whatever the picker and the budget, and why.

A duplicate, or a row below a limit of quality, is no candidate: it is not offered, and no quota,
ceiling or floor counts it. It stays a row like any other in what a share is a share of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from datapruner.core.reason import Reason
from datapruner.core.twins import Twins
from datapruner.core.types import AnyArray, BoolArray, FloatArray, UInt8Array
from datapruner.errors import ScoreError

__all__ = ["RULINGS", "Rulings", "united"]

RULINGS = (Reason.DUPLICATE, Reason.QUALITY)
"""The reasons a scorer may rule a row out for; the others are the ledger's."""

STAYS = 0


@dataclass(frozen=True, eq=False)
class Rulings:
    """One ruling a row, with the evidence where it was made by a column of numbers.

    The evidence behind a duplicate is in the scores' ``Twins``.

    Attributes:
        reason: shape (n,), uint8: 0 for a row that stays in the running, else
            ``Reason.DUPLICATE`` or ``Reason.QUALITY``.
        column: the name of the column of quality; None where nobody looked at one.
        quality: shape (n,), float64, finite: that column, higher is better; None without one.
        limit: the lowest quality of a row that stays on its merits; None where there is none.

    Raises:
        ScoreError: lengths, reasons or values that cannot be.
    """

    reason: UInt8Array
    column: str | None = None
    quality: FloatArray | None = None
    limit: float | None = None

    def __post_init__(self) -> None:
        """Check once, for files are read through here as well."""
        reason = np.asarray(self.reason)
        if reason.ndim != 1 or (reason.size and reason.dtype.kind not in "iu"):
            raise ScoreError(
                f"rulings are {reason.dtype} of shape {reason.shape}; each row needs a whole "
                "number: 0, or the reason it is ruled out for."
            )
        wrong = np.flatnonzero(~np.isin(reason, (STAYS, *RULINGS)))
        if wrong.size:
            known = ", ".join(f"{int(r)} ({r.name})" for r in RULINGS)
            raise ScoreError(
                f"row {wrong[0]} is ruled out for the reason {reason[wrong[0]]}; a scorer may "
                f"give {known}, and 0 for a row that stays."
            )
        object.__setattr__(self, "reason", reason.astype(np.uint8, copy=False))
        self._check_quality()

    def _check_quality(self) -> None:
        if (self.column is None) != (self.quality is None):
            raise ScoreError("a column of quality has a name and values; give both or neither.")
        if self.quality is None:
            return
        quality = np.asarray(self.quality, dtype=np.float64)
        if quality.shape != self.reason.shape:
            raise ScoreError(
                f'"{self.column}" has shape {quality.shape} for {self.reason.size} rows; each '
                "needs one number."
            )
        wrong = np.flatnonzero(~np.isfinite(quality))
        if wrong.size:
            raise ScoreError(
                f'"{self.column}" is {quality[wrong[0]]} in row {wrong[0]}; qualities must be '
                "finite numbers."
            )
        object.__setattr__(self, "quality", quality)

    @property
    def is_out(self) -> BoolArray:
        """Shape (n,), bool: the rows that are ruled out."""
        out: BoolArray = self.reason != STAYS
        return out

    def sparing(self, rows: BoolArray) -> Rulings:
        """The same rulings, but these rows stay; shape (n,), bool."""
        return replace(self, reason=np.where(rows, np.uint8(STAYS), self.reason))

    def take(self, rows: AnyArray, twins: Twins | None = None) -> Rulings:
        """The rulings of these rows.

        Args:
            rows: row numbers.
            twins: of these rows, after the same cut: a duplicate that has lost its twin is none.
        """
        reason = self.reason[rows]
        if twins is not None:
            lone = (reason == Reason.DUPLICATE) & ~twins.is_duplicate
            reason = np.where(lone, np.uint8(STAYS), reason)
        quality = None if self.quality is None else self.quality[rows]
        return replace(self, reason=reason, quality=quality)

    def to_archive(self) -> tuple[dict[str, Any], dict[str, AnyArray]]:
        """The header and arrays that ``from_archive`` reads back."""
        arrays: dict[str, AnyArray] = {"ruled_out": self.reason}
        if self.quality is not None:
            arrays["quality"] = self.quality
        return {"quality_column": self.column, "quality_limit": self.limit}, arrays

    @classmethod
    def from_archive(
        cls, header: Mapping[str, Any], arrays: Mapping[str, AnyArray]
    ) -> Rulings | None:
        """What ``to_archive`` gave; None where an archive holds no rulings."""
        if "ruled_out" not in arrays:
            return None
        column, limit = header["quality_column"], header["quality_limit"]
        return cls(arrays["ruled_out"], column, arrays.get("quality"), limit)


def united(parts: Sequence[Rulings | None]) -> Rulings | None:
    """Rulings of the same rows by several scorers: what one rules out is out.

    Reason and evidence are the first one's that has any; None where nobody rules.
    """
    some = [part for part in parts if part is not None]
    if not some:
        return None
    reason = some[0].reason
    for part in some[1:]:
        reason = np.where(reason == STAYS, part.reason, reason)
    shown = next((part for part in some if part.column is not None), some[0])
    return replace(shown, reason=reason)
