"""Stages of Ray Data: blocks mapped, groups gathered, answers told to the driver."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from datapruner.engines.ray import work_on
from datapruner.engines.session import bounded, bounded_actor, our_errors, quietly, unwarned

__all__ = ["Stages"]

Work: TypeAlias = Callable[[Any], Any]
"""From an Arrow table to an Arrow table; sent to the workers."""

PARTITION_BYTES = 1 << 29
"""What a partition of a shuffle should hold."""


class Stages:
    """What may be done to a ``ray.data.Dataset``; workers that die are replaced a few times.

    Args:
        ray: the module, connected.
    """

    def __init__(self, ray: Any) -> None:
        self.ray = ray

    def mapped(self, data: Any, work: Work) -> Any:
        """Work on every block, when the result is read."""
        with unwarned():
            return data.map_batches(
                work_on,
                batch_size=None,
                batch_format="pyarrow",
                fn_kwargs={"work": work},
                ray_remote_args_fn=bounded,
            )

    def by_group(self, data: Any, column: str, work: Work, size: int, groups: int) -> Any:
        """Work on all rows of a group at once, when the result is read.

        Args:
            data: the rows.
            column: holds the group of each row.
            work: for the rows of one group.
            size: bytes of all rows, about.
            groups: how many there are, about.
        """
        partitions = min(groups, max(2 * self._count("CPU"), -(-size // PARTITION_BYTES)))
        grouped = data.groupby(column, num_partitions=max(1, partitions))
        with unwarned():
            return grouped.map_groups(
                work_on,
                batch_format="pyarrow",
                fn_kwargs={"work": work},
                ray_remote_args_fn=bounded,
            )

    def by_actors(
        self,
        data: Any,
        actor: type,
        args: tuple[Any, ...],
        workers: int | tuple[int, int] | None,
        device: str,
        stage: str,
    ) -> Any:
        """The data after a pool of actors went over its blocks, held from now on.

        Args:
            data: the rows.
            actor: a class, whose instances take a table and give one.
            args: of its constructor.
            workers: how many actors: a number, (fewest, most), or None for as many as fit.
            device: ``"cuda"`` gives every actor a GPU of its own, anything else a core.
            stage: for messages.
        """
        kind = "GPU" if device == "cuda" else "CPU"
        if workers is None:
            workers = (1, max(1, self._count(kind)))
        fewest, most = (workers, workers) if isinstance(workers, int) else workers
        with unwarned():
            made = data.map_batches(
                actor,
                batch_size=None,
                batch_format="pyarrow",
                compute=self.ray.data.ActorPoolStrategy(min_size=fewest, max_size=most),
                fn_constructor_args=args,
                num_cpus=1 if kind == "CPU" else None,
                num_gpus=1 if kind == "GPU" else None,
                ray_remote_args_fn=bounded_actor,
            )
        return self.kept(made, stage)

    def kept(self, data: Any, stage: str) -> Any:
        """The data, worked out now and held in the object store, on disk where that is full.

        Raises:
            EngineError: workers were lost for good.
        """
        with quietly(self.ray), our_errors(self.ray, stage):
            return data.materialize()

    def told(self, data: Any, work: Work, stage: str) -> Iterator[dict[str, Any]]:
        """What work gives of every block, row by row, in any order.

        Raises:
            EngineError: workers were lost for good.
        """
        return self.rows(self.mapped(data, work), stage)

    def rows(self, data: Any, stage: str) -> Iterator[dict[str, Any]]:
        """The rows of the data, as dicts; errors as ``told``."""
        for table in self.tables(data, stage):
            yield from table.to_pylist()

    def tables(self, data: Any, stage: str) -> Iterator[Any]:
        """The blocks of the data as Arrow tables; errors as ``told``."""
        with quietly(self.ray), our_errors(self.ray, stage):
            yield from data.iter_batches(batch_size=None, batch_format="pyarrow")

    def _count(self, kind: str) -> int:
        return int(self.ray.cluster_resources().get(kind, 0))
