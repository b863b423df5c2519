"""Sentences by the likeness of their vectors to the question's: a bi-encoder's relevance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from datapruner.core.items import Items
from datapruner.core.order import best_first
from datapruner.core.scores import Scores
from datapruner.core.types import BoolArray, FloatArray
from datapruner.errors import InputError
from datapruner.vectors.content import unit_rows
from datapruner.vectors.embed import Embedder, resolve_embedder

__all__ = ["Semantic", "repeats"]

_BELOW = 2.0
"""What a repeat loses: cosines span 2, so that every repeat is below every other sentence."""

_REMEMBERED = 8192


def repeats(vectors: FloatArray, order: Sequence[int], limit: float) -> BoolArray:
    """Which rows say again what a row before them in the order says.

    Args:
        vectors: shape (n, d), unit length or zero; a zero row repeats nothing.
        order: all rows, the one that stays first.
        limit: cosine from which on a row is a repeat of one that is none itself.

    Returns:
        Shape (n,), bool.
    """
    found = np.zeros(len(vectors), dtype=bool)
    stays = np.empty_like(vectors)
    number = 0
    for row in order:
        found[row] = bool(number) and float((stays[:number] @ vectors[row]).max()) >= limit
        if not found[row] and vectors[row].any():
            stays[number] = vectors[row]
            number += 1
    return found


@dataclass(frozen=True)
class Semantic:
    """Cosine of each sentence's vector and the question's.

    Attributes:
        embedder: as ``resolve_embedder`` takes it: ``"auto"``, ``"minilm"``, ``"offline"``, a
            folder, a hub name, or an object with ``encode``.
        redundancy: cosine from which on a sentence repeats a better one and is lowered by 2, below
            every sentence that repeats none; None: nothing is lowered.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
        batch_size: texts in a forward pass, 1 or more; a call has few sentences of each length, so
            on a CPU large batches are mostly filling.

    The vectors of the last 8,192 texts are kept in memory, for a chunk comes back with other
    questions and a question with other budgets.

    Raises:
        InputError: redundancy outside (0, 1].

    Source: Reimers and Gurevych 2019, arXiv:1908.10084; the filter is the usual one of retrieval
    pipelines, made independent of the order of the sentences.
    """

    embedder: Any = "auto"
    redundancy: float | None = None
    device: str = "auto"
    batch_size: int = 8

    needs: ClassVar[frozenset[str]] = frozenset({"text"})
    meaning: ClassVar[str] = "closer to the question"
    default_budget: ClassVar[str] = "50% of tokens"

    def __post_init__(self) -> None:
        if self.redundancy is not None and not 0 < self.redundancy <= 1:
            raise InputError(f"redundancy is {self.redundancy!r}; it must be in (0, 1], or None.")

    def __call__(self, items: Items, *, query: str | None = None, seed: int = 0) -> Scores:
        """Scores of the sentences.

        Args:
            items: rows with a column ``text``.
            query: the question.
            seed: not used, nothing is drawn.

        Returns:
            Scores with float64 values of shape (n,), in [-1, 1], repeats in [-3, -1]; 0 for a
            sentence without content.

        Raises:
            InputError: the query is empty, or there is no such embedder.
            MissingColumnError: the items have no texts.
        """
        texts = list(items.feature("text", "semantic"))
        if items.n and (query is None or not query.strip()):
            raise InputError("sentences are compared with a question, and the query is empty.")
        embedder = self._embedder()
        details: dict[str, Any] = {"embedder": embedder.name, "redundancy": self.redundancy}
        if not items.n:
            return Scores(np.zeros(0), items, self.meaning, "semantic", details=details)
        vectors, asked = _encoded(embedder, texts, str(query))
        # One product a row and not one of matrices: a row's value must not know its neighbours.
        values = np.clip((vectors * asked).sum(axis=1), -1.0, 1.0)
        if self.redundancy is not None:
            order = best_first(values, items.tie_keys())
            again = repeats(vectors, order.tolist(), self.redundancy)
            values = values - _BELOW * again
            details["repeats"] = int(again.sum())
        return Scores(values, items, self.meaning, "semantic", details=details)

    def _embedder(self) -> Embedder:
        if isinstance(self.embedder, str):
            return _kept(self.embedder, self.device, self.batch_size)
        return resolve_embedder(self.embedder, device=self.device, batch_size=self.batch_size)


class _Memory:
    """An embedder that remembers the vectors of the texts it saw last."""

    def __init__(self, inner: Embedder) -> None:
        self.name, self.fingerprint = inner.name, inner.fingerprint
        self._inner = inner
        self._known: dict[str, npt.NDArray[np.float32]] = {}

    @property
    def dimensions(self) -> int:
        """Width of the vectors."""
        return self._inner.dimensions

    def encode(self, texts: list[str]) -> npt.NDArray[np.float32]:
        """The vectors of different texts, shape (len(texts), dimensions)."""
        known = {text: self._known[text] for text in texts if text in self._known}
        new = [text for text in texts if text not in known]
        if new:
            known.update(zip(new, self._inner.encode(new), strict=True))
        # A new dictionary in one step: other threads go on with the one they have.
        older = {text: row for text, row in self._known.items() if text not in known}
        room = max(0, _REMEMBERED - len(known))
        kept = list(older.items())[-room:] if room else []
        self._known = dict([*kept, *known.items()][-_REMEMBERED:])
        return np.stack([known[text] for text in texts])


def _encoded(embedder: Embedder, texts: list[str], query: str) -> tuple[FloatArray, FloatArray]:
    """Unit vectors of the texts (n, d) and of the query (d,), float64; equal texts once."""
    place = {text: row for row, text in enumerate(dict.fromkeys([query, *texts]))}
    made = unit_rows(np.asarray(embedder.encode(list(place)), dtype=np.float32))[0]
    vectors: FloatArray = made.astype(np.float64)
    return vectors[[place[text] for text in texts]], vectors[0]


@lru_cache(maxsize=2)
def _kept(embedder: str, device: str, batch_size: int) -> Embedder:
    """The embedder of a name, once a process: loading one takes longer than most calls."""
    return _Memory(resolve_embedder(embedder, device=device, batch_size=batch_size))
