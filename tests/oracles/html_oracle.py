"""What a browser would show of a page, told from the elements one by one; slow and plain."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from datapruner.context.html.tree import Tree

__all__ = ["children", "markup", "shown", "words"]

BREAKING = {
    "html", "head", "body", "title", "div", "p", "section", "ul", "li", "table", "tr", "td", "h2",
    "pre", "nav", "br", "hr", "img", "input", "button", "textarea", "svg", "select", "option",
    "form", "object", "iframe",
}  # fmt: skip
VOID = {"br", "hr", "img", "wbr", "input"}


def children(tree: Tree, row: int) -> list[int]:
    return [child for child, above in enumerate(tree.parents) if above == row]


def pieces(tree: Tree, row: int, gone: Collection[int] = ()) -> Iterator[str]:
    """The text of an element with a space at every edge of a box; hidden rows leave nothing."""
    edge = " " if tree.tags[row] in BREAKING else ""
    if row not in gone:
        yield edge + tree.texts[row]
        for child in children(tree, row):
            yield from pieces(tree, child, gone)
        yield edge
    yield tree.tails[row]


def words(tree: Tree) -> list[str]:
    """The words of a page as they are seen."""
    return "".join(pieces(tree, 0)).split()


def shown(tree: Tree, gone: Collection[int] = ()) -> str:
    """All text but that of some rows, with nothing between."""
    texts = []
    if 0 not in gone:
        texts.append(tree.texts[0])
        texts += [within(tree, child, gone) for child in children(tree, 0)]
    return "".join(texts)


def within(tree: Tree, row: int, gone: Collection[int]) -> str:
    if row in gone:
        return tree.tails[row]
    inside = "".join(within(tree, child, gone) for child in children(tree, row))
    return tree.texts[row] + inside + tree.tails[row]


def markup(tree: Tree, row: int = 0, skip: Collection[str] = ("html", "head", "body")) -> str:
    """The page as HTML; text is not escaped."""
    tag = tree.tags[row]
    held = "".join(f' {name}="{value}"' for name, value in (tree.attributes[row] or {}).items())
    inside = tree.texts[row] + "".join(markup(tree, child, skip) for child in children(tree, row))
    start = "" if tag in skip else f"<{tag}{held}>"
    end = "" if tag in skip or tag in VOID else f"</{tag}>"
    return start + inside + end + tree.tails[row]
