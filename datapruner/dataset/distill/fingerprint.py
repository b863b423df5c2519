"""Names for a teacher and for a data set, so that an answer is never read for another question."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from datapruner.core.columns import ids as checked_ids
from datapruner.core.types import UInt64Array
from datapruner.errors import InputError
from datapruner.rng import hash_ids, mix

__all__ = [
    "content_digest",
    "id_keys",
    "ids_digest",
    "model_fingerprint",
    "plain_ids",
    "unique_keys",
]


def model_fingerprint(model: Any) -> str:
    """32 hexadecimal digits of the weights of a torch module: names, types, shapes and bytes.

    Raises:
        InputError: the model has no ``state_dict``; name it yourself then.
    """
    if not hasattr(model, "state_dict"):
        raise InputError(
            f"{type(model).__name__} has no state_dict to take a fingerprint of; name the teacher "
            'with fingerprint="...", a text that changes whenever its answers do.'
        )
    import torch

    made = hashlib.blake2b(digest_size=16)
    for name, value in sorted(model.state_dict().items()):
        tensor = value.detach().cpu().contiguous()
        made.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        made.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return made.hexdigest()


def id_keys(ids: Any) -> UInt64Array:
    """A 64-bit key for each id; repeats are welcome here.

    Args:
        ids: m whole numbers or m texts: a list, an array or a tensor.

    Returns:
        Shape (m,), uint64; the text ``"7"`` has the key of the number 7.

    Raises:
        InputError: anything else.
    """
    array = np.asarray(ids)
    if array.ndim == 1 and array.dtype.kind in "iu":
        return mix(array.astype(np.int64))
    names = array.tolist()
    if array.ndim != 1 or not all(isinstance(name, str) for name in names):
        raise InputError(
            f"ids are {array.dtype} of shape {array.shape}; give a list of whole numbers, or of "
            "texts."
        )
    return hash_ids(names)


def plain_ids(ids: Any) -> Any:
    """The ids as a list, a tuple or an array, whatever container they came in."""
    return ids if isinstance(ids, list | tuple) else np.asarray(ids)


def unique_keys(ids: Any) -> UInt64Array:
    """The keys of a whole data set.

    Raises:
        InputError: not ids, or one that occurs twice.
    """
    array = plain_ids(ids)
    checked = checked_ids(len(array), array)
    keys = id_keys(np.zeros(0, dtype=np.int64) if checked is None else checked)
    ordered = np.sort(keys)
    if (ordered[1:] == ordered[:-1]).any():
        raise InputError(
            "two of these ids share a 64-bit hash; rename one of them, for example by a prefix."
        )
    return keys


def ids_digest(keys: UInt64Array) -> str:
    """Hexadecimal digits of a set of keys, the same in any order."""
    return _summed(keys)


def content_digest(keys: UInt64Array, content: Any) -> str:
    """Hexadecimal digits of what stands under each id, the same in any order of the rows.

    Args:
        keys: shape (n,), uint64.
        content: one entry a row: texts, bytes, or an array of shape (n, ...).

    Raises:
        InputError: another number of rows, or rows that are neither.
    """
    if len(content) != len(keys):
        raise InputError(
            f"content has {len(content)} rows for {len(keys)} ids; give one entry a row."
        )
    with np.errstate(over="ignore"):
        return _summed(mix(keys) + _row_hashes(content))


def _row_hashes(content: Any) -> UInt64Array:
    """Shape (n,), uint64: the first 64 bits of BLAKE2b of each row's bytes."""
    rows = np.asarray(content) if hasattr(content, "shape") else content
    made = b"".join(
        hashlib.blake2b(_row_bytes(row, number), digest_size=8).digest()
        for number, row in enumerate(rows)
    )
    return np.frombuffer(made, dtype="<u8").astype(np.uint64)


def _row_bytes(row: Any, number: int) -> bytes:
    if isinstance(row, str):
        return row.encode("utf-8", "surrogatepass")
    if isinstance(row, bytes):
        return row
    if isinstance(row, np.ndarray | np.generic) and not row.dtype.hasobject:
        return row.tobytes()
    raise InputError(
        f"the content of row {number} is a {type(row).__name__}; give texts, bytes or an array of "
        "numbers."
    )


def _summed(keys: UInt64Array) -> str:
    """A sum does not depend on the order; two of them, differently mixed, are 128 bits."""
    with np.errstate(over="ignore"):
        sums = [int(np.sum(mix(keys, seed), dtype=np.uint64)) for seed in (1, 2)]
    return f"{len(keys)}-{sums[0]:016x}{sums[1]:016x}"
