"""The walk over a page that finds blocks, runs and headings: no recursion, each element once."""

from __future__ import annotations

from bisect import bisect_left

from datapruner.context.html.columns import Columns, Lengths
from datapruner.context.html.page import Page
from datapruner.context.html.roles import HEADINGS, LABELS, LEAKS, PREFORMATTED, is_block
from datapruner.context.html.runs import run_spans
from datapruner.context.html.scopes import Scopes

__all__ = ["Walk"]

# A row of a table is never split from its cells, unless it lays out a page.
_LARGEST_ROW = 4
# A table of few words has many tags: with them it may be so many times as large.
_WITH_TAGS = 2
_ANY = 64
# A heading is not cut, however small the blocks.
_SHORT = 32
_BEFORE_ROWS = frozenset(("caption", "col", "colgroup"))
# Of a small element, such as a header, at least this much is heading where it counts as one.
_MOSTLY = 0.5

# A shell that is open: its element, its row among the blocks, its next child, where the current run
# began, the first element of that, the heading to go back to, and whether lines are kept.
_Frame = tuple[int, int, int, int, int, int, bool]


class Walk:
    """One page in document order, with a stack of the shells that are open.

    Args:
        page: cleaned.
        code: its number.
        lengths: of its pieces.
        most: tokens of the largest block.
        columns: what the rows are written to.
    """

    def __init__(
        self, page: Page, code: int, lengths: Lengths, most: int, columns: Columns
    ) -> None:
        tree = page.tree
        self.tree, self.code, self.lengths, self.most = tree, code, lengths, most
        self.out = columns
        self.scopes = Scopes(page.title)
        self.ends = tree.ends
        self.blocks_before = lengths.blocks_before
        self.prices = lengths.prices_before
        self.largest = max(_WITH_TAGS * most, _ANY)
        named = HEADINGS.keys() | LABELS.keys()
        self.named = [row for row, tag in enumerate(tree.tags) if tag in named]
        self.stack: list[_Frame] = []
        self.lines = False
        self.after_dt = False

    def run(self) -> None:
        """Walk the page."""
        lengths = self.lengths
        if len(self.tree) and lengths.is_visible(lengths.opens[0], lengths.closes[0]):
            frame = self.element(0, -1, -1)
            self.stack = [] if frame is None else [frame]
            while self.stack:
                self.advance()

    def advance(self) -> None:
        """Go on in the innermost shell, to its next part that is a shell, or to its end."""
        element, shell, child, run, begin, heading, lines = self.stack.pop()
        self.lines = lines
        end = self.ends[element]
        blocks, ends, lengths = self.blocks_before, self.ends, self.lengths
        opens, closes, seen = lengths.opens, lengths.closes, lengths.seen_before
        while child < end:
            after = ends[child]
            if blocks[after] > blocks[child]:
                if seen[opens[child]] > seen[run]:
                    self.stretch(element, shell, run, opens[child], begin)
                run, begin = closes[child], after
                inner = self.element(child, element, shell)
                if inner is not None:
                    self.stack.append((element, shell, after, run, begin, heading, lines))
                    self.stack.append(inner)
                    return
            child = after
        if seen[closes[element]] > seen[run]:
            self.stretch(element, shell, run, closes[element], begin)
        if self.tree.tags[element] not in LEAKS:
            self.scopes.top = heading

    def element(self, row: int, above: int, shell: int) -> _Frame | None:
        """One element: a block if it fits, else a shell, whose frame is to be walked next."""
        lengths = self.lengths
        start, end = lengths.opens[row], lengths.closes[row]
        if lengths.seen_before[end] == lengths.seen_before[start]:
            return None
        tokens = lengths.tokens_before[end] - lengths.tokens_before[start]
        tag = self.tree.tags[row]
        if self.fits(row, tokens) or self.is_atom(row, tag, tokens):
            self.leaf(row, tag, above, shell, tokens)
            return None
        if tag in LEAKS:
            self.scopes.close(LABELS[tag])
        parent = self.scopes.parent(above, shell) if above >= 0 else -1
        index = self.out.add(self, "shell", row, start, start, row, parent, "")
        lines = self.lines or tag in PREFORMATTED
        return row, index, row + 1, start, row + 1, self.scopes.top, lines

    def fits(self, row: int, tokens: int) -> bool:
        """Whether an element is small enough: its text, and its tags with it."""
        tags = self.prices[self.ends[row]] - self.prices[row]
        return tokens <= self.most and tokens + tags <= self.largest

    def is_atom(self, row: int, tag: str, tokens: int) -> bool:
        """Whether an element that is too large is one block all the same."""
        if tag in HEADINGS or tag in LABELS:
            return tokens <= _SHORT
        if tag != "tr" or tokens > max(_LARGEST_ROW * self.most, _ANY):
            return False
        inside = self.tree.tags[row + 1 : self.ends[row]]
        return all(name in ("td", "th") or not is_block(name) for name in inside)

    def leaf(self, row: int, tag: str, above: int, shell: int, tokens: int) -> None:
        """A block, which may be a heading of what follows."""
        lengths = self.lengths
        start, end = lengths.opens[row], lengths.closes[row]
        level, named = self.level(row, tag, above, tokens)
        if level and not (level == LABELS["dt"] and self.after_dt):
            self.scopes.close(level)
        parent = self.scopes.parent(above, shell) if above >= 0 else -1
        text = lengths.pieces.text(start, end)
        index = self.out.add(
            self, "heading" if level else "block", row, start, end, row, parent, text
        )
        if level:
            said = text if named == row else lengths.pieces.text(*lengths.stretch(named))
            self.scopes.open(level, row, index, " ".join(said[:300].split()))
        self.after_dt = level == LABELS["dt"]

    def level(self, row: int, tag: str, above: int, tokens: int) -> tuple[int, int]:
        """The level of the heading that a block is, and the element that says it; 0: it is none."""
        if tag in HEADINGS:
            return HEADINGS[tag], row
        if tag in LABELS:
            return LABELS[tag], row
        if tag == "tr":
            return (LABELS["thead"], row) if self.is_header(row, above) else (0, row)
        place = bisect_left(self.named, row)
        if place == len(self.named) or self.named[place] >= self.ends[row]:
            return 0, row
        found = self.named[place]
        level = HEADINGS.get(self.tree.tags[found], 0)
        lengths = self.lengths
        if level and lengths.tokens(*lengths.stretch(found)) >= _MOSTLY * tokens:
            return level, found
        return 0, row

    def is_header(self, row: int, above: int) -> bool:
        """Whether a table row names the columns: it is in a thead, or the first and all in th."""
        tags, parents = self.tree.tags, self.tree.parents
        if above >= 0 and tags[above] == "thead":
            return True
        if above < 0:
            return False
        cells = [q for q in range(row + 1, self.ends[row]) if parents[q] == row]
        named = [q for q in cells if tags[q] == "th"]
        lengths = self.lengths
        blank = [q for q in cells if not lengths.is_visible(*lengths.stretch(q))]
        if not named or len({*named, *blank}) < len(cells):
            return False
        before = above + 1
        while before < row and tags[before] in _BEFORE_ROWS:
            before = self.ends[before]
        return before == row

    def stretch(self, element: int, shell: int, start: int, end: int, begin: int) -> None:
        """The run of text and inline elements between two places of a shell."""
        lengths = self.lengths
        self.after_dt = False
        parent = self.scopes.parent(element, shell)
        if lengths.tokens(start, end) <= self.most:
            text = lengths.pieces.text(start, end)
            self.out.add(self, "own_text", element, start, end, begin, parent, text)
            return
        text, spans = run_spans(lengths, start, end, begin, max(self.most, 1), lines=self.lines)
        for left, right, tags in spans:
            said = " ".join(text[left:right].split())
            if said:
                self.out.add(
                    self, "sentence", element, start, end, begin, parent, said, left, right, tags
                )
