"""What scorers of a logged run share: logits and labels in blocks, checked, and means of them.

Everything is computed in float64, one snapshot of one block of rows at a time, so a row's score
does not depend on the rows around it and memory stays at one block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from datapruner.core.items import Items
from datapruner.core.types import BoolArray, FloatArray, IntArray
from datapruner.errors import InputError, ScoreError
from datapruner.scorers.snapshots import Snapshots, open_labels, open_snapshots

__all__ = [
    "Block",
    "Logged",
    "blocks",
    "check_wanted",
    "chosen",
    "mean_of",
    "open_logged",
    "usable",
]

BLOCK_VALUES = 1 << 20  # logits computed with at once: 8 MiB of float64


@dataclass(frozen=True)
class Block:
    """One snapshot of some rows.

    Attributes:
        start: number of the first row.
        number: of the snapshot.
        logits: shape (m, C), float64, finite where ``seen``; 0 elsewhere.
        labels: shape (m,), int64, in [0, C); 0 where the label is unknown or does not matter.
        features: shape (m, d), float64, or None.
        seen: shape (m,), bool, rows that were logged in this snapshot and are not barred.
    """

    start: int
    number: int
    logits: FloatArray
    labels: IntArray
    features: FloatArray | None
    seen: BoolArray

    def log_probabilities(self) -> FloatArray:
        """Shape (m, C), float64: the logarithm of the softmax, finite."""
        shifted = self.logits - self.logits.max(axis=1, keepdims=True)
        log_p: FloatArray = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        return log_p

    def probabilities(self) -> FloatArray:
        """Shape (m, C), float64: the softmax."""
        p: FloatArray = np.exp(self.log_probabilities())
        return p

    def of_label(self, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Shape (m,) each: the value of every row's label, and the largest of the other classes."""
        rows = np.arange(len(values))
        own = values[rows, self.labels]
        others = values.copy()
        others[rows, self.labels] = -np.inf
        return own, others.max(axis=1)


@dataclass(frozen=True)
class Logged:
    """The logged columns of some items, opened and checked.

    Attributes:
        items: the rows.
        method: what messages call the scorer.
        logits: the logits.
        labels: shape (n,), int64; None where the scorer reads none.
        features: penultimate features; None where the scorer reads none.
    """

    items: Items
    method: str
    logits: Snapshots
    labels: IntArray | None
    features: Snapshots | None


def open_logged(items: Items, method: str, needs: tuple[str, ...]) -> Logged:
    """The columns that a scorer of a logged run needs.

    Args:
        items: rows with ``logits`` and, if needed, ``label_codes`` and ``features``.
        method: name of the scorer.
        needs: of ``logits``, ``label_codes``, ``features``; the first one missing is named.

    Raises:
        MissingColumnError: a column is not there.
        InputError: shapes that do not fit, fewer than 2 classes, or labels that are no codes.
    """
    column = {name: items.feature(name, method) for name in needs}
    logits = open_snapshots(column["logits"], "logits", method)
    if logits.width < 2 and items.n:
        raise InputError(
            f"{method}: the logits have {logits.width} classes; a score needs 2 or more. Log one "
            "number a class, for a yes-or-no model two."
        )
    labels = None
    if "label_codes" in needs:
        labels = open_labels(column["label_codes"], items, logits.width, method)
    features = None
    if "features" in needs:
        features = open_snapshots(column["features"], "features", method)
        if features.count not in (1, logits.count):
            raise InputError(
                f"{method}: {features.count} snapshots of features do not fit {logits.count} of "
                "logits; give one each, or one for all."
            )
    return Logged(items, method, logits, labels, features)


def chosen(count: int, wanted: int | None) -> range:
    """The snapshots to use of ``count``.

    Args:
        count: how many there are.
        wanted: above 0 the first so many, below 0 the last, None all; fewer where there are fewer.
    """
    if wanted is None:
        return range(count)
    return range(min(wanted, count)) if wanted > 0 else range(max(0, count + wanted), count)


def check_wanted(wanted: int | None, method: str) -> None:
    """Refuse a choice of no snapshot at all.

    Raises:
        InputError: ``wanted`` is 0.
    """
    if wanted == 0:
        raise InputError(
            f"{method}: snapshots is 0; give a number above 0 for the first so many, below 0 for "
            "the last, or None for all."
        )


def blocks(logged: Logged, which: range) -> Iterator[Block]:
    """Every block of rows, and of each every chosen snapshot in order.

    Raises:
        ScoreError: logits or features that are not finite (names the first five rows).
    """
    step = max(1, BLOCK_VALUES // max(1, logged.logits.width))
    for start in range(0, logged.items.n, step):
        stop = min(start + step, logged.items.n)
        live = ~logged.items.barred[start:stop]
        for number in which:
            values, seen = logged.logits.snapshot(number, start, stop)
            seen = seen & live
            logits = _finite(values, seen, start, number, "logits", logged.method)
            features = None
            if logged.features is not None:
                at = number if logged.features.count > 1 else 0
                values, also = logged.features.snapshot(at, start, stop)
                seen = seen & also
                features = _finite(values, seen, start, number, "features", logged.method)
            if logged.labels is None:
                labels = np.zeros(stop - start, dtype=np.int64)
            else:
                labels = logged.labels[start:stop]
                seen = seen & (labels >= 0)
            yield Block(start, number, logits, np.maximum(labels, 0), features, seen)


def mean_of(
    logged: Logged, which: range, term: Callable[[Block], FloatArray]
) -> tuple[FloatArray, IntArray]:
    """The mean of something over the snapshots in which a row was logged.

    Args:
        logged: the columns.
        which: the snapshots.
        term: shape (m,) from a block; what it says of rows that were not seen is left out.

    Returns:
        (mean, times): shape (n,), float64, 0 for rows never logged; shape (n,), int64.
    """
    total = np.zeros(logged.items.n, dtype=np.float64)
    times = np.zeros(logged.items.n, dtype=np.int64)
    for block in blocks(logged, which):
        part = slice(block.start, block.start + len(block.logits))
        total[part] += np.where(block.seen, term(block), 0.0)
        times[part] += block.seen
    return total / np.maximum(times, 1), times


def usable(
    items: Items, method: str, missing: BoolArray, what: str, on_bad: Literal["error", "drop"]
) -> Items:
    """The items without the rows that cannot be scored.

    Args:
        items: all rows.
        method: name of the scorer.
        missing: shape (n,), bool.
        what: what those rows lack, for the message: "were never logged".
        on_bad: ``"error"``, or ``"drop"`` to bar them.

    Raises:
        ScoreError: there are such rows that are not barred already, and ``on_bad`` is "error".
    """
    rows = np.flatnonzero(missing & items.is_countable)
    if not rows.size:
        return items
    if on_bad == "drop":
        return items.bar(missing & ~items.shell)
    raise ScoreError(
        f"{method}: {rows.size} of {items.countable} rows {what} (rows {_named(rows)}). Log them, "
        'or leave them out with on_bad="drop".'
    )


def _finite(
    values: FloatArray, seen: BoolArray, start: int, number: int, name: str, method: str
) -> FloatArray:
    wrong = np.flatnonzero(seen & ~np.isfinite(values).all(axis=1))
    if wrong.size:
        raise ScoreError(
            f"{method}: the {name} of {wrong.size} rows are NaN or infinite in snapshot {number} "
            f"(rows {_named(wrong + start)}). The run diverged there: leave the snapshot out, or "
            "train again."
        )
    return np.where(seen[:, None], values, 0.0)


def _named(rows: IntArray) -> str:
    named = ", ".join(str(int(row)) for row in rows[:5])
    return f"{named}{', ...' if rows.size > 5 else ''}"
