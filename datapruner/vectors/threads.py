"""Work on blocks side by side in threads, each with a single-threaded product.

That is faster than threads inside the product, which idle (and spin) during every other step.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.util import find_spec
from itertools import islice
from typing import Any, TypeVar

__all__ = ["in_threads", "thread_count"]

A = TypeVar("A")
B = TypeVar("B")


def thread_count(threads: int | None = None) -> int:
    """How many threads: as asked, else as many as NumPy's own products may use, at most one a core.

    Args:
        threads: None leaves it to the settings of the BLAS library.
    """
    if threads is None:
        controller = _blas()
        pools = [] if controller is None else controller.info()
        threads = max((p["num_threads"] for p in pools if p["user_api"] == "blas"), default=1)
    return max(1, min(threads, os.cpu_count() or 1))


def in_threads(
    work: Callable[[A], B], pieces: Iterable[A], threads: int | None = None
) -> Iterator[B]:
    """What ``work`` makes of the pieces, in their order, a few at a time.

    BLAS is held to one thread meanwhile; the limit is lifted between the batches.

    Args:
        work: must release the interpreter's lock to gain anything, as NumPy does.
        pieces: taken ``threads`` at a time.
        threads: see ``thread_count``.
    """
    controller = _blas()
    count = thread_count(threads)
    waiting = iter(pieces)
    with ThreadPoolExecutor(count) as pool:
        while batch := list(islice(waiting, count)):
            with controller.limit(limits=1) if controller else contextlib.nullcontext():
                done = [work(batch[0])] if len(batch) == 1 else list(pool.map(work, batch))
            yield from done


def _blas() -> Any:
    """The handle on BLAS's threads; scikit-learn brings it, a bare NumPy does without."""
    if find_spec("threadpoolctl") is None:
        return None
    return import_module("threadpoolctl").ThreadpoolController()
