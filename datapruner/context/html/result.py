"""PrunedHtml: the pruned pages, what they cost, and what became of every block."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from datapruner.context.html.blocks import Blocks
from datapruner.context.html.hiding import Removed
from datapruner.context.html.render import FORMATS, render
from datapruner.context.told import frame_of, line_of, short, story_of
from datapruner.context.wishes import check_one_of
from datapruner.core.reason import Reason
from datapruner.core.selection import Selection
from datapruner.errors import InputError

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Block", "PrunedHtml"]


@dataclass(frozen=True)
class Block:
    """One block and what became of it.

    Attributes:
        source: of its page.
        page: number of its page in the call.
        index: number of its row in the call, which ``explain`` takes.
        xpath: of its element in the page as parsed; of runs and sentences of the element that they
            stand in.
        kind: ``"block"``, ``"heading"``, ``"own_text"`` or ``"sentence"``.
        text: plain, white space collapsed; of one that was cut to fit, the whole of it.
        score: what the scorer gave it; a heading with something under it has none of its own.
        tokens: its price: of its text and tags, by themselves.
        reason: name of the ``Reason`` in lower case: ``admitted``, ``ancestor`` and ``fallback`` of
            kept ones, ``threshold``, ``cost`` ... of others.
    """

    source: str
    page: int
    index: int
    xpath: str
    kind: str
    text: str
    score: float
    tokens: int
    reason: str


@dataclass(frozen=True, eq=False)
class PrunedHtml:
    """What a pruner made of some pages.

    Attributes:
        text: what to send.
        tokens: of ``text``, by the caller's counter; never above the budget.
        to: ``"html"``, ``"markdown"`` or ``"text"``.
        query: as given.
        counter: name of the counter.
        removed: what was hidden from a reader of the pages and taken out first.
        flags: what a caller may want to act on: ``no_query`` (blocks were ranked without one),
            ``scorer_failed``, ``hidden`` (something was), ``empty`` (nothing kept), ``finer`` (the
            best block did not fit, so that pages were cut into sentences), ``fallback`` (the best
            of those did not fit either), ``cut`` (it was shortened to fit), ``bare`` (the budget
            was too small for any tags), and what the parser had to say.
        notes: sentences for a human reader.
        selection: the decision in the library's own terms.
        blocks: its rows.
        ends: offsets at which rows were cut short.
        measure: the counter for one text.
    """

    text: str
    tokens: int
    to: str
    query: str
    counter: str
    removed: tuple[Removed, ...]
    flags: tuple[str, ...]
    notes: tuple[str, ...]
    selection: Selection = field(repr=False)
    blocks: Blocks = field(repr=False)
    ends: Mapping[int, int] = field(repr=False)
    measure: Callable[[str], int] = field(repr=False)

    def __repr__(self) -> str:
        """One line: how many tokens, in how many blocks."""
        flags = f", {', '.join(self.flags)}" if self.flags else ""
        kept = len(self.selection)
        return f"PrunedHtml({self.tokens:,} tokens, {kept} of {self._offered} blocks{flags})"

    @property
    def _offered(self) -> int:
        return self.blocks.items.countable

    @cached_property
    def tokens_before(self) -> int:
        """Tokens of the cleaned pages in the same format; rendered and counted when asked for."""
        return self.measure(render(self.blocks, range(len(self.blocks)), self.to))

    def render(self, to: str) -> str:
        """The same blocks in another format; the budget was for ``text`` and its format.

        Args:
            to: ``"html"``, ``"markdown"`` or ``"text"``.

        Raises:
            InputError: no such format.
        """
        check_one_of("to", to, FORMATS)
        if to == self.to:
            return self.text
        return render(self.blocks, np.flatnonzero(self.selection.mask).tolist(), to, self.ends)

    @cached_property
    def kept(self) -> tuple[Block, ...]:
        """The kept blocks and headings in document order."""
        return tuple(self._blocks(np.flatnonzero(self.selection.mask).tolist()))

    @cached_property
    def dropped(self) -> tuple[Block, ...]:
        """The other blocks and headings in document order."""
        return tuple(self._blocks(np.flatnonzero(~self.selection.mask).tolist()))

    def _blocks(self, rows: list[int]) -> Iterator[Block]:
        blocks, items = self.blocks, self.blocks.items
        paths = items.features["path"]
        for row in rows:
            if blocks.kind[row] == "shell":
                continue
            yield Block(
                blocks.pages[blocks.page[row]].source,
                blocks.page[row],
                row,
                paths[row],
                blocks.kind[row],
                " ".join(blocks.text(row).split()),
                float(self.selection.scores.values[row]),
                int(items.cost[row]),
                Reason(int(self.selection.reasons[row])).name.lower(),
            )

    def explain(self, index: int | None = None) -> str:
        """Why blocks were kept or dropped, as text.

        Args:
            index: a block's number, for its whole story; None for a line on every block.

        Raises:
            InputError: there is no block of that number.
        """
        if index is None:
            return "\n".join(self._lines())
        kinds = self.blocks.kind
        if not (isinstance(index, int) and 0 <= index < len(kinds)) or kinds[index] == "shell":
            known = [block.index for block in (*self.kept, *self.dropped)][:5]
            raise InputError(f"there is no block {index!r}; the first are {known}.")
        name = f"block {index}, {self.blocks.items.features['path'][index]}"
        return story_of(self.selection, index, name, self.blocks.text(index))

    def _lines(self) -> Iterator[str]:
        yield f"{self.tokens:,} of {self.tokens_before:,} tokens ({self.counter})"
        yield from (f"note: {note}" for note in self.notes)
        yield from (
            f"hidden: {part.path} ({part.rule}) {short(part.text)}" for part in self.removed
        )
        for block in self._parts():
            yield line_of(block, f"{block.index:<4}", block.xpath)

    def _parts(self) -> list[Block]:
        return sorted((*self.kept, *self.dropped), key=lambda b: b.index)

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON-safe values; equal to itself after a round trip through JSON."""
        p = self.selection.provenance
        return {
            "text": self.text,
            "to": self.to,
            "tokens": self.tokens,
            "tokens_before": self.tokens_before,
            "query": self.query,
            "method": p.method,
            "budget": p.budget,
            "counter": self.counter,
            "flags": list(self.flags),
            "notes": list(self.notes),
            "kept": [asdict(block) for block in self.kept],
            "dropped": [asdict(block) for block in self.dropped],
            "removed": [
                {name: getattr(part, name) for name in ("path", "tag", "rule", "text", "length")}
                for part in self.removed
            ],
        }

    def to_frame(self) -> pl.DataFrame:
        """A row a block, in document order, with its fields and a column ``kept``."""
        return frame_of(self._parts(), Block)
