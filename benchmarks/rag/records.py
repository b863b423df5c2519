"""The question answering sets of the benchmark in one form: a question, chunks, gold sentences.

Two families are read. *Span* sets (SQuAD-like) mark where the answer stands; the gold sentences are
those that hold it. *Evidence* sets come cut into sentences, with the gold ones named; their
sentences are taken as they are. Each set is split by document into training, validation and test
parts; the split is committed as ``splits.json`` and made by ``benchmarks/rag/splits.py``.
"""

from __future__ import annotations

import json
import re
import string
import unicodedata
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.common.loaders import DataAbsentError, data_folder
from datapruner.context.sentences import sentence_spans

__all__ = ["SETS", "Doc", "Record", "document_key", "normalised", "read"]


@dataclass(frozen=True)
class Doc:
    """A chunk as a retriever would hand it over.

    Attributes:
        title: of its article; "" where the set names none.
        text: the chunk.
        sentences: shape (m, 2), int64, code-point offsets that partition ``text``.
        key: of the document it comes from; parts of a split share none.
    """

    title: str
    text: str
    sentences: np.ndarray
    key: str

    def sentence(self, number: int) -> str:
        """The text of one sentence."""
        start, end = self.sentences[number].tolist()
        return self.text[start:end]


@dataclass(frozen=True)
class Record:
    """A question with its chunks.

    Attributes:
        set: name of the set, ``"xquad.de"`` for a language.
        part: ``"train"``, ``"validation"`` or ``"test"``; "" before the split is known.
        id: as in the set.
        question: the question.
        answers: accepted answers, none where the set says that the chunk answers nothing.
        docs: the chunks, in the order of the set.
        gold: pairs (doc, sentence), sorted.
    """

    set: str
    part: str
    id: str
    question: str
    answers: list[str]
    docs: list[Doc]
    gold: list[tuple[int, int]]


WIKI = "wiki"
"""One name space for every set of Wikipedia articles, so that an article has one part in all."""

SPAN_SETS = {
    "xquad.en": "xquad/en",
    "squadshifts_newwiki": "squadshifts_newwiki/test",
    "squadshifts_amazon": "squadshifts_amazon/train",
    "squadshifts_reddit": "squadshifts_reddit/train",
    "nq_open_oracle": "nq_open_oracle/dev",
    "covid_qa": "covid_qa/all",
} | {f"xquad.{lang}": f"xquad/{lang}" for lang in ("ar", "de", "es", "hi", "ru", "tr", "zh")}

EVIDENCE_SETS = {
    "qed": ("qed/dev",),
    "clapnq": ("clapnq/dev",),
    "hotpotqa_distractor": ("hotpotqa_distractor/mixed",),
    "2wikimultihop": ("2wikimultihop/dev", "2wikimultihop/train"),
    "musique": ("musique/dev",),
}

SETS = (*SPAN_SETS, *EVIDENCE_SETS)
"""Every set there is, by the name it is read by."""

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans(dict.fromkeys(string.punctuation, " "))


def normalised(text: str) -> str:
    """Words in lower case, without punctuation and English articles, one space between them."""
    plain = unicodedata.normalize("NFKC", text).lower().translate(_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", plain).split())


def holds(text: str, answers: list[str]) -> bool:
    """Whether a text contains one of the answers as whole words, by ``normalised``."""
    within = f" {normalised(text)} "
    return any(word and f" {word} " in within for word in map(normalised, answers))


def document_key(name: str, title: str, text: str) -> str:
    """What names the document of a passage, the same in every set that has it.

    Wikipedia articles go by their title; papers and reviews by the set's own numbering; posts,
    which have no title of their own, by their text.
    """
    base = name.partition(".")[0]
    if base == "squadshifts_reddit":
        return f"{base}:{normalised(text)}"
    if base in ("xquad", "covid_qa", "squadshifts_amazon"):
        return f"{base}:{title}"
    return f"{WIKI}:{normalised(title.replace('_', ' ')) or normalised(text)}"


def read(name: str, part: str | None = None) -> list[Record]:
    """The records of a set, in the order of its files.

    Rows without a known gold sentence are left out (an answer that stands nowhere in its passage),
    but for the questions that a set marks as unanswerable: those have no answers and no gold.

    Args:
        name: one of ``SETS``.
        part: one part of the split; None: all, each with its part.

    Raises:
        DataAbsentError: no such set in the data folder, or the split does not know its documents.
    """
    from benchmarks.rag.splits import parts_of

    if name not in SETS:
        raise DataAbsentError(f"{name} is no set of this benchmark; there are {', '.join(SETS)}")
    known = parts_of()
    records = [replace(record, part=known(record)) for record in unsplit(name)]
    return [record for record in records if part in (None, record.part)]


def unsplit(name: str) -> list[Record]:
    """As ``read``, with ``part`` still empty: what the split is made from."""
    if name in SPAN_SETS:
        made = [_span_record(name, row) for row in _rows(SPAN_SETS[name])]
    else:
        made = [_evidence_record(name, row) for file in EVIDENCE_SETS[name] for row in _rows(file)]
    return [record for record in made if record is not None]


def _rows(file: str) -> list[dict[str, Any]]:
    import polars as pl

    path = data_folder() / f"{file}.parquet"
    if not path.is_file():
        raise DataAbsentError(f"{file}.parquet is not in the data folder")
    return list(pl.read_parquet(path).iter_rows(named=True))


def _span_record(name: str, row: dict[str, Any]) -> Record | None:
    text, title = row["context"], row["title"] or ""
    language = name.partition(".")[2] or "en"
    spans = sentence_spans(text, language=language)
    gold = _answer_sentences(text, spans, row["answers"], row["answer_starts"])
    if not gold:
        return None
    key = document_key(name, title, text)
    shown = title.replace("_", " ") if key.startswith(f"{WIKI}:") else ""
    doc = Doc(shown, text, spans, key)
    return Record(
        name, "", str(row["id"]), row["question"], list(row["answers"]), [doc],
        [(0, number) for number in gold],
    )  # fmt: skip


def _answer_sentences(
    text: str, spans: np.ndarray, answers: list[str], starts: list[int]
) -> list[int]:
    """Numbers of the sentences that hold the answer.

    Every reference answer votes for the sentences it lies in; those with half of the votes or more
    are gold, else those with the most. Without offsets: all sentences that contain an answer.
    """
    votes: Counter[int] = Counter()
    voters = 0
    for answer, start in zip(answers, starts, strict=True):
        if start >= 0 and answer:
            first, last = np.searchsorted(
                spans[:, 1], [start, start + len(answer) - 1], side="right"
            ).tolist()
            votes.update(range(first, min(last, len(spans) - 1) + 1))
            voters += 1
    if votes:
        needed = min(max(votes.values()), voters / 2)
        return sorted(number for number, count in votes.items() if count >= needed)
    return [
        number
        for number, (start, end) in enumerate(spans.tolist())
        if holds(text[start:end], answers)
    ]


def _evidence_record(name: str, row: dict[str, Any]) -> Record | None:
    whole = name == "musique"  # its documents are one "sentence" each
    docs, moved = [], {}
    for number, doc in enumerate(row["docs"]):
        text, spans, places = _joined(doc["sentences"])
        if whole:
            spans = sentence_spans(text, language="en")
        docs.append(Doc(doc["title"], text, spans, document_key(name, doc["title"], text)))
        moved |= {(number, old): new for old, new in places.items()}
    marked = [(entry["doc"], entry["sent"]) for entry in row["evidence"]]
    if any(pair not in moved for pair in marked):
        return None
    gold = {(doc, moved[doc, sentence]) for doc, sentence in marked}
    if whole:
        gold = _paragraph_gold(docs, marked, json.loads(row["extra"])["decomposition"])
    unanswerable = row["type"] == "unanswerable"
    if not gold and not unanswerable:
        return None
    answers = [] if unanswerable else list(row["answers"])
    return Record(name, "", str(row["id"]), row["question"], answers, docs, sorted(gold))


def _joined(sentences: list[str]) -> tuple[str, np.ndarray, dict[int, int]]:
    """A passage of its sentences with one space between them.

    Returns:
        The text; offsets that partition it, shape (m, 2); and for each sentence that is not empty
        its number among those that are left.
    """
    kept = [(old, text.strip()) for old, text in enumerate(sentences) if text.strip()]
    pieces = [text + " " for _, text in kept[:-1]] + [text for _, text in kept[-1:]]
    ends = np.cumsum([len(piece) for piece in pieces], dtype=np.int64)
    starts = np.concatenate([[0], ends[:-1]]) if len(ends) else ends
    spans = np.stack([starts, ends], axis=1).astype(np.int64).reshape(-1, 2)
    return "".join(pieces), spans, {old: new for new, (old, _) in enumerate(kept)}


def _paragraph_gold(
    docs: list[Doc], marked: list[tuple[int, int]], steps: list[dict[str, Any]]
) -> set[tuple[int, int]]:
    """Sentences of the supporting paragraphs that hold their step's answer, else the paragraph."""
    answer_of: dict[int, list[str]] = {}
    for step in steps:
        answer_of.setdefault(step["paragraph_support_idx"], []).append(step["answer"])
    gold = set()
    for number, _ in marked:
        doc = docs[number]
        every = range(len(doc.sentences))
        hits = [i for i in every if holds(doc.sentence(i), answer_of.get(number, []))]
        gold |= {(number, i) for i in hits or every}
    return gold
