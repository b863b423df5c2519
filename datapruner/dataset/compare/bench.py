"""Runs the trials of a comparison: every contender at every budget, seed after seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from datapruner.core.items import Items
from datapruner.core.types import IntArray
from datapruner.dataset.compare.comparison import Cell, Comparison
from datapruner.dataset.compare.contenders import ALL, RS2, Contender, settled
from datapruner.dataset.compare.pool import Pool
from datapruner.dataset.compare.recipes import Named
from datapruner.dataset.compare.trial import Batches, Ground, Trial, of_rounds, of_subset, run_trial
from datapruner.engines.journal import Journal, digest

__all__ = ["Bench", "Plan"]

ALL_ROWS = "all"
_RECIPE = "trial-1"  # raise it when the same trial gives another score


@dataclass(frozen=True, eq=False, kw_only=True)
class Plan:
    """What is compared, and how.

    Attributes:
        recipe: what is trained.
        steps: optimiser steps of every trial.
        batch: rows a step.
        budgets: as text, with the rows they come to.
        contenders: those that keep a subset, random first.
        held_out: see ``Comparison``.
    """

    recipe: Named
    steps: int
    batch: int
    budgets: tuple[tuple[str, int], ...]
    contenders: Sequence[Contender]
    held_out: float | None


@dataclass(frozen=True, slots=True)
class _Done:
    """A finished trial, and what it cost to choose its rows."""

    method: str
    budget: str
    kept: int
    score: float
    seconds: float


class Bench:
    """Runs a plan.

    Args:
        plan: what to run.
        items: the rows of the data, for selectors.
        logged: the same with logged runs, or None.
        journal: where finished trials are kept and found; None: nowhere.
        progress: None, or called with (stage, done, total).
    """

    def __init__(
        self,
        plan: Plan,
        items: Items,
        logged: Items | None,
        journal: Journal | None,
        progress: Callable[[str, int, int], object] | None,
    ) -> None:
        self._plan, self._items, self._logged = plan, items, logged
        self._journal, self._progress = journal, progress
        self._done = 0

    def run(self, grounds: Sequence[Ground], notes: tuple[str, ...]) -> Comparison:
        """All trials.

        Args:
            grounds: one for each seed.
            notes: for the report.

        Raises:
            DataPrunerError: a contender or the recipe failed; see ``compare``.
        """
        plan = self._plan
        found: dict[tuple[str, str], list[_Done]] = {}
        for ground in grounds:
            content = digest(
                _RECIPE, ground.x, ground.y, ground.train, ground.test_x, ground.test_y
            )
            for one in self._seed(ground, content, len(grounds)):
                found.setdefault((one.budget, one.method), []).append(one)
        cells = [_cell(runs) for (budget, _), runs in found.items() if budget != ALL_ROWS]
        place = [text for text, _ in plan.budgets]
        return Comparison(
            recipe=plan.recipe.name,
            unit=plan.recipe.unit,
            steps=plan.steps,
            batch=plan.batch,
            seeds=tuple(ground.seed for ground in grounds),
            train=int(grounds[0].train.size),
            test=len(grounds[0].test_y),
            held_out=plan.held_out,
            classes=len(grounds[0].classes),
            budgets=plan.budgets,
            cells=tuple(sorted(cells, key=lambda cell: place.index(cell.budget))),
            reference=_cell(found[ALL_ROWS, ALL]),
            notes=notes,
        )

    def _seed(self, ground: Ground, content: bytes, seeds: int) -> Iterator[_Done]:
        plan = self._plan
        pool = Pool.of(ground, self._items, self._logged)
        per_seed = 1 + sum(
            1 + sum(one.takes_part(k) for one in plan.contenders) for _, k in plan.budgets
        )
        for text, k in plan.budgets:
            random, *others = plan.contenders
            for contender in (random, None, *others):
                if contender is None:
                    yield self._trial(ground, content, RS2, text, None, k, 0.0)
                elif contender.takes_part(k):
                    rows, seconds = settled(contender, pool, k)
                    yield self._trial(ground, content, contender.name, text, rows, k, seconds)
                else:
                    continue
                self._tell(per_seed * seeds)
        rows = np.sort(ground.train)
        yield self._trial(ground, content, ALL, ALL_ROWS, rows, int(rows.size), 0.0)
        self._tell(per_seed * seeds)

    def _trial(
        self,
        ground: Ground,
        content: bytes,
        method: str,
        budget: str,
        rows: IntArray | None,
        k: int,
        seconds: float,
    ) -> _Done:
        """One trial, run or remembered; named by all that decides its score."""
        plan = self._plan
        chosen = np.empty(0, dtype=np.int64) if rows is None else rows
        key = digest(content, plan.recipe.mark, plan.steps, plan.batch, ground.seed, k, chosen)
        known = None if self._journal is None else self._journal.get("trial", key)
        if known is not None:
            return _Done(method, budget, k, float(known["score"][0]), seconds)
        stream = of_rounds(ground, k) if rows is None else of_subset(ground, rows)
        batches = Batches(stream, plan.steps, plan.batch)
        trial = Trial(method=method, budget=budget, rows=rows, batches=batches, ground=ground)
        score = run_trial(plan.recipe.recipe, trial)
        if self._journal is not None:
            self._journal.put("trial", key, {"score": np.array([score])})
        return _Done(method, budget, k, score, seconds)

    def _tell(self, total: int) -> None:
        self._done += 1
        if self._progress is not None:
            self._progress("trials", self._done, total)


def _cell(runs: Sequence[_Done]) -> Cell:
    first = runs[0]
    return Cell(
        method=first.method,
        budget=first.budget,
        kept=first.kept,
        scores=tuple(run.score for run in runs),
        seconds=float(np.mean([run.seconds for run in runs])),
    )
