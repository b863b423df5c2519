"""The parser that does not mind depth, on what it decides by itself."""

from __future__ import annotations

import pytest
from oracles.html_oracle import markup

from datapruner.context.html.flat import parse_flat
from datapruner.context.html.parse import parse


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("", ""),
        ("a<p>b<p>c<div>d</div>", "a<p>b</p><p>c</p><div>d</div>"),
        ("<ul><li>a<li>b<ul><li>c</ul></ul>", "<ul><li>a</li><li>b<ul><li>c</li></ul></li></ul>"),
        ("<dl><dt>a<dd>b<dt>c</dl>", "<dl><dt>a</dt><dd>b</dd><dt>c</dt></dl>"),
        ("<table><tr><td>a<td>b<tr><th>c</table>",
         "<table><tr><td>a</td><td>b</td></tr><tr><th>c</th></tr></table>"),
        ("<table><tbody><tr><td>a<tbody><tr><td>b</table>",
         "<table><tbody><tr><td>a</td></tr></tbody><tbody><tr><td>b</td></tr></tbody></table>"),
        ("<select><optgroup><option>a<option>b<optgroup><option>c</select>d",
         "<select><optgroup><option>a</option><option>b</option></optgroup>"
         "<optgroup><option>c</option></optgroup></select>d"),
        ("<p>a<li>b", "<p>a</p><li>b</li>"),
        ("a</div></p>b", "ab"),
        ("<b>a<i>b</b>c", "<b>a<i>b</i></b>c"),
        ("<b>" + "<i>" * 9 + "a</b>c", "<b>" + "<i>" * 9 + "ac" + "</i>" * 9 + "</b>"),
        ("<div><b>a</div>c", "<div><b>a</b></div>c"),
        ("<br>a<hr/>b<img alt='x>y'>", '<br>a<hr>b<img alt="x>y">'),
        ("a<!-- <b> -->b<!-->c<!--->d", "a<comment()> <b> </comment()>bcd"),
        ("a<!doctype html>b<?xml ?>c<![CDATA[d]]>e</ f>g", "abce" + "g"),
        ("<script>if (a<b) '</i>'</SCRIPT >x", "<script>if (a<b) '</i>'</script>x"),
        ("<textarea>&lt;<b></textarea><xmp>&lt;</xmp>", "<textarea><<b></textarea><xmp>&lt;</xmp>"),
        ("<div><textarea></textarea>a</div>", "<div><textarea></textarea>a</div>"),
        ("a < b <3 <", "a < b <3 <"),
        ("<p title=a b c='d' title=e>x", '<p title="a" b="" c="d">x</p>'),
        ("<p title='&quot;'>x &eacute;", '<p title=""">x é</p>'),
        ("<p title=\"a>x</p><p>b", "<p title=\"\"a\">x</p><p>b</p>"),
        ("a<b", "a"),
        ("a<!-- b", "a<comment()> b</comment()>"),
        ("a<!doctype", "a"),
        ("a<plaintext><b></plaintext>", "a<plaintext><b></plaintext></plaintext>"),
        ("<script>x", "<script>x</script>"),
        ("<ruby>a<rp>(<rt>b<rp>)</ruby>", "<ruby>a<rp>(</rp><rt>b</rt><rp>)</rp></ruby>"),
        ("<p>a</p></body></html>b", "<p>a</p>b"),
    ],
)  # fmt: skip
def test_what_becomes_of_markup(page: str, expected: str) -> None:
    assert markup(parse_flat(page).tree()) == expected


def test_a_quote_that_never_closes_is_read_once() -> None:
    page = "<p>a</p><a =\"'>'\"" + "<b>x</b>"
    assert "x" in "".join(parse_flat(page).tree().texts)


@pytest.mark.parametrize(
    ("page", "tags"),
    [
        ("<title>t</title><p>a", ["html", "head", "title", "body", "p"]),
        ("<html lang=en><head><meta charset=x></head> <body class=c>a",
         ["html", "head", "meta", "body"]),
        ("<head><title>t</title><p>a", ["html", "head", "title", "body", "p"]),
        ("<head> a", ["html", "head", "body"]),
        ("<frameset><frame></frameset>", ["html", "frameset", "frame"]),
        ("a<body><head>b", ["html", "body"]),
    ],
)  # fmt: skip
def test_head_and_body_are_told_apart(page: str, tags: list[str]) -> None:
    assert list(parse_flat(page).tree().tags) == tags


def test_an_odd_name_becomes_a_span() -> None:
    assert list(parse_flat('<a"b>x').tree().tags) == ["html", "body", "span"]


def test_both_parsers_read_as_much_of_a_name() -> None:
    page = f"<p>a<{'b' * 300} {'c' * 300}=d>e</{'b' * 300}>f"
    trees = parse_flat(page).tree(), parse(page).tree
    for tree in trees:
        assert [len(tag) for tag in tree.tags[2:]] == [1, 100]
        assert tree.attributes[3] == {"c" * 100: "d"}
        assert tree.tails[3] == "f"
