"""The command that writes the row ids of every round of training."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Annotated

import typer

from datapruner.cli import options as opt
from datapruner.cli.dataset import say_bad, say_written
from datapruner.cli.io import listening, say, write_json

__all__ = ["resample"]

Out = Annotated[
    str,
    typer.Option(
        "--out", metavar="DIR", help="A folder: schedule.json, and one Parquet file a round."
    ),
]
Rounds = Annotated[int, typer.Option("--rounds", metavar="N", help="How many rounds.")]
Budget = Annotated[
    str, typer.Option("--budget", metavar="B", help='Rows a round: "10%" or "5000 items".')
]
Label = Annotated[
    str | None,
    typer.Option("--label", metavar="COL", help="Give every round each class's share."),
]
Replacement = Annotated[
    bool,
    typer.Option(
        "--replacement",
        help="Rounds are independent; else each row has its turn before any has two.",
    ),
]
ScoresFile = Annotated[
    str | None,
    typer.Option(
        "--scores",
        metavar="FILE.npz",
        help="Of `datapruner score`, of the same rows: chances in proportion; with --replacement.",
    ),
]


def resample(
    inputs: opt.Inputs,
    budget: Budget,
    rounds: Rounds,
    out: Out,
    label: Label = None,
    id: opt.Id = None,
    scores: ScoresFile = None,
    replacement: Replacement = False,
    on_bad: opt.OnBad = "error",
    format: opt.Format = None,
    seed: opt.Seed = 0,
    config: opt.Config = None,
    overwrite: opt.Overwrite = False,
    quiet: opt.Quiet = False,
    json: opt.Json = False,
) -> None:
    """Draw a fresh random subset for every round of training (RS2), and write the ids.

    Run it again after an interruption: rounds that are there are checked and kept.
    """
    from datapruner.dataset.roundsjob import RoundsJob

    given = dict(locals())
    job = RoundsJob(
        **{f.name: given[f.name] for f in fields(RoundsJob) if f.name != "inputs"},
        inputs=tuple(inputs),
    )
    with listening(quiet) as progress:
        done = job.run(overwrite=overwrite, progress=progress)
    if json:
        write_json({**done.schedule.to_dict(), "written": done.fresh, "kept": done.known})
    else:
        say(str(done.schedule), quiet=quiet)
        if done.known:
            say(f"{done.known:,} rounds were there already, and right", quiet=quiet)
    say_bad(len(done.bad), quiet)
    say_written([f"{Path(out)} ({done.fresh:,} rounds)"] if done.fresh else [], quiet)
