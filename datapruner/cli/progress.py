"""How far a run is: bars with an ETA on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

__all__ = ["Lines", "bars"]

_WORDS = {
    "read": "reading",
    "embed": "embedding",
    "scan": "checking vectors",
    "train": "finding prototypes",
    "assign": "measuring distances",
}
# A log file of an hour's run then has some hundreds of lines.
_SECONDS = 5.0


class Lines:
    """A line on stderr at most every few seconds; a run shorter than that says nothing.

    Args:
        rows: about how many rows there are, for stages that do not know it; 0 if nobody does.
    """

    def __init__(self, rows: int = 0) -> None:
        self._rows = rows
        self._begun: dict[str, float] = {}
        self._last = time.monotonic()

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Take note, and say so if it is time."""
        now = time.monotonic()
        begun = self._begun.setdefault(stage, now)
        if now - self._last < _SECONDS:
            return
        self._last = now
        expected = total or self._rows
        of = f" of {'' if total else 'about '}{expected:,}" if expected >= done else ""
        left = ""
        if of and done and now > begun:
            left = f", about {_duration((now - begun) * (expected - done) / done)} left"
        sys.stderr.write(f"datapruner: {_WORDS.get(stage, stage)} {done:,}{of}{left}\n")
        sys.stderr.flush()


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


@contextlib.contextmanager
def bars(rows: int = 0) -> Iterator[Callable[[str, int, int], None]]:
    """A bar a stage on the terminal, with the time that is left; gone at the end.

    Args:
        rows: as for ``Lines``.

    Yields:
        The callable of (stage, done, total).
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskID,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description:<20}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:

        def show(stage: str, done: int, total: int) -> None:
            expected = total or max(rows, done) or None
            if stage not in tasks:
                tasks[stage] = progress.add_task(_WORDS.get(stage, stage), total=expected)
            progress.update(tasks[stage], completed=done, total=expected)

        yield show
