"""What is kept where no block fits: as much of the best one as the budget has room for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from datapruner.context.html.blocks import Blocks
from datapruner.context.html.choose import Decision, with_ancestors
from datapruner.context.html.markup import escaped
from datapruner.context.html.render import Writer
from datapruner.context.html.runs import run_pieces
from datapruner.context.settle import cut_to_fit
from datapruner.context.wishes import Wishes
from datapruner.core.budget import Budget
from datapruner.core.order import best_first
from datapruner.core.reason import Reason
from datapruner.core.scores import Scores
from datapruner.core.select import select
from datapruner.core.selection import Selection

__all__ = ["choose_best"]

Count = Callable[[str], int]

_TRIED = 64
"""Rows that are looked at to fill a budget which has no room for tags: it has room for few."""


def choose_best(
    blocks: Blocks, scores: Scores, wishes: Wishes, write: Writer, count: Count
) -> Decision:
    """The best row alone, cut to the budget: at the end of a word, with every tag closed.

    Where even its tags cost more than the budget, its bare text, cut to fit; and the bare texts of
    the next best rows, whole, as far as they fit, in the order of the page.

    Args:
        blocks, scores, wishes, write, count: as ``choose`` has them.

    Returns:
        A decision with the flags ``fallback`` and, as it comes, ``cut`` and ``bare``; or one that
        keeps nothing, where not a character fits.
    """
    wanted = wishes.budget
    nothing = _nothing(scores, wanted)
    before = count(write(range(blocks.items.n))) if wanted.share_of == "cost" else None
    _, limit = wishes.in_tokens(int(blocks.items.total_cost) if before is None else before, 0)
    ranked = scores.only_contenders(best_first(scores.values, scores.items.tie_keys()))
    none_wanted = wanted.count == 0 or wanted.per_group == 0
    if not ranked.size or limit < 1 or none_wanted:
        return Decision(nothing, "", 0, before, flags=("empty",))
    row = int(ranked[0])
    for cut in (_Tagged(blocks, write, row), _Bare(blocks, write, row)):
        price = _Price(cut, count)
        # Tags that are too dear are so whatever stands in them: no need to try many lengths.
        length = cut_to_fit(cut.text, price, limit) if price(1) <= limit else 0
        if length:
            rows, said = [row], cut.said(length)
            flags = ("fallback", *cut.flags, *(["cut"] if length < len(cut.text) else []))
            if isinstance(cut, _Bare) and length == len(cut.text) and wishes.fill == "skip":
                rows += _next_best(cut, scores, ranked[1:_TRIED].tolist(), wanted, count, limit)
                said = cut.said(length, rows)
            kept = _kept(nothing, rows)
            return Decision(kept, said, count(said), before, cut.ends(length), flags)
    return Decision(nothing, "", 0, before, flags=("empty",))


def _next_best(
    cut: _Bare, scores: Scores, others: list[int], wanted: Budget, count: Count, limit: float
) -> list[int]:
    """Which rows still fit whole beside the best one, the best first."""
    of_rows = wanted.share is not None and wanted.share_of == "items"
    if of_rows or wanted.count is not None or wanted.per_group is not None:
        return []
    lowest = -np.inf if wanted.threshold is None else wanted.threshold
    kept: list[int] = []
    for row in others:
        if scores.values[row] < lowest:
            break
        if count(cut.said(len(cut.text), [cut.row, *kept, row])) <= limit:
            kept.append(row)
    return kept


@dataclass(frozen=True)
class _Price:
    """What the first so many characters of a cut cost."""

    cut: _Tagged | _Bare
    count: Count

    def __call__(self, length: int) -> int:
        return self.count(self.cut.said(length))


class _Tagged:
    """A sentence or run with all the tags around it; without any text for a whole element."""

    flags: tuple[str, ...] = ()

    def __init__(self, blocks: Blocks, write: Writer, row: int) -> None:
        self.write, self.row = write, row
        self.rows = with_ancestors(blocks.items, [row])
        self.start, self.text = max(blocks.start[row], 0), ""
        if blocks.kind[row] in ("sentence", "own_text"):
            lengths = blocks.lengths[blocks.page[row]]
            first, last, begin = blocks.first[row], blocks.last[row], blocks.begin[row]
            end = blocks.end[row] if blocks.end[row] >= 0 else None
            self.text = "".join(run_pieces(lengths, first, last, begin))[self.start : end]

    def ends(self, length: int) -> dict[int, int]:
        """Where the row ends when so much of it is kept."""
        return {self.row: self.start + length}

    def said(self, length: int) -> str:
        """So much of it as rendered."""
        return self.write(self.rows, self.ends(length))


class _Bare:
    """The text of a row without any tags."""

    flags = ("bare",)

    def __init__(self, blocks: Blocks, write: Writer, row: int) -> None:
        self.blocks, self.to = blocks, write.to
        self.text, self.row = blocks.text(row), row

    def ends(self, length: int) -> dict[int, int]:
        """Where the row ends when so much of it is kept."""
        return {self.row: length}

    def said(self, length: int, rows: Sequence[int] = ()) -> str:
        """So much of it, with other rows whole, escaped where the output is HTML."""
        texts = {row: self.blocks.text(row) for row in rows} | {self.row: self.text[:length]}
        text = "\n".join(" ".join(texts[row].split()) for row in sorted(texts))
        return escaped([text])[0] if self.to == "html" else text


def _kept(nothing: Selection, rows: list[int]) -> Selection:
    reasons = nothing.reasons.copy()
    reasons[with_ancestors(nothing.scores.items, rows)] = Reason.ANCESTOR
    reasons[rows] = Reason.FALLBACK
    return replace(nothing, order=np.array(rows, dtype=np.int64), reasons=reasons)


def _nothing(scores: Scores, wanted: Budget) -> Selection:
    nothing = select(scores, Budget(count=0), pick="high")
    provenance = replace(nothing.provenance, budget=str(wanted))
    return replace(nothing, provenance=provenance)
