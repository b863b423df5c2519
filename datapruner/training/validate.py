"""Runs a network over validation windows and tells how good it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from datapruner import rng
from datapruner.core.types import IntArray
from datapruner.training.batches import length_batches
from datapruner.training.loop import collate
from datapruner.training.metrics import Judged, measure
from datapruner.training.pairs import Pair
from datapruner.training.windows import NO_LABEL, Window

__all__ = ["judge", "some_of", "validate"]


def some_of(pairs: Sequence[Pair], limit: int) -> list[Pair]:
    """At most so many pairs, drawn by their ids: the same ones whatever the order of the file."""
    keys = rng.mix(rng.hash_strings([pair.id for pair in pairs]))
    chosen = np.sort(np.argsort(keys, kind="stable")[:limit])
    return [pairs[place] for place in chosen.tolist()]


def validate(
    network: Any, windows: Sequence[Window], pairs: Sequence[Pair], padding: int, batch_tokens: int
) -> dict[str, Any]:
    """The figures of ``metrics.measure`` over all pairs, and for each group under ``groups``."""
    judged, group_of_window = judge(network, windows, padding, batch_tokens), [
        pairs[window.pair].group for window in windows
    ]  # fmt: skip
    made: dict[str, Any] = dict(measure(judged))
    names = np.array([pairs[number].group for number in judged.pair.tolist()])
    per_window = np.array(group_of_window)
    per_token = np.repeat(per_window, [int((w.labels != NO_LABEL).sum()) for w in windows])
    made["groups"] = {
        name: measure(_only(judged, names == name, per_token == name, per_window == name))
        for name in sorted(set(group_of_window))
    }
    return made


def judge(network: Any, windows: Sequence[Window], padding: int, batch_tokens: int) -> Judged:
    """Scores of every sentence, token and window, in the order of the windows."""
    import torch

    network.eval()
    lengths = np.array([len(window) for window in windows], dtype=np.int64)
    keep: list[Any] = [None] * len(windows)
    rank = np.zeros(len(windows))
    with torch.inference_mode():
        for batch in length_batches(lengths, np.argsort(lengths, kind="stable"), batch_tokens):
            made = collate([windows[i] for i in batch.tolist()], padding)
            logits, scores = network(made["ids"], made["mask"], made["types"])
            rank[batch] = scores.numpy()
            for row, number in enumerate(batch.tolist()):
                keep[number] = torch.sigmoid(logits[row, : lengths[number]]).numpy()
    return _judged(windows, keep, rank)


def _judged(windows: Sequence[Window], keep: list[Any], rank: Any) -> Judged:
    pair, sentence, label, score = (
        np.concatenate(parts)
        for parts in zip(
            *(_tokens(window, made) for window, made in zip(windows, keep, strict=True)),
            strict=True,
        )
    )
    code = pair * (int(sentence.max(initial=0)) + 1) + sentence
    names, first, of, tokens = np.unique(
        code, return_index=True, return_inverse=True, return_counts=True
    )
    return Judged(
        pair=pair[first],
        score=np.bincount(of, weights=score, minlength=len(names)) / np.maximum(tokens, 1),
        tokens=tokens.astype(np.int64),
        keep=label[first],
        token_score=score,
        token_keep=label,
        rank=rank,
        relevant=np.array([window.relevant for window in windows], dtype=np.int64),
    )


def _tokens(window: Window, keep: Any) -> tuple[IntArray, IntArray, IntArray, Any]:
    rows = np.flatnonzero(window.labels != NO_LABEL)
    return (
        np.full(len(rows), window.pair, dtype=np.int64),
        window.sentence[rows].astype(np.int64),
        window.labels[rows].astype(np.int64),
        keep[rows].astype(np.float64),
    )


def _only(judged: Judged, sentences: Any, tokens: Any, windows: Any) -> Judged:
    return Judged(
        judged.pair[sentences],
        judged.score[sentences],
        judged.tokens[sentences],
        judged.keep[sentences],
        judged.token_score[tokens],
        judged.token_keep[tokens],
        judged.rank[windows],
        judged.relevant[windows],
    )
