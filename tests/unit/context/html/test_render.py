"""Rendering: HTML that reads back, Markdown and text that say the same, labels of several pages."""

from __future__ import annotations

import pytest

from datapruner.context.html.blocks import Blocks, make_blocks
from datapruner.context.html.choose import with_ancestors
from datapruner.context.html.flow import Flow
from datapruner.context.html.markup import end_tag, escaped, start_tag, to_html, unwrapped, wrappers
from datapruner.context.html.pages import Given, prepare
from datapruner.context.html.parse import parse
from datapruner.context.html.render import PRICES, render, render_tree
from datapruner.context.html.tree import Tree
from datapruner.tokens import resolve_counter

WORDS = resolve_counter("words")


def tree_of(html: str, *keep: str) -> Tree:
    return prepare(Given(html), "lossless", frozenset(keep), None).tree


def markdown(html: str, *keep: str) -> str:
    return render_tree(tree_of(html, *keep), "markdown")


def text(html: str) -> str:
    return render_tree(tree_of(html), "text")


def blocks_of(*pages: Given, to: str = "html", size: int = 4) -> Blocks:
    made = [prepare(page, "lossless", frozenset(), None) for page in pages]
    return make_blocks(made, WORDS, block_tokens=size, prices=PRICES[to])


# -- HTML -----------------------------------------------------------------------------------------


def test_text_never_becomes_markup() -> None:
    html = "<p>&lt;script&gt;alert('x &amp;amp; y')&lt;/script&gt;</p>"
    assert render_tree(tree_of(html), "html") == (
        "<p>&lt;script&gt;alert('x &amp;amp; y')&lt;/script&gt;</p>"
    )


def test_escaping_one_by_one_is_the_same_where_a_text_holds_the_separator() -> None:
    assert escaped(["a<b", "c\x00d", "\r"]) == ["a&lt;b", "c\ufffdd", "&#13;"]
    assert escaped([]) == []
    assert escaped(["", "&"]) == ["", "&amp;"]


def test_attributes_are_quoted() -> None:
    assert start_tag("a", {"href": '"><b>&', "x": ""}) == '<a href="&quot;&gt;&lt;b&gt;&amp;" x="">'


def test_attributes_whose_names_are_markup_are_left_out() -> None:
    html = "<p a=b pri<!doctype q\"=c 'd=e lang=de>x"
    tree = prepare(Given(html), "minimal", frozenset(), None).tree
    assert render_tree(tree, "html") == '<p a="b" lang="de">x</p>'
    assert start_tag("p", {"<": ""}) == "<p>"


def test_void_elements_have_no_end_tag() -> None:
    assert (start_tag("br", None), end_tag("br")) == ("<br>", "")


def test_elements_whose_text_nobody_could_escape_are_written_as_others() -> None:
    tree = Tree(["div", "xmp"], [-1, 0], ["", "a <b> &amp;"], ["", ""], [None, None], [0, 1])
    assert to_html(tree) == "<div><pre>a &lt;b&gt; &amp;amp;</pre></div>"


def test_a_first_line_feed_of_preformatted_text_is_left_to_parsers() -> None:
    tree = Tree(["pre"], [-1], ["\n\n a\n"], [""], [{"dir": "ltr"}], [0])
    assert to_html(tree) == '<pre dir="ltr"> a\n</pre>'


def test_wrappers_are_written_only_where_they_say_something() -> None:
    assert render_tree(tree_of("<html><body><p>a</p></body></html>"), "html") == "<p>a</p>"
    assert render_tree(tree_of("<html lang=ar dir=rtl><p>a"), "html") == (
        '<html lang="ar" dir="rtl"><p>a</p></html>'
    )
    assert render_tree(tree_of("a <b>c</b>"), "html") == "<body>a <b>c</b></body>"


def test_wrappers_that_wrap_no_page_are_boxes() -> None:
    tree = tree_of("<html><body>a</body></html><html><body>b</body></html>")
    assert list(tree.tags).count("body") == 2
    assert render_tree(tree, "html") == "<body>a</body><div><div>b</div></div>"
    once = tree_of("<html><body>a</body></html>")
    assert unwrapped(once) is once
    bare = Tree(["p"], [-1], ["a"], [""], [None], [0])
    assert wrappers(bare) == []
    assert render_tree(bare, "html", several=True) == "<p>a</p>"


def test_a_dialog_that_was_open_stays_open() -> None:
    assert start_tag("dialog", None) == '<dialog open="">'
    assert start_tag("dialog", {"dir": "rtl"}) == '<dialog open="" dir="rtl">'
    assert start_tag("dialog", {"open": ""}) == '<dialog open="">'


def test_blocks_inside_inline_elements_come_out_as_a_parser_leaves_them() -> None:
    html = "<dl><small>One two. Three four.</small><pre><u><x-y><p>p</p></x-y># q</u>r</pre></dl>"
    blocks = blocks_of(Given(html), size=0)
    last = [row for row in range(len(blocks)) if blocks.kind[row] != "shell"][2:]
    made = render(blocks, with_ancestors(blocks.items, last))
    assert render_tree(tree_of(made), "html") == made


# -- Markdown -------------------------------------------------------------------------------------


def test_headings_lists_and_quotations() -> None:
    html = (
        "<h2>A <b>b</b></h2><ul><li>one<ul><li>two</li></ul></li><li><p>three</p><p>four</p></li>"
        "</ul>"
        "<ol><li>x</li><li>y</li></ol><blockquote><p>q</p><p>r</p></blockquote><p>end</p>"
    )
    assert markdown(html) == (
        "## A b\n\n- one\n  - two\n- three\n\n  four\n\n1. x\n2. y\n\n> q\n>\n> r\n\nend"
    )


def test_lists_that_start_elsewhere_keep_their_numbers() -> None:
    html = "<ol start=3><li>x</li><li value=7>y</li><li>z</li></ol>"
    assert markdown(html, "start", "value") == "3. x\n7. y\n8. z"


def test_tables_have_a_separator_and_escaped_cells() -> None:
    html = (
        "<table><caption>C</caption><tr><th>A|B</th><th>D</th></tr>"
        "<tr><td colspan=2>x<br>y</td></tr><tr><td></td><td>z</td></tr></table>"
    )
    assert markdown(html) == ("C\n\n| A\\|B | D |\n| --- | --- |\n| x y |  |\n|  | z |")


def test_a_table_that_lays_out_a_page_is_no_table() -> None:
    html = "<table><tr><td><p>a</p></td><td><table><tr><td>b</td><td>c</td></tr></table></td></tr>"
    assert markdown(html) == "a\n\n| b | c |\n| --- | --- |"


def test_code_is_fenced_and_ticked() -> None:
    html = (
        "<p>run <code>a | b</code> or <code>`x`</code></p><pre><code>if a:\n    ```\n</code></pre>"
    )
    assert markdown(html) == "run `a | b` or `` `x` ``\n\n````\nif a:\n    ```\n````"


def test_code_in_a_cell_keeps_the_cell_whole() -> None:
    assert "`a \\| b`" in markdown("<table><tr><td><code>a | b</code></td><td>c</td></tr></table>")


def test_white_space_between_rows_is_no_text_and_cells_without_a_row_are_one() -> None:
    tree = Tree(
        ["table", "td", "td"], [-1, 0, 0], [" ", "a", "b"], ["", " ", " "], [None] * 3, range(3)
    )
    assert render_tree(tree, "markdown") == "| a | b |\n| --- | --- |"


def test_empty_code_and_a_described_image_without_an_address() -> None:
    rows = ["p", "code", "img", "pre", "img"]
    attributes = [None, None, {"alt": "a  cat"}, None, None]
    texts = ["x ", " ", "", " ", ""]
    tree = Tree(rows, [-1, 0, 0, 0, 0], texts, ["", " ", "", "", ""], attributes, range(5))
    assert render_tree(tree, "markdown") == "x a cat"


def test_definitions() -> None:
    assert markdown("<dl><dt>Oak</dt><dd>A tree.</dd></dl>") == "Oak\n: A tree."


def test_links_and_images_only_where_they_are_kept() -> None:
    html = '<p>go <a href="/a b(c)">there</a> <img src=i.png alt="a  cat"></p>'
    assert markdown(html) == "go there"
    assert markdown(html, "href", "src") == "go [there](/a%20b%28c%29) ![](i.png)"
    assert "cat" in markdown(html, "alt")


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<p># no</p>", "\\# no"),
        ("<p>- no</p>", "\\- no"),
        ("<p>3. no</p>", "3\\. no"),
        ("<p>3.5 is</p>", "3.5 is"),
        ("<p>a &lt;b&gt; 1 &lt; 2</p>", "a \\<b> 1 < 2"),
        ("<p>--- </p>", "\\---"),
        ("<p>a</p><hr><p>b</p>", "a\n\n---\n\nb"),
        ("<p>a<br>b</p>", "a\nb"),
        ("<p>a <b> b</b>c </p>", "a bc"),
    ],
)
def test_text_that_looks_like_a_mark_is_escaped(html: str, expected: str) -> None:
    assert markdown(html) == expected


def test_lists_deeper_than_anybody_reads_are_not_indented_further() -> None:
    made = markdown("<ul><li>x" * 200)
    assert max(len(line) for line in made.splitlines()) < 30


def test_a_line_break_in_preformatted_text_and_in_a_cell() -> None:
    assert markdown("<pre>a<br>b</pre>") == "```\na\nb\n```"
    assert markdown("<pre>  \n</pre><p>x</p>") == "x"
    assert markdown("<p>x <code> </code>y</p>") == "x y"


# -- text -----------------------------------------------------------------------------------------


def test_plain_text_has_lines_cells_and_no_marks() -> None:
    html = (
        "<h1>T</h1><p>a  <b>b</b><br>c</p><table><tr><td>1</td><td>2</td></tr><tr><td>3</td></tr>"
        "</table><pre>x\n  y\n</pre><ul><li>l</li></ul>"
    )
    assert text(html) == "T\n\na b\nc\n\n1\t2\n3\n\nx\n  y\n\nl"


def test_line_feeds_before_any_text_are_none() -> None:
    flow = Flow()
    flow.lines("\n\na\n\nb")
    assert flow.result() == "a\n\nb"


def test_flow_drops_white_space_at_both_ends_of_a_line() -> None:
    flow = Flow()
    flow.feed(2)
    flow.text("  a ")
    flow.text(" ")
    flow.text("b ")
    flow.feed(1)
    flow.text(" c")
    flow.feed(3)
    assert flow.result() == "a b\nc"


# -- several pages --------------------------------------------------------------------------------

PAGES = (
    Given("<html lang=fr><body>un <p>deux</p></body></html>", "http://a/?x=1&y=2"),
    Given("<p>two</p>", "b.html"),
)


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        (
            "html",
            '<section data-source="http://a/?x=1&amp;y=2" lang="fr">un<p>deux</p></section>'
            '<section data-source="b.html"><p>two</p></section>',
        ),
        ("markdown", "# http://a/?x=1&y=2\n\nun\n\ndeux\n\n# b.html\n\ntwo"),
        ("text", "http://a/?x=1&y=2\n\nun\n\ndeux\n\nb.html\n\ntwo"),
    ],
)
def test_several_pages_stand_under_their_sources(to: str, expected: str) -> None:
    blocks = blocks_of(*PAGES, to=to)
    made = render(blocks, range(len(blocks)), to)
    assert made == expected
    assert blocks.items.total_cost >= WORDS.count([made])[0] - 8


def test_a_page_of_which_nothing_is_kept_has_no_label() -> None:
    blocks = blocks_of(*PAGES)
    rows = [row for row in range(len(blocks)) if blocks.page[row] == 1]
    assert render(blocks, rows) == '<section data-source="b.html"><p>two</p></section>'


def test_nothing_kept_is_the_empty_text() -> None:
    assert render(blocks_of(*PAGES), []) == ""


def test_the_label_reads_back() -> None:
    blocks = blocks_of(*PAGES)
    tree = parse(render(blocks, range(len(blocks)))).tree
    sources = [held["data-source"] for held in tree.attributes if held and "data-source" in held]
    assert sources == ["http://a/?x=1&y=2", "b.html"]
