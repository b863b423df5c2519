"""One file that a run can go on from: weights, optimiser and position, in safetensors.

The position is the number of steps done; with the recipe and the data it determines the rest, for
no generator has a state of its own: the order of batches follows from the seed, and there is no
dropout.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datapruner.errors import FormatError
from datapruner.output import AtomicFile

__all__ = ["NAME", "Checkpoint", "load", "save"]

NAME = "checkpoint.safetensors"
_VERSION = 1
_FORMAT = "datapruner sentence training"


@dataclass(frozen=True)
class Checkpoint:
    """What a run was at the end of a step.

    Attributes:
        tensors: weights as ``model/NAME``, AdamW's means as ``adam/NAME/KEY``.
        facts: ``step``, ``recipe``, ``data`` (fingerprint), ``base`` and ``backbone``.
    """

    tensors: dict[str, Any]
    facts: dict[str, Any]


def save(folder: Path, checkpoint: Checkpoint) -> None:
    """Write it over the one before; a crash in between leaves that one whole.

    Raises:
        OutputError: the disk is full, or the folder cannot be written.
    """
    from safetensors.torch import save as to_bytes

    note = {"format": _FORMAT, "version": str(_VERSION), "facts": json.dumps(checkpoint.facts)}
    with AtomicFile(folder / NAME, overwrite=True) as file:
        file.write(to_bytes(checkpoint.tensors, metadata=note))


def load(folder: Path) -> Checkpoint | None:
    """The checkpoint in a folder; None if there is none.

    Raises:
        FormatError: a file of that name that is not ours, or of another version, or damaged.
    """
    from safetensors import SafetensorError, safe_open

    path = folder / NAME
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            note = file.metadata() or {}
            if note.get("format") != _FORMAT or note.get("version") != str(_VERSION):
                raise FormatError(
                    f"{path} is {note.get('format', 'no checkpoint of ours')!r}, version "
                    f"{note.get('version', 'unknown')}; this version reads {_FORMAT!r}, version "
                    f"{_VERSION}. Choose another folder."
                )
            facts = json.loads(note["facts"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"{path} cannot be read ({error}); delete it to start again.") from error
    return Checkpoint(tensors, facts)
