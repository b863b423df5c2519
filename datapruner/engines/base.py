"""What an engine runs, and what an engine is.

A heavy pass is a task: a function over a block of rows, or over a batch of groups of rows, whose
answer depends on the content of those rows and on the task's own parameters alone. So it does not
matter who runs it, on which machine, in which order or how many rows at a time: the answers, put
together, are the same bytes. A task is a frozen dataclass of plain values and arrays; it can be
sent to another process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from datapruner.core.types import AnyArray, IntArray, UInt64Array
from datapruner.vectors.store import Vectors

__all__ = ["Columns", "Engine", "GroupTask", "Progress", "RowTask"]

Columns: TypeAlias = tuple[AnyArray, ...]
Progress: TypeAlias = Callable[[str, int, int], None]


class RowTask(Protocol):
    """A function over a block of rows that gives every row some values."""

    @property
    def name(self) -> str:
        """One lower-case word: the stage in progress, journals and messages."""
        ...

    @property
    def key(self) -> bytes:
        """Stands for every parameter that the answer depends on."""
        ...

    @property
    def dtypes(self) -> tuple[str, ...]:
        """Of the columns it gives."""
        ...

    def __call__(self, block: npt.NDArray[np.float32]) -> Columns:
        """One entry a row in every column, for a block of shape (m, d), float32."""
        ...


class GroupTask(Protocol):
    """A function over groups of rows that gives every row of them some values."""

    @property
    def name(self) -> str:
        """As of a ``RowTask``."""
        ...

    @property
    def key(self) -> bytes:
        """As of a ``RowTask``."""
        ...

    @property
    def dtypes(self) -> tuple[str, ...]:
        """As of a ``RowTask``."""
        ...

    def __call__(self, vectors: Vectors, groups: Sequence[IntArray], keys: UInt64Array) -> Columns:
        """The answers of the groups, one after another.

        Args:
            vectors: where the rows are.
            groups: row numbers, each group in its own order, which may matter.
            keys: shape (n,), ``content.row_keys`` of every row of ``vectors``.
        """
        ...


class Engine(Protocol):
    """Runs tasks; every engine gives the same answers."""

    @property
    def room(self) -> int:
        """How many bytes of rows a task may hold at a time."""
        ...

    def rows(
        self,
        task: RowTask,
        vectors: Vectors,
        *,
        keys: UInt64Array | None = None,
        progress: Progress | None = None,
    ) -> Columns:
        """The columns of a task over all rows, in the order of the rows.

        Args:
            task: what to do with a block.
            vectors: shape (n, d).
            keys: shape (n,), ``content.row_keys``, by which finished blocks may be kept for a
                later run; None: nothing is kept.
            progress: called with (stage, rows done, n).
        """
        ...

    def groups(
        self,
        task: GroupTask,
        vectors: Vectors,
        groups: Sequence[IntArray],
        *,
        keys: UInt64Array,
        progress: Progress | None = None,
    ) -> Columns:
        """The columns of a task over groups of rows, one group after another."""
        ...

    def once(
        self, name: str, key: bytes, make: Callable[[], Mapping[str, AnyArray]], *, size: int
    ) -> Mapping[str, AnyArray]:
        """What ``make`` gives, or what it gave in a run that was stopped.

        Args:
            name: one lower-case word.
            key: a digest of everything that the answer depends on.
            make: the work.
            size: bytes of the rows that it goes over.
        """
        ...

    def reserve(self, what: str, needed: int, remedy: str) -> None:
        """Refuse work that cannot fit in the memory this engine may use.

        Args:
            what: for the message, for example ``"the training sample"``.
            needed: bytes.
            remedy: what the user can do about it.

        Raises:
            InputError: it does not fit.
        """
        ...

    def finish(self) -> None:
        """Forget what was kept for a later run: this one is done and its output in place."""
        ...
