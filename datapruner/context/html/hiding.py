"""What a reader of the page does not see, taken out before anything else, and reported."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import compress

from datapruner.context.hidden import find_hidden, may_hide, without_hidden
from datapruner.context.html.build import COMMENT
from datapruner.context.html.frames import framed_rows
from datapruner.context.html.removal import without_rows
from datapruner.context.html.removed import Removed
from datapruner.context.html.sheets import is_for_screens, merged, read_sheets
from datapruner.context.html.styles import STYLES, declarations, hidden_by
from datapruner.context.html.tree import Tree
from datapruner.errors import InputError, nearest

__all__ = ["CLASSES", "DEFAULT_RULES", "READ", "RULES", "Removed", "visible"]

RULES = (
    "comment",
    "element",
    "hidden attribute",
    "aria-hidden",
    "popover",
    "closed dialog",
    "hidden input",
    *STYLES,
    "style sheet",
    "invisible characters",
    "class name",
)
"""Why something is not seen, in the words of the report."""

DEFAULT_RULES = frozenset(RULES) - {"class name"}
"""The rules that hold unless the caller names others."""

CLASSES = frozenset(
    {
        "d-none", "hidden-xs-up", "invisible", "is-hidden", "offscreen", "screen-reader-only",
        "screen-reader-text", "show-for-sr", "sr-only", "u-hidden", "visually-hidden",
        "visuallyhidden",
    }
)  # fmt: skip
"""Names by which style sheets that are not part of the page hide elements; opt-in."""

# Elements that browsers do not show, or show something else in place of. What stands in the last
# line is shown where they are not supported, which is nowhere.
_UNSHOWN = frozenset(
    {
        "script", "style", "template", "link", "meta", "base", "basefont", "bgsound", "param",
        "source", "track", "area", "datalist", "object", "embed", "applet", "iframe", "frame",
        "annotation", "annotation-xml", "rp",
        "noscript", "noframes", "noembed", "audio", "video", "canvas",
    }
)  # fmt: skip
# Elements of drawings that describe, or that are drawn elsewhere.
_UNDRAWN = frozenset({"title", "desc", "metadata", "defs", "symbol"})
_REPLACED = frozenset({"object", "embed", "applet", "iframe", "audio", "video", "canvas"})
_SPECIAL = _UNDRAWN | {"dialog", "svg"}
# Rules about elements that keep their place on the page: the words beside it stay apart.
_IN_PLACE = frozenset({"visibility", "opacity", "off screen", "clip", "transparent"})
_NAMES = frozenset({"hidden", "aria-hidden", "style", "popover", "type"})

READ = _NAMES | {"class", "id", "media", "open"}
"""The attributes that decide what is seen."""


def visible(
    tree: Tree,
    *,
    rules: Collection[str] = DEFAULT_RULES,
    classes: Collection[str] = CLASSES,
    unwanted: Collection[str] = (),
) -> tuple[Tree, tuple[Removed, ...]]:
    """The page as it is seen, and what else there was.

    Elements go with all that is inside them; the outermost one is reported. The text behind an
    element stays. The root and the body always stay: a page that is hidden as a whole is shown by
    its own script. What is known is what the page itself says, not what its linked style sheets and
    scripts do.

    Args:
        tree: a page as it was parsed.
        rules: which of `RULES` hold.
        classes: the class names that the rule "class name" is about.
        unwanted: names of elements that go as well, and are not reported.

    Returns:
        The tree without what is hidden, and the report, elements first, in document order.

    Raises:
        InputError: no such rule.
    """
    unknown = sorted(set(rules) - set(RULES))
    if unknown:
        raise InputError(f"no rule is named {unknown[0]!r}. " + nearest(unknown[0], RULES))
    held = frozenset(rules)
    found = _Finder(tree, held, frozenset(classes)).find()
    removed = [Removed(rule, row, "", tree) for row, rule in found.items()]
    spaced = {
        row for row, rule in found.items() if rule in _IN_PLACE or tree.tags[row] in _REPLACED
    }
    gone = _outermost(tree, found, unwanted)
    seen = without_rows(tree, gone, spaced)
    if "invisible characters" in held:
        also = [part for row in gone if row not in found for part in _texts_inside(tree, row)]
        if may_hide([*seen.texts, *seen.tails, *also]):
            # What is unwanted goes after the characters in it have been reported.
            whole, characters = _without_characters(tree, without_rows(tree, list(found), spaced))
            removed += characters
            seen = without_rows(whole, _outermost(whole, (), unwanted))
    return seen, tuple(removed)


def _outermost(tree: Tree, rows: Iterable[int], names: Collection[str]) -> list[int]:
    """These rows and those of some names, ascending, without what is inside another of them."""
    named = [row for row, tag in enumerate(tree.tags) if tag in names and row] if names else []
    kept, until = [], 0
    for row in sorted({*rows, *named}):
        if row >= until:
            kept.append(row)
            until = tree.ends[row]
    return kept


def _texts_inside(tree: Tree, row: int) -> list[str]:
    end = tree.ends[row]
    return [*tree.texts[row:end], *tree.tails[row + 1 : end]]


class _Finder:
    """Goes through a page once and says of each outermost hidden row why it is."""

    def __init__(self, tree: Tree, rules: frozenset[str], classes: frozenset[str]) -> None:
        self.tree = tree
        self.rules = rules
        self.classes = classes if "class name" in rules else frozenset()
        sheets = self._sheets() if "style sheet" in rules else []
        self.sheet = read_sheets(sheets, self._has)
        self.styles: dict[tuple[str, str, str, str], str | None] = {}
        self.drawn = 0

    def _sheets(self) -> list[str]:
        tree = self.tree
        return [
            tree.texts[row]
            for row, tag in enumerate(tree.tags)
            if tag == "style"
            and tree.tags[tree.parents[row]] not in ("noscript", "template")
            and is_for_screens((tree.attributes[row] or {}).get("media", ""))
        ]

    def _has(self, key: str) -> bool:
        """Whether the page has an element of a name, with a class after a dot or an id after #."""
        kind, name = key[0], key[1:]
        if kind == ".":
            return name in self._classes
        return name in self._ids if kind == "#" else key in self._tags

    @cached_property
    def _tags(self) -> frozenset[str]:
        return frozenset(self.tree.tags)

    @cached_property
    def _classes(self) -> frozenset[str]:
        every = {held["class"] for held in self.tree.attributes if held and "class" in held}
        return frozenset(" ".join(every).split())

    @cached_property
    def _ids(self) -> frozenset[str]:
        return frozenset(held["id"] for held in self.tree.attributes if held and "id" in held)

    def find(self) -> dict[int, str]:
        """The rule that hides each outermost hidden row, ascending."""
        tags, ends = self.tree.tags, self.tree.ends
        # Without frames, what stands for them is all there is.
        never = {tag: "element" for tag in _UNSHOWN - {"noframes"} if "element" in self.rules}
        if "comment" in self.rules:
            never[COMMENT] = "comment"
        found: dict[int, str] = {}
        until = 1
        for row in self._suspects():
            if row < until:
                continue
            rule = never.get(tags[row]) or self._rule(row)
            if rule is not None:
                found[row] = rule
                until = ends[row]
        return found

    def _suspects(self) -> list[int]:
        """The rows that some rule may be about, ascending."""
        tags, attributes = self.tree.tags, self.tree.attributes
        watched = _UNSHOWN | _SPECIAL | self.sheet.tags | {COMMENT}
        rows = {*compress(range(len(tags)), map(watched.__contains__, tags))}
        is_other = _NAMES.isdisjoint
        rows.update([row for row, held in enumerate(attributes) if held and not is_other(held)])
        classes, ids = self._named()
        for name, wanted in (("class", classes), ("id", ids)):
            if wanted:
                rows.update(
                    row
                    for row, held in enumerate(attributes)
                    if held and name in held and held[name] in wanted
                )
        return sorted(rows)

    def _named(self) -> tuple[set[str], set[str]]:
        """The class attributes and ids of the page that some rule may be about."""
        names = {name[1:] for name in self.sheet.keys if name[0] == "."} | self.classes
        ids = {name[1:] for name in self.sheet.keys if name[0] == "#"}
        if not names:
            return set(), ids
        every = {held.get("class", "") for held in self.tree.attributes if held is not None}
        return {several for several in every if not names.isdisjoint(several.split())}, ids

    def _rule(self, row: int) -> str | None:
        tag = self.tree.tags[row]
        rules = self.rules
        if tag == COMMENT:
            return "comment" if "comment" in rules else None
        if tag in ("body", "frameset"):
            return None
        if "element" in rules and self._is_unshown(row, tag):
            return "element"
        held = self.tree.attributes[row] or {}
        rule = self._attribute_rule(tag, held)
        return rule if rule is not None else self._style_rule(tag, held)

    @cached_property
    def framed(self) -> frozenset[int]:
        """Elements for readers without frames, of a page that has nothing else."""
        return framed_rows(self.tree)

    def _is_unshown(self, row: int, tag: str) -> bool:
        if tag in _UNSHOWN:
            return tag != "noframes" or row not in self.framed
        if tag == "svg":
            self.drawn = max(self.drawn, self.tree.ends[row])
        elif tag == "title":
            return self.tree.tags[self.tree.parents[row]] not in ("head", "html")
        return tag in _UNDRAWN and row < self.drawn

    def _attribute_rule(self, tag: str, held: Mapping[str, str]) -> str | None:
        rules = self.rules
        if "hidden" in held and "hidden attribute" in rules:
            return "hidden attribute"
        if held.get("aria-hidden", "").strip().lower() == "true" and "aria-hidden" in rules:
            return "aria-hidden"
        if "popover" in held and "popover" in rules:
            return "popover"
        if tag == "dialog" and "open" not in held and "closed dialog" in rules:
            return "closed dialog"
        if tag == "input" and held.get("type", "").strip().lower() == "hidden":
            return "hidden input" if "hidden input" in rules else None
        if self.classes and not self.classes.isdisjoint(held.get("class", "").split()):
            return "class name"
        return None

    def _style_rule(self, tag: str, held: Mapping[str, str]) -> str | None:
        who = ("", "", "", held.get("style", ""))
        if self.sheet:
            who = (tag, held.get("id", ""), held.get("class", ""), who[3])
        if who not in self.styles:
            own = declarations(who[3])
            rule = hidden_by(own)
            if self.sheet:
                whole = hidden_by(merged(self.sheet.style(tag, held), own))
                rule = whole if whole is None or rule is not None else "style sheet"
            self.styles[who] = rule if rule in self.rules else None
        return self.styles[who]


def _without_characters(tree: Tree, seen: Tree) -> tuple[Tree, list[Removed]]:
    """The tree without characters that have no width, and a report of each text they stood in."""
    texts, reports = _stripped(tree, seen, seen.texts, seen.origins)
    behind = [seen.origins[above] if above >= 0 else 0 for above in seen.parents]
    tails, more = _stripped(tree, seen, seen.tails, behind)
    if not reports and not more:
        return seen, []
    return replace(seen, texts=texts, tails=tails), reports + more


def _stripped(
    tree: Tree, seen: Tree, texts: Sequence[str], rows: Sequence[int]
) -> tuple[Sequence[str], list[Removed]]:
    made = list(texts)
    reports = []
    for place, text in enumerate(texts):
        hidden = find_hidden(text)
        if hidden:
            made[place] = without_hidden(text).text
            gone = "".join(text[i] for i in hidden)
            reports.append(Removed("invisible characters", rows[place], gone, tree))
    return (made if reports else texts), reports
