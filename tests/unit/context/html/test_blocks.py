"""Blocks: what is one, what is a shell, what comes along, and what each costs."""

from __future__ import annotations

import numpy as np
import pytest

from datapruner.context.html.blocks import Blocks, make_blocks
from datapruner.context.html.pages import Given, prepare
from datapruner.context.html.render import render
from datapruner.errors import InputError
from datapruner.tokens import resolve_counter

WORDS = resolve_counter("words")


def blocks_of(html: str, size: int = 8, title: str = "") -> Blocks:
    page = prepare(Given(html, title=title), "lossless", frozenset(), None)
    return make_blocks([page], WORDS, block_tokens=size)


def told(blocks: Blocks) -> list[tuple[str, str, str]]:
    """Kind, tag and text of each row but the shells."""
    tags = blocks.pages[0].tree.tags
    return [
        (kind, tags[element], " ".join(blocks.text(row).split()))
        for row, (kind, element) in enumerate(zip(blocks.kind, blocks.row, strict=True))
        if kind != "shell"
    ]


def chain(blocks: Blocks, text: str) -> list[str]:
    """What comes along with the row of this text, nearest first: texts, and tags of shells."""
    row = [" ".join(t.split()) for t in blocks.items.features["text"]].index(text)
    found = []
    above = int(blocks.items.parent[row])
    while above >= 0:
        tag = blocks.pages[0].tree.tags[blocks.row[above]]
        found.append(tag if blocks.kind[above] == "shell" else " ".join(blocks.text(above).split()))
        above = int(blocks.items.parent[above])
    return found


LONG = "aa bb cc dd ee ff gg hh ii jj"


def test_a_page_that_fits_is_one_block() -> None:
    blocks = blocks_of("<p>one</p><p>two <b>three</b></p>")
    assert told(blocks) == [("block", "html", "one two three")]
    assert blocks.items.parent.tolist() == [-1]


def test_a_page_without_text_has_no_blocks() -> None:
    assert len(blocks_of("<div> <br> </div>")) == 0
    assert len(blocks_of("")) == 0


def test_no_pages_have_no_blocks() -> None:
    assert len(make_blocks([], WORDS)) == 0


def test_inline_children_stay_in_a_paragraph_that_fits() -> None:
    blocks = blocks_of(f"<p>go <b>to</b> the <a href=x>top</a> now</p><p>{LONG}</p>", size=12)
    assert told(blocks) == [("block", "p", "go to the top now"), ("block", "p", LONG)]


def test_text_between_blocks_is_a_run_with_its_inline_elements() -> None:
    blocks = blocks_of(f"<div>lead <b>in</b> text<p>{LONG}</p>and <i>out</i></div>", size=12)
    assert told(blocks) == [
        ("own_text", "div", "lead in text"),
        ("block", "p", LONG),
        ("own_text", "div", "and out"),
    ]


def test_runs_are_blocks_however_short() -> None:
    blocks = blocks_of(f"<div>a<p>{LONG}</p>b</div>", size=10)
    assert [text for _, _, text in told(blocks)] == ["a", LONG, "b"]


def test_a_large_paragraph_falls_into_sentences_across_its_inline_elements() -> None:
    blocks = blocks_of("<p>One is <b>here. Two</b> is there. Three is gone now.</p>", size=6)
    assert told(blocks) == [
        ("sentence", "p", "One is here."),
        ("sentence", "p", "Two is there."),
        ("sentence", "p", "Three is gone now."),
    ]
    second = blocks.kind.index("sentence") + 1
    assert render(blocks, [0, 1, 2, second]) == "<p><b>Two</b> is there.</p>"


def test_kept_neighbours_share_their_inline_element() -> None:
    blocks = blocks_of("<p><b>One is here. Two is there.</b> Three is gone now.</p>", size=6)
    first = blocks.kind.index("sentence")
    rows = [*range(first), first, first + 1]
    assert "<b>One is here. Two is there.</b>" in render(blocks, rows)


def test_a_line_break_ends_a_word_but_no_sentence_is_lost() -> None:
    blocks = blocks_of("<p>First line here<br>Second line here<br>Third line here.</p>", size=5)
    assert "".join(t for _, _, t in told(blocks)).count("line here") == 3


def test_preformatted_text_is_cut_at_line_ends_only() -> None:
    code = "a = 1. b = 2\nif a. Then:\n    go()\n\nprint(a)\n"
    blocks = blocks_of(f"<pre>{code}</pre>", size=8)
    spans = [
        (start, end) for start, end in zip(blocks.start, blocks.end, strict=True) if start >= 0
    ]
    assert spans[0][0] == 0
    assert all(code[end - 1] == "\n" for _, end in spans[:-1])
    assert [a[1] for a in spans[:-1]] == [b[0] for b in spans[1:]]


TABLE = (
    "<table><caption>Prices</caption>{head}<tbody><tr><td>Apple</td><td>3 euros each</td></tr>"
    "<tr><td>Pear</td><td>4 euros each</td></tr></tbody></table>"
)
HEADS = [
    "<thead><tr><th>Item</th><th>Price</th></tr></thead>",
    "<tr><th>Item</th><th>Price</th></tr>",
]


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("size", [4, 6])
def test_a_table_row_is_whole_and_brings_the_header_row(head: str, size: int) -> None:
    blocks = blocks_of(TABLE.format(head=head), size=size)
    assert ("block", "tr", "Pear 4 euros each") in told(blocks)
    found = chain(blocks, "Pear 4 euros each")
    assert found[:2] == ["tbody", "Item Price"]
    assert "table" in found
    assert "Prices" in found
    assert "Apple 3 euros each" not in found


@pytest.mark.parametrize("head", HEADS)
def test_a_part_of_a_table_that_fits_brings_the_header_row(head: str) -> None:
    blocks = blocks_of(TABLE.format(head=head), size=9)
    assert chain(blocks, "Apple 3 euros each Pear 4 euros each")[0] == "Item Price"


def test_a_first_row_of_cells_is_no_header() -> None:
    html = TABLE.format(head="<tr><td>Item</td><th>Price</th></tr>")
    assert "Item Price" not in chain(blocks_of(html, size=6), "Pear 4 euros each")


def test_the_header_row_is_not_offered_beside_its_rows() -> None:
    blocks = blocks_of(TABLE.format(head=HEADS[0]), size=6)
    row = [" ".join(t.split()) for t in blocks.items.features["text"]].index("Item Price")
    assert blocks.kind[row] == "heading"
    assert blocks.items.shell[row]


def test_a_table_that_lays_out_a_page_is_cut_inside_its_rows() -> None:
    html = (
        f"<table><tr><td><p>{LONG}</p><p>{LONG} kk</p></td><td><p>{LONG} ll</p></td></tr></table>"
    )
    assert [kind for kind, _, _ in told(blocks_of(html, size=12))] == ["block"] * 3


def test_a_definition_brings_its_term_and_terms_that_share_it() -> None:
    html = (
        "<dl><dt>Oak</dt><dt>Quercus</dt><dd>A tree with hard wood in it.</dd>"
        "<dt>Elm</dt><dd>Another tree with leaves on it.</dd></dl>"
    )
    blocks = blocks_of(html, size=9)
    assert chain(blocks, "A tree with hard wood in it.")[:2] == ["Quercus", "Oak"]
    assert chain(blocks, "Another tree with leaves on it.")[:1] == ["Elm"]
    assert "Oak" not in chain(blocks, "Another tree with leaves on it.")


def test_list_items_that_fit_are_whole() -> None:
    blocks = blocks_of("<ul><li>one <p>two</p></li><li>three four five six</li></ul>", size=4)
    assert told(blocks) == [("block", "li", "one two"), ("block", "li", "three four five six")]


def test_a_block_brings_the_heading_of_each_level_above() -> None:
    html = (
        f"<h1>T</h1><p>{LONG} 0</p><h2>A</h2><p>{LONG} 1</p><h3>B</h3><p>{LONG} 2</p>"
        f"<h2>C</h2><p>{LONG} 3</p>"
    )
    blocks = blocks_of(html, size=12)
    assert chain(blocks, f"{LONG} 0")[:1] == ["T"]
    assert chain(blocks, f"{LONG} 2")[:3] == ["B", "A", "T"]
    assert chain(blocks, f"{LONG} 3")[:2] == ["C", "T"]
    assert "B" not in chain(blocks, f"{LONG} 3")


def test_a_heading_in_a_wrapper_of_its_own_stands_over_what_follows() -> None:
    html = f"<div class=mw><h2>A</h2><a>edit</a></div><p>{LONG}</p><p>{LONG} 2</p>"
    assert chain(blocks_of(html, size=12), LONG)[0] == "A edit"


def test_the_headings_of_one_section_do_not_stand_over_the_next() -> None:
    section = "<section><h2>{0}</h2><p>{1} {0}</p><p>{1}</p></section>"
    html = "<body>" + "".join(section.format(name, LONG) for name in "XYZ")
    blocks = blocks_of(html, size=12)
    assert chain(blocks, f"{LONG} Z")[:2] == ["Z", "section"]
    assert "Y" not in chain(blocks, f"{LONG} Z")


def test_a_heading_with_nothing_under_it_is_a_block() -> None:
    blocks = blocks_of(f"<p>{LONG}</p><h2>The end</h2>", size=11)
    assert told(blocks)[-1] == ("block", "h2", "The end")
    assert not blocks.items.shell[-1]


def test_titles_name_the_page_and_the_headings_above() -> None:
    html = f"<h1>Trees</h1><h2>Oak</h2><p>{LONG}</p>"
    blocks = blocks_of(html, size=11, title="Forest")
    assert blocks.items.features["title"][-1] == "Forest > Trees > Oak"


def test_rows_under_one_heading_follow_each_other_and_share_a_section() -> None:
    html = f"<h2>A</h2><p>{LONG}</p><p>{LONG}</p><h2>B</h2><p>{LONG}</p>"
    blocks = blocks_of(html, size=12)
    offered = np.flatnonzero(~blocks.items.shell)
    sections = np.array(blocks.sections)[offered].tolist()
    assert sections[0] == sections[1] < sections[2]


def test_prices_add_up_to_the_text_where_the_counter_does() -> None:
    html = f"<h1>T &amp; U</h1><div dir=rtl>own <b>text</b><p>{LONG}</p></div><ul><li>a<li>b</ul>"
    blocks = blocks_of(html, size=12)
    whole = render(blocks, range(len(blocks)))
    # An escaped ampersand is three words where the plain one is one.
    assert blocks.items.total_cost == WORDS.count([whole])[0] - 2


def test_paths_lead_to_the_element_in_the_page_as_parsed() -> None:
    html = f"<html><body><div><div><p>x {LONG}</p></div></div><p>y {LONG}</p></body></html>"
    blocks = blocks_of(html, size=12)
    paths = blocks.items.features["path"]
    assert [paths[row] for row in range(len(blocks)) if blocks.kind[row] == "block"] == [
        "/html/body/div/div/p",
        "/html/body/p",
    ]
    assert blocks.items.take(np.array([len(blocks) - 1])).features["path"][0] == "/html/body/p"
    assert len(paths) == len(blocks)


@pytest.mark.parametrize("size", [-1, 1.5, True, "8"])
def test_a_block_size_must_be_a_whole_number(size: object) -> None:
    with pytest.raises(InputError, match="block_tokens is"):
        make_blocks([], WORDS, block_tokens=size)  # type: ignore[arg-type]


def test_neither_depth_nor_many_siblings_are_too_much() -> None:
    deep = blocks_of("<div>word " * 3000, size=8)
    assert deep.kind.count("own_text") > 2900
    wide = blocks_of("<p>some words</p>" * 5000, size=8)
    assert wide.kind.count("block") == 5000
