"""Labelled examples: a question, its chunks, and what of them must not be lost."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from datapruner.context.chunk import Chunk, read_chunks
from datapruner.errors import InputError
from datapruner.rng import hash_strings, mix, subseed

__all__ = ["Example", "read_examples", "split_examples"]


@dataclass(frozen=True)
class Example:
    """One question with what answers it.

    Attributes:
        query: the question, not blank.
        chunks: what a retriever found for it.
        answers: texts of which one must stay.
        gold: stretches that must all stay, each ``(chunk, start, end)``: the position of the chunk,
            and code-point offsets in its text. Where there are any, ``answers`` are not looked at.
    """

    query: str
    chunks: tuple[Chunk, ...]
    answers: tuple[str, ...] = ()
    gold: tuple[tuple[int, int, int], ...] = ()


def read_examples(examples: Any) -> list[Example]:
    """The examples of a file or of an iterable, in their order.

    Args:
        examples: path of a file of JSON lines, or an iterable of mappings or ``Example``, each with
            ``query``, ``chunks`` (as ``prune_chunks`` takes them) and ``answers`` (texts) or
            ``gold`` (triples as above). Other keys are left alone.

    Raises:
        InputError: something else; says which example and what is wrong with it.
    """
    if isinstance(examples, str | Path):
        return [_read(given, where) for where, given in _lines(Path(examples))]
    if isinstance(examples, Mapping) or not isinstance(examples, Iterable):
        raise InputError(
            f"examples are a {type(examples).__name__}; give a file of JSON lines, or a list of "
            'mappings with "query", "chunks" and "answers" or "gold".'
        )
    return [_read(given, f"example {place}") for place, given in enumerate(examples)]


def _lines(path: Path) -> Iterator[tuple[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the examples in {path}: {error}.") from error
    # Not splitlines: JSON may hold line separators of Unicode as they are.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            where = f"line {number} of {path}"
            try:
                yield where, json.loads(line)
            except ValueError as error:
                raise InputError(f"{where} is no JSON: {error}.") from error


def _read(given: Any, where: str) -> Example:
    if isinstance(given, Example):
        fields: Mapping[str, Any] = vars(given)
    elif isinstance(given, Mapping):
        fields = given
    else:
        raise InputError(f"{where} is a {type(given).__name__}; give a mapping or an Example.")
    query = fields.get("query")
    if not isinstance(query, str) or not query.strip():
        raise InputError(
            f"{where} has the query {query!r}; without a question nothing is pruned, so there is "
            "nothing to calibrate. Give a text, or leave the example out."
        )
    try:
        chunks = read_chunks(fields.get("chunks", ()))
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    gold = tuple(_span(span, chunks, where) for span in _many(fields.get("gold"), "gold", where))
    answers = _many(fields.get("answers"), "answers", where)
    wrong = [answer for answer in answers if not isinstance(answer, str)]
    if wrong:
        raise InputError(f"{where} has the answer {wrong[0]!r}; an answer is a text.")
    if not gold and not answers:
        raise InputError(
            f'{where} has neither "answers" nor "gold"; without a label nobody can tell whether '
            "its answer was kept."
        )
    return Example(query, chunks, tuple(answers), gold)


def _many(given: Any, name: str, where: str) -> list[Any]:
    if given is None:
        return []
    if isinstance(given, str | Mapping) or not isinstance(given, Iterable):
        raise InputError(f"{where}: {name} is {given!r}; give a list.")
    return list(given)


def _span(given: Any, chunks: tuple[Chunk, ...], where: str) -> tuple[int, int, int]:
    triple = list(given) if isinstance(given, list | tuple) else []
    whole = all(isinstance(x, int) and not isinstance(x, bool) for x in triple)
    if len(triple) != 3 or not whole:
        raise InputError(f"{where}: gold has {given!r}; it must be [chunk, start, end].")
    chunk, start, end = triple
    if not 0 <= chunk < len(chunks):
        raise InputError(f"{where}: gold names chunk {chunk}, but there are {len(chunks)}.")
    text = chunks[chunk].text
    if not (0 <= start < end <= len(text) and text[start:end].strip()):
        raise InputError(
            f"{where}: gold has {start} to {end} of chunk {chunk}, which is {len(text)} characters "
            "long; name a stretch of it that is not blank."
        )
    return chunk, start, end


def split_examples(
    examples: Sequence[Example], share: float, *, seed: int = 0
) -> tuple[list[Example], list[Example]]:
    """The examples in two parts, drawn by a hash of what they are and not of where they stand.

    Args:
        examples: in any order; equal ones may fall apart.
        share: of the second part, in [0, 1]; it has ``floor(share * n)`` examples.
        seed: of the draw.

    Returns:
        The first part and the second, each in the order given.
    """
    told = [f"{e.query}\x1f{e.answers}{e.gold}\x1f{[c.text for c in e.chunks]}" for e in examples]
    ranked = np.argsort(mix(hash_strings(told), subseed(seed, "held out")), kind="stable")
    second = frozenset(ranked[: math.floor(share * len(examples) + 1e-9)].tolist())
    parts: tuple[list[Example], list[Example]] = ([], [])
    for place, example in enumerate(examples):
        parts[place in second].append(example)
    return parts
