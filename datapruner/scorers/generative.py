"""Which block a small language model would name as the answer; nothing is generated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.core.types import FloatArray, IntArray
from datapruner.errors import InputError
from datapruner.scorers.causal import CausalModel
from datapruner.scorers.listing import Entry, Listing, entries_of
from datapruner.scorers.pathtrie import PathTrie, log_softmax

__all__ = ["GenerativePaths"]

ANSWERS = ("openings", "numbers", "paths")

_NO_QUESTION = "N/A"
DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class GenerativePaths:
    """The logarithm of the chance that a causal language model answers with a block.

    The model reads the blocks of a page and the question, once. Its answer may only be one of the
    blocks: their names form a trie of tokens, and at each of its nodes the model's next-token
    logits, taken at the last position, are put through a softmax over the children alone. What the
    model has read is kept, so that each token of the trie is read once at most. A block's score is
    the sum of the logarithms along its path, less ``prior`` times the same for a prompt without a
    question; the chances of all blocks of a call sum to 1.

    A page that is longer than ``window`` is read in several pieces, none of it is left out: each
    window has its own chances, then the best blocks of the windows stand against each other in the
    same way, and a block's chance is that of its window times its own inside it. Pages are put
    together so as well. A block that is longer than a quarter of a window is read in parts, and its
    chance is the sum of theirs. Since all of it is read, let a cheap scorer go first on long pages:
    ``"lexical > paths"``, or ``Staged(Lexical(), GenerativePaths(...), keep="2048 tokens")``.

    The text of a page may ask the model to name a block: like any reader, the model may be led
    astray by what it reads, but it can name nothing else than a block.

    Attributes:
        model: a folder, a GGUF file or hub name (see ``CausalModel.load``), or a ``CausalModel``.
            None comes with the package: name one.
        answer: what the model calls a block: ``"openings"``: its first words, which the smallest
            models can; ``"numbers"``: ``[k]``, the shortest trie, for larger ones that follow
            instructions; ``"paths"``: the tags of its path and its first words, which HtmlRAG's
            models were trained on.
        prior: how much of what the model would rather say without any question is taken off its
            logarithms, before the chances of a window are made to sum to 1 again; 0: nothing, and
            half the work; 1: all. Small models like some lines whatever the question is.
        window: tokens of a prompt at most; fewer where the model reads fewer.
        words: first words of a block that name it.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``; for a model that is named.

    Raises:
        InputError: a value that is none of these.

    Source: Tan et al. 2024 (HtmlRAG), arXiv:2411.02959. Departs from its published code in: logits
    are those of the last position (there: of the first token of the prompt, which knows neither
    page nor question), the prompt is read once and not at every node, the question is a text and
    not a printed list, paths that are the beginning of others have an end of their own, and
    numbers in place of paths.
    """

    model: Any = None
    answer: str = "openings"
    prior: float = 1.0
    window: int = 2048
    words: int = 4
    device: str = "auto"

    needs: ClassVar[frozenset[str]] = frozenset({"text"})
    meaning: ClassVar[str] = "more relevant"
    default_budget: ClassVar[str] = "50% of tokens"

    def __post_init__(self) -> None:
        for name, known in (("answer", ANSWERS), ("device", DEVICES)):
            value = getattr(self, name)
            if value not in known:
                raise InputError(f"{name} is {value!r}; it must be one of {', '.join(known)}.")
        plain = isinstance(self.prior, int | float) and not isinstance(self.prior, bool)
        if not plain or not 0 <= self.prior <= 1:
            raise InputError(f"prior is {self.prior!r}; it must be a number between 0 and 1.")
        for name, least in (("window", 1), ("words", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise InputError(
                    f"{name} is {value!r}; it must be a whole number, {least} or more."
                )

    def __call__(self, items: Items, *, query: str | None = None, seed: int = 0) -> Scores:
        """Scores of the blocks.

        Args:
            items: rows in the order of their pages, with a column ``text`` and maybe ``title``,
                ``marks``, which tell rows of different pages apart (without, each group is a
                page), and ``path``, which ``answer="paths"`` needs.
            query: the question.
            seed: not used, nothing is drawn.

        Returns:
            Scores with float64 values of shape (n,), none above 0; their exponentials sum to 1. The
            details have the model's name and the number of prompts it read. A ``RuntimeWarning``
            says how much of a long question is not read.

        Raises:
            InputError: the query is empty, no model is named or it cannot be loaded, or it reads
                too few tokens.
            FormatError: the folder has pickled weights alone.
            MissingColumnError: the items have no texts, or no paths where they are needed.
            MissingExtraError: torch, transformers or gguf is not installed.
        """
        texts = list(items.feature("text", "paths"))
        if items.n and (query is None or not query.strip()):
            raise InputError("blocks are judged by a question, and the query is empty.")
        if not items.n:
            return Scores(np.zeros(0), items, self.meaning, "paths")
        paths = list(items.feature("path", "paths")) if self.answer == "paths" else []
        model = self._loaded()
        window = min(self.window, model.window)
        listings = [
            Listing(model, asked, window, self.answer, paths, self.words)
            for asked in (str(query), *([_NO_QUESTION] if self.prior else []))
        ]
        titles = list(items.features.get("title", [""] * items.n))
        entries = entries_of(texts, titles, listings[0])
        page = _pages(items)
        contest = _Contest(model, listings, self.prior, entries)
        chances = contest.held([page[entry.row] for entry in entries])
        values = np.full(items.n, -np.inf)
        np.logaddexp.at(values, [entry.row for entry in entries], chances)
        details = {"model": model.name, "answer": self.answer, "prompts": contest.prompts}
        # Rounding may leave a certain block a hair above 0.
        return Scores(np.minimum(values, 0.0), items, self.meaning, "paths", details=details)

    def _loaded(self) -> CausalModel:
        if self.model is None:
            raise InputError(
                "no causal language model comes with datapruner. Name one: "
                'GenerativePaths(model="HuggingFaceTB/SmolLM2-135M-Instruct"), or a folder.'
            )
        if isinstance(self.model, str | Path):
            return CausalModel.load(self.model, self.device)
        if not isinstance(self.model, CausalModel):
            raise InputError(
                f"model is a {type(self.model).__name__}; give a folder, a name, or "
                "CausalModel(model, tokenizer)."
            )
        return self.model


def _pages(items: Items) -> IntArray:
    """Number of the page of each row."""
    marks = items.features.get("marks")
    return items.group.astype(np.int64) if marks is None else np.asarray(marks.read().page)


class _Contest:
    """Entries against each other, in as many prompts as it takes.

    Attributes:
        prompts: that the model has read so far.
    """

    def __init__(
        self,
        model: CausalModel,
        listings: Sequence[Listing],
        prior: float,
        entries: Sequence[Entry],
    ) -> None:
        self._model, self._listings, self._entries = model, listings, entries
        # The one with the question has the least room, unless it is shorter than none.
        self._listing = min(listings, key=lambda listing: listing.room)
        self._prior = prior
        self.prompts = 0

    def held(self, pages: Sequence[int]) -> FloatArray:
        """The logarithm of each entry's chance.

        Args:
            pages: number of the page of each entry.
        """
        chances = np.zeros(len(pages))
        by_page: dict[int, list[int]] = {}
        for place, page in enumerate(pages):
            by_page.setdefault(page, []).append(place)
        # Who stands for whom: at first every entry for itself, later the best for its window.
        standing = [[[place] for place in places] for places in by_page.values()]
        while True:
            best: list[list[int]] = []
            for contenders in standing:
                for window in self._windows(contenders):
                    shares = self._shares([stands[0] for stands in window])
                    for stands, share in zip(window, shares.tolist(), strict=True):
                        chances[stands] += share
                    first = int(shares.argmax())
                    others = [stands for place, stands in enumerate(window) if place != first]
                    best.append([*window[first], *(entry for some in others for entry in some)])
            if len(best) == 1:
                return chances
            # By their texts, for the order of pages must not matter.
            best.sort(key=lambda stands: self._entries[stands[0]][1:])
            standing = [best]

    def _windows(self, contenders: list[list[int]]) -> list[list[list[int]]]:
        made: list[list[list[int]]] = []
        room = 0
        title = ""
        for stands in contenders:
            entry = self._entries[stands[0]]
            cost = self._listing.cost(entry, title)
            if not made or cost > room:
                made.append([])
                room = self._listing.room
                cost = self._listing.cost(entry, "")
            made[-1].append(stands)
            room -= cost
            title = entry.title
        return made

    def _shares(self, places: Sequence[int]) -> FloatArray:
        if len(places) == 1:
            return np.zeros(1)
        entries = [self._entries[place] for place in places]
        trie = PathTrie.of(self._listing.answers(entries), self._model.terminator)
        told, *without = (
            trie.log_chances(self._model.read(listing.prompt(entries)).ask)
            for listing in self._listings
        )
        self.prompts += len(self._listings)
        return log_softmax(told - self._prior * without[0]) if without else told
