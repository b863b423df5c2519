"""Which blocks are read together, and how much of each is links."""

from __future__ import annotations

import numpy as np
import pytest

from datapruner.context.html.blocks import Blocks, make_blocks
from datapruner.context.html.pages import Given, prepare
from datapruner.context.html.passages import LONGEST, passages_and_links
from datapruner.tokens import resolve_counter

WORDS = "some words that nobody will ever ask for again "
LONG = WORDS * (LONGEST // len(WORDS) // 3)
"""A third of a passage."""


def blocks_of(*pages: str, block_tokens: int = 8) -> Blocks:
    made = [prepare(Given(page), "lossless", frozenset(), None) for page in pages]
    return make_blocks(made, resolve_counter("words"), block_tokens=block_tokens)


def passages(*pages: str, block_tokens: int = 8) -> list[tuple[int, str]]:
    """The passage of each offered row with the beginning of its text."""
    blocks = blocks_of(*pages, block_tokens=block_tokens)
    rows = np.flatnonzero(~blocks.items.shell)
    found, _ = passages_and_links(blocks, rows)
    return [
        (code, blocks.text(row)[:6])
        for code, row in zip(found.tolist(), rows.tolist(), strict=True)
    ]


def test_what_stands_under_a_heading_is_one_passage_where_it_is_short() -> None:
    page = "<h2>A</h2><p>one</p><div><p>two</p></div><h2>B</h2><p>three</p>"
    assert passages(page, block_tokens=1) == [(0, "one"), (0, "two"), (1, "three")]


def test_a_long_section_falls_into_the_elements_of_its_markup() -> None:
    parts = [f"<section><p>{n} {LONG}</p><p>{n} {LONG}</p></section>" for n in range(4)]
    page = f"<h1>Title</h1>{''.join(parts)}"
    found = passages(page, block_tokens=200)
    assert [code for code, _ in found] == [0, 0, 1, 1, 2, 2, 3, 3]


def test_parts_of_an_element_are_together_however_small_the_blocks() -> None:
    page = "".join(f"<p>{n} {LONG}. Again {n}. And on.</p>" for n in range(4))
    found = passages(page, block_tokens=0)
    assert [code for code, _ in found] == [n for n in range(4) for _ in range(3)]


def test_neighbours_that_share_no_short_element_are_counted_off() -> None:
    page = "".join(f"<p>{n} {WORDS}</p>" for n in range(400))
    codes = [code for code, _ in passages(page, block_tokens=20)]
    assert codes == sorted(codes)
    sizes = np.bincount(codes) * len(f"100 {WORDS}")
    assert LONGEST / 3 < sizes[:-1].min() <= sizes.max() < LONGEST


def test_a_heading_ends_a_passage_inside_an_element() -> None:
    page = f"<div><p>one</p><h3>B</h3><p>two</p></div>{'<p>' + LONG + '</p>'}" * 4
    codes = [code for code, text in passages(page, block_tokens=1) if text in ("one", "two")]
    assert len(set(codes)) == len(codes) == 8


def test_pages_share_no_passage() -> None:
    assert passages("<p>one</p><p>two</p>", "<p>one</p>", "", block_tokens=1) == [
        (0, "one"),
        (0, "two"),
        (1, "one"),
    ]


def test_numbers_begin_at_0_and_leave_none_out() -> None:
    page = "".join(f"<h2>{n}</h2><p>{LONG * n}</p><ul><li>a<li>b</ul>" for n in range(6))
    codes = [code for code, _ in passages(page, page, block_tokens=30)]
    assert sorted(set(codes)) == list(range(max(codes) + 1))
    assert codes == sorted(codes)


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("<p>abcd<a>efgh</a></p><p>x</p>", [0.5, 0.0]),
        ("<ul><li><a>one</a><li><a>two</a></ul>", [1.0]),
        ("<p><a>a<b><a>b</a></b></a>cc</p>", [0.5]),
        ("<a><p>one</p><p>two</p></a>", [1.0]),
        ("<p>none</p>", [0.0]),
    ],
)
def test_the_share_of_links(page: str, expected: list[float]) -> None:
    blocks = blocks_of(page, block_tokens=2)
    rows = np.flatnonzero(~blocks.items.shell)
    _, links = passages_and_links(blocks, rows)
    assert links.tolist() == expected
