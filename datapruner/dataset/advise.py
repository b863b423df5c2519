"""Which end to keep, asked of the data itself: a probe on a pilot of the user's own rows.

Keeping the wrong end costs more than any two published scores differ by, and which end is right
depends on how much is kept and on how clean the labels are, so it is measured, not guessed. A pilot
of at most 2000 rows is split several times into rows to prune and rows held out; every pick and
random are cut to the same size at three shares, two cheap heads (a logistic regression and nearest
neighbours) are trained on what is kept, and their accuracy on the held-out rows is compared split
by split. The rule is strict, for four picks are tried and the best of them would beat random by
luck alone: a pick is recommended only when

- its lead over random, at the share asked for, is more than t standard errors, where t is the
  two-sided 5 % point of Student's distribution with splits - 1 degrees of freedom, shared by the
  picks tried (Bonferroni): 3.11 for 10 splits and 4 picks;
- the lead is more than 0.25 points of accuracy, and positive on average over the three shares;
- its accuracy is t standard errors above always guessing the commonest class.

Otherwise the answer is to use random.

The splits overlap, so their spread alone would flatter the answer: the standard error carries the
correction of Nadeau and Bengio (2003), var * (1 / splits + held_out / trained_on).

Nothing depends on what the classes are called: rows are drawn and ordered by id or content, and
classes are numbered as they come up in that order.

What a pilot cannot see: whether hard rows pay depends on the number of rows kept per class more
than on the share (Sorscher et al. 2022, arXiv:2206.14486), and a pilot keeps fewer. The notes say
how far apart the two are. Departs from the papers in asking at all: none of them probes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from datapruner.core.types import AnyArray, FloatArray, IntArray
from datapruner.dataset.probe import PROBED, Trial, pilot_rows, renumbered, run_trials
from datapruner.dataset.recommendation import Evidence, Pick, Recommendation
from datapruner.errors import BudgetError, InputError
from datapruner.rng import subseed
from datapruner.scorers.prototypes import HARD_FROM
from datapruner.vectors.content import unit_rows
from datapruner.vectors.store import open_vectors

__all__ = ["advise"]

MIN_ROWS = 50  # below this a held-out third is too small to tell 5 points from luck
LEVEL = 0.05  # chance, two-sided, that any of the picks tried beats random by luck
MARGIN = 0.25  # points of accuracy below which a difference is not worth a recommendation
FAR_APART = 3.0  # ratio of rows per class, real to pilot, from which a note is due


def advise(
    embedding: Any,
    label: Sequence[Any] | AnyArray | None,
    *,
    share: float,
    kept_count: int | None = None,
    ids: Sequence[Any] | AnyArray | None = None,
    floor: float = 0.5,
    prototypes: int | None = None,
    splits: int = 10,
    draws: int = 2,
    pilot: int = 2000,
    seed: int = 0,
) -> Recommendation:
    """Which pick to use for this share of these vectors; see ``recommend``, which reads them.

    Args:
        embedding: (n, d) vectors, compared by cosine: an array, a memory map, a file, or anything
            else that ``open_vectors`` reads.
        label: n labels of any kind, or None. Without labels nothing can be probed (a cluster is no
            stand-in for a target: the picks themselves look at clusters), and the answer follows
            from the share alone, with no evidence.
        share: share of the rows that will be kept, above 0 and below 1.
        kept_count: rows that the real run will keep; default ``share * n``.
        ids: names of the rows; which rows form the pilot then follows from them, else from content.
        floor: share of its fair part guaranteed to each class for hard, easy and mixed, 0 to 1.
        prototypes: centroids for the difficulty score; default the number of classes, at most one
            for every five rows.
        splits: divisions of the pilot into pruned and held-out rows, at least 3.
        draws: random subsets for each split, at least 3 in all by way of the splits.
        pilot: most rows to look at.
        seed: of the pilot, the splits, the centroids and the random subsets.

    Returns:
        The recommendation. Neither the order of the rows nor what the classes are called matters.

    Raises:
        BudgetError: a share out of range.
        InputError: fewer than 50 rows or 2 classes, labels of another length or missing, vectors
            that are zero or not finite, or an argument out of range.
    """
    _check_arguments(share, floor, splits, draws, pilot)
    for name, value in (("kept_count", kept_count), ("prototypes", prototypes)):
        if value is not None and value < 1:
            raise InputError(f"{name} is {value}; give at least 1, or None.")
    vectors = open_vectors(embedding)
    n = vectors.n
    kept = max(1, math.floor(share * n + 1e-9)) if kept_count is None else kept_count
    if label is None:
        return _by_guide(n, share, kept)
    classes, codes = _coded(label, n)
    rows = pilot_rows(vectors, codes, ids, min(pilot, n), seed)
    x, y = unit_rows(vectors.take(rows))[0], renumbered(codes[rows])
    if len(np.unique(y)) < 2:
        raise InputError(f"the pilot of {len(rows)} rows holds a single class; raise pilot.")
    trials = run_trials(
        x,
        y,
        shares=_shares(share),
        floor=floor,
        prototypes=prototypes or min(classes, max(2, len(rows) // 5)),
        splits=splits,
        draws=draws,
        seed=subseed(seed, "recommend"),
    )
    evidence, errors = _evidence(trials), _errors(splits)
    chance = 100 * float(np.bincount(y).max()) / len(y)
    answer = _decide(evidence, share, chance, errors)
    trained = trials[0].trained_on
    return Recommendation(
        pick=answer,
        share=share,
        floor=floor if answer in ("high", "low", "mixed") else 0.0,
        rows=n,
        kept=kept,
        classes=classes,
        pilot=len(rows),
        held_out=len(rows) - trained,
        splits=splits,
        basis="probe",
        errors=errors,
        margin=MARGIN,
        evidence=evidence,
        notes=_notes(evidence, answer, share, kept, classes, trained, chance, errors),
    )


def _check_arguments(share: float, floor: float, splits: int, draws: int, pilot: int) -> None:
    if not 0 < share < 1:
        raise BudgetError(f"share is {share}; recommend needs a share above 0 and below 1.")
    if not 0 <= floor <= 1:
        raise InputError(f"floor is {floor}; give a share of each class's fair part, 0 to 1.")
    if splits < 3 or draws < 1:
        raise InputError(f"splits is {splits} and draws {draws}; give at least 3 and 1.")
    if pilot < MIN_ROWS:
        raise InputError(f"pilot is {pilot}; fewer than {MIN_ROWS} rows cannot be told from luck.")


def _by_guide(n: int, share: float, kept: int) -> Recommendation:
    pick: Pick = "high" if share >= HARD_FROM else "uniform"
    return Recommendation(
        pick=pick,
        share=share,
        floor=0.0,
        rows=n,
        kept=kept,
        classes=0,
        pilot=0,
        held_out=0,
        splits=0,
        basis="guide",
        errors=0.0,
        margin=0.0,
        evidence=(),
        notes=(
            "No labels, so nothing was measured: clusters cannot stand in for a target, because "
            "the picks themselves are made of clusters. Evidence: none.",
            f"By rule of thumb hard rows pay from a share of {HARD_FROM:g} when the data are "
            "clean; below it random is the safe choice.",
        ),
    )


def _coded(label: Sequence[Any] | AnyArray, n: int) -> tuple[int, IntArray]:
    if len(label) != n:
        raise InputError(f"{len(label)} labels for {n} embedding rows; give one label per row.")
    if n < MIN_ROWS:
        raise InputError(f"{n} rows are too few to probe; at least {MIN_ROWS} are needed.")
    values = label.tolist() if isinstance(label, np.ndarray) else list(label)
    empty = [row for row, v in enumerate(values) if v is None or v != v]
    if empty:
        shown = ", ".join(str(row) for row in empty[:5])
        raise InputError(f"{len(empty)} rows have no label (rows {shown}); drop or label them.")
    names, codes = np.unique(np.asarray([str(v) for v in values]), return_inverse=True)
    if len(names) < 2:
        raise InputError(f'all {n} rows have the label "{names[0]}"; a probe needs 2 classes.')
    return len(names), codes.astype(np.int64)


def _shares(share: float) -> tuple[float, ...]:
    """The user's share first, then half and (at most .9) double of it."""
    return tuple(dict.fromkeys((share, share / 2, min(2 * share, 0.9))))


def _evidence(trials: Sequence[Trial]) -> tuple[Evidence, ...]:
    """One row for each share and pick: means over the splits, corrected standard errors."""
    found = []
    for share in dict.fromkeys(trial.share for trial in trials):
        at = [trial for trial in trials if trial.share == share]
        random = next(trial for trial in at if trial.pick == "uniform")
        for trial in at:
            both = trial.accuracy.mean(1)
            apart = both - random.accuracy.mean(1)
            found.append(
                Evidence(
                    pick=trial.pick,
                    share=share,
                    kept=trial.kept,
                    linear=float(trial.accuracy[:, 0].mean()),
                    neighbours=float(trial.accuracy[:, 1].mean()),
                    accuracy=float(both.mean()),
                    error=_error(both, trial),
                    difference=float(apart.mean()),
                    difference_error=_error(apart, trial),
                )
            )
    return tuple(found)


def _error(values: FloatArray, trial: Trial) -> float:
    weight = 1 / len(values) + trial.held_out / trial.trained_on
    return float(np.sqrt(values.var(ddof=1) * weight))


def _errors(splits: int) -> float:
    """The standard errors that a lead must exceed: Student's t, Bonferroni over the picks."""
    from scipy.special import stdtrit

    picks = len(PROBED) - 1
    return float(stdtrit(splits - 1, 1 - LEVEL / (2 * picks)))


def _decide(evidence: Sequence[Evidence], share: float, chance: float, errors: float) -> Pick:
    """The pick with the largest lead among those that lead clearly; random if there is none."""
    leaders = [
        row
        for row in evidence
        if row.pick != "uniform"
        and row.share == share
        and row.difference > max(errors * row.difference_error, MARGIN)
        and row.accuracy > chance + errors * row.error
        and np.mean([other.difference for other in evidence if other.pick == row.pick]) > 0
    ]
    return max(leaders, key=lambda row: row.difference).pick if leaders else "uniform"


def _notes(
    evidence: Sequence[Evidence],
    answer: Pick,
    share: float,
    kept: int,
    classes: int,
    trained: int,
    chance: float,
    errors: float,
) -> tuple[str, ...]:
    notes = []
    real, probed = kept / classes, share * trained / classes
    if real > FAR_APART * probed:
        notes.append(
            f"The real run keeps {real:.1f} rows a class, the pilot kept {probed:.1f}. Hard rows "
            "pay more as that number grows, so the pilot may undersell keep hard; if in doubt, "
            "raise pilot."
        )
    at = {row.pick: row for row in evidence if row.share == share}
    if answer == "uniform":
        notes.append(
            f"No pick beat random by {errors:.1f} standard errors and {MARGIN:g} points here."
        )
    worse = [row.pick for row in at.values() if row.difference < -errors * row.difference_error < 0]
    if worse:
        notes.append(f"Clearly worse than random here: {', '.join(worse)}.")
    if probed < 2:
        notes.append(f"The pilot kept {probed:.1f} rows a class: too few to say much; raise pilot.")
    if not any(row.accuracy > chance + errors * row.error for row in at.values()):
        notes.append(
            f"No head beats always guessing the commonest class ({chance:.1f} %): labels and "
            "embeddings may have little in common, or the pilot kept too few rows."
        )
    return tuple(notes)
