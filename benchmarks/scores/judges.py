"""Static scores of one data set, from runs that are logged with the library's own recorder.

Three kinds of runs, all with the benchmark's own network on all rows, labels as they are given:

- *long*: as many steps as a student gets, or ten epochs if that is more; every row is logged at
  the end of every epoch. ``forgetting`` and ``aum`` read all epochs, the uncertainties the last.
- *short*: ten runs of a tenth of a student's steps, logged at their end, for ``el2n``, ``grand``.
- *half*: eight runs of half the steps on random halves of the rows, logged on all rows, for
  ``memorisation``; every row is in four of them.
"""

from __future__ import annotations

import dataclasses
import math
import tempfile
import time
from functools import cached_property
from pathlib import Path

import numpy as np

import datapruner
from benchmarks.dataset.prototypes import learners
from benchmarks.dataset.prototypes.bench_data import Task
from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.dataset.loggedrun import LoggedRun, open_run, run_items
from datapruner.dataset.runlog import RunLog
from datapruner.methods import METHODS, load
from datapruner.rng import stream

LOGGED = ("el2n", "grand", "forgetting", "margin", "entropy", "confidence", "aum", "memorisation")
SCORES = (*LOGGED, "prototypes")
EPOCHS = 10  # of the long run, at least
SHORT_RUNS = 10
HALF_RUNS = 8  # in pairs of complements
KIND = {"el2n": "short", "grand": "short", "memorisation": "half"}  # the others: long


class Judge:
    """The scores of one task under one seed; each, and each kind of run, is made once.

    Args:
        task: the data.
        y: shape (n,), the labels that the runs are trained on, wrong ones included.
        seed: of initial weights, batches and halves.

    Attributes:
        seconds: CPU seconds of what was made so far, by kind of run and by score; a score's own
            are those of reading the log.
    """

    def __init__(self, task: Task, y: np.ndarray, seed: int) -> None:
        self.task, self.y, self.seed = task, y, seed
        self.seconds: dict[str, float] = {}
        self._scores: dict[str, Scores] = {}
        self._folder = tempfile.TemporaryDirectory()

    def scores(self, name: str) -> Scores:
        """High means harder, whatever the name; the logs may be gone when it is used."""
        if name not in self._scores:
            items = getattr(self, f"_{KIND.get(name, 'long')}") if name in LOGGED else None
            began = time.process_time()
            found = self._prototypes() if items is None else load(METHODS[name].scorer)()(items)
            bare = dataclasses.replace(found, items=self._bare, rulings=None)
            self._scores[name] = bare
            self.seconds[name] = time.process_time() - began
        return self._scores[name]

    def cost(self, name: str) -> float:
        """CPU seconds of a score that has been made, its runs included."""
        runs = 0.0 if name not in LOGGED else self.seconds[KIND.get(name, "long")]
        return self.seconds[name] + runs

    def close(self) -> None:
        """Remove the logs; scores that were made stay."""
        self._folder.cleanup()

    @cached_property
    def _bare(self) -> Items:
        """The rows with what pickers read: ids, the groups of the labels, and the vectors."""
        n = len(self.y)
        names = tuple(str(code) for code in range(self.task.classes))
        group = self.y.astype(np.int32)
        vectors = self.task.embedding
        return Items.of(n, id=np.arange(n), group=group, group_names=names, embedding=vectors)

    def _prototypes(self) -> Scores:
        """As in the benchmark of prototypes."""
        n, k = len(self.y), self.task.prototypes
        embedding = self.task.embedding
        return datapruner.score(embedding, label=self.y, k=k, id=np.arange(n), seed=self.seed)

    @cached_property
    def _long(self) -> Items:
        began = time.process_time()
        learner, n = self.task.learner, len(self.y)
        epoch = math.ceil(n / min(learner.batch, n))
        steps = max(learner.steps, EPOCHS * epoch)
        run = self._run("long", dataclasses.replace(learner, steps=steps), np.arange(n), epoch)
        self.seconds["long"] = time.process_time() - began
        return run_items(run, id=np.arange(n))

    @cached_property
    def _short(self) -> Items:
        began = time.process_time()
        steps = max(1, self.task.learner.steps // 10)
        learner = dataclasses.replace(self.task.learner, steps=steps)
        rows = np.arange(len(self.y))
        runs = [
            self._run(f"short {number}", learner, rows, steps, features=True)
            for number in range(SHORT_RUNS)
        ]
        self.seconds["short"] = time.process_time() - began
        return run_items(*runs, id=rows)

    @cached_property
    def _half(self) -> Items:
        began = time.process_time()
        steps, n = max(1, self.task.learner.steps // 2), len(self.y)
        learner = dataclasses.replace(self.task.learner, steps=steps)
        held_in, runs = np.zeros((n, HALF_RUNS), dtype=bool), []
        for number in range(HALF_RUNS):
            order = stream(self.seed, f"halves {number // 2}").permutation(n)
            rows = np.sort(order[: n // 2] if number % 2 else order[n // 2 :])
            held_in[rows, number] = True
            runs.append(self._run(f"half {number}", learner, rows, steps))
        self.seconds["half"] = time.process_time() - began
        return run_items(*runs, id=np.arange(n), held_in=held_in)

    def _run(
        self,
        who: str,
        learner: learners.Learner,
        rows: np.ndarray,
        every: int,
        *,
        features: bool = False,
    ) -> LoggedRun:
        """Train on some rows and log all rows after every so many steps, and at the end."""
        task, slope = self.task, learners.cross_entropy(self.y)
        rng = stream(self.seed, who)
        network = learners.Network(learner, task.x.shape[1], task.classes, rng)
        path = Path(self._folder.name) / who.replace(" ", "-")
        width = (learner.hidden or task.x.shape[1]) if features else 0
        with RunLog(path, n=len(self.y), classes=task.classes, features=width) as log:
            for step, places in enumerate(learners.batches(len(rows), learner, rng)):
                take = rows[places]
                rate = learners.cosine(learner.rate, step, learner.steps)
                network.step(task.x[take], take, slope, rate)
                if (step + 1) % every == 0 or step + 1 == learner.steps:
                    _log(log, network.weights, task.x, self.y, step // every, width)
        return open_run(path)


def _log(
    log: RunLog, weights: list[np.ndarray], x: np.ndarray, y: np.ndarray, epoch: int, width: int
) -> None:
    """Log all rows; the features of the last layer, too, where the log has a width for them."""
    for start in range(0, len(x), 2000):
        some = slice(start, start + 2000)
        *inner, logits = learners.activations(weights, x[some])
        below = inner[0] if inner else x[some]
        rows = np.arange(start, start + len(logits))
        log.record(rows, logits, y[some], epoch=epoch, features=below if width else None)
