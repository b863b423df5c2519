"""From questions to curves: what each budget keeps, and how sure the differences are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common.features import cache_folder
from benchmarks.common.loaders import fingerprint
from benchmarks.rag.baselines import gold_rows, scorer_of
from benchmarks.rag.records import Record, holds
from datapruner import rng
from datapruner.context.chunks import ContextPruner
from datapruner.context.result import PrunedContext
from datapruner.core.budget import Budget
from datapruner.core.items import Items
from datapruner.core.scores import Scores

VERSION = 2
"""Raise it where a cell means something else; finished ones are then measured again."""

SHARES = (0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75)
THRESHOLDS = (0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7)
PRICES = (0.0002, 0.0005, 0.001, 0.0015, 0.002, 0.003, 0.004, 0.006, 0.008, 0.012, 0.02, 0.04)
BINS = 10
RESAMPLES = 1000
FIELDS = ("share", "answer", "gold")


def limits_of(method: str) -> list[str]:
    """The limits that a method is measured at, as their names in the results."""
    shares = [f"{share:g}" for share in SHARES]
    if method != "sentences":
        return shares
    return shares + [f"t{t:g}" for t in THRESHOLDS] + [f"p{p:g}" for p in PRICES]


class _Once:
    """A scorer that is asked once; every further limit gets the same values."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.values, self.items = inner, np.empty(0), None

    def __call__(self, items: Items, *, query: str, seed: int = 0) -> Scores:
        if self.items is None:
            self.values = self.inner(items, query=query, seed=seed).values
            self.items = items
        return Scores(self.values, items)


def chunks_of(record: Record) -> list[dict[str, Any]]:
    """The record's documents as the pruner takes them; ids are positions."""
    return [
        {"id": place, "text": doc.text, "title": doc.title} for place, doc in enumerate(record.docs)
    ]


def measure(method: str, record: Record, model: str | None, seed: int = 0) -> dict[str, Any]:
    """One question at every limit of a method.

    Returns:
        ``share``, ``answer`` and ``gold``, each a list by limit: tokens kept of all tokens; 1 where
        an answer is in the text, 1 where all gold sentences are, None where there is none to keep;
        and for probabilities ``bins``, per bin the number of sentences, the sum of probabilities
        and the number of gold ones.
    """
    scorer = _Once(scorer_of(method, record, model))
    chunks = chunks_of(record)
    there = holds("\n\n".join(doc.text for doc in record.docs), record.answers)
    found: dict[str, Any] = {name: [] for name in FIELDS}
    for limit in limits_of(method):
        # Titles help the scorers and are no part of the texts; nothing is pinned.
        how: dict[str, Any] = {"method": scorer, "pins": (), "seed": seed}
        if limit.startswith("t"):
            how["threshold"] = float(limit[1:])
        elif limit.startswith("p"):
            how["price"] = float(limit[1:])
        else:
            how["budget"] = Budget(share=float(limit), share_of="cost")
        made = ContextPruner(**how)(record.question, chunks)
        if "scorer_failed" in made.flags:
            raise RuntimeError(f"{record.set} {record.id}: {made.notes}")
        found["share"].append(round(made.tokens / max(made.tokens_before, 1), 4))
        found["answer"].append(int(holds(made.text, record.answers)) if there else None)
        found["gold"].append(int(keeps_gold(made, record)) if record.gold else None)
    if method == "sentences" and scorer.items is not None:
        found["bins"] = bins(scorer.values, gold_rows(record, scorer.items)).round(5).tolist()
    return found


def keeps_gold(made: PrunedContext, record: Record) -> bool:
    """Whether every gold sentence stands whole in the kept stretches of its document."""
    spans = {int(chunk.id): chunk.spans for chunk in made.chunks}
    for doc, sentence in record.gold:
        start = int(record.docs[doc].sentences[sentence][0])
        text = record.docs[doc].sentence(sentence)
        first = start + len(text) - len(text.lstrip())
        last = start + len(text.rstrip())
        if not any(low <= first and last <= high for low, high in spans[doc]):
            return False
    return True


def bins(values: np.ndarray, gold: np.ndarray) -> np.ndarray:
    """Shape (BINS, 3): number of sentences, sum of probabilities, number of gold ones."""
    place = np.minimum((values * BINS).astype(np.int64), BINS - 1)
    return np.stack(
        [
            np.bincount(place, weights=w, minlength=BINS)
            for w in (np.ones_like(values), values, gold)
        ],
        axis=1,
    )


def calibration_error(counts: np.ndarray) -> float:
    """ECE: the mean gap between probability and frequency, weighted by the sentences of a bin."""
    n = max(counts[:, 0].sum(), 1.0)
    return float(np.abs(counts[:, 1] - counts[:, 2]).sum() / n)


def model_name(model: str | None) -> str:
    """What names the weights in a cell: a digest of the files of the model's folder."""
    if model is None:
        from datapruner.scorers.labelmodel import packaged

        model = str(packaged())
    digest = hashlib.sha256()
    for path in sorted(Path(model).glob("*")):
        if path.name in ("config.json", "tokenizer.json", "model.onnx", "model.safetensors"):
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def cell(method: str, records: list[Record], model: str | None) -> dict[str, Any]:
    """All questions of a set with one method, from the memory outside the repository or measured.

    A cell is known by its method, its questions and chunks, and the weights; changed code of the
    pruner is not seen, so ``VERSION`` or an empty cache folder must say so.
    """
    name = records[0].set
    texts = [f"{r.id}\x1f{r.question}\x1f{d.text}" for r in records for d in r.docs]
    weights = model_name(model) if method == "sentences" else ""
    key = fingerprint(texts, [str(VERSION), method, weights, *limits_of(method)])
    path = cache_folder() / f"rag-{name}-{method}-{key}.json"
    if path.is_file():
        known: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return known
    rows = [measure(method, record, model) for record in records]
    found: dict[str, Any] = {"dataset": name, "method": method, "limits": limits_of(method)}
    for field in FIELDS:
        found[field] = [row[field] for row in rows]
    if method == "sentences":
        found["bins"] = np.sum([row["bins"] for row in rows], axis=0).tolist()
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(found), "utf-8")
    partial.replace(path)
    return found


def table_of(one: dict[str, Any], field: str) -> np.ndarray:
    """Shape (questions, limits), float64, NaN where there is nothing to keep."""
    return np.array(one[field], dtype=np.float64)


def resampled(values: np.ndarray, name: str) -> np.ndarray:
    """Means over RESAMPLES draws of the rows with replacement, NaN rows left out: (draws, limits).

    The draws depend on the set's name and the number of rows alone, so that differences of methods
    are paired and a cell's interval does not depend on which cells were made before.
    """
    generator = rng.stream(0, f"bootstrap {name}")
    n = len(values)
    counts = generator.multinomial(n, np.full(n, 1 / n), size=RESAMPLES).astype(np.float64)
    means: np.ndarray = counts @ values / n
    return means


def curve(one: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """An entry for every limit of a cell: means in per cent and bootstrap 95 % intervals."""
    share = table_of(one, "share")
    for place, limit in enumerate(one["limits"]):
        entry: dict[str, Any] = {
            "dataset": one["dataset"],
            "method": one["method"],
            "limit": limit,
            "kept": round(100 * float(share[:, place].mean()), 2),
        }
        for field in ("answer", "gold"):
            values = table_of(one, field)[:, place]
            values = values[~np.isnan(values)]
            if len(values):
                low, high = np.quantile(resampled(values[:, None], one["dataset"]), (0.025, 0.975))
                entry[field] = round(100 * float(values.mean()), 2)
                entry[f"{field}_low"] = round(100 * float(low), 2)
                entry[f"{field}_high"] = round(100 * float(high), 2)
                entry[f"{field}_n"] = len(values)
        yield entry


def versus(ours: dict[str, Any], theirs: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Paired differences at the budgets in per cent points; outside its interval: win or lose."""
    for field in ("answer", "gold"):
        width = len(SHARES)
        gap = table_of(ours, field)[:, :width] - table_of(theirs, field)[:, :width]
        gap = gap[~np.isnan(gap).any(axis=1)]
        if not len(gap):
            continue
        low, high = np.quantile(resampled(gap, ours["dataset"]), (0.025, 0.975), axis=0)
        for place, mean in enumerate(gap.mean(axis=0).tolist()):
            verdict = "win" if low[place] > 0 else "lose" if high[place] < 0 else "tie"
            yield {
                "dataset": ours["dataset"],
                "method": ours["method"],
                "baseline": theirs["method"],
                "what": field,
                "limit": ours["limits"][place],
                "difference": round(100 * mean, 2),
                "low": round(100 * float(low[place]), 2),
                "high": round(100 * float(high[place]), 2),
                "verdict": verdict,
            }
