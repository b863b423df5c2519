"""Training pairs: a question, a passage cut into sentences, and which sentences answer.

The file format of ``datapruner train sentences``, one JSON object a line:

    {"id": "q7/0", "query": "Who wrote it?", "passage": "It is old. Ada wrote it.",
     "sentences": [[0, 11], [11, 24]], "keep": [0, 1], "relevant": 1, "group": "mine"}

``sentences`` are code-point offsets in ``passage``, in order and apart. Text outside every sentence
(a title in front) is read by the model and never judged. ``id`` and ``group`` may be left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from datapruner.errors import FormatError, InputError, nearest

__all__ = ["Pair", "fingerprint", "read_pairs"]

_NEEDED = ("query", "passage", "sentences", "keep")
_KNOWN = (*_NEEDED, "id", "relevant", "group")


@dataclass(frozen=True)
class Pair:
    """One question with one passage.

    Attributes:
        id: names the pair; draws go by it, so equal ids are refused.
        query: the question, not blank.
        passage: the text that is judged.
        sentences: offsets (start, end) in ``passage``, rising and not overlapping, at least one.
        keep: 1 for a sentence that answers, 0 for the others; as many as sentences.
        relevant: whether the passage answers at all; 1 where a sentence is kept.
        group: what metrics are told apart by, for example the name of the data set.

    Raises:
        InputError: the parts do not fit together; the message names the pair.
    """

    id: str
    query: str
    passage: str
    sentences: tuple[tuple[int, int], ...]
    keep: tuple[int, ...]
    relevant: int
    group: str = ""

    def __post_init__(self) -> None:
        fault = self._fault()
        if fault:
            raise InputError(f"pair {self.id!r}: {fault}")

    def _fault(self) -> str:
        if not self.query.strip():
            return "query is blank; a pair needs a question."
        if not self.sentences:
            return "sentences is empty; give [start, end] offsets in passage, at least one pair."
        if len(self.keep) != len(self.sentences):
            return (
                f"keep has {len(self.keep)} labels for {len(self.sentences)} sentences; "
                "give one for each."
            )
        if any(label not in (0, 1) or isinstance(label, bool) for label in self.keep):
            return f"keep is {list(self.keep)}; labels are 0 or 1."
        if self.relevant not in (0, 1) or isinstance(self.relevant, bool):
            return f"relevant is {self.relevant!r}; it is 0 or 1."
        if any(self.keep) and not self.relevant:
            return "a sentence is kept but relevant is 0; a passage with an answer is relevant."
        return self._torn()

    def _torn(self) -> str:
        last = 0
        for start, end in self.sentences:
            if not last <= start < end <= len(self.passage):
                return (
                    f"sentence [{start}, {end}] is empty, out of order or outside the passage of "
                    f"{len(self.passage)} characters."
                )
            last = end
        return ""


def read_pairs(path: Path) -> list[Pair]:
    """The pairs of a JSON-lines file, in its order.

    Args:
        path: UTF-8, one object a line; blank lines are skipped.

    Raises:
        FormatError: a line is no such object (another schema, an unknown or a missing key).
        InputError: a pair that contradicts itself, an id that is used twice, or no pair at all.
    """
    if not path.is_file():
        raise InputError(f"{path} is not a file; give the JSON lines of training pairs.")
    pairs: list[Pair] = []
    seen: dict[str, int] = {}
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            where = f"{path}, line {number}"
            pair = _pair(line, number, where)
            if pair.id in seen:
                raise InputError(
                    f"{where}: id {pair.id!r} stands in line {seen[pair.id]} too; ids are unique."
                )
            seen[pair.id] = number
            pairs.append(pair)
    if not pairs:
        raise InputError(f"{path} holds no pairs; there is nothing to train on.")
    return pairs


def fingerprint(pairs: Sequence[Pair]) -> str:
    """Sixteen hexadecimal digits that change with any pair, and not with their order."""
    digests = sorted(
        hashlib.blake2b(repr(pair).encode("utf-8", "surrogatepass"), digest_size=16).digest()
        for pair in pairs
    )
    return hashlib.blake2b(b"".join(digests), digest_size=8).hexdigest()


def _pair(line: bytes, number: int, where: str) -> Pair:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise FormatError(f"{where}: no JSON ({error}).") from error
    if not isinstance(row, dict):
        raise FormatError(f"{where}: a {type(row).__name__}; each line is one JSON object.")
    missing = [key for key in _NEEDED if key not in row]
    if missing:
        raise FormatError(
            f"{where}: {', '.join(missing)} missing; a pair has query, passage, sentences, keep."
        )
    for key in row:
        if key not in _KNOWN:
            raise FormatError(f"{where}: unknown key {key!r}. {nearest(key, _KNOWN)}")
    try:
        return _built(row, number)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _built(row: dict[str, Any], number: int) -> Pair:
    name = str(row.get("id", number))
    for key in ("query", "passage"):
        if not isinstance(row[key], str):
            raise InputError(f"pair {name!r}: {key} is a {type(row[key]).__name__}, not a text.")
    spans, keep = row["sentences"], row["keep"]
    if not isinstance(spans, list) or not all(_is_span(span) for span in spans):
        raise InputError(f"pair {name!r}: sentences must be a list of [start, end] whole numbers.")
    if not isinstance(keep, list):
        raise InputError(f"pair {name!r}: keep is a {type(keep).__name__}, not a list of 0 and 1.")
    return Pair(
        id=name,
        query=row["query"],
        passage=row["passage"],
        sentences=tuple((start, end) for start, end in spans),
        keep=tuple(keep),
        relevant=row.get("relevant", int(any(label == 1 for label in keep))),
        group=str(row.get("group", "")),
    )


def _is_span(span: object) -> bool:
    return (
        isinstance(span, list)
        and len(span) == 2
        and all(isinstance(x, int) and not isinstance(x, bool) for x in span)
    )
