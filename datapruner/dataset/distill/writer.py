"""Writing a cache of teacher logits: in segments, beside the teacher's own work, resumable.

Rows are taken in any order and gathered until a segment is full; a thread then sums it up and
brings it to the disk while the teacher goes on, and another does so with the next, for the disk
would wait while a segment is summed up. Memory that was written is used again: to be given fresh
pages by the system costs as much as to round the logits.

After a kill the finished segments are verified and kept, and only what is missing is asked for;
with the same batches in the same order the files end with the same bytes.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import shutil
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from datapruner.core.types import BoolArray, IntArray, UInt64Array
from datapruner.dataset.distill.fingerprint import id_keys
from datapruner.dataset.distill.held import Held, refuse_other_rows
from datapruner.dataset.distill.pieces import Piece, encode, join
from datapruner.dataset.distill.plan import HEADER, KEY_BYTES, Plan, row_bytes
from datapruner.dataset.distill.segments import (
    Segment,
    open_segment,
    segment_path,
    segment_paths,
    write_segment,
)
from datapruner.errors import FormatError, InputError, OutputError

__all__ = ["SEGMENT_BYTES", "CacheWriter", "estimate_bytes"]

log = logging.getLogger("datapruner")

SEGMENT_BYTES = 64 * 2**20
"""Long enough that bringing it to the disk is sequential work, short enough to lose in a kill."""

_AT_ONCE = 2  # segments on their way to the disk
_HEADER_BYTES = 1024  # more than the header of any segment, or of the cache


def estimate_bytes(n: int, classes: int, topk: int | None, tokens: int | None) -> int:
    """See ``TeacherCache.estimate``."""
    if n < 0 or classes < 1 or (tokens is not None and tokens < 0):
        raise InputError(
            f"n is {n}, classes {classes}, tokens {tokens}; no number may be negative, and there "
            "is at least one class."
        )
    each = row_bytes(classes, topk)
    rows = n * (KEY_BYTES + each) if tokens is None else 2 * n * KEY_BYTES + tokens * each
    return rows + _HEADER_BYTES * (2 + rows // SEGMENT_BYTES)


class CacheWriter:
    """Takes answers of a teacher and keeps them; made by ``TeacherCache.create``.

    As a context manager it closes at the end, and after an error it drops the rows that do not fill
    a segment. One process at a time may write to a folder.

    Args:
        folder: a folder of its own; made if it does not exist.
        plan: what the cache is to hold; one that was begun must agree with it.
        keys: shape (n,), uint64: the keys of all rows.
        content: what stands under them, for the comparison with a cache that was begun.

    Raises:
        InputError: the folder holds a cache of another teacher, view, size or data set.
        OutputError: it holds something else, another process writes to it, or the disk is too full.
        FormatError: its header cannot be read.
    """

    def __init__(self, folder: Path, plan: Plan, keys: UInt64Array, content: Any) -> None:
        self.folder = folder
        self.plan = plan
        self._lock = _begin(folder, plan)
        try:
            held = Held.of(_finished(folder))
            begun = Plan.load(folder)
            begun.refuse_other_teacher(folder, plan.fingerprint)
            begun.refuse_other_view(folder, plan.view)
            begun.refuse_other_size(folder, plan)
            refuse_other_rows(begun, folder, held, keys, content)
            self._keys = np.sort(keys)
            self._has = held.find(self._keys) >= 0
            self._asked = np.zeros(len(keys), dtype=np.bool_)
            _refuse_full_disk(folder, plan, self.missing)
        except BaseException:
            self._lock.close()
            raise
        self._waiting: list[Piece] = []
        self._bytes = 0
        self._spare: list[npt.NDArray[np.uint8]] = []
        taken = segment_paths(folder)
        self._numbers = (number for number in itertools.count() if number not in taken)
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="datapruner-cache")
        self._writing: deque[tuple[Future[None], list[Piece]]] = deque()

    @property
    def missing(self) -> int:
        """Number of rows that were not written yet."""
        return int(self._has.size - np.count_nonzero(self._has))

    def has(self, ids: Any) -> BoolArray:
        """Shape (b,), bool: which of these rows were written, in this run or before.

        Raises:
            InputError: an id that is not of this data set.
        """
        there: BoolArray = self._has[self._places(ids)]
        return there

    def write(self, ids: Any, logits: Any) -> None:
        """Take the answers for some rows, in any order.

        Args:
            ids: b ids of the data set, each for the first time.
            logits: an array or tensor of shape (b, C), any float dtype and device. In a cache of
                tokens (b, L, C), or b arrays of shape (L_i, C) where rows differ in length.

        Raises:
            InputError: an unknown id, one that was written before, another shape, not finite.
            OutputError: an earlier segment could not be written.
        """
        places = self._places(ids)
        again = self._has[places]
        if again.any() or _repeats(places):
            some = np.asarray(ids)[again][:5].tolist() or np.asarray(ids)[:5].tolist()
            raise InputError(
                f"of these {len(places)} rows {int(again.sum())} were written before, or one "
                f"stands twice among them (near the ids {some}). Write every row once; has(ids) "
                "tells which are there."
            )
        self._take(encode(self.plan, self._keys[places], ids, logits, self._room), places)

    def ask(self, ids: Any, inputs: Any, teacher: Callable[[Any], Any]) -> None:
        """Write what the teacher says of some rows, unless all of them are there.

        Args:
            ids: b ids of the data set; a row may be asked about once in a run.
            inputs: for the teacher.
            teacher: gives logits as ``write`` takes them, for all b rows.

        Raises:
            InputError: a row that was asked about before; otherwise as ``write``.
            OutputError: as ``write``.
        """
        places = self._places(ids)
        if self._asked[places].any() or _repeats(places):
            some = np.asarray(ids)[self._asked[places]][:5].tolist() or np.asarray(ids)[:5].tolist()
            raise InputError(
                f"the batches bring a row twice, near the ids {some}. Bring every row once; a "
                "sampler that pads its last batch, or draws with replacement, does not."
            )
        self._asked[places] = True
        fresh = ~self._has[places]
        if fresh.any():
            piece = encode(self.plan, self._keys[places], ids, teacher(inputs), self._room)
            self._take(piece.chosen(fresh), places[fresh])

    def close(self) -> None:
        """Write what waits, and let go of the folder; a second call does nothing."""
        try:
            if self._waiting:
                self._close_segment()
            self._settle(0)
        finally:
            self._release()

    def __enter__(self) -> CacheWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
            return
        self._waiting = []
        with contextlib.suppress(OutputError):  # the first error is the one to tell
            self._settle(0)
        self._release()

    def _places(self, ids: Any) -> Any:
        keys = id_keys(ids)
        place = np.minimum(np.searchsorted(self._keys, keys), max(0, len(self._keys) - 1))
        known = self._keys[place] == keys if len(self._keys) else np.zeros(len(keys), dtype=bool)
        if not known.all():
            some = np.asarray(ids)[~known][:5].tolist()
            raise InputError(
                f"{int((~known).sum())} of these {len(keys)} ids are not of the data set that the "
                f"cache in {self.folder} was begun with, among them {some}."
            )
        return place

    def _take(self, piece: Piece, places: Any) -> None:
        """Gather a piece; a segment is closed after the row that fills it."""
        self._has[places] = True
        start = 0
        while start < len(piece):
            sizes = self._bytes + np.cumsum(piece.sizes(self.plan)[start:])
            stop = start + int(np.searchsorted(sizes, self.plan.segment_bytes)) + 1
            part = piece.between(start, min(stop, len(piece)))
            self._waiting.append(part)
            self._bytes = int(sizes[len(part) - 1])
            if stop <= len(piece):
                self._close_segment()
            start += len(part)

    def _close_segment(self) -> None:
        self._settle(_AT_ONCE - 1)
        pieces, self._waiting, self._bytes = self._waiting, [], 0
        path = segment_path(self.folder, next(self._numbers))
        writing = self._threads.submit(lambda: write_segment(path, join(pieces)))
        self._writing.append((writing, pieces))

    def _settle(self, most: int) -> None:
        """Wait until at most so many segments are under way.

        In their order: memory is free when the last rows in it are written, and the first of them
        may be in the segment before.
        """
        while len(self._writing) > most:
            writing, pieces = self._writing.popleft()
            writing.result()
            self._spare += [piece.lent for piece in pieces if piece.lent is not None]

    def _room(self, size: int) -> npt.NDArray[np.uint8]:
        """Memory that was used before, if it is large enough."""
        if self._spare and self._spare[-1].size >= size:
            return self._spare.pop()
        self._spare.clear()
        return np.empty(size, dtype=np.uint8)

    def _release(self) -> None:
        self._threads.shutdown()
        self._lock.close()


def _repeats(places: IntArray) -> bool:
    ordered = np.sort(places)
    return bool((ordered[1:] == ordered[:-1]).any())


def _begin(folder: Path, plan: Plan) -> IO[bytes]:
    """Make the folder and its header if they are not there; returns the held header."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {folder}: {error.strerror}.") from error
    if not (folder / HEADER).exists():
        others = sorted(path.name for path in folder.iterdir() if ".tmp-" not in path.name)
        if others:
            raise OutputError(
                f"{folder} holds {others[0]} and no cache; name a folder of its own for the cache."
            )
        plan.save(folder)
    lock = (folder / HEADER).open("rb")
    try:
        import fcntl  # not on every system

        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:
        pass
    except OSError as error:
        lock.close()
        raise OutputError(
            f"another process is writing to the cache in {folder}; let one of them do it."
        ) from error
    for draft in folder.glob("segment-*.tmp-*"):  # of a killed run: nobody else holds the lock
        draft.unlink(missing_ok=True)
    return lock


def _finished(folder: Path) -> list[Segment]:
    """The segments that are whole; those that are not are removed, and their rows made anew."""
    found = []
    for path in segment_paths(folder).values():
        try:
            segment = open_segment(path)
            segment.verify()
        except FormatError as error:
            log.warning("a segment is made anew: %s", error)
            path.unlink(missing_ok=True)
            continue
        found.append(segment)
    return found


def _refuse_full_disk(folder: Path, plan: Plan, missing: int) -> None:
    if plan.per == "token":
        return  # how many tokens there are is not known
    needed = estimate_bytes(missing, plan.classes, plan.topk, None)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OutputError(
            f"the cache in {folder} needs {needed / 1e9:.2f} GB more, and {free / 1e9:.2f} GB are "
            "free. Choose another disk, or keep fewer classes with topk."
        )
