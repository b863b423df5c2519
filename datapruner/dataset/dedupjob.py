"""From file to file without duplicates: a PruneJob whose scorer is the cascade of dedup()."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from datapruner.core.budget import Budget, as_budget
from datapruner.core.scores import Scores
from datapruner.core.selection import Selection
from datapruner.dataset.dedup import DEFAULT_EPS, EVERYTHING, cascade, dedup_with
from datapruner.dataset.discover import format_of
from datapruner.dataset.index import HEAD
from datapruner.dataset.job import PruneJob, Result
from datapruner.dataset.manifest import file_digest
from datapruner.dataset.outside import Outside, keep_index
from datapruner.dataset.paths import files_of_inputs, files_of_options, refuse_overlap
from datapruner.dataset.reading import Note, Reading, is_vectors
from datapruner.dataset.recipe import recipe_of
from datapruner.dataset.source import BadRow, Source, open_source
from datapruner.dataset.staging import Staging, is_stream
from datapruner.engines.base import Engine
from datapruner.errors import InputError
from datapruner.scorers.dedup import Dedup
from datapruner.scorers.tosize import Pair, Suggestion, around
from datapruner.vectors.store import Vectors

__all__ = ["DedupJob", "job_from"]

SHOWN = 90  # characters of a text


@dataclass(frozen=True, kw_only=True)
class DedupJob(PruneJob):
    """A run from files to the rows that repeat no other; the fields are those of ``dedup``.

    Attributes:
        segments: of the index, the names of the first ones, which are compared with; None: all. A
            run writes them down, for an index grows.
    """

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
    against: str | None = None
    against_text: str | None = None
    against_id: str | None = None
    against_embedding: str | None = None
    inside: str = "drop"
    index: str | None = None
    segments: tuple[str, ...] | None = None
    save_index: str | None = None

    def cascade(self) -> Dedup:
        """The stages.

        Raises:
            InputError: a parameter that no run could use.
        """
        names = ("eps", "rule", "keep", "by", "jaccard", "k", "probes", "inside", "device")
        return cascade(on_bad=self.on_bad, **{name: getattr(self, name) for name in names})

    def outside(self) -> Outside:
        """The other data sets.

        Raises:
            InputError: there is no such file.
        """
        against: Any = self.against
        if against is not None and not is_vectors(against):
            format = None if format_of(Path(against)) else self.format
            against = open_source(Path(against), format=format)
        return Outside(
            against=against,
            against_text=self.against_text,
            against_id=self.against_id,
            against_embedding=self.against_embedding,
            index=self.index,
            segments=self.segments,
            save_index=self.save_index,
        )

    def check(self) -> Budget:
        """See ``PruneJob.check``; the parameters of the stages are checked as well."""
        self.cascade()
        self.outside().open_index()
        return super().check()

    def check_paths(self, report: str | Path | None = None, config: str | None = None) -> None:
        """See ``PruneJob.check_paths``; other data sets are read, and an index may be written."""
        super().check_paths(report, config)
        read = [] if self.against is None else files_of_inputs([self.against], self.format)
        read += files_of_options(self.against_embedding, self.index)
        out = [Path(self.out), *([] if report is None else [Path(report)])]
        refuse_overlap([path for path in read if path.exists()], out)
        if self.save_index is not None:
            inputs = files_of_inputs(self.inputs, self.format)
            refuse_overlap(inputs, [*out, Path(self.save_index)])

    def run(
        self,
        *,
        overwrite: bool = False,
        cache: Any = True,
        progress: Any = None,
        report: Path | None = None,
        engine: Engine | None = None,
    ) -> Result:
        """See ``PruneJob.run``; the index is extended just before the output takes its name."""
        job = self._with_segments()
        has_list = self.save_index is not None and (Path(self.save_index) / HEAD).is_file()
        if not (has_list and overwrite):
            job.outside().check_target(run=self._mark(self.open()) if has_list else "")
        return super(DedupJob, job).run(
            overwrite=overwrite, cache=cache, progress=progress, report=report, engine=engine
        )

    def _with_segments(self) -> DedupJob:
        """The same job with what it compares with pinned down.

        A run that was killed between extending the index and naming its output has left a segment
        of its own; it is not compared with that, nor with what came after it.
        """
        outside = self.outside()
        index = outside.open_index()
        if self.index is None or self.segments is not None:
            return self
        segments = () if index is None else index.segments
        if outside.extends and any(s.run.startswith(self._place()) for s in segments):
            mark = self._mark(self.open())
            mine = [i for i, segment in enumerate(segments) if segment.run == mark]
            segments = segments[: mine[0]] if mine else segments
        return dataclasses.replace(self, segments=tuple(segment.name for segment in segments))

    def _place(self) -> str:
        """Stands for where the output goes."""
        return hashlib.sha256(str(Path(self.out).resolve()).encode()).hexdigest()[:16]

    def _mark(self, data: Source | Vectors) -> str:
        """Stands for this run: one output made of one input. Empty where either is a stream."""
        if is_stream(Path(self.out)) or "-" in self.inputs:
            return ""
        return f"{self._place()}-{self._digest(data)[:16]}"

    def _digest(self, data: Source | Vectors) -> str:
        if isinstance(data, Vectors):
            return file_digest(Path(self.inputs[0].partition(":")[0]))
        return data.digest()

    def _write(
        self,
        data: Source | Vectors,
        selection: Selection,
        bad: tuple[BadRow, ...],
        staging: Staging,
    ) -> Result:
        result = super()._write(data, selection, bad, staging)
        if self.save_index is not None:
            recipe = recipe_of(selection.scores, self.reading(), self.cascade())
            rows = selection.indices
            keep_index(self.outside(), selection.scores, rows, recipe, run=self._mark(data))
        return result

    def _input(self, data: Source | Vectors, selection: Selection) -> dict[str, Any]:
        found = super()._input(data, selection)
        if self.against is not None:
            other = self.outside().against
            is_file = isinstance(other, str)
            path = Path(self.against.partition(":")[0])
            found["against_sha256"] = file_digest(path) if is_file else other.digest()
        return found

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
        engine: Engine | None = None,
    ) -> tuple[Scores, tuple[BadRow, ...]]:
        """Scores with twins, and the rows that were left out; writes nothing."""
        return dedup_with(
            data,
            reading,
            self.cascade(),
            as_budget(self.budget),
            self.outside(),
            seed=self.seed,
            progress=progress,
            note=note,
            engine=engine,
        )

    def suggest(self, share: float, *, cache: Any = None, progress: Any = None) -> Suggestion:
        """The eps at which about a share of the rows stays, and the pairs around it, with texts.

        Raises:
            DataPrunerError: whatever stands in the way, in the words of its cause.
        """
        if self.inside == "keep":
            raise InputError(
                'inside is "keep", so no eps would change how many rows stay; drop inside '
                "(--inside) or suggest (--suggest)."
            )
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
    """The job of a manifest, of whichever command; it puts no rows into an index again.

    Raises:
        InputError: an unknown key; the message names the nearest.
    """
    rest = {name: value for name, value in config.items() if name not in ("command", "save_index")}
    if rest.get("segments") is not None:
        rest["segments"] = tuple(rest["segments"])
    kind = DedupJob if config.get("command") == "dedup" else PruneJob
    return kind.from_dict(rest)
