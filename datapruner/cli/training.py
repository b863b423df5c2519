"""The commands that train the learnt scorers: ``datapruner train sentences``."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Annotated

import typer

from datapruner.cli import options as opt
from datapruner.cli.io import listening, say, write_json

__all__ = ["train"]

train = typer.Typer(
    name="train",
    help="Train the learnt scorers.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Data = Annotated[
    Path,
    typer.Argument(
        metavar="DATA.jsonl",
        show_default=False,
        help='Lines of {"query", "passage", "sentences": [[start, end], ...], "keep": [0, ...]}.',
    ),
]
Out = Annotated[
    Path,
    typer.Option("--out", metavar="DIR", help="Model, log and checkpoint; run again to go on."),
]
Base = Annotated[
    str | None,
    typer.Option(
        "--base",
        metavar="DIR|PACKAGE",
        help="The encoder to start from, or a model of ours; default: the packaged MiniLM.",
    ),
]
Validation = Annotated[
    Path | None,
    typer.Option("--validation", metavar="FILE.jsonl", help="Pairs to measure on, as DATA."),
]
Epochs = Annotated[int, typer.Option("--epochs", metavar="N", help="Passes over the pairs.")]
Steps = Annotated[
    int | None, typer.Option("--steps", metavar="N", help="End after so many steps at the latest.")
]
BatchTokens = Annotated[
    int, typer.Option("--batch-tokens", metavar="N", help="Tokens of a batch, padding included.")
]
MaxLength = Annotated[
    int, typer.Option("--max-length", metavar="N", help="Tokens of question and passage together.")
]
Others = Annotated[
    int,
    typer.Option(
        "--others", metavar="N", help="Windows without an answer that a long passage brings."
    ),
]
Rate = Annotated[
    float, typer.Option("--rate", metavar="R", help="Highest learning rate of the encoder.")
]
HeadRate = Annotated[
    float, typer.Option("--head-rate", metavar="R", help="Highest learning rate of the heads.")
]
RankWeight = Annotated[
    float, typer.Option("--rank-weight", metavar="W", help="Of the rank's loss; tokens have 1.")
]
OrderWeight = Annotated[
    float,
    typer.Option(
        "--order-weight",
        metavar="W",
        help="Of the loss by the order of the sentences of a passage; tokens have 1.",
    ),
]
FrozenLayers = Annotated[
    int,
    typer.Option(
        "--frozen-layers",
        metavar="N",
        help="Leave the embeddings and so many of the lowest layers as they are; 0: train all.",
    ),
]
Threads = Annotated[int, typer.Option("--threads", metavar="N", help="Of torch.")]
SaveMinutes = Annotated[
    float, typer.Option("--save-minutes", metavar="M", help="Between checkpoints.")
]
ValidateSteps = Annotated[
    int, typer.Option("--validate-steps", metavar="N", help="Between validations.")
]
ValidatePairs = Annotated[
    int,
    typer.Option(
        "--validate-pairs", metavar="N", help="Pairs of such a validation; at the end it is all."
    ),
]
Export = Annotated[
    bool,
    typer.Option("--export", help="Write model.onnx (float32) and model-int8.onnx too."),
]


@train.command()
def sentences(
    data: Data,
    out: Out,
    base: Base = None,
    validation: Validation = None,
    epochs: Epochs = 1,
    steps: Steps = None,
    batch_tokens: BatchTokens = 4096,
    max_length: MaxLength = 256,
    others: Others = 2,
    rate: Rate = 1e-4,
    head_rate: HeadRate = 1e-3,
    rank_weight: RankWeight = 0.1,
    order_weight: OrderWeight = 0.0,
    frozen_layers: FrozenLayers = 0,
    seed: opt.Seed = 0,
    threads: Threads = 1,
    save_minutes: SaveMinutes = 10.0,
    validate_steps: ValidateSteps = 250,
    validate_pairs: ValidatePairs = 500,
    export: Export = False,
    config: opt.Config = None,
    quiet: opt.Quiet = False,
    json: opt.Json = False,
) -> None:
    """Train the sentence model: which sentences of a passage answer a question.

    Run the same command again after an interruption: it goes on from the checkpoint in --out, to
    the same weights. A run that is done goes on with a higher --epochs.
    """
    from datapruner.training.job import SentenceJob
    from datapruner.training.recipe import Recipe

    given = dict(locals())
    recipe = Recipe(**{f.name: given[f.name] for f in fields(Recipe) if f.name in given})
    job = SentenceJob(
        recipe=recipe,
        **{f.name: given[f.name] for f in fields(SentenceJob) if f.name in given},
    )
    with listening(quiet) as progress:
        done = job.run(progress)
    if done.signal is not None:
        say(
            f"datapruner: stopped at step {done.step:,} of {done.total:,}; run the same command "
            "to go on",
            quiet=quiet,
        )
        raise typer.Exit(128 + done.signal)
    if json:
        write_json(
            {
                "step": done.step,
                "resumed": done.resumed,
                "validation": done.metrics,
                "exported": done.exported,
            }
        )
    else:
        say(f"trained {done.step:,} steps", quiet=quiet)
        for name, value in done.metrics.items():
            if isinstance(value, float):
                say(f"  {name:14} {value:.3f}", quiet=quiet)
        for name, made in done.exported.items():
            say(
                f"  {name}: {made['megabytes']:.1f} MB, keep probabilities within "
                f"{made['largest_probability']:.2g} of torch",
                quiet=quiet,
            )
    say(f"wrote {', '.join(str(out / name) for name in done.files)}", quiet=quiet)
