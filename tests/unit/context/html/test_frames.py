"""Pages of frames: their noframes elements are all that can be read, elsewhere they are hidden."""

from __future__ import annotations

import pytest

from datapruner.context.html.flat import parse_flat
from datapruner.context.html.frames import framed_rows, unframed
from datapruner.context.html.parse import parse
from datapruner.context.html.prune import prune_html
from datapruner.context.html.tree import Tree

FRAMES = (
    "<html lang=de><head><title>t</title></head><frameset cols=*><frame src=x><noframes>"
    "<body bgcolor=x><h1>H</h1><p>old <b>x</b></p><p hidden>evil</p><script>evil</script>"
    "<!-- evil --></body></noframes></frameset></html>"
)


def read_flat(text: str) -> Tree:
    return parse_flat(text).tree()


def test_what_stands_for_the_frames_is_the_page() -> None:
    made = prune_html(FRAMES, budget="everything")
    assert made.text == '<html lang="de"><div><h1>H</h1><p>old <b>x</b></p></div></html>'
    assert prune_html(made.text, budget="everything").text == made.text
    assert {part.rule for part in made.removed} == {"element", "hidden attribute", "comment"}
    one = prune_html(FRAMES, "old", budget="12 tokens", block_tokens=0)
    assert one.kept[-1].xpath == "/html/frameset/noframes/p[1]"


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("<frameset><frame></frameset><noframes>n<p>o</noframes>", "<div>n<p>o</p></div>"),
        ("<frameset><noframes>a</noframes><noframes>b</noframes>",
         "<div><div>a</div><div>b</div></div>"),
        ("<frameset><frameset><noframes><p>a</p>b</noframes>", "<div><p>a</p>b</div>"),
        ("<frameset><noframes><title>t</title><style>.x{display:none}</style>a<i class=x>b",
         "<div>a</div>"),
        ("<frameset><noframes>a<body>b", "<div>ab</div>"),
        ("<frameset>" * 1500 + "<noframes>deep</noframes>", "<div>deep</div>"),
    ],
)  # fmt: skip
def test_frames_of_many_kinds(page: str, expected: str) -> None:
    made = prune_html(page, budget="everything")
    assert made.text == expected
    assert prune_html(made.text, budget="everything").text == expected


@pytest.mark.parametrize(
    "page",
    [
        "<p>seen<noframes>evil</noframes>",
        "<body><p>seen<frameset><frame></frameset><noframes><p>evil</noframes>",
        "<div><frameset><noframes>evil</noframes></frameset>seen</div>",
        "<frameset><frame></frameset>seen<noframes>evil</noframes>",
        "<frameset><noframes>seen<frameset><noframes>evil</noframes>",
        "<div>" * 1500 + "seen<frameset><noframes>evil</noframes>",
    ],
)
def test_where_anything_else_is_seen_it_stays_hidden(page: str) -> None:
    made = prune_html(page, budget="everything")
    assert "evil" not in made.text
    assert "seen" in made.text


def test_a_page_of_frames_alone_is_empty() -> None:
    assert prune_html("<frameset><frame src=x></frameset>", budget="everything").text == ""
    assert prune_html("<frameset><noframes></noframes>", budget="everything").text == ""


def test_other_pages_are_left_as_they_are() -> None:
    for page in ("<p>a", "<p>a<noframes>b</noframes>", "<p>a<frameset><noframes>b</noframes>"):
        tree = parse(page).tree
        assert unframed(tree, read_flat) is tree
        assert not framed_rows(tree)


def test_rows_stay_in_document_order_with_what_was_behind_them() -> None:
    tree = read_flat("<frameset><frame><noframes>a<b>c</b>d</noframes> <frame></frameset>")
    made = unframed(tree, read_flat)
    assert list(made.tags) == ["html", "frameset", "frame", "noframes", "b", "frame"]
    assert list(made.parents) == [-1, 0, 1, 1, 3, 1]
    assert (made.texts[3], made.texts[4], made.tails[4]) == ("a", "c", "d")
    assert framed_rows(made) == {3}
