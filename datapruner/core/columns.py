"""The checks that ``Items.of`` runs on every column, and the neutral value of a missing one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from datapruner.core.types import AnyArray, BoolArray, FloatArray, IntArray
from datapruner.errors import InputError

__all__ = [
    "NO_PARENT",
    "checked",
    "coded_groups",
    "costs",
    "flags",
    "ids",
    "inherited",
    "parents",
]

NO_PARENT = -1


def checked(n: int, values: Any, name: str) -> AnyArray:
    """The column as an array of shape (n,).

    Raises:
        InputError: another shape, or rows of different lengths.
    """
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise InputError(f"column {name!r} is not one value a row: {error}.") from error
    if array.shape != (n,):
        raise InputError(
            f"column {name!r} has shape {array.shape}; {n} rows need one value each, ({n},)."
        )
    return array


def costs(n: int, values: Any) -> FloatArray:
    """Shape (n,), float64: the prices; 1 each when there are none.

    Raises:
        InputError: not numbers, negative or not finite.
    """
    if values is None:
        return np.broadcast_to(np.float64(1.0), (n,))
    array = checked(n, values, "cost")
    if array.dtype.kind not in "iufb":
        raise InputError(f"costs must be numbers, not {array.dtype}; give one price a row.")
    array = array.astype(np.float64)
    wrong = np.flatnonzero(~(np.isfinite(array) & (array >= 0)))
    if wrong.size:
        shown = ", ".join(f"row {r}: {array[r]}" for r in wrong[:5])
        raise InputError(
            f"{wrong.size} costs are negative or not finite ({shown}). "
            "Give every row a price of 0 or more."
        )
    return array


def flags(n: int, values: Any, name: str) -> BoolArray:
    """Shape (n,), bool; False everywhere when there are none.

    Raises:
        InputError: not true or false.
    """
    if values is None:
        return np.broadcast_to(np.False_, (n,))
    array = checked(n, values, name)
    if array.dtype != np.bool_ and n:
        raise InputError(
            f"column {name!r} must be true or false, not {array.dtype}. "
            "Compare it with something first."
        )
    return array.astype(np.bool_)


def ids(n: int, values: Any) -> AnyArray | None:
    """Shape (n,): int64, or an object array of text; None when there are none.

    Raises:
        InputError: neither all integers nor all text, beyond 64 bits, or not unique.
    """
    if values is None:
        return None
    array = values if isinstance(values, np.ndarray) and values.dtype.kind in "iuU" else None
    if array is None:
        array = _listed_ids(values.tolist() if isinstance(values, np.ndarray) else list(values))
    array = checked(n, array, "id")
    if array.dtype.kind == "u" and n and int(array.max()) > np.iinfo(np.int64).max:
        raise InputError(f"the id {int(array.max())} is beyond 64 bits; give it as text.")
    array = array.astype(np.int64 if array.dtype.kind in "iu" else object)
    _refuse_repeats(array)
    return array


def _listed_ids(values: list[Any]) -> AnyArray:
    if not values or isinstance(values[0], str):
        wrong = next((r for r, v in enumerate(values) if not isinstance(v, str)), None)
    else:
        wrong = next((r for r, v in enumerate(values) if not _is_whole(v)), None)
    if wrong is not None:
        raise InputError(
            f"ids must be all integers or all text, but row {wrong} has {values[wrong]!r}."
        )
    if not values or isinstance(values[0], str):
        return np.fromiter(values, dtype=object, count=len(values))
    try:
        return np.array(values, dtype=np.int64)
    except OverflowError as error:
        raise InputError("an id is beyond 64 bits; give such ids as text.") from error


def _is_whole(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _refuse_repeats(array: AnyArray) -> None:
    # Sorting 64-bit integers takes a tenth of the memory of a set of them; text is there already.
    if array.dtype == object:
        values = array.tolist()
        unique = len(set(values)) == len(values)
    else:
        ordered = np.sort(array)
        unique = not np.any(ordered[1:] == ordered[:-1])
    if unique:
        return
    names, counts = np.unique(array, return_counts=True)
    repeats = names[counts > 1].tolist()
    shown = ", ".join(repr(v) for v in repeats[:5])
    raise InputError(f"{len(repeats)} ids occur more than once ({shown}); ids must be unique.")


def coded_groups(
    n: int, group: Any, group_names: Sequence[str] | None
) -> tuple[AnyArray, tuple[str, ...]]:
    """Shape (n,), int32 codes and the names they stand for; one group "all" when there are none.

    Raises:
        InputError: codes outside the names, or rows without a group.
    """
    if group is None:
        if group_names is not None:
            raise InputError("group_names were given without group codes; give group too.")
        return np.broadcast_to(np.int32(0), (n,)), ("all",)
    if group_names is not None:
        codes = checked(n, group, "group")
        if n and (
            codes.dtype.kind not in "iu" or codes.min() < 0 or codes.max() >= len(group_names)
        ):
            raise InputError(
                f"group codes must be integers in [0, {len(group_names)}), one for each name; "
                "leave out group_names to give labels instead."
            )
        return codes.astype(np.int32), tuple(group_names) or ("all",)
    labels = checked(n, group, "group")
    if labels.dtype == object:
        _refuse_missing(labels)
        labels = np.array([str(v) for v in labels.tolist()], dtype=str)
    if labels.dtype.kind == "f" and not np.all(np.isfinite(labels)):
        row = int(np.flatnonzero(~np.isfinite(labels))[0])
        raise InputError(f"row {row} has the group {labels[row]}; give every row a group.")
    names, codes = np.unique(labels, return_inverse=True)
    return codes.astype(np.int32), tuple(str(v) for v in names.tolist()) or ("all",)


def _refuse_missing(labels: AnyArray) -> None:
    for row, label in enumerate(labels.tolist()):
        if label is None or label != label:  # NaN alone differs from itself
            raise InputError(f"row {row} has the group {label}; give every row a group.")


def parents(n: int, values: Any) -> IntArray:
    """Shape (n,), int64: the row of each row's parent, -1 for none.

    Raises:
        InputError: not row numbers, or a cycle.
    """
    if values is None:
        return np.broadcast_to(np.int64(NO_PARENT), (n,))
    array = checked(n, values, "parent")
    if n and array.dtype.kind not in "iu":
        raise InputError(f"parents must be row numbers, not {array.dtype}; -1 stands for none.")
    array = array.astype(np.int64)
    if n and (array.min() < NO_PARENT or array.max() >= n):
        raise InputError(f"parents must be row numbers in [0, {n}), or -1 for none.")
    # Parents that all stand before their children cannot form a cycle.
    if np.any(array >= np.arange(n)):
        _refuse_cycles(array)
    return array


def _refuse_cycles(parent: IntArray) -> None:
    # Pointer jumping: after enough doublings every chain has reached "none" unless it is a cycle.
    jump = np.append(parent, NO_PARENT)
    for _ in range(int(parent.size).bit_length()):
        jump = jump[jump]
    stuck = np.flatnonzero(jump >= 0)
    if stuck.size:
        raise InputError(
            f"parents form a cycle: rows {stuck[:5].tolist()} are in it or below it. "
            "Give one of them the parent -1."
        )


def inherited(parent: IntArray, marked: BoolArray) -> BoolArray:
    """Shape (n,), bool: the marked rows and everything below them."""
    found, fresh = marked, marked
    while fresh.any():
        fresh = (parent >= 0) & fresh[parent] & ~found
        found = found | fresh
    return found
