"""Pages of frames: what a reader without frames sees is their content."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from datapruner.context.html.build import COMMENT
from datapruner.context.html.tree import Tree

__all__ = ["framed_rows", "unframed"]

# What holds no text of the page; nothing is left of a page of frames without these.
_SILENT = frozenset({COMMENT, "head", "noframes", "script", "style"})


def unframed(tree: Tree, read: Callable[[str], Tree]) -> Tree:
    """The page with what its ``noframes`` elements say, read as HTML, inside them.

    A parser leaves their content as one raw text. It is only read where the page is a set of frames
    and nothing else, for elsewhere nobody sees it. Its html and body elements are left out.

    Args:
        tree: a page as it was parsed.
        read: parses a text.
    """
    shown = framed_rows(tree)
    if not shown:
        return tree
    page = _Columns()
    place: list[int] = []
    for row in range(len(tree)):
        above = tree.parents[row]
        place.append(page.add(tree, row, place[above] if above >= 0 else -1))
        if row in shown:
            page.put(read(tree.texts[row]), place[row])
    return page.tree()


def framed_rows(tree: Tree) -> frozenset[int]:
    """The ``noframes`` elements whose content is that of the page.

    Args:
        tree: a page, before or after their content is read.
    """
    if "frameset" not in tree.tags or not _is_framed(tree):
        return frozenset()
    rows = []
    until = 0
    for row, tag in enumerate(tree.tags):
        if tag == "noframes" and row >= until:
            rows.append(row)
            until = tree.ends[row]
    return frozenset(rows)


class _Columns:
    """The page with more in it, as it grows."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, int, str, str, Mapping[str, str] | None]] = []

    def add(self, tree: Tree, row: int, above: int) -> int:
        """One row of a tree inside another that is here already; its number."""
        said = tree.texts[row], tree.tails[row]
        self.rows.append((tree.tags[row], above, *said, tree.attributes[row]))
        return len(self.rows) - 1

    def put(self, inner: Tree, here: int) -> None:
        """The content of a page in place of a row's text, without its wrappers."""
        self.said(here, -1, inner.texts[0])
        last, place = -1, [here]
        for row in range(1, len(inner)):
            above = inner.parents[row]
            if above == 0 and inner.tags[row] == "body":
                place.append(here)
                self.said(here, last, inner.texts[row])
                continue
            place.append(self.add(inner, row, place[above]))
            last = place[row] if place[above] == here else last

    def said(self, here: int, last: int, text: str) -> None:
        """Text inside a row, behind its last child if there is one."""
        at = here if last < 0 else last
        tag, above, lead, tail, attributes = self.rows[at]
        lead, tail = (text, tail) if last < 0 else (lead, tail + text)
        self.rows[at] = (tag, above, lead, tail, attributes)

    def tree(self) -> Tree:
        """All of it."""
        tags, parents, texts, tails, attributes = map(list, zip(*self.rows, strict=True))
        return Tree(tags, parents, texts, tails, attributes, range(len(tags)))


def _is_framed(tree: Tree) -> bool:
    """Whether the page is a set of frames, and says nothing beside them."""
    frames = tree.tags.index("frameset")
    if tree.parents[frames] != 0:
        return False
    row = 0
    said = []
    while row < len(tree):
        said.append(tree.tails[row])
        if tree.tags[row] in _SILENT:
            row = tree.ends[row]
        else:
            said.append(tree.texts[row])
            row += 1
    return not any(text and not text.isspace() for text in said)
