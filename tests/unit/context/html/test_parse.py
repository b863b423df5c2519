"""Pages from their bytes: encodings, broken markup, limits."""

from __future__ import annotations

import time

import pytest
from oracles.html_oracle import markup, words

from datapruner.context.html import parse as module
from datapruner.context.html.build import Builder
from datapruner.context.html.parse import DEEPEST, parse
from datapruner.errors import InputError


def text_of(html: bytes | str, **options: object) -> str:
    return " ".join(words(parse(html, **options).tree))  # type: ignore[arg-type]


@pytest.mark.parametrize("page", [b"", b"  \n", "", b"<!-- c -->", b"<p> </p>", b"\xef\xbb\xbf"])
def test_a_page_without_text_is_a_tree_and_flagged(page: bytes | str) -> None:
    parsed = parse(page)
    assert parsed.tree.tags[0] == "html"
    assert parsed.flags == ("empty",)
    assert parsed.notes == ("the page holds no text",)


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("plain & simple", "plain & simple"),
        ("<p>a<p>b", "<p>a</p><p>b</p>"),
        ("<b>a<i>b</b>c", "<b>a<i>b</i></b>c"),
        ("a</div>b", "ab"),
        ("<form><form>a</form></form>", "<form></form><form>a</form>"),
        ("<ul><li>a<li>b</ul>", "<ul><li>a</li><li>b</li></ul>"),
        ("<x-card><o:p>t</o:p></x-card>", "<x-card><o:p>t</o:p></x-card>"),
        ("<a<b>x", "<span>x</span>"),
        ("<isindex>x", "<span></span>x"),
        ("<p id=a>x<p id=a>y", '<p id="a">x</p><p id="a">y</p>'),
        ("x &amp; &lt;b> &#233; &nosuch;", "x & <b> é &nosuch;"),
        ("a<embed>b<p>c<wbr>d</p>", "a<embed></embed>b<p>c<wbr>d</p>"),
        (
            "<picture><source src=x><img></picture>a",
            '<picture><source src="x"></source><img></picture>a',
        ),
        ("&#1;a&#x1f;b&#127;c", "abc"),
        ("a&#9;b", "a\tb"),
    ],
)
def test_malformed_pages_become_what_they_mean(page: str, expected: str) -> None:
    assert markup(parse(page).tree) in (expected, f"<p>{expected}</p>")


def test_an_xml_prolog_is_no_text() -> None:
    seen = parse('<?xml version="1.0" encoding="utf-16"?><html><p>x').tree
    assert [seen.texts[row] for row, tag in enumerate(seen.tags) if tag == "p"] == ["x"]
    assert set(seen.tags) <= {"html", "comment()", "body", "p"}


def test_comments_are_rows_with_their_place() -> None:
    tree = parse("<!-- one --><html lang=en><p>a<!--two-->b</p></html><!-- three -->").tree
    comments = [row for row, tag in enumerate(tree.tags) if tag == "comment()"]
    assert [tree.texts[row] for row in comments] == [" one ", "two", " three "]
    assert tree.attributes[0] is not None or tree.tags.count("html") == 1
    assert tree.path(comments[1]) == "/html/body/p/comment()"
    assert words(tree)[-1] == "three"


def test_a_frameset_is_read() -> None:
    tree = parse("<frameset><frame src=x><noframes>old</noframes></frameset>").tree
    assert "frame" in tree.tags
    assert "old" in words(tree)


def test_control_characters_are_left_out_and_reported() -> None:
    parsed = parse(b"<p>a\0b\x0bc\x7f</p>")
    assert words(parsed.tree) == ["abc"]
    assert parsed.flags == ("controls",)
    assert parsed.notes == ("3 control characters were left out",)


def test_surrogates_are_joined_or_replaced() -> None:
    parsed = parse("<p>\ud83d\ude00 \ud800</p>")
    assert words(parsed.tree) == ["\U0001f600", "\ufffd"]
    assert parsed.flags == ("encoding",)
    assert parse("<p>\ud83d\ude00</p>").flags == ()


ACCENTED = "<p>café – naïve</p>"


@pytest.mark.parametrize(
    ("page", "encoding", "noted"),
    [
        (ACCENTED.encode(), "utf-8", False),
        (b"\xef\xbb\xbf" + ACCENTED.encode(), "utf-8", False),
        (ACCENTED.encode("cp1252"), "windows-1252", False),
        (ACCENTED.encode("utf-16"), "utf-16-le", False),
        (ACCENTED.encode("utf-16-le"), "utf-16-le", False),
        (ACCENTED.encode("utf-16-be"), "utf-16-be", False),
        (ACCENTED.encode("utf-32"), "utf-32-le", False),
        (b"<meta charset=latin1>" + ACCENTED.encode("cp1252"), "windows-1252", False),
        (b"<meta charset=latin1>" + ACCENTED.encode(), "utf-8", True),
        (b"<meta charset='UTF-8'>" + ACCENTED.encode("cp1252"), "windows-1252", True),
        (b"<meta charset=utf-16>" + ACCENTED.encode(), "utf-8", True),
        (b"<meta charset=utf-7>" + ACCENTED.encode(), "utf-8", True),
        (b"<meta charset=nonsense>" + ACCENTED.encode(), "utf-8", True),
        (b"<!-- <meta charset=koi8-r> -->" + ACCENTED.encode("cp1252"), "windows-1252", False),
        (b"<?xml version='1.0' encoding='iso-8859-1'?>" + ACCENTED.encode("cp1252"),
         "windows-1252", False),
        (b"<meta charset=utf-8>" + b"\xc3\xa9" * 9 + b"\xff" + ACCENTED.encode(), "utf-8", True),
    ],
)  # fmt: skip
def test_the_encoding_is_found(page: bytes, encoding: str, noted: bool) -> None:
    parsed = parse(page)
    assert parsed.encoding == encoding
    assert ("encoding" in parsed.flags) == noted
    assert bool(parsed.notes) == noted
    assert words(parsed.tree)[-3:] == ["café", "–", "naïve"] or words(parsed.tree)[-2:] == [
        "–",
        "naïve",
    ]


@pytest.mark.parametrize(
    ("name", "codec", "text"),
    [
        ("shift_jis", "cp932", "日本語①"),
        ("gb2312", "gb18030", "汉字€"),
        ("euc-kr", "cp949", "한국어"),
        ("koi8-r", "koi8-r", "привет"),
        ("iso-8859-8", "iso8859-8", "שלום"),
    ],
)
def test_declared_encodings_of_other_scripts(name: str, codec: str, text: str) -> None:
    head = f'<meta http-equiv="Content-Type" content="text/html; charset={name}"><p>'
    parsed = parse(head.encode() + text.encode(codec))
    assert words(parsed.tree) == [text]
    assert parsed.notes == ()


def test_bytes_that_an_encoding_does_not_have_are_counted() -> None:
    parsed = parse(b"<meta charset=euc-kr><p>\xb0\xa1\xff\xff")
    assert "places are no cp949" in parsed.notes[0]


def test_a_given_encoding_is_obeyed() -> None:
    assert text_of("é".encode("cp1252"), encoding="latin-1") == "é"
    assert text_of(b"\xef\xbb\xbf\xc3\xa9", encoding="utf8") == "é"
    assert parse("é".encode("koi8_u", "replace"), encoding="koi8-u").encoding == "koi8-u"


@pytest.mark.parametrize(
    "name", ["utf-7", "rot13", "base64", "idna", "nope", "unicode_escape", "\0"]
)
def test_what_is_no_encoding_of_text_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="no known encoding of text"):
        parse(b"<p>x", encoding=name)


def test_a_page_must_be_bytes_or_text() -> None:
    with pytest.raises(InputError, match=r"must be bytes or text, not list"):
        parse([])  # type: ignore[arg-type]
    assert text_of(bytearray(b"x")) == text_of(memoryview(b"x")) == "x"  # type: ignore[arg-type]


@pytest.mark.parametrize("page", [b"x" * 11, "x" * 11])
def test_a_page_that_is_too_long_is_refused(page: bytes | str) -> None:
    with pytest.raises(InputError, match=r"has 11 (bytes|characters), but at most 10 are read"):
        parse(page, most_bytes=10)
    assert parse(page, most_bytes=11).flags == ()


def test_ten_thousand_levels_lose_nothing() -> None:
    page = "<div>" * 10_000 + "deep" + "</div>" * 10_000 + "<p>after</p>"
    parsed = parse(page)
    assert parsed.flags == ("flat",)
    assert parsed.notes == (f"more than {DEEPEST} elements inside each other",)
    assert parsed.tree.tags.count("div") == 10_000
    assert "".join(parsed.tree.texts) == "deepafter"


def test_a_text_of_twelve_megabytes_loses_nothing() -> None:
    parsed = parse(b"<p>" + b"word " * 2_400_000)
    assert sum(map(len, parsed.tree.texts)) == 12_000_000
    assert parsed.flags == ()


@pytest.mark.parametrize(
    "page",
    [
        "<div>" * 50_000 + "</x>" * 50_000,
        "<div>" * 50_000 + "</span>" * 50_000,
        "<div>" * 1_100 + "<a =\"'>'\"" * 50_000,
        "<div>" * 1_100 + "<a " * 100_000,
        "<div>" * 1_100 + "<li><div>" * 30_000,
        "<div>" * 1_100 + "<!--" * 100_000,
        "<p>a" + "<b" * 100_000,
        "<p>a" + "<!--" * 100_000,
        "<p>a" + "<b<!--" * 50_000 + ">",
        "<div>" * 1_100 + "<p a" + " " * 300_000 + ">",
        "&amp;" * 200_000,
        "<" * 300_000,
        "<style>" + ".x{" * 100_000 + "</style>",
    ],
)
def test_no_page_takes_long(page: str) -> None:
    start = time.process_time()
    parse(page)
    assert time.process_time() - start < 2


class Forgetful:
    """A parser that reads the first 32 kB alone."""

    error_log: tuple[object, ...] = ()

    def __init__(self, *, target: Builder, **options: object) -> None:
        del options
        self.target = target

    def feed(self, data: bytes) -> None:
        if self.target.is_empty:
            self.target.start("p", {})
            self.target.data(data.decode())

    def close(self) -> None:
        self.target.close()


def test_text_that_the_fast_parser_loses_is_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.etree, "HTMLParser", Forgetful)
    parsed = parse(b"<p>" + b"word " * 400_000 + b"</p><p>end</p>")
    assert parsed.flags == ("flat",)
    assert "would have lost 98% of the text" in parsed.notes[0]
    assert sum(map(len, parsed.tree.texts)) == 2_000_003


def test_a_parser_that_fails_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing:
        def __init__(self, **options: object) -> None:
            del options

        def feed(self, data: bytes) -> None:
            raise module.etree.XMLSyntaxError("no", 0, 0, 0)

    monkeypatch.setattr(module.etree, "HTMLParser", Failing)
    parsed = parse("<p>a<p>b")
    assert words(parsed.tree) == ["a", "b"]
    assert parsed.flags == ("flat",)
    assert "the fast parser failed" in parsed.notes[0]


def test_markup_without_text_is_no_loss() -> None:
    page = "<p class='" + "x" * 3000 + "'>a</p><!-- unclosed " + "c" * 3000
    assert parse(page).flags == ()
