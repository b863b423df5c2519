"""Does a small causal language model find the block that answers? What ``paths`` is worth.

    python -m benchmarks.html.causal [--questions 40] [--answers questions openings paths]
    python -m benchmarks.html.causal --table    # the newest result into README.md

English questions of *faq_html*, of the half that no choice was made on. The page is pruned to the
eight blocks that the lexical scorer likes best, among which there is one or more of the section
that answers; others are left out. Each form of ``GenerativePaths`` ranks the eight: how often a
block of the section comes first, by chance, by the lexical scorer and by the model.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import env, results
from benchmarks.common.tables import markdown, replace_block
from benchmarks.html.methods import causal_model
from benchmarks.html.records import Record, read, share_held
from datapruner import rng
from datapruner.context.html.pages import Given, prepare
from datapruner.context.html.prune import HtmlPruner
from datapruner.context.html.scoring import block_scorer
from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.scorers.generative import ANSWERS, GenerativePaths

CONTENDERS = 8
DEFAULT = ("questions", "openings", "paths")
INSIDE = 0.8
"""Of a block's runs of five words, so many stand in a section that it belongs to."""

ENGLISH = ("cdc.gov", "ecdc.europa.eu", "who.int")
DRAWS = 10_000


@dataclass(frozen=True)
class Asked:
    """One question, its contenders, which of them answer, and what the lexical scorer says."""

    query: str
    items: Items
    answers: np.ndarray
    lexical: np.ndarray


class Blocks:
    """A scorer that keeps the blocks that it is shown."""

    items: Items

    def __call__(self, items: Items, *, query: str, seed: int = 0) -> Scores:
        """The same score for each."""
        self.items = items
        return Scores(np.zeros(items.n), items, "nothing")


def blocks_of(record: Record) -> Items:
    """The blocks of a question's page, as scorers see them."""
    page = record.pages[0]
    shown = Blocks()
    pruner = HtmlPruner(budget="100 tokens", method=shown)
    pruner.prune_pages([prepare(Given(page.html, page.source), "lossless", frozenset(), None)], "?")
    return shown.items


def asked_of(record: Record, items: Items) -> Asked | None:
    """A question with its contenders; None where none of them answers."""
    values = block_scorer("lexical")(items, query=record.question).values
    rows = np.sort(np.argsort(-values, kind="stable")[:CONTENDERS])
    texts = [items.features["text"][row] for row in rows.tolist()]
    answers = np.array([bool(t.strip()) and share_held(record.gold, t) >= INSIDE for t in texts])
    if not answers.any() or answers.all():
        return None
    return Asked(record.question, items.take(rows), answers, values[rows])


def is_reported(record: Record) -> bool:
    """Whether a question is of the half that no form of a prompt was chosen on."""
    is_english = any(name in record.pages[0].source for name in ENGLISH)
    return is_english and bool(hashlib.sha256(record.id.encode()).digest()[-1] % 2)


def drawn(most: int) -> list[Asked]:
    """At most so many questions, by a hash of their ids."""
    records = [record for record in read("faq_html") if is_reported(record)]
    records.sort(key=lambda record: hashlib.sha256(record.id.encode()).hexdigest())
    known: dict[bytes, Items] = {}
    found: list[Asked] = []
    for record in records:
        html = record.pages[0].html
        if html not in known:
            known[html] = blocks_of(record)
        asked = asked_of(record, known[html])
        if asked is not None and len(found) < most:
            found.append(asked)
    return found


def entry_of(name: str, questions: Sequence[Asked], values: Sequence[np.ndarray]) -> dict[str, Any]:
    """How high the best block that answers stands, and how often chance would do as well."""
    ranks = np.array(
        [int((v > v[q.answers].max()).sum()) for q, v in zip(questions, values, strict=True)]
    )
    shares = np.array([q.answers.mean() for q in questions])
    luck = (rng.stream(0, "chance").random((DRAWS, len(shares))) < shares).sum(axis=1)
    return {
        "method": name,
        "questions": len(ranks),
        "first": round(100 * float((ranks == 0).mean()), 1),
        "in_three": round(100 * float((ranks < 3).mean()), 1),
        "reciprocal_rank": round(float((1 / (ranks + 1)).mean()), 3),
        "by_chance": round(100 * float(shares.mean()), 1),
        "chance_does_as_well": round(float((luck >= (ranks == 0).sum()).mean()), 4),
    }


def measured(questions: Sequence[Asked], answers: Sequence[str]) -> list[dict[str, Any]]:
    """An entry for the lexical scorer and for each form."""
    found = [entry_of("lexical", questions, [question.lexical for question in questions])]
    for answer in answers:
        scorer = GenerativePaths(causal_model(), answer, device="cpu")
        scorer(questions[0].items, query=questions[0].query)  # loads the model
        began = time.process_time()
        values = [scorer(question.items, query=question.query).values for question in questions]
        spent = time.process_time() - began
        entry = entry_of(f"paths, {answer}", questions, values)
        found.append(entry | {"cpu_s": round(spent / len(questions), 2)})
        print(entry, flush=True)
    return found


def table_of(result: dict[str, Any]) -> str:
    """The newest result as it stands in README.md."""
    entries = result["entries"]
    head = ["ranked by", "first, %", "in three, %", "chance does as well, %", "CPU s a question"]
    rows = [
        [
            entry["method"],
            f"{entry['first']:.1f}",
            f"{entry['in_three']:.1f}",
            f"{100 * entry['chance_does_as_well']:.1f}",
            f"{entry['cpu_s']:.1f}" if "cpu_s" in entry else "-",
        ]
        for entry in entries
    ]
    told = (
        f"`{result['environment']['command']}`, commit {result['environment']['commit']}, "
        f"{entries[0]['questions']} questions. A block that answers comes first, or is among the "
        f"first three; by chance one is first in {entries[0]['by_chance']:.1f} %, and chance does "
        f"as well as a row in so many of {DRAWS:,} draws."
    )
    return f"{told}\n\n{markdown(head, rows)}"


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns 0."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--questions", type=int, default=40)
    parser.add_argument("--answers", nargs="+", choices=ANSWERS, default=list(DEFAULT))
    parser.add_argument("--table", action="store_true", help="write the newest result's table")
    given = parser.parse_args(arguments)
    if given.table:
        page = Path(__file__).with_name("README.md")
        replace_block(page, table_of(results.latest("html-causal")), "causal")
        return 0
    entries = measured(drawn(given.questions), given.answers)
    words = f"--questions {given.questions} --answers {' '.join(given.answers)}"
    stamp = env.stamp(f"python -m benchmarks.html.causal {words}")
    print(results.write("html-causal", {"environment": stamp, "entries": entries}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
