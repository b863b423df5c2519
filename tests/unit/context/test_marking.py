"""What the markup says of blocks: links, class names, containers, made only when read."""

from __future__ import annotations

import numpy as np
import pytest

from datapruner.context.html.blocks import Blocks, make_blocks
from datapruner.context.html.pages import Given, prepare
from datapruner.scorers.marks import Marks, bits_of
from datapruner.tokens import resolve_counter


def blocks_of(*pages: str, block_tokens: int = 4) -> Blocks:
    prepared = [prepare(Given(page), "lossless", frozenset(), None) for page in pages]
    return make_blocks(prepared, resolve_counter("words"), block_tokens=block_tokens)


def marks_by_text(blocks: Blocks) -> dict[str, tuple[int, int, float, int, int]]:
    marks = blocks.items.features["marks"].read()
    columns = (marks.bits, marks.own, marks.linked, marks.container, marks.page)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    texts = blocks.items.features["text"]
    return {text: row for text, row in zip(texts, rows, strict=True) if text}


def test_class_names_of_wrappers_that_cleaning_took_out_still_count() -> None:
    page = "<div class=sidebar><div id=promo><p>one two three</p></div></div><p>four five six</p>"
    found = marks_by_text(blocks_of(page))
    promo = bits_of("p", "") | bits_of("div", "sidebar") | bits_of("div", "promo")
    assert found["one two three"][0] == promo
    assert found["four five six"][0] == bits_of("p", "")


def test_the_frame_of_the_page_speaks_for_nothing_in_it() -> None:
    page = "<html class=nav><body class=article><p>one two three</p><p>four five</p></body></html>"
    assert marks_by_text(blocks_of(page))["four five"][0] == bits_of("p", "")


@pytest.mark.parametrize(
    ("inside", "share"),
    [
        ("abcd", 0.0),
        ("<a href=x>abcd</a>", 1.0),
        ("<a>ab</a>cd", 0.5),
        ("ab<a><b>c</b>d</a>", 0.5),
        ("ab<a>c</a>d", 0.25),
    ],
)
def test_links_are_a_share_of_the_letters(inside: str, share: float) -> None:
    blocks = blocks_of(f"<p>{inside}</p><p>five six seven eight nine</p>")
    marks = blocks.items.features["marks"].read()
    row = next(r for r, text in enumerate(blocks.items.features["text"]) if "a" in text)
    assert marks.linked[row] == pytest.approx(share)


def test_a_run_of_text_is_in_the_element_that_it_stands_in() -> None:
    found = marks_by_text(blocks_of("<div>one two three<p>four five six</p></div><p>seven</p>"))
    assert found["one two three"][3] == found["four five six"][3]
    assert found["seven"][3] != found["four five six"][3]
    assert found["one two three"][1] == 0
    assert found["four five six"][1] == bits_of("p", "")


def test_pages_are_numbered_and_parts_can_be_taken() -> None:
    blocks = blocks_of("<p>one two three</p><p>four</p>", "<nav>five</nav><p>six seven eight</p>")
    column = blocks.items.features["marks"]
    whole = column.read()
    assert len(column) == blocks.items.n == len(whole)
    rows = np.flatnonzero(~blocks.items.shell)
    part = column.take(rows).read()
    assert len(column.take(rows)) == rows.size
    for name in ("bits", "own", "linked", "container", "page"):
        assert (getattr(part, name) == getattr(whole, name)[rows]).all()
    assert sorted(set(part.page.tolist())) == [0, 1]
    assert whole.read() is whole


def test_no_blocks_have_no_marks() -> None:
    assert len(blocks_of("<p> </p>").items.features["marks"].read()) == 0
    assert len(Marks.none(np.zeros(0, dtype=np.int64))) == 0


def test_deep_pages_are_marked_in_linear_time() -> None:
    blocks = blocks_of("<div class=menu>a" * 3_000)
    marks = blocks.items.features["marks"].read()
    assert (marks.bits[~blocks.items.shell] == bits_of("div", "menu")).all()
