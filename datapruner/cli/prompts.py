"""The flags that several commands for prompts have: chunks, html and calibrate."""

from __future__ import annotations

from typing import Annotated, Any

import typer

__all__ = [
    "Antecedents",
    "Beside",
    "Counter",
    "Language",
    "MethodName",
    "Model",
    "OnEmpty",
    "Threshold",
    "scorer_of",
]

Threshold = Annotated[
    float | None, typer.Option("--threshold", metavar="T", help="The lowest score that stays.")
]
MethodName = Annotated[
    str | None,
    typer.Option("--method", metavar="NAME", help="A context method; see `datapruner methods`."),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME|FOLDER",
        help="What semantic, crossencoder, sentences or paths reads with: a folder, a GGUF file "
        "for paths, or a name on the hub, which alone is ever fetched.",
    ),
]
Counter = Annotated[
    str,
    typer.Option(
        "--counter",
        metavar="NAME|FILE",
        help="What counts tokens: words, characters, bytes, a tokenizer.json, or a model that is "
        "on this machine.",
    ),
]
Beside = Annotated[
    int,
    typer.Option("--neighbours", metavar="N", help="Sentences beside a kept one that come along."),
]
Antecedents = Annotated[
    bool,
    typer.Option("--antecedents", help="A sentence that opens with a pronoun brings the last one."),
]
OnEmpty = Annotated[
    str | None,
    typer.Option("--on-empty", metavar="HOW", help="Where nothing is kept: empty, top1, keep_all."),
]
Language = Annotated[
    str | None, typer.Option("--language", metavar="CODE", help="Of all chunks; default: guessed.")
]


def scorer_of(method: str, model: str | None) -> Any:
    """What the pruners of chunks take as their method: a name, or a scorer with the model named."""
    if model is None:
        return method
    from datapruner.context.scoring import context_scorer

    return context_scorer(method, model)
