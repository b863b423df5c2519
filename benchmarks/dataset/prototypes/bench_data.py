"""What each data set looks like to the selectors and to the learner, and how it is learnt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from benchmarks.common import features, loaders
from benchmarks.dataset.prototypes.learners import Learner


@dataclass(frozen=True, eq=False)
class Task:
    """One data set, ready to be pruned and learnt.

    Attributes:
        embedding: shape (n, d), float32 unit rows, what the selectors see.
        x: shape (n, m), float32, what the learner sees.
        y: shape (n,), labels 0..classes-1.
        test: held-out rows and labels.
        prototypes: number of centroids.
        learner: how it is trained.
        fingerprint: of the data read.
    """

    name: str
    embedding: np.ndarray
    x: np.ndarray
    y: np.ndarray
    test: tuple[np.ndarray, np.ndarray]
    prototypes: int
    learner: Learner
    fingerprint: str

    @property
    def classes(self) -> int:
        return int(self.y.max()) + 1


def _digits(seed: int) -> Task:
    raw = loaders.digits(seed)
    x, held = raw.train / 16 - 0.3, raw.test / 16 - 0.3
    embedding = features.unit(features.principal(x, held, 24)[0])
    learner = Learner(hidden=64, steps=1200, batch=32, rate=3e-3)
    return _task(raw, embedding, x, held, 10, learner)


@lru_cache(maxsize=1)
def _fashion(seed: int) -> Task:
    raw = loaders.fashion()
    x = (raw.train / np.float32(255) - np.float32(0.286)).astype(np.float32)
    held = (raw.test / np.float32(255) - np.float32(0.286)).astype(np.float32)
    embedding = features.unit(features.principal(x, held, 64)[0])
    learner = Learner(hidden=128, steps=1000, batch=128, rate=2e-3)
    return _task(raw, embedding, x, held, 10, learner)


@lru_cache(maxsize=1)
def _cifar10(seed: int) -> Task:
    raw = loaders.cifar10()
    both = features.patches(raw.train, raw.test)
    x, held = both[: len(raw.train)], both[len(raw.train) :]
    scale = x[:, :16].std()
    learner = Learner(hidden=128, steps=1000, batch=128, rate=2e-3)
    return _task(raw, features.unit(x), x / scale, held / scale, 10, learner)


def _texts(name: str) -> Callable[[int], Task]:
    @lru_cache(maxsize=1)
    def build(seed: int) -> Task:
        raw = loaders.text_set(name)
        x, held = features.sentences(raw.train), features.sentences(raw.test)
        learner = Learner(hidden=0, steps=600, batch=256, rate=0.05, decay=1e-4)
        return _task(raw, x, x, held, int(raw.label.max()) + 1, learner)

    return build


def _docstrings(seed: int) -> Task:
    raw = loaders.docstrings(seed)
    texts = sorted(set(raw.train) | set(raw.test))
    place = {text: row for row, text in enumerate(texts)}
    vectors = features.sentences(texts)
    x = vectors[[place[text] for text in raw.train]]
    held = vectors[[place[text] for text in raw.test]]
    learner = Learner(hidden=0, steps=600, batch=256, rate=0.05, decay=1e-4)
    return _task(raw, x, x, held, 10, learner)


def _task(
    raw: loaders.Raw,
    embedding: np.ndarray,
    x: np.ndarray,
    held: np.ndarray,
    prototypes: int,
    learner: Learner,
) -> Task:
    return Task(
        raw.name,
        np.ascontiguousarray(embedding, dtype=np.float32),
        np.ascontiguousarray(x, dtype=np.float32),
        raw.label,
        (np.ascontiguousarray(held, dtype=np.float32), raw.test_label),
        prototypes,
        learner,
        raw.fingerprint,
    )


# A fixed set is read once for all seeds: the builders above remember their one answer.
TASKS: dict[str, Callable[[int], Task]] = {
    "digits": _digits,
    "docstrings": _docstrings,
    "banking77": _texts("banking77"),
    "clinc150": _texts("clinc150"),
    "fashion": _fashion,
    "cifar10": _cifar10,
}
FIXED = frozenset({"banking77", "clinc150", "fashion", "cifar10"})


def load(name: str, seed: int) -> Task:
    """The task for one seed; only digits and docstrings have a split of their own per seed."""
    return TASKS[name](0 if name in FIXED else seed)
