"""Deadline: in time or not at all, few threads, no event loop held up, no process kept alive."""

from __future__ import annotations

import asyncio
import copy
import logging
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from datapruner import InputError
from datapruner.integrations import deadline as module
from datapruner.integrations.deadline import Deadline


class Gate:
    """Work that waits until it is let through, and counts how often it was begun."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.begun = 0

    def __call__(self) -> str:
        self.begun += 1
        assert self.open.wait(30)
        return "answer"


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.open.set()


def eventually(holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + 10
    while not holds() and time.monotonic() < end:
        time.sleep(0.005)
    return holds()


def call(deadline: Deadline[str], work: Callable[[], str], how: str) -> str | None:
    if how == "sync":
        return deadline.run(work)
    return asyncio.run(deadline.arun(work))


both = pytest.mark.parametrize("how", ["sync", "async"])


@both
@pytest.mark.parametrize("seconds", [None, 20])
def test_work_in_time_gives_its_answer(how: str, seconds: float | None) -> None:
    assert call(Deadline(seconds), lambda: "answer", how) == "answer"


@both
def test_late_work_gives_nothing_and_the_log_says_so(
    how: str, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    started = time.monotonic()
    with caplog.at_level(logging.WARNING, "datapruner"):
        assert call(Deadline(0.05), gate, how) is None
    assert 0.04 <= time.monotonic() - started < 10
    assert "longer than 0.05 s" in caplog.text


@both
@pytest.mark.parametrize("seconds", [None, 20])
def test_an_error_in_time_is_the_callers(how: str, seconds: float | None) -> None:
    # TimeoutError too, which must not be taken for that of the deadline.
    for error in (ValueError, TimeoutError):
        work = partial(exec, "raise error('wrong')", {"error": error})
        with pytest.raises(error, match="wrong"):
            call(Deadline(seconds), work, how)


class Stop(BaseException):
    """What no ``except Exception`` catches."""


@both
def test_an_error_that_is_no_exception_is_the_callers_too(how: str) -> None:
    def stop() -> str:
        raise Stop("now")

    with pytest.raises(Stop, match="now"):
        call(Deadline(5), stop, how)


@both
def test_what_still_waits_for_its_turn_is_never_begun(
    how: str, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST", 2)
    deadline: Deadline[str] = Deadline(0.02)
    for _ in range(6):
        assert call(deadline, gate, how) is None
    assert deadline._threads == 2
    gate.open.set()
    assert eventually(lambda: deadline._threads == 0)
    assert gate.begun == 2
    assert call(Deadline(20), lambda: "again", how) == "again"


def test_more_calls_than_threads_are_all_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST", 2)
    deadline: Deadline[int] = Deadline(20)

    async def many() -> list[int | None]:
        return await asyncio.gather(*(deadline.arun(lambda i=i: i) for i in range(50)))

    assert asyncio.run(many()) == list(range(50))


def test_who_came_first_is_served_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST", 1)
    deadline: Deadline[None] = Deadline(20)
    served: list[int] = []

    async def many() -> None:
        await asyncio.gather(
            deadline.arun(lambda: time.sleep(0.05)),
            *(deadline.arun(partial(served.append, i)) for i in range(5)),
        )

    asyncio.run(many())
    assert served == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("seconds", [None, 20])
def test_the_event_loop_goes_on_meanwhile(seconds: float | None, gate: Gate) -> None:
    async def main() -> str | None:
        waiting = asyncio.create_task(Deadline[str](seconds).arun(gate))
        while not gate.begun:
            await asyncio.sleep(0.001)
        # The work ends only because this line, on the loop, is reached.
        gate.open.set()
        return await waiting

    assert asyncio.run(main()) == "answer"


def test_a_cancelled_caller_leaves_nothing_behind(gate: Gate, caplog: pytest.LogCaptureFixture):
    deadline: Deadline[str] = Deadline(20)

    async def main() -> None:
        waiting = asyncio.create_task(deadline.arun(gate))
        await asyncio.sleep(0.02)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(main())
    gate.open.set()
    assert eventually(lambda: deadline._threads == 0)
    assert not caplog.records


@pytest.mark.parametrize("wrong", [0, -1, float("nan"), float("inf"), "1", True])
def test_a_deadline_is_a_positive_number_of_seconds(wrong: object) -> None:
    with pytest.raises(InputError, match="number of seconds above 0"):
        Deadline(wrong)  # type: ignore[arg-type]


def test_copies_and_pickles_hold_the_seconds() -> None:
    made: Deadline[str] = Deadline(2.5)
    for other in (copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert other.seconds == 2.5
        assert other.run(lambda: "answer") == "answer"


def test_work_that_hangs_does_not_keep_the_process_from_ending() -> None:
    code = (
        "import time; from datapruner.integrations.deadline import Deadline; "
        "print(Deadline(0.01).run(lambda: time.sleep(600)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (0, "None")
