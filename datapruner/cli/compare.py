"""The command that trains the same learner on what each method keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from datapruner.cli import options as opt
from datapruner.cli.config import as_share
from datapruner.cli.dataset import cache_choice, say_written
from datapruner.cli.io import listening, write_data, write_json
from datapruner.errors import InputError

__all__ = ["compare"]

Budgets = Annotated[
    list[str],
    typer.Option("--budget", metavar="B", help='What is kept, "10%" or "500 items"; several.'),
]
Label = Annotated[str, typer.Option("--label", metavar="COL", help="The column of labels.")]
Methods = Annotated[
    list[str] | None,
    typer.Option(
        "--method",
        metavar="NAME[:PICK]",
        help="A method, maybe with a pick; several; default prototypes. Random, rs2 and all rows "
        "run in any case.",
    ),
]
RecipeName = Annotated[
    str,
    typer.Option(
        "--recipe",
        metavar="WHAT",
        help="What is trained: linear, mlp, cnn, or FILE.py:FUNCTION of yours. The file is run as "
        "a program, so name none that you do not trust.",
    ),
]
Unit = Annotated[
    str | None,
    typer.Option("--unit", metavar="TEXT", help="What a score of your own recipe is."),
]
Test = Annotated[
    list[str] | None,
    typer.Option(
        "--test",
        metavar="INPUT",
        help="Test rows, with the same columns; default: a part of the input, held out.",
    ),
]
Features = Annotated[
    str | None,
    typer.Option(
        "--features",
        metavar="COL|FILE",
        help="What the learner sees, if not the embedding: a column, or .npy of any shape.",
    ),
]
TestFeatures = Annotated[
    str | None,
    typer.Option(
        "--test-features",
        metavar="FILE",
        help="The same of the test rows, where it is not a column of theirs.",
    ),
]
Steps = Annotated[
    int | None,
    typer.Option(
        "--steps",
        metavar="N",
        help="Optimiser steps of every training; default ten passes over all rows, 200 to 3000.",
    ),
]
Batch = Annotated[int, typer.Option("--batch", metavar="N", help="Rows a step.")]
Seeds = Annotated[
    int, typer.Option("--seeds", metavar="N", help="Trainings of each method, at least 2.")
]
HeldOut = Annotated[
    str,
    typer.Option(
        "--held-out", metavar="P%", help="Share of the rows to test on, where there is no --test."
    ),
]
Out = Annotated[
    str | None,
    typer.Option(
        "--out",
        metavar="FILE.json",
        help="Write the result as JSON, too. Finished trainings are kept beside it meanwhile, so "
        "that the same command goes on after a crash.",
    ),
]


def compare(
    inputs: opt.Inputs,
    budget: Budgets,
    label: Label,
    method: Methods = None,
    recipe: RecipeName = "mlp",
    unit: Unit = None,
    test: Test = None,
    features: Features = None,
    test_features: TestFeatures = None,
    text: opt.Text = None,
    embedding: opt.Embedding = None,
    id: opt.Id = None,
    log: opt.Log = None,
    held_in: opt.HeldIn = None,
    steps: Steps = None,
    batch: Batch = 32,
    seeds: Seeds = 5,
    held_out: HeldOut = "25%",
    embedder: opt.Embedder = "auto",
    device: opt.Device = "auto",
    seed: opt.Seed = 0,
    on_bad: opt.OnBad = "error",
    format: opt.Format = None,
    cache: opt.Cache = None,
    no_cache: opt.NoCache = False,
    out: Out = None,
    config: opt.Config = None,
    overwrite: opt.Overwrite = False,
    quiet: opt.Quiet = False,
    json: opt.Json = False,
) -> None:
    """Which method to use, measured on your own labelled rows.

    The same learner is trained for the same number of steps on what each method keeps, with
    several seeds. A difference inside its 95 % interval is called a tie.
    """
    from datapruner.dataset.compare.job import CompareJob

    given = dict(locals())
    share = as_share(held_out)
    if share is None:
        raise InputError(f'held_out is {held_out!r}; write what is held out, as "25%" or 0.25.')
    job = CompareJob(
        inputs=tuple(inputs),
        budgets=tuple(budget),
        methods=tuple(method or ("prototypes",)),
        test=tuple(test or ()),
        log=tuple(log or ()),
        held_out=share,
        **{name: given[name] for name in CompareJob.plain},
    )
    with listening(quiet) as progress:
        store = cache_choice(cache, no_cache)
        found = job.run(overwrite=overwrite, cache=store, progress=progress)
    if json:
        write_json(found.to_dict())
    else:
        write_data(str(found))
    say_written([] if out is None else [str(Path(out))], quiet)
