"""What a comparison found: scores by method, budget and seed, and what may be said of them.

Differences are paired by seed: both methods met the same split, the same start of the learner and
the same number of steps. A difference counts when 0 lies outside its 95 % interval (Student's t
over the seeds); inside it is a tie.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from datapruner.dataset.compare.contenders import ALL, ALWAYS
from datapruner.dataset.compare.text import as_markdown, as_text, spaced
from datapruner.errors import InputError, nearest
from datapruner.output import atomic_write_bytes

__all__ = ["Cell", "Comparison", "Verdict", "Versus", "versus"]

Verdict: TypeAlias = Literal["win", "tie", "lose", "unclear"]

# Differences that agree to nine digits have no spread; what is left is rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Versus:
    """A difference between two methods at one budget, paired by seed.

    Attributes:
        rival: the other method.
        difference: mean of ours less theirs.
        half: half the width of its 95 % interval; 0 where every seed gave the same difference.
        verdict: ``"win"``, ``"lose"``, ``"tie"``, or ``"unclear"`` where every seed gave the same
            difference and it is not 0: there is no interval to hold it against.
    """

    rival: str
    difference: float
    half: float
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Cell:
    """A method at a budget.

    Attributes:
        method: its name.
        budget: the budget as text; ``"all"`` for the reference.
        kept: rows, of every round for RS2.
        scores: one for each seed.
        seconds: mean CPU seconds to choose the rows; 0 where there is nothing to choose.
    """

    method: str
    budget: str
    kept: int
    scores: tuple[float, ...]
    seconds: float

    @property
    def mean(self) -> float:
        """Of the scores."""
        return float(np.mean(self.scores))

    @property
    def half(self) -> float:
        """Half the width of the 95 % interval of the mean."""
        return _half(np.asarray(self.scores))


def versus(rival: str, ours: Sequence[float], theirs: Sequence[float]) -> Versus:
    """What may be said of a difference.

    Args:
        rival: whose scores ``theirs`` are.
        ours, theirs: shape (seeds,), of the same seeds in the same order, two at least.
    """
    apart = np.asarray(ours, dtype=np.float64) - np.asarray(theirs, dtype=np.float64)
    mean, scale = float(apart.mean()), float(np.abs([ours, theirs]).max())
    verdict: Verdict
    if float(np.ptp(apart)) <= _ROUNDING * scale:
        is_none = abs(mean) <= _ROUNDING * scale
        return Versus(rival, mean, 0.0, "tie" if is_none else "unclear")
    half = _half(apart)
    verdict = "tie"
    if abs(mean) > half:
        verdict = "win" if mean > 0 else "lose"
    return Versus(rival, mean, half, verdict)


def _half(values: Any) -> float:
    from scipy.special import stdtrit

    spread = float(values.std(ddof=1)) / float(np.sqrt(values.size))
    return float(stdtrit(values.size - 1, 0.975)) * spread


@dataclass(frozen=True, kw_only=True, repr=False)
class Comparison:
    """Who did how well, at equal steps. ``print`` shows it as a table for a terminal.

    Attributes:
        recipe: the learner.
        unit: what a score is; higher is better.
        steps: optimiser steps of every trial.
        batch: rows a step.
        seeds: of the trials; every method met all of them.
        train: rows that may be trained on, for each seed.
        test: rows tested on.
        held_out: share of the data held out for the test, another part for each seed; None: the
            test rows were given.
        classes: how many.
        budgets: the budgets as text, with the rows they come to.
        cells: every method at every budget it took part in, random and RS2 first.
        reference: all rows, for as many steps.
        notes: caveats, in sentences.
    """

    recipe: str
    unit: str
    steps: int
    batch: int
    seeds: tuple[int, ...]
    train: int
    test: int
    held_out: float | None
    classes: int
    budgets: tuple[tuple[str, int], ...]
    cells: tuple[Cell, ...]
    reference: Cell
    notes: tuple[str, ...] = ()

    def cell(self, method: str, budget: str) -> Cell:
        """The scores of a method at a budget, named as it is in ``budgets``.

        Raises:
            InputError: it did not take part there.
        """
        for cell in (*self.cells, self.reference):
            if cell.method == method and (cell.budget == budget or method == ALL):
                return cell
        known = {f"{cell.method} at {cell.budget}" for cell in self.cells}
        raise InputError(f"no trial of {method} at {budget}. {nearest(method, known)}")

    def against(self, method: str, rival: str, budget: str) -> Versus:
        """What may be said of two methods at a budget, both of which took part there.

        Raises:
            InputError: one of them did not.
        """
        ours, theirs = (self.cell(name, budget).scores for name in (method, rival))
        return versus(rival, ours, theirs)

    def rivals(self, method: str) -> tuple[str, ...]:
        """Whom a method is held against: random and RS2, but not itself."""
        return () if method == ALL else tuple(name for name in ALWAYS if name != method)

    @property
    def differences(self) -> int:
        """How many different differences the verdicts are about."""
        doubled = sum(len(self.rivals(cell.method)) for cell in self.cells)
        # That of random and RS2 stands in both their lines.
        return doubled - len(self.budgets)

    def to_dict(self) -> dict[str, Any]:
        """Plain types only, ready for JSON; verdicts and sentences are in it."""
        return {
            "recipe": self.recipe,
            "unit": self.unit,
            "steps": self.steps,
            "batch": self.batch,
            "seeds": list(self.seeds),
            "train": self.train,
            "test": self.test,
            "held_out": self.held_out,
            "classes": self.classes,
            "budgets": [{"budget": text, "kept": kept} for text, kept in self.budgets],
            "cells": [self._plain(cell) for cell in self.cells],
            "reference": self._plain(self.reference),
            "differences": self.differences,
            "conclusions": [self.conclusion(text) for text, _ in self.budgets],
            "notes": list(self.notes),
        }

    def _plain(self, cell: Cell) -> dict[str, Any]:
        held = [self.against(cell.method, name, cell.budget) for name in self.rivals(cell.method)]
        return {
            "method": cell.method,
            "budget": cell.budget,
            "kept": cell.kept,
            "scores": list(cell.scores),
            "mean": cell.mean,
            "half": cell.half,
            "select_cpu_seconds": cell.seconds,
            "against": [
                {
                    "rival": one.rival,
                    "difference": one.difference,
                    "half": one.half,
                    "verdict": one.verdict,
                }
                for one in held
            ],
        }

    def conclusion(self, budget: str) -> str:
        """One budget in a sentence or two.

        Raises:
            InputError: no such budget.
        """
        here = [cell for cell in self.cells if cell.budget == budget]
        if not here:
            known = (text for text, _ in self.budgets)
            raise InputError(f"there is no budget {budget!r}. {nearest(budget, known)}")
        best = max(here, key=lambda cell: cell.mean)
        told = [self._told(cell) for cell in here if cell.method != "random"]
        return f"At {spaced(budget)}: {best.method} has the highest mean. {'; '.join(told)}."

    def _told(self, cell: Cell) -> str:
        words = {"win": "beats", "tie": "ties", "lose": "loses to", "unclear": "is unclear against"}
        held = [self.against(cell.method, name, cell.budget) for name in self.rivals(cell.method)]
        if len({one.verdict for one in held}) == 1:
            names = " and ".join(one.rival for one in held)
            return f"{cell.method} {words[held[0].verdict]} {names}"
        return f"{cell.method} " + " and ".join(f"{words[one.verdict]} {one.rival}" for one in held)

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write ``to_dict`` as JSON, whole or not at all.

        Raises:
            OutputError: the file exists, or cannot be written.
        """
        text = json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n"
        atomic_write_bytes(Path(path), text.encode("utf-8"), overwrite=overwrite)

    def __repr__(self) -> str:
        """One line: how many methods, budgets and seeds."""
        names = {cell.method for cell in self.cells}
        return (
            f"Comparison({len(names)} methods, {len(self.budgets)} budgets, {len(self.seeds)} "
            f"seeds, {self.recipe})"
        )

    def __str__(self) -> str:
        """The report: head, a table for each budget, conclusions, notes."""
        return as_text(self)

    def to_markdown(self) -> str:
        """One table for each budget, wins bold and losses in italics."""
        return as_markdown(self)
