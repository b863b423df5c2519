"""Token labels, shared words and named titles as one probability that a sentence is needed.

A reader of one chunk at a time cannot know what the other chunks say. Two things do: the words that
question and sentence share, weighed by how rare they are in this call, and the titles that good
sentences name, which lead from the first document of a question in two steps to the second. And
where one sentence of a call surely answers, the others are less likely to. Of text in letters that
the model never learnt, its labels are noise, and words alone decide.

The weights are fitted on questions that the model was not trained on, and come with it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

import numpy as np

from datapruner.core.items import Items
from datapruner.core.types import FloatArray
from datapruner.errors import FormatError
from datapruner.scorers.lexical import Lexical
from datapruner.scorers.names import best_naming, names, places, titles
from datapruner.scorers.occurrences import Occurrences

__all__ = ["Together", "log_odds", "mostly_latin", "other_best"]

_LETTER = re.compile(r"[^\W\d_]")
_OTHER_LETTER = re.compile("(?![a-zA-Z\u00aa-\u024f\u1e00-\u1eff])[^\\W\\d_]")

_SURE = 1e-4
"""Probabilities nearer to 0 or 1 than this are read as this: last digits say little."""


@dataclass(frozen=True, kw_only=True)
class Together:
    """How the probability of a sentence is put together.

    With p what the token labels say of a sentence and L its log-odds, a call with one chunk has

        logistic(sharpness L + rival R + offset)

    where R is the L of the best other sentence. With several chunks, w the sentence's BM25 (its
    chunk's counted half) on the scale of the call's best and i its place in its chunk,

        u = labels logistic(L / softness) + w + lead / (1 + i)
        v = u + named m (1 + 1 / (1 + i)) / 2
        logistic(several_sharpness v + several_offset)

    where m is the best u of a sentence in another chunk that names this chunk's title.

    Attributes:
        sharpness, rival, offset: for a call with one chunk.
        labels, softness, lead, named, several_sharpness, several_offset: for one with several.
        words_sharpness, words_offset: for text that the model cannot read.

    Raises:
        FormatError: a weight that is no finite number, or a sharpness or softness of 0 or less.
    """

    sharpness: float
    rival: float
    offset: float
    labels: float
    softness: float
    lead: float
    named: float
    several_sharpness: float
    several_offset: float
    words_sharpness: float
    words_offset: float

    def __post_init__(self) -> None:
        """Refuse weights that no probability could come from."""
        for name, value in asdict(self).items():
            number = isinstance(value, int | float) and not isinstance(value, bool)
            least = 0 if name.endswith(("sharpness", "softness")) else -math.inf
            if not number or not least < value < math.inf:
                bound = "above 0" if least == 0 else "a finite number"
                raise FormatError(f"{name} is {value!r}; it must be {bound}.")

    @classmethod
    def read(cls, weights: Mapping[str, Any]) -> Self:
        """The weights in a model's config.json.

        Raises:
            FormatError: one is missing, unknown, or out of range.
        """
        known = {one.name for one in fields(cls)}
        if not isinstance(weights, Mapping) or set(weights) != known:
            found = sorted(weights) if isinstance(weights, Mapping) else weights
            raise FormatError(f'"together" has {found}; it must have {sorted(known)}.')
        return cls(**weights)

    def __call__(self, items: Items, labels: FloatArray, query: str) -> FloatArray:
        """The probabilities of the sentences of a call.

        Args:
            items: in source order, with ``text`` and maybe ``title``; codes say which chunk.
            labels: shape (n,), float64, in [0, 1], what the token labels say.
            query: the question.

        Returns:
            Shape (n,), float64, in (0, 1).
        """
        group = items.group.astype(np.int64)
        if not items.n or (group == group[0]).all():
            rivals = log_odds(other_best(labels))
            return _logistic(self.sharpness * log_odds(labels) + self.rival * rivals + self.offset)
        found = self.evidence(items, labels, query)
        return _logistic(self.several_sharpness * found + self.several_offset)

    def by_words(self, items: Items, query: str) -> FloatArray:
        """The probabilities where labels say nothing: from the lexical score, the best put at 1
        unless no sentence shares a word.

        Args:
            items, query: as for the call.

        Returns:
            Shape (n,), float64, in (0, 1).
        """
        found = Lexical()(items, query=query).values
        return _logistic(
            self.words_sharpness * found / max(found.max(initial=0.0), 1.0) + self.words_offset
        )

    def evidence(self, items: Items, labels: FloatArray, query: str) -> FloatArray:
        """v of the sentences of several chunks, shape (n,), float64, 0 or more for weights >= 0.

        Args:
            items, labels, query: as for the call.
        """
        group = items.group.astype(np.int64)
        shared = Lexical(lead=0.0, bridge=0.0)(items, query=query).values
        top = shared.max(initial=0.0)
        front = 1 / (1 + places(group))
        told = _logistic(log_odds(labels) / self.softness)
        own: FloatArray = self.labels * told + shared / (top or 1.0) + self.lead * front
        named = names(titles(items))
        if not named:
            return own
        index = Occurrences(items.feature("text", "sentences"), frozenset().union(*named.values()))
        lifted = best_naming(own, group, index, named)[group]
        made: FloatArray = own + self.named * lifted * (1 + front) / 2
        return made


def _logistic(x: FloatArray) -> FloatArray:
    made: FloatArray = 1 / (1 + np.exp(-x))
    return made


def log_odds(p: FloatArray) -> FloatArray:
    """ln(p / (1 - p)) of probabilities, those within 1e-4 of 0 or 1 read as if at that.

    Args:
        p: any shape, in [0, 1].
    """
    inside = np.clip(p, _SURE, 1 - _SURE)
    found: FloatArray = np.log(inside / (1 - inside))
    return found


def mostly_latin(texts: Iterable[str]) -> bool:
    """Whether at least half of the letters are Latin; True where there are none.

    Args:
        texts: any.
    """
    texts = list(texts)
    other = sum(len(_OTHER_LETTER.findall(text)) for text in texts if not text.isascii())
    return other == 0 or 2 * other <= sum(len(_LETTER.findall(text)) for text in texts)


def other_best(values: FloatArray) -> FloatArray:
    """For each value the highest of the others; 0 where there is no other.

    Args:
        values: shape (n,), 0 or more.
    """
    if values.size < 2:
        return np.zeros(values.size)
    second, first = np.argpartition(values, -2)[-2:]
    made = np.full(values.size, values[first])
    made[first] = values[second]
    return made
