"""calibrate(): the threshold that keeps the answer of new questions as often as was asked."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from datapruner.context.answers import holding
from datapruner.context.calibration import Calibration, Check
from datapruner.context.chunks import DEFAULT_METHOD, ContextPruner
from datapruner.context.decide import Decision, decide
from datapruner.context.examples import Example, read_examples
from datapruner.context.result import PrunedContext
from datapruner.context.riskcontrol import (
    allowed_losses,
    check_levels,
    clopper_pearson,
    fewest_examples,
)
from datapruner.context.scoring import Scored
from datapruner.context.units import Units
from datapruner.context.wishes import Wishes
from datapruner.core.budget import Budget
from datapruner.core.scores import Scores
from datapruner.errors import InputError, ScoreError

__all__ = ["calibrate", "check"]


def calibrate(
    examples: Any,
    *,
    keep_answer: float = 0.95,
    confidence: float | None = None,
    method: str | Callable[..., Scores] | ContextPruner = DEFAULT_METHOD,
) -> Calibration:
    """The highest threshold that loses the answer of at most so many new questions.

    An answer is lost where none of the runs of sentences that contain one is kept whole; gold
    stretches are lost where one of their sentences is not kept. That never falls as the threshold
    rises, so the threshold may be found by conformal risk control. Without ``confidence``: over the
    draw of the examples and of a new question, the chance that its answer is lost is at most
    ``1 - keep_answer``. With it: but for a chance of ``1 - confidence`` over the draw of the
    examples, the share of all questions whose answer is lost is at most ``1 - keep_answer``. Both
    hold for questions drawn as the examples were, and for no other.

    Args:
        examples: labelled questions; see ``read_examples``. Those whose answer is nowhere in their
            chunks are left out: the promise is for answers that are there to be kept.
        keep_answer: in (0, 1).
        confidence: in (0, 1), for the stricter promise; None for the one on average.
        method: name of a context method, or a scorer; or a ``ContextPruner`` without budget and
            threshold, whose other settings are part of what is calibrated.

    Returns:
        A ``Calibration``; its ``threshold`` and its ``pruner`` are what comes out.

    Raises:
        InputError: too few examples for such a promise (the message says how many it needs), or
            examples or settings that cannot be used.
        ScoreError: the scorer failed at an example.

    Source: Angelopoulos et al. 2022, arXiv:2208.02814; Bates et al. 2021, arXiv:2101.02703, for the
    promise with a confidence.
    """
    check_levels(keep_answer, confidence)
    recipe = method if isinstance(method, ContextPruner) else ContextPruner(method=method)
    _check_nested(recipe)
    given = read_examples(examples)
    cases = list(_cases(given, recipe))
    n = len(cases)
    allowed = allowed_losses(n, keep_answer, confidence)
    if allowed < 0:
        raise InputError(_too_few(n, len(given), keep_answer, confidence))
    limits = np.sort([case.limit() for case in cases])
    # Where pins keep every answer, any threshold would do: no higher than the scores reach.
    highest = max(case.highest for case in cases)
    threshold = min(float(limits[allowed]), highest)
    return Calibration(
        threshold=threshold,
        keep_answer=float(keep_answer),
        confidence=None if confidence is None else float(confidence),
        allowed=allowed,
        examples=_report(cases, threshold, len(given)),
        pruner=replace(recipe, threshold=threshold),
    )


def check(examples: Any, pruner: ContextPruner) -> Check:
    """How often a pruner with a threshold keeps the answer, on rows that it was not chosen on.

    Args:
        examples: as ``calibrate`` takes them.
        pruner: with a threshold and no budget.

    Returns:
        Counts, the share lost with its exact 95 % interval, and the share of tokens kept.

    Raises:
        InputError: no example has its answer in its chunks, or the pruner has no threshold.
        ScoreError: the scorer failed at an example.
    """
    if pruner.threshold is None:
        raise InputError("the pruner has no threshold; what is checked is a threshold.")
    _check_nested(replace(pruner, threshold=None))
    given = read_examples(examples)
    cases = list(_cases(given, pruner))
    if not cases:
        raise InputError(
            f"none of the {len(given)} examples has its answer in its chunks; there is nothing to "
            "check."
        )
    return _report(cases, float(pruner.threshold), len(given))


def _check_nested(recipe: ContextPruner) -> None:
    """Refuse settings under which a lower threshold need not keep more."""
    if recipe.budget is not None or recipe.threshold is not None:
        name = "budget" if recipe.budget is not None else "threshold"
        raise InputError(
            f"the pruner has the {name} {getattr(recipe, name)!r}; calibrate() looks for the one "
            "limit there is. Leave it out."
        )
    if recipe.on_empty == "keep_all":
        raise InputError(
            'on_empty is "keep_all": a higher threshold may then keep more, so that none can be '
            'calibrated. Take "top1" or "empty".'
        )


def _too_few(n: int, given: int, keep: float, confidence: float | None) -> str:
    needed = fewest_examples(keep, confidence)
    sure = "" if confidence is None else f" with confidence {confidence:g}"
    left = f" ({given - n} more have their answer nowhere in their chunks)" if given > n else ""
    return (
        f"{n} examples{left} are too few to promise {keep:g}{sure}: even if none were lost, no "
        f"threshold could be trusted so far. Give at least {needed}, or lower keep_answer."
    )


@dataclass(frozen=True)
class _Case:
    """An example that was scored once; thresholds are tried on it.

    Attributes:
        units, scores: its sentences and what the scorer said.
        ways: sets of rows of which one must be kept whole.
        before: tokens of all its chunks.
        made: how it came out with everything kept.
        recipe: the settings.
    """

    units: Units
    scores: Scores
    ways: tuple[frozenset[int], ...]
    before: int
    made: PrunedContext
    recipe: ContextPruner

    @property
    def highest(self) -> float:
        """The highest score of its sentences."""
        return float(self.scores.values.max())

    def decide(self, threshold: float) -> Decision:
        """What the pruner keeps at a threshold."""
        r = self.recipe
        limits = Budget(threshold=threshold)
        wishes = Wishes(limits, True, r.pick, r.fill, r.neighbours, r.on_empty, r.seed, r.price)
        scored = Scored(self.scores, {})
        return decide(self.units, scored, wishes, self.made.layout, self.tokens, self.before)

    def tokens(self, text: str) -> int:
        """Tokens of one text."""
        return int(self.made.measure([text])[0]) if text else 0

    def keeps(self, decision: Decision) -> bool:
        """Whether one of the ways is kept whole."""
        rows = set(np.flatnonzero(decision.selection.mask).tolist()) - set(decision.ends)
        return any(way <= rows for way in self.ways)

    def limit(self) -> float:
        """The highest threshold that keeps the answer; infinite where every one does."""
        tried = np.unique(self.scores.values).astype(np.float64)
        if self.keeps(self.decide(math.nextafter(tried[-1], math.inf))):
            return math.inf
        # The lowest score keeps every sentence, and what is kept only shrinks from there.
        low, high = 0, len(tried)
        while high - low > 1:
            middle = (low + high) // 2
            if self.keeps(self.decide(float(tried[middle]))):
                low = middle
            else:
                high = middle
        return float(tried[low])


def _cases(examples: list[Example], recipe: ContextPruner) -> Iterator[_Case]:
    """The examples whose answer is in their chunks, scored."""
    whole = replace(recipe, threshold=None, budget="everything")
    for place, example in enumerate(examples):
        made = whole(example.query, example.chunks)
        if "scorer_failed" in made.flags:
            raise ScoreError(
                f"example {place}: {' '.join(made.notes)}; no threshold can be found on sentences "
                "without a score. Mend the chunk, or leave the example out."
            )
        ways = _ways(example, made.source)
        if ways:
            yield _Case(made.source, made.selection.scores, ways, made.tokens_before, made, recipe)


def _ways(example: Example, units: Units) -> tuple[frozenset[int], ...]:
    if not example.gold:
        texts = [units.slice(row) for row in range(units.items.n)]
        return tuple(holding(texts, units.groups, example.answers))
    rows: set[int] = set()
    for chunk, start, end in example.gold:
        text = example.chunks[chunk].text[start:end]
        first = start + len(text) - len(text.lstrip())
        last = start + len(text.rstrip())
        place = units.texts[chunk].place
        for row in np.flatnonzero(units.groups == chunk).tolist():
            if place(int(units.starts[row])) < last and place(int(units.ends[row])) > first:
                rows.add(row)
    return (frozenset(rows),) if rows else ()


def _report(cases: list[_Case], threshold: float, given: int) -> Check:
    lost = after = before = 0
    for case in cases:
        decision = case.decide(threshold)
        kept = np.flatnonzero(decision.selection.mask).tolist()
        lost += not case.keeps(decision)
        after += case.tokens(case.made.layout.render(case.units, kept, decision.ends))
        before += case.before
    n = len(cases)
    low, high = clopper_pearson(lost, n)
    return Check(
        threshold=threshold,
        n=n,
        left_out=given - n,
        lost=lost,
        low=low,
        high=high,
        kept_share=after / before if before else 1.0,
    )
