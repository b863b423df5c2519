"""Declarations of CSS that make an element invisible."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

__all__ = ["STYLES", "declarations", "hidden_by"]

STYLES = (
    "display",
    "visibility",
    "opacity",
    "font size",
    "clipped box",
    "text indent",
    "off screen",
    "clip",
    "transparent",
)
"""What can be wrong with a style, in the words of the report."""

# What a property that hides has in its name or value; other styles are not read at all.
_SUSPECT = re.compile(
    r"display|visib|opacity|font|indent|left|right|top|bottom|inset|margin|clip"
    r"|transparent|color|transform|scale|translate|height|width|\\|/\*",
    re.IGNORECASE,
)
_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_ESCAPE = re.compile(r"\\(?:([0-9a-fA-F]{1,6})[ \t\n\r\f]?|([^\n]))")
# A value goes on over semicolons in quotes and brackets: url(data:image/png;base64,...).
_DECLARATION = re.compile(
    r"([-\w]++)\s*+:((?:[^;\"'()]++|\"[^\"]*+\"|'[^']*+'|\([^()]*+(?:\([^()]*+\)[^()]*+)*+\)|[()])*+)"
)
_IMPORTANT = re.compile(r"!\s*important\s*\Z")
_LENGTH = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)([a-z]+|%)?\Z")
_WORD = re.compile(r"[a-z-]+\([^()]*\)|[^\s,/]+")
_CALL = re.compile(r"([a-z0-9-]+)\(([^()]*)\)")
# Pixels in a unit, about: only far or nothing counts.
_PIXELS = {
    "": 1.0, "px": 1.0, "pt": 4 / 3, "pc": 16.0, "em": 16.0, "rem": 16.0, "ex": 8.0, "ch": 8.0,
    "in": 96.0, "cm": 37.8, "mm": 3.78, "q": 0.945, "vw": 12.0, "vh": 8.0, "vmin": 8.0,
    "vmax": 12.0,
    "dvw": 12.0, "dvh": 8.0, "svw": 12.0, "svh": 8.0, "lvw": 12.0, "lvh": 8.0,
}  # fmt: skip
_FAR = -999.0
_EDGES = ("left", "right", "top", "bottom", "inset-inline-start", "inset-block-start")
_MARGINS = ("margin-left", "margin-top", "margin-inline-start")
_MOVES = frozenset({*_EDGES, *_MARGINS, "inset", "margin", "transform", "translate", "scale"})
# Smaller than this nobody reads it, or sees it.
_SMALLEST_PIXELS = 1.0
_FAINTEST = 0.01


def declarations(style: str) -> dict[str, str]:
    """The properties of a style attribute, or of what stands in the braces of a rule.

    Names and values are lower case, without comments, escapes and white space around them. Of
    several with one name the last counts, and one that is ``!important`` (it stays at the end of
    the value) before all that are not.

    Args:
        style: declarations in CSS. Nothing in it is an error.
    """
    if not _SUSPECT.search(style):
        return {}
    if "/*" in style:
        style = _COMMENT.sub(" ", style)
    if "\\" in style:
        style = _ESCAPE.sub(_unescaped, style)
    found: dict[str, str] = {}
    for name, value in _DECLARATION.findall(style.lower()):
        value = value.strip()
        if _IMPORTANT.search(value):
            value = _IMPORTANT.sub("", value).rstrip() + "!important"
        elif found.get(name, "").endswith("!important"):
            continue
        if value:
            found[name] = value
    return found


def _unescaped(match: re.Match[str]) -> str:
    digits = match[1]
    if digits is None:
        return match[2]
    code = int(digits, 16)
    return chr(code) if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000 else "\ufffd"


def hidden_by(style: Mapping[str, str]) -> str | None:
    """Which of `STYLES` makes an element with these properties invisible; None if none does.

    Lengths are compared in pixels; an em counts as 16. A negative ``z-index`` hides nothing, nor
    does transparent text that its background shows through (``background-clip: text``).

    Args:
        style: properties as `declarations` gives them.
    """
    if not style:
        return None
    held = {name: value.removesuffix("!important") for name, value in style.items()}
    if held.get("display") == "none" or held.get("content-visibility") == "hidden":
        return "display"
    if held.get("visibility") in ("hidden", "collapse"):
        return "visibility"
    for rule, names, holds in _TESTS:
        if not names.isdisjoint(held) and holds(held):
            return rule
    return None


def _number(value: str, units: Mapping[str, float], otherwise: float) -> float:
    found = _LENGTH.match(value)
    if found is None or (found[2] or "") not in units:
        return otherwise
    return float(found[1]) * units[found[2] or ""]


def _pixels(value: str) -> float:
    """A length in pixels; far too much of what is none."""
    return _number(value, _PIXELS, 1e9)


def _percent(value: str) -> float:
    return _number(value, {"%": 1.0}, 1e9)


def _is_faint(held: Mapping[str, str]) -> bool:
    values = [held.get("opacity", "")]
    values += [inside for name, inside in _calls(held, "filter") if name == "opacity"]
    return any(_number(v, {"": 1.0, "%": 0.01}, 1) <= _FAINTEST for v in values)


def _calls(held: Mapping[str, str], name: str) -> list[tuple[str, str]]:
    """The functions in a value: name and what is in the brackets."""
    return [(call, inside.strip()) for call, inside in _CALL.findall(held.get(name, ""))]


def _is_tiny(held: Mapping[str, str]) -> bool:
    size = held.get("font-size")
    if size is None and "font" in held:
        sizes = [word for word in _WORD.findall(held["font"]) if _LENGTH.match(word)]
        # A weight such as 700 may stand before the size; the line height stands behind it.
        size = next((s for s in sizes if not re.fullmatch(r"[1-9]\d{0,2}", s)), None)
    if size is None:
        return False
    if size.endswith("%"):
        return _percent(size) <= 5
    return _pixels(size) <= _SMALLEST_PIXELS


def _is_clipped_box(held: Mapping[str, str]) -> bool:
    cut = " ".join(held.get(name, "") for name in ("overflow", "overflow-x", "overflow-y"))
    if "hidden" not in cut and "clip" not in cut:
        return False
    sides = [
        min(_size(held.get(side, "")), _size(held.get(f"max-{side}", "")))
        for side in ("height", "width")
    ]
    return min(sides) <= 0 or max(sides) <= _SMALLEST_PIXELS


def _size(value: str) -> float:
    return min(_pixels(value), _percent(value))


def _is_indented(held: Mapping[str, str]) -> bool:
    indent = held["text-indent"].split()[0]
    return _pixels(indent) <= _FAR or _percent(indent) <= -100


def _is_off_screen(held: Mapping[str, str]) -> bool:
    if any(_pixels(held.get(name, "")) <= _FAR for name in _MARGINS):
        return True
    margin = _WORD.findall(held.get("margin", ""))
    if any(_pixels(word) <= _FAR for word in margin):
        return True
    for name, inside in (
        *_calls(held, "transform"),
        *_calls({"transform": _moved(held)}, "transform"),
    ):
        values = _WORD.findall(inside)
        if name.startswith("translate") and any(_pixels(v) <= _FAR for v in values):
            return True
        if name.startswith("scale") and any(_number(v, {"": 1.0}, 1) == 0 for v in values[:2]):
            return True
    if held.get("position", "static") == "static":
        return False
    edges = [held.get(name, "") for name in _EDGES] + _WORD.findall(held.get("inset", ""))
    return any(_pixels(edge) <= _FAR for edge in edges)


def _moved(held: Mapping[str, str]) -> str:
    """The properties ``translate`` and ``scale`` as functions of ``transform``."""
    return " ".join(f"{name}({held[name]})" for name in ("translate", "scale") if name in held)


def _is_clipped(held: Mapping[str, str]) -> bool:
    shapes = (*_calls(held, "clip"), *_calls(held, "clip-path"))
    return any(_is_nothing(name, _WORD.findall(inside)) for name, inside in shapes)


def _is_nothing(shape: str, words: list[str]) -> bool:
    """Whether a shape to clip to has no area."""
    if shape == "rect" and len(words) == 4:
        top, right, bottom, left = map(_pixels, words)
        return bottom <= top or right <= left
    if shape == "inset":
        return _is_cut_away(words)
    if shape in ("circle", "ellipse"):
        return bool(words) and _size(words[0]) <= 0
    return shape == "polygon" and bool(words) and all(_size(word) == 0 for word in words)


def _is_cut_away(words: list[str]) -> bool:
    """Whether the insets of top, right, bottom and left leave nothing."""
    # Insets in pixels cut off an unknown part: taken for none.
    cuts = [_number(word, {"%": 1.0}, 0.0) for word in words[:4]]
    if not cuts:
        return False
    top = cuts[0]
    right = cuts[1] if len(cuts) > 1 else top
    bottom = cuts[2] if len(cuts) > 2 else top
    left = cuts[3] if len(cuts) > 3 else right
    return any(one + other >= 100 for one, other in ((top, bottom), (left, right)))


def _is_transparent(held: Mapping[str, str]) -> bool:
    behind = " ".join(
        v for name, v in held.items() if name.endswith(("background-clip", "background"))
    )
    if "text" in behind.split() or held.get("text-shadow", "none") != "none":
        return False
    ink = held.get("-webkit-text-fill-color", held.get("color", ""))
    if ink == "transparent" or _alpha(ink) == 0:
        return True
    ground = held.get("background-color", held.get("background", ""))
    return bool(ink) and _colour(ink) == _colour(ground)


def _alpha(colour: str) -> float:
    if re.fullmatch(r"#[0-9a-f]{3}0|#[0-9a-f]{6}00", colour):
        return 0
    found = _CALL.fullmatch(colour)
    if found is None or not found[1].startswith(("rgb", "hsl")):
        return 1
    words = _WORD.findall(found[2])
    return _number(words[3], {"": 1.0, "%": 0.01}, 1) if len(words) == 4 else 1


def _colour(value: str) -> str:
    """One spelling of white, black and short hexadecimal colours."""
    value = {"white": "#ffffff", "black": "#000000"}.get(value, value)
    if re.fullmatch(r"#[0-9a-f]{3}", value):
        value = "#" + "".join(char * 2 for char in value[1:])
    found = re.fullmatch(r"rgb\(\s*(\d{1,3})[\s,]+(\d{1,3})[\s,]+(\d{1,3})\s*\)", value)
    return "#" + "".join(f"{int(part):02x}" for part in found.groups()) if found else value


# What else hides, with the properties without which it does not.
_TESTS: tuple[tuple[str, frozenset[str], Callable[[Mapping[str, str]], bool]], ...] = (
    ("opacity", frozenset({"opacity", "filter"}), _is_faint),
    ("font size", frozenset({"font", "font-size"}), _is_tiny),
    ("clipped box", frozenset({"overflow", "overflow-x", "overflow-y"}), _is_clipped_box),
    ("text indent", frozenset({"text-indent"}), _is_indented),
    ("off screen", _MOVES, _is_off_screen),
    ("clip", frozenset({"clip", "clip-path"}), _is_clipped),
    ("transparent", frozenset({"color", "-webkit-text-fill-color"}), _is_transparent),
)
