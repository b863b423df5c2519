"""What a learner sees of rows: numbers of any shape, in an array, a file or a column."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from datapruner.core.types import AnyArray, BoolArray
from datapruner.dataset.source import Source
from datapruner.errors import InputError, MissingColumnError, nearest
from datapruner.vectors.store import Vectors, open_vectors

__all__ = ["are_finite", "bare_array", "flat", "matrix", "numeric"]

_BLOCK = 8192


def bare_array(data: Any) -> AnyArray | None:
    """The array that data is, or that lies in the ``.npy`` or ``.safetensors`` file it names.

    Returns:
        None where data is neither: rows, or the name of something else.

    Raises:
        InputError: a file that is not there, or holds no plain array.
    """
    if isinstance(data, Vectors):
        return data.take(np.arange(data.n))
    if isinstance(data, np.ndarray):
        return data
    if isinstance(data, str | Path):
        is_file = str(data).partition(":")[0].endswith((".npy", ".safetensors"))
        return _matrix_file(str(data)) if is_file else None
    is_tensor = type(data).__module__.partition(".")[0] == "torch" and hasattr(data, "numpy")
    return np.asarray(data.detach().cpu().numpy()) if is_tensor else None


def matrix(given: Any, source: Source | None) -> AnyArray:
    """Features, whatever they are given as.

    Args:
        given: an array, a list of lists, a file, or a column of the source.
        source: the rows; None where there are none but arrays.

    Raises:
        InputError: a column that does not hold numbers of one shape.
        MissingColumnError: a name that is neither a column nor a file.
    """
    array = bare_array(given)
    if array is not None:
        return array
    if not isinstance(given, str):
        return np.asarray(given)
    if source is not None and given in source.columns:
        return np.concatenate(list(_column(source, given)))
    if Path(given.partition(":")[0]).exists():
        vectors = open_vectors(given)
        return vectors.take(np.arange(vectors.n))
    known = () if source is None else source.columns
    raise MissingColumnError(
        f'features is "{given}", neither a column of the data nor a file. {nearest(given, known)}'
    )


def numeric(array: AnyArray) -> AnyArray:
    """The same array, if a learner can do something with it.

    Raises:
        InputError: not numbers, or not a row for each row.
    """
    if array.dtype.kind not in "fiub" or array.ndim < 2 or not np.prod(array.shape[1:]):
        raise InputError(
            f"the features have shape {array.shape} and dtype {array.dtype}; give numbers of shape "
            "(n, ...): one vector, or one image, for each row."
        )
    return array


def flat(array: AnyArray) -> Vectors:
    """Each row as one vector, float32, for selectors."""
    numbers = numeric(array)
    width = math.prod(numbers.shape[1:])  # not -1, which an array without rows cannot resolve
    return open_vectors(
        np.ascontiguousarray(numbers.reshape(len(numbers), width), dtype=np.float32)
    )


def are_finite(array: AnyArray) -> BoolArray:
    """Shape (n,): whether all numbers of a row are."""
    found = np.ones(len(array), dtype=bool)
    for start in range(0, len(array), _BLOCK):
        block = array[start : start + _BLOCK]
        found[start : start + _BLOCK] = np.isfinite(block.reshape(len(block), -1)).all(axis=1)
    return found


def _matrix_file(name: str) -> AnyArray:
    if not name.endswith(".npy"):
        vectors = open_vectors(name)
        return vectors.take(np.arange(vectors.n))
    try:
        array: AnyArray = np.load(name, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{name} cannot be read as an array: {error}.") from error
    return array


def _column(source: Source, name: str) -> Iterator[AnyArray]:
    for block in source.blocks([name]):
        try:
            yield np.asarray(block.columns[name], dtype=np.float32)
        except (TypeError, ValueError) as error:
            raise InputError(
                f'the column "{name}" of {source.description} does not hold numbers of one shape '
                f"in rows {block.start} to {block.start + block.rows - 1}: {error}."
            ) from error
