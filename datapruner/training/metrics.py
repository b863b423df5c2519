"""What a validation run says: tokens, sentences at a share of the tokens, and the rank."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from datapruner.core.types import FloatArray, IntArray

__all__ = ["SHARE", "Judged", "measure"]

SHARE = 0.30
"""Share of the tokens at which the recall of answers is told."""


@dataclass(frozen=True)
class Judged:
    """Sentences of many pairs with their scores.

    Attributes:
        pair: shape (s,), number of the pair of each sentence.
        score: shape (s,), mean keep probability of its tokens, in [0, 1].
        tokens: shape (s,), its tokens.
        keep: shape (s,), 1 for the sentences that answer.
        token_score: shape (t,), keep probability of every labelled token.
        token_keep: shape (t,), its label.
        rank: shape (w,), rank logit of each window.
        relevant: shape (w,), whether it answers.
    """

    pair: IntArray
    score: FloatArray
    tokens: IntArray
    keep: IntArray
    token_score: FloatArray
    token_keep: IntArray
    rank: FloatArray
    relevant: IntArray


def measure(judged: Judged) -> dict[str, float]:
    """The figures of a validation run; those without a case are left out.

    Returns:
        ``token_ap``: average precision over labelled tokens. ``token_f1``: F1 of keep at one half.
        ``recall_30``: share of the pairs with an answer all of whose kept sentences are among the
        best sentences that make 30 % of those pairs' tokens, one threshold for all.
        ``sentence_top``: share of those pairs whose best sentence is one that answers.
        ``rank_accuracy``: share of windows on the right side of logit 0.
    """
    made: dict[str, float] = {}
    if judged.token_keep.any():
        made["token_ap"] = _average_precision(judged.token_score, judged.token_keep)
        made["token_f1"] = _f1(judged.token_score > 0.5, judged.token_keep == 1)
    answered = np.isin(judged.pair, judged.pair[judged.keep == 1])
    if answered.any():
        pair, score = judged.pair[answered], judged.score[answered]
        keep, tokens = judged.keep[answered] == 1, judged.tokens[answered]
        made["recall_30"] = _recall(pair, score, tokens, keep)
        made["sentence_top"] = _best_is_right(pair, score, keep)
    if len(judged.rank):
        made["rank_accuracy"] = float(np.mean((judged.rank > 0) == (judged.relevant == 1)))
    return made


def _average_precision(score: FloatArray, keep: IntArray) -> float:
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(keep, score))


def _f1(said: np.ndarray, is_kept: np.ndarray) -> float:
    both = float(np.sum(said & is_kept))
    return 2 * both / max(1.0, float(said.sum() + is_kept.sum()))


def _recall(pair: IntArray, score: FloatArray, tokens: IntArray, keep: np.ndarray) -> float:
    order = np.lexsort((tokens, -score))
    spent = np.cumsum(tokens[order])
    taken = np.zeros(len(pair), dtype=bool)
    taken[order[spent <= SHARE * tokens.sum()]] = True
    missed = np.unique(pair[keep & ~taken])
    return 1.0 - len(missed) / len(np.unique(pair))


def _best_is_right(pair: IntArray, score: FloatArray, keep: np.ndarray) -> float:
    order = np.lexsort((-score, pair))
    first = np.r_[True, np.diff(pair[order]) != 0]
    return float(np.mean(keep[order][first]))
