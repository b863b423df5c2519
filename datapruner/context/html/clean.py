"""Markup that means nothing out of a page: attributes, empty elements, wrappers, white space."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import compress

import numpy as np

from datapruner.context.html.build import COMMENT
from datapruner.context.html.collapse import EMPTY, compact
from datapruner.context.html.display import PREFORMATTED
from datapruner.context.html.flatten import flattened
from datapruner.context.html.numbering import renumbered, told_numbers
from datapruner.context.html.removal import without_rows
from datapruner.context.html.tree import Tree
from datapruner.errors import InputError, nearest

__all__ = ["ATTRIBUTES", "FEATURES", "LEVELS", "clean", "read_names"]

LEVELS = ("lossless", "minimal", "text")
"""How much is cleaned, the default first."""

ATTRIBUTES = frozenset({"colspan", "rowspan", "scope", "datetime", "lang", "dir"})
"""Attributes that always stay: they say what belongs together, when, and how it is read."""

FEATURES = frozenset(
    {"href", "src", "alt", "title", "id", "class", "start", "value", "type", "name"}
)
"""What else may be kept. ``alt`` stays as text, ``[image: ...]``, where the image goes."""

_NUMBERS = frozenset({"start", "value", "reversed"})

_WHITE = "\t\n\r\f"
# Runs of spaces become one, the longest first, so that few passes are left for the short ones.
_RUNS = (" " * 16, " " * 4, " " * 2)
_LINKS = frozenset({"href", "src"})
_SCRIPTED = re.compile(r"[\s\x00-\x20]*(javascript|vbscript|data)[\s]*:", re.IGNORECASE)


def clean(tree: Tree, level: str = "lossless", *, keep: Collection[str] = ()) -> Tree:
    """The page without what costs tokens and says nothing.

    ``lossless`` leaves out attributes, comments, elements without content (but not empty cells,
    ``br`` and ``hr``), and elements around a single other one that mean nothing by themselves; it
    makes one space of every run of white space outside ``pre``, ``textarea`` and ``code``. The text
    stays as a browser shows it: where a box goes that stood between two words, there is a space,
    and items of ordered lists keep their numbers.
    ``minimal`` leaves out comments alone, and white space around head and body. ``text`` is
    ``lossless`` with no inline elements left: every block holds its text.

    Cleaning again changes nothing. The tree is not changed; hidden content is
    `datapruner.context.html.hiding`'s, and goes first.

    Args:
        tree: a page.
        level: one of `LEVELS`.
        keep: features that stay beside `ATTRIBUTES`, of `FEATURES`.

    Raises:
        InputError: no such level or feature.
    """
    if level not in LEVELS:
        raise InputError(
            f"no level of cleaning is named {level!r}. Take one of {', '.join(LEVELS)}."
            + nearest(level, LEVELS)
        )
    strange = sorted(set(keep) - FEATURES)
    if strange:
        raise InputError(
            f"nothing is kept under the name {strange[0]!r}. Take some of "
            f"{', '.join(sorted(FEATURES))}." + nearest(strange[0], FEATURES)
        )
    if level == "minimal":
        return _without_air(_without_comments(tree))
    kept = frozenset(keep)
    tree = _without_comments(tree)
    made = _lossless(tree, kept, ATTRIBUTES | kept)
    if level == "text":
        made = _lossless(flattened(made), kept, ATTRIBUTES)
    return renumbered(made, told_numbers(tree)) if "ol" in tree.tags else made


def read_names(level: str, keep: Collection[str]) -> frozenset[str] | None:
    """The attributes that cleaning looks at; None: all of them.

    Args:
        level, keep: as for ``clean``.
    """
    return None if level == "minimal" else ATTRIBUTES | _NUMBERS | frozenset(keep)


def _lossless(tree: Tree, keep: frozenset[str], names: frozenset[str]) -> Tree:
    spans = _preformatted(tree)
    bare = Tree(
        tree.tags,
        tree.parents,
        _collapsed(tree.texts, [(start, end) for start, end in spans]),
        _collapsed(tree.tails, [(start + 1, end) for start, end in spans]),
        _attributes(tree, names),
        tree.origins,
    ).knowing(np.asarray(tree.ends))
    if "src" in keep:
        return compact(bare, spans, {}, EMPTY | {"img"})
    return compact(bare, spans, _images(tree) if "alt" in keep else {})


def _preformatted(tree: Tree) -> list[tuple[int, int]]:
    """The rows whose white space means something, as ascending ranges; blank ones are not."""
    if PREFORMATTED.isdisjoint(tree.tags):
        return []
    spans = []
    until = 0
    for row in compress(range(len(tree)), map(PREFORMATTED.__contains__, tree.tags)):
        if row >= until:
            until = tree.ends[row]
            inside = (*tree.texts[row:until], *tree.tails[row + 1 : until])
            if not all(map(_is_blank, inside)):
                spans.append((row, until))
    return spans


def _is_blank(text: str) -> bool:
    return not text or text.isspace()


def _collapsed(texts: Sequence[str], spans: list[tuple[int, int]]) -> list[str]:
    """The texts with each run of white space as one space, but as they are in the spans."""
    # One pass over all of them: texts hold no control characters, unless a caller made them.
    made = _one_spaced("\0".join(texts)).split("\0")
    if len(made) != len(texts):
        made = list(map(_one_spaced, texts))
    for start, end in spans:
        made[start:end] = texts[start:end]
    return made


def _one_spaced(text: str) -> str:
    """The text with each run of white space as one space."""
    for white in _WHITE:
        text = text.replace(white, " ")
    for run in _RUNS:
        while run in text:
            text = text.replace(run, " ")
    return text


def _attributes(tree: Tree, names: frozenset[str]) -> list[Mapping[str, str] | None]:
    """The attributes that stay, without links that are scripts or whole files."""
    return [
        None if held is None or names.isdisjoint(held) else _some(held, names)
        for held in tree.attributes
    ]


def _some(held: Mapping[str, str], names: frozenset[str]) -> Mapping[str, str] | None:
    kept = {
        name: value
        for name, value in held.items()
        if name in names and not (name in _LINKS and _SCRIPTED.match(value))
    }
    return kept or None


def _images(tree: Tree) -> dict[int, str]:
    """What stands for each image that says what it shows."""
    images = {}
    for row, tag in enumerate(tree.tags):
        if tag == "img":
            words = " ".join((tree.attributes[row] or {}).get("alt", "").split())
            if words:
                images[row] = f"[image: {words}]"
    return images


def _without_comments(tree: Tree) -> Tree:
    """The tree without comments; the text behind each goes to what is before it."""
    if COMMENT not in tree.tags:
        return tree
    return without_rows(tree, [row for row, tag in enumerate(tree.tags) if tag == COMMENT])


def _without_air(tree: Tree) -> Tree:
    """The tree without white space around the body's content, of which parsers keep just some."""
    parents = tree.parents
    below = [row for row, above in enumerate(parents) if above == 0]
    if tree.tags[0] != "html" or not {"head", "body"}.issuperset(tree.tags[row] for row in below):
        return tree
    heads = {row for row in below if tree.tags[row] == "head"}
    last = {above: row for row, above in enumerate(parents)}
    behind = {row for row, above in enumerate(parents) if above == 0 or above in heads}
    behind.update(last[row] for row in below if row in last)
    texts, tails = list(tree.texts), list(tree.tails)
    for said, rows in ((texts, (0, *below)), (tails, behind)):
        for row in rows:
            if _is_blank(said[row]):
                said[row] = ""
    if texts == tree.texts and tails == tree.tails:
        return tree
    return replace(tree, texts=texts, tails=tails)
