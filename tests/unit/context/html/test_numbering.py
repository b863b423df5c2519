"""Ordered lists: what stays keeps its number in every format, and is read back with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datapruner.context.html.clean import clean
from datapruner.context.html.numbering import item_numbers, renumbered, told_numbers
from datapruner.context.html.parse import parse
from datapruner.context.html.prune import prune_html
from datapruner.context.html.render import render_tree
from datapruner.context.html.tree import Tree
from datapruner.core.items import Items
from datapruner.core.scores import Scores

LIST = "<ol><li>one</li><li>two kettle</li><li>three</li><li>four kettle</li></ol>"


def numbers(html: str) -> list[int]:
    return list(item_numbers(parse(html).tree).values())


def told(items: Items, *, query: str | None = None, seed: int = 0) -> Scores:
    """A scorer that likes kettles."""
    texts = items.feature("text", "told")
    return Scores(np.array([float("kettle" in text) for text in texts]), items, "as told", "told")


def kettles(html: str, **settings: Any) -> str:
    """The page with those of its items alone that hold a kettle."""
    return prune_html(html, threshold=0.5, method=told, block_tokens=0, **settings).text


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<ol><li>a<li>b</ol>", [1, 2]),
        ("<ol start=4><li>a<li>b</ol>", [4, 5]),
        ("<ol start=-1><li>a<li>b<li>c</ol>", [-1, 0, 1]),
        ("<ol start=' +7x'><li>a</ol>", [7]),
        ("<ol start=x><li>a</ol>", [1]),
        ("<ol start=''><li>a</ol>", [1]),
        ("<ol start=99999999999><li>a</ol>", [1]),
        ("<ol start=4294967296><li>a</ol>", [1]),
        ("<ol start=\u0664><li>a</ol>", [1]),
        ("<ol><li>a<li value=9>b<li>c</ol>", [1, 9, 10]),
        ("<ol><li>a<li value=x>b</ol>", [1, 2]),
        ("<ol reversed><li>a<li>b<li>c</ol>", [3, 2, 1]),
        ("<ol reversed start=9><li>a<li value=3>b<li>c</ol>", [9, 3, 2]),
        ("<ol><li>a<ol><li>b</ol><li>c</ol>", [1, 2, 1]),
        ("<ul><li value=5>a</ul>", []),
        ("<ol>text<p>no item</p></ol>", []),
    ],
)
def test_items_have_the_numbers_that_a_browser_shows(html: str, expected: list[int]) -> None:
    assert numbers(html) == expected


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        (LIST, '<ol start="2"><li>two kettle</li><li value="4">four kettle</li></ol>'),
        (
            "<ol start=5><li>kettle<li>b<li>kettle</ol>",
            '<ol start="5"><li>kettle</li><li value="7">kettle</li></ol>',
        ),
        (
            "<ol><li>a<li value=9>kettle<li>kettle</ol>",
            '<ol start="9"><li>kettle</li><li>kettle</li></ol>',
        ),
        (
            "<ol reversed><li>a<li>kettle<li>b<li>kettle</ol>",
            '<ol reversed="" start="3"><li>kettle</li><li value="1">kettle</li></ol>',
        ),
        ("<ol reversed><li>a<li>kettle</ol>", '<ol reversed=""><li>kettle</li></ol>'),
        ("<ol><li>kettle<li>b</ol>", "<ol><li>kettle</li></ol>"),
        ("<ul><li>a<li>kettle</ul>", "<ul><li>kettle</li></ul>"),
        # An empty item has a number, a hidden one has none.
        ("<ol><li></li><li>kettle<li>x</ol>", '<ol start="2"><li>kettle</li></ol>'),
        ("<ol><li hidden>a<li>kettle<li>x</ol>", "<ol><li>kettle</li></ol>"),
        (
            "<ol><li>a<ol><li>b<li>kettle</ol><li>c</ol>",
            '<ol><li><ol start="2"><li>kettle</li></ol></li></ol>',
        ),
    ],
)
def test_what_is_kept_of_a_list_keeps_its_numbers(html: str, expected: str) -> None:
    text = kettles(html)
    assert text == expected
    assert kettles(text) == expected


@pytest.mark.parametrize("to", ["markdown", "text"])
def test_markdown_and_text_have_the_numbers(to: str) -> None:
    assert kettles(LIST, to=to) == "2. two kettle\n4. four kettle"
    nested = "<ol start=3><li>a kettle<ul><li>kettle</ul><li><p>kettle</p></ol>"
    expected = {
        "markdown": "3. a kettle\n   - kettle\n4. kettle",
        "text": "3. a kettle\nkettle\n4. kettle",
    }
    assert kettles(nested, to=to) == expected[to]


@pytest.mark.parametrize("level", ["lossless", "minimal", "text"])
def test_the_whole_list_says_what_it_said(level: str) -> None:
    html = '<ol start="4"><li>a</li><li value="9">b</li></ol><ol reversed=""><li>c</li></ol>'
    made = prune_html(html, budget="everything", level=level)
    assert made.text == html
    assert prune_html(made.text, budget="everything", level=level).text == html


def test_attributes_that_are_kept_are_put_right_too() -> None:
    html = "<ol start=3 type=a><li value=4>x</li><li>kettle</li><li value=8>kettle</li></ol>"
    settings: dict[str, Any] = {"keep": ("start", "value", "type")}
    text = kettles(html, **settings)
    assert text == '<ol type="a" start="5"><li>kettle</li><li value="8">kettle</li></ol>'
    assert kettles(text, **settings) == text
    assert kettles(html, level="minimal") == text


def test_no_number_is_changed_where_there_is_no_ordered_list() -> None:
    tree = parse("<ul><li>a<li>b</ul>").tree
    assert renumbered(tree, told_numbers(tree)).attributes == tree.attributes


@pytest.mark.parametrize("to", ["html", "markdown", "text"])
@pytest.mark.parametrize("counter", ["words", "bytes"])
def test_numbers_never_break_the_budget(to: str, counter: str) -> None:
    html = (
        "<ol start=98>" + "".join(f"<li>{'kettle' * (n % 3 == 1)} {n}" for n in range(12)) + "</ol>"
    )
    settings: dict[str, Any] = {"method": told, "block_tokens": 0, "counter": counter, "to": to}
    most = prune_html(html, budget="everything", **settings).tokens
    for budget in range(0, most + 2, 3):
        made = prune_html(html, budget=f"{budget} tokens", **settings)
        assert made.tokens <= min(budget, most)


@given(st.data())
def test_any_part_of_any_list_keeps_its_numbers_through_a_round_trip(data: Any) -> None:
    n = data.draw(st.integers(1, 8))
    some = st.none() | st.integers(-9, 30)
    start, values = data.draw(some), [data.draw(some) for _ in range(n)]
    down = data.draw(st.booleans())
    kept = data.draw(st.sets(st.integers(0, n - 1), min_size=1))
    tree = _list(n, start, values, down=down)
    numbers = item_numbers(tree)
    wanted = [numbers[2 + place] for place in sorted(kept)]
    part = renumbered(_part(tree, sorted(kept)), told_numbers(tree))
    assert list(item_numbers(part).values()) == wanted
    cleaned = clean(part)
    again = clean(parse(render_tree(cleaned, "html")).tree)
    assert list(item_numbers(again).values()) == wanted
    assert render_tree(again, "html") == render_tree(cleaned, "html")


def _list(n: int, start: int | None, values: list[int | None], *, down: bool) -> Tree:
    held: dict[str, str] = {} if start is None else {"start": str(start)}
    held |= {"reversed": ""} if down else {}
    told = [None if value is None else {"value": str(value)} for value in values]
    return Tree(
        ["body", "ol", *["li"] * n],
        [-1, 0, *[1] * n],
        ["", "", *map(str, range(n))],
        [""] * (n + 2),
        [None, held or None, *told],
        range(n + 2),
    )


def _part(tree: Tree, kept: list[int]) -> Tree:
    rows = [0, 1, *(2 + place for place in kept)]
    return Tree(
        [tree.tags[row] for row in rows],
        [-1, 0, *[1] * len(kept)],
        [tree.texts[row] for row in rows],
        [""] * len(rows),
        [tree.attributes[row] for row in rows],
        rows,
    )
