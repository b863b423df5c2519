"""Sentences labelled by a cross-encoder that reads question and chunk together (Provence family).

One forward pass on ``[CLS] question [SEP] chunk [SEP]`` gives every token of the chunk the
probability p that it belongs to the answer, and the chunk a rank logit. A sentence is judged by its
n tokens, under the threshold T, by one of two rules:

    probability   mean of p                    keep where it is above T
    decision      share of tokens with p > T   keep where that share is above T

Source: Chirkova et al. 2025 (Provence), arXiv:2501.16214; the rules are those of naver's and of
open_provence's released code. We depart from both: a chunk is tokenised whole, a title never shifts
offsets, a long chunk is read in overlapping windows and nothing is cut off, pieces of a sentence
weigh what they have tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.core.types import FloatArray, IntArray
from datapruner.errors import InputError
from datapruner.scorers.labelformat import FAMILY, read_json
from datapruner.scorers.labelling import RANKS, Labelling, Runtime, logistic
from datapruner.scorers.labelwindows import Passage
from datapruner.scorers.together import Together, mostly_latin

__all__ = ["Labels", "Sentences"]

ROUNDINGS = ("auto", "decision", "probability")
EVIDENCE = ("auto", "labels")


@dataclass(frozen=True)
class Labels:
    """What the model said of n sentences in G chunks.

    Attributes:
        probabilities: shape (n,), float64, in [0, 1]: mean over a sentence's tokens; 0 for one
            without tokens.
        fractions: shape (n,), float64, in [0, 1]: share of its tokens above the threshold.
        rank_logits: shape (G,), float64, one a chunk, unbounded; -inf for a chunk without rows.
        windows: forward passes that differ, for reports.
    """

    probabilities: FloatArray
    fractions: FloatArray
    rank_logits: FloatArray
    windows: int


@dataclass(frozen=True)
class Sentences:
    """How likely each sentence is part of the answer, read together with its whole chunk.

    The value is the mean probability of the sentence's tokens; for a model that brings weights for
    it, ours among them, together with the words that question and sentence share and the titles
    that sentences name (see ``together``). For a checkpoint of the decision rule it is the mean m,
    moved so that exactly the sentences which the rule keeps are above the threshold T:
    ``T + (1 - T) m`` for those, ``T m`` for the others.

    Attributes:
        model: None: the model that comes with this package; a folder or hub name as
            ``load_checkpoint`` takes it; or a ``Runtime``.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``; a folder with model.onnx runs on the CPU unless
            ``"cuda"`` is said, the packaged model always.
        rounding: ``"auto"``: the checkpoint's own rule; ``"decision"`` or ``"probability"``.
        threshold: T, in [0, 1]; None: the checkpoint's own. It is the limit, too, where a caller
            names neither budget nor threshold.
        rank: a chunk's score from those of its windows: ``"max"``, ``"first"`` or ``"mean"``.
        evidence: ``"auto"``: all that the model has weights for; ``"labels"``: token labels alone.
        overlap: sentences that neighbouring windows of a long chunk share, 0 or more.
        threads: of the ONNX runtime; None: as many as NumPy may use.

    Raises:
        InputError: a value that is none of these.
    """

    model: Any = None
    device: str = "auto"
    rounding: str = "auto"
    threshold: float | None = None
    rank: str = "max"
    evidence: str = "auto"
    overlap: int = 1
    threads: int | None = None

    needs: ClassVar[frozenset[str]] = frozenset({"text"})
    meaning: ClassVar[str] = "more likely part of the answer"

    def __post_init__(self) -> None:
        for name, known in (
            ("device", ("auto", "cpu", "cuda")),
            ("rounding", ROUNDINGS),
            ("rank", RANKS),
            ("evidence", EVIDENCE),
        ):
            value = getattr(self, name)
            if value not in known:
                raise InputError(f"{name} is {value!r}; it must be one of {', '.join(known)}.")
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise InputError(f"threshold is {self.threshold!r}; it must be in [0, 1], or None.")
        if isinstance(self.overlap, bool) or not isinstance(self.overlap, int) or self.overlap < 0:
            raise InputError(f"overlap is {self.overlap!r}; it must be 0 or more sentences.")

    @property
    def runtime(self) -> Runtime:
        """The model, loaded at first use and kept for later calls.

        Raises:
            InputError: no model comes with this installation, or none for CUDA, or the name leads
                nowhere.
            FormatError: what is there cannot be used.
            MissingExtraError: it needs torch, which is not installed.
        """
        if isinstance(self.model, Runtime):
            return self.model
        if self.model is not None and not isinstance(self.model, str | Path):
            raise InputError(
                f"model is a {type(self.model).__name__}; give a folder, a name, or an object with "
                "tokenizer, settings and run()."
            )
        if self.model is None:
            from datapruner.scorers.labelmodel import packaged

            if self.device == "cuda":
                raise InputError(
                    "the model that comes with this package runs on the CPU. For CUDA name a "
                    'folder with model.safetensors: Sentences(model=..., device="cuda").'
                )
            return _kept(str(packaged()), 0, "cpu", self.threads)
        config = Path(self.model, "config.json")
        changed = config.stat().st_mtime_ns if config.is_file() else 0
        return _kept(str(self.model), changed, self.device, self.threads)

    @property
    def limit(self) -> float:
        """The threshold in force."""
        return self.runtime.settings.threshold if self.threshold is None else self.threshold

    @property
    def default_budget(self) -> str:
        """What holds where the caller names neither budget nor threshold."""
        return f"threshold {np.format_float_positional(self.limit, trim='-')}"

    def __call__(self, items: Items, *, query: str | None = None, seed: int = 0) -> Scores:
        """Scores of the sentences; group codes say which chunk each is of.

        Args:
            items: rows in source order, with a column ``text`` and maybe one ``title``.
            query: the question.
            seed: not used, nothing is drawn.

        Returns:
            Scores with float64 values of shape (n,), in [0, 1]; ``details["chunk_scores"]`` has
            the logistic of each chunk's rank logit, ``details["chunk_logits"]`` the logit itself
            (0 and None for a chunk without rows).

        Raises:
            InputError: the query is empty, or the model cannot be had.
            MissingColumnError: the items have no texts.
        """
        settings, limit = self.runtime.settings, self.limit
        rule = settings.rounding if self.rounding == "auto" else self.rounding
        together = settings.together if self.evidence == "auto" else None
        readable = settings.letters == "any" or mostly_latin(items.feature("text", "sentences"))
        if together is not None and not readable and query and query.strip():
            return self._by_words(together, items, query)
        labels = self.label(items, query=query)
        values = labels.probabilities
        if together is not None:
            values = together(items, values, query or "")
        elif rule == "decision":
            kept = labels.fractions > limit
            values = np.where(kept, limit + (1 - limit) * values, limit * values)
        ranks = labels.rank_logits
        known = np.isfinite(ranks)
        return Scores(
            values,
            items,
            self.meaning,
            "sentences",
            details={
                "model": self.runtime.name,
                "rounding": rule,
                "evidence": "labels" if together is None else "together",
                "threshold": limit,
                "windows": labels.windows,
                "chunk_scores": np.where(known, logistic(ranks), 0.0).tolist(),
                "chunk_logits": [
                    rank if there else None
                    for rank, there in zip(ranks.tolist(), known.tolist(), strict=True)
                ],
            },
        )

    def _by_words(self, together: Together, items: Items, query: str) -> Scores:
        values = together.by_words(items, query)
        best = np.zeros(len(items.group_names))
        np.maximum.at(best, items.group, values)
        return Scores(
            values,
            items,
            self.meaning,
            "sentences",
            details={
                "model": self.runtime.name,
                "evidence": "words",
                "threshold": self.limit,
                "windows": 0,
                "chunk_scores": best.tolist(),
            },
            notes=("the model reads Latin letters alone; words decided",),
        )

    def label(self, items: Items, *, query: str | None) -> Labels:
        """Both kinds of sentence values, and the rank logits, as the model gave them.

        Args:
            items, query: as for the call.

        Raises:
            InputError, MissingColumnError: as the call does.
        """
        texts = items.feature("text", "sentences")
        if not items.n:
            empty = np.zeros(0)
            return Labels(empty, empty, np.full(len(items.group_names), -np.inf), 0)
        if query is None or not query.strip():
            raise InputError(
                "sentences are judged by a question, and the query is empty; give one."
            )
        rows, passages, chunk_of = _passages(items, texts)
        work = Labelling(self.runtime, query, list(dict.fromkeys(passages)), self.overlap)
        found = work.labels(self.limit, self.rank)
        place = {passage: number for number, passage in enumerate(work.passages)}
        means, shares = np.zeros(items.n), np.zeros(items.n)
        ranks = np.full(len(items.group_names), -np.inf)
        for own, passage, code in zip(rows, passages, chunk_of, strict=True):
            means[own], shares[own], ranks[code] = found[place[passage]]
        return Labels(means, shares, ranks, len(work.windows))


def _passages(
    items: Items, texts: Sequence[str]
) -> tuple[list[IntArray], list[Passage], list[int]]:
    """For each chunk that has rows: its rows, its passage, its code."""
    titles = items.features.get("title")
    group = items.group.astype(np.int64)
    order = np.argsort(group, kind="stable")
    borders = np.flatnonzero(np.diff(group[order])) + 1
    rows = np.split(order, borders)
    passages = [
        Passage(
            "" if titles is None else str(titles[int(own[0])] or ""),
            tuple(texts[row] for row in own.tolist()),
        )
        for own in rows
    ]
    return rows, passages, [int(group[own[0]]) for own in rows]


@lru_cache(maxsize=2)
def _kept(model: str, changed: int, device: str, threads: int | None) -> Runtime:
    """The runtime of a model, once a process; ``changed`` tells a folder that was written anew."""
    from datapruner.scorers.labelmodel import WEIGHTS, load_onnx

    folder = Path(model)
    if device != "cuda" and (folder / WEIGHTS).is_file():
        config = read_json(folder / "config.json")
        if config.get("datapruner", {}).get("family") == FAMILY:
            return load_onnx(folder, threads=threads)
    from datapruner.scorers.checkpoints import load_checkpoint

    runtime: Runtime = load_checkpoint(model, device=device)
    return runtime
