"""The flags that say who runs the heavy passes, and with how much memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from datapruner.errors import InputError

if TYPE_CHECKING:
    from datapruner.engines.base import Engine

__all__ = ["EngineName", "JournalFolder", "Memory", "NoJournal", "engine_choice"]

WORTH_KEEPING = 64 * 2**20
"""Bytes of rows from which a journal is kept unasked: less is done again within seconds."""

EngineName = Annotated[
    str, typer.Option("--engine", metavar="NAME", help="Who does the heavy work: local or ray.")
]
Memory = Annotated[
    str | None,
    typer.Option("--memory", metavar="SIZE", help='Use no more than this, as "4GiB".'),
]
JournalFolder = Annotated[
    str | None,
    typer.Option(
        "--journal",
        metavar="DIR",
        help="Where finished work is kept until the run is done, so that the same command goes on "
        "after a crash; default OUT.journal.",
    ),
]
NoJournal = Annotated[bool, typer.Option("--no-journal", help="Keep no finished work.")]


def engine_choice(
    name: str, memory: str | None, journal: str | None, no_journal: bool, out: str | None
) -> Engine:
    """The engine that the flags ask for; on this machine it keeps a journal beside the output."""
    from datapruner.dataset.staging import is_stream, sidecar
    from datapruner.engines.choose import open_engine

    if no_journal and journal is not None:
        raise InputError("--journal and --no-journal exclude each other; drop one of them.")
    folder: str | Path | None = journal
    if journal is None and name == "local" and not no_journal and out is not None:
        folder = None if is_stream(Path(out)) else sidecar(Path(out), "journal")
    least = 0 if journal is not None else WORTH_KEEPING
    return open_engine(name, memory=memory, journal=folder, least=least)
