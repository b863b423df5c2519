"""Trees as Markdown: headings, nested lists, tables, code, and links where cleaning left them."""

from __future__ import annotations

import re
from itertools import accumulate

from datapruner.context.html.flow import Flow
from datapruner.context.html.numbering import item_numbers
from datapruner.context.html.page import Pieces
from datapruner.context.html.plain import MARGINS, events
from datapruner.context.html.roles import HEADINGS, PREFORMATTED, is_block
from datapruner.context.html.tree import Tree

__all__ = ["to_markdown"]

# What would be read as a mark at the start of a line, and a tag anywhere.
_MARK = re.compile(r"(?:[#>+*-]+(?=\s|\Z)|\d{1,9}[.)](?=\s|\Z)|={3,}|-{3,}|`{3,}|~{3,})")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_TICKS = re.compile(r"`+")
_NOT_IN_CELLS = frozenset(
    ("table", "pre", "ul", "ol", "dl", "blockquote", "p", "figure", *HEADINGS)
)


def to_markdown(tree: Tree) -> str:
    """The tree as Markdown.

    Headings, lists with their numbers, block quotations, fenced code, inline code, tables with a
    separator below the first row, links and images that still have their addresses. No emphasis:
    it costs tokens and says little. A table that holds other tables, lists, paragraphs or headings
    lays out a page, and its cells are written as blocks. Text that would be read as a mark is
    escaped.

    Args:
        tree: any.
    """
    return _Writing(tree).run()


class _Writing:
    """One tree on its way into lines."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.flow = Flow()
        self.preformatted: list[str] | None = None
        self.fenced = -1
        self.code = -1
        self.coded: list[str] = []
        self.table = -1
        self.cells: list[list[str]] = []
        self.cell: Flow | None = None
        self.line = 0
        blocks = [tag in _NOT_IN_CELLS for tag in tree.tags]
        self.blocks_before = list(accumulate(blocks, initial=0))
        self.numbers = item_numbers(tree)

    def run(self) -> str:
        """Write everything."""
        for place, piece in zip(events(self.tree), Pieces(self.tree).strings, strict=True):
            if place >= 0:
                self.enter(place, self.tree.tags[place])
            else:
                self.leave(~place, self.tree.tags[~place])
            if piece:
                self.text(piece)
        return self.flow.result()

    def text(self, text: str) -> None:
        """A text or a tail."""
        if self.preformatted is not None:
            self.preformatted.append(text)
        elif self.code >= 0:
            self.coded.append(text)
        elif self.cell is not None:
            self.cell.text(_TAG.sub(r"\\<", text).replace("|", "\\|"))
        elif self.table < 0 or not text.isspace():
            said = _TAG.sub(r"\\<", text)
            if self.flow.at_start and _MARK.match(said.lstrip()):
                bare = said.lstrip()
                mark = _MARK.match(bare)
                # The number of an enumeration is escaped at its point, anything else at its start.
                at = mark.end() - 1 if mark and bare[0].isdigit() else 0
                said = f"{bare[:at]}\\{bare[at:]}"
            self.flow.text(said)

    def enter(self, row: int, tag: str) -> None:
        """A start tag."""
        if self.preformatted is not None:
            if tag == "br":
                self.preformatted.append("\n")
            return
        into = self.cell or self.flow
        if tag == "br":
            if self.cell is None:
                into.feed(1)
            else:
                into.text(" ")
        elif tag == "code" and self.code < 0:
            self.code = row
        elif tag == "a" and self.address(row, "href"):
            self.mark(into, "[")
        elif tag == "img":
            self.image(into, row)
        elif self.table >= 0:
            self.enter_table(row, tag)
        elif is_block(tag):
            self.enter_block(row, tag)

    def enter_block(self, row: int, tag: str) -> None:
        """The start of a block outside tables."""
        flow = self.flow
        flow.feed(MARGINS.get(tag, 1))
        if tag in HEADINGS:
            flow.open("#" * HEADINGS[tag] + " ", "")
        elif tag == "li":
            mark = self.bullet(row)
            flow.open(mark, " " * len(mark))
        elif tag == "blockquote":
            flow.open("> ", "> ")
        elif tag == "dd":
            flow.open(": ", "  ")
        elif tag == "hr":
            flow.verbatim("---")
            flow.feed(2)
        elif tag in PREFORMATTED:
            self.preformatted, self.fenced = [], row
        elif tag == "table":
            end = self.tree.ends[row]
            if self.blocks_before[end] == self.blocks_before[row + 1]:
                self.table, self.cells = row, []
                flow.feed(2)

    def enter_table(self, row: int, tag: str) -> None:
        """A start tag inside a table."""
        if tag == "tr":
            self.cells.append([])
        elif tag in ("td", "th") and self.cell is None:
            self.cell = Flow()
            if not self.cells:
                self.cells.append([])
        elif is_block(tag):
            (self.cell or self.flow).text(" ")

    def leave(self, row: int, tag: str) -> None:
        """An end tag."""
        if self.preformatted is not None:
            if row == self.fenced:
                self.fence()
            return
        into = self.cell or self.flow
        if row == self.code:
            self.inline_code(into)
        elif tag == "a" and self.address(row, "href"):
            self.mark(into, f"]({self.address(row, 'href')})")
        elif self.table >= 0:
            self.leave_table(row, tag)
        elif is_block(tag):
            if tag in HEADINGS or tag in ("li", "blockquote", "dd"):
                self.flow.close()
            self.flow.feed(MARGINS.get(tag, 1))

    def leave_table(self, row: int, tag: str) -> None:
        """An end tag inside a table, or that of the table."""
        if tag in ("td", "th") and self.cell is not None:
            self.cells[-1].append(self.cell.result())
            self.cells[-1] += [""] * (self.span(row) - 1)
            self.cell = None
        elif tag == "caption":
            self.flow.feed(2)
        elif row == self.table:
            self.table = -1
            self.write_table()

    def write_table(self) -> None:
        """The rows with a separator below the first."""
        rows = [cells for cells in self.cells if cells]
        self.cells = []
        width = max(map(len, rows), default=0)
        self.flow.feed(2)
        for number, cells in enumerate(rows):
            self.flow.feed(1)
            self.flow.verbatim(f"| {' | '.join([*cells, *[''] * (width - len(cells))])} |")
            if not number:
                self.flow.feed(1)
                self.flow.verbatim(f"|{' --- |' * width}")
        self.flow.feed(2)

    def span(self, row: int) -> int:
        """How many columns a cell takes, where that is known and reasonable."""
        said = (self.tree.attributes[row] or {}).get("colspan", "")
        return min(int(said), 100) if said.isascii() and said.isdigit() and int(said[:4]) else 1

    def bullet(self, row: int) -> str:
        """The mark of a list item."""
        number = self.numbers.get(row)
        return "- " if number is None else f"{number}. "

    def address(self, row: int, name: str) -> str:
        """An address as it can stand between brackets."""
        said = (self.tree.attributes[row] or {}).get(name, "").strip()
        return said.replace(" ", "%20").replace("(", "%28").replace(")", "%29")

    def mark(self, into: Flow, mark: str) -> None:
        """A mark inside running text."""
        into.text(mark)

    def image(self, into: Flow, row: int) -> None:
        """An image with its address, or what stands for it."""
        said = " ".join((self.tree.attributes[row] or {}).get("alt", "").split())
        source = self.address(row, "src")
        if source:
            into.text(f"![{said}]({source})")
        elif said:
            into.text(said)

    def inline_code(self, into: Flow) -> None:
        """Code in running text, between more backticks than it holds."""
        said = " ".join("".join(self.coded).split())
        self.code, self.coded = -1, []
        if not said:
            return
        ticks = "`" * (1 + max(map(len, _TICKS.findall(said)), default=0))
        pad = " " if said[0] == "`" or said[-1] == "`" else ""
        into.text(f"{ticks}{pad}{said}{pad}{ticks}".replace("|", "\\|" if self.cell else "|"))

    def fence(self) -> None:
        """Preformatted text between fences that it does not hold itself."""
        said = "".join(self.preformatted or ()).strip("\n")
        self.preformatted, self.fenced = None, -1
        if said.strip():
            longest = max(map(len, _TICKS.findall(said)), default=0)
            ticks = "`" * max(3, longest + 1)
            self.flow.lines(f"{ticks}\n{said}\n{ticks}")
        self.flow.feed(2)
