"""Which block a small language model takes for the answer; nothing is generated."""

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
from datapruner.scorers.asking import Asking
from datapruner.scorers.causal import CausalModel
from datapruner.scorers.listing import Entry, Listing, entries_of
from datapruner.scorers.pathtrie import PathTrie, log_softmax

__all__ = ["GenerativePaths"]

ANSWERS = ("questions", "openings", "numbers", "paths")

_NO_QUESTION = "N/A"

_Held = tuple[list[int], FloatArray, dict[str, Any]]
"""The row of each entry, the logarithm of its chance, and what there is to tell of a call."""

DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class GenerativePaths:
    """The logarithm of the chance that a block is the answer, by a causal language model.

    With ``answer="questions"`` the model reads each block by itself, and what counts is how likely
    the question is to come next: the chance of a block given the question is in proportion to it
    (``datapruner.scorers.asking``).

    With the others it reads the blocks of a page and the question, once. Its answer may only be one
    of the blocks: their names form a trie of tokens, and at each of its nodes the model's
    next-token logits, taken at the last position, are put through a softmax over the children
    alone. What the model has read is kept, so that each token of the trie is read once at most. A
    block's score is the sum of the logarithms along its path, less ``prior`` times the same for a
    prompt without a question.

    Either way the chances of all blocks of a call sum to 1, and all of a page is read: on long
    pages let a cheap scorer go first, ``Staged(Lexical(), GenerativePaths(...), keep="1024
    tokens")``. Of a page that is longer than ``window`` nothing is left out. A block that is too
    long for a window is read in parts, and its chance is the sum of theirs. A list that is too long
    is read in several: each window has its own chances, then the best blocks of the windows stand
    against each other in the same way, and a block's chance is that of its window times its own
    inside it. Pages are put together so as well.

    The text of a page may ask the model to name a block: like any reader, the model may be led
    astray by what it reads, but it can name nothing else than a block.

    Attributes:
        model: a folder, a GGUF file or hub name (see ``CausalModel.load``), or a ``CausalModel``.
            None comes with the package: name one.
        answer: ``"questions"``: the question is judged by each block, which the smallest models
            can. What the model calls a block in a list, for larger models: ``"openings"``: its
            first words; ``"numbers"``: ``[k]``, the shortest trie, if they follow instructions;
            ``"paths"``: the tags of its path and its first words, which HtmlRAG's models were
            trained on.
        prior: of lists: how much of what the model would rather say without any question is taken
            off its logarithms, before the chances of a window are made to sum to 1 again; 0:
            nothing, and half the work; 1: all. Small models like some lines whatever the question.
        window: tokens of a prompt at most; fewer where the model reads fewer.
        words: of lists: first words of a block that name it.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``; for a model that is named.

    Raises:
        InputError: a value that is none of these.

    Source: Tan et al. 2024 (HtmlRAG), arXiv:2411.02959, for the trie; Sachan et al. 2022 (UPR),
    arXiv:2204.07496, for the questions. Departs from HtmlRAG's published code in: logits are those
    of the last position (there: of the first token of the prompt, which knows neither page nor
    question), the prompt is read once and not at every node, the question is a text and not a
    printed list, paths that are the beginning of others have an end of their own, and numbers or
    questions in place of paths.
    """

    model: Any = None
    answer: str = "questions"
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
        ask = self._by_question if self.answer == "questions" else self._in_lists
        rows, chances, details = ask(items, texts, str(query))
        values = np.full(items.n, -np.inf)
        np.logaddexp.at(values, rows, chances)
        # Rounding may leave a certain block a hair above 0.
        return Scores(np.minimum(values, 0.0), items, self.meaning, "paths", details=details)

    def _by_question(self, items: Items, texts: Sequence[str], query: str) -> _Held:
        model = self._loaded()
        asking = Asking(model, query, min(self.window, model.window))
        entries = entries_of(texts, _titles(items), asking)
        return self._told(model, entries, asking.held(entries), len(entries))

    def _in_lists(self, items: Items, texts: Sequence[str], query: str) -> _Held:
        paths = list(items.feature("path", "paths")) if self.answer == "paths" else []
        model = self._loaded()
        listings = [
            Listing(model, asked, min(self.window, model.window), self.answer, paths, self.words)
            for asked in (query, *([_NO_QUESTION] if self.prior else []))
        ]
        entries = entries_of(texts, _titles(items), listings[0])
        page = _pages(items)
        contest = _Contest(model, listings, self.prior, entries)
        chances = contest.held([page[entry.row] for entry in entries])
        return self._told(model, entries, chances, contest.prompts)

    def _told(
        self, model: CausalModel, entries: Sequence[Entry], chances: FloatArray, prompts: int
    ) -> _Held:
        details = {"model": model.name, "answer": self.answer, "prompts": prompts}
        return [entry.row for entry in entries], chances, details

    def _loaded(self) -> CausalModel:
        if self.model is None:
            raise InputError(
                "no causal language model comes with datapruner. Name one: "
                'GenerativePaths(model="HuggingFaceTB/SmolLM2-135M-Instruct"), or a folder; on the '
                "command line --model."
            )
        if isinstance(self.model, str | Path):
            return CausalModel.load(self.model, self.device)
        if not isinstance(self.model, CausalModel):
            raise InputError(
                f"model is a {type(self.model).__name__}; give a folder, a name, or "
                "CausalModel(model, tokenizer)."
            )
        return self.model


def _titles(items: Items) -> list[str]:
    return list(items.features.get("title", [""] * items.n))


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
