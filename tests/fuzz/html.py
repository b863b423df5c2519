"""Mutated pages through the HTML pruner: python -m tests.fuzz.html --pages 10000 --seed 0

Of every page: no exception, two seconds at most, within the budget, read again it gives the same
text, and no word of what nobody sees. The pages are messy snippets, and those of the optional data
folder (DATAPRUNER_DATA).
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from datapruner.context.html.clean import LEVELS, clean
from datapruner.context.html.hiding import visible
from datapruner.context.html.parse import parse
from datapruner.context.html.tree import Tree

SECRET = "zqxsecret"
MOST_SECONDS = 2.0
LONGEST = 60_000
SNIPPETS = (
    "<div><p>one <b>two</p>three</b><ul><li>a<li>b</ul><table><tr><td>1<td>2</table></div>",
    "<!DOCTYPE html><html lang=en><head><title>t</title><meta charset=utf-8><body><h1>h</h1><p>x",
    "<form><form><select><option>a<option>b</select><textarea>\n <p>raw</textarea></form>",
    "<pre>a\n  b<span> </span>c</pre><code>x  y</code><blockquote>q</blockquote><dl><dt>t<dd>d",
    "<svg viewBox='0 0 1 1'><title>d</title><text>v</text></svg><math><mi>x</mi></math>",
    "<table><thead><tr><th>a<tbody><tr><td colspan=2>b<table><tr><td>c</table></table>d",
    "<a href='javascript:x'>l</a><img alt=\"i\" src=x><br/><hr><x-card a=b>c<o:p>w</o:p></x-card>",
    "<frameset><frame src=x><noframes>n</noframes></frameset><plaintext>p<b>",
    "<p dir=rtl>\u05e9\u05dc\u05d5\u05dd<p>\u4f60\u597d\u3002\u4e16<p>\U0001f468\u200d\U0001f469",
    "<style>.x{color:red}@media print{.y{a:b}}</style><p class=x>a<script>if(a<b)</script>b",
)  # fmt: skip
HIDDEN = (
    "<!-- {} -->", "<p hidden>{}</p>", "<p style='display:none'>{}</p>", "<script>{}</script>",
    "<i aria-hidden=true>{}</i>", "<template>{}</template>", "<noscript>{}</noscript>",
    "<b style='font-size:0'>{}</b>", "<img alt='{}'>", "<b title='{}'></b>", "<meta content='{}'>",
    "<dialog>{}</dialog>", "<span style='position:absolute;left:-9999px'>{}</span>",
)  # fmt: skip
NOISE = (
    "<", ">", "</", "<!--", "-->", "'", '"', "&", "&#", ";", "\0", "</div>", "<table>", "<p>",
    "</p>", "<b>", "</x>", "\ufeff", "\u200b", "\n", " ", "<a ", "=", "<![CDATA[", "]]>", "<?x",
    "&#x0;", "\ud800",
)  # fmt: skip


def sources() -> list[str]:
    """The snippets, and pages of the optional data folder."""
    named = os.environ.get("DATAPRUNER_DATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[3] / "shared" / "data"
    found = list(SNIPPETS)
    for name, column in (
        ("html5lib_trees/cases", "data"),
        ("html_warc/pages", "html"),
        ("html_readability/pages", "html"),
    ):
        for path in sorted(folder.glob(name.partition("/")[0] + "/*.parquet")):
            import polars as pl

            table = pl.read_parquet(path)
            if column in table.columns:
                found += [page for page in table[column].to_list() if page]
    return found


def mutated(luck: Random, pages: list[str]) -> str:
    """A page with parts cut, doubled, moved, nested or taken from others."""
    page = luck.choice(pages)
    start = luck.randrange(max(1, len(page) - LONGEST))
    page = page[start : start + LONGEST] if luck.random() < 0.5 else page[:LONGEST]
    for _ in range(luck.randint(0, 6)):
        i, j = sorted(luck.randint(0, len(page)) for _ in range(2))
        j = min(j, i + luck.choice([1, 5, 50, 500]))
        kind = luck.randrange(6)
        if kind == 0:
            page = page[:i] + page[j:]
        elif kind == 1:
            page = page[:i] + page[i:j] * luck.choice([2, 3, 200]) + page[j:]
        elif kind == 2:
            page = page[:i] + luck.choice(NOISE) * luck.choice([1, 1, 1, 300]) + page[i:]
        elif kind == 3:
            other = luck.choice(pages)
            page = page[:i] + other[: luck.choice([20, 200, 2000])] + page[i:]
        elif kind == 4:
            page = page[:i] + page[i:j][::-1] + page[j:]
        else:
            page = luck.choice(["<div>", "<b>", "<table><tr><td>"]) * luck.choice([3, 3000]) + page
    return page[: 2 * LONGEST]


def as_given(luck: Random, page: str) -> bytes | str:
    """The page as text or as bytes of some encoding, now and then broken."""
    kind = luck.randrange(5)
    if kind == 0:
        return page
    data = page.encode(luck.choice(["utf-8", "utf-8", "cp1252", "utf-16"]), "replace")
    if kind == 1 and data:
        place = luck.randrange(len(data))
        data = data[:place] + luck.randbytes(3) + data[place + 1 :]
    return data


def check_front(page: bytes | str) -> None:
    """Parsing, hiding and cleaning: a tree each time, and cleaning again changes nothing."""
    seen, _ = visible(parse(page).tree)
    for level in LEVELS:
        once = clean(seen, level)
        again = clean(once, level)
        assert list(again.texts) == list(once.texts), f"cleaning {level} again changes texts"
        assert list(again.tags) == list(once.tags), f"cleaning {level} again changes elements"
        assert not {"script", "style", "comment()"} & set(once.tags)


def check_pruned(luck: Random, page: bytes | str) -> None:
    """Pruning: within the budget, and the result is read and written again to the same bytes."""
    from datapruner.context.html.prune import prune_html

    budget = luck.choice([0, 1, 5, 40, 500])
    to = luck.choice(["html", "markdown", "text"])
    query = luck.choice(["", "two", "what is one"])
    made: Any = prune_html(page, query, budget=f"{budget} words", to=to)
    assert len(made.text.split()) <= budget, f"{len(made.text.split())} words for {budget}"
    if to == "html":
        tree, again = parse(made.text).tree, prune_html(made.text, to="html")
        after = parse(again.text).tree
        assert _text(after) == _text(tree), "read and written again it is another page"


def _text(tree: Tree) -> str:
    return "".join("".join(pair) for pair in zip(tree.texts, tree.tails, strict=True)).strip()


def check_hidden(luck: Random) -> None:
    """What is hidden between the parts of a well-formed page is not in what is left."""
    parts = [f"<p>{luck.choice('abc')}</p>", "<div><b>x</b>y</div>", "<ul><li>z</li></ul>"] * 2
    parts += [luck.choice(HIDDEN).format(f"{SECRET} {i}") for i in range(luck.randint(1, 6))]
    luck.shuffle(parts)
    seen, _ = visible(parse("".join(parts)).tree)
    made = clean(seen)
    left = "".join((*made.texts, *made.tails, *map(str, made.attributes)))
    assert SECRET not in left, f"hidden text is left of {''.join(parts)!r}"


def run(
    pages: int, seed: int, say: Callable[[str], object] = len, most_seconds: float = MOST_SECONDS
) -> list[str]:
    """What went wrong, a line each; the pages are the same for the same seed.

    Args:
        pages: how many.
        seed: of everything that is drawn.
        say: gets a line now and then, to show that it goes on.
        most_seconds: CPU seconds that a page may take.
    """
    given = sources()
    wrong = []
    for number in range(pages):
        luck = Random(f"{seed} {number}")
        page = as_given(luck, mutated(luck, given))
        spent = 0.0
        try:
            check_front(page)
            start = time.process_time()
            check_pruned(luck, page)
            spent = time.process_time() - start
            check_hidden(luck)
        except Exception as error:
            wrong.append(f"page {number} of seed {seed}: {type(error).__name__}: {error}"[:300])
        if spent > most_seconds:
            wrong.append(f"page {number} of seed {seed}: took {spent:.1f} s, {len(page)} long")
        if number % 1000 == 999:
            say(f"{number + 1} pages, {len(wrong)} wrong")
    return wrong


def main() -> int:
    """The command: 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    wrong = run(options.pages, options.seed, print)
    print("\n".join(wrong))
    print(f"{options.pages} pages, {len(wrong)} wrong")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
