"""A run under way: its log, its checkpoints, its validations, and the model at its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from datapruner.training import checkpoint
from datapruner.training.export import settings, write_model, write_onnx
from datapruner.training.loop import Run
from datapruner.training.pairs import Pair
from datapruner.training.validate import validate
from datapruner.training.windows import Window

__all__ = ["LOG", "Held", "Trained", "Watch"]

LOG = "log.jsonl"
_LOG_STEPS = 10
_COMPARED = 64
"""Windows on which an exported model is compared with the network."""


@dataclass(frozen=True)
class Trained:
    """How a run ended.

    Attributes:
        folder: where the model and the log are.
        step: steps done.
        total: steps of the whole run.
        resumed: the step it went on from, 0 for a new run.
        signal: the signal that stopped it, None if it is done.
        metrics: of all validation pairs at the end, empty without any.
        exported: by file name, size and differences of the ONNX files, if asked for.
        files: names of the files of the model, empty if it was stopped.
    """

    folder: Path
    step: int
    total: int
    resumed: int
    signal: int | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    exported: dict[str, dict[str, float]] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Held:
    """Pairs that are looked at, and their windows."""

    pairs: Sequence[Pair]
    windows: Sequence[Window]


@dataclass
class Watch:
    """What happens around the steps of a run.

    Attributes:
        folder: of checkpoint, log and model.
        run: the run.
        facts: what the checkpoint says of data and base.
        tokenizer: written beside the model.
        held: all validation pairs, measured at the end; None: no validation.
        some: those that are measured on the way.
        save_minutes: between checkpoints.
        validate_steps: between validations.
        is_exported: write ONNX too.
    """

    folder: Path
    run: Run
    facts: dict[str, Any]
    tokenizer: Any
    held: Held | None
    some: Held | None
    save_minutes: float
    validate_steps: int
    is_exported: bool
    _sums: dict[str, float] = field(default_factory=dict)
    _counted: int = 0
    _marks: tuple[float, float] = (0.0, 0.0)

    def through(
        self, stopped: Callable[[], int | None], progress: Callable[[str, int, int], None]
    ) -> Trained:
        """Step until the run is done, or until ``stopped`` gives the number of a signal."""
        run, resumed = self.run, self.run.step
        self._note(
            "resume" if resumed else "start",
            total=run.total,
            windows=len(run.windows),
            recipe=run.recipe.to_dict(),
            **self.facts,
        )
        caught = self._steps(stopped, progress)
        if run.step > resumed:
            self._save()
        if caught is not None:
            self._note("stopped", signal=caught)
            return Trained(self.folder, run.step, run.total, resumed, caught)
        return self._finish(resumed)

    def _steps(
        self, stopped: Callable[[], int | None], progress: Callable[[str, int, int], None]
    ) -> int | None:
        run = self.run
        saved = time.monotonic()
        self._marks = (saved, time.process_time())
        while not run.is_done:
            if (caught := stopped()) is not None:
                return caught
            self._count(run.advance())
            progress("training", run.step, run.total)
            if self.some and run.step % self.validate_steps == 0 and not run.is_done:
                self._note("validation", **self._measured(self.some))
                self._marks = (time.monotonic(), time.process_time())
            if time.monotonic() - saved >= 60 * self.save_minutes:
                self._save()
                saved = time.monotonic()
        return None

    def _finish(self, resumed: int) -> Trained:
        run = self.run
        metrics = self._measured(self.held) if self.held else {}
        trained = {
            "steps": run.step,
            "recipe": run.recipe.to_dict(),
            "data": self.facts["data"],
            "base": self.facts["base"],
            "validation": metrics,
        }
        config = settings(self.facts["backbone"], max_length=run.recipe.max_length, trained=trained)
        files = write_model(self.folder, run.network, self.tokenizer, config)
        exported = {}
        if self.is_exported:
            spread = run.windows[:: max(1, len(run.windows) // _COMPARED)]
            exported = write_onnx(self.folder, run.network, spread, run.padding)
        self._note("done", **metrics, exported=exported)
        return Trained(
            self.folder,
            run.step,
            run.total,
            resumed,
            metrics=metrics,
            exported=exported,
            files=[*files, *exported],
        )

    def _measured(self, held: Held) -> dict[str, Any]:
        run = self.run
        return validate(run.network, held.windows, held.pairs, run.padding, run.recipe.batch_tokens)

    def _save(self) -> None:
        facts = {**self.facts, "step": self.run.step, "recipe": self.run.recipe.to_dict()}
        checkpoint.save(self.folder, checkpoint.Checkpoint(self.run.tensors(), facts))

    def _count(self, made: dict[str, float]) -> None:
        """Add a step's figures up, and write their means every ten steps."""
        self._counted += 1
        for name, value in made.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        if self.run.step % _LOG_STEPS and not self.run.is_done:
            return
        wall, cpu = time.monotonic(), time.process_time()
        tokens = self._sums.pop("tokens")
        means = {name: round(value / self._counted, 6) for name, value in self._sums.items()}
        self._note(
            "step",
            **{**means, "rate": made["rate"]},
            tokens_per_second=round(tokens / max(1e-9, wall - self._marks[0])),
            tokens_per_cpu_second=round(tokens / max(1e-9, cpu - self._marks[1])),
        )
        self._sums, self._counted, self._marks = {}, 0, (wall, cpu)

    def _note(self, event: str, **facts: Any) -> None:
        row = {"event": event, "step": self.run.step, "time": round(time.time(), 1), **facts}
        with (self.folder / LOG).open("ab") as stream:
            stream.write(orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY) + b"\n")
