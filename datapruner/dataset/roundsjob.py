"""From a file to the row ids of every round: a folder with one Parquet file a round.

A round is a small table (``row``, ``id``, and ``weight`` where rounds have weights) that any tool
reads. ``schedule.json`` says what they belong to. Every file appears whole or not at all, so a run
that was stopped is started again with the same command: rounds that are there are compared with
what they should be, and only those that are missing are written.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.dataset.paths import files_of_inputs, refuse_overlap
from datapruner.dataset.reading import Reading, is_vectors, read_items
from datapruner.dataset.resample import resample
from datapruner.dataset.schedule import Schedule, check_rounds
from datapruner.dataset.source import BadRow, open_source
from datapruner.errors import InputError, OutputError
from datapruner.output import atomic_write_bytes

__all__ = ["RoundsJob", "Written", "round_file"]

_HEAD = "schedule.json"


@dataclass(frozen=True)
class Written:
    """What a run left.

    Attributes:
        schedule: the rounds.
        fresh: how many of them were written.
        known: how many were there already, and right.
        bad: rows that were left out.
    """

    schedule: Schedule
    fresh: int
    known: int
    bad: tuple[BadRow, ...]


def round_file(folder: Path, number: int) -> Path:
    """The file of a round."""
    return folder / f"round-{number:06d}.parquet"


@dataclass(frozen=True, kw_only=True)
class RoundsJob:
    """A run from files to rounds; the fields are the parameters of ``resample``.

    Attributes:
        inputs: files, folders or globs of rows; or one file of vectors.
        out: the folder of rounds, made if it is not there.
        scores: a file that ``datapruner score`` wrote, of the same rows.
    """

    inputs: tuple[str, ...]
    budget: str
    rounds: int
    out: str
    label: str | None = None
    id: str | None = None
    scores: str | None = None
    replacement: bool = False
    on_bad: Literal["error", "drop"] = "error"
    format: str | None = None
    seed: int = 0

    def check(self) -> None:
        """Refuse what no run could do, before anything is read.

        Raises:
            InputError: no input, or a number of rounds that is none.
            OutputError: the rounds would be written over the input, or over another file.
        """
        if not self.inputs:
            raise InputError("there is nothing to read: name at least one file, or - for stdin.")
        check_rounds(self.rounds)
        folder = Path(self.out)
        if self.out == "-" or (folder.exists() and not folder.is_dir()):
            raise OutputError(f"the rounds go to a folder, and {self.out} is none; name another.")
        read = files_of_inputs(self.inputs, self.format) + [Path(p) for p in self.inputs]
        refuse_overlap([path for path in read if path.exists()], [folder])

    def run(
        self, *, overwrite: bool = False, progress: Callable[[str, int, int], None] | None = None
    ) -> Written:
        """Write the rounds that are not there yet.

        Args:
            overwrite: replace rounds of another schedule.
            progress: called with (stage, done, total).

        Raises:
            OutputError: the folder holds another schedule, a file that is no such round, or cannot
                be written.
            DataPrunerError: as ``resample``.
        """
        self.check()
        items, bad = self._read(progress)
        schedule = self._schedule(items)
        folder = Path(self.out)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot make the folder {folder}: {error.strerror}.") from error
        self._claim(folder, schedule, overwrite)
        ids, fresh = np.asarray(items.ids), 0
        for number in range(self.rounds):
            fresh += _keep(round_file(folder, number), _table(schedule, number, ids), overwrite)
            if progress is not None:
                progress("rounds", number + 1, self.rounds)
        return Written(schedule, fresh, self.rounds - fresh, bad)

    def _read(self, progress: Any) -> tuple[Items, tuple[BadRow, ...]]:
        paths: Any = [Path(name) for name in self.inputs]
        if len(paths) == 1:
            paths = paths[0]
        data = paths if is_vectors(paths) else open_source(paths, format=self.format)
        reading = Reading(label=self.label, id=self.id, on_bad=self.on_bad)
        loaded, _ = read_items(data, reading, (), progress=progress)
        return loaded.items, loaded.bad

    def _schedule(self, items: Items) -> Schedule:
        return resample(
            items,
            budget=self.budget,
            replacement=self.replacement,
            label=None if self.label is None else np.array(items.group_names)[items.group],
            scores=None if self.scores is None else Scores.load(Path(self.scores)),
            rounds=self.rounds,
            seed=self.seed,
        )

    def _claim(self, folder: Path, schedule: Schedule, overwrite: bool) -> None:
        """Say in the folder which schedule its rounds are of; more of the same may follow."""
        head = folder / _HEAD
        if head.exists() and not overwrite:
            try:
                known = json.loads(head.read_text(encoding="utf-8"))
                fingerprint, rounds = known["fingerprint"], int(known["rounds"])
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise OutputError(
                    f"{head} is no description of rounds; name another folder, or --overwrite."
                ) from error
            if fingerprint != schedule.fingerprint:
                raise OutputError(
                    f"{folder} holds rounds of another schedule: other rows, budget, draw or "
                    "seed. Name another folder, or replace them with --overwrite."
                )
            if rounds >= self.rounds:
                return
        data = json.dumps(schedule.to_dict(), indent=1, sort_keys=True).encode() + b"\n"
        atomic_write_bytes(head, data, overwrite=True)


def _table(schedule: Schedule, number: int, ids: Any) -> Any:
    import polars

    this = schedule[number]
    names = ids[this.rows].tolist()
    columns: dict[str, Any] = {"row": this.rows, "id": names}
    if this.weights is not None:
        columns["weight"] = this.weights
    return polars.DataFrame(columns)


def _keep(path: Path, table: Any, overwrite: bool) -> bool:
    """Write a round unless it is there already; returns whether it was written."""
    if path.exists() and not overwrite:
        if _is_same(path, table):
            return False
        raise OutputError(
            f"{path} is damaged, or is not that round of this schedule; remove it, or replace "
            "the rounds with --overwrite."
        )
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    atomic_write_bytes(path, buffer.getvalue(), overwrite=overwrite)
    return True


def _is_same(path: Path, table: Any) -> bool:
    import polars

    try:
        return bool(polars.read_parquet(path).equals(table))
    except (polars.exceptions.PolarsError, OSError):
        return False
