"""prune_chunks(): retrieved chunks in, the sentences that answer out, within a hard budget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from datapruner.context.chunk import encodable, read_chunks
from datapruner.context.decide import decide
from datapruner.context.earlier import already_told, paid
from datapruner.context.hidden import HIDDEN
from datapruner.context.offers import PICKS
from datapruner.context.pins import read_pins
from datapruner.context.render import ORDERS, Layout, chunk_order
from datapruner.context.result import PrunedContext
from datapruner.context.scoring import Scored, chunk_scores, context_scorer, score_units
from datapruner.context.sentences import LONGEST
from datapruner.context.units import Rules, Units, make_units
from datapruner.context.wishes import (
    ON_EMPTY,
    Wishes,
    as_counter,
    as_wanted,
    check_one_of,
    check_whole,
)
from datapruner.core.budget import Budget
from datapruner.core.ledger import Fill
from datapruner.core.scores import Scores
from datapruner.core.select import check_fill
from datapruner.errors import InputError
from datapruner.rng import check_seed
from datapruner.tokens import TokenCounter

__all__ = ["DEFAULT_METHOD", "ContextPruner", "prune_chunks"]

DEFAULT_METHOD = "sentences"
"""The method where none is named."""
_DEFAULT_BUDGET = "50% of tokens"


@dataclass(frozen=True, kw_only=True)
class ContextPruner:
    """A recipe for pruning the chunks of a prompt; called with a query and chunks.

    It reads its settings, loads its scorer and its counter once, and is then called as often as you
    like. ``prune_chunks`` is the same in one call; the parameters are explained there.

    Raises:
        DataPrunerError: a setting that cannot be used; the message says which.
    """

    budget: Budget | str | float | None = None
    threshold: float | None = None
    price: float | None = None
    method: str | Callable[..., Scores] = DEFAULT_METHOD
    counter: Any = "words"
    order: str = "source"
    pick: str = "high"
    fill: Fill = "skip"
    pins: Any = ("title",)
    neighbours: int = 0
    antecedents: bool = False
    on_empty: str | None = None
    separator: str = "\n\n"
    gap: str = ""
    hidden: str = "flag"
    language: str | None = None
    longest: int = LONGEST
    seed: int = 0
    _scorer: Callable[..., Scores] = field(init=False, repr=False, compare=False)
    _counter: TokenCounter = field(init=False, repr=False, compare=False)
    _wishes: Wishes = field(init=False, repr=False, compare=False)
    _rules: Rules = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Read every setting, so that a wrong one is refused before there is any work."""
        scorer = context_scorer(self.method)
        counter = as_counter(self.counter)
        default = getattr(scorer, "default_budget", _DEFAULT_BUDGET)
        wanted, given = as_wanted(self.budget, self.threshold, default, counter.name, self.price)
        check_fill(self.fill)
        check_one_of("order", self.order, ORDERS)
        check_one_of("pick", self.pick, PICKS)
        check_one_of("hidden", self.hidden, HIDDEN)
        if self.on_empty is not None:
            check_one_of("on_empty", self.on_empty, ON_EMPTY)
        check_whole("neighbours", self.neighbours, 0)
        check_whole("longest", self.longest, 1)
        title, pins = read_pins(self.pins)
        seed = check_seed(self.seed)
        rules = Rules(title, pins, self.antecedents, self.hidden, self.language, self.longest)
        wishes = Wishes(
            wanted, given, self.pick, self.fill, self.neighbours, self.on_empty, seed, self.price
        )
        for name, value in (
            ("_scorer", scorer),
            ("_counter", counter),
            ("_wishes", wishes),
            ("_rules", rules),
        ):
            object.__setattr__(self, name, value)

    def __call__(
        self, query: str, chunks: Any, *, previous: PrunedContext | None = None
    ) -> PrunedContext:
        """The chunks pruned for the query; see ``prune_chunks``."""
        if not isinstance(query, str):
            raise InputError(f"the query is a {type(query).__name__}; it must be a text.")
        if previous is not None and self.order != "source":
            raise InputError(
                f'previous keeps the earlier text in front, and order="{self.order}" would move '
                'it. Take order="source".'
            )
        units = make_units(read_chunks(chunks), self._rules, self._counter)
        before = self._count(self.separator.join(t.text for t in units.texts if t.text.strip()))
        told: frozenset[int] = frozenset()
        if previous is not None:
            told = already_told(units, previous)
            units = paid(units, told)
        scored = score_units(units, self._scorer, encodable(query), self._wishes.seed)
        layout = Layout(
            chunk_order(self.order, chunk_scores(scored.scores)),
            self.separator,
            self.gap,
            "" if previous is None else previous.text,
            told,
        )
        earlier = frozenset() if previous is None else previous.told
        return self._finish(query, units, scored, layout, before, earlier)

    def _finish(
        self,
        query: str,
        units: Units,
        scored: Scored,
        layout: Layout,
        before: int,
        earlier: frozenset[tuple[str, int, int]],
    ) -> PrunedContext:
        # Settling has counted the very text that comes out, more often than not.
        count = cache(self._count)
        made = decide(units, scored, self._wishes, layout, count, before)
        text = layout.render(units, np.flatnonzero(made.selection.mask).tolist(), made.ends)
        flags, notes = made.flags, made.notes
        if units.hidden:
            flags += ("hidden",)
            what = "left out of" if self.hidden == "drop" else "found in"
            ids = [units.chunks[place].id for place in units.hidden]
            number = sum(units.hidden.values())
            notes += (f"{number} characters that nobody sees were {what} chunks {ids[:5]}",)
        return PrunedContext(
            text=text,
            tokens=count(text),
            tokens_before=before,
            query=query,
            counter=self._counter.name,
            flags=flags,
            notes=notes,
            selection=made.selection,
            source=units,
            layout=layout,
            ends=made.ends,
            measure=lambda texts: self._counter.count([encodable(text) for text in texts]),
            earlier=earlier,
        )

    def _count(self, text: str) -> int:
        """Tokens of one text; the empty text has none, whatever a tokenizer would add to it."""
        return int(self._counter.count([encodable(text)])[0]) if text else 0


def prune_chunks(
    query: str,
    chunks: Any,
    *,
    budget: Budget | str | float | None = None,
    threshold: float | None = None,
    price: float | None = None,
    method: str | Callable[..., Scores] = DEFAULT_METHOD,
    counter: Any = "words",
    order: str = "source",
    pick: str = "high",
    fill: Fill = "skip",
    pins: Any = ("title",),
    neighbours: int = 0,
    antecedents: bool = False,
    on_empty: str | None = None,
    separator: str = "\n\n",
    gap: str = "",
    hidden: str = "flag",
    language: str | None = None,
    longest: int = LONGEST,
    seed: int = 0,
    previous: PrunedContext | None = None,
) -> PrunedContext:
    """The sentences of the chunks that answer the query, within the budget, as one text.

    Chunks are cut into sentences, scored, chosen under one budget for all of them, put back in
    source order as verbatim slices, and counted. ``counter(result.text)`` is never above the
    budget, nor above that of the chunks themselves. Equal scores go to the earlier sentence.

    Args:
        query: what the reader of the context will be asked. Empty: the chunks come back whole, or,
            under a budget, by place and centrality.
        chunks: a text, or an iterable of texts, of mappings with ``text`` and maybe ``id`` and
            ``title``, or of objects with such attributes.
        budget: what is kept: ``"2048 tokens"``, ``"30% of tokens"``, ``"5 sentences"``, with
            ``"3 per group"`` at most three sentences of a chunk, with ``"floor 1"`` at least one of
            each. None with no threshold: the method's own default.
        threshold: the lowest score that stays.
        price: what a token must be worth: a sentence stays where its score is at least this much
            for each of its tokens, so that a long one must be surer than a short one. Over many
            questions it keeps more answers in as many tokens than a threshold does.
        method: name of a context method (``datapruner methods``); two with ``>`` between them, as
            in ``"lexical > sentences"``: the second scores what the first likes; or a scorer.
        counter: ``"words"``, ``"characters"``, ``"bytes"``, a tokenizer or its file or model name,
            or a function from a text to a number; see ``datapruner.tokens.resolve_counter``.
        order: of the chunks in the text: ``"source"``, ``"score"`` (best first) or ``"edges"``
            (best first, second-best last).
        pick: ``"high"`` best score first; ``"density"`` best score per token first; ``"exact"`` the
            set of the highest total score.
        fill: ``"skip"`` passes over a sentence that does not fit and goes on; ``"stop"`` ends
            there, so that a smaller budget keeps a part of what a larger one does.
        pins: what stays whatever it scores: ``"numbers"``, ``"quotes"``, compiled patterns,
            functions of a sentence; ``"title"``: a chunk's title line stays with anything of it.
        neighbours: sentences on either side that come with a kept one, as far as the budget goes.
        antecedents: a sentence that opens with a pronoun brings the one before it.
        on_empty: where nothing is kept: ``"empty"`` text, ``"top1"`` the best sentence (cut to the
            budget if it must be), ``"keep_all"`` that fits. None: ``"top1"`` where tokens or
            sentences are limited, else ``"empty"``.
        separator: between chunks.
        gap: stands for what was left out inside a chunk, where it is shorter than that.
        hidden: characters that nobody sees: ``"flag"``, ``"drop"`` or ``"keep"`` them.
        language: two-letter code for the sentence rules; None: guessed for each chunk.
        longest: code points of the longest sentence; longer ones are cut.
        seed: for scorers that draw.
        previous: an earlier answer whose text must stay, byte for byte, at the start of this one,
            so that prompt caches hit; its sentences count against the budget, are not repeated, and
            further ones of the same chunks follow behind.

    Returns:
        A ``PrunedContext``.

    Raises:
        InputError: chunks or settings that cannot be used.
        BudgetError: a budget that cannot be read, or that pins, floors or ``previous`` exceed.
        UnknownMethodError: no such method.

    Source: the contract of context pruners in our documentation (docs/chunks.md).
    """
    pruner = ContextPruner(
        budget=budget,
        threshold=threshold,
        price=price,
        method=method,
        counter=counter,
        order=order,
        pick=pick,
        fill=fill,
        pins=pins,
        neighbours=neighbours,
        antecedents=antecedents,
        on_empty=on_empty,
        separator=separator,
        gap=gap,
        hidden=hidden,
        language=language,
        longest=longest,
        seed=seed,
    )
    return pruner(query, chunks, previous=previous)
