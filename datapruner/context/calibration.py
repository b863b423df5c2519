"""What a calibration found: the threshold, what is promised of it, and how it did on which rows."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from datapruner.context.chunks import ContextPruner
from datapruner.errors import DataPrunerError, FormatError, InputError
from datapruner.output import atomic_write_bytes

__all__ = ["Calibration", "Check"]

VERSION = 1
_KIND = "datapruner calibration"


@dataclass(frozen=True)
class Check:
    """How a threshold did on labelled examples.

    Attributes:
        threshold: the lowest score that stayed.
        n: examples whose answer is in their chunks.
        left_out: the others.
        lost: of the n, those whose answer did not stay.
        low, high: exact 95 % interval (Clopper-Pearson) of the share of all such questions that
            lose theirs.
        kept_share: tokens kept of all tokens of the n, in [0, 1].
    """

    threshold: float
    n: int
    left_out: int
    lost: int
    low: float
    high: float
    kept_share: float

    @property
    def risk(self) -> float:
        """Share of the n that lost their answer."""
        return self.lost / self.n

    def __str__(self) -> str:
        """One line for a human reader."""
        left = f"; {self.left_out} left out" if self.left_out else ""
        return (
            f"threshold {self.threshold:.6g}: answer kept in {1 - self.risk:.1%} of {self.n} "
            f"(95 % interval {1 - self.high:.1%} to {1 - self.low:.1%}), "
            f"{self.kept_share:.1%} of the tokens{left}"
        )


@dataclass(frozen=True)
class Calibration:
    """A threshold with a promise.

    Attributes:
        threshold: for ``ContextPruner(threshold=...)``.
        keep_answer: what was asked for.
        confidence: of the stricter promise; None for the one on average.
        allowed: examples that may lose their answer at the threshold.
        examples: how it did on the very examples it was found on, which flatters it a little; a
            fair report is ``check`` of other rows.
        pruner: the calibrated settings with the threshold in them, ready to be called.
    """

    threshold: float
    keep_answer: float
    confidence: float | None
    allowed: int
    examples: Check
    pruner: ContextPruner = field(compare=False)

    @property
    def promise(self) -> str:
        """What is guaranteed, in words, and what is not."""
        n, risk = self.examples.n, f"{100 * (1 - self.keep_answer):.4g} %"
        if self.confidence is None:
            what = (
                f"Over the draw of the {n} examples and of one new question, the chance that its "
                f"answer is lost at threshold {self.threshold:.6g} is at most {risk}. It is a "
                "promise on average: a single draw of examples may do somewhat worse."
            )
        else:
            what = (
                f"With probability {self.confidence:g} or more over the draw of the {n} examples, "
                f"at most {risk} of all questions lose their answer at threshold "
                f"{self.threshold:.6g}."
            )
        return (
            f"{what} It holds for questions that are drawn as the examples were (exchangeable with "
            "them) and whose answer is in their chunks; not for another source, retriever or "
            "scorer, and not for every kind of question by itself."
        )

    def check(self, examples: Any) -> Check:
        """How the threshold does on rows that it was not chosen on; see ``check``."""
        from datapruner.context.calibrate import check

        return check(examples, self.pruner)

    def __str__(self) -> str:
        """The result on the examples, and the promise."""
        return f"{self.examples}\n{self.promise}"

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON-safe values; settings that are objects are told as ``null``."""
        return {
            "kind": _KIND,
            "version": VERSION,
            "threshold": self.threshold,
            "keep_answer": self.keep_answer,
            "confidence": self.confidence,
            "allowed": self.allowed,
            "examples": asdict(self.examples),
            "pruner": _plain_settings(self.pruner),
            "promise": self.promise,
        }

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write it as a JSON file, whole or not at all.

        Raises:
            OutputError: the file exists, or cannot be written.
        """
        text = json.dumps(self.to_dict(), indent=1, ensure_ascii=False, allow_nan=False)
        atomic_write_bytes(Path(path), f"{text}\n".encode(), overwrite)

    @classmethod
    def load(cls, path: str | Path, *, pruner: ContextPruner | None = None) -> Calibration:
        """What ``save`` wrote.

        Args:
            path: of the file.
            pruner: the settings, where one of them was an object (a scorer, a pattern, a counter)
                that a file does not hold; with neither budget nor threshold.

        Raises:
            FormatError: no such file of ours, or one of another version.
            InputError: it cannot be read, or an object is missing that the file does not hold.
        """
        found = _read(Path(path))
        try:
            threshold = _number(found["threshold"])
            return cls(
                threshold=threshold,
                keep_answer=_number(found["keep_answer"]),
                confidence=None if found["confidence"] is None else _number(found["confidence"]),
                allowed=int(found["allowed"]),
                examples=Check(**found["examples"]),
                pruner=_restored(dict(found["pruner"]), threshold, pruner, path),
            )
        except (KeyError, TypeError, _BadNumber) as error:
            raise FormatError(f"{path} is damaged: {type(error).__name__}: {error}.") from error


def _plain_settings(pruner: ContextPruner) -> dict[str, Any]:
    """The settings that were chosen, by name; null for one that JSON has no word for."""
    settings: dict[str, Any] = {}
    for one in fields(pruner):
        value = getattr(pruner, one.name)
        if not one.init or one.name in ("threshold", "budget"):
            continue
        if isinstance(value, list | tuple) and all(isinstance(part, str) for part in value):
            settings[one.name] = list(value)
        elif isinstance(value, str | int | float):
            settings[one.name] = value
        elif value is not None:
            settings[one.name] = None
    return settings


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}.") from error
    except ValueError as error:
        raise FormatError(f"{path} is no calibration: it is not JSON ({error}).") from error
    if not isinstance(found, dict) or found.get("kind") != _KIND:
        raise FormatError(f"{path} is no calibration; save() writes one.")
    if found.get("version") != VERSION:
        raise FormatError(
            f"{path} is of version {found.get('version')!r}, this release reads {VERSION}. "
            "Calibrate anew."
        )
    return found


class _BadNumber(Exception):
    """A value that should be a finite number."""


def _number(given: Any) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given):
        raise _BadNumber(f"{given!r} is no finite number")
    return float(given)


def _restored(
    settings: dict[str, Any], threshold: float, pruner: ContextPruner | None, path: str | Path
) -> ContextPruner:
    """The calibrated pruner, from the settings in the file or from one that is given again."""
    if pruner is not None:
        return _again(settings, threshold, pruner, path)
    objects = [name for name, value in settings.items() if value is None]
    if objects:
        raise InputError(
            f"{path} was calibrated with an object as {', '.join(objects)}, which a file does not "
            "hold. Give it again: Calibration.load(path, pruner=ContextPruner(...))."
        )
    try:
        return ContextPruner(threshold=threshold, **settings)
    except (DataPrunerError, TypeError) as error:
        raise FormatError(f"the settings in {path} cannot be used: {error}") from error


def _again(
    settings: dict[str, Any], threshold: float, pruner: ContextPruner, path: str | Path
) -> ContextPruner:
    if pruner.budget is not None or pruner.threshold not in (None, threshold):
        raise InputError(
            f"the pruner has limits of its own; {path} brings the threshold. Leave them out."
        )
    own = _plain_settings(pruner)
    # Of an object nothing but its presence is known.
    differs = sorted(n for n in {*own, *settings} if own.get(n, "") != settings.get(n, ""))
    if differs:
        raise InputError(
            f"the pruner differs in {', '.join(differs)} from what {path} was calibrated with; the "
            "promise would not hold."
        )
    return replace(pruner, threshold=threshold)
