"""What the user sees: data on stdout, talk on stderr, one line for an error, and an exit code."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import typer

from datapruner.errors import DataPrunerError

__all__ = ["guarded", "listening", "say", "write_data", "write_json"]

DONE, OUR_FAULT, USER_FAULT = 0, 1, 2
# Errors of the system that the user can mend, wherever they come up.
_MENDABLE = frozenset(
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EFBIG", "EACCES", "EPERM", "EROFS", "ENOENT", "EMFILE")
)
# click's own class for what the user typed wrong; typer may carry its own copy of click.
_ClickError: type[Exception] = next(
    kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException"
)


class _Stopped(BaseException):
    """A signal asked us to stop; raised so that every file is cleaned up on the way out.

    Not a KeyboardInterrupt, which typer would answer itself.
    """


def write_data(text: str) -> None:
    """A line, or several, on standard output."""
    sys.stdout.write(f"{text}\n")


def write_json(value: Any) -> None:
    """One JSON object on standard output."""
    import orjson

    options = orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY
    write_data(orjson.dumps(value, option=options).decode("utf-8"))


def say(text: str, *, quiet: bool = False) -> None:
    """A line, or several, on standard error."""
    if not quiet:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def guarded(app: Callable[..., Any], arguments: list[str]) -> int:
    """Run the app; every way to end has its line on stderr and its exit code.

    Args:
        app: the typer app.
        arguments: without the program's name; ``--debug`` anywhere asks for tracebacks.
    """
    debug = "--debug" in arguments
    caught: list[int] = []
    with _stopping(caught):
        try:
            code = app(
                [a for a in arguments if a != "--debug"],
                standalone_mode=False,
                prog_name="datapruner",
            )
            sys.stdout.flush()
        except BaseException as error:
            if debug and not isinstance(error, SystemExit):
                traceback.print_exc()
            return _ending(error, caught)
    return code if isinstance(code, int) else DONE


def _ending(error: BaseException, caught: list[int]) -> int:
    if caught or isinstance(error, KeyboardInterrupt | typer.Abort):
        say("datapruner: interrupted; nothing was written")
        return 128 + (caught[0] if caught else int(signal.SIGINT))
    if isinstance(error, BrokenPipeError) or isinstance(error.__context__, BrokenPipeError):
        # The reader has left, as `head` does. Python would complain again at exit.
        if sys.__stdout__ is not None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno())
        return 128 + int(getattr(signal, "SIGPIPE", 13))
    if isinstance(error, _ClickError):
        return _complain(_usage(error))
    if isinstance(error, DataPrunerError):
        return _complain(_message(error))
    if isinstance(error, OSError) and error.errno in _MENDABLE:
        where = f" ({error.filename})" if error.filename else ""
        return _complain(f"{error.strerror}{where}.")
    if isinstance(error, MemoryError):
        return _complain("out of memory; --dry-run estimates what a run needs.")
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else OUR_FAULT
    say(f"datapruner: internal error: {type(error).__name__}: {_message(error)}")
    say("This is our fault. Run it again with --debug for the traceback, and please report it.")
    return OUR_FAULT


def _complain(message: str) -> int:
    say(f"datapruner: error: {message}")
    return USER_FAULT


def _message(error: BaseException) -> str:
    return " ".join(str(error).split())


def _usage(error: Any) -> str:
    text = " ".join(error.format_message().split())
    path = getattr(getattr(error, "ctx", None), "command_path", "datapruner")
    return f"{text}{'' if text.endswith(('.', '?')) else '.'} See {path} --help."


@contextlib.contextmanager
def _stopping(caught: list[int]) -> Iterator[None]:
    """SIGINT and SIGTERM end the run through its clean-up; a second one ends it at once."""

    def stop(number: int, frame: Any) -> None:
        caught.append(number)
        signal.signal(number, signal.SIG_DFL)
        raise _Stopped

    before = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(ValueError):  # not the main thread
            before[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Lines(logging.Handler):
    """The library's log as lines of talk."""

    def emit(self, record: logging.LogRecord) -> None:
        mark = "warning: " if record.levelno >= logging.WARNING else ""
        say(f"datapruner: {mark}{record.getMessage()}")


@contextlib.contextmanager
def listening(quiet: bool, rows: int = 0) -> Iterator[Callable[[str, int, int], None] | None]:
    """Show the library's log and progress while the block runs.

    Args:
        quiet: show neither.
        rows: about how many rows there are, for stages that do not know it; 0 if nobody does.

    Yields:
        What to pass on as ``progress``.
    """
    if quiet:
        yield None
        return
    log = logging.getLogger("datapruner")
    handler, level = _Lines(), log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        if sys.stderr.isatty():
            from datapruner.cli.progress import bars

            with bars(rows) as show:
                yield show
        else:
            from datapruner.cli.progress import Lines

            yield Lines(rows)
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
