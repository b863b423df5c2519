"""Scores: what a scorer learnt of every row, and what its numbers mean."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from datapruner.core.archive import read_archive, write_archive
from datapruner.core.items import Items
from datapruner.core.rulings import Rulings
from datapruner.core.twins import Twins
from datapruner.core.types import AnyArray, BoolArray, FloatArray, IntArray
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
        group_floor: shape (G,), int64, rows a group should get at least, as far as the budget
            reaches; heeded where group weights are (``allocate="weighted"``). None: no opinion.
        details: what ran (backend, k, embedder, ...); JSON-able, goes into the provenance.
        notes: sentences for the user, passed on with every selection.
        twins: from scorers of duplicates, the row that each row repeats; None: nobody looked.
        rulings: the rows that the scorer rules out, whatever the picker; pinned rows are spared.
            None: it rules nobody out.

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
    group_floor: IntArray | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    twins: Twins | None = None
    rulings: Rulings | None = None

    def __post_init__(self) -> None:
        """Check lengths and finiteness once, so that nothing downstream has to."""
        values = np.asarray(self.values)
        if values.shape != (self.items.n,):
            raise ScoreError(
                f"{self.method}: values have shape {values.shape}; "
                f"{self.items.n} rows need one each, ({self.items.n},)."
            )
        if values.dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
            if values.dtype.kind not in "iufb":
                raise ScoreError(f"{self.method}: values must be numbers, not {values.dtype}.")
            values = values.astype(np.float64)
        object.__setattr__(self, "values", values)
        wrong = np.flatnonzero(~np.isfinite(values))
        if wrong.size:
            shown = ", ".join(f"row {r}: {values[r]}" for r in wrong[:5])
            raise ScoreError(
                f"{self.method}: {wrong.size} scores are not finite ({shown}). "
                "Give every row a number, or bar the rows that have none."
            )
        self._check_groups()
        self._check_details()
        if self.twins is not None:
            self._check_length("twins", self.twins.row.size)
        if self.rulings is not None:
            self._check_length("rulings", self.rulings.reason.size)
            object.__setattr__(self, "rulings", self.rulings.sparing(self.items.pinned))

    def _check_length(self, what: str, rows: int) -> None:
        if rows != self.items.n:
            raise ScoreError(
                f"{self.method}: {what} for {rows} rows do not fit {self.items.n} rows; each "
                "needs one entry."
            )

    def _check_groups(self) -> None:
        group = self.items.group if self.group is None else np.asarray(self.group)
        names = self.items.group_names if self.group is None else self.group_names
        if group.shape != (self.items.n,) or (group.size and group.dtype.kind not in "iu"):
            raise ScoreError(
                f"{self.method}: groups are {group.dtype} of shape {group.shape}; "
                f"{self.items.n} rows need integer codes of shape ({self.items.n},)."
            )
        top = int(group.max(initial=0)) + 1
        if names is None:
            names = tuple(str(g) for g in range(top))
        if top > len(names) or group.min(initial=0) < 0:
            raise ScoreError(
                f"{self.method}: group codes go from {group.min(initial=0)} to {top - 1}, but "
                f"there are names for 0 to {len(names) - 1}; give one name a code."
            )
        object.__setattr__(self, "group", group.astype(np.int32, copy=False))
        object.__setattr__(self, "group_names", tuple(names))
        if self.group_weight is not None:
            self._check_weights(np.asarray(self.group_weight, dtype=np.float64))
        if self.group_floor is not None:
            self._check_floors(np.asarray(self.group_floor))

    def _check_weights(self, weight: FloatArray) -> None:
        if weight.shape != (self.n_groups,):
            raise ScoreError(
                f"{self.method}: group weights have shape {weight.shape}; "
                f"{self.n_groups} groups need ({self.n_groups},)."
            )
        if not np.all(np.isfinite(weight) & (weight >= 0)):
            wrong = int(np.flatnonzero(~(np.isfinite(weight) & (weight >= 0)))[0])
            raise ScoreError(
                f"{self.method}: group {self.names[wrong]} has the weight {weight[wrong]}; "
                "weights must be finite and not negative."
            )
        object.__setattr__(self, "group_weight", weight)

    def _check_floors(self, floor: AnyArray) -> None:
        fits = floor.shape == (self.n_groups,) and floor.dtype.kind in "iu"
        if not fits or (floor.size and int(floor.min()) < 0):
            raise ScoreError(
                f"{self.method}: group floors are {floor.dtype} of shape {floor.shape}; "
                f"{self.n_groups} groups need whole numbers, 0 or more, of shape "
                f"({self.n_groups},)."
            )
        object.__setattr__(self, "group_floor", floor.astype(np.int64, copy=False))

    def _check_details(self) -> None:
        # As JSON reads them back, so that what was saved equals what was made.
        details = self.details
        if _PLAIN_KEYS.issuperset(map(type, details)) and all(map(_is_plain, details.values())):
            own = {k: [*v] if isinstance(v, list) else v for k, v in details.items()}
            object.__setattr__(self, "details", own)
            return
        try:
            object.__setattr__(self, "details", json.loads(json.dumps(dict(self.details))))
        except TypeError as error:
            raise ScoreError(
                f"{self.method}: details must be what JSON can hold: {error}."
            ) from error

    def __repr__(self) -> str:
        """One line: how many rows, by which method, from where to where."""
        ends = f"{self.values.min():.4g} to {self.values.max():.4g}" if self.values.size else "none"
        return f"Scores({self.items.n:,} rows, {self.method}, {ends}, {self.n_groups:,} groups)"

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

    @cached_property
    def contenders(self) -> BoolArray:
        """Shape (n,), bool: the rows that may be offered: no shells, none barred or ruled out."""
        able = self.items.is_countable
        return able if self.rulings is None else able & ~self.rulings.is_out

    def only_contenders(self, rows: IntArray) -> IntArray:
        """These rows in this order without those that may not be offered."""
        if self.rulings is None:
            return self.items.only_countable(rows)
        return rows[self.contenders[rows]]

    def take(self, rows: AnyArray) -> Scores:
        """The scores of these rows alone, in this order, with their items."""
        twins = None if self.twins is None else self.twins.take(rows)
        return Scores(
            values=self.values[rows],
            items=self.items.take(rows),
            meaning=self.meaning,
            method=self.method,
            group=self.groups[rows],
            group_names=self.names,
            group_weight=self.group_weight,
            group_floor=self.group_floor,
            details=self.details,
            notes=self.notes,
            twins=twins,
            rulings=None if self.rulings is None else self.rulings.take(rows, twins),
        )

    def to_archive(self) -> tuple[dict[str, Any], dict[str, AnyArray]]:
        """The header and arrays that ``from_archive`` reads back; features are left out."""
        header, arrays = self.items.to_archive()
        arrays |= {"values": self.values, "group": self.groups.astype(np.int32)}
        if self.group_weight is not None:
            arrays["group_weight"] = self.group_weight
        if self.group_floor is not None:
            arrays["group_floor"] = self.group_floor
        header |= {
            "meaning": self.meaning,
            "method": self.method,
            "group_names": list(self.names),
            "details": dict(self.details),
            "notes": list(self.notes),
        }
        if self.twins is not None:
            header["twin_stages"] = list(self.twins.stages)
            arrays |= self.twins.to_arrays()
        if self.rulings is not None:
            told, columns = self.rulings.to_archive()
            header, arrays = header | told, arrays | columns
        return header, arrays

    @classmethod
    def from_archive(
        cls, path: str | Path, header: Mapping[str, Any], arrays: Mapping[str, AnyArray]
    ) -> Scores:
        """Scores from what ``to_archive`` gave.

        Raises:
            FormatError: an entry is missing, or does not fit the others.
        """
        try:
            return cls(
                values=arrays["values"],
                items=Items.from_archive(header, arrays),
                meaning=header["meaning"],
                method=header["method"],
                group=arrays["group"],
                group_names=tuple(header["group_names"]),
                group_weight=arrays.get("group_weight"),
                group_floor=arrays.get("group_floor"),
                details=header["details"],
                notes=tuple(header.get("notes", ())),
                twins=Twins.from_arrays(header.get("twin_stages"), arrays),
                rulings=Rulings.from_archive(header, arrays),
            )
        except KeyError as missing:
            raise FormatError(
                f"{path} is damaged: it has no {missing}. Make it again."
            ) from missing
        except (TypeError, ValueError) as error:
            told = str(error).rstrip(".")
            raise FormatError(f"{path} is damaged: {told}. Make it again.") from error

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


_PLAIN = frozenset({str, int, float, bool, type(None)})
_PLAIN_KEYS = frozenset({str})


def _is_plain(value: Any) -> bool:
    """Whether JSON gives back just this value; False where it takes JSON to find out."""
    return type(value) in _PLAIN or (type(value) is list and _PLAIN.issuperset(map(type, value)))
