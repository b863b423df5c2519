"""From what a user writes to an engine."""

from __future__ import annotations

import os
from typing import Any

from datapruner.engines.base import Engine
from datapruner.engines.local import Local
from datapruner.errors import InputError, nearest

__all__ = ["ENGINES", "open_engine"]

ENGINES = ("local", "ray")


def open_engine(
    engine: str | Engine = "local",
    *,
    memory: str | int | None = None,
    journal: str | os.PathLike[str] | None = None,
    least: int = 0,
) -> Engine:
    """The engine of that name, or the one that is given.

    Args:
        engine: ``"local"``, ``"ray"``, or an engine, which comes with settings of its own.
        memory: see ``Local``; of each worker's blocks, with Ray.
        journal: see ``Local``; Ray has its own way to survive a lost worker.
        least: see ``Local``.

    Raises:
        InputError: no such engine, or a setting that it does not have.
        MissingExtraError: Ray is not installed.
    """
    if not isinstance(engine, str):
        if memory is not None or journal is not None:
            raise InputError("memory and journal are settings of the engine; give them to it.")
        return engine
    if engine == "local":
        return Local(memory=memory, journal=journal, least=least)
    if engine == "ray":
        if journal is not None:
            raise InputError(
                "the journal is for one machine; Ray runs lost work again by itself. Drop journal "
                "(--journal)."
            )
        ray: Any = _ray()
        made: Engine = ray(memory=memory)
        return made
    raise InputError(f"there is no engine {engine!r}. {nearest(engine, ENGINES)}")


def _ray() -> Any:
    from datapruner.engines.ray import RayEngine

    return RayEngine
