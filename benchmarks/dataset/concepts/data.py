"""The sets of this benchmark: a mixture of unequal concepts, and Fashion-MNIST as it is.

``mixture``: eighty narrow classes (an intent of banking77 or clinc150: one request in other words)
and twelve broad ones (question types, film reviews, plots, text messages). The sizes of either kind
are the quantiles of one Pareto distribution in a drawn order, so size says nothing about
complexity. The test set has up to 15 rows of every class, and every class counts the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from benchmarks.common import features, loaders
from benchmarks.dataset.prototypes import bench_data
from benchmarks.dataset.prototypes.learners import Learner
from datapruner.rng import hash_strings, stream

# set: how many of its classes are taken
NARROW = {"banking77": 40, "clinc150": 40}
BROAD = {"trec_questions": 6, "subjectivity": 2, "movie_polarity": 2, "sms_spam": 2}
SMALLEST, LARGEST = 20, 1000
TEST_ROWS = 15


@dataclass(frozen=True, eq=False)
class Task:
    """One set, ready to be pruned and learnt.

    Attributes:
        embedding: shape (n, d), float32 unit rows, what the selectors see.
        x: shape (n, m), float32, what the learner sees.
        y: shape (n,), classes.
        test: held-out rows and their classes.
        concepts: number of clusters of every method that clusters.
        learner: how it is trained.
        fingerprint: of the data read.
        broad_from: the first class of the broad kind; None where there are no kinds.
    """

    name: str
    embedding: np.ndarray
    x: np.ndarray
    y: np.ndarray
    test: tuple[np.ndarray, np.ndarray]
    concepts: int
    learner: Learner
    fingerprint: str
    broad_from: int | None = None

    @property
    def classes(self) -> int:
        return int(self.y.max()) + 1


def load(name: str) -> Task:
    """The task of that name: ``mixture`` or ``fashion``.

    Raises:
        DataAbsentError: a set is not on this machine.
    """
    return {"mixture": _mixture, "fashion": _fashion}[name]()


@lru_cache(maxsize=1)
def _mixture() -> Task:
    parts: list[tuple[np.ndarray, ...]] = []
    first = 0
    for kind, sources in (("narrow", NARROW), ("broad", BROAD)):
        sizes = _pareto_sizes(sum(sources.values()), kind)
        for source, count in sources.items():
            parts.append(_part(source, sizes[:count], first))
            sizes, first = sizes[count:], first + count
    x, y, held, truth = (np.concatenate(column) for column in zip(*parts, strict=True))
    learner = Learner(hidden=0, steps=600, batch=256, rate=0.05, decay=1e-4)
    mark = loaders.fingerprint(x, y, held, truth)
    broad = sum(NARROW.values())
    return Task("mixture", x, x, y, (held, truth), 100, learner, mark, broad)


def _pareto_sizes(count: int, kind: str) -> np.ndarray:
    """Quantiles of a Pareto distribution of shape 1 that starts at ``SMALLEST``, in drawn order."""
    quantiles = (np.arange(count) + 0.5) / count
    sizes = np.minimum(SMALLEST / (1 - quantiles), LARGEST).astype(int)
    return stream(0, f"sizes of {kind} classes").permutation(sizes)


def _part(source: str, sizes: np.ndarray, first: int) -> tuple[np.ndarray, ...]:
    """Vectors and classes of the train and test rows of one set, its classes drawn and renumbered.

    A class that has fewer rows than its size gives all it has.
    """
    raw = loaders.text_set(source)
    names = stream(0, f"classes of {source}").permutation(int(raw.label.max()) + 1)[: len(sizes)]
    train = _some(raw.train, raw.label, dict(zip(names.tolist(), sizes.tolist(), strict=True)))
    test = _some(raw.test, raw.test_label, dict.fromkeys(names.tolist(), TEST_ROWS))
    number = {name: first + place for place, name in enumerate(names.tolist())}
    return (
        _vectors(raw.train, train),
        np.array([number[c] for c in raw.label[train].tolist()]),
        _vectors(raw.test, test),
        np.array([number[c] for c in raw.test_label[test].tolist()]),
    )


def _some(texts: list[str], label: np.ndarray, most: dict[int, int]) -> np.ndarray:
    """Ascending rows: of each class at most so many, those with the smallest hash of the text."""
    order = np.argsort(hash_strings(texts), kind="stable")
    kept = [order[label[order] == c][:count] for c, count in most.items()]
    return np.sort(np.concatenate(kept))


def _vectors(texts: list[str], rows: np.ndarray) -> np.ndarray:
    """Sentence vectors of these rows alone: nothing that is not needed is embedded."""
    return features.sentences([texts[row] for row in rows])


@lru_cache(maxsize=1)
def _fashion() -> Task:
    task = bench_data.load("fashion", 0)
    return Task(
        "fashion", task.embedding, task.x, task.y, task.test, 100, task.learner, task.fingerprint
    )
