"""Run the job of a manifest again and compare: is the answer still the same, byte for byte?"""

from __future__ import annotations

import dataclasses
import glob
import tempfile
from pathlib import Path
from typing import Any

from datapruner.dataset.dedupjob import job_from
from datapruner.dataset.discover import find_files
from datapruner.dataset.job import MANIFEST, PruneJob
from datapruner.dataset.manifest import compare, file_digest, read_manifest
from datapruner.dataset.reading import is_vectors
from datapruner.dataset.staging import sidecar
from datapruner.errors import DataPrunerError, InputError

__all__ = ["find_manifest", "verify"]


def find_manifest(path: Path) -> Path:
    """The manifest itself, or the one beside an output."""
    if path.name.endswith(".json") and path.is_file():
        return path
    beside = sidecar(path, MANIFEST)
    if beside.is_file() or not path.exists():
        return beside if beside.is_file() else path
    raise InputError(f"there is no manifest beside {path}: {beside.name} is missing.")


def verify(path: str | Path, *, cache: Any = None, progress: Any = None) -> list[str]:
    """Run the job of a manifest again, in a temporary folder, and compare.

    The input is looked for where the run found it, then where it stands relative to the manifest:
    files that were moved together still verify.

    Args:
        path: the manifest, or the output it stands beside.
        cache: None embeds everything anew, which is the point of a check.
        progress: called with (stage, done, total).

    Returns:
        What differs, a line each; empty when the answer is the same, byte for byte.

    Raises:
        InputError: the input or the manifest cannot be found.
        FormatError: not a manifest.
    """
    manifest = find_manifest(Path(path))
    told = read_manifest(manifest)
    job = _relocated(job_from(told["config"]), told["input"], manifest)
    with tempfile.TemporaryDirectory(prefix="datapruner-verify-") as folder:
        out = Path(folder) / told["output"]["file"]
        found = dataclasses.replace(job, out=str(out)).run(cache=cache, progress=progress).manifest
    differences = compare(told, found)
    written = manifest.parent / told["output"]["file"]
    if written.is_file() and file_digest(written) != told["output"]["sha256"]:
        differences.insert(0, f"{written.name} is not the file that was written: it was changed")
    return differences


def _relocated(job: PruneJob, told: Any, manifest: Path) -> PruneJob:
    """The job with its files where they are now: as written, else as seen from the manifest."""
    if "-" in job.inputs:
        raise InputError("this run read standard input, which cannot be read again.")
    folder = manifest.resolve().parent
    places = [(base, False) for base in _bases(job.out, folder)] + [(folder, True)]
    existing = [moved for base, flat in places if (moved := _moved(job, base, flat)) is not None]
    if not existing:
        names = ", ".join(job.inputs)
        raise InputError(
            f"cannot find the input {names}, neither from here nor from {manifest.parent}; "
            "put it back, or move it together with the manifest."
        )
    # Another file of the same name may lie here; the digest tells which one was meant.
    return next((moved for moved in existing if _is_same(moved, told)), existing[0])


def _bases(out: str, folder: Path) -> list[Path]:
    """Folders that the names may be relative to: this one, the manifest's, the run's own."""
    root = folder
    for part in reversed(Path(out).parent.parts):
        if root.name != part:
            return [Path(), folder]
        root = root.parent
    return list(dict.fromkeys([Path(), folder, root]))


def _moved(job: PruneJob, base: Path, flat: bool) -> PruneJob | None:
    """The job as seen from a folder (flat: without the folders in the names), if all is there."""
    inputs = tuple(_seen(name, base, flat) for name in job.inputs)
    if not all(Path(name).exists() or glob.glob(name) for name in inputs):
        return None
    found: dict[str, Any] = {}
    for option in ("embedding", "held_in", "against", "against_embedding", "index"):
        name = getattr(job, option, None)
        if name is not None and Path(_seen(name.partition(":")[0], base, flat)).exists():
            found[option] = _seen(name, base, flat)
    logs = tuple(_seen(name, base, flat) for name in job.log)
    if all(Path(name).exists() for name in logs):
        found["log"] = logs
    return dataclasses.replace(job, inputs=inputs, **found)


def _seen(name: str, base: Path, flat: bool) -> str:
    return str(base / (Path(name).name if flat else name))


def _is_same(job: PruneJob, told: Any) -> bool:
    if any(is_vectors(name) for name in job.inputs):
        return True
    try:
        digest = find_files([Path(name) for name in job.inputs], job.format).digest()
    except DataPrunerError:
        return False
    return bool(digest == told["sha256"])
