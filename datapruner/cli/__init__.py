"""The command line: ``datapruner COMMAND``. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from datapruner.cli import (
    calibrate,
    chunks,
    compare,
    dataset,
    dedup,
    html,
    inspect,
    io,
    resample,
    training,
)

__all__ = ["app", "main"]

app = typer.Typer(
    name="datapruner",
    help=(
        "Decides what to keep: prunes a corpus to an exact budget, with a reason for every row.\n\n"
        'datapruner prune corpus.jsonl --budget "30%" --out kept.parquet'
    ),
    epilog=(
        "stdout carries data only, all talk goes to stderr. Exit 0: done; 2: you can fix it; "
        "1: our fault (add --debug to any command for the traceback)."
    ),
    add_completion=False,
    # Plain help: it answers in half the time, and reads the same in a pipe.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        io.write_data(f"datapruner {version('datapruner')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and exit.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    pass


for command in (
    dataset.prune,
    dataset.score,
    dedup.dedup,
    resample.resample,
    inspect.select,
    inspect.explain,
    inspect.methods,
    inspect.verify,
    dataset.recommend,
    compare.compare,
    chunks.chunks,
    calibrate.calibrate,
    html.html,
):
    app.command()(command)

app.add_typer(training.train)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: None for those of the process.

    Returns:
        The exit code: 0 done, 2 the user can fix it, 1 our fault, 130 interrupted.
    """
    given = sys.argv[1:] if arguments is None else arguments
    return io.guarded(app, given or ["--help"])
