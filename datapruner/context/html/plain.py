"""Trees as plain text: a line a block, cells parted by tabs."""

from __future__ import annotations

from datapruner.context.html.flow import Flow
from datapruner.context.html.numbering import item_numbers
from datapruner.context.html.page import Pieces
from datapruner.context.html.roles import PREFORMATTED, is_block
from datapruner.context.html.tree import Tree

__all__ = ["MARGINS", "events", "to_text"]

_PARAGRAPHS = (
    "h1 h2 h3 h4 h5 h6 p pre listing xmp plaintext blockquote figure table dl details fieldset "
    "article aside footer header main nav section title hr"
)
MARGINS = dict.fromkeys(_PARAGRAPHS.split(), 2)
"""Line feeds around a block; others, lists among them, have one."""


def to_text(tree: Tree) -> str:
    """The text of a tree.

    Blocks begin on new lines, paragraphs and headings behind an empty one; the cells of a row are
    parted by tabs; items of ordered lists have their numbers. White space is collapsed except in
    preformatted elements.

    Args:
        tree: any.
    """
    flow = Flow()
    numbers = item_numbers(tree)
    kept = 0
    cells = 0
    for place, piece in zip(events(tree), Pieces(tree).strings, strict=True):
        row = place if place >= 0 else ~place
        tag = tree.tags[row]
        if tag in ("td", "th"):
            if place >= 0 and cells:
                flow.verbatim("\t")
            cells += place >= 0
        elif tag == "br":
            flow.feed(1)
        elif is_block(tag):
            if row in numbers and place < 0:
                flow.close()
            flow.feed(MARGINS.get(tag, 1))
            if row in numbers and place >= 0:
                flow.open(f"{numbers[row]}. ", "")
            cells = 0 if tag == "tr" else cells
        if tag in PREFORMATTED:
            kept += 1 if place >= 0 else -1
        if kept and piece:
            flow.lines(piece)
        elif piece:
            flow.text(piece)
    return flow.result()


def events(tree: Tree) -> list[int]:
    """The start and the end of each row in document order: ``row``, and ``~row``."""
    pieces = Pieces(tree)
    found = [0] * (2 * len(tree))
    for row, (start, end) in enumerate(zip(pieces.opens, pieces.closes, strict=True)):
        found[start] = row
        found[end] = ~row
    return found
