"""The command that prunes web pages: files in, the blocks that answer on stdout."""

from __future__ import annotations

import re
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from datapruner.cli import options as opt
from datapruner.cli.io import say, write_data
from datapruner.cli.prompts import Counter, MethodName, Model, Threshold
from datapruner.errors import InputError

if TYPE_CHECKING:
    from datapruner.context.html.pages import Given
    from datapruner.context.html.result import PrunedHtml

__all__ = ["html"]

_STDIN = "-"
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")

Pages = Annotated[
    list[str],
    typer.Argument(
        metavar="PAGE...",
        show_default=False,
        help="Files of HTML; several share the budget. - for one page on stdin. Addresses are "
        "never opened.",
    ),
]
Query = Annotated[
    str,
    typer.Option(
        "--query", metavar="Q", help="What the reader will be asked; none: the main content."
    ),
]
Out = Annotated[str, typer.Option("--out", metavar="FILE", help="Default: stdout.")]
Limit = Annotated[
    str | None,
    typer.Option(
        "--budget",
        metavar="B",
        help='What to keep: "1024 tokens", "30% of tokens"; with neither this nor --threshold the '
        "method's own default.",
    ),
]
To = Annotated[str, typer.Option("--to", metavar="FORMAT", help="html, markdown or text.")]
Level = Annotated[
    str, typer.Option("--level", metavar="NAME", help="Of cleaning: lossless, minimal or text.")
]
BlockTokens = Annotated[
    int | None,
    typer.Option(
        "--block-tokens",
        metavar="N",
        help="The largest block that is not cut; 128, and 32 without a query.",
    ),
]
Keep = Annotated[
    list[str] | None,
    typer.Option(
        "--keep", metavar="NAME", help="What cleaning leaves: href, alt, src ...; may be repeated."
    ),
]
Encoding = Annotated[
    str | None, typer.Option("--encoding", metavar="NAME", help="Of all pages; default: as found.")
]
Prior = Annotated[
    float,
    typer.Option(
        "--prior",
        metavar="P",
        help="From 0 to 1: how much worse blocks in navigation, headers, footers, asides and forms "
        "count, and lists of links.",
    ),
]
Explain = Annotated[
    bool, typer.Option("--explain", help="Tell on stderr why each block was kept or dropped.")
]


def html(
    pages: Pages,
    query: Query = "",
    out: Out = _STDIN,
    budget: Limit = None,
    threshold: Threshold = None,
    method: MethodName = None,
    model: Model = None,
    counter: Counter = "words",
    to: To = "html",
    level: Level = "lossless",
    block_tokens: BlockTokens = None,
    keep: Keep = None,
    prior: Prior = 0.0,
    fill: opt.Fill = "skip",
    encoding: Encoding = None,
    seed: opt.Seed = 0,
    json: opt.Json = False,
    explain: Explain = False,
    overwrite: opt.Overwrite = False,
    quiet: opt.Quiet = False,
) -> None:
    """Prune web pages to the blocks that answer, as valid HTML, Markdown or text.

    What a reader of the page would not see is taken out first. Nothing is fetched.
    """
    from datapruner.context.html.prune import DEFAULT_METHOD, HtmlPruner
    from datapruner.context.html.scoring import block_scorer

    if model is not None and not query.strip():
        raise InputError("--model reads the question, but there is none; give --query, too.")
    scorer: Any = method
    if model is not None:
        scorer = block_scorer(DEFAULT_METHOD if method is None else method, model)
    pruner = HtmlPruner(
        budget=budget,
        threshold=threshold,
        method=scorer,
        counter=counter,
        to=to,
        level=level,
        block_tokens=block_tokens,
        keep=tuple(keep or ()),
        prior=prior,
        fill=fill,  # type: ignore[arg-type]
        encoding=encoding,
        seed=seed,
    )
    _check(pages, out)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RuntimeWarning)
        made = pruner([_read(page) for page in pages], query)
    for warning in caught:
        say(f"datapruner: warning: {warning.message}", quiet=quiet)
    _write(_dumped(made) if json else made.text, out, overwrite=overwrite)
    if explain:
        say(made.explain(), quiet=quiet)
    say(_told(made, len(pages)), quiet=quiet)


def _check(pages: list[str], out: str) -> None:
    for page in pages:
        if _ADDRESS.match(page):
            raise InputError(
                f"{page} is an address, and datapruner opens none. Fetch the page first, for "
                f"example: curl -sL '{page}' | datapruner html -"
            )
        if page != _STDIN and Path(page).is_dir():
            raise InputError(f"{page} is a folder; give files of HTML.")
        if _STDIN not in (page, out) and Path(out).resolve() == Path(page).resolve():
            raise InputError(f"{out} is what is read; choose another name for --out.")
    if pages.count(_STDIN) > 1:
        raise InputError("- was given more than once, but there is only one stdin.")


def _read(page: str) -> Given:
    from datapruner.context.html.pages import Given

    data = sys.stdin.buffer.read() if page == _STDIN else Path(page).read_bytes()
    name = "stdin" if page == _STDIN else page
    return Given(data, name)


def _write(text: str, out: str, *, overwrite: bool) -> None:
    if out == _STDIN:
        write_data(text)
        return
    from datapruner.output import open_output

    with open_output(Path(out), overwrite=overwrite) as file:
        file.write(text.encode("utf-8", "replace") + b"\n")


def _dumped(made: PrunedHtml) -> str:
    import json

    return json.dumps(made.to_dict(), ensure_ascii=False)


def _told(made: PrunedHtml, pages: int) -> str:
    before = made.tokens_before
    share = f" ({made.tokens / before:.1%})" if before else ""
    what = f"{pages:,} page{'' if pages == 1 else 's'}"
    hidden = f"; {len(made.removed):,} hidden parts taken out" if made.removed else ""
    return f"kept {made.tokens:,} of {before:,} tokens{share} of {what}{hidden}"
