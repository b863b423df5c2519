"""A Ray to run on: the one that is there, or a local one of our own; and what its errors mean."""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from datapruner.errors import DataPrunerError, EngineError, MissingExtraError

__all__ = [
    "RETRIES",
    "bounded",
    "bounded_actor",
    "connect",
    "load_ray",
    "our_errors",
    "quietly",
    "unwarned",
]

RETRIES = 3
"""How often work is handed out again after its worker died; Ray Data by itself never gives up."""

_SHOWN = 500


def load_ray() -> Any:
    """The package with its data library.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        ray = import_module("ray")
        import_module("ray.data")
    except ImportError as error:
        raise MissingExtraError('Ray is not installed: pip install "datapruner[ray]".') from error
    return ray


def connect(ray: Any) -> bool:
    """Make sure that Ray runs; True if one was started here, which its starter should shut down.

    A Ray that this process is connected to is taken as it is. Else ``RAY_ADDRESS`` names the
    cluster; without it a local Ray starts: no dashboard, no report of its use, no output.
    """
    if ray.is_initialized():
        return False
    address = os.environ.get("RAY_ADDRESS")
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address:
        ray.init(address=address, **quiet)
        return True
    with _environment("RAY_USAGE_STATS_ENABLED", "0"):
        ray.init(address="local", include_dashboard=False, **quiet)
    return True


@contextlib.contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    """A variable of the environment for as long as a child is being started, unless it is set."""
    if name in os.environ:
        yield
        return
    os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name, None)


@contextlib.contextmanager
def quietly(ray: Any) -> Iterator[None]:
    """Ray Data without progress bars and log lines; its settings are as before afterwards."""
    own = ray.data.DataContext.get_current().copy()
    own.enable_progress_bars = False
    own.print_on_execution_start = False
    log = logging.getLogger("ray.data")
    before = log.level
    log.setLevel(logging.CRITICAL)  # what goes wrong is raised
    try:
        with ray.data.DataContext.current(own):
            yield
    finally:
        log.setLevel(before)


@contextlib.contextmanager
def unwarned() -> Iterator[None]:
    """Without the warning that ``ray_remote_args_fn`` goes after the releases we allow.

    It is the one way to bound retries that neither this release's ``map_batches`` nor its
    ``map_groups`` has a name for.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`ray_remote_args_fn` is deprecated")
        yield


def bounded() -> dict[str, Any]:
    """Options of a task that is given up after its worker has died a few times."""
    return {"max_retries": RETRIES}


def bounded_actor() -> dict[str, Any]:
    """Options of an actor that is given up after it has died a few times, and its calls with it."""
    return {"max_restarts": RETRIES, "max_task_retries": RETRIES}


@contextlib.contextmanager
def our_errors(ray: Any, stage: str) -> Iterator[None]:
    """Ray's own failures become an ``EngineError`` that names the stage.

    Raises:
        EngineError: workers were lost, or user code failed on a worker.
    """
    try:
        yield
    except DataPrunerError:
        raise
    except (ray.exceptions.RayError, ray.data.exceptions.SystemException) as error:
        raise EngineError(
            f"{stage}: {_reason(error)} Nothing was written. What was handed out was tried "
            f"{RETRIES + 1} times where a worker died: give workers more memory, or smaller blocks "
            "(--memory), and run again."
        ) from error


def _reason(error: BaseException) -> str:
    """The sentence that matters of an error with tracebacks inside."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    before = next((i for i, line in enumerate(lines) if "direct cause" in line), len(lines))
    told = lines[before - 1] if before else type(error).__name__
    return f"{type(error).__name__}: {told[:_SHOWN].rstrip('.')}."
