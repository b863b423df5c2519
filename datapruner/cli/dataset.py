"""The commands that read a corpus: prune, score, recommend."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from datapruner.cli import options as opt
from datapruner.cli.config import as_share, bad_limit
from datapruner.cli.engine import EngineName, JournalFolder, Memory, NoJournal, engine_choice
from datapruner.cli.io import listening, say, write_data, write_json
from datapruner.errors import InputError

if TYPE_CHECKING:
    from datapruner.core.scores import Scores
    from datapruner.dataset.job import ScoreJob

__all__ = [
    "cache_choice",
    "expected",
    "prune",
    "recommend",
    "say_bad",
    "say_written",
    "score",
]

# Flags that are parameters of a method; one that the method does not have is refused by name.
_PARAMS = (
    *("k", "metric", "temperature", "neighbours", "eps", "rule", "keep", "by"),
    *("quality", "quality_share", "clusters", "snapshots", "never_learned"),
)


def prune(
    inputs: opt.Inputs,
    budget: opt.BudgetText,
    out: Annotated[
        str,
        typer.Option(
            "--out",
            metavar="OUT",
            help="The file of kept rows: .jsonl, .csv, .tsv (also .gz, .zst), .parquet, or .npy "
            "for vectors; - streams JSON lines to stdout.",
        ),
    ],
    method: opt.Method = "prototypes",
    text: opt.Text = None,
    id: opt.Id = None,
    label: opt.Label = None,
    embedding: opt.Embedding = None,
    cost: opt.Cost = None,
    tokens: opt.Tokens = None,
    log: opt.Log = None,
    epoch: opt.Epoch = None,
    held_in: opt.HeldIn = None,
    embedder: opt.Embedder = "auto",
    pick: opt.Pick = None,
    allocate: opt.Allocate = None,
    fill: opt.Fill = "skip",
    k: opt.Prototypes = None,
    metric: opt.Metric = None,
    temperature: opt.Temperature = None,
    neighbours: opt.Neighbours = None,
    eps: opt.Eps = None,
    rule: opt.Rule = None,
    keep: opt.Keep = None,
    by: opt.By = None,
    quality: opt.Quality = None,
    quality_share: opt.QualityShare = None,
    clusters: opt.Clusters = None,
    snapshots: opt.Snapshots = None,
    never_learned: opt.NeverLearned = None,
    device: opt.Device = "auto",
    seed: opt.Seed = 0,
    on_bad: opt.OnBad = "error",
    bad_limit: opt.BadLimit = None,
    format: opt.Format = None,
    cache: opt.Cache = None,
    no_cache: opt.NoCache = False,
    engine: EngineName = "local",
    memory: Memory = None,
    journal: JournalFolder = None,
    no_journal: NoJournal = False,
    report: opt.ReportFile = None,
    config: opt.Config = None,
    overwrite: opt.Overwrite = False,
    dry_run: opt.DryRun = False,
    quiet: opt.Quiet = False,
    json: opt.Json = False,
) -> None:
    """Keep the rows of a corpus that fit a budget best.

    Beside OUT stand OUT.selection.npz (for `datapruner explain`) and OUT.manifest.json (for
    `datapruner verify`).
    """
    from datapruner.dataset.job import PruneJob

    if json and out == "-":
        raise InputError("--json and --out - would both write to stdout; drop one of them.")
    job = PruneJob(
        inputs=tuple(inputs),
        out=out,
        budget=budget,
        pick=pick,
        allocate=allocate,
        fill=fill,  # type: ignore[arg-type]
        **_scoring(locals()),
    )
    job.check_paths(report, config)
    if dry_run:
        _show_estimate(job, quiet, json)
        return
    runner = engine_choice(engine, memory, journal, no_journal, out)
    with listening(quiet, expected(job, quiet)) as progress:
        result = job.run(
            overwrite=overwrite,
            cache=cache_choice(cache, no_cache),
            progress=progress,
            engine=runner,
            report=None if report is None else Path(report),
        )
    if json:
        write_json(result.selection.report().to_dict())
    else:
        say(str(result.selection.report()), quiet=quiet)
    written = [str(path) for path in result.paths] + ([report] if report else [])
    say_bad(len(result.bad), quiet)
    say_written(written, quiet)


def score(
    inputs: opt.Inputs,
    out: Annotated[
        str, typer.Option("--out", metavar="OUT.npz", help="The file of scores, for `select`.")
    ],
    method: opt.Method = "prototypes",
    text: opt.Text = None,
    id: opt.Id = None,
    label: opt.Label = None,
    embedding: opt.Embedding = None,
    cost: opt.Cost = None,
    tokens: opt.Tokens = None,
    log: opt.Log = None,
    epoch: opt.Epoch = None,
    held_in: opt.HeldIn = None,
    embedder: opt.Embedder = "auto",
    k: opt.Prototypes = None,
    metric: opt.Metric = None,
    temperature: opt.Temperature = None,
    neighbours: opt.Neighbours = None,
    eps: opt.Eps = None,
    rule: opt.Rule = None,
    keep: opt.Keep = None,
    by: opt.By = None,
    quality: opt.Quality = None,
    quality_share: opt.QualityShare = None,
    clusters: opt.Clusters = None,
    snapshots: opt.Snapshots = None,
    never_learned: opt.NeverLearned = None,
    device: opt.Device = "auto",
    seed: opt.Seed = 0,
    on_bad: opt.OnBad = "error",
    bad_limit: opt.BadLimit = None,
    format: opt.Format = None,
    cache: opt.Cache = None,
    no_cache: opt.NoCache = False,
    engine: EngineName = "local",
    memory: Memory = None,
    journal: JournalFolder = None,
    no_journal: NoJournal = False,
    config: opt.Config = None,
    overwrite: opt.Overwrite = False,
    dry_run: opt.DryRun = False,
    quiet: opt.Quiet = False,
    json: opt.Json = False,
) -> None:
    """Score every row once, for any number of budgets.

    `datapruner select` then cuts the scores to a budget in no time.
    """
    from datapruner.dataset.job import ScoreJob

    job = ScoreJob(inputs=tuple(inputs), out=out, **_scoring(locals()))
    job.check_paths(config=config)
    if dry_run:
        _show_estimate(job, quiet, json)
        return
    runner = engine_choice(engine, memory, journal, no_journal, out)
    with listening(quiet, expected(job, quiet)) as progress:
        scores, bad, paths = job.run_score(
            overwrite=overwrite,
            cache=cache_choice(cache, no_cache),
            progress=progress,
            engine=runner,
        )
    facts = _facts(scores, len(bad))
    if json:
        write_json(facts)
    elif scores.items.countable:
        say(
            f"scored {facts['rows']:,} rows with {scores.method}; higher is {scores.meaning}\n"
            f"  score    {facts['lowest']:.4g} to {facts['highest']:.4g}, "
            f"median {facts['median']:.4g}",
            quiet=quiet,
        )
    else:
        say("there were no rows to score", quiet=quiet)
    say_bad(len(bad), quiet)
    say_written([str(path) for path in paths], quiet)


def recommend(
    inputs: opt.Inputs,
    label: Annotated[
        str, typer.Option("--label", metavar="COL", help="The column of labels to probe with.")
    ],
    share: Annotated[
        str, typer.Option("--share", metavar="P%", help='What will be kept, as "30%" or 0.3.')
    ],
    text: opt.Text = None,
    id: opt.Id = None,
    embedding: opt.Embedding = None,
    embedder: opt.Embedder = "auto",
    device: opt.Device = "auto",
    seed: opt.Seed = 0,
    on_bad: opt.OnBad = "error",
    bad_limit: opt.BadLimit = None,
    format: opt.Format = None,
    cache: opt.Cache = None,
    no_cache: opt.NoCache = False,
    config: opt.Config = None,
    quiet: opt.Quiet = False,
    json: opt.Json = False,
) -> None:
    """Which end to keep, asked of your own labelled rows.

    Small classifiers are trained on what each pick keeps of a pilot, and compared with random.
    """
    from datapruner.dataset.job import ScoreJob
    from datapruner.dataset.recommend import recommend_job

    kept = _share(share, "share")
    job = ScoreJob(inputs=tuple(inputs), out="-", **_scoring(locals()))
    with listening(quiet, expected(job, quiet)) as progress:
        store = cache_choice(cache, no_cache)
        answer = recommend_job(job, kept, cache=store, progress=progress)
    if json:
        write_json(answer.to_dict())
    else:
        write_data(str(answer))


def _scoring(given: dict[str, Any]) -> dict[str, Any]:
    """The fields of a ``ScoreJob`` among a command's arguments."""
    names = ("method", "text", "id", "label", "embedding", "cost", "tokens", "embedder", "device")
    others = ("epoch", "held_in", "format", "on_bad", "seed")
    found = {name: given[name] for name in (*names, *others) if name in given}
    found["log"] = tuple(given.get("log") or ())
    params = {name: given[name] for name in _PARAMS if given.get(name) is not None}
    if "quality_share" in params:
        params["quality_share"] = _share(params["quality_share"], "quality_share")
    return {**found, "bad_limit": bad_limit(given["bad_limit"]), "params": params}


def _share(text: str, name: str) -> float:
    share = as_share(text)
    if share is None:
        raise InputError(f'{name} is {text!r}; write what is kept, as "30%" or 0.3.')
    return share


def cache_choice(folder: str | None, none: bool) -> str | bool | None:
    """Where embeddings are kept, from --cache and --no-cache."""
    if none and folder is not None:
        raise InputError("--cache and --no-cache exclude each other; drop one of them.")
    return None if none else folder or True


def expected(job: ScoreJob, quiet: bool) -> int:
    """About how many rows there are, for the ETA; 0 where that would take a pass over them."""
    if quiet:
        return 0
    from datapruner.dataset.estimate import expected_rows

    return expected_rows(job)


def _show_estimate(job: ScoreJob, quiet: bool, json: bool) -> None:
    from datapruner.dataset.estimate import estimate

    with listening(quiet):
        found = estimate(job)
    if json:
        write_json(found.to_dict())
    else:
        write_data(str(found))


def _facts(scores: Scores, bad: int) -> dict[str, Any]:
    import numpy as np

    values = scores.values[scores.items.is_countable].astype(np.float64)
    spread = {}
    if values.size:
        low, middle, high = np.quantile(values, [0, 0.5, 1]).tolist()
        spread = {"lowest": low, "median": middle, "highest": high}
    return {
        "rows": scores.items.countable,
        "bad": bad,
        "method": scores.method,
        "meaning": f"higher is {scores.meaning}",
        "unit": scores.items.unit,
        **spread,
        "ran": dict(scores.details),
    }


def say_bad(bad: int, quiet: bool) -> None:
    """How many rows were left out, if any were."""
    if bad:
        say(f"{bad:,} rows could not be used and were left out", quiet=quiet)


def say_written(paths: list[str], quiet: bool) -> None:
    """Which files a run left."""
    if paths:
        say("\n".join(["wrote", *(f"  {path}" for path in paths)]), quiet=quiet)
