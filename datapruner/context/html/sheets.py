"""Rules of ``style`` elements that hide elements by class, id or name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from datapruner.context.html.styles import declarations, hidden_by

__all__ = ["Sheet", "read_sheets"]

_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
# One element by its name, id and classes; nothing about what it stands in, or its state.
_SIMPLE = re.compile(
    r"(?:(?:html|body)\s++)*+(\*|[a-z][-\w]*+)?+((?:[.#](?:[-\w]|\\.)++)*+)\Z", re.IGNORECASE
)
_PART = re.compile(r"([.#])((?:[-\w]|\\.)++)")
_WIDTH = re.compile(r"\(\s*(min|max)-width\s*:\s*([\d.]+)(px|em|rem)\s*\)")
# Names and values may be written with letters as numbers, or with a mark before a letter. Those of
# other characters, such as icons, are left.
_LETTER = re.compile(
    r"\\(?:0{0,4}([46][\da-f]|[57][\da])(?![\da-f])[ \t\n\r\f]?|([g-z]))", re.IGNORECASE
)
# What the value of a property that hides begins with, behind the end of its name. Rules with none
# of these are never read: that is many times faster on a style sheet of half a megabyte.
_HINT = re.compile(
    r":(?:(?<=[y\s]:)\s*+(?:none|hidden|collapse|0(?!\.[1-9])|\.0)"
    r"|(?:(?<=eight:)|(?<=width:)|(?<=-size:)|(?<=[\s{;]font:)|(?<=scale:)|(?<=\s:))\s*+\.?0"
    r"|(?<=[r\s]:)\s*+(?:transparent|(?:rgb|hsl)a?\([^)]{0,60}+(?<=[,/\s.0][.0])%?\s*+\))"
    r"|\s*+(?:-\d\d\d(?!%)|-\d+e|(?:rect|inset|polygon|circle|ellipse)\("
    r"|scale\w*+\([^)]{0,60}?(?<![.\d])0(?!\.?\d)|translate\w*+\([^)]{0,60}?-\d\d\d(?!%))"
    r"|(?<=ndent:)\s*+-\d\d\d)",
    re.IGNORECASE | re.ASCII,
)
_SIZE = re.compile("width|height|orientation|ratio", re.IGNORECASE)
_AT = re.compile(r"@([-\w]++)([^{]*+)")
# The window for which rules that ask for its width hold.
_WINDOW = 1280.0
# Rules kept of those about one class, id or name: nobody writes more, except to waste our time.
_MOST_RULES = 16


class _Weight(NamedTuple):
    ids: int
    classes: int
    names: int
    place: int


@dataclass(frozen=True)
class _Rule:
    weight: _Weight
    tag: str
    id: str
    classes: frozenset[str]
    style: Mapping[str, str]

    def keys(self) -> Iterator[str]:
        """What the rule can be found by, the best first."""
        if self.id:
            yield "#" + self.id
        yield from ("." + name for name in sorted(self.classes))
        if self.tag:
            yield self.tag


class Sheet:
    """The rules of a page that hide elements, and those that show them again."""

    def __init__(self, rules: Iterable[_Rule], hiding: frozenset[str]) -> None:
        self._rules: dict[str, list[_Rule]] = {}
        several: dict[tuple[str, str, frozenset[str]], _Rule] = {}
        for rule in rules:
            who = (rule.tag, rule.id, rule.classes)
            if who in several:
                rule = replace(rule, style=merged(several[who].style, rule.style))
            several[who] = rule
        for rule in sorted(several.values(), key=_weight, reverse=True):
            for key in hiding.intersection(rule.keys()):
                some = self._rules.setdefault(key, [])
                if len(some) < _MOST_RULES:
                    some.append(rule)

    def __len__(self) -> int:
        """About how many names, classes and ids there are rules."""
        return len(self._rules)

    @property
    def keys(self) -> frozenset[str]:
        """Those names, the classes after a dot, the ids after a ``#``."""
        return frozenset(self._rules)

    @property
    def tags(self) -> frozenset[str]:
        """The names of elements among them."""
        return frozenset(key for key in self._rules if key[0] not in ".#")

    def style(self, tag: str, attributes: Mapping[str, str] | None) -> Mapping[str, str]:
        """The properties that the rules give an element; empty where none is about it.

        Args:
            tag: its name.
            attributes: those it has.
        """
        held = attributes or {}
        name = held.get("id", "")
        classes = frozenset(held.get("class", "").split())
        keys = (tag, "#" + name, *("." + one for one in classes))
        found = {
            id(rule): rule
            for key in keys
            for rule in self._rules.get(key, ())
            if rule.tag in ("", tag) and rule.id in ("", name) and rule.classes <= classes
        }
        made: dict[str, str] = {}
        for rule in sorted(found.values(), key=_weight):
            made = merged(made, rule.style)
        return made


def _weight(rule: _Rule) -> _Weight:
    return rule.weight


def merged(lower: Mapping[str, str], upper: Mapping[str, str]) -> dict[str, str]:
    """Properties of two origins: those of the upper one count, unless the lower is important."""
    made = dict(lower)
    for name, value in upper.items():
        if value.endswith("!important") or not made.get(name, "").endswith("!important"):
            made[name] = value
    return made


def read_sheets(sheets: Iterable[str], has: Callable[[str], bool]) -> Sheet:
    """The rules of some style sheets that decide whether elements are seen.

    Read are rules for single elements: ``p``, ``.note``, ``#menu``, ``div.note.small`` and lists of
    these, with ``body`` before them or not. What hides elements must not depend on the size of the
    window; what shows them again may stand in a ``@media`` that holds on a wide screen. Others are
    passed over.

    Args:
        sheets: texts in CSS, in the order of the page. Nothing in them is an error.
        has: whether the page has an element of a name, of a class after a dot, of an id after #.
    """
    texts = [_plain(css) for css in sheets]
    hiding = frozenset(key for css in texts for key in _hiding(css, has))
    if not hiding:
        return Sheet((), hiding)
    # Rules that show again what another hides are about the same class, id or name.
    about = re.compile("|".join(map(re.escape, sorted(hiding))))
    rules: list[_Rule] = []
    for place, (selectors, body) in enumerate(
        found for css in texts for found in _about(css, about)
    ):
        named = [r for r in _rules(selectors, {}, place) if not hiding.isdisjoint(r.keys())]
        style = declarations(body) if named else {}
        rules += [replace(rule, style=style) for rule in named]
    return Sheet(rules, hiding)


def _plain(css: str) -> str:
    """The same rules without comments, and with letters as letters."""
    if "/*" in css:
        css = _COMMENT.sub(" ", css)
    if "\\" in css:
        css = _LETTER.sub(_letter, css)
    return css.replace("<!--", "").replace("-->", "") if "-->" in css or "<!--" in css else css


def _letter(match: re.Match[str]) -> str:
    return match[2] or chr(int(match[1], 16))


def _hiding(css: str, has: Callable[[str], bool]) -> Iterator[str]:
    """The names of the page that some rule hides the elements of."""
    done = depth = counted = 0
    at = -1
    for found in _HINT.finditer(css):
        hit = found.start()
        if hit < done:
            continue
        end = css.find("}", hit)
        end = len(css) if end < 0 else end
        start = css.rfind("{", done, end)
        if start >= 0:
            before = max([css.rfind(sign, done, start) for sign in "{};"]) + 1
            keys = _keys(css[max(before, done) : start])
            if any(map(has, keys)) and hidden_by(declarations(css[start + 1 : end])):
                # Braces are counted where it matters alone.
                depth += css.count("{", counted, start) - css.count("}", counted, start)
                at = max(at, css.rfind("@", counted, start))
                counted = start
                if depth == 0 or (depth == 1 and _holds_always(css, at)):
                    yield from keys
        done = end + 1


def _keys(selectors: str) -> list[str]:
    """What the rules for single elements are best found by: see ``_Rule.keys``."""
    keys = []
    for selector in selectors.split(","):
        found = _SIMPLE.match(selector.strip())
        if found is not None:
            tag, names = found.groups("")
            if names.count(".") + names.count("#") > 1 or "\\" in names:
                (rule,) = _rules(selector, {}, 0)
                keys.append(next(rule.keys()))
            else:
                # One class or id, as nearly always, or a name.
                keys.append(names or tag.lower())
    return [key for key in keys if key and key != "*"]


def _about(css: str, names: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    """What stands before and in the braces of each rule about a name; on a wide screen, that is."""
    done = depth = at = 0
    for found in names.finditer(css):
        if found.start() < done:
            continue
        at = max(at, css.rfind("@", done, found.start()))
        start = css.find("{", found.end())
        end = css.find("}", found.end())
        if start < 0:
            return
        end = len(css) if end < 0 else end
        if end < start:  # a name inside the braces of some rule: a colour, say
            depth += css.count("{", done, end) - css.count("}", done, end) - 1
            done = end + 1
            continue
        depth += css.count("{", done, start) - css.count("}", done, start)
        before = max(css.rfind(sign, done, found.start()) for sign in "{};") + 1
        selectors = css[max(before, done) : start]
        if "@" in selectors:
            depth += 1
            done = start + 1
            continue
        done = end + 1
        if depth == 0 or (depth == 1 and _holds(css, at)):
            yield selectors, css[start + 1 : end]


def _holds(css: str, at: int) -> bool:
    """Whether the rules inside the braces behind an ``@`` hold on a wide screen."""
    found = _AT.match(css, at)
    kind, query = (found[1].lower(), found[2].lower()) if found else ("", "")
    if kind == "supports":
        return not query.lstrip().startswith("not")
    return kind == "layer" or (kind == "media" and is_for_screens(query))


def _holds_always(css: str, at: int) -> bool:
    """Whether they hold whatever the size of the window."""
    found = _AT.match(css, at)
    return found is not None and not _SIZE.search(found[2]) and _holds(css, at)


def is_for_screens(query: str) -> bool:
    """Whether a media query holds on a screen of 1280 pixels, or might: ``print`` does not."""
    for part in query.lower().split(",") if query.strip() else ("all",):
        rest = _WIDTH.sub("", part)
        words = set(rest.replace("only", " ").split()) - {"and", "all", "screen"}
        widths = [
            (limit, float(number.strip(".") or 0) * (1 if unit == "px" else 16))
            for limit, number, unit in _WIDTH.findall(part)
            if number.count(".") < 2
        ]
        if not words and all(
            size <= _WINDOW if limit == "min" else size >= _WINDOW for limit, size in widths
        ):
            return True
    return False


def _rules(selectors: str, style: Mapping[str, str], place: int) -> Iterator[_Rule]:
    """The rules for single elements among those that a list of selectors stands for."""
    for selector in selectors.split(","):
        found = _SIMPLE.match(selector.strip())
        if found is None or not found[0]:
            continue
        parts = [(kind, name.replace("\\", "")) for kind, name in _PART.findall(found[2])]
        ids = [name for kind, name in parts if kind == "#"]
        classes = frozenset(name for kind, name in parts if kind == ".")
        tag = (found[1] or "").lower().strip("*")
        weight = _Weight(len(ids), len(classes), int(bool(tag)), place)
        yield _Rule(weight, tag, ids[0] if ids else "", classes, style)
