"""The one place where the benchmark asks for a selection: every row kept is kept by the library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import datapruner
from benchmarks.dataset.concepts.data import Task
from datapruner import Budget
from datapruner.pickers.strata import Strata

ALL = "all"
SELECTOR = "concepts-1"  # raise it when the library's answers change: finished cells are redone


@dataclass(frozen=True)
class How:
    """A selection as three choices: the scorer with its parameters, allocate, pick."""

    method: str
    allocate: str
    pick: Any
    temperature: float | None = None
    default_k: bool = False


METHODS: dict[str, How] = {
    "random": How("prototypes", "whole", "uniform"),
    "prototypes": How("prototypes", "whole", "high"),
    "ccs": How("prototypes", "whole", Strata(bins=50, cut=0.1)),
    "proportional hard": How("concepts", "proportional", "high"),
    "equal hard": How("concepts", "equal", "high"),
    "concepts": How("concepts", "weighted", "high"),
    "concepts tau .02": How("concepts", "weighted", "high", temperature=0.02),
    "concepts default k": How("concepts", "weighted", "high", default_k=True),
    "concepts easy": How("concepts", "weighted", "low"),
    "concepts uniform": How("concepts", "weighted", "uniform"),
    "equal uniform": How("concepts", "equal", "uniform"),
}


class Chooser:
    """Scores one set once a seed and scorer, then cuts it as often as asked."""

    def __init__(self, task: Task, seed: int) -> None:
        self._task, self._seed = task, seed
        self._known: dict[tuple[Any, ...], datapruner.Scores] = {}

    def kept(self, method: str, count: int) -> np.ndarray:
        """Rows kept, ascending: exactly ``count`` of them."""
        how = METHODS[method]
        found = datapruner.select(
            self._scores(how),
            Budget(count=count),
            pick=how.pick,
            allocate=how.allocate,
            seed=self._seed,
        ).indices
        if len(found) != count or len(np.unique(found)) != count:
            raise AssertionError(f"{method}: {len(found)} rows kept, {count} asked for")
        return found

    def facts(self) -> dict[str, Any]:
        """What the scorer said of its concepts: k, effective number, temperature."""
        return dict(self._scores(METHODS["concepts"]).details)

    def _scores(self, how: How) -> datapruner.Scores:
        key = (how.method, how.temperature, how.default_k)
        if key not in self._known:
            params: dict[str, Any] = {} if how.default_k else {"k": self._task.concepts}
            if how.temperature is not None:
                params["temperature"] = how.temperature
            self._known[key] = datapruner.score(
                None, method=how.method, embedding=self._task.embedding, seed=self._seed, **params
            )
        return self._known[key]
