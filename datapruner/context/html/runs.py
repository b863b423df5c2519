"""Runs: text with the inline elements in it, and where one that is too large is cut."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate

from datapruner.context.chunk import encodable
from datapruner.context.html.columns import Lengths
from datapruner.context.sentences import sentence_spans

__all__ = ["run_pieces", "run_spans"]


def run_pieces(lengths: Lengths, start: int, end: int, begin: int) -> list[str]:
    """The pieces of a run, a line feed for each ``br``.

    Args:
        lengths: of the page.
        start, end: places of the run.
        begin: its first element.
    """
    pieces = lengths.pieces.strings[start:end]
    tags, opens = lengths.pieces.tree.tags, lengths.opens
    for row in range(begin, begin + (end - start) // 2):
        if tags[row] == "br":
            pieces[opens[row] - start] = "\n"
    return pieces


def run_spans(
    lengths: Lengths, start: int, end: int, begin: int, most: int, *, lines: bool
) -> tuple[str, list[tuple[int, int, float]]]:
    """The text of a run, and the spans of its sentences or of its groups of lines.

    Args:
        lengths: of the page.
        start, end: places of the run.
        begin: its first element.
        most: tokens of a group of lines, unless one line has more.
        lines: cut at line ends only.

    Returns:
        The text, and spans that partition it, each with the price of the tags that it touches.
    """
    pieces = run_pieces(lengths, start, end, begin)
    text = "".join(pieces)
    if lines:
        spans = _line_groups(text, lengths, most)
    else:
        spans = [(int(left), int(right)) for left, right in sentence_spans(text).tolist()]
    prices = _tag_prices(lengths, start, end, begin, pieces, spans)
    return text, [(*span, price) for span, price in zip(spans, prices, strict=True)]


def _tag_prices(
    lengths: Lengths,
    start: int,
    end: int,
    begin: int,
    pieces: list[str],
    spans: list[tuple[int, int]],
) -> list[float]:
    """For each span the tags of all elements in which it has text, whoever else has."""
    offsets = list(accumulate(map(len, pieces), initial=0))
    starts = [left for left, _ in spans]
    prices = lengths.prices_before
    changes = [0.0] * (len(spans) + 1)
    for row in range(begin, begin + (end - start) // 2):
        left, right = offsets[lengths.opens[row] - start], offsets[lengths.closes[row] - start]
        price = float(prices[row + 1] - prices[row])
        changes[max(bisect_right(starts, left) - 1, 0)] += price
        changes[max(bisect_right(starts, max(right - 1, left)), 1)] -= price
    return list(accumulate(changes))[:-1]


def _line_groups(text: str, lengths: Lengths, most: int) -> list[tuple[int, int]]:
    lines = text.splitlines(keepends=True)
    counts = lengths.counter.count([encodable(line) for line in lines]).tolist()
    groups: list[tuple[int, int]] = []
    start = place = held = 0
    for line, count in zip(lines, counts, strict=True):
        if place > start and held + count > most:
            groups.append((start, place))
            start, held = place, 0
        place += len(line)
        held += count
    if place > start:
        groups.append((start, place))
    return groups
