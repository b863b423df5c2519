"""Teachers, students and selections: what one cell of the benchmark needs, each made once a seed.

Networks and training are those of the prototypes benchmark; the student's loss is the library's,
written as its gradient, for the networks are plain NumPy:

    ((1 - alpha) (p - y) + alpha T (p_T - q_T)) / rows of the batch
"""

from __future__ import annotations

import dataclasses
import tempfile
from functools import cached_property
from pathlib import Path

import numpy as np

import datapruner
from benchmarks.dataset.prototypes import learners
from benchmarks.dataset.prototypes.bench_data import Task
from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.dataset.distill import TeacherCache, kd_subset
from datapruner.rng import stream

TEMPERATURE = 4.0
SHORT_RUNS = 5  # for EL2N: this many runs of a tenth of the steps


def distilled(y: np.ndarray, z: np.ndarray, alpha: float, temperature: float) -> learners.Slope:
    """The slope of the distillation loss, for labels and teacher logits of all rows given."""
    q = learners.softmax(z / np.float32(temperature))

    def slope(logits: np.ndarray, take: np.ndarray) -> np.ndarray:
        soft = learners.softmax(logits / np.float32(temperature))
        soft -= q[take]
        soft *= alpha * temperature
        hard = learners.softmax(logits)
        hard[np.arange(len(take)), y[take]] -= 1
        hard *= 1 - alpha
        hard += soft
        hard /= len(take)
        return hard

    return slope if alpha else learners.cross_entropy(y)


def flipped(y: np.ndarray, classes: int, share: float, seed: int) -> np.ndarray:
    """Labels of which a share was changed to another class."""
    rng = stream(seed, "flip")
    rows = rng.permutation(len(y))[: round(share * len(y))]
    out = y.copy()
    out[rows] = (y[rows] + rng.integers(1, classes, len(rows))) % classes
    return out


class School:
    """One data set under one seed and one share of wrong labels.

    Attributes:
        task: the data.
        y: labels of the train rows, wrong ones included.
    """

    def __init__(self, task: Task, noise: float, seed: int) -> None:
        self.task, self.seed = task, seed
        self.y = flipped(task.y, task.classes, noise, seed) if noise else task.y
        self._teachers: dict[int, tuple[np.ndarray, float]] = {}

    def teacher(self, hidden: int) -> tuple[np.ndarray, float]:
        """Logits of all train rows, as the library's cache gives them back, and the accuracy."""
        if hidden not in self._teachers:
            learner = dataclasses.replace(self.task.learner, hidden=hidden)
            weights = self._trained(learner, self.task.x, learners.cross_entropy(self.y), "teacher")
            ids = np.arange(len(self.y))
            with tempfile.TemporaryDirectory() as folder:
                cache = TeacherCache.build(
                    Path(folder) / "cache",
                    ids,
                    [(ids, self.task.x)],
                    teacher=lambda x: learners.outputs(weights, x),
                    fingerprint=f"{hidden} units",
                    classes=self.task.classes,
                )
                logits = np.array(cache.logits(ids))
            self._teachers[hidden] = logits, self._accuracy(weights)
        return self._teachers[hidden]

    def student(self, rows: np.ndarray, alpha: float, teacher: int) -> float:
        """Test accuracy in per cent of a student of these rows."""
        z = self.teacher(teacher)[0]
        slope = distilled(self.y[rows], z[rows], alpha, TEMPERATURE)
        weights = self._trained(self.task.learner, self.task.x[rows], slope, "student")
        return self._accuracy(weights)

    def kept(self, select: str, count: int) -> np.ndarray:
        """Rows that a selection keeps, ascending."""
        n, budget = len(self.y), f"{count} items"
        if select == "random":
            return kd_subset(np.arange(n), budget, seed=self.seed).indices
        logits = self.teacher(self.task.learner.hidden)[0]
        if select == "margin":
            found = kd_subset(
                np.arange(n), budget, rank="margin", teacher_logits=logits, seed=self.seed
            )
            return found.indices
        if select == "disagreement":
            rows = self.kept("random", count)
            short = dataclasses.replace(self.task.learner, steps=self.task.learner.steps // 10)
            slope = distilled(self.y[rows], logits[rows], 1.0, TEMPERATURE)
            weights = self._trained(short, self.task.x[rows], slope, "pupil")
            found = kd_subset(
                np.arange(n),
                budget,
                rank="disagreement",
                teacher_logits=logits,
                student_logits=learners.outputs(weights, self.task.x),
                seed=self.seed,
            )
            return found.indices
        pick = {"hard": "high", "easy": "low"}[select]
        return datapruner.select(self._el2n, budget, pick=pick, seed=self.seed).indices

    @cached_property
    def _el2n(self) -> Scores:
        """Mean length of the error vector of the probabilities, over a few short runs."""
        short = dataclasses.replace(self.task.learner, steps=self.task.learner.steps // 10)
        truth = np.eye(self.task.classes, dtype=np.float32)[self.y]
        total = np.zeros(len(self.y))
        for number in range(SHORT_RUNS):
            slope = learners.cross_entropy(self.y)
            weights = self._trained(short, self.task.x, slope, f"el2n {number}")
            p = learners.softmax(learners.outputs(weights, self.task.x))
            total += np.linalg.norm(p - truth, axis=1)
        n = len(self.y)
        return Scores(total / SHORT_RUNS, Items.of(n, id=np.arange(n)), "harder", "el2n")

    def _trained(
        self, learner: learners.Learner, x: np.ndarray, slope: learners.Slope, who: str
    ) -> list[np.ndarray]:
        return learners.train(learner, x, slope, self.task.classes, stream(self.seed, who))

    def _accuracy(self, weights: list[np.ndarray]) -> float:
        held, truth = self.task.test
        return 100.0 * float((learners.outputs(weights, held).argmax(1) == truth).mean())
