"""The files of a published checkpoint: found, fetched where a name says so, and never executed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from datapruner.errors import FormatError, InputError

__all__ = ["PICKLES", "TENSORS", "check_tensors", "digest", "find_folder", "read_tensors"]

TENSORS = "model.safetensors"

PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
"""Endings of files that run code when they are read."""

_NEEDED = ("config.json", "tokenizer.json", TENSORS)
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_SHOWN = 5


def find_folder(model: str | Path, revision: str | None = None) -> Path:
    """The local folder of a model, fetched from the hub if it is a name that is not here.

    Args:
        model: a folder, or ``owner/name`` on the Hugging Face hub.
        revision: of the hub: a branch, tag or commit.

    Raises:
        InputError: neither, or the hub does not give it.
        MissingExtraError: the hub's client is not installed.
    """
    folder = Path(model)
    if folder.is_dir():
        return folder
    if folder.exists():
        raise InputError(f"{folder} is a file; give the folder with config.json and {TENSORS}.")
    if not isinstance(model, str) or not _HUB_NAME.fullmatch(model):
        raise InputError(
            f"{str(model)!r} is no folder here. Give one with {', '.join(_NEEDED)}; a model of the "
            "hub is written owner/name."
        )
    return _fetched(model, revision)


def _fetched(model: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(model, revision=revision, local_files_only=True))
        if all((folder / name).is_file() for name in _NEEDED):
            return folder
    except (OSError, ValueError):  # not here yet
        pass
    try:
        return Path(snapshot_download(model, revision=revision, allow_patterns=list(_NEEDED)))
    except (OSError, ValueError) as error:  # the hub's own errors are OSError or ValueError
        raise InputError(f"model {model} cannot be fetched: {error}") from error


def read_tensors(folder: Path) -> dict[str, Any]:
    """The tensors of a folder by name, on the CPU.

    Raises:
        FormatError: there is no safetensors file, only one that is pickled, or a damaged one.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = folder / TENSORS
    if not path.is_file():
        pickled = sorted(p.name for p in folder.iterdir() if p.suffix in PICKLES)
        if pickled:
            raise FormatError(
                f"{folder} holds {pickled[0]} and no {TENSORS}. Pickled weights can run code and "
                "are not read; convert them to safetensors in an environment that you trust."
            )
        raise FormatError(f"{folder} holds no {TENSORS}.")
    try:
        return dict(load_file(path))
    except SafetensorError as error:
        raise FormatError(f"{path} is no safetensors file: {error}") from error


def check_tensors(
    wanted: Mapping[str, Any], found: Mapping[str, Any], where: Path, family: str
) -> None:
    """Refuse a file whose tensors are not exactly the module's.

    Args:
        wanted: the module's tensors by name.
        found: the file's.
        where, family: for the message.

    Raises:
        FormatError: names are missing or too many, or shapes differ; the message lists them.
    """
    faults = []
    missing, extra = sorted(set(wanted) - set(found)), sorted(set(found) - set(wanted))
    if missing:
        faults.append(f"{len(missing)} missing: {_listed(missing)}")
    if extra:
        faults.append(f"{len(extra)} too many: {_listed(extra)}")
    shapes = [
        f"{name} is {tuple(found[name].shape)}, not {tuple(wanted[name].shape)}"
        for name in sorted(set(wanted) & set(found))
        if found[name].shape != wanted[name].shape
    ]
    if shapes:
        faults.append(f"{len(shapes)} of another shape: {_listed(shapes)}")
    if faults:
        raise FormatError(
            f"{where}/{TENSORS} does not fit a model of the family {family} with this config.json: "
            f"{'; '.join(faults)}. Fetch the whole folder again, from one revision."
        )


def digest(path: Path) -> str:
    """Eight hexadecimal digits that change with the file's content."""
    made = hashlib.blake2b(digest_size=4)
    with path.open("rb") as file:
        while piece := file.read(2**20):
            made.update(piece)
    return made.hexdigest()


def _listed(names: Iterable[str]) -> str:
    shown = list(names)
    more = len(shown) - _SHOWN
    return ", ".join(shown[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
