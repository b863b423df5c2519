"""What a call costs beside the bare forward passes of its model; and a call without a model."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.rag import frameworks
from benchmarks.rag.records import read
from datapruner.context.chunks import ContextPruner
from datapruner.errors import InputError

REPEATS = 9
CHUNKS, WORDS = 10, 200


def job() -> tuple[str, list[str]]:
    """A question, and ten chunks of 200 words each from the papers of covid_qa's test part."""
    record = read("covid_qa", "test")[0]
    words = record.docs[0].text.split()
    chunks = [" ".join(words[i * WORDS : (i + 1) * WORDS]) for i in range(CHUNKS)]
    assert len(chunks[-1].split()) == WORDS
    return record.question, chunks


def medians(*calls: Callable[[], Any]) -> list[float]:
    """Median CPU seconds of each call, the calls taking turns, after one that warms up."""
    taken = np.empty((REPEATS, len(calls)))
    for call in calls:
        call()
    for row in taken:
        for place, call in enumerate(calls):
            begun = time.process_time()
            call()
            row[place] = time.process_time() - begun
    return [round(float(value), 6) for value in np.median(taken, axis=0)]


class _Recording:
    """A runtime that notes what it is run on."""

    def __init__(self, inner: Any) -> None:
        self.name, self.tokenizer, self.settings = inner.name, inner.tokenizer, inner.settings
        self.batch_tokens, self._inner = inner.batch_tokens, inner
        self.seen: list[tuple[Any, Any, Any]] = []

    def run(self, ids: Any, mask: Any, types: Any) -> Any:
        self.seen.append((ids, mask, types))
        return self._inner.run(ids, mask, types)


def measure(model: str | None) -> dict[str, Any]:
    """CPU seconds and ratios; of the model where it is there."""
    query, chunks = job()
    lexical = ContextPruner(method="lexical", budget="50% of tokens")
    found: dict[str, Any] = {"chunks": CHUNKS, "words": WORDS, "repeats": REPEATS}
    found["lexical_ms"] = round(1000 * medians(lambda: lexical(query, chunks))[0], 3)
    try:
        found |= _model(model, query, chunks)
    except InputError as absent:
        found["sentences"] = f"not measured: {absent}"
    found["frameworks"] = frameworks.measure()
    return found


def _model(model: str | None, query: str, chunks: list[str]) -> dict[str, Any]:
    from datapruner.scorers.labeller import Sentences

    runtime = Sentences(model=model, device="cpu").runtime
    recorder = _Recording(runtime)
    ContextPruner(method=Sentences(model=recorder))(query, chunks)
    pruner = ContextPruner(method=Sentences(model=runtime))

    def bare() -> None:
        for ids, mask, types in recorder.seen:
            runtime.run(ids, mask, types)

    calls = [lambda: pruner(query, chunks), bare]
    weights = _torch(model)
    if weights is not None:
        calls.append(lambda: [weights.run(*given) for given in recorder.seen])
    seconds = medians(*calls)
    found = {
        "windows": sum(len(given[0]) for given in recorder.seen),
        "tokens": int(sum(given[1].sum() for given in recorder.seen)),
        "call_s": seconds[0],
        "bare_s": seconds[1],
        "call_to_bare": round(seconds[0] / seconds[1], 3),
    }
    if weights is not None:
        found |= {"torch_s": seconds[2], "call_to_torch": round(seconds[0] / seconds[2], 3)}
    return found


def _torch(model: str | None) -> Any:
    """The same weights in float32 under torch, where the folder has them."""
    if model is None or not Path(model, "model.safetensors").is_file():
        return None
    from datapruner.scorers.checkpoints import load_checkpoint

    return load_checkpoint(model, device="cpu")
