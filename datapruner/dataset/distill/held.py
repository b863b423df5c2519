"""Which rows a cache holds, and where: the finished segments and an index of their keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from datapruner.core.types import IntArray, UInt64Array
from datapruner.dataset.distill.fingerprint import content_digest, ids_digest
from datapruner.dataset.distill.plan import Plan
from datapruner.dataset.distill.segments import Segment
from datapruner.errors import FormatError, InputError

__all__ = ["Held", "refuse_other_rows"]


@dataclass(frozen=True, eq=False)
class Held:
    """The rows of some segments, found by key.

    Attributes:
        segments: in any order.
        keys: shape (m,), uint64, ascending.
        segment: shape (m,), int64: position in ``segments`` of each key.
        row: shape (m,), int64: its row in that segment.
    """

    segments: tuple[Segment, ...]
    keys: UInt64Array
    segment: IntArray
    row: IntArray

    @classmethod
    def of(cls, segments: Sequence[Segment]) -> Held:
        """The index of some segments.

        Raises:
            FormatError: two of them hold the same row.
        """
        sizes = [len(one.keys) for one in segments]
        nothing = np.zeros(0, dtype=np.uint64)
        keys = np.concatenate([nothing, *(one.keys for one in segments)])
        order = np.argsort(keys, kind="stable")
        rows = [np.arange(size, dtype=np.int64) for size in sizes]
        row = np.concatenate([np.zeros(0, dtype=np.int64), *rows])[order]
        segment = np.repeat(np.arange(len(sizes), dtype=np.int64), sizes)[order]
        keys = keys[order]
        twice = np.flatnonzero(keys[1:] == keys[:-1])
        if twice.size:
            pair = [segments[int(segment[twice[0] + step])].path.name for step in (0, 1)]
            raise FormatError(
                f"{twice.size} rows stand twice in the cache, the first in {pair[0]} and {pair[1]}."
                " Build it again in another folder."
            )
        return cls(tuple(segments), keys, segment, row)

    def __len__(self) -> int:
        return len(self.keys)

    def find(self, keys: UInt64Array) -> IntArray:
        """Shape of ``keys``, int64: the place of each in ``keys`` of this index, -1 for none."""
        if not len(self.keys):
            return np.full(len(keys), -1, dtype=np.int64)
        place = np.searchsorted(self.keys, keys).astype(np.int64)
        np.minimum(place, len(self.keys) - 1, out=place)
        return np.where(self.keys[place] == keys, place, -1)


def refuse_other_rows(
    plan: Plan, folder: Path, held: Held, keys: UInt64Array, content: Any
) -> None:
    """An error if these are not the rows that the cache was begun with.

    Args:
        plan: of the cache.
        folder: of the cache, for the message.
        held: its finished rows.
        keys: shape (n,), uint64, of the rows now, in any order.
        content: what stands under them now, as for ``content_digest``; None: do not compare it.

    Raises:
        InputError: ids were added or removed, or the content changed.
    """
    if ids_digest(keys) != plan.ids:
        gone = int((~np.isin(held.keys, keys)).sum())
        raise InputError(
            f"the data set has changed since the cache in {folder} was begun: {plan.n} rows then, "
            f"{len(keys)} now; of the {len(held)} rows that are cached {gone} are gone. Build a "
            "cache of the new rows in a folder of its own."
        )
    if content is None:
        return
    if plan.content is None:
        raise InputError(
            f"the cache in {folder} was begun without content=, so whether its rows have changed "
            "cannot be told. Leave content out, or build it again with it."
        )
    if content_digest(keys, content) != plan.content:
        raise InputError(
            f"the data set has changed since the cache in {folder} was begun: the ids are the "
            "same, but what stands under them is not. Build it again in a folder of its own."
        )
