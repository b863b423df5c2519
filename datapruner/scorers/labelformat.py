"""What a token-labelling model says of itself: its settings, its tokenizer, its special tokens.

Shared by the two runtimes, ONNX and torch; needs neither.
"""

from __future__ import annotations

import json
import string
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from datapruner.errors import FormatError
from datapruner.scorers.together import Together

__all__ = [
    "FAMILY",
    "LEAST_ROOM",
    "VERSION",
    "LabelSettings",
    "Special",
    "normalised",
    "own_settings",
    "read_json",
    "read_tokenizer",
]

FAMILY = "datapruner"
VERSION = 1

LEAST_ROOM = 16
"""Passage tokens that every window has room for, however long the question."""

Rounding = Literal["decision", "probability"]
Normalisation = Literal["none", "plain-words"]

_FIRST = ("[CLS]", "<s>", "<cls>")
_BETWEEN = ("[SEP]", "</s>", "<sep>")
_PADDING = ("[PAD]", "<pad>")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True)
class Special:
    """The tokens around question and passage: ``first question between passage last``.

    Attributes:
        first, between, last: ids; ``between`` is one separator, or two as RoBERTa has them.
        padding: id that fills a batch up.
    """

    first: tuple[int, ...]
    between: tuple[int, ...]
    last: tuple[int, ...]
    padding: int

    @classmethod
    def pair(cls, tokenizer: Any, padding: int | None = None) -> Special:
        """``[CLS] question [SEP] passage [SEP]``, by the names that vocabularies give them.

        Args:
            tokenizer: a ``tokenizers.Tokenizer``.
            padding: its id where the encoder's settings say it; None: by name, else 0.

        Raises:
            FormatError: the vocabulary has no such tokens.
        """
        first, between = _token(tokenizer, _FIRST), _token(tokenizer, _BETWEEN)
        if first is None or between is None:
            raise FormatError(
                f"the tokenizer has none of {', '.join(_FIRST if first is None else _BETWEEN)}, "
                "which a pair of texts is packed with; take the model's own tokenizer.json."
            )
        if padding is None:
            padding = _token(tokenizer, _PADDING) or 0
        return cls((first,), (between,), (between,), padding)

    @classmethod
    def template(cls, tokenizer: Any, padding: int | None = None) -> Special:
        """As the tokenizer itself packs a pair; ``pair`` where it adds nothing.

        Args:
            tokenizer, padding: as for ``pair``.

        Raises:
            FormatError: it adds nothing, and ``pair`` finds no tokens either.
        """
        probe = tokenizer.encode("a", "b")
        sides, ids = list(probe.sequence_ids), list(probe.ids)
        if 0 not in sides or 1 not in sides:
            return cls.pair(tokenizer, padding)
        begin = sides.index(0)
        ends = len(sides) - sides[::-1].index(0)
        second = sides.index(1)
        stops = len(sides) - sides[::-1].index(1)
        if begin == 0 or ends == second:
            return cls.pair(tokenizer, padding)
        if padding is None:
            padding = _token(tokenizer, _PADDING) or 0
        return cls(tuple(ids[:begin]), tuple(ids[ends:second]), tuple(ids[stops:]), padding)

    @property
    def overhead(self) -> int:
        """Tokens of a window that are neither question nor passage."""
        return len(self.first) + len(self.between) + len(self.last)


@dataclass(frozen=True)
class LabelSettings:
    """How a labelling model wants its input, and what its answer means.

    Attributes:
        family: ``"datapruner"``, ``"provence"``, ``"xprovence"`` or ``"open_provence"``.
        special: the tokens around question and passage.
        max_length: tokens of a window, special ones included.
        rounding: how token probabilities become a sentence's fate, see ``labeller``.
        threshold: what its makers recommend, in [0, 1].
        normalisation: ``"plain-words"``: the question in lower case without ASCII punctuation.
        letters: what the model learnt to read: ``"any"``, or ``"latin"`` alone.
        together: weights of what a call as a whole says beside the labels; None: labels alone.

    Raises:
        FormatError: a value out of range.
    """

    family: str
    special: Special
    max_length: int
    rounding: Rounding = "probability"
    threshold: float = 0.1
    normalisation: Normalisation = "none"
    letters: str = "any"
    together: Together | None = None

    def __post_init__(self) -> None:
        least = 2 * LEAST_ROOM + self.special.overhead
        if not isinstance(self.max_length, int) or self.max_length < least:
            raise FormatError(
                f"max_length is {self.max_length!r}; a window has {least} tokens at the least."
            )
        if self.rounding not in ("decision", "probability"):
            raise FormatError(f'rounding is {self.rounding!r}; it is "decision" or "probability".')
        if self.letters not in ("any", "latin"):
            raise FormatError(f'letters is {self.letters!r}; it is "any" or "latin".')
        if not isinstance(self.threshold, int | float) or not 0 <= self.threshold <= 1:
            raise FormatError(f"threshold is {self.threshold!r}; it must be in [0, 1].")


def own_settings(config: Mapping[str, Any], tokenizer: Any, where: Path) -> LabelSettings:
    """The settings in the config.json of our own format.

    Args:
        config: contents of config.json: ``backbone`` and ``datapruner``.
        tokenizer: the model's.
        where: the folder, for messages.

    Raises:
        FormatError: another version, or settings that this release does not know.
    """
    own, backbone = config.get("datapruner"), config.get("backbone")
    if not isinstance(own, Mapping) or not isinstance(backbone, Mapping):
        raise FormatError(
            f'{where}/config.json has no "datapruner" and "backbone"; not our format.'
        )
    if own.get("family") != FAMILY or own.get("version") != VERSION:
        raise FormatError(
            f"{where}/config.json is {own.get('family')!r} version {own.get('version')!r}; this "
            f"release reads {FAMILY!r} version {VERSION}. Update datapruner, or export again."
        )
    known = {
        "packing": ("pair",),
        "head_input": ("last_hidden_state",),
        "question_normalisation": ("none", "plain-words"),
    }
    for key, values in known.items():
        if own.get(key) not in values:
            raise FormatError(
                f"{where}/config.json: {key} is {own.get(key)!r}; this release knows "
                f"{' and '.join(values)}."
            )
    try:
        return LabelSettings(
            FAMILY,
            Special.pair(tokenizer, backbone.get("pad_token_id")),
            own["max_length"],
            own["rounding"],
            own["threshold"],
            own["question_normalisation"],
            own.get("letters", "any"),
            None if own.get("together") is None else Together.read(own["together"]),
        )
    except KeyError as missing:
        raise FormatError(f"{where}/config.json says no {missing}; export it again.") from missing
    except FormatError as error:
        raise FormatError(f"{where}: {error}") from error


def normalised(question: str, how: Normalisation) -> str:
    """The question as the model was trained on questions.

    Args:
        question: any text.
        how: ``"plain-words"``: lower case, no ASCII punctuation, single spaces; the question as it
            is where nothing would be left of it.

    Source: naver's Provence, whose training queries are MS MARCO's.
    """
    if how == "none":
        return question
    return " ".join(question.lower().translate(_NO_PUNCTUATION).split()) or question


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        FormatError: there is no such file, or no object in it.
    """
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise FormatError(f"{path} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise FormatError(f"{path} holds a {type(found).__name__}; it must be an object.")
    return found


def read_tokenizer(folder: Path) -> Any:
    """The ``tokenizers.Tokenizer`` of a folder, which neither cuts nor pads.

    Raises:
        FormatError: there is no tokenizer.json, or it cannot be read.
    """
    from tokenizers import Tokenizer

    path = folder / "tokenizer.json"
    if not path.is_file():
        raise FormatError(
            f"{folder} holds no tokenizer.json. Save the model's fast tokenizer there: "
            "AutoTokenizer.from_pretrained(...).save_pretrained(folder)."
        )
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the reader raises bare Exception
        raise FormatError(f"{path} is no tokenizer: {error}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _token(tokenizer: Any, names: tuple[str, ...]) -> int | None:
    found = (tokenizer.token_to_id(name) for name in names)
    return next((int(number) for number in found if number is not None), None)
