"""What the default style sheet of HTML makes of each element."""

from __future__ import annotations

__all__ = [
    "BLOCK",
    "CELLS",
    "HEAD",
    "HEADINGS",
    "INLINE",
    "INLINE_BLOCK",
    "PREFORMATTED",
    "STRUCTURAL",
    "VOID",
]

HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
"""Headings, highest first."""

CELLS = frozenset({"td", "th"})
"""Cells of a table."""

BLOCK = frozenset(
    {
        *HEADINGS,
        "address", "article", "aside", "blockquote", "body", "caption", "center", "col", "colgroup",
        "dd", "details", "dialog", "dir", "div", "dl", "dt", "fieldset", "figcaption", "figure",
        "footer", "form", "frameset", "head", "header", "hgroup", "hr", "html", "legend", "li",
        "listing", "main", "menu", "nav", "noframes", "ol", "optgroup", "option", "p", "plaintext",
        "pre", "search", "section", "summary", "table", "tbody", "td", "tfoot", "th", "thead",
        "title", "tr", "ul", "xmp",
    }
)  # fmt: skip
"""Elements that begin on a line, a row, an item or a cell of their own (HTML, 15.3)."""

INLINE_BLOCK = frozenset(
    {
        "audio", "button", "canvas", "embed", "iframe", "img", "input", "meter", "object",
        "progress", "select", "svg", "textarea", "video",
    }
)  # fmt: skip
"""Boxes inside a line: what stands on both sides of one is not one word."""

INLINE = frozenset(
    {
        *INLINE_BLOCK,
        "a", "abbr", "acronym", "area", "b", "bdi", "bdo", "big", "blink", "br", "cite", "code",
        "data", "datalist", "del", "dfn", "em", "font", "i", "ins", "kbd", "label", "map", "mark",
        "marquee", "math", "nobr", "output", "picture", "q", "rb", "rp", "rt", "rtc", "ruby", "s",
        "samp", "slot", "small", "source", "span", "strike", "strong", "sub", "sup", "template",
        "time", "track", "tt", "u", "var", "wbr",
    }
)  # fmt: skip
"""Elements inside a line. A name that is in neither set counts as one, unless a block is in it."""

PREFORMATTED = frozenset({"pre", "textarea", "code", "listing", "plaintext", "xmp", "samp", "kbd"})
"""Elements whose white space means something."""

STRUCTURAL = frozenset(
    {
        *HEADINGS, *CELLS, *PREFORMATTED,
        "a", "abbr", "article", "aside", "blockquote", "body", "button", "caption", "cite", "dd",
        "del", "details", "dfn", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form",
        "head", "header", "html", "ins", "label", "legend", "li", "main", "mark", "math", "menu",
        "nav", "ol", "optgroup", "option", "q", "rb", "rp", "rt", "ruby", "s", "select", "sub",
        "summary", "sup", "svg", "table", "tbody", "tfoot", "thead", "time", "title", "tr", "ul",
        "var",
    }
)  # fmt: skip
"""Elements that say what their content is: never replaced by what is inside them."""

VOID = frozenset(
    {
        "area", "base", "basefont", "bgsound", "br", "col", "embed", "frame", "hr", "img", "input",
        "keygen", "link", "meta", "param", "source", "track", "wbr",
    }
)  # fmt: skip
"""Elements without an end tag."""

HEAD = frozenset({"base", "basefont", "bgsound", "link", "meta", "noscript", "script", "style",
                  "template", "title"})  # fmt: skip
"""Elements that belong into the head, if nothing else has come yet."""
