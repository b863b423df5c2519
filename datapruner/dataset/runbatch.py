"""What one batch of a logged run must be: shapes, ranges and finite numbers, or an error that names
the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from datapruner.core.types import AnyArray, IntArray
from datapruner.dataset.runfile import Header
from datapruner.errors import InputError

__all__ = ["UNKNOWN", "Batches"]

UNKNOWN = -1
"""The label of a row that was never recorded."""


class Batches:
    """Checks the batches of one log.

    Args:
        path: of the log, for messages.
        header: what it is of.
        ids: the n ids of the rows, if it has any.

    Raises:
        InputError: ids that are not n different ones.
    """

    def __init__(self, path: Path, header: Header, ids: Sequence[Any] | AnyArray | None) -> None:
        self._path = path
        self._header = header
        self._names = ids
        self._rows = None if ids is None else _rows_by_id(ids, header.n)

    def places(self, rows: Any) -> IntArray:
        """Row numbers from what the loop gave: row numbers, or ids.

        Args:
            rows: shape (m,).

        Returns:
            Shape (m,), int64, in [0, n).

        Raises:
            InputError: another shape, unknown ids, or numbers out of range.
        """
        given = _array(rows)
        if given.ndim != 1:
            raise InputError(f"rows have shape {given.shape}; give one a logit row, (m,).")
        if self._rows is not None:
            place = [self._rows.get(str(one), UNKNOWN) for one in given.tolist()]
            unknown = [str(one) for one, p in zip(given.tolist(), place, strict=True) if p < 0]
            if unknown:
                raise InputError(
                    f"{len(unknown)} ids are none of the log's ({', '.join(unknown[:5])}); it was "
                    "made with the ids of other rows."
                )
            return np.array(place, dtype=np.int64)
        if given.size and given.dtype.kind not in "iu":
            raise InputError(f"rows are {given.dtype}; give row numbers, or make the log with ids.")
        wrong = given[(given < 0) | (given >= self._header.n)]
        if wrong.size:
            raise InputError(
                f"row {wrong[0]} is outside 0 to {self._header.n - 1}, the rows of the log."
            )
        return given.astype(np.int64)

    def values(self, given: Any, name: str, place: IntArray, epoch: int) -> AnyArray:
        """Logits or features as they are stored.

        Args:
            given: shape (m, width); None for the features of a log that has none.
            name: ``"logits"`` or ``"features"``.
            place: shape (m,), the row numbers.
            epoch: for the message.

        Returns:
            Shape (m, width), of the log's dtype, finite.

        Raises:
            InputError: another shape, or values that are not finite, before or after rounding.
        """
        width = self._header.classes if name == "logits" else self._header.width
        if not width:
            if given is not None:
                raise InputError(
                    f"{self._path} logs no features, but some were given. Make the log with their "
                    "width, features=..."
                )
            return np.zeros((place.size, 0), dtype=self._header.dtype)
        values = _array(given)
        if values.shape != (place.size, width) or values.dtype.kind not in "fiu":
            raise InputError(
                f"{name} are {values.dtype} of shape {values.shape}; {place.size} rows need "
                f"numbers of shape ({place.size}, {width})."
            )
        wrong = np.flatnonzero(~np.isfinite(values).all(axis=1))
        if wrong.size:
            raise InputError(
                f"the {name} of {wrong.size} rows are NaN or infinite in epoch {epoch} (rows "
                f"{self._shown(place[wrong])}). The run has diverged: lower the learning rate, or "
                "log before the loss is scaled."
            )
        with np.errstate(over="ignore"):
            stored = values.astype(self._header.dtype)
        wrong = np.flatnonzero(~np.isfinite(stored).all(axis=1))
        if wrong.size:
            raise InputError(
                f"the {name} of {wrong.size} rows are too large for {self._header.dtype} in epoch "
                f'{epoch} (rows {self._shown(place[wrong])}). Make the log with dtype="float32".'
            )
        return stored

    def labels(self, given: Any, place: IntArray, known: AnyArray) -> AnyArray:
        """Label codes as they are stored.

        Args:
            given: shape (m,), whole numbers.
            place: shape (m,), the row numbers.
            known: shape (m,), the labels these rows had before; ``UNKNOWN`` for none.

        Returns:
            Shape (m,), int32, in [0, C).

        Raises:
            InputError: another shape, out of range, or another label than before.
        """
        codes = _array(given)
        if codes.shape != place.shape or (codes.size and codes.dtype.kind not in "iu"):
            raise InputError(
                f"labels are {codes.dtype} of shape {codes.shape}; {place.size} rows need whole "
                f"numbers from 0 to {self._header.classes - 1}, one each."
            )
        wrong = np.flatnonzero((codes < 0) | (codes >= self._header.classes))
        if wrong.size:
            raise InputError(
                f"{wrong.size} labels are outside 0 to {self._header.classes - 1} (rows "
                f"{self._shown(place[wrong])}; the first is {codes[wrong[0]]}). The log has "
                f"{self._header.classes} classes."
            )
        _, first, same = np.unique(place, return_index=True, return_inverse=True)
        known = np.where(known == UNKNOWN, codes[first][same], known)  # twice in the batch, maybe
        wrong = np.flatnonzero(known != codes)
        if wrong.size:
            one = wrong[0]
            raise InputError(
                f"{wrong.size} rows have another label than before (rows "
                f"{self._shown(place[wrong])}; the first had {known[one]}, now {codes[one]}). "
                "Give the place in the training set, not in the batch."
            )
        return codes.astype(np.int32)

    def _shown(self, rows: IntArray) -> str:
        names = rows if self._names is None else [self._names[row] for row in rows[:5].tolist()]
        told = ", ".join(str(one) for one in list(names)[:5])
        return f"{told}{', ...' if rows.size > 5 else ''}"


def _array(given: Any) -> AnyArray:
    """An array of what may be a tensor of any device; bfloat16 comes as float32."""
    if hasattr(given, "detach"):
        given = given.detach().cpu()
        if str(given.dtype) == "torch.bfloat16":  # which NumPy does not know
            given = given.float()
        given = given.numpy()
    return np.asarray(given)


def _rows_by_id(ids: Sequence[Any] | AnyArray, n: int) -> dict[str, int]:
    names = [str(one) for one in (ids.tolist() if isinstance(ids, np.ndarray) else ids)]
    found = {name: row for row, name in enumerate(names)}
    if len(names) != n or len(found) != n:
        raise InputError(
            f"{len(names)} ids, {len(found)} of them different, do not name {n} rows; give each "
            "row one of its own."
        )
    return found
