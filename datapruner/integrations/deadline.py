"""A deadline on work that cannot be interrupted: its caller goes on, and a late answer is dropped.

A scorer inside a matrix product, or waiting for a server, cannot be stopped from outside. So the
work runs in a thread of its own and its caller stops waiting in time. What is still waiting for its
turn then is never begun; what runs is left to end by itself. Threads are few, however many calls
there are, and none keeps a process from ending.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any, Generic, TypeVar

from datapruner.errors import InputError

__all__ = ["Deadline"]

_MOST = min(32, (os.cpu_count() or 1) + 4)
"""Threads of one deadline: the number that asyncio and the standard library take as well."""

T = TypeVar("T")
_log = logging.getLogger(__name__)


class Deadline(Generic[T]):
    """Runs work for at most so many seconds, from plain code or from an event loop.

    Copies and pickles hold the number of seconds alone.

    Args:
        seconds: how long a caller waits for one answer, its wait for a thread included; None: as
            long as it takes.

    Raises:
        InputError: not a positive, finite number.
    """

    def __init__(self, seconds: float | None) -> None:
        plain = isinstance(seconds, int | float) and not isinstance(seconds, bool)
        if seconds is not None and not (plain and 0 < seconds < math.inf):
            raise InputError(
                f"deadline is {seconds!r}; it must be a number of seconds above 0, or None for no "
                "deadline."
            )
        self.seconds = seconds
        self._waiting: deque[tuple[Callable[[], T], Future[T]]] = deque()
        self._threads = 0
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.seconds,)

    def run(self, work: Callable[[], T]) -> T | None:
        """What the work gives, or None if it takes longer.

        Args:
            work: called once, without arguments; in this thread if there is no deadline.

        Raises:
            Exception: whatever the work raises in time.
        """
        if self.seconds is None:
            return work()
        future = self._submit(work)
        try:
            wait([future], self.seconds)
            return self._answer(future)
        finally:
            future.cancel()

    async def arun(self, work: Callable[[], T]) -> T | None:
        """``run`` off the event loop, which goes on in the meantime.

        Args:
            work: called once, without arguments, in another thread.

        Raises:
            Exception: whatever the work raises in time.
        """
        if self.seconds is None:
            return await asyncio.to_thread(work)
        future = self._submit(work)
        awaited = asyncio.wrap_future(future)
        try:
            await asyncio.wait({awaited}, timeout=self.seconds)
            return self._answer(awaited)
        finally:
            # Also where the caller was cancelled: the loop may be gone when the work ends.
            awaited.cancel()
            future.cancel()

    def _answer(self, future: Future[T] | asyncio.Future[T]) -> T | None:
        if future.done():
            return future.result()
        _log.warning("pruning took longer than %g s; the documents go on unpruned.", self.seconds)
        return None

    def _submit(self, work: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        with self._lock:
            self._waiting.append((work, future))
            if self._threads < _MOST:
                self._threads += 1
                # A daemon: a scorer that hangs must not keep the process from ending.
                threading.Thread(target=self._serve, name="datapruner", daemon=True).start()
        return future

    def _serve(self) -> None:
        """Do what waits, one after another; nobody idles here when there is nothing left."""
        while True:
            with self._lock:
                if not self._waiting:
                    self._threads -= 1
                    return
                work, future = self._waiting.popleft()
            if future.set_running_or_notify_cancel():
                try:
                    answer = work()
                except BaseException as error:
                    future.set_exception(error)
                else:
                    future.set_result(answer)
