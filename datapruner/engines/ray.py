"""The engine of many machines: the same tasks as Ray Data ``map_batches`` stages.

Vectors in files are opened by every worker itself, so the files must be on storage that all
machines see; vectors in memory travel through Ray's object store. A worker that dies is replaced
and its work done again, a few times; tasks have no state, so the answer is the same.

The columns of the answers meet in the driver: about 25 bytes a row for a whole run of clusters. For
rows that are too many for that see ``dataset.distributed``.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from datapruner.core.types import AnyArray, IntArray, UInt64Array
from datapruner.engines.base import Columns, GroupTask, Progress, RowTask
from datapruner.engines.memory import Ceiling, parse_memory
from datapruner.engines.session import bounded, connect, load_ray, our_errors, quietly, unwarned
from datapruner.engines.shipping import (
    GroupWork,
    RowWork,
    group_pieces,
    put_together,
    row_pieces,
)
from datapruner.errors import InputError
from datapruner.vectors.files import files_of
from datapruner.vectors.runs import runs
from datapruner.vectors.store import Vectors

__all__ = ["RayEngine"]

TOGETHER = 8
"""Blocks that one Ray task takes on at most: a task costs some milliseconds of its own."""


class RayEngine:
    """Runs tasks on Ray: the one this process is connected to, or ``RAY_ADDRESS``, or a local one.

    A Ray that was started for this engine is shut down with it (``close``, the end of a ``with``
    block, or when nobody uses the engine any more).

    Args:
        memory: what each process, the driver and every worker, may use in all, as ``"4GiB"`` or in
            bytes; None: as much as there is. Sets the size of blocks; changes no result.
        block_rows: rows of a block; None: as many as pay within the memory. Changes no result.

    Raises:
        MissingExtraError: Ray is not installed.
        InputError: a ceiling that cannot be read, or is too low for anything.
    """

    def __init__(self, *, memory: str | int | None = None, block_rows: int | None = None) -> None:
        if block_rows is not None and block_rows < 1:
            raise InputError(f"block_rows is {block_rows}; a block needs at least one row.")
        self.ceiling = Ceiling(None if memory is None else parse_memory(memory))
        self.block_rows = block_rows
        self._ray = load_ray()
        self._shut: Callable[[], Any] | None = None

    @property
    def room(self) -> int:
        """See ``Engine.room``."""
        return self.ceiling.batch_bytes(1)

    def rows(
        self,
        task: RowTask,
        vectors: Vectors,
        *,
        keys: UInt64Array | None = None,
        progress: Progress | None = None,
    ) -> Columns:
        """See ``Engine.rows``; nothing is kept for a later run.

        Raises:
            EngineError: a block failed on every worker that tried it.
        """
        size = self._block_rows(vectors.d)
        spans = [(at, min(at + size, vectors.n)) for at in range(0, vectors.n, size)]
        starts = np.array([0, *(stop for _, stop in spans)], dtype=np.int64)
        files = files_of(vectors)
        work = RowWork(task, vectors.d, files)
        together = self._together(len(spans)) if spans else 1
        pieces = row_pieces(vectors, spans, together, by_path=files is not None)
        return self._run(task, work, pieces, starts, progress)

    def groups(
        self,
        task: GroupTask,
        vectors: Vectors,
        groups: Sequence[IntArray],
        *,
        keys: UInt64Array,
        progress: Progress | None = None,
    ) -> Columns:
        """See ``Engine.groups``; a worker holds all rows of its largest group at once.

        Raises:
            EngineError: a batch failed on every worker that tried it.
        """
        limit = self.room // (4 * max(1, vectors.d))
        own = [rows.size for rows in groups]
        batches = [groups[some.start : some.stop] for some in runs(own, limit)]
        sizes = [sum(rows.size for rows in batch) for batch in batches]
        starts = np.cumsum([0, *sizes], dtype=np.int64)
        files = files_of(vectors)
        work = GroupWork(task, vectors.d, files)
        pieces = group_pieces(vectors, batches, keys, by_path=files is not None)
        return self._run(task, work, pieces, starts, progress)

    def once(
        self, name: str, key: bytes, make: Callable[[], Mapping[str, AnyArray]], *, size: int
    ) -> Mapping[str, AnyArray]:
        """See ``Engine.once``; made anew each time."""
        return make()

    def reserve(self, what: str, needed: int, remedy: str) -> None:
        """See ``Engine.reserve``; of the driver, where centroids are trained."""
        self.ceiling.reserve(what, needed, remedy)

    def finish(self) -> None:
        """See ``Engine.finish``; nothing is kept for a later run."""

    def close(self) -> None:
        """Shut down the Ray that was started for this engine, if one was."""
        if self._shut is not None:
            self._shut()
            self._shut = None

    def __enter__(self) -> RayEngine:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _run(
        self,
        task: RowTask | GroupTask,
        work: RowWork | GroupWork,
        pieces: Iterable[Any],
        starts: IntArray,
        progress: Progress | None,
    ) -> Columns:
        total = int(starts[-1])
        out = tuple(np.empty(total, dtype=dtype) for dtype in task.dtypes)
        if not total:
            return out
        ray = self._ray
        self._connect()
        done = 0
        with quietly(ray), unwarned(), our_errors(ray, task.name):
            given = ray.data.from_arrow_refs([ray.put(piece) for piece in pieces])
            answers = given.map_batches(
                work_on,
                batch_size=None,
                batch_format="pyarrow",
                fn_kwargs={"work": work},
                ray_remote_args_fn=bounded,
            )
            for table in answers.iter_batches(batch_size=None, batch_format="pyarrow"):
                done += put_together(table, starts, out)
                if progress is not None:
                    progress(task.name, done, total)
        return out

    def _connect(self) -> None:
        if connect(self._ray):
            self._shut = weakref.finalize(self, self._ray.shutdown)

    def _block_rows(self, d: int) -> int:
        if self.block_rows is not None:
            return self.block_rows
        return max(1, self.ceiling.block_bytes(1) // (4 * max(1, d)))

    def _together(self, blocks: int) -> int:
        """Blocks of a task: few enough that every core gets some."""
        self._connect()
        cores = int(self._ray.cluster_resources().get("CPU", 1))
        return max(1, min(blocks // (4 * cores), TOGETHER))


def work_on(table: Any, work: RowWork | GroupWork) -> Any:
    """What a worker runs; a function, so that Ray makes no actor of it."""
    return work(table)
