"""A comparison from files to a file: what the command line runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from datapruner.dataset.compare.comparison import Comparison
from datapruner.dataset.compare.run import compare
from datapruner.dataset.paths import files_of_inputs, files_of_options, refuse_overlap
from datapruner.dataset.source import Source, open_source
from datapruner.dataset.staging import is_stream, sidecar
from datapruner.engines.journal import Journal
from datapruner.errors import OutputError
from datapruner.output import check_writable

__all__ = ["CompareJob"]


@dataclass(frozen=True, kw_only=True)
class CompareJob:
    """The fields are the parameters of ``compare``, but as they are written on the command line.

    Attributes:
        inputs: files, folders or globs of rows.
        budgets, methods: one or more of each.
        test: as ``inputs``; empty: a part of the rows is held out.
        log: files of logged runs.
        out: where the result goes as JSON; None: nowhere.
        plain: names of the fields that a command passes on as they are.
    """

    plain: ClassVar[tuple[str, ...]] = (
        *("label", "recipe", "unit", "features", "test_features", "text", "embedding", "id"),
        *("held_in", "steps", "batch", "seeds", "embedder", "device", "seed"),
        *("on_bad", "format", "out"),
    )

    inputs: tuple[str, ...]
    budgets: tuple[str, ...]
    label: str
    methods: tuple[str, ...] = ("prototypes",)
    recipe: str = "mlp"
    unit: str | None = None
    test: tuple[str, ...] = ()
    features: str | None = None
    test_features: str | None = None
    text: str | None = None
    embedding: str | None = None
    id: str | None = None
    log: tuple[str, ...] = ()
    held_in: str | None = None
    steps: int | None = None
    batch: int = 32
    seeds: int = 5
    held_out: float = 0.25
    embedder: str = "auto"
    device: str = "auto"
    seed: int = 0
    on_bad: Literal["error", "drop"] = "error"
    format: str | None = None
    out: str | None = None

    def run(
        self, *, overwrite: bool = False, cache: Any = True, progress: Any = None
    ) -> Comparison:
        """Compare, and write the result if it is to be written.

        With ``out`` the scores of finished trials are kept in ``OUT.journal`` until it is written.

        Raises:
            OutputError: the output exists, cannot be written, or is one of the inputs.
            DataPrunerError: as ``compare``.
        """
        journal = self._journal(overwrite)
        found = compare(
            self._open(self.inputs),
            budgets=self.budgets,
            label=self.label,
            methods=self.methods,
            recipe=self.recipe,
            test=self._open(self.test) if self.test else None,
            features=self.features,
            test_features=self.test_features,
            text=self.text,
            embedding=self.embedding,
            id=self.id,
            log=list(self.log) or None,
            held_in=self.held_in,
            steps=self.steps,
            batch=self.batch,
            seeds=self.seeds,
            held_out=self.held_out,
            unit=self.unit,
            embedder=self.embedder,
            device=self.device,
            cache=cache,
            on_bad=self.on_bad,
            journal=journal,
            seed=self.seed,
            progress=progress,
        )
        if self.out is not None:
            found.save(self.out, overwrite=overwrite)
        if journal is not None:
            Journal(journal).clear()
        return found

    def _open(self, names: tuple[str, ...]) -> Any:
        """The rows of these files, or the name itself where it is a file of vectors."""
        if len(names) == 1 and names[0].endswith((".npy", ".safetensors")):
            return names[0]
        found: Source = open_source([Path(name) for name in names], format=self.format)
        return found

    def _journal(self, overwrite: bool) -> Path | None:
        """Where finished trials are kept, once it is certain that the output can be written."""
        if self.out is None:
            return None
        out = Path(self.out)
        if str(out) == "-":
            raise OutputError("the result as JSON goes to standard output with --json; drop --out.")
        check_writable(out, overwrite)
        read = files_of_inputs((*self.inputs, *self.test), self.format)
        read += files_of_options(
            *(self.features, self.test_features, self.embedding, self.held_in, *self.log),
            self.recipe.rpartition(":")[0] or None,
        )
        refuse_overlap(read, [out])
        return None if is_stream(out) else sidecar(out, "journal")
