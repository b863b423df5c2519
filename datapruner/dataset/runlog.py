"""RunLog: writes down what a training loop sees, for the scorers of logged runs.

    with RunLog("run.log", n=len(train), classes=10) as log:
        for epoch in range(epochs):
            for rows, x, y in loader:
                logits = model(x)
                log.record(rows, logits, y, epoch=epoch)
                ...

No torch is needed: tensors are taken by their ``detach``, ``cpu`` and ``numpy``. Memory stays at
one batch. An epoch counts as whole when the next one begins, or when the log is closed without an
error; ``end_epoch`` says so earlier. A run that is killed loses the epoch it was in and no other;
open the log again with the same arguments and go on.

Rows recorded twice in an epoch: the last time counts, and the epoch's ``repeated`` says how many.
Rows never recorded in an epoch: ``missing`` says how many, and scorers pass over them there. One
process writes one log: under data-parallel training gather the batches there.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np

from datapruner.core.types import AnyArray
from datapruner.dataset.runbatch import UNKNOWN, Batches
from datapruner.dataset.runfile import (
    DTYPES,
    Epoch,
    Header,
    Layout,
    digest_of_ids,
    header_path,
    keys_of_ids,
    read_header,
)
from datapruner.errors import InputError, OutputError

__all__ = ["RunLog"]

MOST_TIMES = np.iinfo(np.uint16).max


class RunLog:
    """A log of logits, labels and, if asked for, features, epoch by epoch.

    Args:
        path: the file; its header lies beside it as ``path.json``. A log that is there already is
            gone on with, if it is of the same rows.
        n: rows of the training set.
        classes: logits a row, at least 2.
        features: width of the penultimate features to log, which ``grand`` needs; 0 for none.
        dtype: ``"float32"``, or ``"float16"`` for half the size: logits then have 11 bits, and two
            that nearly tie may tie.
        ids: the n ids of the rows, all text or all whole numbers, if ``record`` shall take ids;
            None: it takes row numbers.

    Attributes:
        n, classes: as given.
        epochs: what the whole epochs hold.

    Raises:
        InputError: numbers that cannot be, ids that are not n different ones, or a log of other
            rows.
        FormatError: the file is no run log, or damaged.
        OutputError: it cannot be written, or another process writes it.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        n: int,
        classes: int,
        features: int = 0,
        dtype: str = "float32",
        ids: Sequence[Any] | AnyArray | None = None,
    ) -> None:
        if n < 1 or classes < 2 or features < 0 or dtype not in DTYPES:
            raise InputError(
                f"a log of {n} rows, {classes} classes and {features} features in {dtype} cannot "
                f"be; give 1 row or more, 2 classes or more, and {' or '.join(DTYPES)}."
            )
        self._path = Path(path)
        self._file: IO[bytes] | None = None
        self._epoch: int | None = None
        digest = None if ids is None else digest_of_ids(ids)
        wanted = Header(n, classes, features, dtype, digest)
        self._batches = Batches(self._path, wanted, ids)
        self._header = self._opened(wanted, ids)
        self._layout = Layout(wanted)
        self._labels = self._layout.map_labels(self._path, "r+")

    @property
    def n(self) -> int:
        """Rows."""
        return self._header.n

    @property
    def classes(self) -> int:
        """Logits a row."""
        return self._header.classes

    @property
    def epochs(self) -> tuple[Epoch, ...]:
        """What the whole epochs hold, in order."""
        return self._header.epochs

    def record(
        self, rows: Any, logits: Any, labels: Any, *, epoch: int, features: Any = None
    ) -> None:
        """Write down one batch; nothing of it if anything is wrong with it.

        Args:
            rows: shape (m,), row numbers in [0, n), or ids if the log has ids.
            logits: shape (m, C), floating, finite; an array or a tensor of any device.
            labels: shape (m,), whole numbers in [0, C); a row's must stay the same.
            epoch: number of the epoch, 0 or more; it may skip numbers, but not go back.
            features: shape (m, d), floating, finite; exactly if the log has features.

        Raises:
            InputError: shapes that do not fit, rows or labels out of range, values that are not
                finite or beyond the dtype (names the first five rows), or an epoch that is whole.
        """
        place = self._batches.places(rows)
        values = self._batches.values(logits, "logits", place, epoch)
        extra = self._batches.values(features, "features", place, epoch)
        codes = self._batches.labels(labels, place, self._labels[place])
        self._begin(epoch)
        self._labels[place] = codes
        self._logits[place] = values
        self._features[place] = extra
        some, counts = np.unique(place, return_counts=True)
        self._times[some] = np.minimum(self._times[some] + counts, MOST_TIMES)

    def end_epoch(self) -> None:
        """Bring the epoch that is being recorded to the disk and count it as whole.

        Raises:
            OutputError: the disk is full, or another error of the system.
        """
        if self._epoch is None:
            return
        for mapped in (self._labels, self._times, self._logits, self._features):
            _flush(mapped)
        logged = int(np.count_nonzero(self._times))
        repeated = int(np.count_nonzero(self._times > 1))
        whole = Epoch(self._epoch, logged, self.n - logged, repeated)
        self._header = replace(self._header, epochs=(*self.epochs, whole))
        self._header.write(self._path)
        self._epoch = None

    def rewind(self, epoch: int) -> None:
        """Forget this epoch and all later ones, to record them again from an earlier checkpoint."""
        kept = tuple(one for one in self.epochs if one.epoch < epoch)
        self._header = replace(self._header, epochs=kept)
        self._header.write(self._path)
        if self._epoch is not None and self._epoch >= epoch:
            self._epoch = None

    def close(self) -> None:
        """End the epoch and let go of the file; a second call does nothing."""
        if self._file is not None:
            self.end_epoch()
            self._let_go()

    def __enter__(self) -> RunLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:  # the epoch was not finished, so it is none
            self._let_go()

    # -- the file -------------------------------------------------------------------------------

    def _opened(self, wanted: Header, ids: Sequence[Any] | AnyArray | None) -> Header:
        """The header of the log that is there, or of a new one."""
        is_new = not header_path(self._path).exists()
        if is_new and self._path.exists():
            raise InputError(
                f"{self._path} exists and is no run log; remove it, or choose another name."
            )
        try:
            self._file = self._path.open("a+b" if is_new else "r+b")
            _lock(self._file, self._path)
            if is_new:
                self._file.truncate(Layout(wanted).size(0))
                Layout(wanted).map_labels(self._path, "r+")[:] = UNKNOWN
                if ids is not None:
                    Layout(wanted).map_keys(self._path, "r+")[:] = keys_of_ids(ids)
                wanted.write(self._path)
        except OSError as error:
            self._let_go()
            if isinstance(error, OutputError):
                raise
            told = error.strerror or error
            raise OutputError(f"cannot write {self._path}: {told}.") from error
        try:
            found = read_header(self._path)
            _refuse_other(found, wanted, self._path)
        except BaseException:
            self._let_go()
            raise
        return found

    def _let_go(self) -> None:
        file, self._file = self._file, None
        self._epoch = None
        if file is not None:
            file.close()

    def _begin(self, epoch: int) -> None:
        """Make room for an epoch, unless it has begun already."""
        if self._file is None:
            raise InputError(f"{self._path} is closed already; open it again to go on.")
        if self._epoch == epoch:
            return
        if isinstance(epoch, bool) or not isinstance(epoch, int | np.integer) or epoch < 0:
            raise InputError(f"epoch is {epoch!r}; it must be a whole number of 0 or more.")
        whole = self.epochs[-1].epoch if self.epochs else -1
        latest = whole if self._epoch is None else self._epoch
        if epoch <= latest:
            raise InputError(
                f"epoch {epoch} cannot be recorded in {self._path} after epoch {latest}. Go on "
                f"from {latest + 1}, call rewind({epoch}) to forget it and what follows, or choose "
                "another file."
            )
        self.end_epoch()
        place = len(self.epochs)
        try:
            _reserve(self._file, self._layout.size(place), self._layout.slab)
        except OSError as error:
            told = error.strerror or error
            raise OutputError(f"cannot write {self._path}: {told}.") from error
        self._times = self._layout.map_times(self._path, "r+", place)
        self._logits = self._layout.map_logits(self._path, "r+", place)
        self._features = self._layout.map_features(self._path, "r+", place)
        self._times[:] = 0  # a killed run may have left an epoch behind that was not whole
        self._epoch = int(epoch)


def _refuse_other(found: Header, wanted: Header, path: Path) -> None:
    for name in ("n", "classes", "width", "dtype", "ids"):
        there, asked = getattr(found, name), getattr(wanted, name)
        if there != asked:
            raise InputError(
                f"{path} is a log with {name} {there}, not {asked}; open it as it was made, or "
                "choose another file."
            )


def _lock(file: IO[bytes], path: Path) -> None:
    """One writer at a time, where the system can tell."""
    try:
        import fcntl
    except ImportError:  # pragma: no cover (Windows)
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: another process, or another RunLog of this one, writes it. "
            "Give every process a file of its own."
        ) from error


def _reserve(file: IO[bytes], start: int, size: int) -> None:
    """Room on the disk for a slab: writing to a map that finds none would end the process."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), start, size)
    elif os.fstat(file.fileno()).st_size < start + size:  # pragma: no cover (Windows, macOS)
        file.truncate(start + size)


def _flush(mapped: AnyArray) -> None:
    held = mapped.base
    if isinstance(held, np.memmap):
        held.flush()
