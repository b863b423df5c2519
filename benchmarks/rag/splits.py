"""The committed split of the question answering sets, and the command that makes it.

    python -m benchmarks.rag.splits     # writes splits.json anew, says the parts of each set

The unit is the document: an article, a paper, a page of reviews, a post. Documents that hold the
gold of one question stay together, and so do documents that share a passage (twelve words in a
row), whichever sets they are in. Such groups are dealt out by size, then by a hash, each to the
part that its sets lack most. A document that only distracts is held out as soon as one held-out
question shows it; so no text of an evaluation part is met in training.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from benchmarks.common.loaders import DataAbsentError, fingerprint

__all__ = ["FILE", "PARTS", "deal", "digest", "document_part", "main", "part_of", "parts_of"]

FILE = Path(__file__).with_name("splits.json")
PARTS = ("train", "validation", "test")
DIGITS = 10
"""Hexadecimal digits of a document's name: 2**40 for ten thousand documents."""

WORDS = 12
"""Words in a row that make two passages the same text; shorter runs are set phrases."""

MOST_KEYS = 5
"""A run of words in more documents than this is boilerplate (licences, headings), not a copy."""

TRAINING_SETS = ("squadshifts_amazon", "squadshifts_reddit")
SHARES = (0.45, 0.10, 0.45)
TRAINING_SHARES = (0.95, 0.05, 0.0)


def digest(key: str) -> str:
    """The name of a document in ``splits.json``."""
    return hashlib.blake2b(key.encode("utf-8", "surrogatepass")).hexdigest()[:DIGITS]


@functools.cache
def _table() -> dict[str, str]:
    stored = json.loads(FILE.read_text("utf-8"))
    return {name: part for part in PARTS for name in stored["documents"][part].split()}


def document_part() -> Callable[[str], str]:
    """The function from a document's key to its part.

    Raises (when called):
        DataAbsentError: the split does not know the document.
    """
    table = _table()

    def known(key: str) -> str:
        try:
            return table[digest(key)]
        except KeyError:
            raise DataAbsentError(
                f"the split does not know the document {key[:80]!r}; the data is not what "
                "splits.json was made from"
            ) from None

    return known


def parts_of() -> Callable[[Any], str]:
    """The function from a record to its part; see ``part_of``."""
    known = document_part()
    return lambda record: part_of(record, known)


def part_of(record: Any, known: Callable[[str], str]) -> str:
    """The part of a question, given those of documents.

    An evaluation part has only questions all of whose documents are held out. The training part has
    those whose gold documents all are training documents; distractors may be held out, and are
    then no training material. The rest is in no part: ``"unused"``.
    """
    found = [known(doc.key) for doc in record.docs]
    held = {part for part in found if part != "train"}
    if len(held) and "train" not in found:
        return "test" if held == {"test"} else "validation"
    gold = {doc for doc, _ in record.gold} or range(len(found))
    return "train" if all(found[doc] == "train" for doc in gold) else "unused"


class _Joined:
    """Sets of things known to belong together (union by the smaller name)."""

    def __init__(self) -> None:
        self._above: dict[str, str] = {}

    def top(self, name: str) -> str:
        above = self._above.setdefault(name, name)
        while above != self._above[above]:
            self._above[name] = self._above[above]
            name, above = above, self._above[above]
        return above

    def join(self, names: Iterable[str]) -> None:
        tops = sorted({self.top(name) for name in names})
        for other in tops[1:]:
            self._above[other] = tops[0]


def _shingles(text: str) -> set[int]:
    words = text.split()
    return {hash(tuple(words[i : i + WORDS])) for i in range(len(words) - WORDS + 1)}


def same_text(records: list[Any], normalise: Callable[[str], str]) -> dict[str, str]:
    """For every document the first of those that have a passage in common with it."""
    joined = _Joined()
    texts = {(doc.key, doc.text): None for record in records for doc in record.docs}
    where: dict[int, set[str]] = defaultdict(set)
    for key, text in texts:
        for shingle in _shingles(normalise(text)):
            where[shingle].add(key)
    for keys in where.values():
        if 1 < len(keys) <= MOST_KEYS:
            joined.join(keys)
    return {key: joined.top(key) for key, _ in texts}


def asked_together(records: list[Any], text_of: dict[str, str]) -> list[str]:
    """For every record the group of gold documents that its own belong to."""
    joined = _Joined()
    gold = []
    for record in records:
        numbers = {doc for doc, _ in record.gold} or range(len(record.docs))
        gold.append([text_of[record.docs[number].key] for number in numbers])
        joined.join(gold[-1])
    return [joined.top(names[0]) for names in gold]


def held_out(records: list[Any], part: list[str], text_of: dict[str, str]) -> dict[str, str]:
    """The part of every document: held out as soon as one held-out question shows it."""
    rank = {name: number for number, name in enumerate(PARTS)}
    highest: dict[str, int] = defaultdict(int)
    for record, name in zip(records, part, strict=True):
        for doc in record.docs:
            text = text_of[doc.key]
            highest[text] = max(highest[text], rank[name])
    return {key: PARTS[highest[text]] for key, text in text_of.items()}


def deal(counts: dict[str, Counter[str]]) -> dict[str, str]:
    """A part for every group, so that each set comes near its shares.

    Args:
        counts: questions of each set by group.

    Returns:
        The part by group. Large groups go first, equal ones in the order of a hash.
    """
    total: Counter[str] = Counter()
    for count in counts.values():
        total += count
    wanted = {
        name: dict(zip(PARTS, TRAINING_SHARES if name in TRAINING_SETS else SHARES, strict=True))
        for name in total
    }
    have = {part: dict.fromkeys(total, 0.0) for part in PARTS}

    def lack(part: str, count: Counter[str]) -> float:
        # By how much the squared distance to the wanted shares falls if the group goes here.
        return sum(
            (n / total[name]) * (2 * (wanted[name][part] - have[part][name]) - n / total[name])
            for name, n in count.items()
        )

    chosen = {}
    for group in sorted(counts, key=lambda g: (-sum(counts[g].values()) // 8, digest(g))):
        count = counts[group]
        allowed = PARTS if not set(count) & set(TRAINING_SETS) else PARTS[:2]
        chosen[group] = max(allowed, key=lambda part: (lack(part, count), part))
        for name, n in count.items():
            have[chosen[group]][name] += n / total[name]
    return chosen


def main() -> None:
    """Make the split from the data folder and write it."""
    from benchmarks.rag.records import SETS, normalised, unsplit

    # The other languages of XQuAD are the same questions on the same articles.
    names = [name for name in SETS if not name.startswith("xquad.") or name == "xquad.en"]
    records = [record for name in names for record in unsplit(name)]
    every = [record for name in SETS for record in unsplit(name) if name not in names]
    text_of = same_text(records, normalised)
    group = asked_together(records, text_of)
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for record, name in zip(records, group, strict=True):
        counts[name][record.set] += 1
    part = deal(counts)
    table = held_out(records, [part[name] for name in group], text_of)
    unknown = {doc.key for record in every for doc in record.docs} - set(table)
    assert not unknown, f"translated documents without an English one: {sorted(unknown)[:5]}"
    documents = {
        name: " ".join(sorted(digest(key) for key, of in table.items() if of == name))
        for name in PARTS
    }
    texts = sorted({doc.key + doc.text for record in records for doc in record.docs})
    FILE.write_text(
        json.dumps({"version": 1, "data": fingerprint(texts), "documents": documents}, indent=1)
        + "\n",
        "utf-8",
    )
    sizes = Counter((record.set, part_of(record, table.__getitem__)) for record in records)
    for name in names:
        print(f"{name:22}", *(f"{p} {sizes[name, p]:5}" for p in (*PARTS, "unused")))


if __name__ == "__main__":
    main()
