"""Writes the training and validation pairs of our sentence model, from the split's own parts.

    python -m benchmarks.rag.training_data --out FOLDER [--negatives 0.5] [--distractors 2]

One line is one question with one chunk (``datapruner train sentences`` reads it). Chunks that hold
the answer come with their gold sentences; chunks that do not are found inside the set: the best by
BM25 of the same part of the split that contain no answer, and the distractors of the multi-hop
sets. The title of an article stands before half of the chunks of single-passage sets and before all
of the multi-hop sets, outside every sentence: the model reads it, and is not asked about it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.rag.records import Doc, Record, holds, normalised, read
from datapruner import rng

TRAINED_ON = (
    "xquad.en",
    "squadshifts_newwiki",
    "squadshifts_amazon",
    "squadshifts_reddit",
    "nq_open_oracle",
    "covid_qa",
    "qed",
    "clapnq",
    "hotpotqa_distractor",
    "2wikimultihop",
    "musique",
)
MULTI_HOP = ("hotpotqa_distractor", "2wikimultihop", "musique")
LONGEST_NEGATIVE = 3000
"""Characters; whole papers (covid_qa) bring enough windows without an answer of their own."""
CANDIDATES = 20


def chance(seed: int, *names: str) -> float:
    """A number in (0, 1) that depends on the names alone."""
    keys = rng.hash_strings(["\x1f".join(names)])
    return float(rng.unit_interval(rng.mix(keys, seed))[0])


def line(record: Record, doc: Doc, kept: set[int], name: str, *, titled: bool) -> dict[str, Any]:
    """One pair as the command reads it; the title, if shown, is outside every sentence."""
    head = f"{doc.title}\n" if titled and doc.title else ""
    return {
        "id": f"{record.set}/{record.id}/{name}",
        "query": record.question,
        "passage": head + doc.text,
        "sentences": (doc.sentences + len(head)).tolist(),
        "keep": [int(number in kept) for number in range(len(doc.sentences))],
        "relevant": int(bool(kept)),
        "group": record.set,
    }


def pairs(record: Record, *, seed: int, distractors: int, usable: Any) -> Iterator[dict[str, Any]]:
    """The pairs that a record itself gives: its gold chunks, and its own distractors."""
    gold: dict[int, set[int]] = defaultdict(set)
    for doc, sentence in record.gold:
        gold[doc].add(sentence)
    others = [n for n in range(len(record.docs)) if n not in gold]
    if len(record.docs) > 1:
        others = [n for n in others if usable(record.docs[n])]
        order = _ranked([record.docs[n].text for n in others], record.question)
        others = [others[n] for n in order[: distractors * len(gold)]]
    for number in sorted(gold) + others:
        doc = record.docs[number]
        name = str(number)
        titled = record.set in MULTI_HOP or chance(seed, "title", record.id, name) < 0.5
        if len(doc.sentences):
            yield line(record, doc, gold.get(number, set()), name, titled=titled)


def _ranked(texts: list[str], question: str) -> list[int]:
    return Retriever(texts).best(question, len(texts)) if texts else []


class Retriever:
    """BM25 over a list of texts."""

    def __init__(self, texts: list[str]) -> None:
        import bm25s

        self._bm25s = bm25s
        self._index = bm25s.BM25(k1=1.5, b=0.75)
        tokens = bm25s.tokenize(texts, stopwords="en", show_progress=False)
        self._empty = not tokens.vocab
        if not self._empty:
            self._index.index(tokens, show_progress=False)
        self._size = len(texts)

    def best(self, question: str, k: int) -> list[int]:
        """Numbers of the best texts, best first, ties by number."""
        if self._empty:
            return list(range(min(k, self._size)))
        words = self._bm25s.tokenize(
            question, stopwords="en", show_progress=False, return_ids=False
        )
        scores = self._index.get_scores(words[0]) if words[0] else np.zeros(self._size)
        return np.argsort(-scores, kind="stable")[:k].tolist()


def retrieved(records: list[Record], share: float, seed: int) -> Iterator[dict[str, Any]]:
    """For a share of the questions the best-ranked chunk of the set that holds no answer."""
    docs = {doc.text: doc for record in records for doc in record.docs}
    corpus = [doc for doc in docs.values() if len(doc.text) <= LONGEST_NEGATIVE]
    if not corpus:
        return
    retriever = Retriever([doc.text for doc in corpus])
    for record in records:
        if not record.gold or chance(seed, "negative", record.set, record.id) >= share:
            continue
        own = {doc.text for doc in record.docs}
        for number in retriever.best(record.question, CANDIDATES):
            doc = corpus[number]
            if doc.text not in own and not holds(doc.text, record.answers):
                titled = chance(seed, "title", record.id, "negative") < 0.5
                yield line(record, doc, set(), "negative", titled=titled)
                break


def evaluation_questions() -> set[str]:
    """Every question of the held-out parts, normalised."""
    return {
        normalised(record.question)
        for name in TRAINED_ON
        for record in read(name)
        if record.part in ("validation", "test")
    }


def write(
    path: Path,
    part: str,
    *,
    negatives: float,
    distractors: int,
    seed: int,
    sets: Sequence[str] = TRAINED_ON,
) -> Counter[str]:
    """Write the pairs of one part; returns how many there are of each kind."""
    from benchmarks.rag.splits import document_part

    known = document_part()
    banned = evaluation_questions() if part == "train" else set()
    counts: Counter[str] = Counter()
    with path.open("w", encoding="utf-8") as stream:
        for name in sets:
            records = [r for r in read(name, part) if normalised(r.question) not in banned]
            made = [
                pair
                for record in records
                for pair in pairs(
                    record,
                    seed=seed,
                    distractors=distractors,
                    usable=lambda doc: known(doc.key) == part,
                )
            ]
            if name not in MULTI_HOP:
                made += retrieved(records, negatives, seed)
            for pair in made:
                counts[f"{name}/{'relevant' if pair['relevant'] else 'not'}"] += 1
                stream.write(json.dumps(pair, ensure_ascii=False) + "\n")
    return counts


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns 0."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--negatives", type=float, default=0.5)
    parser.add_argument("--distractors", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    for part in ("train", "validation"):
        counts = write(
            given.out / f"{part}.jsonl",
            part,
            negatives=given.negatives,
            distractors=given.distractors,
            seed=given.seed,
        )
        print(part, sum(counts.values()), dict(sorted(counts.items())), file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
