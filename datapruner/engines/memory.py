"""A ceiling on memory: how it is written, and what follows from it.

The result never depends on it. It sets how much is read at a time, and work that cannot fit is
refused before it begins, with what would help.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from datapruner.errors import InputError

__all__ = ["GIB", "MIB", "Ceiling", "in_words", "parse_memory"]

MIB, GIB = 2**20, 2**30

_UNITS = {"b": 1, "kib": 2**10, "mib": MIB, "gib": GIB, "tib": 2**40}
_UNITS |= {"kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_TEXT = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*$", re.IGNORECASE)

LEAST = 256 * MIB
"""Below this the interpreter with NumPy and FAISS hardly fits itself."""


def parse_memory(text: str | int) -> int:
    """Bytes from ``"4GiB"``, ``"512 MiB"``, ``"8 GB"`` or a number of bytes.

    Raises:
        InputError: anything else, or less than 256 MiB.
    """
    if isinstance(text, int) and not isinstance(text, bool):
        size = text
    else:
        found = _TEXT.match(str(text))
        if found is None or found[2].lower() not in _UNITS:
            raise InputError(f'memory is {text!r}; write it as "4GiB", "512MiB" or "8GB".')
        size = int(float(found[1]) * _UNITS[found[2].lower()])
    if size < LEAST:
        raise InputError(
            f"memory is {in_words(size)}; the interpreter and its libraries alone need "
            f"{in_words(LEAST)}. Give more."
        )
    return size


def in_words(size: float) -> str:
    """``"1.5 GiB"``, ``"230 MiB"``."""
    return f"{size / GIB:.1f} GiB" if size >= GIB else f"{size / MIB:,.0f} MiB"


@dataclass(frozen=True)
class Ceiling:
    """What a process may use in all, as far as it is its own: files it maps do not count.

    Attributes:
        total: bytes; None: as much as there is.
    """

    total: int | None = None

    def block_bytes(self, threads: int) -> int:
        """How large a block of float32 rows may be: 1 to 16 MiB, the most that pays."""
        if self.total is None:
            return 16 * MIB
        return min(max(self.total // (64 * threads), MIB), 16 * MIB)

    def batch_bytes(self, threads: int) -> int:
        """How large a batch of groups may be: 4 to 128 MiB of float32 rows."""
        if self.total is None:
            return max(256 * MIB // threads, 16 * MIB)
        return min(max(self.total // (16 * threads), 4 * MIB), 128 * MIB)

    def reserve(self, what: str, needed: int, remedy: str) -> None:
        """Refuse what does not fit beside what the process holds already.

        Raises:
            InputError: it does not fit.
        """
        if self.total is None:
            return
        held = held_bytes()
        if held + needed > self.total:
            raise InputError(
                f"memory: {what} takes {in_words(needed)} beside the {in_words(held)} that are in "
                f"use, which is more than the {in_words(self.total)} allowed. "
                f"Allow {in_words(1.1 * (held + needed))} (--memory), or {remedy}."
            )


def held_bytes() -> int:
    """What this process holds in memory of its own, without mapped files; 0 where unknown."""
    if sys.platform != "linux":
        return 0
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0
