"""``datapruner train sentences``: from a file of pairs to a model in our format."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datapruner.errors import FormatError, InputError, OutputError
from datapruner.training import checkpoint, network
from datapruner.training.loop import Run
from datapruner.training.pairs import Pair, fingerprint, read_pairs
from datapruner.training.recipe import Recipe
from datapruner.training.validate import some_of
from datapruner.training.watch import LOG, Held, Trained, Watch
from datapruner.training.windows import Special, Window, cut_windows

__all__ = ["SentenceJob", "read_tokenizer"]


@dataclass(frozen=True)
class SentenceJob:
    """What is trained, on what, and how often it is looked at.

    Attributes:
        data: JSON lines of training pairs.
        out: the folder of checkpoint, log and model; made if it is not there.
        base: see ``network.base_folder``.
        validation: JSON lines of pairs that metrics are measured on; none of them is trained on.
        recipe: the parameters of the training.
        threads: of torch; the weights depend on it to the last bits.
        save_minutes: minutes between checkpoints.
        validate_steps: steps between validations.
        validate_pairs: pairs of such a validation; at the end all are used.
        export: write ONNX files too.

    Raises:
        InputError: a number out of its range.
    """

    data: Path
    out: Path
    base: str | None = None
    validation: Path | None = None
    recipe: Recipe = field(default_factory=Recipe)
    threads: int = 1
    save_minutes: float = 10.0
    validate_steps: int = 250
    validate_pairs: int = 500
    export: bool = False

    def __post_init__(self) -> None:
        if self.threads < 1 or self.validate_steps < 1 or self.validate_pairs < 1:
            raise InputError(
                f"threads={self.threads}, validate_steps={self.validate_steps}, "
                f"validate_pairs={self.validate_pairs}: each at least 1."
            )
        if not self.save_minutes >= 0:
            raise InputError(f"save_minutes={self.save_minutes}: 0 or more.")

    def run(self, progress: Callable[[str, int, int], None] | None = None) -> Trained:
        """Train, or go on where the folder's checkpoint stands, and write the model.

        A SIGTERM or SIGINT ends it after the step in hand, with a checkpoint. On the CPU the same
        data, recipe and threads give the same weights, interrupted or not.

        Args:
            progress: called with ``"training"``, steps done and steps in all.

        Raises:
            FormatError: the folder's checkpoint is of other data, another encoder or another
                recipe (but for ``epochs`` and ``steps``), or cannot be read.
            InputError: pairs that cannot be used, a pair that is trained on and validated on, or a
                base without a BERT-like tokenizer.
            MissingExtraError: torch or transformers is not installed.
            OutputError: another run is writing to the folder, or it cannot be written.
        """
        network.check_installed()
        pairs = read_pairs(self.data)
        held = read_pairs(self.validation) if self.validation else []
        self._check_apart(pairs, held)
        with _Deferred() as stop, _locked(self.out), _threads(self.threads):
            watch = self._begin(pairs, held)
            return watch.through(lambda: stop.caught, progress or _no_progress)

    def _begin(self, pairs: Sequence[Pair], held: Sequence[Pair]) -> Watch:
        """The run at its first step, or at that of the checkpoint."""
        folder = network.base_folder(self.base)
        config = network.backbone_config(folder)
        facts = {"data": fingerprint(pairs), "backbone": config}
        before = checkpoint.load(self.out)
        if before:
            self._check_same(before.facts, facts)
        model = network.build(config)
        if not before:
            network.initialise(model, folder, seed=self.recipe.seed)
        tokenizer = read_tokenizer(folder)
        padding = Special.of(tokenizer).padding
        windows = self._windows(pairs, tokenizer)
        run = Run(model, windows, [pair.id for pair in pairs], self.recipe, padding)
        if before:
            run.restore(before.tensors, before.facts["step"])
        some = some_of(held, self.validate_pairs)
        return Watch(
            folder=self.out,
            run=run,
            facts={**facts, "base": self.base or network.MINILM_PACKAGE},
            tokenizer=tokenizer,
            held=Held(held, self._windows(held, tokenizer)) if held else None,
            some=Held(some, self._windows(some, tokenizer)) if held else None,
            save_minutes=self.save_minutes,
            validate_steps=self.validate_steps,
            is_exported=self.export,
        )

    def _windows(self, pairs: Sequence[Pair], tokenizer: Any) -> list[Window]:
        r = self.recipe
        return cut_windows(pairs, tokenizer, max_length=r.max_length, others=r.others, seed=r.seed)

    def _check_same(self, stored: dict[str, Any], facts: dict[str, Any]) -> None:
        differing = [name for name in facts if stored.get(name) != facts[name]]
        differing += self.recipe.continues(stored.get("recipe", {}))
        if differing:
            raise FormatError(
                f"{self.out} holds a run with another {', '.join(differing)}; go on with the same, "
                "or choose another folder."
            )

    def _check_apart(self, pairs: Sequence[Pair], held: Sequence[Pair]) -> None:
        both = {(p.query, p.passage) for p in pairs} & {(p.query, p.passage) for p in held}
        if both:
            raise InputError(
                f"{len(both)} pairs of {self.validation} are in {self.data} too, the first asks "
                f"{min(both)[0][:60]!r}; take them out of one."
            )


def read_tokenizer(folder: Path) -> Any:
    """The ``tokenizers.Tokenizer`` of a model folder, without truncation and padding.

    Raises:
        FormatError: no tokenizer.json, or one that cannot be read.
    """
    from tokenizers import Tokenizer

    path = folder / "tokenizer.json"
    try:
        tokenizer = Tokenizer.from_str(path.read_text("utf-8"))
    except Exception as error:  # the package raises nothing narrower
        raise FormatError(f"{path} cannot be read ({error}); a base needs one.") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _no_progress(stage: str, done: int, total: int) -> None:
    pass


class _Deferred:
    """Notes SIGTERM and SIGINT instead of letting them end a step half done."""

    _HEEDED = (signal.SIGTERM, signal.SIGINT)

    def __init__(self) -> None:
        self.caught: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> _Deferred:
        if threading.current_thread() is threading.main_thread():
            self._before = {s: signal.signal(s, self._take_note) for s in self._HEEDED}
        return self

    def _take_note(self, number: int, frame: object) -> None:
        self.caught = number

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Make the folder, and let one run at a time write to it, where the system can tell."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = (folder / LOG).open("ab")
    except OSError as error:
        raise OutputError(f"cannot write to {folder}: {error.strerror or error}.") from error
    with stream:
        try:
            import fcntl
        except ImportError:  # pragma: no cover (Windows)
            yield
            return
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise OutputError(
                f"another run is writing to {folder}; let it end, or choose another folder."
            ) from error
        yield


@contextlib.contextmanager
def _threads(number: int) -> Iterator[None]:
    """Let torch use so many threads for a while."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
