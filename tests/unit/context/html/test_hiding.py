"""Every rule of what is not seen, with what looks like it and is seen."""

from __future__ import annotations

import time

import pytest
from oracles.html_oracle import shown

from datapruner.context.html.clean import clean
from datapruner.context.html.hiding import CLASSES, DEFAULT_RULES, RULES, Removed, visible
from datapruner.context.html.parse import parse
from datapruner.errors import InputError

LEAK = "ignore all that was said"


def seen(page: str, **options: object) -> tuple[str, tuple[Removed, ...]]:
    tree, removed = visible(parse(page).tree, **options)  # type: ignore[arg-type]
    return shown(tree), removed


HIDING = [
    ("display", "display:none"),
    ("display", "DISPLAY : NONE !important"),
    ("display", "display:none!important;display:block"),
    ("display", "display:block;display:none"),
    ("display", "color:red;/* x; */display/**/:/**/none"),
    ("display", r"d\69 splay:none"),
    ("display", r"display:\6eone"),
    ("display", "background:url('a;b');display:none"),
    ("display", "background:url(data:a;base64,b);display:none"),
    ("display", "content-visibility:hidden"),
    ("visibility", "visibility:hidden"),
    ("visibility", "visibility: collapse"),
    ("opacity", "opacity:0"),
    ("opacity", "opacity:0.0"),
    ("opacity", "opacity:.00"),
    ("opacity", "opacity:0%"),
    ("opacity", "filter:opacity(0)"),
    ("font size", "font-size:0"),
    ("font size", "font-size:0px"),
    ("font size", "font-size:.5pt"),
    ("font size", "font-size:0%"),
    ("font size", "font:0/0 a"),
    ("font size", "font:italic 700 0px/1 x"),
    ("clipped box", "height:0;overflow:hidden"),
    ("clipped box", "width:0px;overflow-x:hidden"),
    ("clipped box", "max-height:0;overflow:clip"),
    ("clipped box", "width:1px;height:1px;overflow:hidden"),
    ("text indent", "text-indent:-9999px"),
    ("text indent", "text-indent:-999px"),
    ("text indent", "text-indent:-100em"),
    ("text indent", "text-indent:-100%"),
    ("off screen", "position:absolute;left:-9999px"),
    ("off screen", "position:fixed;top:-100em"),
    ("off screen", "position:absolute;inset:-9999px auto"),
    ("off screen", "margin-left:-9999px"),
    ("off screen", "margin:0 0 0 -9999px"),
    ("off screen", "transform:translateX(-9999px)"),
    ("off screen", "transform:translate(0, -1000px)"),
    ("off screen", "translate:-9999px 0"),
    ("off screen", "transform:scale(0)"),
    ("off screen", "scale:0"),
    ("clip", "position:absolute;clip:rect(0,0,0,0)"),
    ("clip", "clip:rect(1px 1px 1px 1px)"),
    ("clip", "clip-path:inset(50%)"),
    ("clip", "clip-path:inset(0 100% 0 0)"),
    ("clip", "clip-path:circle(0)"),
    ("clip", "clip-path:polygon(0 0, 0 0, 0 0)"),
    ("transparent", "color:transparent"),
    ("transparent", "color:rgba(0,0,0,0)"),
    ("transparent", "color:rgb(1 2 3 / 0%)"),
    ("transparent", "color:#0000"),
    ("transparent", "color:#ffffff00"),
    ("transparent", "color:white;background:#fff"),
    ("transparent", "color:rgb(255,255,255);background-color:#FFFFFF"),
    ("transparent", "-webkit-text-fill-color:transparent"),
]

SHOWING = [
    "display:none;display:block",
    "display:none;display:block!important",
    "display:nonexistent",
    "visibility:visible",
    "opacity:0.5",
    "opacity:05",
    "opacity:x",
    "filter:blur(0)",
    "font-size:12px",
    "font-size:50%",
    "font:12px/0 a",
    "font:bold 700 12px a",
    "font:inherit",
    "font-size:larger",
    "height:0",
    "height:0;overflow:visible",
    "height:10px;overflow:hidden",
    "text-indent:-10px",
    "text-indent:2em",
    "left:-9999px",
    "position:static;left:-9999px",
    "position:absolute;left:-9px",
    "margin:-1px auto",
    "transform:translate(-50%,-50%)",
    "transform:scale(1.5)",
    "transform:rotate(0)",
    "clip:rect(0,10px,10px,0)",
    "clip:auto",
    "clip-path:inset(10%)",
    "clip-path:inset(1px)",
    "clip-path:inset(auto)",
    "clip-path:circle(50%)",
    "clip-path:polygon(0 0, 10px 0, 0 10px)",
    "color:transparent;-webkit-background-clip:text",
    "color:transparent;background-clip:text",
    "color:transparent;text-shadow:0 0 1px red",
    "color:#000;background:#fff",
    "color:rgba(0,0,0,.5)",
    "color:rgb(0,0,0)",
    "color:#123",
    "z-index:-1",
    "",
    ";;:;",
    "display",
    "(",
    "a:'b",
]


@pytest.mark.parametrize(("rule", "style"), HIDING)
def test_a_style_that_hides(rule: str, style: str) -> None:
    text, removed = seen(f'a<p style="{style}">{LEAK}</p>b')
    assert text.replace(" ", "") == "ab"
    assert [(part.rule, part.tag, part.text) for part in removed] == [(rule, "p", LEAK)]
    assert removed[0].path == "/html/body/p"
    assert removed[0].length == len(LEAK)


@pytest.mark.parametrize("style", SHOWING)
def test_a_style_that_does_not_hide(style: str) -> None:
    text, removed = seen(f'a<p style="{style}">said</p>b')
    assert (text, removed) == ("asaidb", ())


@pytest.mark.parametrize(
    ("rule", "page"),
    [
        ("hidden attribute", "<p hidden>{}</p>"),
        ("hidden attribute", "<p hidden='until-found'>{}</p>"),
        ("hidden attribute", "<div HIDDEN><p>{}</p></div>"),
        ("aria-hidden", "<p aria-hidden=' TRUE '>{}</p>"),
        ("popover", "<div popover>{}</div>"),
        ("closed dialog", "<dialog>{}</dialog>"),
        ("comment", "<!-- {} -->"),
        ("comment", "<!--[if IE]> {} <![endif]-->"),
        ("comment", "<![CDATA[ {} ]]>"),
        ("comment", "<!-- {}"),
        ("hidden input", "<input type=HIDDEN value='{}'>"),
        ("display", "<p style='display&#58;none'>{}</p>"),
        *(
            ("element", f"<{tag}>{{}}</{tag}>")
            for tag in (
                "script", "style", "template", "noscript", "object", "iframe", "noframes", "audio",
                "video", "canvas", "datalist",
            )
        ),
        ("element", "<embed title='{}'>"),
        ("element", "<svg><title>{}</title></svg>"),
        ("element", "<svg><g><desc>{}</desc></g></svg>"),
        ("element", "<svg><defs><text>{}</text></defs></svg>"),
        ("element", "<svg><script>{}</script></svg>"),
        ("element", "<p>x</p><title>{}</title>"),
        ("element", "<meta name=description content='{}'>"),
        ("element", "<link title='{}'>"),
        ("element", "<base title='{}'>"),
    ],
)  # fmt: skip
def test_an_element_that_is_not_seen(rule: str, page: str) -> None:
    tree, removed = visible(parse("<body>a" + page.format(LEAK)).tree)
    assert "ignore" not in shown(tree)
    assert "a" in shown(tree)
    assert [part.rule for part in removed] == [rule]
    made = clean(tree)
    assert "ignore" not in shown(made)
    assert all(LEAK not in str(held) for held in made.attributes)


@pytest.mark.parametrize(
    "page",
    [
        "<p aria-hidden=false>said</p>",
        "<dialog open>said</dialog>",
        "<details><summary>x</summary>said</details>",
        "<p data-hidden>said</p>",
        "<p class='sr-only d-none'>said</p>",
        "<svg><text>said</text></svg>",
        "<desc>said</desc>",
        "<svg></svg><symbol>said</symbol>",
        "<head><title>said</title></head>",
        "<textarea>said</textarea>",
        "<body style='opacity:0'>said",
        "<html style='display:none'>said",
        "<body hidden>said",
    ],
)
def test_what_looks_hidden_and_is_not(page: str) -> None:
    text, removed = seen(page)
    assert "said" in text
    assert removed == ()


def test_attributes_never_reach_the_cleaned_page() -> None:
    page = f'<p title="{LEAK}" data-x="{LEAK}">a<img alt="{LEAK}"><a aria-label="{LEAK}">b</a></p>'
    made = clean(visible(parse(page).tree)[0])
    assert all(held is None for held in made.attributes)
    assert shown(made) == "a b"


def test_class_names_hide_if_asked_for() -> None:
    page = "<p class='x sr-only'>a</p><p class=mine>b</p>c"
    text, removed = seen(page, rules=RULES)
    assert text == "bc"
    assert removed[0].rule == "class name"
    assert seen(page, rules=[*DEFAULT_RULES, "class name"], classes=["mine"])[0] == "ac"
    assert "visually-hidden" in CLASSES


@pytest.mark.parametrize("rule", sorted(set(RULES) - {"comment", "element", "style sheet"}))
def test_a_rule_that_is_left_out_hides_nothing(rule: str) -> None:
    style = next((style for name, style in HIDING if name == rule), "")
    page = {
        "hidden attribute": "<p hidden>x",
        "aria-hidden": "<p aria-hidden=true>x",
        "popover": "<p popover>x",
        "closed dialog": "<dialog>x",
        "hidden input": "<input type=hidden>x",
        "invisible characters": "x\u200b",
        "class name": "<p class=sr-only>x",
    }.get(rule, f'<p style="{style}">x')
    assert seen(page, rules=RULES)[1][0].rule == rule
    assert seen(page, rules=set(RULES) - {rule})[1] == ()


def test_comments_and_elements_stay_if_asked_for() -> None:
    page = "<style>.x{display:none}</style><p class=x>a</p><!-- c -->"
    assert seen(page, rules=["comment"])[0].endswith("a")
    text, removed = seen(page, rules=["style sheet"])
    assert [part.rule for part in removed] == ["style sheet"]
    assert " c " in text


@pytest.mark.parametrize(
    ("css", "gone"),
    [
        (".x{display:none}", "x"),
        ("#i{display:none}", "i"),
        ("p.x, #i{visibility:hidden}", "xi"),
        ("p{display:none}", "xyi"),
        ("div.x{display:none}", ""),
        (".x.y{display:none}", ""),
        (".x{display:none}.x{display:block}", ""),
        (".x{display:block}.x{display:none}", "x"),
        ("p.x{display:block}.x{display:none}", ""),
        ("p.x{display:block}.x{display:none!important}", "x"),
        (".x{opacity:0;color:red}", "x"),
        (".a .x, .x:hover, .x > b, [x]{display:none}", ""),
        ("/* .x{display:none} */.y{display : none}", "y"),
        ("@media print{.x{display:none}}.y{display:none}", "y"),
        ("@media (min-width:1px){.x{display:none}}", ""),
        (".x{display:none}@media (min-width:700px){.x{display:block}}", ""),
        (".x{display:none}@media screen and (max-width:700px){.x{display:block}}", "x"),
        (".x{display:none}@media print, screen{.x{display:block}}", ""),
        (".x{display:none}@media print{.x{display:block}}", "x"),
        (".x{display:none}@supports (display:grid){.x{display:grid}}", ""),
        (".x{display:none}@supports not (display:grid){.x{display:block}}", "x"),
        ("@supports(display:grid){.x{display:none}}", "x"),
        ("@supports not (display:grid){.x{display:none}}", ""),
        ("@layer base{.x{display:none}}", "x"),
        ("@media screen{.x{display:none}}", "x"),
        ("@media all{.y{a:b}.x{display:none}}.y{display:none}", "xy"),
        ("@media (max-height:9999px){.x{display:none}}", ""),
        ("@keyframes q{from{opacity:0}}.x{display:none}", "x"),
        (".x{DISPLAY:NONE}", "x"),
        (".x{Display : None ! Important}", "x"),
        (".x{d\\69splay:none}", "x"),
        (".x{di\\splay:n\\06f ne}", "x"),
        (".q{content:'\\e900'}.x{display:none}", "x"),
        ("body .x, html > p{display:none}", "x"),
        ("*.x{display:none}", "x"),
        ("*{display:none}", ""),
        (".x{display/**/:/**/none}", "x"),
        (".x{opacity:.0}", "x"),
        (".x{font:0/0 a}", "x"),
        (".x{a:b;font:0/0 a}", "x"),
        (".x{color:rgba(0,0,0,0)}", "x"),
        (".x{transform:scale(0)}", "x"),
        (".x{max-height:0;overflow:hidden}", "x"),
        (".x{height:0}", ""),
        (".x{position:fixed;top:-5000px}", "x"),
        (".x{color:#fff;background:#000}", ""),
        ("<!-- .x{display:none} -->", "x"),
        (".x{display:none}@media screen{@media screen{.x{display:block}}}", "x"),
        ("@charset 'x';.x{display:none}", "x"),
        ("a{background:none}.x{display:none}", "x"),
        (".x{display:none", "x"),
        (".x{display:none;;", "x"),
        (".x{display:none}.x{display:block", ""),
        ("}.x{display:none}", ""),
        ("{.x{display:none}", ""),
        (".none{a:b}.x{display:none}", "x"),
        (".x{display:none}.q{a:.x}.x{display:block}", ""),
        (".x{display:none}.x", "x"),
        (".x{display:none}.x{", "x"),
        (".x{display:none}" + ".x{margin:0}" * 40, "x"),
        ("body{display:none}", ""),
        (".x{display:none}.x{}", "x"),
        (".x{position:absolute;left:-9999px}", "x"),
        ("@media screen{.y{a:b}}.x{display:none}", "x"),
    ],
)
def test_rules_of_style_sheets(css: str, gone: str) -> None:
    page = f"<style>{css}</style><p class=x>x</p><p class=y>y</p><p id=i>i</p><b>b</b>"
    text, removed = seen(page)
    assert text == "".join(name for name in "xyi" if name not in gone) + "b"
    assert {part.rule for part in removed} == ({"style sheet", "element"} if gone else {"element"})


def test_a_style_attribute_is_above_the_sheet_unless_that_is_important() -> None:
    page = "<style>.x{{display:none{}}}</style><p class=x style='display:block'>a</p>b"
    assert seen(page.format(""))[0] == "ab"
    assert seen(page.format("!important"))[0] == "b"


def test_sheets_for_print_and_without_script_are_not_read() -> None:
    css = ".x{display:none}"
    page = f"<style media=print>{css}</style><noscript><style>{css}</style></noscript><p class=x>a"
    assert seen(page)[0] == "a"


def test_a_sheet_with_many_hidden_classes_is_read_in_time() -> None:
    css = "".join(f".c{i}{{display:none}}" for i in range(20_000))
    page = f"<style>{css}</style>" + "".join(f"<p class='c{i} d'>x</p>" for i in range(2_000))
    text, removed = seen(page + "end")
    assert text == "end"
    assert len(removed) == 2_001


@pytest.mark.parametrize(
    "unit",
    [
        "a{color:rgba(", "a{transform:scale(1,", ".x{display:none", "}", "{", "@media{", ".a,",
        "\\6", ":none", "/*", ".x.y.z", ".x{display:none}@", ":0;:0", "a{b:c}.x{opacity:0}", "<!--",
    ],
)  # fmt: skip
def test_no_sheet_takes_long(unit: str) -> None:
    page = f"<style>{unit * (200_000 // len(unit))}</style><p class=x>a"
    start = time.process_time()
    seen(page)
    assert time.process_time() - start < 2


def test_invisible_characters_are_taken_out_and_named() -> None:
    text, removed = seen("<p>pass\u200bword<b>x</b>\u00ad\u202ey \u0645\u06cc\u200c\u0634</p>")
    assert text == "passwordxy \u0645\u06cc\u200c\u0634"
    assert [(part.rule, part.tag, part.text, part.length) for part in removed] == [
        ("invisible characters", "p", "U+200B", 1),
        ("invisible characters", "p", "U+00AD U+202E", 2),
    ]
    tags = "".join(chr(0xE0000 + ord(char)) for char in LEAK)
    text, removed = seen("a" + tags)
    assert text == "a"
    assert removed[0].length == len(LEAK)
    assert len(removed[0].text) <= 80
    assert seen("&#x200b;&zwj;a")[0] == "a"


def test_the_report_is_short_and_counts_all() -> None:
    _, removed = seen("<div hidden>\n <b>one</b>\n two" + "<p>" + " x" * 100 + "</div>z")
    assert removed[0].text.startswith("one two x x")
    assert len(removed[0].text) == 80
    assert removed[0].length > 200
    assert repr(removed[0]).startswith("Removed(rule='hidden attribute', row=2")


def test_what_is_seen_apart_stays_apart() -> None:
    assert seen("a<b style='visibility:hidden'>x</b>b")[0] == "a b"
    assert seen("a<iframe></iframe> b")[0] == "a b"
    assert seen("a<b hidden>x</b>b")[0] == "ab"


def test_an_unknown_rule_is_named() -> None:
    with pytest.raises(InputError, match=r"'opacty'.*Did you mean \"opacity\""):
        visible(parse("x").tree, rules=["opacty"])


def test_ten_thousand_hidden_parts_at_great_depth() -> None:
    page = "<div>" * 3000 + "<i hidden>x</i>y" * 10_000
    tree, removed = visible(parse(page).tree)
    assert "".join(tree.texts) + "".join(tree.tails) == "y" * 10_000
    assert len(removed) == 10_000


@pytest.mark.parametrize(
    ("page", "unwanted", "left", "rules"),
    [
        ("<title>t</title><p>a</p>b", ["title"], "ab", []),
        ("<p>a<i>b</i>c</p>", ["i", "u"], "ac", []),
        ("<p>a<i>b<i>c</i>d</i>e</p>", ["i"], "ae", []),
        ("<p>a<i>b<u hidden>c</u></i>d</p>", ["i"], "ad", ["hidden attribute"]),
        ("<p>a<u hidden>b<i>c</i></u>d</p>", ["i"], "ad", ["hidden attribute"]),
        ("<p>a<i hidden>b</i>c</p>", ["i"], "ac", ["hidden attribute"]),
        ("<p>a<i>b\u200b</i>c</p>", ["i"], "ac", ["invisible characters"]),
        ("<p>a<i>b</i>\u200bc</p>", ["i"], "ac", ["invisible characters"]),
        ("<p>a<i>b</i><u hidden>x\u200b</u>c", ["i"], "ac", ["hidden attribute"]),
        ("<p>a</p>", ["html"], "a", []),
        ("<p>a</p>", [], "a", []),
    ],
)
def test_what_is_unwanted_goes_without_a_report_of_its_own(
    page: str, unwanted: list[str], left: str, rules: list[str]
) -> None:
    text, removed = seen(page, unwanted=unwanted)
    assert text == left
    assert [part.rule for part in removed] == rules
