"""What the fuzzer starts from, and how it spoils it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

__all__ = ["HIDDEN", "SECRET", "around_secrets", "as_given", "mutated", "several", "sources"]

SECRET = "zqxsecret"
LONGEST = 60_000
SNIPPETS = (
    "<div><p>one <b>two</p>three</b><ul><li>a<li>b</ul><table><tr><td>1<td>2</table></div>",
    "<!DOCTYPE html><html lang=en><head><title>t</title><meta charset=utf-8><body><h1>h</h1><p>x",
    "<form><form><select><option>a<option>b</select><textarea>\n <p>raw</textarea></form>",
    "<pre>a\n  b<span> </span>c</pre><code>x  y</code><blockquote>q</blockquote><dl><dt>t<dd>d",
    "<svg viewBox='0 0 1 1'><title>d</title><text>v</text></svg><math><mi>x</mi></math>",
    "<table><thead><tr><th>a<tbody><tr><td colspan=2>b<table><tr><td>c</table></table>d",
    "<a href='javascript:x'>l</a><img alt=\"i\" src=x><br/><hr><x-card a=b>c<o:p>w</o:p></x-card>",
    "<frameset><frame src=x><noframes>n</noframes></frameset><plaintext>p<b>",
    "<p dir=rtl>\u05e9\u05dc\u05d5\u05dd<p>\u4f60\u597d\u3002\u4e16<p>\U0001f468\u200d\U0001f469",
    "<style>.x{color:red}@media print{.y{a:b}}</style><p class=x>a<script>if(a<b)</script>b",
    "<ol start=4><li>a<li value=9>b<ol reversed><li>c<li>d</ol></ol><menu><li>m</menu>",
    "<b><i><p>a<a href=x><div>b<a href=y>c</b>d</i>e</p><nobr>f<nobr>g<button><button>h",
    "<ruby>a<rp>(<rt>b<rp>)</ruby><details><summary>s</summary>t</details><dialog open>u</dialog>",
    "<svg><foreignObject><p>a</svg><table>b<tr>c<td>d<caption>e<form></table><select><table>f",
    "<xmp><b>a</xmp><listing>\n\nb</listing><iframe><p>c</iframe><noembed>d</noembed><wbr>e",
    "<?xml version='1.0'?><html xmlns='x'><body xml:lang=de><p/>a<br></br>b</p></p></body>c</html>",
    "\ufeff<base href=//x><font face=a><center>b</font><tt>c</tt><marquee>d<dir><li>e</dir>",
    "<body><body class=b><html id=i><head><p>a</head>b<col><tbody><th>c<frame>d",
)  # fmt: skip
HIDDEN = (
    "<!-- {} -->", "<p hidden>{}</p>", "<p style='display:none'>{}</p>", "<script>{}</script>",
    "<i aria-hidden=true>{}</i>", "<template>{}</template>", "<noscript>{}</noscript>",
    "<b style='font-size:0'>{}</b>", "<img alt='{}'>", "<b title='{}'></b>", "<meta content='{}'>",
    "<dialog>{}</dialog>", "<span style='position:absolute;left:-9999px'>{}</span>",
    "<input type=hidden value='{}'>", "<object>{}</object>", "<iframe>{}</iframe>",
    "<![CDATA[{}]]>", "<div style='visibility:hidden'>{}</div>", "<i style='opacity:0'>{}</i>",
    "<link title='{}'>", "<svg><script>{}</script></svg>", "<!--[if IE]>{}<![endif]-->",
    "<style>.zq{{display:none}}</style><p class=zq>{}</p>", "<div popover>{}</div>",
    "<p style='text-indent:-9999px'>{}</p>", "<p data-x='{}'>d</p>", "<audio>{}</audio>",
)  # fmt: skip
NOISE = (
    "<", ">", "</", "<!--", "-->", "'", '"', "&", "&#", ";", "\0", "</div>", "<table>", "<p>",
    "</p>", "<b>", "</x>", "\ufeff", "\u200b", "\n", " ", "<a ", "=", "<![CDATA[", "]]>", "<?x",
    "&#x0;", "\ud800", "<li>", "<ol>", "<textarea>", "<script>", "</body>", "<frameset>", "<svg>",
    "\r", "\f", "\x85", "\u2028", "<title>", "<plaintext>", "|", "`", "\\", "#",
)  # fmt: skip
_WORDS = (
    "the", "price", "of", "a", "kettle", "is", "fourteen", "euros", "and", "one", "two", "what",
    "were", "told", "never", "since",
)  # fmt: skip


def sources() -> list[str]:
    """Snippets and whole pages, and those of the optional data folder (DATAPRUNER_DATA)."""
    named = os.environ.get("DATAPRUNER_DATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[3] / "shared" / "data"
    found = [*SNIPPETS, *(_whole_page(Random(f"page {number}")) for number in range(24))]
    for name, column in (
        ("html5lib_trees/cases", "data"),
        ("html_warc/pages", "html"),
        ("html_readability/pages", "html"),
    ):
        for path in sorted(folder.glob(name.partition("/")[0] + "/*.parquet")):
            import polars as pl

            table = pl.read_parquet(path)
            if column in table.columns:
                found += [page for page in table[column].to_list() if page]
    return found


def _said(luck: Random, most: int) -> str:
    return " ".join(luck.choice(_WORDS) for _ in range(luck.randint(1, most)))


def _whole_page(luck: Random) -> str:
    """A page as people write them, 1 to 30 kB."""
    links = "".join(f"<li><a href=/{n}>{_said(luck, 3)}</a>" for n in range(luck.randint(2, 20)))
    head = f"<title>{_said(luck, 5)}</title><style>.off{{display:none}}</style>"
    body = "".join(_section(luck, luck.randint(2, 4)) for _ in range(luck.randint(1, 12)))
    return (
        f"<!DOCTYPE html>\n<html lang=en>\n<head>{head}</head>\n<body class=page>\n"
        f"<nav><ul>{links}</ul></nav>\n<main>\n<h1>{_said(luck, 6)}</h1>\n{body}</main>\n"
        f"<footer>{_said(luck, 9)}</footer>\n</body>\n</html>\n"
    )


def _section(luck: Random, level: int) -> str:
    parts = "\n".join(luck.choice(_PARTS)(luck) for _ in range(luck.randint(1, 7)))
    heading = f"<h{level}>{_said(luck, 6)}</h{level}>"
    return f"<section>{heading}\n{parts}</section>\n" if luck.random() < 0.5 else heading + parts


def _paragraph(luck: Random) -> str:
    said = [f"{_said(luck, 30).capitalize()}." for _ in range(luck.randint(1, 12))]
    at = luck.randrange(len(said))
    tag = luck.choice(["b", "a href=/x", "code", "em"])
    said[at] = f"<{tag}>{said[at]}</{tag.split()[0]}>"
    return f"<p>{' '.join(said)}</p>"


def _table(luck: Random) -> str:
    wide = luck.randint(1, 5)
    rows = "".join(
        f"<tr>{''.join(f'<td>{_said(luck, 4)}</td>' for _ in range(wide))}</tr>\n"
        for _ in range(luck.randint(1, 12))
    )
    head = "".join(f"<th>{_said(luck, 2)}</th>" for _ in range(wide))
    return f"<table><caption>{_said(luck, 4)}</caption><tr>{head}</tr>\n{rows}</table>"


def _list(luck: Random) -> str:
    tag = luck.choice(["ul", "ol", "ol start=3", "ol reversed"])
    items = "".join(f"<li>{_said(luck, 25)}</li>\n" for _ in range(luck.randint(1, 9)))
    return f"<{tag}>{items}</{tag[:2]}>"


def _terms(luck: Random) -> str:
    pairs = (f"<dt>{_said(luck, 2)}</dt><dd>{_said(luck, 20)}</dd>" for _ in range(4))
    return f"<dl>{''.join(pairs)}</dl>"


def _listing(luck: Random) -> str:
    lines = "\n".join(f"{'    ' * luck.randrange(3)}{_said(luck, 6)}" for _ in range(9))
    return f"<pre><code>{lines}</code></pre>"


def _hidden(luck: Random) -> str:
    return luck.choice(HIDDEN).format(_said(luck, 9))


_PARTS = (_paragraph, _paragraph, _paragraph, _table, _list, _terms, _listing, _hidden)


def mutated(luck: Random, pages: list[str]) -> str:
    """A page with parts cut, doubled, moved, nested or taken from others."""
    page = luck.choice(pages)
    start = luck.randrange(max(1, len(page) - LONGEST))
    page = page[start : start + LONGEST] if luck.random() < 0.5 else page[:LONGEST]
    for _ in range(luck.randint(0, 6)):
        i, j = sorted(luck.randint(0, len(page)) for _ in range(2))
        j = min(j, i + luck.choice([1, 5, 50, 500]))
        kind = luck.randrange(6)
        if kind == 0:
            page = page[:i] + page[j:]
        elif kind == 1:
            page = page[:i] + page[i:j] * luck.choice([2, 3, 200]) + page[j:]
        elif kind == 2:
            page = page[:i] + luck.choice(NOISE) * luck.choice([1, 1, 1, 300]) + page[i:]
        elif kind == 3:
            other = luck.choice(pages)
            page = page[:i] + other[: luck.choice([20, 200, 2000])] + page[i:]
        elif kind == 4:
            page = page[:i] + page[i:j][::-1] + page[j:]
        else:
            page = luck.choice(["<div>", "<b>", "<table><tr><td>"]) * luck.choice([3, 3000]) + page
    return page[: 2 * LONGEST]


def as_given(luck: Random, page: str) -> bytes | str:
    """The page as text or as bytes of some encoding, now and then broken."""
    kind = luck.randrange(5)
    if kind == 0:
        return page
    data = page.encode(luck.choice(["utf-8", "utf-8", "cp1252", "utf-16"]), "replace")
    if kind == 1 and data:
        place = luck.randrange(len(data))
        data = data[:place] + luck.randbytes(3) + data[place + 1 :]
    return data


def around_secrets(luck: Random) -> str:
    """A well-formed page with secrets that nobody sees between its parts."""
    parts = [f"<p>{luck.choice('abc')}</p>", "<div><b>x</b>y</div>", "<ul><li>z</li></ul>"] * 2
    parts += [luck.choice(HIDDEN).format(f"{SECRET} {i}") for i in range(luck.randint(1, 6))]
    luck.shuffle(parts)
    return "".join(parts)


def several(luck: Random, page: bytes | str, pages: list[str]) -> Iterator[bytes | str]:
    """The page with one or two others."""
    yield page
    for _ in range(luck.randint(1, 2)):
        yield as_given(luck, mutated(luck, pages))
