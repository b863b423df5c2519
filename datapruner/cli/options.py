"""Every flag of the command line, once: its name is a parameter's name and a key of a TOML file."""

from __future__ import annotations

from typing import Annotated

import typer

from datapruner.cli.config import read_config

__all__ = [
    "Allocate",
    "BadLimit",
    "BudgetText",
    "By",
    "Cache",
    "Clusters",
    "Config",
    "Cost",
    "Device",
    "DryRun",
    "Embedder",
    "Embedding",
    "Epoch",
    "Eps",
    "Fill",
    "Format",
    "HeldIn",
    "Id",
    "Inputs",
    "Json",
    "Keep",
    "Label",
    "Log",
    "Method",
    "Metric",
    "Neighbours",
    "NeverLearned",
    "NoCache",
    "OnBad",
    "Overwrite",
    "Pick",
    "Prototypes",
    "Quality",
    "QualityShare",
    "Quiet",
    "ReportFile",
    "Rule",
    "Seed",
    "Snapshots",
    "Temperature",
    "Text",
    "Tokens",
]

Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT",
        show_default=False,
        help="Files, folders or globs of .jsonl, .csv, .tsv (also .gz, .zst) or .parquet; one .npy "
        "of vectors; or - for JSON lines on stdin.",
    ),
]
BudgetText = Annotated[
    str,
    typer.Option(
        "--budget",
        metavar="B",
        help='What to keep: "30%", "1200 items", "20000 tokens", "20%, floor 50%".',
    ),
]
Method = Annotated[str, typer.Option("--method", metavar="NAME", help="See `datapruner methods`.")]
Text = Annotated[
    str | None,
    typer.Option(
        "--text",
        metavar="COL",
        help='The column to embed and count; default "text" where it is needed.',
    ),
]
Id = Annotated[
    str | None,
    typer.Option("--id", metavar="COL", help="The column of ids; default: ids of the content."),
]
Label = Annotated[
    str | None,
    typer.Option("--label", metavar="COL", help="The column of labels: groups for floors."),
]
Embedding = Annotated[
    str | None,
    typer.Option(
        "--embedding",
        metavar="COL|FILE",
        help="Vectors instead of a text: a column, .npy, .safetensors or file.parquet:column.",
    ),
]
Cost = Annotated[str | None, typer.Option("--cost", metavar="COL", help="A column of prices.")]
Log = Annotated[
    list[str] | None,
    typer.Option(
        "--log",
        metavar="RUN.log",
        help="Of el2n, forgetting, aum, ...: what `RunLog` wrote while these rows were trained on; "
        "several runs: once for each.",
    ),
]
Epoch = Annotated[
    int | None,
    typer.Option(
        "--epoch", metavar="N", help="Of --log: this epoch; default all, of several runs the last."
    ),
]
HeldIn = Annotated[
    str | None,
    typer.Option(
        "--held-in",
        metavar="FILE.npy",
        help="Of memorisation: which rows each run trained on, true or false, rows by runs.",
    ),
]
Snapshots = Annotated[
    int | None,
    typer.Option(
        "--snapshots",
        metavar="N",
        help="Of --log: the first N of what was logged; below 0 the last; default by method.",
    ),
]
NeverLearned = Annotated[
    str | None,
    typer.Option(
        "--never-learned",
        metavar="WHAT",
        help="Of forgetting, for rows never answered right: max (default), zero or drop.",
    ),
]
Tokens = Annotated[
    str | None,
    typer.Option(
        "--tokens",
        metavar="COUNTER",
        help="What counts tokens: auto, words, characters, bytes, or a tokenizer file or folder.",
    ),
]
Embedder = Annotated[
    str,
    typer.Option(
        "--embedder",
        metavar="NAME",
        help="auto, minilm, offline, a model's folder, or its name on the hub.",
    ),
]
Device = Annotated[str, typer.Option("--device", metavar="D", help="auto, cpu or cuda.")]
Seed = Annotated[int, typer.Option("--seed", metavar="N", help="Of every draw.")]
Prototypes = Annotated[
    int | None,
    typer.Option(
        "--k",
        metavar="N",
        help="Number of prototypes or concepts; default from the rows or labels.",
    ),
]
Metric = Annotated[
    str | None, typer.Option("--metric", metavar="M", help="cosine (default) or l2.")
]
Temperature = Annotated[
    float | None,
    typer.Option(
        "--temperature",
        metavar="T",
        help="Of concepts: the lower, the more complexity decides; default 0.1.",
    ),
]
Neighbours = Annotated[
    int | None,
    typer.Option(
        "--neighbours",
        metavar="N",
        help="Of concepts: how many near ones tell how far a concept lies apart; default 20.",
    ),
]
Eps = Annotated[
    float | None,
    typer.Option(
        "--eps",
        metavar="E",
        help="Of density and duplicates: a cosine above 1 - E makes a duplicate; default 0.05.",
    ),
]
Rule = Annotated[
    str | None,
    typer.Option(
        "--rule",
        metavar="NAME",
        help="Which rows make one a duplicate: leader (default), any_earlier or components.",
    ),
]
Keep = Annotated[
    str | None,
    typer.Option(
        "--keep",
        metavar="WHICH",
        help="Which of a group of duplicates stays: hard (default), easy, first or best.",
    ),
]
By = Annotated[
    str | None,
    typer.Option(
        "--by",
        metavar="COL",
        help="Of duplicates, for --keep best: a column, the highest stays.",
    ),
]
Quality = Annotated[
    str | None,
    typer.Option(
        "--quality",
        metavar="COL",
        help="Of density: a column of numbers, higher is better; the lowest rows go.",
    ),
]
QualityShare = Annotated[
    str | None,
    typer.Option(
        "--quality-share",
        metavar="P%",
        help="Of density: how many of the rows without a duplicate stay by --quality; default 60%.",
    ),
]
Clusters = Annotated[
    str | None,
    typer.Option(
        "--clusters",
        metavar="WHEN",
        help="Of density: once (default), or again once duplicates and poor rows are out.",
    ),
]
Pick = Annotated[
    str | None,
    typer.Option(
        "--pick",
        metavar="NAME",
        help="Which rows first: high, low, mixed, uniform, ...; default: the method's choice.",
    ),
]
Allocate = Annotated[
    str | None,
    typer.Option(
        "--allocate",
        metavar="NAME",
        help="How groups share the budget: whole, proportional, equal, weighted.",
    ),
]
Fill = Annotated[
    str, typer.Option("--fill", metavar="RULE", help="At a row that does not fit: skip or stop.")
]
Format = Annotated[
    str | None,
    typer.Option("--format", metavar="F", help="Of inputs whose names do not tell."),
]
OnBad = Annotated[
    str,
    typer.Option("--on-bad", metavar="RULE", help="Rows that cannot be used: error, or drop."),
]
BadLimit = Annotated[
    str | None,
    typer.Option("--bad-limit", metavar="N|P%", help="Most such rows to bear, as 100 or 5%."),
]
Cache = Annotated[
    str | None,
    typer.Option("--cache", metavar="DIR", help="Where finished embeddings are kept."),
]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Keep no embeddings.")]
ReportFile = Annotated[
    str | None,
    typer.Option("--report", metavar="FILE.json", help="Write the report as JSON, too."),
]
Config = Annotated[
    str | None,
    typer.Option(
        "--config",
        metavar="FILE.toml",
        help='Take flags from a file: budget = "30%". A flag beats the file.',
        callback=read_config,
        is_eager=True,
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an output that exists.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Estimate rows, memory and time; write nothing.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
