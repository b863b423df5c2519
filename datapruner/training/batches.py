"""The order of training: batches of about equal length, the same for the same seed and data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from datapruner import rng
from datapruner.core.types import IntArray, UInt64Array
from datapruner.training.windows import Window

__all__ = ["epoch_batches", "length_batches", "window_keys"]

POOL = 64
"""Batches' worth of windows that are sorted by length together: a padding of a few per cent."""


def window_keys(windows: Sequence[Window], ids: Sequence[str]) -> UInt64Array:
    """A number for each window from the id of its pair, whatever the order of the file.

    Args:
        windows: of all pairs.
        ids: of the pairs, by number.

    Returns:
        Shape (len(windows),), uint64.
    """
    return rng.hash_strings([f"{ids[w.pair]}\x1f{w.number}" for w in windows])


def epoch_batches(
    lengths: IntArray, keys: UInt64Array, *, batch_tokens: int, seed: int, epoch: int
) -> list[IntArray]:
    """The batches of one pass: numbers of windows, each window once.

    Windows are shuffled, sorted by length inside pools, cut into batches whose padded size is at
    most ``batch_tokens`` (a longer window is a batch of its own), and the batches are shuffled.

    Args:
        lengths: tokens of each window, shape (n,).
        keys: as ``window_keys`` gives them; the order follows from them, not from positions.
        batch_tokens: rows times the longest row, at most.
        seed: of the order.
        epoch: number of the pass, from 0; every pass has an order of its own.
    """
    mixed = rng.mix(keys, rng.subseed(seed, f"train epoch {epoch}"))
    order = np.lexsort((keys, mixed))
    size = max(1, POOL * batch_tokens // max(1, int(np.mean(lengths)))) if len(lengths) else 1
    batches = []
    for first in range(0, len(order), size):
        pool = order[first : first + size]
        batches += length_batches(lengths, pool[np.argsort(lengths[pool], kind="stable")],
                                  batch_tokens)  # fmt: skip
    heads = rng.mix(mixed[[batch[0] for batch in batches]], seed + 1) if batches else mixed
    return [batches[place] for place in np.argsort(heads, kind="stable").tolist()]


def length_batches(lengths: IntArray, order: IntArray, batch_tokens: int) -> list[IntArray]:
    """Cut an order of rows into batches of at most ``batch_tokens`` padded tokens, or one row."""
    batches: list[list[int]] = []
    longest = 0
    for row in order.tolist():
        longest = max(longest, int(lengths[row]))
        if not batches or longest * (len(batches[-1]) + 1) > batch_tokens:
            batches.append([])
            longest = int(lengths[row])
        batches[-1].append(row)
    return [np.array(batch, dtype=np.int64) for batch in batches]
