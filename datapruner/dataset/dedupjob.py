"""From file to file without duplicates: a PruneJob whose scorer is the cascade of dedup()."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from datapruner.core.budget import Budget, as_budget
from datapruner.core.scores import Scores
from datapruner.dataset.dedup import DEFAULT_EPS, EVERYTHING, cascade, dedup_with
from datapruner.dataset.job import PruneJob
from datapruner.dataset.reading import Note, Reading
from datapruner.dataset.source import BadRow, Source, open_source
from datapruner.scorers.dedup import Dedup
from datapruner.scorers.tosize import Pair, Suggestion, around
from datapruner.vectors.store import Vectors

__all__ = ["DedupJob", "job_from"]

SHOWN = 90  # characters of a text


@dataclass(frozen=True, kw_only=True)
class DedupJob(PruneJob):
    """A run from files to the rows that repeat no other; the fields are those of ``dedup``."""

    method: str = "duplicates"
    budget: str = EVERYTHING
    pick: str | None = "distinct"
    eps: float = DEFAULT_EPS
    rule: str = "leader"
    keep: str = "hard"
    by: str | None = None
    jaccard: float = 0.8
    ignore_case: bool = False
    k: int | None = None
    probes: int = 1

    def cascade(self) -> Dedup:
        """The stages.

        Raises:
            InputError: a parameter that no run could use.
        """
        names = ("eps", "rule", "keep", "by", "jaccard", "k", "probes", "device", "on_bad")
        return cascade(**{name: getattr(self, name) for name in names})

    def check(self) -> Budget:
        """See ``PruneJob.check``; the parameters of the stages are checked as well."""
        self.cascade()
        return super().check()

    def reading(self, cache: Any = None, unit: str | None = None) -> Reading:
        """How the rows are read."""
        plain = super().reading(cache, unit)
        more = {"by": self.by, "ignore_case": self.ignore_case, "signatures": self.jaccard < 1}
        return dataclasses.replace(plain, **more)  # type: ignore[arg-type]

    def score(
        self,
        data: Source | Vectors,
        reading: Reading,
        *,
        progress: Any = None,
        note: Note | None = None,
    ) -> tuple[Scores, tuple[BadRow, ...]]:
        """Scores with twins, and the rows that were left out; writes nothing."""
        return dedup_with(
            data,
            reading,
            self.cascade(),
            as_budget(self.budget),
            seed=self.seed,
            progress=progress,
            note=note,
        )

    def suggest(self, share: float, *, cache: Any = None, progress: Any = None) -> Suggestion:
        """The eps at which about a share of the rows stays, and the pairs around it, with texts.

        Raises:
            DataPrunerError: whatever stands in the way, in the words of its cause.
        """
        data = self.open()
        job = dataclasses.replace(self, budget=f"{share:.10%}")
        scores, _ = job.score(data, job.reading(cache), progress=progress)
        found = around(scores, 1 - scores.details["eps"])
        return dataclasses.replace(
            found,
            share=share,
            above=_with_texts(found.above, data, self.text),
            below=_with_texts(found.below, data, self.text),
        )

    def to_dict(self) -> dict[str, Any]:
        """The configuration, with the name of the command that reads it."""
        return {"command": "dedup", **super().to_dict()}


def _with_texts(pairs: tuple[Pair, ...], data: Any, name: str | None) -> tuple[Pair, ...]:
    name = name or "text"
    if isinstance(data, Vectors) or name not in data.columns or not pairs:
        return pairs
    rows = np.array([row for pair in pairs for row in (pair.row, pair.twin)])
    taken = open_source(data.take(rows, order="given"))
    texts = [value for block in taken.blocks([name]) for value in block.columns[name]]
    short = [" ".join(str(value)[: 2 * SHOWN].split())[:SHOWN] for value in texts]
    return tuple(
        dataclasses.replace(pair, text=text, twin_text=twin)
        for pair, text, twin in zip(pairs, short[::2], short[1::2], strict=True)
    )


def job_from(config: Mapping[str, Any]) -> PruneJob:
    """The job of a manifest, of whichever command.

    Raises:
        InputError: an unknown key; the message names the nearest.
    """
    rest = {name: value for name, value in config.items() if name != "command"}
    kind = DedupJob if config.get("command") == "dedup" else PruneJob
    return kind.from_dict(rest)
