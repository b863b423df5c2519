"""Any page, any scores, any budget: the limit holds, and what comes out reads back as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from strategies import markup

from datapruner.context.html.blocks import make_blocks
from datapruner.context.html.cutout import cut_out
from datapruner.context.html.page import Page, Pieces
from datapruner.context.html.pages import Given, prepare
from datapruner.context.html.prune import prune_html
from datapruner.context.html.render import render_tree
from datapruner.context.html.result import PrunedHtml
from datapruner.context.html.tree import Tree
from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.tokens import resolve_counter

BUDGETS = st.sampled_from([0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 233, 10_000])
FORMATS = st.sampled_from(["html", "markdown", "text"])
FILLS = st.sampled_from(["skip", "stop"])
COUNTERS = st.sampled_from(["words", "characters", "bytes"])
SIZES = st.sampled_from([0, 1, 2, 4, 8, 16, 128])
SEEDS = st.integers(0, 2**32 - 1)
WORDS = resolve_counter("words")


@dataclass(frozen=True)
class Drawn:
    """Scores from a seed."""

    seed: int

    def __call__(self, items: Items, *, query: str | None = None, seed: int = 0) -> Scores:
        values = np.random.default_rng(self.seed).random(items.n)
        return Scores(values, items, "higher", "drawn")


def page_of(html: str) -> Page:
    return prepare(Given(html), "lossless", frozenset(), None)


def letters(tree: Tree) -> str:
    return "".join("".join(Pieces(tree).strings).split())


def kept_rows(made: PrunedHtml) -> list[int]:
    return np.flatnonzero(made.selection.mask).tolist()


@given(st.lists(markup(), min_size=1, max_size=3), BUDGETS, FORMATS, FILLS, COUNTERS, SIZES, SEEDS)
def test_the_text_is_never_over_the_budget_nor_longer_than_the_pages(
    pages: list[str], budget: int, to: str, fill: Any, counter: str, size: int, seed: int
) -> None:
    made = prune_html(
        pages,
        "q",
        budget=f"{budget} tokens",
        method=Drawn(seed),
        to=to,
        fill=fill,
        counter=counter,
        block_tokens=size,
    )
    count = resolve_counter(counter)
    assert made.tokens == (int(count.count([made.text])[0]) if made.text else 0)
    assert made.tokens <= min(budget, made.tokens_before)
    if made.tokens_before <= budget:
        assert not made.dropped


@given(markup(), BUDGETS, FILLS, SIZES, SEEDS)
def test_pruned_html_reads_back_as_the_same_text_and_is_written_as_the_same_bytes(
    html: str, budget: int, fill: Any, size: int, seed: int
) -> None:
    made = prune_html(
        html,
        "q",
        budget=f"{budget} tokens",
        method=Drawn(seed),
        fill=fill,
        block_tokens=size,
    )
    again = page_of(made.text)
    if "bare" in made.flags or not made.text:
        return
    assert render_tree(again.tree, "html") == made.text
    rows = kept_rows(made)
    tree = cut_out(made.blocks, 0, rows, made.ends)
    if tree is not None and len(rows) < len(made.blocks):
        assert letters(again.tree) == letters(tree)


@given(markup(), SIZES)
def test_every_letter_of_the_page_stands_in_exactly_one_block(html: str, size: int) -> None:
    page = page_of(html)
    blocks = make_blocks([page], WORDS, block_tokens=size)
    told = "".join(blocks.text(row) for row in range(len(blocks)) if blocks.kind[row] != "shell")
    assert "".join(told.split()) == letters(page.tree)


@given(markup(), SIZES)
def test_all_rows_together_are_the_cleaned_page(html: str, size: int) -> None:
    page = page_of(html)
    blocks = make_blocks([page], WORDS, block_tokens=size)
    tree = cut_out(blocks, 0, range(len(blocks)), {})
    assert letters(page.tree) == ("" if tree is None else letters(tree))


@given(markup(), SIZES)
def test_what_comes_along_stands_before_and_reaches_every_element_around(
    html: str, size: int
) -> None:
    page = page_of(html)
    blocks = make_blocks([page], WORDS, block_tokens=size)
    parents = blocks.items.parent.tolist()
    shells = {blocks.row[row]: row for row in range(len(blocks)) if blocks.kind[row] == "shell"}
    for row, above in enumerate(parents):
        assert above < row
        chain = set()
        while above >= 0:
            chain.add(above)
            above = parents[above]
        element = blocks.row[row]
        around = (
            element if blocks.kind[row] in ("own_text", "sentence") else page.tree.parents[element]
        )
        while around >= 0:
            assert shells[around] in chain
            around = page.tree.parents[around]


@given(markup(), BUDGETS, SEEDS)
def test_the_same_call_gives_the_same_bytes_and_changes_nothing(
    html: str, budget: int, seed: int
) -> None:
    given = {"html": html, "source": "s"}
    first = prune_html(given, "q", budget=f"{budget} tokens", method=Drawn(seed))
    second = prune_html(given, "q", budget=f"{budget} tokens", method=Drawn(seed))
    assert first.text == second.text
    assert given == {"html": html, "source": "s"}
