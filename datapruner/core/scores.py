"""Scores: what a scorer learnt of every row, and what its numbers mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from datapruner.core.archive import read_archive, write_archive
from datapruner.core.items import Items
from datapruner.core.types import AnyArray, FloatArray
from datapruner.errors import FormatError, ScoreError

__all__ = ["Scores"]


@dataclass(frozen=True, eq=False)
class Scores:
    """One value a row, kept with the rows, so that a new budget never recomputes a score.

    Attributes:
        values: shape (n,), float32 or float64, finite.
        items: the rows that were scored.
        meaning: what a higher value says, for example ``"harder"``.
        method: name of the scorer.
        group: shape (n,), int32 codes; None takes the items' own groups.
        group_names: names of those groups.
        group_weight: shape (G,), how much of the budget a group should get; None: no opinion.
        details: what ran (backend, k, embedder, ...); JSON-able, goes into the provenance.

    Raises:
        ScoreError: wrong length, not finite, or weights that do not fit the groups.
    """

    values: FloatArray
    items: Items
    meaning: str = "more worth keeping"
    method: str = "given"
    group: AnyArray | None = None
    group_names: tuple[str, ...] | None = None
    group_weight: FloatArray | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check lengths and finiteness once, so that nothing downstream has to."""
        values = np.asarray(self.values)
        if values.shape != (self.items.n,):
            raise ScoreError(
                f"{self.method}: values have shape {values.shape}; "
                f"{self.items.n} rows need ({self.items.n},)."
            )
        if values.dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
            if values.dtype.kind not in "iufb":
                raise ScoreError(f"{self.method}: values must be numbers, not {values.dtype}.")
            values = values.astype(np.float64)
        object.__setattr__(self, "values", values)
        wrong = np.flatnonzero(~np.isfinite(values))
        if wrong.size:
            shown = ", ".join(f"row {r}: {values[r]}" for r in wrong[:5])
            raise ScoreError(f"{self.method}: {wrong.size} scores are not finite ({shown}).")
        self._check_groups()

    def _check_groups(self) -> None:
        if self.group is None:
            object.__setattr__(self, "group", self.items.group)
            object.__setattr__(self, "group_names", self.items.group_names)
        assert self.group is not None
        if self.group_names is None:
            top = int(self.group.max()) + 1 if self.group.size else 1
            object.__setattr__(self, "group_names", tuple(str(g) for g in range(top)))
        if self.group.shape != (self.items.n,):
            raise ScoreError(f"{self.method}: groups have shape {self.group.shape}.")
        weight = self.group_weight
        if weight is not None:
            weight = np.asarray(weight, dtype=np.float64)
            if weight.shape != (self.n_groups,):
                raise ScoreError(
                    f"{self.method}: {weight.shape} group weights for {self.n_groups} groups."
                )
            if not np.all(np.isfinite(weight) & (weight >= 0)):
                raise ScoreError(f"{self.method}: group weights must be finite and not negative.")
            object.__setattr__(self, "group_weight", weight)

    @property
    def n_groups(self) -> int:
        """Number of groups G, empty ones included."""
        assert self.group_names is not None
        return len(self.group_names)

    @property
    def groups(self) -> AnyArray:
        """Shape (n,), int32: the group codes, whoever gave them."""
        assert self.group is not None
        return self.group

    @property
    def names(self) -> tuple[str, ...]:
        """The group names in code order."""
        assert self.group_names is not None
        return self.group_names

    def take(self, rows: AnyArray) -> Scores:
        """The scores of these rows alone, in this order, with their items."""
        return Scores(
            values=self.values[rows],
            items=self.items.take(rows),
            meaning=self.meaning,
            method=self.method,
            group=self.groups[rows],
            group_names=self.names,
            group_weight=self.group_weight,
            details=self.details,
        )

    def to_archive(self) -> tuple[dict[str, Any], dict[str, AnyArray]]:
        """The header and arrays that ``from_archive`` reads back; features are left out."""
        items = self.items
        arrays: dict[str, AnyArray] = {
            "values": self.values,
            "group": self.groups.astype(np.int32),
            "cost": items.cost,
            "item_group": items.group.astype(np.int32),
            "parent": items.parent,
            "pinned": items.pinned,
            "shell": items.shell,
            "barred": items.barred,
            "tie": items.tie_keys(),
        }
        if self.group_weight is not None:
            arrays["group_weight"] = self.group_weight
        if items.id is not None:
            arrays["id"] = items.id
        header = {
            "n": items.n,
            "unit": items.unit,
            "meaning": self.meaning,
            "method": self.method,
            "group_names": list(self.names),
            "item_group_names": list(items.group_names),
            "details": dict(self.details),
        }
        return header, arrays

    @classmethod
    def from_archive(
        cls, path: str | Path, header: Mapping[str, Any], arrays: Mapping[str, AnyArray]
    ) -> Scores:
        """Scores from what ``to_archive`` gave.

        Raises:
            FormatError: an entry is missing.
        """
        try:
            items = Items.of(
                header["n"],
                id=arrays.get("id"),
                cost=arrays["cost"],
                unit=header["unit"],
                group=arrays["item_group"],
                group_names=header["item_group_names"],
                parent=arrays["parent"],
                pinned=arrays["pinned"],
                shell=arrays["shell"],
                barred=arrays["barred"],
                tie=arrays["tie"],
            )
            return cls(
                values=arrays["values"],
                items=items,
                meaning=header["meaning"],
                method=header["method"],
                group=arrays["group"],
                group_names=tuple(header["group_names"]),
                group_weight=arrays.get("group_weight"),
                details=header["details"],
            )
        except KeyError as missing:
            raise FormatError(f"{path} has no entry {missing}; it is damaged.") from missing

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write the scores and the core columns of their items (features are not saved).

        Args:
            path: an ``.npz`` file; it appears whole or not at all.
            overwrite: replace a file that exists.

        Raises:
            OutputError: the file exists or cannot be written.
        """
        write_archive(path, "scores", *self.to_archive(), overwrite=overwrite)

    @classmethod
    def load(cls, path: str | Path) -> Scores:
        """Read what ``save`` wrote.

        Raises:
            FormatError: not a scores file, damaged, or of another version.
        """
        return cls.from_archive(path, *read_archive(path, "scores"))
