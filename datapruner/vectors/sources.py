"""What a user may hand over as vectors, turned into arrays that ``store`` can read in pieces.

Libraries are recognised by the name of the module a value's type comes from, so none is imported to
find out that it is not needed.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any

import numpy as np

from datapruner.core.types import AnyArray
from datapruner.errors import FormatError, InputError, nearest
from datapruner.vectors.store import Vectors, VectorWriter, as_float32

__all__ = ["read_source"]

SAFETENSORS_DTYPES = {"F16": "<f2", "F32": "<f4", "F64": "<f8", "BF16": "<u2"}
MAX_HEADER_BYTES = 100 * 10**6  # the limit of the safetensors format itself


def read_source(source: Any, name: str) -> Vectors:
    """The work of ``store.open_vectors``; see there."""
    if isinstance(source, str | os.PathLike):
        return _from_path(os.fspath(source), name)
    library = type(source).__module__.partition(".")[0]
    if library == "polars":
        return _from_arrow(source.to_arrow(), name)
    if library == "pyarrow":
        return _from_arrow(source, name)
    if library == "torch":
        return _from_torch(source, name)
    if isinstance(source, np.ndarray):
        return _from_array(source, f"an array of {source.dtype}", name)
    if hasattr(source, "__getitem__") and hasattr(source, "__len__"):
        return _from_lists(list(source), name)
    raise InputError(
        f"Cannot read {name} from {type(source).__name__}. Give a 2-D float array, a path to .npy, "
        ".safetensors or .parquet:column, an Arrow or polars list column, a tensor or lists."
    )


def _from_array(values: AnyArray, description: str, name: str) -> Vectors:
    if values.dtype == object:
        raise InputError(
            f"{name} has dtype object: its rows differ in length or are not numbers. "
            "Make it one 2-D float array, for example with np.stack(rows)."
        )
    if values.ndim != 2:
        raise InputError(f"{name} has shape {values.shape}; vectors need two dimensions, (n, d).")
    if not np.issubdtype(values.dtype, np.floating):
        raise InputError(
            f"{name} has dtype {values.dtype}; vectors are floats. If these numbers really are "
            "coordinates, convert them: array.astype('float32')."
        )
    if values.shape[1] == 0 and len(values):
        raise InputError(f"{name} has {len(values)} rows of no columns: shape {values.shape}.")
    return Vectors([values], values.shape[1], dtype=str(values.dtype), description=description)


def _from_torch(tensor: Any, name: str) -> Vectors:
    import torch

    tensor = tensor.detach().cpu()
    kind = str(tensor.dtype).removeprefix("torch.")
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.float()
    return _from_array(tensor.numpy(), f"a torch tensor of {kind}", name)


def _from_lists(rows: list[Any], name: str) -> Vectors:
    if not rows:
        return Vectors([], 0, dtype="float32", description="an empty list")
    missing = [i for i, row in enumerate(rows) if row is None]
    if missing:
        raise InputError(f"{name} has no vector in {_rows(missing)}.")
    if not all(hasattr(row, "__len__") for row in rows) or isinstance(rows[0], str):
        raise InputError(f"{name} is a flat list of {type(rows[0]).__name__}; give a list of rows.")
    widths = np.array([len(row) for row in rows])
    odd = np.flatnonzero(widths != widths[0])
    if len(odd):
        raise InputError(
            f"{name} is ragged: row 0 has {widths[0]} values, row {odd[0]} has {widths[odd[0]]}."
        )
    values = np.asarray(rows)
    return _from_array(values, f"a list of {len(rows)} rows", name)


def _from_path(path: str, name: str) -> Vectors:
    for suffix, reader in ((".safetensors", _from_safetensors), (".parquet", _from_parquet)):
        file, found, inner = path.rpartition(f"{suffix}:")
        if path.endswith(suffix):
            return reader(_existing(path), "", name)
        if found and not os.path.exists(path):
            return reader(_existing(file + suffix), inner, name)
    return _from_npy(_existing(path), name)


def _existing(path: str) -> Path:
    if not os.path.isfile(path):
        raise InputError(f"There is no file {path}.")
    return Path(path)


def _from_npy(path: Path, name: str) -> Vectors:
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise FormatError(f"{path} cannot be read as a .npy file: {error}") from error
    if not isinstance(values, np.ndarray):
        values.close()
        raise FormatError(f"{path} is an archive of arrays; save the vectors alone, as .npy.")
    return _from_array(values, str(path), name)


def _from_safetensors(path: Path, inner: str, name: str) -> Vectors:
    header, offset = _safetensors_header(path)
    flat = {key: entry for key, entry in header.items() if len(entry.get("shape", ())) == 2}
    if not inner and len(flat) != 1:
        found = ", ".join(sorted(flat)) or "none"
        raise InputError(
            f"{path} has {len(flat)} 2-D tensors ({found}); name one: {path}:tensor_name."
        )
    if inner and inner not in header:
        raise InputError(f'{path} has no tensor "{inner}". {nearest(inner, header)}')
    key = inner or next(iter(flat))
    entry = header[key]
    kind = SAFETENSORS_DTYPES.get(entry["dtype"])
    if kind is None:
        raise InputError(
            f'Tensor "{key}" of {path} has dtype {entry["dtype"]}; vectors are floats.'
        )
    shape = tuple(entry["shape"])
    if len(shape) != 2:
        raise InputError(f'Tensor "{key}" of {path} has shape {shape}; vectors need (n, d).')
    first, last = entry["data_offsets"]
    if last - first != int(np.prod(shape)) * np.dtype(kind).itemsize or (
        offset + last > path.stat().st_size
    ):
        raise FormatError(f"{path} is damaged or cut short: tensor {key} is not all there.")
    if last == first:
        return Vectors([], shape[1], dtype=entry["dtype"], description=f"{path}:{key}")
    values = np.memmap(path, dtype=kind, mode="r", offset=offset + first, shape=shape)
    if entry["dtype"] != "BF16":
        return _from_array(values, f"{path}:{key}", name)
    return Vectors([values], shape[1], dtype="bfloat16", description=f"{path}:{key}")


def _safetensors_header(path: Path) -> tuple[dict[str, Any], int]:
    """The header, read by hand: the library would map the file without giving its pages back."""
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            if size > min(MAX_HEADER_BYTES, path.stat().st_size):
                raise ValueError("its header is longer than the file")
            header = json.loads(file.read(size))
            header.pop("__metadata__", None)
            for entry in header.values():
                _ = entry["dtype"], entry["shape"], entry["data_offsets"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FormatError(f"{path} cannot be read as a safetensors file: {error}") from error
    return header, 8 + size


def _from_parquet(path: Path, column: str, name: str) -> Vectors:
    import pyarrow
    import pyarrow.parquet

    column = column or name
    try:
        file = pyarrow.parquet.ParquetFile(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise FormatError(f"{path} cannot be read as a Parquet file: {error}") from error
    with file:
        names = file.schema_arrow.names
        if column not in names:
            raise InputError(f'{path} has no column "{column}". {nearest(column, names)}')
        kind, d, seen = file.schema_arrow.field(column).type, 0, 0
        folder = tempfile.mkdtemp(prefix="datapruner-")
        writer: VectorWriter | None = None
        try:
            for batch in file.iter_batches(batch_size=4096, columns=[column]):
                part = _arrow_part(batch.column(0), name, seen, d)
                d = part.shape[1]
                writer = writer or VectorWriter(os.path.join(folder, "vectors.npy"), d)
                writer.append(as_float32(part))
                seen += len(part)
            if writer is None:
                shutil.rmtree(folder)
                return Vectors([], 0, dtype=str(kind), description=f"{path}:{column}")
            writer.close()
        except BaseException:
            if writer is not None:
                writer.abort()
            shutil.rmtree(folder, ignore_errors=True)
            raise
    values = np.load(os.path.join(folder, "vectors.npy"), mmap_mode="r", allow_pickle=False)
    vectors = Vectors([values], d, dtype=str(kind), description=f"{path}:{column}")
    weakref.finalize(vectors, shutil.rmtree, folder, ignore_errors=True)
    return vectors


def _from_arrow(column: Any, name: str) -> Vectors:
    chunks = column.chunks if hasattr(column, "chunks") else [column]
    parts: list[AnyArray] = []
    seen, d = 0, 0
    for chunk in chunks:
        part = _arrow_part(chunk, name, seen, d)
        if len(part):
            parts.append(part)
            d = part.shape[1]
        seen += len(part)
    kind = str(column.type)
    return Vectors(parts, d, dtype=kind, description=f"a column of {kind}", keep_alive=column)


def _arrow_part(chunk: Any, name: str, seen: int, d: int) -> AnyArray:
    """A list array as shape (m, d), not copied where Arrow allows; ``seen`` rows came before."""
    import pyarrow

    kinds = pyarrow.types
    if isinstance(chunk, pyarrow.ExtensionArray):
        chunk = chunk.storage
    kind = chunk.type
    if not (kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_fixed_size_list(kind)):
        raise InputError(f"{name} is a column of {kind}; vectors need a column of lists of floats.")
    if not kinds.is_floating(kind.value_type):
        raise InputError(
            f"{name} is a column of {kind}; vectors are floats. Cast it to a list of float32."
        )
    if chunk.null_count:
        nulls = np.flatnonzero(chunk.is_null().to_numpy(zero_copy_only=False)) + seen
        raise InputError(f"{name} has no vector in {_rows(nulls.tolist())}.")
    if kinds.is_fixed_size_list(kind):
        widths = np.full(len(chunk), kind.list_size)
    else:
        widths = np.diff(chunk.offsets.to_numpy())
    expected = d or (int(widths[0]) if len(widths) else 0)
    odd = np.flatnonzero(widths != expected)
    if len(odd):
        raise InputError(
            f"{name} is ragged: row {seen + odd[0]} has {widths[odd[0]]} values, rows before it "
            f"have {expected}."
        )
    values = chunk.flatten()
    if values.null_count:
        nulls = np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False)) // expected + seen
        raise InputError(f"{name} has missing values inside {_rows(np.unique(nulls).tolist())}.")
    if expected == 0 and len(chunk):
        raise InputError(f"{name} has {len(chunk)} rows of no columns.")
    flat: AnyArray = values.to_numpy(zero_copy_only=False)
    return flat.reshape(len(chunk), expected)


def _rows(rows: list[int]) -> str:
    """The first five row numbers, in words."""
    listed = ", ".join(str(row) for row in rows[:5])
    return f"{'row' if len(rows) == 1 else 'rows'} {listed}{', ...' if len(rows) > 5 else ''}"
