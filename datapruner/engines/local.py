"""The engine of one machine: blocks one after another, in threads, with a journal if asked for."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from datapruner.core.types import AnyArray, IntArray, UInt64Array
from datapruner.engines.base import Columns, GroupTask, Progress, RowTask
from datapruner.engines.journal import Journal, digest
from datapruner.engines.memory import Ceiling, parse_memory
from datapruner.errors import InputError
from datapruner.vectors.runs import runs
from datapruner.vectors.store import Vectors
from datapruner.vectors.threads import in_threads, thread_count

__all__ = ["Local"]

log = logging.getLogger("datapruner")

P = TypeVar("P")


class Local:
    """Runs tasks in this process.

    Neither the ceiling nor the journal, nor threads nor the size of a block, change a result.

    Args:
        memory: what the process may use in all, as ``"4GiB"`` or in bytes; files it maps do not
            count. None: as much as there is.
        journal: a folder for finished pieces of work, from which a run that was stopped goes on;
            None: none is kept.
        least: bytes of float32 rows below which work is done again sooner than kept.
        threads: blocks at a time; None: as many as NumPy's own products may use.
        block_rows: rows of a block; None: as many as pay within the memory.

    Raises:
        InputError: a ceiling that cannot be read, or is too low for anything.
        OutputError: the journal's folder is not one.
    """

    def __init__(
        self,
        *,
        memory: str | int | None = None,
        journal: str | os.PathLike[str] | None = None,
        least: int = 0,
        threads: int | None = None,
        block_rows: int | None = None,
    ) -> None:
        if block_rows is not None and block_rows < 1:
            raise InputError(f"block_rows is {block_rows}; a block needs at least one row.")
        if threads is not None and threads < 1:
            raise InputError(f"threads is {threads}; there must be at least one.")
        self.ceiling = Ceiling(None if memory is None else parse_memory(memory))
        self.journal = None if journal is None else Journal(journal)
        self.least = least
        self.threads = thread_count(threads)
        self.block_rows = block_rows

    @property
    def room(self) -> int:
        """See ``Engine.room``."""
        return self.ceiling.batch_bytes(self.threads)

    def rows(
        self,
        task: RowTask,
        vectors: Vectors,
        *,
        keys: UInt64Array | None = None,
        progress: Progress | None = None,
    ) -> Columns:
        """See ``Engine.rows``."""
        size = self._block_rows(vectors.d)
        spans = [(at, min(at + size, vectors.n)) for at in range(0, vectors.n, size)]

        def work(span: tuple[int, int]) -> Columns:
            return task(vectors.block(*span))

        def key(span: tuple[int, int]) -> bytes:
            assert keys is not None
            return digest(task.key, keys[span[0] : span[1]])

        sizes = [stop - start for start, stop in spans]
        kept = self._keeps(vectors.n * vectors.d * 4) and keys is not None
        return self._run(task, spans, sizes, work, key if kept else None, progress)

    def groups(
        self,
        task: GroupTask,
        vectors: Vectors,
        groups: Sequence[IntArray],
        *,
        keys: UInt64Array,
        progress: Progress | None = None,
    ) -> Columns:
        """See ``Engine.groups``."""
        limit = self.room // (4 * max(1, vectors.d))
        own = [rows.size for rows in groups]
        batches = [groups[some.start : some.stop] for some in runs(own, limit)]

        def work(batch: Sequence[IntArray]) -> Columns:
            return task(vectors, batch, keys)

        def key(batch: Sequence[IntArray]) -> bytes:
            sizes = np.array([rows.size for rows in batch], dtype=np.int64)
            return digest(task.key, sizes, *(keys[rows] for rows in batch))

        sizes = [sum(rows.size for rows in batch) for batch in batches]
        kept = self._keeps(sum(sizes) * vectors.d * 4)
        return self._run(task, batches, sizes, work, key if kept else None, progress)

    def once(
        self, name: str, key: bytes, make: Callable[[], Mapping[str, AnyArray]], *, size: int
    ) -> Mapping[str, AnyArray]:
        """See ``Engine.once``."""
        if self.journal is None or not self._keeps(size):
            return make()
        found = self.journal.get(name, key)
        if found is None:
            found = make()
            self.journal.put(name, key, found)
        return found

    def reserve(self, what: str, needed: int, remedy: str) -> None:
        """See ``Engine.reserve``."""
        self.ceiling.reserve(what, needed, remedy)

    def finish(self) -> None:
        """See ``Engine.finish``."""
        if self.journal is not None:
            self.journal.clear()

    def _run(
        self,
        task: RowTask | GroupTask,
        pieces: Sequence[P],
        sizes: Sequence[int],
        work: Callable[[P], Columns],
        key: Callable[[P], bytes] | None,
        progress: Progress | None,
    ) -> Columns:
        """The answers of all pieces under each other; those in the journal are read, not made."""
        total = sum(sizes)
        out = tuple(np.empty(total, dtype=dtype) for dtype in task.dtypes)

        def answer(numbered: tuple[P, int]) -> Columns:
            piece, size = numbered
            if self.journal is None or key is None:
                return work(piece)
            mark = key(piece)
            found = _checked(self.journal.get(task.name, mark), task, size)
            if found is None:
                found = work(piece)
                self.journal.put(task.name, mark, {f"c{i}": c for i, c in enumerate(found)})
            return found

        done = 0
        answers = in_threads(answer, zip(pieces, sizes, strict=True), self.threads)
        for columns, size in zip(answers, sizes, strict=True):
            for column, part in zip(out, columns, strict=True):
                column[done : done + size] = part
            done += size
            if progress is not None:
                progress(task.name, done, total)
        return out

    def _keeps(self, size: int) -> bool:
        return self.journal is not None and size >= self.least

    def _block_rows(self, d: int) -> int:
        if self.block_rows is not None:
            return self.block_rows
        return max(1, self.ceiling.block_bytes(self.threads) // (4 * max(1, d)))


def _checked(
    found: Mapping[str, AnyArray] | None, task: RowTask | GroupTask, size: int
) -> Columns | None:
    """The columns of a record, None if they are not what the task would give."""
    if found is None:
        return None
    columns = tuple(found[name] for name in sorted(found))
    fits = [column.dtype.name for column in columns] == list(task.dtypes)
    if not fits or any(column.shape != (size,) for column in columns):
        log.warning("a journal record of stage %s does not fit and is passed over", task.name)
        return None
    return columns
