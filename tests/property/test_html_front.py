"""Parsing, hiding and cleaning on pages that nobody would write."""

from __future__ import annotations

import strategies
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.html_oracle import children, markup, shown, words

from datapruner.context.html.clean import LEVELS, clean
from datapruner.context.html.flat import parse_flat
from datapruner.context.html.hiding import visible
from datapruner.context.html.parse import parse
from datapruner.context.html.removal import without_rows
from datapruner.context.html.tree import Tree

MANY = settings(max_examples=300, deadline=None)


def columns(tree: Tree) -> tuple[list[object], ...]:
    held = [dict(some) if some else None for some in tree.attributes]
    return (
        list(tree.tags),
        list(tree.parents),
        list(tree.texts),
        list(tree.tails),
        held,  # type: ignore[return-value]
    )


def check_shape(tree: Tree) -> None:
    """One root; rows in document order, each inside an element that is still open."""
    n = len(tree)
    assert n
    assert tree.parents[0] == -1
    assert tree.tails[0] == ""
    for column in (tree.parents, tree.texts, tree.tails, tree.attributes, tree.origins):
        assert len(column) == n
    open_ = [0]
    for row in range(1, n):
        above = tree.parents[row]
        assert above in open_
        del open_[open_.index(above) + 1 :]
        open_.append(row)
    assert list(tree.origins) == sorted(set(tree.origins))


@MANY
@given(strategies.html())
def test_any_markup_gives_a_tree(page: str) -> None:
    for given_as in (page, page.encode("utf-8", "surrogatepass"), page.encode("utf-16", "replace")):
        check_shape(parse(given_as).tree)
    check_shape(parse_flat(page).tree())


@MANY
@given(st.binary(max_size=200))
def test_any_bytes_give_a_tree(page: bytes) -> None:
    check_shape(parse(page).tree)


@MANY
@given(strategies.html())
def test_what_is_seen_is_cleaned_at_every_level(page: str) -> None:
    seen, removed = visible(parse(page).tree)
    check_shape(seen)
    assert not {"script", "style", "comment()", "template"} & set(seen.tags)
    for part in removed:
        assert part.path.startswith("/html")
        assert len(part.text) <= 80
    for level in LEVELS:
        check_shape(clean(seen, level))


@MANY
@given(strategies.trees(), st.integers(0, 2**24 - 1))
def test_removing_rows_removes_their_text_and_no_other(tree: Tree, chosen: int) -> None:
    rows = [row for row in range(1, len(tree)) if chosen >> row & 1]
    inside: set[int] = set()
    for row in range(len(tree)):
        if tree.parents[row] in inside or (row in rows):
            inside.add(row)
    tops = [row for row in rows if tree.parents[row] not in inside]
    made = without_rows(tree, tops)
    check_shape(made)
    assert shown(made) == shown(tree, tops)
    assert list(made.origins) == [row for row in range(len(tree)) if row not in inside]


@MANY
@given(strategies.trees(), st.sampled_from(["lossless", "text"]))
def test_cleaning_keeps_every_word_and_fuses_none(tree: Tree, level: str) -> None:
    assert words(clean(tree, level)) == words(tree)


@MANY
@given(strategies.trees(), st.sampled_from(LEVELS), st.sampled_from([(), ("href", "class")]))
def test_cleaning_again_changes_nothing(tree: Tree, level: str, keep: tuple[str, ...]) -> None:
    once = clean(tree, level, keep=keep)
    again = clean(once, level, keep=keep)
    assert columns(again) == columns(once)
    assert list(again.origins) == list(once.origins)


@MANY
@given(strategies.trees())
def test_the_input_is_left_alone(tree: Tree) -> None:
    before = columns(tree)
    visible(tree)
    for level in LEVELS:
        clean(tree, level)
    assert columns(tree) == before


@MANY
@given(strategies.trees())
def test_no_wrapper_and_nothing_empty_is_left(tree: Tree) -> None:
    made = clean(tree)
    for row in range(1, len(made)):
        inside = children(made, row)
        text = made.texts[row] + "".join(made.tails[child] for child in inside)
        if not inside and not text.strip():
            in_pre = {made.tags[above] for above in ancestors(made, row)} & {"pre", "code"}
            assert made.tags[row] in {"td", "br", "hr"} or in_pre
        if made.tags[row] == "div" and len(inside) == 1 and not text.strip():
            assert made.attributes[row] or made.tags[inside[0]] not in {"div", "p", "ul", "pre"}


def ancestors(tree: Tree, row: int) -> list[int]:
    found = []
    while row >= 0:
        found.append(row)
        row = tree.parents[row]
    return found


@MANY
@given(strategies.trees())
def test_both_parsers_read_well_formed_markup_alike(tree: Tree) -> None:
    plain = {"div", "span", "b", "em", "section", "br", "x-note", "html"}
    tags = [tag if tag in plain else "div" for tag in tree.tags]
    inline = [tag not in ("div", "section", "html") for tag in tags]
    # A block inside a line element would be moved; so all inside those is one.
    for row in range(1, len(tree)):
        if inline[tree.parents[row]] and not inline[row]:
            tags[row] = "span"
            inline[row] = True
    page = markup(Tree(tags, tree.parents, tree.texts, tree.tails, tree.attributes, tree.origins))
    fast, flat = parse("<body><p>x</p>" + page), parse_flat("<body><p>x</p>" + page)
    assert fast.flags == ()
    assert columns(fast.tree) == columns(flat.tree())
