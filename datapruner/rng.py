"""Named random streams from one seed, and hashes that stand in for chance.

Two tools, because two things can vary. ``stream`` gives a generator for draws whose order is fixed.
``mix`` gives every row its own pseudo-random number from what the row *is* (its id or its content),
so a draw by smallest hash does not depend on where the row stands in the file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from datapruner.core.types import FloatArray, UInt64Array
from datapruner.errors import InputError

__all__ = ["check_seed", "hash_ids", "hash_strings", "mix", "stream", "subseed", "unit_interval"]


def subseed(seed: int, name: str) -> int:
    """A 64-bit seed for one use, so that adding a draw in one place does not shift another.

    Args:
        seed: the user's seed, any integer.
        name: what the draw is for, for example ``"kmeans"``.

    Returns:
        An integer in [0, 2**64).
    """
    digest = hashlib.blake2b(f"{seed}\x1f{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def stream(seed: int, name: str) -> np.random.Generator:
    """A generator of its own for one named use; the global generators are never touched."""
    return np.random.Generator(np.random.PCG64(subseed(seed, name)))


def mix(keys: npt.NDArray[np.integer], seed: int = 0) -> UInt64Array:
    """Well-mixed 64-bit numbers, one for each key; a bijection for any one seed.

    Args:
        keys: shape (n,), any integer dtype.
        seed: changes the order that the numbers put the keys in.

    Returns:
        Shape (n,), uint64: the splitmix64 finaliser of key + seed * golden ratio.
    """
    with np.errstate(over="ignore"):
        x = keys.astype(np.uint64, copy=True)
        x += np.uint64((subseed(seed, "mix") if seed else 0) & (2**64 - 1))
        x += np.uint64(0x9E3779B97F4A7C15)
        x ^= x >> np.uint64(30)
        x *= np.uint64(0xBF58476D1CE4E5B9)
        x ^= x >> np.uint64(27)
        x *= np.uint64(0x94D049BB133111EB)
        x ^= x >> np.uint64(31)
    return x


def unit_interval(hashes: UInt64Array) -> FloatArray:
    """A number strictly between 0 and 1 for each hash, in the order of the hashes.

    Args:
        hashes: shape (n,), uint64, as ``mix`` gives them.

    Returns:
        Shape (n,), float64.
    """
    # 52 bits, for with 53 the half that keeps 0 out would round the largest up to 1.
    return ((hashes >> np.uint64(12)) + 0.5) * 2.0**-52


def hash_strings(texts: Sequence[str]) -> UInt64Array:
    """The first 64 bits of BLAKE2b of each text; stable across machines and versions.

    Returns:
        Shape (len(texts),), uint64.
    """
    digest = hashlib.blake2b
    joined = b"".join(
        digest(t.encode("utf-8", "surrogatepass"), digest_size=8).digest() for t in texts
    )
    return np.frombuffer(joined, dtype="<u8").astype(np.uint64)


def hash_ids(names: Sequence[str]) -> UInt64Array:
    """A 64-bit hash of each id; ``"7"`` gets that of the number 7.

    So a CSV file, whose ids are all text, orders equal scores as a Parquet file with numbers does.

    Returns:
        Shape (len(names),), uint64.
    """
    hashes = hash_strings(names)
    whole = [place for place, name in enumerate(names) if _is_whole(name)]
    if whole:
        hashes[whole] = mix(np.array([int(names[place]) for place in whole], dtype=np.int64))
    return hashes


def _is_whole(name: str) -> bool:
    """Whether a text is exactly what a 64-bit number is written as."""
    digits = name[1:] if name.startswith("-") else name
    if not (digits.isascii() and digits.isdigit() and len(digits) < 20):
        return False
    return str(int(name)) == name and -(2**63) <= int(name) < 2**63


def check_seed(seed: object) -> int:
    """The seed, if it is one.

    Raises:
        InputError: it is not a whole number of at most 64 bits.
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
        raise InputError(f"seed is {seed!r}; it must be a whole number.")
    if not -(2**63) <= int(seed) < 2**63:
        raise InputError(f"seed is {seed}; it must fit into 64 bits.")
    return int(seed)
