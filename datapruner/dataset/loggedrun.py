"""What logged runs say of their rows, as items for the scorers of difficulty.

    items = run_items(open_run("run.log"))
    scores = EL2N()(items)

The columns stay on the disk and are read block by block. Rows of a data set are joined with what
was logged of them in ``runrows``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from datapruner.core.items import Items
from datapruner.core.types import AnyArray, BoolArray, FloatArray, IntArray
from datapruner.dataset.runfile import Epoch, Header, Layout, digest_of_ids, read_header
from datapruner.errors import InputError

__all__ = [
    "LoggedColumn",
    "LoggedRun",
    "label_groups",
    "logged_columns",
    "open_run",
    "run_items",
]


@dataclass(frozen=True, eq=False)
class LoggedRun:
    """A log that can be read; see ``open_run``.

    Attributes:
        path: the file.
        header: what it is of.
    """

    path: Path
    header: Header

    def __len__(self) -> int:
        return self.header.n

    @property
    def epochs(self) -> tuple[Epoch, ...]:
        """What the whole epochs hold: rows logged, missing and repeated."""
        return self.header.epochs

    @property
    def labels(self) -> IntArray:
        """Shape (n,), int64: the label of every row, -1 for rows that were never logged."""
        labels: IntArray = Layout(self.header).map_labels(self.path, "r").astype(np.int64)
        return labels

    def place(self, epoch: int | None) -> int:
        """Where in the file an epoch lies; None for the last one.

        Raises:
            InputError: the log does not hold that epoch whole.
        """
        numbers = [one.epoch for one in self.epochs]
        if epoch is None and numbers:
            return len(numbers) - 1
        if epoch not in numbers:
            held = f"{numbers[0]} to {numbers[-1]}" if numbers else "none"
            raise InputError(
                f"{self.path} holds no whole epoch{'' if epoch is None else f' {epoch}'}; it holds "
                f"{held}. Log on, or name another."
            )
        return numbers.index(epoch)


@dataclass(frozen=True, eq=False)
class LoggedColumn:
    """Logits or features of logged runs: ``Snapshots`` that stay on the disk.

    Attributes:
        part: which of the two.
        sources: of every snapshot, the run and the place of the epoch in its file.
        rows: shape (m,), the rows that are looked at; None for all.
    """

    part: Literal["logits", "features"]
    sources: tuple[tuple[LoggedRun, int], ...]
    rows: IntArray | None = None

    @property
    def count(self) -> int:
        """Snapshots."""
        return len(self.sources)

    @property
    def width(self) -> int:
        """Classes of logits, dimensions of features."""
        header = self.sources[0][0].header
        return header.classes if self.part == "logits" else header.width

    def __len__(self) -> int:
        return len(self.sources[0][0]) if self.rows is None else len(self.rows)

    def take(self, rows: AnyArray) -> LoggedColumn:
        """The same column of these rows alone, in this order; nothing is read yet."""
        rows = np.asarray(rows, dtype=np.int64)
        taken = rows if self.rows is None else self.rows[rows]
        return LoggedColumn(self.part, self.sources, taken)

    def snapshot(self, number: int, start: int, stop: int) -> tuple[FloatArray, BoolArray]:
        """Shape (stop - start, width), float64, and whether each row was logged then."""
        run, place = self.sources[number]
        layout = Layout(run.header)
        map_part = layout.map_logits if self.part == "logits" else layout.map_features
        which: Any = slice(start, stop) if self.rows is None else self.rows[start:stop]
        values: FloatArray = map_part(run.path, "r", place)[which].astype(np.float64)
        seen: BoolArray = layout.map_times(run.path, "r", place)[which] > 0
        return values, seen


def open_run(path: str | Path) -> LoggedRun:
    """A log that ``RunLog`` wrote, whole epochs only; it may still be growing.

    Raises:
        InputError: there is no such log.
        FormatError: not a run log, damaged, or of another version.
    """
    return LoggedRun(Path(path), read_header(Path(path)))


def run_items(
    *runs: LoggedRun,
    epoch: int | None = None,
    id: Sequence[Any] | AnyArray | None = None,
    **columns: Any,
) -> Items:
    """Items with the columns that scorers of logged runs read.

    Args:
        *runs: one run: its epochs are the snapshots. Several runs of the same rows: one epoch of
            each is a snapshot, for means over initialisations and for ``memorisation``.
        epoch: number of that epoch; None: the last one of each. With one run: this epoch alone.
        id: the n ids, in the order of the log.
        **columns: more columns for ``Items.of``: ``held_in``, ``cost``, ...

    Returns:
        Items with the groups of their labels, ``logits``, ``label_codes`` and, where logged,
        ``features``; and ``embedding``, the features of the last snapshot, for pickers.

    Raises:
        InputError: no run, runs of other rows, an epoch that is not there, or ids that are not
            those of the log.
    """
    features = logged_columns(runs, epoch)
    _check_ids(runs, id)
    header = runs[0].header
    groups = label_groups(features["label_codes"], header.classes)
    return Items.of(header.n, id=id, **{**groups, **features, **columns})


def logged_columns(runs: Sequence[LoggedRun], epoch: int | None = None) -> dict[str, Any]:
    """The feature columns of ``run_items``, by name, in the order of the log.

    Args:
        runs: of the same rows.
        epoch: as for ``run_items``.

    Raises:
        InputError: no run, runs of other rows, or an epoch that is not there.
    """
    if not runs:
        raise InputError("no run was given; open one with open_run(path).")
    first = runs[0]
    labels = _same_rows(runs)
    if len(runs) == 1 and epoch is None:
        first.place(None)
        sources = tuple((first, place) for place in range(len(first.epochs)))
    else:
        sources = tuple((run, run.place(epoch)) for run in runs)
    features: dict[str, Any] = {"logits": LoggedColumn("logits", sources), "label_codes": labels}
    if first.header.width:
        logged = LoggedColumn("features", sources)
        run, place = sources[-1]
        features["features"] = logged
        features["embedding"] = Layout(run.header).map_features(run.path, "r", place)
    return features


def label_groups(labels: IntArray, classes: int) -> dict[str, Any]:
    """``group`` and ``group_names`` of label codes, for ``Items``.

    Args:
        labels: shape (n,), in [-1, C); -1 for a row that was never logged, a group of its own.
        classes: C.
    """
    names = [str(code) for code in range(classes)]
    group = np.where(labels < 0, len(names), labels).astype(np.int32)
    if (labels < 0).any():
        names.append("never logged")
    return {"group": group, "group_names": tuple(names)}


def _same_rows(runs: Sequence[LoggedRun]) -> IntArray:
    """The labels of all; a row that one run never saw has that of another."""
    first = runs[0]
    labels = first.labels
    for run in runs[1:]:
        for name in ("n", "classes", "width", "ids"):
            ours, theirs = getattr(first.header, name), getattr(run.header, name)
            if ours != theirs:
                raise InputError(
                    f"{run.path} has {name} {theirs}, {first.path} has {ours}; give runs of the "
                    "same rows, in the same order."
                )
        others = run.labels
        wrong = np.flatnonzero((labels >= 0) & (others >= 0) & (labels != others))
        if wrong.size:
            raise InputError(
                f"{run.path} and {first.path} disagree on the labels of {wrong.size} rows (rows "
                f"{', '.join(map(str, wrong[:5].tolist()))}); give runs of the same rows, in the "
                "same order."
            )
        labels = np.where(labels < 0, others, labels)
    return labels


def _check_ids(runs: Sequence[LoggedRun], id: Sequence[Any] | AnyArray | None) -> None:
    logged = runs[0].header.ids
    if id is not None and logged is not None and digest_of_ids(id) != logged:
        raise InputError(
            f"the ids are not those that {runs[0].path} was made with, in their order; give the "
            "rows as they were when the run was logged."
        )
