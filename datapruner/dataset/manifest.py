"""Manifest: what a run read, did and wrote, so that anybody can run it again and compare."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from datapruner.core.reason import Reason
from datapruner.core.selection import Selection
from datapruner.errors import FormatError, InputError

__all__ = ["build_manifest", "compare", "file_digest", "ids_digest", "read_manifest", "to_bytes"]

FORMAT = "datapruner.manifest"
VERSION = 1
_DIGEST_LENGTH = 64
# Where ``compare`` looks; a manifest without these was cut or edited.
_REQUIRED = {
    "config": ("inputs", "out", "budget"),
    "input": ("sha256",),
    "output": ("file", "sha256"),
    "counts": ("rows", "bad", "kept"),
}
# Packages whose version can change a result.
_PACKAGES = (
    "numpy",
    "scikit-learn",
    "scipy",
    "faiss-cpu",
    "faiss-gpu",
    "torch",
    "transformers",
    "sentence-transformers",
    "tokenizers",
    "polars",
    "pyarrow",
    "rensa",
)


def build_manifest(
    *,
    config: Mapping[str, Any],
    selection: Selection,
    input: Mapping[str, Any],
    output: Mapping[str, Any],
    bad: int,
) -> dict[str, Any]:
    """Everything needed to repeat a run and to tell whether the answer is the same.

    Args:
        config: every parameter of the run.
        selection: its answer.
        input: description, digest and number of rows of what was read.
        output: file name, digest and number of rows of what was written.
        bad: rows that were left out.
    """
    counts = np.bincount(selection.reasons, minlength=max(Reason) + 1)
    return {
        "format": FORMAT,
        "version": VERSION,
        "config": dict(config),
        "input": dict(input),
        "output": dict(output),
        "counts": {
            "rows": selection.scores.items.n,
            "bad": bad,
            "kept": len(selection),
            "reasons": {r.name.lower(): int(counts[r]) for r in Reason if counts[r]},
        },
        "kept_ids": ids_digest(selection),
        "ran": dict(selection.provenance.details),
        "pick": selection.provenance.pick,
        "versions": _versions(),
    }


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "datapruner": version("datapruner")}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def ids_digest(selection: Selection) -> str:
    """SHA-256 of the kept ids, sorted as text, one a line: the same whatever order they came in."""
    lines = sorted(str(v) for v in selection.ids.tolist())
    joined = "\n".join(lines).encode("utf-8", "surrogatepass")
    return hashlib.sha256(joined).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, streamed."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def to_bytes(manifest: Mapping[str, Any]) -> bytes:
    """The manifest as indented JSON with sorted keys and a final newline."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    return orjson.dumps(manifest, option=options | orjson.OPT_SERIALIZE_NUMPY)


def read_manifest(path: Path) -> dict[str, Any]:
    """A manifest from its file.

    Raises:
        InputError: there is no such file.
        FormatError: it is not a manifest, or one of another version.
    """
    if not path.is_file():
        raise InputError(f"there is no manifest {path}; it is written beside the output.")
    try:
        manifest = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise FormatError(f"{path} is not a manifest: {error}.") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise FormatError(f"{path} is not a datapruner manifest.")
    if manifest.get("version") != VERSION:
        raise FormatError(
            f"{path} has manifest version {manifest.get('version')}; this datapruner reads "
            f"{VERSION}. Verify it with the version that wrote it: "
            f"{manifest.get('versions', {}).get('datapruner', 'unknown')}."
        )
    for part, keys in _REQUIRED.items():
        held = manifest.get(part)
        missing = [key for key in keys if not isinstance(held, dict) or key not in held]
        if missing or "kept_ids" not in manifest:
            what = f"{part}.{missing[0]}" if missing else "kept_ids"
            raise FormatError(f"{path} is damaged: it does not say {what}.")
    return manifest


def compare(told: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """What differs between two manifests of the same run; empty when the answer is the same.

    What ran and its versions are named only if something else differs: then they are the first
    suspects.
    """
    checks = (
        ("input", told["input"]["sha256"], found["input"]["sha256"]),
        ("vectors", *(m["input"].get("embedding_sha256") for m in (told, found))),
        ("log", *(m["input"].get("log_sha256") for m in (told, found))),
        ("held_in", *(m["input"].get("held_in_sha256") for m in (told, found))),
        ("rows compared with", *(m["input"].get("against_sha256") for m in (told, found))),
        ("rows read", told["counts"]["rows"], found["counts"]["rows"]),
        ("rows left out", told["counts"]["bad"], found["counts"]["bad"]),
        ("rows kept", told["counts"]["kept"], found["counts"]["kept"]),
        ("kept ids", told["kept_ids"], found["kept_ids"]),
        ("output", told["output"]["sha256"], found["output"]["sha256"]),
    )
    differ = [_difference(name, then, now) for name, then, now in checks if then != now]
    if differ:
        for what, key in (("ran with", "ran"), ("version of", "versions")):
            old, new = told.get(key, {}), found.get(key, {})
            differ += [
                _difference(f"{what} {name}", old.get(name), new.get(name))
                for name in sorted(old.keys() | new.keys())
                if old.get(name) != new.get(name)
            ]
    return differ


def _difference(name: str, then: Any, now: Any) -> str:
    return f"{name}: {_shown(then)} then, {_shown(now)} now"


def _shown(value: Any) -> str:
    if isinstance(value, str) and len(value) == _DIGEST_LENGTH:
        return f"sha256 {value[:12]}"
    return f"{value:,}" if isinstance(value, int) else str(value)
