"""What dedup finds and what it drops besides, on labelled and planted duplicates; one JSON line."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from common import env, loaders

import datapruner as dp
from datapruner.scorers.dedup import STAGES
from datapruner.scorers.minhash import Printer

PLANTED = 100  # copies of each kind
SETS = {
    "near_duplicates/articles_1000": "text",
    "web_text/docs": "text",
    "gsm8k/train": "question",
    "math_competition/test": "question",
    "banking77/train": "text",
    "movie_polarity/train": "text",
}


def dropped_word(text: str, rng: np.random.Generator) -> str:
    words = text.split()
    words.pop(int(rng.integers(len(words))))
    return " ".join(words)


def swapped_words(text: str, rng: np.random.Generator) -> str:
    words = text.split()
    at = int(rng.integers(len(words) - 1))
    words[at], words[at + 1] = words[at + 1], words[at]
    return " ".join(words)


KINDS = {
    "exact": lambda text, rng: text,
    "case": lambda text, rng: text.upper(),
    "word dropped": dropped_word,
    "words swapped": swapped_words,
}


def planted(texts: list[str], rng: np.random.Generator) -> tuple[list[str], dict[str, list[int]]]:
    """The texts with copies behind them, and for each kind the rows that were copied."""
    usable = [i for i, text in enumerate(texts) if len(text.split()) >= 8]
    chosen = rng.permutation(usable)[: PLANTED * len(KINDS)].reshape(len(KINDS), -1)
    rows = {kind: part.tolist() for kind, part in zip(KINDS, chosen, strict=True)}
    copies = [KINDS[kind](texts[i], rng) for kind, part in rows.items() for i in part]
    return texts + copies, rows


def measured(texts: list[str], embedder: str, eps: float) -> dict[str, Any]:
    rng = np.random.default_rng(5)
    plain = dp.dedup(texts, embedder=embedder, eps=eps)
    more, rows = planted(texts, rng)
    begun = time.process_time()
    found = dp.dedup(more, embedder=embedder, eps=eps)
    cpu = time.process_time() - begun
    at, recall = len(texts), {}
    for kind, part in rows.items():
        pairs = [(row, at + i) for i, row in enumerate(part)]
        at += len(part)
        recall[kind] = float(np.mean([not (found.mask[a] and found.mask[b]) for a, b in pairs]))
    stages = np.bincount(found.scores.twins.stage, minlength=len(STAGES) + 1)[1:].tolist()
    return {
        "rows": len(texts),
        "dropped_without_planting": len(texts) - len(plain),
        "planted": at - len(texts),
        "recall": recall,
        "dropped": dict(zip(STAGES, stages, strict=True)),
        "cpu_s": round(cpu, 2),
    }


def labelled(data: pl.DataFrame, embedder: str, eps: float) -> dict[str, Any]:
    found = dp.dedup(data, text="text", id="id", embedder=embedder, eps=eps)
    ids = set(found.ids.tolist())
    pairs = {
        frozenset((a, b))
        for a, others in zip(data["id"], data["duplicate_of"].to_list(), strict=True)
        for b in others or ()
    }
    broken = sum(not pair <= ids for pair in pairs)
    gone = len(data) - len(found)
    return {"pairs": len(pairs), "broken_up": broken, "dropped": gone, "besides": gone - broken}


def throughput(texts: list[str]) -> float:
    """Signatures a CPU second, with the pass over exact keys."""
    begun = time.process_time()
    printer = Printer()
    printer.add(texts)
    printer.finish()
    return len(texts) / (time.process_time() - begun)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--embedder", default="offline")
    parser.add_argument("--eps", type=float, default=0.05)
    parser.add_argument("--rows", type=int, default=1000, help="of each set")
    given = parser.parse_args()
    answer: dict[str, Any] = {"embedder": given.embedder, "eps": given.eps, "sets": {}}
    for name, column in SETS.items():
        data = pl.read_parquet(loaders.data_folder() / f"{name}.parquet")
        if "duplicate_of" in data.columns:
            answer["labelled"] = labelled(data, given.embedder, given.eps)
        texts = [text for text in data[column].to_list() if text and text.strip()]
        answer.setdefault("minhash_documents_per_cpu_s", {})[name] = round(throughput(texts))
        answer["sets"][name] = measured(texts[: given.rows], given.embedder, given.eps)
    print(json.dumps({**answer, "env": env.stamp("benchmarks/dataset/duplicates/run.py")}))


if __name__ == "__main__":
    main()
