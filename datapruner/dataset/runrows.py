"""Rows of a data set with what training runs logged of them.

A log that was made with ids finds its rows by id, in whatever order they stand. One that was made
with row numbers finds them by position, so it must be of exactly these rows. Every row has its
place in the log and every row of the log its row, or it is an error that names those without.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from datapruner.core.items import Items
from datapruner.core.types import AnyArray, IntArray
from datapruner.dataset.loggedrun import (
    LoggedColumn,
    LoggedRun,
    label_groups,
    logged_columns,
    open_run,
)
from datapruner.dataset.runfile import Layout, keys_of_ids
from datapruner.errors import InputError, MissingColumnError
from datapruner.methods import METHODS, Method

__all__ = [
    "check_runs",
    "digest_of_runs",
    "join_runs",
    "open_runs",
    "read_held_in",
    "reads_log",
    "refuse_other_count",
]

log = logging.getLogger("datapruner")

_SHOWN = 5
_CHUNK = 1 << 22


def reads_log(method: Method) -> bool:
    """Whether a method scores what a training run logged."""
    return "logits" in method.needs


def open_runs(given: Any) -> tuple[LoggedRun, ...]:
    """Logs by name, or opened already; one, or several in a list.

    Raises:
        InputError: there is no such log.
        FormatError: not a run log, or damaged.
    """
    if given is None:
        return ()
    several = [given] if isinstance(given, str | Path | LoggedRun) else list(given)
    return tuple(one if isinstance(one, LoggedRun) else open_run(one) for one in several)


def check_runs(method: Method, runs: Sequence[LoggedRun], epoch: int | None, held_in: Any) -> None:
    """Refuse logs that a method does not read, and a method that finds no log, before any work.

    Raises:
        InputError: a log, an epoch or ``held_in`` that the method has no use for; too few runs.
        MissingColumnError: the method reads what was not logged, or no log was given.
    """
    name = method.name
    if not reads_log(method):
        for what, flag, value in (("log", "--log", runs), ("epoch", "--epoch", epoch)):
            if value not in ((), None):
                known = ", ".join(one.name for one in METHODS.values() if reads_log(one))
                raise InputError(
                    f"method {name!r} reads no log of a training run; leave {what} ({flag}) out, "
                    f"or take a method that does: {known}."
                )
    elif not runs:
        raise MissingColumnError(
            f"method {name!r} scores what a training run logged, and no log was given. Write one "
            'in your training loop: `log = RunLog("run.log", n=len(data), classes=C)` (from '
            "datapruner.dataset.runlog) before it, `log.record(rows, logits, labels, epoch=epoch)` "
            'for every batch; then give log="run.log" (--log run.log).'
        )
    elif "features" in method.needs and not min(run.header.width for run in runs):
        raise MissingColumnError(
            f"method {name!r} needs the inputs of the last layer, and {runs[0].path} logs none. "
            "Log the run again with RunLog(..., features=their width) and record(..., "
            "features=them)."
        )
    _check_parts(method, len(runs), held_in)


def _check_parts(method: Method, runs: int, held_in: Any) -> None:
    if "held_in" not in method.needs:
        if held_in is not None:
            raise InputError(
                f"method {method.name!r} does not ask which rows a run trained on; leave held_in "
                "(--held-in) out, or take method 'memorisation'."
            )
    elif held_in is None or runs < 2:
        raise MissingColumnError(
            f"method {method.name!r} compares runs that trained on a row with runs that did not. "
            f"Give two logs or more, here are {runs} (log=[...], --log A.log --log B.log), and "
            "held_in (--held-in FILE.npy): true or false of shape (rows, runs)."
        )


def join_runs(
    items: Items,
    runs: Sequence[LoggedRun],
    *,
    epoch: int | None = None,
    held_in: Any = None,
    where: str = "the data",
    id: Any = None,
    label: Any = None,
) -> Items:
    """The same items with the columns that scorers of logged runs read.

    Args:
        items: n rows.
        runs: of those rows.
        epoch: as for ``run_items``.
        held_in: as for ``read_held_in``.
        where: what messages call the data.
        id: how the ids were given; None: nobody named any.
        label: how the labels were given; None: the groups become those of the log.

    Returns:
        Items with ``logits``, ``label_codes`` and, where there are any, ``features``, ``held_in``
        and ``embedding`` (the items' own, else the features of the last snapshot). Columns stay on
        the disk; only an embedding whose rows stand in another order is copied.

    Raises:
        InputError: rows that are not those of the log (says which), runs of other rows, or an
            epoch that is not there.
    """
    columns = logged_columns(runs, epoch)
    held = read_held_in(held_in, runs)
    if held is not None:
        columns["held_in"] = held
    place = _places(items, runs[0], where, id)
    if place is not None:
        columns = {name: _taken(column, np.maximum(place, 0)) for name, column in columns.items()}
        columns["label_codes"] = np.where(place < 0, -1, columns["label_codes"])
    groups = {}
    if label is None:
        # A row that cannot be read has no label; it must not make a group of its own.
        spare = np.where(items.barred, 0, -1)
        codes = np.where(columns["label_codes"] < 0, spare, columns["label_codes"])
        groups = label_groups(codes, runs[0].header.classes)
    else:
        _compare_labels(items, columns["label_codes"], runs[0], where)
    return dataclasses.replace(items, features={**columns, **items.features}, **groups)


def _taken(column: Any, rows: IntArray) -> Any:
    return column.take(rows) if isinstance(column, LoggedColumn) else np.asarray(column)[rows]


def _places(items: Items, run: LoggedRun, where: str, id: Any) -> IntArray | None:
    """Shape (n,), int64: where in the log each row stands; None: where it stands itself.

    A barred row may have lost its id with the rest of it; its place is -1 then.
    """
    if run.header.ids is None:
        refuse_other_count(items.n, run, where)
        return None
    keys = keys_of_ids(items.ids)
    logged = Layout(run.header).map_keys(run.path, "r")
    if np.array_equal(keys, logged):
        return None
    order = np.argsort(logged, kind="stable")
    at = order[np.minimum(np.searchsorted(logged, keys, sorter=order), len(run) - 1)]
    is_there = logged[at] == keys
    lost = np.flatnonzero(~is_there & ~items.barred)
    alone = np.ones(len(run), dtype=bool)
    alone[at[is_there]] = False
    # A row that could not be read leaves a row of the log without its fellow.
    spare = int(np.count_nonzero(~is_there & items.barred))
    left = np.flatnonzero(alone)
    if not lost.size and left.size <= spare:
        return np.where(is_there, at, -1).astype(np.int64)
    found = []
    if lost.size:
        found.append(f"{lost.size} of {items.n} rows are not in it (ids {_named(items.ids, lost)})")
    if left.size > spare:
        numbers = np.arange(len(run))
        found.append(
            f"{left.size} of its {len(run)} rows are not there (its rows {_named(numbers, left)})"
        )
    advice = "give the rows that the run was logged on"
    if id is None and lost.size:
        advice = 'name the column of those ids with id="..." (--id)'
    raise InputError(
        f"{run.path} was made with ids, and they are not those of {where}: "
        f"{' and '.join(found)}; {advice}."
    )


def refuse_other_count(n: int, run: LoggedRun, where: str) -> None:
    """Refuse a number of rows that a log without ids cannot be of.

    Raises:
        InputError: the log knows rows by position and is of more or fewer.
    """
    if run.header.ids is None and n != len(run):
        raise InputError(
            f"{run.path} was made of {len(run)} rows, and {where} has {n}. A log without ids knows "
            "rows by their position: give exactly the rows that the run was logged on, in their "
            "order, or log with RunLog(..., ids=...)."
        )


def _compare_labels(items: Items, codes: IntArray, run: LoggedRun, where: str) -> None:
    """Warn where the groups look like the classes of the log, and some rows speak against it."""
    rows = np.flatnonzero(items.is_countable & (codes >= 0))
    group, code = items.group[rows].astype(np.int64), codes[rows]
    table = np.zeros((len(items.group_names), run.header.classes), dtype=np.int64)
    np.add.at(table, (group, code), 1)
    others = int(table.sum() - table.max(axis=1, initial=0).sum())
    if others and np.count_nonzero(table.any(axis=1)) == np.count_nonzero(table.any(axis=0)):
        log.warning(
            "the labels of %s and those in %s do not pair off: %s of %s rows have another code "
            "than most rows of their label. If both are the classes, these are not the rows of "
            "the run, or they stand in another order.",
            *(where, run.path, f"{others:,}", f"{rows.size:,}"),
        )


def _named(names: AnyArray, rows: IntArray) -> str:
    shown = ", ".join(str(names[row]) for row in rows[:_SHOWN].tolist())
    return f"{shown}{', ...' if rows.size > _SHOWN else ''}"


def read_held_in(given: Any, runs: Sequence[LoggedRun]) -> AnyArray | None:
    """Which rows each run trained on.

    Args:
        given: an array, or the name of a ``.npy`` file of one, of shape (n, runs), bool, in the
            order of the log; None for none.
        runs: R of them, of n rows.

    Raises:
        InputError: there is no such file, or it holds something else.
    """
    if given is None:
        return None
    if isinstance(given, str | Path):
        try:
            array: AnyArray = np.load(given, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            what = "there is no file" if isinstance(error, FileNotFoundError) else "no array is in"
            raise InputError(
                f"held_in (--held-in): {what} {given}; write one with numpy.save."
            ) from error
    else:
        array = np.asarray(given)
    wanted = (len(runs[0]), len(runs))
    is_array = isinstance(array, np.ndarray)
    if not is_array or array.shape != wanted or array.dtype != np.bool_:
        told = f"{array.dtype} of shape {array.shape}" if is_array else "several arrays"
        raise InputError(
            f"held_in (--held-in) is {told}; {wanted[0]} rows and {wanted[1]} runs need true or "
            f"false of shape {wanted}, in the order of the log."
        )
    return array


def digest_of_runs(column: LoggedColumn) -> str:
    """SHA-256 of the labels, the keys and the epochs that a column of logits was read from.

    What a growing log has got since is not part of it.

    Args:
        column: as ``join_runs`` gives it.
    """
    total = hashlib.sha256()
    for run, places in _epochs(column).items():
        layout = Layout(run.header)
        told = dataclasses.asdict(run.header) | {"epochs": [run.epochs[at].epoch for at in places]}
        total.update(json.dumps(told, sort_keys=True).encode())
        with run.path.open("rb") as file:
            for start, size in [
                (0, layout.head),
                *((layout.size(at), layout.slab) for at in places),
            ]:
                file.seek(start)
                for done in range(0, size, _CHUNK):
                    total.update(file.read(min(_CHUNK, size - done)))
    return total.hexdigest()


def _epochs(column: LoggedColumn) -> dict[LoggedRun, list[int]]:
    found: dict[LoggedRun, list[int]] = {}
    for run, place in column.sources:
        found.setdefault(run, []).append(place)
    return found
