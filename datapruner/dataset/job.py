"""From file to file: read, score, select, write, and leave a manifest that can be verified."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import orjson

from datapruner.core.budget import Budget, as_budget
from datapruner.core.ledger import Fill
from datapruner.core.pruner import Pruner, refuse_unknown_keys
from datapruner.core.scores import Scores
from datapruner.core.select import check_fill, select
from datapruner.core.selection import Selection
from datapruner.dataset.discover import format_of, output_format
from datapruner.dataset.jobfiles import (
    MANIFEST,
    QUARANTINE,
    SELECTION,
    stage_quarantine,
    write_rows,
)
from datapruner.dataset.manifest import build_manifest, file_digest, to_bytes
from datapruner.dataset.paths import files_of_inputs, files_of_options, refuse_overlap
from datapruner.dataset.prune import counter_for, score_with
from datapruner.dataset.quarantine import Quarantine
from datapruner.dataset.reading import Note, Reading, is_vectors
from datapruner.dataset.runfile import header_path
from datapruner.dataset.runrows import check_runs, digest_of_runs, open_runs
from datapruner.dataset.source import BadRow, Source, open_source
from datapruner.dataset.staging import Staging, is_stream, sidecar
from datapruner.engines.base import Engine
from datapruner.errors import InputError, OutputError
from datapruner.methods import dataset_method
from datapruner.output import atomic_write_bytes, check_writable
from datapruner.vectors.store import Vectors, open_vectors

__all__ = ["MANIFEST", "QUARANTINE", "SELECTION", "PruneJob", "Result", "ScoreJob", "check_seed"]


@dataclass(frozen=True)
class Result:
    """What a job left behind.

    Attributes:
        selection: the answer.
        manifest: as written beside the output.
        bad: rows that were left out, with reasons.
        paths: the files that were written, the output first; none for standard output.
    """

    selection: Selection
    manifest: dict[str, Any]
    bad: tuple[BadRow, ...]
    paths: tuple[Path, ...]


@dataclass(frozen=True, kw_only=True)
class ScoreJob:
    """A run from files to a file of scores; the fields are the parameters of ``score``.

    Attributes:
        inputs: files, folders, globs, or ``-``; or one ``.npy`` or ``.safetensors`` of vectors.
        out: the file to write.
        format: of inputs whose names do not tell.
        log: logs of training runs that had these rows; ``epoch`` and ``held_in`` as for ``score``.
        bad_limit: most bad rows to bear under ``on_bad="drop"``: a number, or a share as a float.
        params: the method's own parameters.
    """

    inputs: tuple[str, ...]
    out: str
    method: str = "prototypes"
    text: str | None = None
    embedding: str | None = None
    label: str | None = None
    id: str | None = None
    cost: str | None = None
    log: tuple[str, ...] = ()
    epoch: int | None = None
    held_in: str | None = None
    tokens: str | None = None
    embedder: str = "auto"
    device: str = "auto"
    format: str | None = None
    on_bad: Literal["error", "drop"] = "error"
    bad_limit: float | None = None
    seed: int = 0
    params: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_seed(self.seed)

    def open(self) -> Source | Vectors:
        """The input, with nothing read that can wait.

        Raises:
            InputError: nothing there, or vectors and rows mixed.
        """
        if not self.inputs:
            raise InputError("there is nothing to read: name at least one file, or - for stdin.")
        if any(is_vectors(name) for name in self.inputs):
            if len(self.inputs) > 1:
                raise InputError(
                    "give one file of vectors, or files of rows; vectors that belong to rows are "
                    "named with embedding (--embedding)."
                )
            return open_vectors(self.inputs[0])
        paths = [Path(p) for p in self.inputs]
        return open_source(paths if len(paths) > 1 else paths[0], format=self.format)

    def check_paths(self, report: str | Path | None = None, config: str | None = None) -> None:
        """Refuse a run that would write over what it reads, or one of its files over another.

        Args:
            report: where the report goes.
            config: the file that the flags came from; it is not to be overwritten either.

        Raises:
            OutputError: a file to be written is one that is read, or two of them are one.
        """
        read = files_of_inputs(self.inputs, self.format)
        read += [path for path in files_of_options(self.embedding) if path.is_file()]
        read += files_of_options(self.tokens, self.embedder, config, self.held_in, *self.log)
        read += [beside for beside in map(header_path, map(Path, self.log)) if beside.is_file()]
        out = Path(self.out)
        written = [out] if report is None else [out, Path(report)]
        if not is_stream(out):
            written += [sidecar(out, kind) for kind in self._sidecars()]
        refuse_overlap(read, written)

    def _sidecars(self) -> tuple[str, ...]:
        return (QUARANTINE,)

    def reading(self, cache: Any = None, unit: str | None = None) -> Reading:
        """How the rows are read; ``unit`` is the budget's own."""
        names = ("text", "embedding", "label", "id", "cost", "tokens", "embedder", "device")
        chosen = {name: getattr(self, name) for name in (*names, "epoch", "held_in")}
        runs = open_runs(self.log)
        return Reading(**chosen, log=runs, unit=unit, cache=cache, on_bad=self.on_bad)

    def score(
        self,
        data: Source | Vectors,
        reading: Reading,
        *,
        progress: Any = None,
        note: Note | None = None,
        engine: Engine | None = None,
    ) -> tuple[Scores, tuple[BadRow, ...]]:
        """Scores and the rows that were left out; writes nothing."""
        return score_with(
            data,
            reading,
            self.method,
            self.params,
            seed=self.seed,
            progress=progress,
            note=note,
            engine=engine,
        )

    def run_score(
        self,
        *,
        overwrite: bool = False,
        cache: Any = True,
        progress: Any = None,
        engine: Engine | None = None,
    ) -> tuple[Scores, tuple[BadRow, ...], tuple[Path, ...]]:
        """Score, and write ``out`` (and a quarantine file beside it if there are bad rows).

        Args:
            overwrite: replace an output that exists.
            cache: see ``score``.
            progress: called with (stage, done, total).
            engine: who runs the heavy passes; None: this process, without a journal.

        Raises:
            OutputError: the output exists or cannot be written; found out before any work.
            DataPrunerError: whatever stands in the way, in the words of its cause.
        """
        out = Path(self.out)
        if is_stream(out):
            raise OutputError("scores are a binary file; give its name, for example scores.npz.")
        if out.suffix != ".npz":
            raise OutputError(f"scores are written to a .npz file, not to {out.name}.")
        self.check_paths()
        with Staging(out, overwrite) as staging:
            quarantine = Quarantine(None, self.bad_limit)
            data = self.open()
            reading = self.reading(cache)
            scores, bad = self.score(
                data, reading, progress=progress, note=quarantine.add, engine=engine
            )
            quarantine.close(scores.items.n)
            scores.save(staging.draft(), overwrite=True)
            paths = (out, *stage_quarantine(bad, scores, staging))
            staging.commit()
        if engine is not None:
            engine.finish()
        return scores, bad, paths


@dataclass(frozen=True, kw_only=True)
class PruneJob(ScoreJob):
    """A run from files to the kept rows; the fields are those of ``score`` and ``select``.

    Attributes:
        out: the file to write; ``-`` writes the kept rows to standard output and nothing else.
        budget: the budget as text.
        pick, allocate, fill: as ``select`` takes them.
    """

    budget: str
    pick: str | None = None
    allocate: str | None = None
    fill: Fill = "skip"

    def run(
        self,
        *,
        overwrite: bool = False,
        cache: Any = True,
        progress: Any = None,
        report: Path | None = None,
        engine: Engine | None = None,
    ) -> Result:
        """Do it all.

        Args:
            overwrite: replace an output that exists.
            cache: see ``score``.
            progress: called with (stage, done, total).
            report: where to write the report as JSON, too.
            engine: who runs the heavy passes; None: this process, without a journal.

        Raises:
            OutputError: the output exists or cannot be written; found out before any work.
            DataPrunerError: whatever stands in the way, in the words of its cause.
        """
        budget = self.check()
        self.check_paths(report)
        if report is not None:
            check_writable(report, overwrite)
        with Staging(Path(self.out), overwrite) as staging:
            data = self.open()
            self._check_output(data)
            quarantine = Quarantine(None, self.bad_limit)
            selection, bad = self.select(
                data, budget, cache=cache, progress=progress, note=quarantine.add, engine=engine
            )
            quarantine.close(selection.scores.items.n)
            result = self._write(data, selection, bad, staging)
            if report is not None:
                told = orjson.dumps(selection.report().to_dict(), option=_JSON)
                if not is_stream(report):
                    atomic_write_bytes(staging.draft_of(report), told, overwrite=True)
            staging.commit()
            if report is not None and is_stream(report):
                atomic_write_bytes(report, told)
        if engine is not None:
            engine.finish()
        return result

    def _sidecars(self) -> tuple[str, ...]:
        return (SELECTION, MANIFEST, QUARANTINE)

    def check(self) -> Budget:
        """The budget, once everything that can be read without the input has been.

        Raises:
            BudgetError: the budget cannot be read.
            UnknownMethodError: no such method, pick or allocator.
        """
        check_fill(self.fill)
        Pruner(self.method, allocate=self.allocate, pick=self.pick, fill=self.fill)
        reading = self.reading()
        check_runs(dataset_method(self.method), reading.log, self.epoch, self.held_in)
        return as_budget(self.budget)

    def _check_output(self, data: Source | Vectors) -> None:
        """Refuse now what could only fail, or do harm, after the work."""
        out = Path(self.out)
        if is_stream(out):
            if isinstance(data, Vectors):
                raise OutputError(
                    "kept vectors are a binary file; give its name, for example --out kept.npy."
                )
            return
        for name in self.inputs:
            source = Path(name)
            if source.is_dir() and source.resolve() == out.parent.resolve() and format_of(out):
                raise OutputError(
                    f"{out} would become part of the input folder {source}; write it elsewhere."
                )
        if isinstance(data, Vectors):
            if out.suffix != ".npy":
                raise OutputError(f"kept vectors are written to a .npy file, not to {out.name}.")
            return
        if out.suffix in (".npy", ".npz", ".safetensors"):
            raise OutputError(
                f"kept rows cannot be written to {out.name}; give a name that ends in .jsonl, "
                ".csv, .tsv or .parquet."
            )
        self._output_format(data)

    def _output_format(self, data: Source) -> str:
        """By the output's name; one without an ending of ours gets --format, or the input's own."""
        out = Path(self.out)
        asked = None if is_stream(out) or format_of(out) else self.format
        own = "jsonl" if is_stream(out) else getattr(data, "format", None)
        return output_format(out, asked, own)

    def select(
        self,
        data: Source | Vectors,
        budget: Budget,
        *,
        cache: Any = None,
        progress: Any = None,
        note: Note | None = None,
        engine: Engine | None = None,
    ) -> tuple[Selection, tuple[BadRow, ...]]:
        """Score and select, without writing anything."""
        reading = self.reading(cache, budget.unit)
        if self.tokens is None and self.cost is None:
            reading = dataclasses.replace(reading, tokens=counter_for(budget))
        scores, bad = self.score(data, reading, progress=progress, note=note, engine=engine)
        recipe = {"pick": self.pick, "allocate": self.allocate, "fill": self.fill}
        return select(scores, budget, seed=self.seed, **recipe), bad  # type: ignore[arg-type]

    def _write(
        self,
        data: Source | Vectors,
        selection: Selection,
        bad: tuple[BadRow, ...],
        staging: Staging,
    ) -> Result:
        draft = staging.draft()
        asked = None if isinstance(data, Vectors) else self._output_format(data)
        rows = write_rows(data, selection, draft, asked)
        manifest = build_manifest(
            config=self.to_dict(),
            selection=selection,
            input=self._input(data, selection),
            output={"file": staging.out.name, "sha256": file_digest(draft), "rows": rows},
            bad=len(bad),
        )
        if staging.is_stream:
            return Result(selection, manifest, bad, ())
        selection.save(staging.draft(SELECTION), overwrite=True)
        atomic_write_bytes(staging.draft(MANIFEST), to_bytes(manifest), overwrite=True)
        out = staging.out
        paths = [out, sidecar(out, SELECTION), sidecar(out, MANIFEST)]
        paths += stage_quarantine(bad, selection.scores, staging)
        return Result(selection, manifest, bad, tuple(paths))

    def _input(self, data: Source | Vectors, selection: Selection) -> dict[str, Any]:
        found: dict[str, Any] = {
            "description": data.description,
            "rows": selection.scores.items.n,
        }
        if self.log:
            found["log_sha256"] = digest_of_runs(selection.scores.items.features["logits"])
        if self.held_in is not None:
            found["held_in_sha256"] = file_digest(Path(self.held_in))
        if isinstance(data, Vectors):
            # The keys hash every value of every row and are there already.
            keys = selection.scores.items.tie_keys()
            return {**found, "sha256": hashlib.sha256(keys.tobytes()).hexdigest()}
        found["sha256"] = data.digest()
        if self.embedding is not None and self.embedding not in data.columns:
            found["embedding_sha256"] = file_digest(Path(self.embedding.partition(":")[0]))
        return found

    def to_dict(self) -> dict[str, Any]:
        """The configuration as JSON-able values; ``from_dict`` reads it back."""
        return {**dataclasses.asdict(self), "inputs": list(self.inputs), "log": list(self.log)}

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> PruneJob:
        """The job of a manifest.

        Raises:
            InputError: an unknown key; the message names the nearest.
        """
        refuse_unknown_keys(config, [f.name for f in dataclasses.fields(cls)], "the configuration")
        for needed in ("inputs", "out", "budget"):
            if needed not in config:
                raise InputError(f"the configuration does not say {needed!r}.")
        several = {name: tuple(config.get(name, ())) for name in ("inputs", "log")}
        return cls(**{**config, **several})


_JSON = orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE


def check_seed(seed: int) -> None:
    """Refuse now what no report could hold.

    Raises:
        InputError: not a whole number of 64 bits.
    """
    if not isinstance(seed, int) or not -(2**63) <= seed < 2**63:
        raise InputError(f"seed is {seed!r}; give a whole number from -2**63 to 2**63 - 1.")
