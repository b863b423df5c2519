"""From file to file: read, score, select, write, and leave a manifest.

The output takes its name last, after everything that describes it. So an output that is there is
complete, and a run that was killed can simply be started again: it ends with the same bytes.
"""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from datapruner.core.budget import as_budget
from datapruner.core.ledger import Fill
from datapruner.core.pruner import refuse_unknown_keys, select
from datapruner.core.selection import Selection
from datapruner.dataset.manifest import build_manifest, compare, file_digest, read_manifest, to_bytes
from datapruner.dataset.prune import counter_for, score_with_bad
from datapruner.dataset.quarantine import Quarantine
from datapruner.dataset.source import BadRow, Source, open_source
from datapruner.errors import InputError, OutputError
from datapruner.output import atomic_write_bytes, check_writable
from datapruner.vectors.store import Vectors, VectorWriter, open_vectors

__all__ = ["PruneJob", "Result", "sidecar", "verify"]

SELECTION, MANIFEST, QUARANTINE = "selection.npz", "manifest.json", "quarantine.jsonl"


@dataclass(frozen=True)
class Result:
    """What a job left behind.

    Attributes:
        selection: the answer.
        manifest: as written beside the output.
        paths: the files that were written, the output first.
    """

    selection: Selection
    manifest: dict[str, Any]
    paths: tuple[Path, ...]


@dataclass(frozen=True)
class PruneJob:
    """A run from file to file; the fields are those of ``score`` and ``select``.

    Attributes:
        inputs: files, folders, globs, or ``-``; or one ``.npy`` or ``.safetensors`` of vectors.
        out: the file to write; ``-`` writes the kept rows to standard output and nothing else.
        budget: the budget as text.
        bad_limit: most bad rows to bear under ``on_bad="drop"``: a number, or a share as a float.
        params: the method's own parameters.
    """

    inputs: tuple[str, ...]
    out: str
    budget: str
    method: str = "prototypes"
    pick: str | None = None
    allocate: str | None = None
    fill: Fill = "skip"
    text: str | None = None
    embedding: str | None = None
    label: str | None = None
    id: str | None = None
    cost: str | None = None
    tokens: str | None = None
    embedder: str = "auto"
    device: str = "auto"
    format: str | None = None
    on_bad: Literal["error", "drop"] = "error"
    bad_limit: float | None = None
    seed: int = 0
    params: Mapping[str, Any] = field(default_factory=dict)

    def run(self, *, overwrite: bool = False, cache: Any = True, progress: Any = None) -> Result:
        """Do it all.

        Args:
            overwrite: replace an output that exists.
            cache: see ``score``.
            progress: called with (stage, done, total).

        Raises:
            OutputError: the output exists or cannot be written; found out before any work.
            DataPrunerError: whatever stands in the way, in the words of its cause.
        """
        out = Path(self.out)
        check_writable(out, overwrite)
        quarantine = Quarantine(None, self.bad_limit)
        data = self._open()
        selection, bad = self.select_rows(data, cache=cache, progress=progress)
        for row in bad:
            quarantine.add(row)
        quarantine.close(selection.scores.items.n)
        return self._write(data, selection, bad, out)

    def _open(self) -> Source | Vectors:
        first = self.inputs[0] if self.inputs else ""
        if first.partition(":")[0].endswith((".npy", ".safetensors")):
            if len(self.inputs) > 1:
                raise InputError("give one file of vectors, or files of rows.")
            return open_vectors(first)
        if not self.inputs:
            raise InputError("there is nothing to read: name at least one file, or - for stdin.")
        paths = [Path(p) for p in self.inputs]
        return open_source(paths if len(paths) > 1 else paths[0], format=self.format)

    def select_rows(
        self, data: Source | Vectors, *, cache: Any, progress: Any
    ) -> tuple[Selection, tuple[BadRow, ...]]:
        """Score and select, without writing anything."""
        budget = as_budget(self.budget)
        tokens = self.tokens
        if tokens is None and self.cost is None:
            tokens = counter_for(budget)
        scores, bad = score_with_bad(
            data, method=self.method, text=self.text, embedding=self.embedding, label=self.label,
            id=self.id, cost=self.cost, tokens=tokens, unit=budget.unit or "tokens",
            embedder=self.embedder, device=self.device, cache=cache, on_bad=self.on_bad,
            spill=None, seed=self.seed, progress=progress, **self.params,
        )
        chosen = select(
            scores, budget, pick=self.pick, allocate=self.allocate, fill=self.fill, seed=self.seed
        )
        return chosen, bad

    def _write(
        self, data: Source | Vectors, selection: Selection, bad: tuple[BadRow, ...], out: Path
    ) -> Result:
        with _draft(out) as draft:
            rows = _write_rows(data, selection, draft)
            digest = file_digest(draft)
            manifest = build_manifest(
                config=self.to_dict(),
                selection=selection,
                input={"description": data.description, "sha256": _input_digest(data, selection),
                       "rows": selection.scores.items.n},
                output={"file": out.name, "sha256": digest, "rows": rows},
                bad=len(bad),
            )
            if str(out) == "-":
                with draft.open("rb") as kept:
                    shutil.copyfileobj(kept, sys.stdout.buffer)
                sys.stdout.buffer.flush()
                return Result(selection, manifest, ())
            paths = [out, sidecar(out, SELECTION), sidecar(out, MANIFEST)]
            selection.save(paths[1], overwrite=True)
            atomic_write_bytes(paths[2], to_bytes(manifest), overwrite=True)
            paths += _write_quarantine(bad, sidecar(out, QUARANTINE))
            draft.replace(out)
        return Result(selection, manifest, tuple(paths))

    def to_dict(self) -> dict[str, Any]:
        """The configuration as JSON-able values; ``from_dict`` reads it back."""
        return {**dataclasses.asdict(self), "inputs": list(self.inputs)}

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> PruneJob:
        """The job of a manifest or a TOML file.

        Raises:
            InputError: an unknown key; the message names the nearest.
        """
        refuse_unknown_keys(config, [f.name for f in dataclasses.fields(cls)], "the configuration")
        for needed in ("inputs", "out", "budget"):
            if needed not in config:
                raise InputError(f"the configuration does not say {needed!r}.")
        return cls(**{**config, "inputs": tuple(config["inputs"])})


def sidecar(out: Path, kind: str) -> Path:
    """The file that describes an output: ``kept.parquet`` has ``kept.parquet.manifest.json``."""
    return out.with_name(f"{out.name}.{kind}")


def verify(path: Path, *, cache: Any = None, progress: Any = None) -> list[str]:
    """Run the job of a manifest again, in a temporary folder, and compare.

    Args:
        path: the manifest.
        cache: None embeds everything anew, which is the point of a check.
        progress: called with (stage, done, total).

    Returns:
        What differs, a line each; empty when the answer is the same, byte for byte.

    Raises:
        InputError: the input cannot be found.
        FormatError: not a manifest.
    """
    told = read_manifest(path)
    job = PruneJob.from_dict(told["config"])
    with tempfile.TemporaryDirectory(prefix="datapruner-verify-") as folder:
        inputs = tuple(_find(p, path.parent) for p in job.inputs)
        again = dataclasses.replace(job, inputs=inputs, out=str(Path(folder) / told["output"]["file"]))
        found = again.run(cache=cache, progress=progress).manifest
    return compare(told, found)


def _find(name: str, folder: Path) -> str:
    # As the user wrote it, else beside the manifest: a folder that was moved as a whole still verifies.
    if name == "-":
        raise InputError("this run read standard input, which cannot be read again.")
    beside = folder / name
    return str(beside) if not Path(name).exists() and beside.exists() else name


class _draft:
    """A file of a fixed name in the output's folder; gone afterwards unless it was renamed."""

    def __init__(self, out: Path) -> None:
        if str(out) == "-":
            self._folder: Path | None = Path(tempfile.mkdtemp(prefix="datapruner-"))
            self.path = self._folder / "kept.jsonl"
        else:
            self._folder = None
            # The suffix stays last, for the format follows from it.
            self.path = out.with_name(f".partial.{out.name}")

    def __enter__(self) -> Path:
        self.path.unlink(missing_ok=True)
        return self.path

    def __exit__(self, *error: object) -> None:
        self.path.unlink(missing_ok=True)
        if self._folder is not None:
            self._folder.rmdir()


def _write_rows(data: Source | Vectors, selection: Selection, path: Path) -> int:
    if not isinstance(data, Vectors):
        return data.write(selection.mask, path, overwrite=True)
    if path.suffix != ".npy":
        raise OutputError(f"vectors are written to a .npy file, not to {path.name}.")
    with VectorWriter(path, data.d, _storable(data.dtype)) as writer:
        for start, block in data.blocks():
            kept = selection.mask[start : start + len(block)]
            writer.append(block[kept])
    return writer.n


def _storable(dtype: Any) -> str:
    return "float16" if np.dtype(dtype) == np.float16 else "float32"


def _input_digest(data: Source | Vectors, selection: Selection) -> str:
    if isinstance(data, Vectors):
        # The keys hash every value of every row and are there already.
        return hashlib.sha256(selection.scores.items.tie_keys().tobytes()).hexdigest()
    return data.digest()


def _write_quarantine(bad: tuple[BadRow, ...], path: Path) -> list[Path]:
    if not bad:
        path.unlink(missing_ok=True)
        return []
    note = Quarantine(path, None, overwrite=True)
    for row in bad:
        note.add(row)
    note.close(len(bad))
    return [path]
