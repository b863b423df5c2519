"""prune_html(): web pages in, the blocks that answer out, valid and within a hard budget."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from datapruner.context.chunk import encodable
from datapruner.context.html.blocks import BLOCK_TOKENS, Blocks, Page, make_blocks
from datapruner.context.html.choose import Decision, choose
from datapruner.context.html.clean import LEVELS
from datapruner.context.html.lastresort import choose_best
from datapruner.context.html.pages import prepare, read_keep, read_pages
from datapruner.context.html.priors import check_prior
from datapruner.context.html.render import FORMATS, PRICES, Writer
from datapruner.context.html.result import PrunedHtml
from datapruner.context.html.scoring import block_scorer, query_free_scorer, score_blocks
from datapruner.context.offers import PICKS
from datapruner.context.scoring import Scored
from datapruner.context.wishes import Wishes, as_counter, as_wanted, check_one_of, check_whole
from datapruner.core.budget import Budget
from datapruner.core.ledger import Fill
from datapruner.core.order import best_first
from datapruner.core.reason import Reason
from datapruner.core.scores import Scores
from datapruner.core.select import check_fill
from datapruner.errors import InputError
from datapruner.rng import check_seed
from datapruner.tokens import TokenCounter

__all__ = ["DEFAULT_METHOD", "HtmlPruner", "prune_html"]

DEFAULT_METHOD = "lexical"
"""The method where none is named and there is a query."""
_DEFAULT_BUDGET = "50% of tokens"

_FREE_TOKENS = 32
"""The largest block where there is no query: a page's own text and what surrounds it often share an
element of 128 tokens."""


@dataclass(frozen=True, kw_only=True)
class HtmlPruner:
    """A recipe for pruning web pages; called with pages and a query.

    It reads its settings, loads its scorer and its counter once, and is then called as often as you
    like. ``prune_html`` is the same in one call; the parameters are explained there.

    Raises:
        DataPrunerError: a setting that cannot be used; the message says which.
    """

    budget: Budget | str | float | None = None
    threshold: float | None = None
    method: str | Callable[..., Scores] | None = None
    counter: Any = "words"
    to: str = "html"
    level: str = "lossless"
    block_tokens: int | None = None
    keep: Iterable[str] = ()
    pick: str = "high"
    prior: float = 0.0
    fill: Fill = "skip"
    encoding: str | None = None
    seed: int = 0
    _scorers: tuple[Callable[..., Scores], Callable[..., Scores]] = field(
        init=False, repr=False, compare=False
    )
    _wishes: tuple[Wishes, Wishes] = field(init=False, repr=False, compare=False)
    _counter: TokenCounter = field(init=False, repr=False, compare=False)
    _keep: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Read every setting, so that a wrong one is refused before there is any work."""
        asked = block_scorer(DEFAULT_METHOD if self.method is None else self.method)
        free = asked if callable(self.method) else query_free_scorer()
        counter = as_counter(self.counter)
        check_one_of("to", self.to, FORMATS)
        check_one_of("level", self.level, LEVELS)
        if self.block_tokens is not None:
            check_whole("block_tokens", self.block_tokens, 0)
        check_one_of("pick", self.pick, PICKS)
        check_fill(self.fill)
        check_prior(self.prior)
        seed = check_seed(self.seed)
        wishes = []
        for scorer in (asked, free):
            default = getattr(scorer, "default_budget", _DEFAULT_BUDGET)
            wanted, given = as_wanted(self.budget, self.threshold, default, counter.name)
            wishes.append(Wishes(wanted, given, self.pick, self.fill, 0, None, seed))
        for name, value in (
            ("_scorers", (asked, free)),
            ("_wishes", tuple(wishes)),
            ("_counter", counter),
            ("_keep", read_keep(self.keep)),
        ):
            object.__setattr__(self, name, value)

    def __call__(self, html: Any, query: str = "") -> PrunedHtml:
        """The pages pruned for the query; see ``prune_html``."""
        if not isinstance(query, str):
            raise InputError(f"the query is a {type(query).__name__}; it must be a text.")
        pages = [
            prepare(given, self.level, self._keep, self.encoding) for given in read_pages(html)
        ]
        return self.prune_pages(pages, query)

    def prune_pages(self, pages: Sequence[Page], query: str = "") -> PrunedHtml:
        """Pages that are parsed and cleaned, pruned for the query.

        Args:
            pages: in the order of the output.
            query: as in ``prune_html``.
        """
        count = cache(self._count)
        usual = BLOCK_TOKENS if query.strip() else _FREE_TOKENS
        most = usual if self.block_tokens is None else self.block_tokens
        blocks, scored, made = self._decide(pages, query, most, count)
        if _is_best_too_dear(scored, made):
            # The best block is larger than the budget: the same with sentences, and where the best
            # of those is too large, as much of it as fits.
            blocks, scored, made = self._decide(pages, query, 0, count)
            made = replace(made, flags=(*made.flags, "finer"))
            if _is_best_too_dear(scored, made):
                wishes, writer = self._wishes[not query.strip()], Writer(blocks, self.to)
                cut = choose_best(blocks, scored.scores, wishes, writer, count)
                made = cut if cut.text or not made.text else made
        return self._result(query, pages, blocks, scored, made, count)

    def _decide(
        self, pages: Sequence[Page], query: str, block_tokens: int, count: Callable[[str], int]
    ) -> tuple[Blocks, Scored, Decision]:
        free = not query.strip()
        blocks = make_blocks(
            pages, self._counter, block_tokens=block_tokens, prices=PRICES[self.to]
        )
        wishes = self._wishes[free]
        scored = score_blocks(
            blocks, self._scorers[free], encodable(query), wishes.seed, self.prior
        )
        return blocks, scored, choose(blocks, scored.scores, wishes, Writer(blocks, self.to), count)

    def _result(
        self,
        query: str,
        pages: Sequence[Page],
        blocks: Blocks,
        scored: Scored,
        made: Decision,
        count: Callable[[str], int],
    ) -> PrunedHtml:
        flags, notes = list(made.flags), list(made.notes)
        if not scored.ranked:
            flags.append("no_query")
            notes.append("no query: blocks were ranked without one")
        if scored.failed:
            flags.append("scorer_failed")
            notes.append(f"the scorer failed: {next(iter(scored.failed.values()))}")
        if not made.selection.order.size and "empty" not in flags:
            flags.append("empty")
        removed = tuple(part for page in pages for part in page.removed)
        if removed:
            flags.append("hidden")
            notes.append(f"{len(removed)} parts that nobody sees were taken out")
        for page in pages:
            flags += [flag for flag in getattr(page.parsed, "flags", ()) if flag not in flags]
            notes += getattr(page.parsed, "notes", ())
        return PrunedHtml(
            text=made.text,
            tokens=made.tokens,
            to=self.to,
            query=query,
            counter=self._counter.name,
            removed=removed,
            flags=tuple(flags),
            notes=(*notes, *made.selection.provenance.notes),
            selection=made.selection,
            blocks=blocks,
            ends=made.ends,
            measure=count,
        )

    def _count(self, text: str) -> int:
        """Tokens of one text; the empty text has none, whatever a tokenizer would add to it."""
        return int(self._counter.count([encodable(text)])[0]) if text else 0


def _is_best_too_dear(scored: Scored, made: Decision) -> bool:
    """Whether the row that is liked best was refused for its price."""
    scores = scored.scores
    dear = made.selection.reasons == Reason.COST
    if not dear.any():
        return False
    ranked = scores.only_contenders(best_first(scores.values, scores.items.tie_keys()))
    return bool(ranked.size and dear[ranked[0]])


def prune_html(
    html: Any,
    query: str = "",
    *,
    budget: Budget | str | float | None = None,
    threshold: float | None = None,
    method: str | Callable[..., Scores] | None = None,
    counter: Any = "words",
    to: str = "html",
    level: str = "lossless",
    block_tokens: int | None = None,
    keep: Iterable[str] = (),
    pick: str = "high",
    prior: float = 0.0,
    fill: Fill = "skip",
    encoding: str | None = None,
    seed: int = 0,
) -> PrunedHtml:
    """The blocks of web pages that answer the query, within the budget, as one valid text.

    Pages are parsed, what a reader would not see is taken out, and the rest is cut into blocks,
    scored, and chosen under one budget for all pages. ``counter(result.text)`` is never above the
    budget, nor above that of the cleaned pages; where these fit whole, they stay whole. A kept
    block brings the headings above it, a table row its header row, a definition its term. Equal
    scores go to the earlier block. Nothing is fetched: links and addresses are never opened.

    Args:
        html: bytes (better: they say their encoding) or text of a page; a mapping with ``html`` and
            maybe ``source`` (or ``url`` or ``id``) and ``title``; or an iterable of those. Several
            pages share the budget, and each stands under its source.
        query: what the reader will be asked. Empty: the main content, without what surrounds it.
        budget: what is kept: ``"2048 tokens"``, ``"30% of tokens"``, ``"5 items"``, with
            ``"floor 1"`` at least one block of each page. None with no threshold: the method's own
            default.
        threshold: the lowest score that stays.
        method: name of a context method (``datapruner methods``), two with ``>`` between them, or a
            scorer; None: ``"lexical"``, and main content where there is no query.
        counter: ``"words"``, ``"characters"``, ``"bytes"``, a tokenizer or its file or model name,
            or a function from a text to a number; see ``datapruner.tokens.resolve_counter``.
        to: ``"html"``, ``"markdown"`` or ``"text"``: the same blocks in each.
        level: ``"lossless"`` (attributes, wrappers and empty elements go), ``"minimal"`` (hidden
            content goes) or ``"text"``.
        block_tokens: an element of at most so many tokens is kept or dropped whole; None: 128, and
            32 where there is no query.
        keep: what cleaning leaves that it takes out otherwise, such as ``"href"`` and ``"alt"``.
        pick: ``"high"`` best score first; ``"density"`` best score per token first; ``"exact"`` the
            set of the highest total score.
        prior: from 0 to 1, how much worse a block counts that stands in a nav, header, footer,
            aside or form, or is mostly links; 0: its place in the structure does not count.
        fill: ``"skip"`` passes over a block that does not fit and goes on; ``"stop"`` ends there.
        encoding: of bytes; None: as the page says.
        seed: for scorers that draw.

    Returns:
        A ``PrunedHtml``. Malformed HTML gives a result, never an exception.

    Raises:
        InputError: pages or settings that cannot be used.
        BudgetError: a budget that cannot be read, or whose floors cannot be met.
        UnknownMethodError: no such method.

    Source: Tan et al. 2024 (HtmlRAG), arXiv:2411.02959, for the block tree. Departs from it in:
    hidden content goes first, headings and header rows come along, blocks keep their names, the
    budget holds for the rendered text, and the best blocks are the ones that stay.
    """
    pruner = HtmlPruner(
        budget=budget,
        threshold=threshold,
        method=method,
        counter=counter,
        to=to,
        level=level,
        block_tokens=block_tokens,
        keep=keep,
        pick=pick,
        prior=prior,
        fill=fill,
        encoding=encoding,
        seed=seed,
    )
    return pruner(html, query)
