"""Ids: the user's own column, or the content of the row.

An id made of the content goes where the row goes: shuffle the rows, split them over files or change
the container, and the set of ids is the same. Equal rows are told apart by counting them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from datapruner.core.types import AnyArray, IntArray
from datapruner.dataset.canonical import DIGEST_BYTES
from datapruner.errors import InputError

__all__ = ["ids_from_column", "ids_from_content"]

_SHOWN = 5
_INT64 = np.iinfo(np.int64)


def ids_from_column(values: Sequence[Any] | AnyArray, *, name: str = "id") -> IntArray | list[str]:
    """The user's ids, checked: one for every row, no two alike, all whole numbers or all text.

    Args:
        values: n values as a source hands them out.
        name: the column, for messages.

    Returns:
        Shape (n,), int64, or a list of n strings.

    Raises:
        InputError: a null, a float, a value of another type, numbers mixed with text, a number
            outside 64 bits, or duplicates; names the first five rows.
    """
    if isinstance(values, np.ndarray) and values.dtype.kind in "iu" and values.ndim == 1:
        ids: IntArray | list[str] = _fit_int64(values, name)
    else:
        ids = _from_objects(list(values), name)
    _refuse_duplicates(ids, name)
    return ids


def _from_objects(values: list[Any], name: str) -> IntArray | list[str]:
    kinds = {_kind(value) for value in values}
    for kind, hint in _REFUSED.items():
        if kind in kinds:
            rows = [row for row, value in enumerate(values) if _kind(value) == kind]
            shown = ", ".join(f"row {row} ({values[row]!r:.60})" for row in rows[:_SHOWN])
            raise InputError(f'id column "{name}": {len(rows)} {kind}: {shown}. {hint}')
    if len(kinds) > 1:
        first = {kind: next(r for r, v in enumerate(values) if _kind(v) == kind) for kind in kinds}
        places = " and ".join(f"{kind} (row {first[kind]})" for kind in sorted(kinds))
        raise InputError(f'id column "{name}" mixes {places}; write all ids as text.')
    if kinds == {"text"}:
        return [str(value) for value in values]
    if all(_INT64.min <= int(value) <= _INT64.max for value in values):
        return np.asarray([int(value) for value in values], dtype=np.int64)
    return _fit_int64(np.asarray(values, dtype=object), name)


_REFUSED = {
    "nulls": "Give every row an id, or leave the id column out: ids then come from the content.",
    "floats": (
        "A float is no safe id: large ones run together and pandas makes floats of ints when some "
        "are missing. Cast the column to int64 or to text."
    ),
    "values of another type": "An id is a whole number or a text.",
}


def _kind(value: Any) -> str:
    if value is None:
        return "nulls"
    if isinstance(value, str):
        return "text"
    if isinstance(value, bool | np.bool_):
        return "values of another type"
    if isinstance(value, int | np.integer):
        return "numbers"
    if isinstance(value, float | np.floating):
        return "floats"
    return "values of another type"


def _fit_int64(values: AnyArray, name: str) -> IntArray:
    """The numbers as int64; those that only fit in more bits are refused by row."""
    if values.dtype.kind == "i":
        return values.astype(np.int64, copy=False)
    rows = [r for r, v in enumerate(values.tolist()) if not _INT64.min <= v <= _INT64.max]
    if not rows:
        return values.astype(np.int64)
    shown = ", ".join(f"row {row} ({values[row]})" for row in rows[:_SHOWN])
    raise InputError(f'id column "{name}": numbers beyond 64 bits: {shown}. Write them as text.')


def _refuse_duplicates(ids: IntArray | list[str], name: str) -> None:
    distinct = len(np.unique(ids)) if isinstance(ids, np.ndarray) else len(set(ids))
    if distinct == len(ids):
        return
    rows: dict[Any, list[int]] = {}
    for row, value in enumerate(ids.tolist() if isinstance(ids, np.ndarray) else ids):
        rows.setdefault(value, []).append(row)
    repeated = [(value, at) for value, at in rows.items() if len(at) > 1]
    shown = "; ".join(
        f"{value!r:.60} in rows {', '.join(map(str, at[:_SHOWN]))}{', ...' * (len(at) > _SHOWN)}"
        for value, at in repeated[:_SHOWN]
    )
    raise InputError(
        f'id column "{name}": {len(repeated)} ids stand in more than one row: {shown}. '
        "Make them distinct, or leave the id column out: ids then come from the content."
    )


def ids_from_content(digests: Sequence[bytes]) -> list[str]:
    """Ids made of what the rows hold, so that the set of them does not depend on the rows' order.

    Args:
        digests: n digests of 16 bytes, as ``Block.content`` holds them.

    Returns:
        n distinct strings of 32 hexadecimal digits; the second of two equal rows ends in ``-2``,
        the third in ``-3``.

    Raises:
        InputError: a digest is not 16 bytes long.
    """
    joined = b"".join(digests)
    if len(joined) != DIGEST_BYTES * len(digests) or any(len(d) != DIGEST_BYTES for d in digests):
        raise InputError(f"content digests must be {DIGEST_BYTES} bytes each.")
    width = 2 * DIGEST_BYTES
    text = joined.hex()
    ids = [text[start : start + width] for start in range(0, len(text), width)]
    for row, nth in _repeats(joined):
        ids[row] = f"{ids[row]}-{nth}"
    return ids


def _repeats(joined: bytes) -> list[tuple[int, int]]:
    """(row, occurrence) of every row that repeats an earlier one; sorts, for a dict is big."""
    keys = np.frombuffer(joined, dtype="<u8").reshape(-1, 2)
    order = np.lexsort((keys[:, 1], keys[:, 0]))  # stable: equal rows stay in row order
    ordered = keys[order]
    same = np.zeros(len(order), dtype=bool)
    same[1:] = (ordered[1:] == ordered[:-1]).all(axis=1)
    place = np.arange(len(order))
    start = np.maximum.accumulate(np.where(same, 0, place))
    nth = place - start + 1
    return list(zip(order[same].tolist(), nth[same].tolist(), strict=True))
