"""The command that finds a threshold which keeps the answers, on labelled questions."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from datapruner.cli import options as opt
from datapruner.cli.config import as_share
from datapruner.cli.dataset import say_written
from datapruner.cli.io import write_data, write_json
from datapruner.cli.prompts import (
    Antecedents,
    Beside,
    Counter,
    Language,
    MethodName,
    Model,
    OnEmpty,
    scorer_of,
)
from datapruner.errors import InputError, OutputError

__all__ = ["calibrate"]

Examples = Annotated[
    Path,
    typer.Argument(
        metavar="EXAMPLES.jsonl",
        show_default=False,
        help='Labelled questions, one a line: {"query", "chunks", "answers"}, or "gold" stretches '
        "[chunk, start, end] instead of answers.",
    ),
]
KeepAnswer = Annotated[
    float,
    typer.Option(
        "--keep-answer", metavar="P", help="How often the answer must stay, between 0 and 1."
    ),
]
Confidence = Annotated[
    float | None,
    typer.Option(
        "--confidence",
        metavar="P",
        help="Ask for more: that this holds of all questions, but for a chance of 1 - P over the "
        "draw of the examples. Default: on average.",
    ),
]
HeldOut = Annotated[
    str | None,
    typer.Option(
        "--held-out",
        metavar="P%",
        help='A share of the examples to report on and not to choose by, as "50%" or 0.5.',
    ),
]
Pins = Annotated[
    list[str] | None,
    typer.Option(
        "--pin",
        metavar="NAME",
        help="Sentences that must stay: title (default), numbers, quotes; may be repeated. none: "
        "no pins.",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="FILE.json", help="Write threshold, promise and settings as JSON, too."
    ),
]


def calibrate(
    examples: Examples,
    keep_answer: KeepAnswer = 0.95,
    confidence: Confidence = None,
    method: MethodName = None,
    model: Model = None,
    held_out: HeldOut = None,
    counter: Counter = "words",
    pin: Pins = None,
    neighbours: Beside = 0,
    antecedents: Antecedents = False,
    on_empty: OnEmpty = None,
    language: Language = None,
    seed: opt.Seed = 0,
    out: Out = None,
    config: opt.Config = None,
    overwrite: opt.Overwrite = False,
    quiet: opt.Quiet = False,
    json: opt.Json = False,
) -> None:
    """Find the threshold that loses the answer of at most so many new questions.

    Give it to `datapruner chunks --threshold`, with the same settings, for questions that are drawn
    as these were.
    """
    from datapruner.context.calibrate import calibrate as found_by
    from datapruner.context.chunks import DEFAULT_METHOD, ContextPruner
    from datapruner.context.examples import read_examples, split_examples

    share = _share(held_out)
    _check_out(examples, out, overwrite)
    pruner = ContextPruner(
        method=scorer_of(DEFAULT_METHOD if method is None else method, model),
        counter=counter,
        pins=("title",) if pin is None else tuple(name for name in pin if name != "none"),
        neighbours=neighbours,
        antecedents=antecedents,
        on_empty=on_empty,
        language=language,
        seed=seed,
    )
    chosen_by, others = split_examples(read_examples(examples), share, seed=seed)
    found = found_by(chosen_by, keep_answer=keep_answer, confidence=confidence, method=pruner)
    checked = found.check(others) if others else None
    if out is not None:
        found.save(out, overwrite=overwrite)
    if json:
        write_json({**found.to_dict(), "held_out": None if checked is None else asdict(checked)})
    else:
        write_data(f"threshold {found.threshold!r}\n{found.promise}")
        write_data(f"on the examples it was chosen on:\n  {found.examples}")
        if checked is not None:
            write_data(f"on those held out:\n  {checked}")
    say_written([] if out is None else [str(out)], quiet)


def _share(held_out: str | None) -> float:
    if held_out is None:
        return 0.0
    share = as_share(held_out)
    if share is None or not 0 < share < 1:
        raise InputError(
            f'held_out is {held_out!r}; write what is held out, as "50%" or 0.5: more than none of '
            "the examples and less than all."
        )
    return share


def _check_out(examples: Path, out: Path | None, overwrite: bool) -> None:
    """Refuse before the work what could only fail after it."""
    from datapruner.output import check_writable

    if out is None:
        return
    if str(out) == "-":
        raise OutputError("the result as JSON goes to standard output with --json; drop --out.")
    if out.resolve() == examples.resolve():
        raise OutputError(f"{out} is the input; choose another name for --out.")
    check_writable(out, overwrite)
