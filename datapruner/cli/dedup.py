"""The command that takes duplicates out of a corpus."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from datapruner.cli import options as opt
from datapruner.cli.config import as_share, bad_limit
from datapruner.cli.dataset import cache_choice, expected, say_bad, say_written
from datapruner.cli.engine import EngineName, JournalFolder, Memory, NoJournal, engine_choice
from datapruner.cli.io import listening, say, write_data, write_json
from datapruner.errors import InputError

if TYPE_CHECKING:
    from datapruner.dataset.dedupjob import DedupJob

__all__ = ["dedup"]

Out = Annotated[
    str | None,
    typer.Option(
        "--out",
        metavar="OUT",
        help="The file of kept rows: .jsonl, .csv, .tsv (also .gz, .zst), .parquet, or .npy for "
        "vectors; - streams JSON lines to stdout.",
    ),
]
Eps = Annotated[
    float,
    typer.Option(
        "--eps",
        metavar="E",
        help="A cosine above 1 - E makes a semantic duplicate; 0: none, and nothing is embedded.",
    ),
]
Rule = Annotated[
    str,
    typer.Option("--rule", metavar="NAME", help="leader (default), any_earlier or components."),
]
Keep = Annotated[
    str, typer.Option("--keep", metavar="WHICH", help="Of a group: hard, easy, first or best.")
]
By = Annotated[
    str | None,
    typer.Option("--by", metavar="COL", help="For --keep best: a column, the highest stays."),
]
Jaccard = Annotated[
    float,
    typer.Option(
        "--jaccard", metavar="J", help="Shared word shingles of near-copies; 1: no such stage."
    ),
]
IgnoreCase = Annotated[bool, typer.Option("--ignore-case", help="Exact copies may differ in case.")]
Limit = Annotated[
    str,
    typer.Option(
        "--budget",
        metavar="B",
        help='A limit beside the duplicates: "80%" or "1000 items" keeps exactly as many.',
    ),
]
Clusters = Annotated[
    int | None,
    typer.Option("--k", metavar="N", help="Clusters; default: 1 to 50,000 rows, then sqrt(rows)."),
]
Probes = Annotated[
    int, typer.Option("--probes", metavar="N", help="2: the second-nearest cluster as well.")
]
Against = Annotated[
    str | None,
    typer.Option(
        "--against",
        metavar="FILE",
        help="Other rows, such as a test set: what repeats one of them goes.",
    ),
]
AgainstText = Annotated[
    str | None,
    typer.Option("--against-text", metavar="COL", help="Its column of texts; default: as --text."),
]
AgainstId = Annotated[
    str | None,
    typer.Option(
        "--against-id", metavar="COL", help="Its column of ids; default: as --id, or row numbers."
    ),
]
AgainstEmbedding = Annotated[
    str | None,
    typer.Option(
        "--against-embedding", metavar="COL|FILE", help="Its vectors, where --embedding is given."
    ),
]
Inside = Annotated[
    str,
    typer.Option(
        "--inside",
        metavar="RULE",
        help="Duplicates inside INPUT: drop, or keep for --against and --index alone.",
    ),
]
IndexFolder = Annotated[
    str | None,
    typer.Option(
        "--index", metavar="DIR", help="What repeats a row that earlier shards kept goes."
    ),
]
SaveIndex = Annotated[
    str | None,
    typer.Option(
        "--save-index",
        metavar="DIR",
        help="Put the kept rows in an index for later shards; the same as --index extends it.",
    ),
]
Suggest = Annotated[
    str | None,
    typer.Option(
        "--suggest",
        metavar="P%",
        help="Write nothing; print the eps that keeps this share, and pairs around it.",
    ),
]


def dedup(
    inputs: opt.Inputs,
    out: Out = None,
    text: opt.Text = None,
    id: opt.Id = None,
    label: opt.Label = None,
    embedding: opt.Embedding = None,
    cost: opt.Cost = None,
    tokens: opt.Tokens = None,
    embedder: opt.Embedder = "auto",
    eps: Eps = 0.05,
    rule: Rule = "leader",
    keep: Keep = "hard",
    by: By = None,
    jaccard: Jaccard = 0.8,
    ignore_case: IgnoreCase = False,
    budget: Limit = "everything",
    k: Clusters = None,
    probes: Probes = 1,
    against: Against = None,
    against_text: AgainstText = None,
    against_id: AgainstId = None,
    against_embedding: AgainstEmbedding = None,
    inside: Inside = "drop",
    index: IndexFolder = None,
    save_index: SaveIndex = None,
    suggest: Suggest = None,
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
    quiet: opt.Quiet = False,
    json: opt.Json = False,
) -> None:
    """Keep one row of every group of duplicates: exact, near (MinHash), semantic.

    `datapruner explain OUT --id ID` names the row that a dropped one repeats.
    """
    job = _job(locals())
    held = cache_choice(cache, no_cache)
    if suggest is not None:
        _suggest(job, suggest, held, quiet, json)
        return
    if out is None:
        raise InputError("nothing to write: name --out OUT, or ask --suggest 80% for an eps.")
    if json and out == "-":
        raise InputError("--json and --out - would both write to stdout; drop one of them.")
    job.check_paths(report, config)
    runner = engine_choice(engine, memory, journal, no_journal, out)
    with listening(quiet, expected(job, quiet)) as progress:
        result = job.run(
            overwrite=overwrite,
            cache=held,
            progress=progress,
            engine=runner,
            report=None if report is None else Path(report),
        )
    if json:
        write_json(result.selection.report().to_dict())
    else:
        say(str(result.selection.report()), quiet=quiet)
    say_bad(len(result.bad), quiet)
    more = [path for path in (report, save_index) if path]
    say_written([*map(str, result.paths), *more], quiet)


def _job(given: dict[str, Any]) -> DedupJob:
    from dataclasses import fields

    from datapruner.dataset.dedupjob import DedupJob

    plain = {f.name: given[f.name] for f in fields(DedupJob) if f.name in given}
    changed = {
        "inputs": tuple(given["inputs"]),
        "out": given["out"] or "-",
        "bad_limit": bad_limit(given["bad_limit"]),
    }
    return DedupJob(**{**plain, **changed})


def _suggest(job: DedupJob, share: str, cache: Any, quiet: bool, json: bool) -> None:
    kept = as_share(share)
    if kept is None:
        raise InputError(f'suggest is {share!r}; write what should stay, as "80%" or 0.8.')
    with listening(quiet, expected(job, quiet)) as progress:
        found = job.suggest(kept, cache=cache, progress=progress)
    if json:
        write_json(found.to_dict())
    else:
        write_data(str(found))
