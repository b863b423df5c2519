"""What a parser leaves where it is written, asked of lxml's own tree and not of our columns."""

from __future__ import annotations

import pytest
from lxml import etree

from datapruner.context.html.flat import parse_flat
from datapruner.context.html.nesting import _read_fast, is_twisted, stays_inside
from datapruner.context.html.prune import prune_html
from datapruner.context.html.tree import Tree

NAMES = (
    "html", "head", "body", "p", "div", "a", "b", "span", "table", "tr", "td", "ul", "li", "dl",
    "dt", "h1", "form", "option", "x-note", "pre", "title", "dialog", "img",
)  # fmt: skip


@pytest.mark.parametrize("above", NAMES)
@pytest.mark.parametrize("tag", NAMES)
def test_pairs_are_those_of_the_parser(tag: str, above: str) -> None:
    root = etree.fromstring(f"<{above}><{tag}>x</{tag}></{above}>", etree.HTMLParser())
    stays = any(row.tag == tag and row.getparent().tag == above for row in root.iterdescendants())
    assert stays_inside(tag, above, _read_fast) == stays


@pytest.mark.parametrize(
    ("tag", "above", "fast", "flat"),
    [
        ("div", "p", False, False),
        ("td", "td", False, False),
        ("td", "tr", True, True),
        ("table", "a", False, True),
        ("ul", "form", True, True),
        ("section", "p", True, False),
        ("b", "title", False, False),
        ("frameset", "div", True, True),
    ],
)
def test_the_two_parsers_do_not_always_agree(tag: str, above: str, fast: bool, flat: bool) -> None:
    assert stays_inside(tag, above, _read_fast) == fast
    assert stays_inside(tag, above, parse_flat) == flat


def tree_of(*rows: tuple[str, int, str, str]) -> Tree:
    tags, parents, texts, tails = (list(column) for column in zip(*rows, strict=True))
    return Tree(tags, parents, texts, tails, [None] * len(rows), range(len(rows)))


HTML, BODY = ("html", -1, "", ""), ("body", 0, "", "")


@pytest.mark.parametrize(
    ("rows", "fast", "flat"),
    [
        ([HTML], False, False),
        ([HTML, BODY, ("p", 1, "a", "")], False, False),
        ([HTML, BODY, ("p", 1, "", ""), ("section", 2, "a", "")], False, True),
        ([HTML, BODY, ("p", 1, "", ""), ("div", 2, "a", "")], True, True),
        ([HTML, ("div", 0, "a", "")], True, True),
        ([("html", -1, "a", ""), BODY], True, True),
        ([HTML, ("body", 0, "", "a")], True, True),
        ([HTML, ("body", 0, "", " ")], False, False),
        ([("div", -1, "a", ""), ("p", 0, "b", "c")], False, False),
        ([HTML, ("head", 0, "", ""), ("body", 0, "", "")], False, False),
        ([HTML, ("head", 0, "a", "")], True, True),
        ([HTML, ("head", 0, "", ""), ("title", 1, "", "a")], True, True),
        ([HTML, ("head", 0, "", ""), ("title", 1, "a", "")], False, False),
    ],
)
def test_a_tree_is_twisted_where_a_parser_would_move_a_part(
    rows: list[tuple[str, int, str, str]], fast: bool, flat: bool
) -> None:
    assert is_twisted(tree_of(*rows), flat=False) == fast
    assert is_twisted(tree_of(*rows), flat=True) == flat


@pytest.mark.parametrize(
    "page",
    [
        # What the fuzzer found: a cell in a cell, two bodies, text beside the body, links in links.
        "<table><tr><td><table><tr><td><td><table>|<tr><td>Hello",
        "<body>a</body><html>b</html>",
        "<html>a<div>b</div></html>",
        "<div><a>a<table><a>b<tr><td></td></tr>c</a></table>d</a></div>",
        "<div>" * 1001 + "<p><section>a</section></p><a>b<table><tr><td>c",
        "<dialog open>a</dialog><p>b</p>",
        "<head>a</head>",
        "<html><body>a</html>" * 50,
        "<html><body>a</body><button></html>" * 50,
        "<body>a<head>b</head><body class=x>c</body><html>d",
        "<svg><title><b>a</b></title><text>b</text></svg>",
    ],
)
@pytest.mark.parametrize("size", [0, 128])
def test_what_comes_out_is_what_a_parser_reads(page: str, size: int) -> None:
    for budget in ("everything", "12 tokens"):
        made = prune_html(page, "a", budget=budget, block_tokens=size)
        if "bare" not in made.flags:
            again = prune_html(made.text, budget="everything")
            assert again.text == made.text
            assert not again.removed
