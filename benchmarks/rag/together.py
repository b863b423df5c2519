"""Fits what the sentence model's probability is made of, on the validation parts alone.

    python -m benchmarks.rag.together MODEL_FOLDER [--questions 150]

Token labels come from the model; how much they weigh beside the words that question and sentence
share and the titles that sentences name (``datapruner.scorers.together``) is fitted here, and the
default threshold chosen: the highest that keeps all gold sentences of 90 % of the questions, sets
counting alike. Calls with one chunk are the validation questions of the single-passage sets; calls
with several are those of the multi-hop sets, and single passages among the nine best of their own
set by BM25. Words alone, for text in letters that the model never learnt, are fitted on XQuAD in
four languages. The weights go into the folder's config.json, and a table of thresholds to stdout.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.rag.baselines import gold_rows
from benchmarks.rag.curves import THRESHOLDS, chunks_of
from benchmarks.rag.records import Record, read
from benchmarks.rag.targets import MULTI_HOP, SINGLE
from benchmarks.rag.training_data import Retriever
from datapruner import rng
from datapruner.context.chunks import ContextPruner
from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.core.types import FloatArray
from datapruner.output import AtomicFile
from datapruner.scorers.labeller import Sentences
from datapruner.scorers.lexical import Lexical
from datapruner.scorers.together import Together, log_odds, other_best

CHUNKS = 10
LONGEST = 3000
"""Characters of a passage that is put among others."""
KEEP = 0.9
STEPS = tuple(round(0.0025 * step, 4) for step in range(1, 81))
"""Thresholds among which the default is chosen."""
OTHER_LETTERS = ("xquad.ar", "xquad.hi", "xquad.ru", "xquad.zh")
SHARES = (0.2, 0.25, 0.3)
"""Of the tokens, at which calls with several chunks are judged."""
SOFTNESS = 3.0
GRID = {
    "labels": (1.0, 1.4, 1.8, 2.4, 3.2),
    "named": (0.2, 0.4, 0.55, 0.7),
    "lead": (0.0, 0.1, 0.2, 0.4),
}


@dataclass
class Call:
    """One question with what the model's labels say of its sentences."""

    set: str
    items: Items
    query: str
    labels: np.ndarray
    gold: np.ndarray


class _Watched:
    """Labels as scores, and the items they were made of."""

    def __init__(self, model: Sentences) -> None:
        self.model = model
        self.items: Items | None = None
        self.labels: FloatArray = np.empty(0)

    def __call__(self, items: Items, *, query: str, seed: int = 0) -> Scores:
        self.items, self.labels = items, self.model.label(items, query=query).probabilities
        return Scores(self.labels, items)


def drawn(records: list[Record], most: int) -> list[Record]:
    """At most so many of them, by a hash of their ids."""
    keys = rng.mix(rng.hash_strings([f"{r.set}\x1f{r.id}" for r in records]), 1)
    chosen = np.sort(np.argsort(keys, kind="stable")[:most])
    return [records[place] for place in chosen.tolist()]


def among_others(name: str, most: int) -> list[Record]:
    """Questions on one passage, which now stands among the best others of its set by BM25."""
    every = [r for r in read(name, "validation") if r.gold and len(r.docs) == 1]
    every = [r for r in every if len(r.docs[0].text) <= LONGEST]
    corpus = list({doc.text: doc for r in every for doc in r.docs}.values())
    near_by = Retriever([doc.text for doc in corpus])
    found = []
    for record in drawn(every, most):
        own = record.docs[0]
        near = [corpus[place] for place in near_by.best(record.question, CHUNKS)]
        mixed = [own, *[doc for doc in near if doc.text != own.text][: CHUNKS - 1]]
        keys = rng.mix(rng.hash_strings([f"{record.id}\x1f{doc.text}" for doc in mixed]))
        order = np.argsort(keys, kind="stable").tolist()
        gold = [(order.index(0), sentence) for _, sentence in record.gold]
        docs = [mixed[place] for place in order]
        found.append(replace(record, set=f"{name}, among others", docs=docs, gold=gold))
    return found


def calls(records: list[Record], model: Sentences) -> list[Call]:
    """The labels of all questions that have gold sentences."""
    found = []
    for record in records:
        if not record.gold:
            continue
        watched = _Watched(model)
        ContextPruner(method=watched, pins=(), budget="everything")(
            record.question, chunks_of(record)
        )
        assert watched.items is not None
        gold = gold_rows(record, watched.items)
        found.append(Call(record.set, watched.items, record.question, watched.labels, gold))
    return found


def weights(given: list[Call]) -> np.ndarray:
    """One a sentence, so that sets count alike."""
    number: dict[str, int] = {}
    for call in given:
        number[call.set] = number.get(call.set, 0) + 1
    each = [np.full(call.items.n, 100 / number[call.set]) for call in given]
    return np.concatenate(each)


def logistic_fit(features: np.ndarray, given: list[Call]) -> tuple[list[float], float]:
    """Coefficients and intercept of gold against the rest."""
    from sklearn.linear_model import LogisticRegression

    gold = np.concatenate([call.gold for call in given]).astype(int)
    fitted = LogisticRegression(C=10, max_iter=1000).fit(features, gold, weights(given))
    return [round(float(x), 4) for x in fitted.coef_[0]], round(float(fitted.intercept_[0]), 4)


def fit_alone(given: list[Call]) -> dict[str, float]:
    """Weights of calls with one chunk."""
    columns = [
        np.stack([log_odds(call.labels), log_odds(other_best(call.labels))], axis=1)
        for call in given
    ]
    (sharpness, rival), offset = logistic_fit(np.concatenate(columns), given)
    return {"sharpness": sharpness, "rival": rival, "offset": offset}


def fit_words(given: list[Call]) -> dict[str, float]:
    """Weights of the lexical score where labels say nothing."""
    found = []
    for call in given:
        values = Lexical()(call.items, query=call.query).values
        found.append(values / max(values.max(initial=0.0), 1.0))
    (sharpness,), offset = logistic_fit(np.concatenate(found)[:, None], given)
    return {"words_sharpness": sharpness, "words_offset": offset}


def keeps_all(call: Call, values: np.ndarray, share: float) -> bool:
    """Whether the best sentences within a share of the tokens are all the gold ones."""
    left = np.floor(share * call.items.cost.sum() + 1e-9)
    missing = int(call.gold.sum())
    for row in np.argsort(-values, kind="stable").tolist():
        if call.items.cost[row] <= left:
            left -= call.items.cost[row]
            missing -= int(call.gold[row])
    return not missing


def fit_several(given: list[Call], alone: dict[str, float]) -> tuple[dict[str, float], float]:
    """Weights of calls with several chunks: the best of a grid, then made a probability."""
    rest = {"softness": SOFTNESS, "several_sharpness": 1.0, "several_offset": 0.0, **alone}
    best: tuple[float, dict[str, float]] = (-1.0, {})
    for values in itertools.product(*GRID.values()):
        tried = dict(zip(GRID, values, strict=True))
        together = Together(**tried, **rest)
        reached = _reached(given, [together.evidence(c.items, c.labels, c.query) for c in given])
        best = max(best, (reached, tried), key=lambda one: one[0])
    made = {**rest, **best[1]}
    together = Together(**made)
    found = np.concatenate([together.evidence(c.items, c.labels, c.query) for c in given])
    (sharpness,), offset = logistic_fit(found[:, None], given)
    return {**made, "several_sharpness": sharpness, "several_offset": offset}, best[0]


def _reached(given: list[Call], values: list[np.ndarray]) -> float:
    """Mean over sets of the share of questions that keep all gold, over the shares of tokens."""
    by_set: dict[str, list[float]] = {}
    for call, own in zip(given, values, strict=True):
        kept = [keeps_all(call, own, share) for share in SHARES]
        by_set.setdefault(call.set, []).append(float(np.mean(kept)))
    return float(np.mean([np.mean(kept) for kept in by_set.values()]))


def threshold_table(
    given: list[Call], values: list[FloatArray], thresholds: Sequence[float]
) -> list[dict[str, Any]]:
    """For each threshold the tokens and the gold kept, set by set and over all."""
    rows = []
    for threshold in thresholds:
        by_set: dict[str, list[tuple[float, float]]] = {}
        for call, own in zip(given, values, strict=True):
            stays = own >= threshold
            share = float(call.items.cost[stays].sum() / max(call.items.cost.sum(), 1))
            by_set.setdefault(call.set, []).append((share, float(not (call.gold & ~stays).any())))
        means = {name: np.mean(kept, axis=0) for name, kept in by_set.items()}
        over = np.mean(list(means.values()), axis=0)
        rows.append(
            {
                "threshold": threshold,
                "tokens": round(float(over[0]), 4),
                "gold": round(float(over[1]), 4),
                "sets": {n: [round(float(x), 3) for x in kept] for n, kept in means.items()},
            }
        )
    return rows


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns 0."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--questions", type=int, default=150, help="of a set, at most")
    given = parser.parse_args(arguments)
    model = Sentences(model=str(given.model), device="cpu", evidence="labels")
    singles = [r for name in SINGLE for r in drawn(read(name, "validation"), given.questions)]
    alone = calls(singles, model)
    print(f"{len(alone)} calls with one chunk", file=sys.stderr)
    others = [r for name in OTHER_LETTERS for r in drawn(read(name, "validation"), 50)]
    strange = calls(others, model)
    hops = [r for name in MULTI_HOP for r in drawn(read(name, "validation"), given.questions)]
    mixed = [
        r
        for name in ("squadshifts_newwiki", "xquad.en", "nq_open_oracle")
        for r in among_others(name, given.questions // 3)
    ]
    several = calls(hops + mixed, model)
    print(f"{len(several)} calls with several", file=sys.stderr)
    fitted, reached = fit_several(several, {**fit_alone(alone), **fit_words(strange)})
    together = Together(**fitted)
    every = alone + several
    values = [together(call.items, call.labels, call.query) for call in every]
    table = threshold_table(every, values, THRESHOLDS)
    fine = threshold_table(every, values, STEPS)
    enough = [row["threshold"] for row in fine if row["gold"] >= KEEP]
    path = given.model / "config.json"
    config = json.loads(path.read_text("utf-8"))
    config["datapruner"]["together"] = fitted
    config["datapruner"]["letters"] = "latin"
    config["datapruner"]["threshold"] = max(enough, default=min(STEPS))
    with AtomicFile(path, overwrite=True) as file:
        file.write(json.dumps(config, indent=1).encode() + b"\n")
    made = {
        "together": fitted,
        "all_gold_of_several": round(reached, 4),
        "threshold": config["datapruner"]["threshold"],
        "table": table,
    }
    print(json.dumps(made, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
