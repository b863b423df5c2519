"""The command that prunes the chunks of prompts: a file of chunks for one query, or many jobs."""

from __future__ import annotations

import contextlib
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from datapruner.cli import options as opt
from datapruner.cli.io import say, write_data
from datapruner.cli.prompts import (
    Antecedents,
    Beside,
    Counter,
    Language,
    MethodName,
    Model,
    OnEmpty,
    Threshold,
    scorer_of,
)
from datapruner.errors import BudgetError, InputError

if TYPE_CHECKING:
    from datapruner.context.chunks import ContextPruner
    from datapruner.context.result import PrunedContext

__all__ = ["chunks"]

_STDIN = "-"

Source = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        show_default=False,
        help='With --query: chunks, one a line, as JSON text or {"id", "text", "title"}; or a .txt '
        'or .md file, which is one chunk. Without: jobs {"id", "query", "chunks"}, one a line. '
        "- for JSON lines on stdin.",
    ),
]
Query = Annotated[
    str | None,
    typer.Option("--query", metavar="Q", help="What the reader of the chunks will be asked."),
]
Out = Annotated[
    str,
    typer.Option("--out", metavar="OUT.jsonl", help="Default: JSON lines on stdout."),
]
Limit = Annotated[
    str | None,
    typer.Option(
        "--budget",
        metavar="B",
        help='What to keep: "2048 tokens", "30% of tokens", "5 sentences, 2 per group"; with '
        "none of this, --threshold and --price the method's own default.",
    ),
]
Price = Annotated[
    float | None,
    typer.Option("--price", metavar="P", help="The lowest score for each token that stays."),
]
Order = Annotated[
    str, typer.Option("--order", metavar="NAME", help="Of the chunks: source, score or edges.")
]
Pins = Annotated[
    list[str] | None,
    typer.Option(
        "--pin",
        metavar="NAME|REGEX",
        help="Sentences that must stay: title (default), numbers, quotes, or a pattern; may be "
        "repeated. none: no pins.",
    ),
]
Gap = Annotated[
    str, typer.Option("--gap", metavar="TEXT", help="Stands for what is left out in a chunk.")
]
Hidden = Annotated[
    str, typer.Option("--hidden", metavar="HOW", help="Invisible characters: flag, drop or keep.")
]
Explain = Annotated[
    bool, typer.Option("--explain", help="Tell on stderr why each sentence was kept or dropped.")
]


def chunks(
    source: Source,
    query: Query = None,
    out: Out = _STDIN,
    budget: Limit = None,
    threshold: Threshold = None,
    price: Price = None,
    method: MethodName = None,
    model: Model = None,
    counter: Counter = "words",
    order: Order = "source",
    fill: opt.Fill = "skip",
    pin: Pins = None,
    neighbours: Beside = 0,
    antecedents: Antecedents = False,
    on_empty: OnEmpty = None,
    gap: Gap = "",
    hidden: Hidden = "flag",
    language: Language = None,
    seed: opt.Seed = 0,
    explain: Explain = False,
    overwrite: opt.Overwrite = False,
    quiet: opt.Quiet = False,
) -> None:
    """Prune retrieved chunks to the sentences that answer, within a hard budget of tokens.

    Each job gives a line {"id", "text", "tokens", "tokens_before", "kept", "dropped", "flags"}.
    """
    from datapruner.context.chunks import DEFAULT_METHOD, ContextPruner

    pruner = ContextPruner(
        budget=budget,
        threshold=threshold,
        price=price,
        method=scorer_of(DEFAULT_METHOD if method is None else method, model),
        counter=counter,
        order=order,
        fill=fill,  # type: ignore[arg-type]
        pins=("title",) if pin is None else tuple(_pin(p) for p in pin if p != "none"),
        neighbours=neighbours,
        antecedents=antecedents,
        on_empty=on_empty,
        gap=gap,
        hidden=hidden,
        language=language,
        seed=seed,
    )
    _check_files(source, out)
    jobs = _jobs(source) if query is None else iter([_one_job(source, query)])
    totals = _Totals()
    with _writer(out, overwrite) as write:
        for job in jobs:
            made = _pruned(pruner, job, quiet)
            write(_line(job.id, made))
            totals.add(made)
            if explain:
                say(f"{job.name}\n{made.explain()}", quiet=quiet)
    say(totals.told(), quiet=quiet)


@dataclass(frozen=True)
class _Job:
    """One query with its chunks, and where it was read."""

    id: Any
    query: Any
    chunks: Any
    name: str


@dataclass
class _Totals:
    """What the last line on stderr sums up."""

    jobs: int = 0
    tokens: int = 0
    before: int = 0

    def add(self, made: PrunedContext) -> None:
        self.jobs += 1
        self.tokens += made.tokens
        self.before += made.tokens_before

    def told(self) -> str:
        share = f" ({self.tokens / self.before:.1%})" if self.before else ""
        jobs = f"{self.jobs:,} job{'' if self.jobs == 1 else 's'}"
        return f"kept {self.tokens:,} of {self.before:,} tokens{share} of {jobs}"


def _pin(given: str) -> Any:
    from datapruner.context.pins import PINS

    if given in PINS:
        return given
    try:
        return re.compile(given)
    except re.error as error:
        raise InputError(
            f"--pin {given!r} is neither {', '.join(PINS)} nor a pattern: {error}."
        ) from error


def _pruned(pruner: ContextPruner, job: _Job, quiet: bool) -> PrunedContext:
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", RuntimeWarning)
            made = pruner(job.query, job.chunks)
    except (BudgetError, InputError) as error:
        raise type(error)(f"{job.name}: {error}") from error
    for warning in caught:
        say(f"datapruner: warning: {job.name}: {warning.message}", quiet=quiet)
    return made


def _line(id: Any, made: PrunedContext) -> str:
    units = {
        name: [
            {"chunk": s.chunk, "start": s.start, "end": s.end, "score": s.score, "reason": s.reason}
            for s in sentences
        ]
        for name, sentences in (("kept", made.kept), ("dropped", made.dropped))
    }
    return _dumps(
        {
            "id": id,
            "text": made.text,
            "tokens": made.tokens,
            "tokens_before": made.tokens_before,
            **units,
            "flags": list(made.flags),
        }
    )


def _dumps(value: Any) -> str:
    import json

    import orjson

    try:
        return orjson.dumps(value).decode("utf-8")
    except orjson.JSONEncodeError:
        # Half of a surrogate pair, which is no UTF-8, and integers beyond 64 bits.
        return json.dumps(value)


def _lines(source: str) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, with their numbers."""
    stdin = contextlib.nullcontext(sys.stdin.buffer)
    with stdin if source == _STDIN else Path(source).open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise InputError(f"{source}, line {number} is no UTF-8: {error}.") from error
            if text.strip():
                yield number, text


def _read(source: str) -> Iterator[tuple[int, Any]]:
    import json

    for number, line in _lines(source):
        try:
            yield number, json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{source}, line {number} is no JSON: {error}.") from error


def _one_job(source: str, query: str) -> _Job:
    if Path(source).suffix.lower() in (".txt", ".md"):
        try:
            text = Path(source).read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise InputError(f"{source} is no UTF-8: {error}.") from error
        return _Job(None, query, [text], source)
    return _Job(None, query, [value for _, value in _read(source)], source)


def _jobs(source: str) -> Iterator[_Job]:
    """The jobs of a file, one at a time, so that a stream is answered as it comes."""
    for number, value in _read(source):
        where = f"{source}, line {number}"
        if not isinstance(value, dict) or not {"query", "chunks"} <= value.keys():
            found = sorted(value) if isinstance(value, dict) else type(value).__name__
            raise InputError(
                f'{where} is no job {{"id", "query", "chunks"}} (found {found}). For a file of '
                "chunks give --query."
            )
        id = value.get("id", number - 1)
        yield _Job(id, value["query"], value["chunks"], f"{where} (job {id})")


def _check_files(source: str, out: str) -> None:
    if source != _STDIN and Path(source).is_dir():
        raise InputError(f"{source} is a folder; give a file of chunks or of jobs.")
    if _STDIN not in (source, out) and Path(out).resolve() == Path(source).resolve():
        raise InputError(f"{out} is what is read; choose another name for --out.")


@contextlib.contextmanager
def _writer(out: str, overwrite: bool) -> Iterator[Callable[[str], None]]:
    if out == _STDIN:
        yield write_data
        return
    from datapruner.output import open_output

    with open_output(Path(out), overwrite=overwrite) as file:

        def write(line: str) -> None:
            file.write(f"{line}\n".encode())

        yield write
