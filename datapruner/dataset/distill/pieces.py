"""From logits to the arrays of a segment: checked, shortened, halved."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from datapruner.core.types import AnyArray, IntArray, UInt64Array
from datapruner.dataset.distill.plan import KEY_BYTES, Plan, row_bytes
from datapruner.dataset.distill.topk import top_k
from datapruner.errors import InputError

__all__ = ["Piece", "Room", "as_float32", "encode", "join"]

Room = Callable[[int], npt.NDArray[np.uint8]]
"""Memory of at least that many bytes; what it holds does not matter."""

_CACHED = 1 << 17  # numbers worked on at a time: 512 KiB stay in the cache of a core
_LOWEST = np.float32(-65504)  # the lowest float16: e to that power is no mass at all


@dataclass(frozen=True, eq=False)
class Piece:
    """Some rows as they will lie in a segment.

    Attributes:
        keys: shape (m,), uint64.
        lengths: shape (m,), int64, positions of each row; None: one each.
        arrays: one entry a position, by the names they have in a segment.
        lent: the memory of the logits, to be used again when these rows are on the disk; None if
            more rows of it come after these.
    """

    keys: UInt64Array
    lengths: IntArray | None
    arrays: Mapping[str, AnyArray]
    lent: npt.NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return len(self.keys)

    def sizes(self, plan: Plan) -> IntArray:
        """Shape (m,), int64: bytes that each row takes on the disk."""
        each = row_bytes(plan.classes, plan.topk)
        if self.lengths is None:
            return np.full(len(self.keys), KEY_BYTES + each, dtype=np.int64)
        return 2 * KEY_BYTES + each * self.lengths  # a key and an end

    def between(self, start: int, stop: int) -> Piece:
        """The rows from ``start`` up to ``stop``, as views."""
        if self.lengths is None:
            low, high = start, stop
        else:
            low, high = int(self.lengths[:start].sum()), int(self.lengths[:stop].sum())
        return Piece(
            self.keys[start:stop],
            None if self.lengths is None else self.lengths[start:stop],
            {name: array[low:high] for name, array in self.arrays.items()},
            self.lent if stop == len(self) else None,
        )

    def chosen(self, wanted: npt.NDArray[np.bool_]) -> Piece:
        """The rows that are wanted, in their order."""
        if wanted.all():
            return self
        places = wanted if self.lengths is None else np.repeat(wanted, self.lengths)
        return Piece(
            self.keys[wanted],
            None if self.lengths is None else self.lengths[wanted],
            {name: array[places] for name, array in self.arrays.items()},
        )


def join(pieces: Sequence[Piece]) -> dict[str, list[AnyArray]]:
    """The arrays of one segment, widest first, each in as many parts as there are pieces."""
    out: dict[str, list[AnyArray]] = {"keys": [piece.keys for piece in pieces]}
    lengths = [piece.lengths for piece in pieces if piece.lengths is not None]
    if lengths:
        out["ends"] = [np.cumsum(np.concatenate(lengths), dtype=np.int64)]
    for name in pieces[0].arrays:
        out[name] = [piece.arrays[name] for piece in pieces]
    return out


def encode(plan: Plan, keys: UInt64Array, ids: Any, logits: Any, room: Room) -> Piece:
    """The answers of some rows as they will be stored.

    Args:
        plan: classes, topk and per.
        keys: shape (b,), uint64.
        ids: the same rows as the user knows them, for messages.
        logits: an array or tensor of shape (b, C); with tokens (b, L, C), or b of shape (L_i, C).
        room: asked for memory for logits that are kept whole.

    Raises:
        InputError: another shape, or values that are not finite.
    """
    lengths: IntArray | None = None
    if plan.per == "token":
        rows = [as_float32(row) for row in logits]
        wrong = next((r for r, row in enumerate(rows) if row.shape[1:] != (plan.classes,)), None)
        if len(rows) != len(keys) or wrong is not None:
            shape = f"row {wrong} has {rows[wrong].shape}" if wrong is not None else "no more"
            raise InputError(
                f"teacher logits for {len(rows)} rows, {shape}; {len(keys)} ids of a cache of "
                f"{plan.classes} classes a token need ({len(keys)} times) (tokens, "
                f"{plan.classes})."
            )
        lengths = np.array([len(row) for row in rows], dtype=np.int64)
        nothing = np.zeros((0, plan.classes), dtype=np.float32)
        z = np.concatenate([nothing, *rows])
    else:
        z = as_float32(logits)
        if z.shape != (len(keys), plan.classes):
            raise InputError(
                f"teacher logits have shape {z.shape}; {len(keys)} ids and {plan.classes} classes "
                f"need ({len(keys)}, {plan.classes})."
            )
    lent = None
    if plan.topk is None:
        lent = room(2 * z.size)
        arrays = _whole(z, lent)
    else:
        arrays = _short(plan.topk, z)
    if arrays is None:
        raise InputError(_infinite(z, lengths, ids))
    return Piece(keys, lengths, arrays, lent)


def as_float32(values: Any) -> npt.NDArray[np.float32]:
    """Any array or tensor, on any device, as a float32 array."""
    if hasattr(values, "detach"):
        values = values.detach().float().cpu().numpy()
    array = np.asarray(values)
    if array.dtype == np.float16 and array.size and "torch" in sys.modules:
        import torch

        wide: npt.NDArray[np.float32] = (
            torch.from_numpy(np.require(array, requirements=["C", "W"])).float().numpy()
        )
        return wide
    return array.astype(np.float32, copy=False)


def _whole(z: npt.NDArray[np.float32], room: npt.NDArray[np.uint8]) -> dict[str, AnyArray] | None:
    """The logits in the memory that is lent; None if a value is not finite."""
    out = room[: 2 * z.size].view(np.float16).reshape(z.shape)
    return {"logits": out} if _shift(z, out) else None


def _short(topk: int, z: npt.NDArray[np.float32]) -> dict[str, AnyArray] | None:
    """The largest logits and the rest; None if a value is not finite."""
    if not np.isfinite(z).all():
        return None
    short = top_k(z, topk)
    values = np.empty(short.values.shape, dtype=np.float16)
    _halve(np.maximum(short.values, _LOWEST, dtype=np.float32), values)
    return {
        "rest": short.rest.astype(np.float32, copy=False),
        "classes": short.classes.astype(np.int32, copy=False),
        "values": values,
    }


def _shift(z: npt.NDArray[np.float32], out: npt.NDArray[np.float16]) -> bool:
    """As float16, less the largest of each row; False if a value may not be finite.

    Only differences count, and float16 is finest near 0: there the likely classes lie.
    """
    step = max(1, _CACHED // z.shape[1])
    work = np.empty((min(step, len(z)), z.shape[1]), dtype=np.float32)
    for start in range(0, len(z), step):
        some = z[start : start + step]
        block = work[: len(some)]
        with np.errstate(over="ignore", invalid="ignore"):
            np.subtract(some, some.max(axis=1, keepdims=True), out=block)
        lowest = block.min()
        if not lowest >= _LOWEST:  # NaN too
            if not np.isfinite(some).all():
                return False
            np.maximum(block, _LOWEST, out=block)
        _halve(block, out[start : start + step])
    return True


def _halve(values: npt.NDArray[np.float32], out: npt.NDArray[np.float16]) -> None:
    """Round to the nearest float16; torch, where it is loaded, is ten times as fast."""
    if "torch" in sys.modules:
        import torch

        torch.from_numpy(out).copy_(torch.from_numpy(values))
    else:
        np.copyto(out, values, casting="same_kind")


def _infinite(z: npt.NDArray[np.float32], lengths: IntArray | None, ids: Any) -> str:
    """The message that names the rows."""
    wrong = np.flatnonzero(~np.isfinite(z).all(axis=1))
    if lengths is not None:  # from positions to rows
        wrong = np.unique(np.searchsorted(np.cumsum(lengths), wrong, side="right"))
    named = [str(np.asarray(ids)[row]) for row in wrong[:5].tolist()]
    return (
        f"the teacher's logits of {wrong.size} rows are not finite, among them the ids "
        f"{', '.join(named)}. Look at their inputs, or run the teacher in float32."
    )
