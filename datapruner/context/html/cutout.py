"""The kept rows as a tree again: shells with their kept parts, runs trimmed to kept sentences."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence

from datapruner.context.html.blocks import Blocks
from datapruner.context.html.runs import run_pieces
from datapruner.context.html.tree import Tree

__all__ = ["cut_out"]

_FAR = 1 << 62


def cut_out(blocks: Blocks, code: int, rows: Iterable[int], ends: Mapping[int, int]) -> Tree | None:
    """The part of a page that is kept.

    Args:
        blocks: of all pages.
        code: which page.
        rows: its kept rows in ascending order, with all that comes along with them.
        ends: offsets at which sentences and runs are cut short.

    Returns:
        A tree of the kept elements; ``origins`` are those of the cleaned page. None where nothing
        is kept.
    """
    cutting = _Cutting(blocks, code)
    held: list[int] = []
    for row in rows:
        if held and not (
            blocks.start[row] >= 0
            and blocks.first[row] == blocks.first[held[0]]
            and blocks.row[row] == blocks.row[held[0]]
        ):
            cutting.sentences(held, ends)
            held = []
        if blocks.start[row] >= 0:
            held.append(row)
        else:
            cutting.whole(row, ends)
    if held:
        cutting.sentences(held, ends)
    return cutting.tree() if cutting.tags else None


class _Cutting:
    """Columns of the new tree."""

    def __init__(self, blocks: Blocks, code: int) -> None:
        self.blocks = blocks
        self.lengths = blocks.lengths[code]
        self.source = blocks.pages[code].tree
        self.tags: list[str] = []
        self.parents: list[int] = []
        self.texts: list[str] = []
        self.tails: list[str] = []
        self.attributes: list[Mapping[str, str] | None] = []
        self.origins: list[int] = []
        # Where each shell stands in the new tree, and the last child that it has there.
        self.place: dict[int, int] = {-1: -1}
        self.last: dict[int, int] = {}

    def tree(self) -> Tree:
        """What has been put together."""
        return Tree(self.tags, self.parents, self.texts, self.tails, self.attributes, self.origins)

    def whole(self, row: int, ends: Mapping[int, int]) -> None:
        """One kept row that is no sentence."""
        blocks, source = self.blocks, self.source
        element = blocks.row[row]
        kind = blocks.kind[row]
        if kind == "own_text":
            if row in ends:
                self.trimmed(row, [(0, ends[row])])
                return
            begin = blocks.begin[row]
            first = blocks.first[row]
            self.lead(element, self.lengths.pieces.strings[first])
            self.copy(element, begin, begin + (blocks.last[row] - first) // 2)
            return
        above = source.parents[element]
        here = len(self.tags)
        if kind == "shell":
            self.place[element] = here
            self.append(element, above, "", "")
            return
        self.copy(above, element, source.ends[element])
        self.tails[here] = ""

    def append(self, element: int, above: int, text: str, tail: str) -> None:
        """One element without its content."""
        source = self.source
        at = self.place[above]
        if at >= 0:
            self.last[at] = len(self.tags)
        self.tags.append(source.tags[element])
        self.parents.append(at)
        self.texts.append(text)
        self.tails.append(tail)
        self.attributes.append(source.attributes[element])
        self.origins.append(element)

    def copy(self, above: int, begin: int, end: int) -> None:
        """Elements with all their content, which follow each other under one parent."""
        if begin >= end:
            return
        source = self.source
        at = self.place[above]
        shift = len(self.tags) - begin
        tops = [q for q in range(begin, end) if source.parents[q] == above]
        self.tags += source.tags[begin:end]
        self.parents += [at if q == above else q + shift for q in source.parents[begin:end]]
        self.texts += source.texts[begin:end]
        self.tails += source.tails[begin:end]
        self.attributes += source.attributes[begin:end]
        self.origins += range(begin, end)
        if at >= 0:
            self.last[at] = tops[-1] + shift

    def lead(self, element: int, text: str) -> None:
        """Text at the end of what a shell has so far, parted from text that stands there."""
        at = self.place[element]
        last = self.last.get(at)
        column, place = (self.texts, at) if last is None else (self.tails, last)
        before = column[place]
        if before and text and not (before[-1].isspace() or text[0].isspace()):
            before += " "
        column[place] = before + text

    def sentences(self, rows: Sequence[int], ends: Mapping[int, int]) -> None:
        """The kept sentences of one run."""
        spans: list[tuple[int, int]] = []
        for row in rows:
            start, end = self.blocks.start[row], ends.get(row, self.blocks.end[row])
            if spans and spans[-1][1] == start:
                spans[-1] = (spans[-1][0], end)
            else:
                spans.append((start, end))
        self.trimmed(rows[0], spans)

    def trimmed(self, row: int, spans: Sequence[tuple[int, int]]) -> None:
        """The parts of a run inside the spans, with the elements that they touch."""
        blocks, source, lengths = self.blocks, self.source, self.lengths
        first, last, begin = blocks.first[row], blocks.last[row], blocks.begin[row]
        pieces = run_pieces(lengths, first, last, begin)
        offsets = [0]
        for piece in pieces:
            offsets.append(offsets[-1] + len(piece))
        kept = _kept_parts(pieces, offsets, spans)
        element = blocks.row[row]
        self.lead(element, kept[0])
        inner = {element: self.place[element]}
        for q in range(begin, begin + (last - first) // 2):
            start, end = lengths.opens[q] - first, lengths.closes[q] - first
            above = source.parents[q]
            is_kept = above in inner and _touched(offsets[start], offsets[end], spans)
            if not is_kept:
                # A tail stands in the parent, and may be kept without the element before it.
                if kept[end]:
                    self.lead_at(inner.get(above, inner[element]), kept[end])
                continue
            here = len(self.tags)
            inner[q] = here
            self.place[q] = here
            text = "" if source.tags[q] == "br" else kept[start]
            self.append(q, above, text, kept[end])

    def lead_at(self, at: int, text: str) -> None:
        """Text at the end of what an element of the new tree has so far."""
        last = self.last.get(at)
        if last is None:
            self.texts[at] += text
        else:
            self.tails[last] += text


def _kept_parts(
    pieces: Sequence[str], offsets: Sequence[int], spans: Sequence[tuple[int, int]]
) -> list[str]:
    kept = []
    place = 0
    for index, piece in enumerate(pieces):
        start, end = offsets[index], offsets[index + 1]
        while place < len(spans) and spans[place][1] <= start:
            place += 1
        parts = []
        at = place
        while at < len(spans) and spans[at][0] < end:
            left, right = spans[at]
            parts.append(piece[max(left - start, 0) : max(right - start, 0)])
            at += 1
        kept.append("".join(parts))
    return kept


def _touched(start: int, end: int, spans: Sequence[tuple[int, int]]) -> bool:
    """Whether a stretch of text is kept in part; of an empty one, whether it is inside a span."""
    last = bisect_right(spans, (max(end - 1, start), _FAR)) - 1
    return last >= 0 and spans[last][1] > start
