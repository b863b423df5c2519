"""What the markup says of blocks: links, class names, containers, made only when read."""

from __future__ import annotations

import numpy as np
import pytest

from datapruner.context.html.blocks import Blocks, make_blocks
from datapruner.context.html.pages import Given, prepare
from datapruner.scorers.marks import CUES, FAR, Marks, bits_of
from datapruner.tokens import resolve_counter


def blocks_of(*pages: str, block_tokens: int = 4) -> Blocks:
    prepared = [prepare(Given(page), "lossless", frozenset(), None) for page in pages]
    return make_blocks(prepared, resolve_counter("words"), block_tokens=block_tokens)


def rows_by_text(blocks: Blocks) -> dict[str, int]:
    texts = blocks.items.features["text"]
    return {text: row for row, text in enumerate(texts) if text}


def marks_of(blocks: Blocks) -> Marks:
    marks: Marks = blocks.items.features["marks"].read()
    return marks


def bits_by_text(blocks: Blocks) -> dict[str, int]:
    bits = marks_of(blocks).bits.tolist()
    return {text: bits[row] for text, row in rows_by_text(blocks).items()}


def test_class_names_of_wrappers_that_cleaning_took_out_still_count() -> None:
    page = "<div class=sidebar><div id=promo><p>one two three</p></div></div><p>four five six</p>"
    found = bits_by_text(blocks_of(page))
    promo = bits_of("p", "") | bits_of("div", "sidebar") | bits_of("div", "promo")
    assert found["one two three"] == promo
    assert found["four five six"] == bits_of("p", "")


def test_the_frame_of_the_page_speaks_for_nothing_in_it() -> None:
    page = "<html class=nav><body class=article><p>one two three</p><p>four five</p></body></html>"
    assert bits_by_text(blocks_of(page))["four five"] == bits_of("p", "")


def test_cues_say_how_far_above_and_how_much_is_inside() -> None:
    page = (
        "<div class=story><div><p>one two three</p><aside class=related>four five six</aside></div>"
        "<p>seven eight</p></div>"
    )
    blocks = blocks_of(page)
    marks, rows = marks_of(blocks), rows_by_text(blocks)
    place = {name: CUES.index(name) for name in (".article", ".related", "aside", "paragraph")}
    four = rows["four five six"]
    assert marks.far[four][place[".article"]] == 2
    assert marks.far[four][place[".related"]] == marks.far[four][place["aside"]] == 0
    assert marks.far[four][place["paragraph"]] == FAR
    assert marks.scope[four][place[".article"]] == pytest.approx(1)
    assert marks.scope[four][place[".related"]] == pytest.approx(13 / 37)
    assert marks.scope[four][place["paragraph"]] == 1
    assert marks.far[rows["one two three"]][place[".related"]] == FAR


def test_far_is_as_far_as_is_counted() -> None:
    blocks = blocks_of("<nav>one two" + "<div>" * 30 + "three four five</div><p>six seven")
    marks, row = marks_of(blocks), rows_by_text(blocks)["three four five"]
    assert marks.far[row][CUES.index("nav")] == FAR - 1


def test_the_title_is_found_among_the_headings() -> None:
    page = (
        "<title>Ferries wait out the storm - News</title><h1>News</h1><h2>Sport</h2>"
        "<h2>Ferries <i>wait</i> out the storm</h2><p>one two three four five</p>"
    )
    (outline,) = marks_of(blocks_of(page)).outlines
    assert outline.likeness == pytest.approx(5 / 6)
    assert outline.mains.size == 1
    assert outline.title > outline.mains[0]
    (outline,) = marks_of(blocks_of("<title>Home</title><h1>Ferries</h1><p>one two</p>")).outlines
    assert (outline.title, outline.likeness) == (-1, 0.0)


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
    blocks = blocks_of("<div>one two three<p>four five six</p></div><p>seven</p>")
    marks, rows = marks_of(blocks), rows_by_text(blocks)
    (outline,) = marks.outlines
    run, whole = rows["one two three"], rows["four five six"]
    assert marks.element[run] == outline.parents[marks.element[whole]]
    assert (bool(marks.whole[run]), bool(marks.whole[whole])) == (False, True)


def test_sentences_of_one_paragraph_are_one_run() -> None:
    blocks = blocks_of("<p>One two three four. Five six seven eight.</p><p>Nine ten is red.</p>")
    run = marks_of(blocks).run[~blocks.items.shell].tolist()
    assert run[0] == run[1] != run[2]


def test_pages_are_numbered_and_parts_can_be_taken() -> None:
    blocks = blocks_of("<p>one two three</p><p>four</p>", "<nav>five</nav><p>six seven eight</p>")
    column = blocks.items.features["marks"]
    whole = column.read()
    assert len(column) == blocks.items.n == len(whole)
    rows = np.flatnonzero(~blocks.items.shell)
    part = column.take(rows).read()
    assert len(column.take(rows)) == rows.size
    for name in ("bits", "linked", "page", "element", "whole", "run", "far", "scope"):
        assert (getattr(part, name) == getattr(whole, name)[rows]).all()
    assert sorted(set(part.page.tolist())) == [0, 1]
    assert whole.read() is whole


def test_no_blocks_have_no_marks() -> None:
    assert len(blocks_of("<p> </p>").items.features["marks"].read()) == 0
    assert len(Marks.none(np.zeros(0, dtype=np.int64))) == 0


def test_texts_without_markup_are_their_own_documents() -> None:
    marks = Marks.none(np.array([0, 0, 2]))
    assert len(marks.outlines) == 3
    assert (marks.far == FAR).all()
    assert marks.take(np.array([2])).run.size == 1


def test_deep_pages_are_marked_in_linear_time() -> None:
    blocks = blocks_of("<div class=menu>a" * 3_000)
    marks = blocks.items.features["marks"].read()
    assert (marks.bits[~blocks.items.shell] == bits_of("div", "menu")).all()
