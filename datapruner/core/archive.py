"""One file format for what we save: arrays and a JSON header in an .npz, never a pickle."""

from __future__ import annotations

import io
import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from datapruner.core.types import AnyArray
from datapruner.errors import FormatError, InputError
from datapruner.output import AtomicFile

__all__ = ["VERSION", "read_archive", "write_archive"]

VERSION = 1
# A fixed date, the earliest a zip can hold: the same content gives the same bytes.
_EPOCH = (1980, 1, 1, 0, 0, 0)
_UNIX = 3  # as the system that packed it, whatever packed it
# What zipfile, json and NumPy raise on a file that is not whole.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    KeyError,
    ValueError,
    EOFError,
    OSError,
    NotImplementedError,
    RuntimeError,
)


def write_archive(
    path: str | os.PathLike[str],
    kind: str,
    header: Mapping[str, Any],
    arrays: Mapping[str, AnyArray],
    *,
    overwrite: bool = False,
) -> None:
    """Write arrays and a header as one file that appears whole or not at all.

    Args:
        path: the file, by custom ``.npz``.
        kind: what it is (``"scores"``, ``"selection"``); checked when it is read.
        header: anything JSON can hold.
        arrays: numeric or bool arrays, or object arrays of text.
        overwrite: replace a file that exists.

    Raises:
        OutputError: the file exists, or cannot be written.
    """
    head = {"format": f"datapruner.{kind}", "version": VERSION, **header}
    with (
        AtomicFile(Path(path), overwrite=overwrite) as out,
        zipfile.ZipFile(cast(Any, out), "w") as pack,
    ):
        _member(pack, "header.json", json.dumps(head, sort_keys=True, indent=1).encode())
        for name, array in arrays.items():
            if array.dtype.kind in "OU":
                for part, column in _encode_text(array).items():
                    _member(pack, f"{name}.{part}.npy", _npy(column))
            else:
                _member(pack, f"{name}.npy", _npy(array))


def read_archive(
    path: str | os.PathLike[str], kind: str
) -> tuple[dict[str, Any], dict[str, AnyArray]]:
    """The header and the arrays of a file that ``write_archive`` wrote.

    Raises:
        InputError: there is no such file.
        FormatError: damaged, of another kind or of another version.
    """
    if not Path(path).is_file():
        raise InputError(f"there is no file {os.fspath(path)}; check the name and the folder.")
    try:
        with zipfile.ZipFile(path) as pack:
            header = json.loads(pack.read("header.json"))
            if not isinstance(header, dict):
                raise ValueError("its header is not a table")
            if _is_readable(header, kind):
                return header, _read_arrays(pack)
    except _DAMAGE as error:
        raise FormatError(
            f"{path} is not a datapruner {kind} file, or is damaged: {error}. Make it again."
        ) from error
    if header.get("format") != f"datapruner.{kind}":
        raise FormatError(
            f"{path} holds {header.get('format')!r}, not datapruner.{kind}; give the other file."
        )
    raise FormatError(
        f"{path} has format version {header.get('version')}; this datapruner reads {VERSION}. "
        "Write it again with this version."
    )


def _is_readable(header: Mapping[str, Any], kind: str) -> bool:
    return header.get("format") == f"datapruner.{kind}" and header.get("version") == VERSION


def _read_arrays(pack: zipfile.ZipFile) -> dict[str, AnyArray]:
    arrays = {
        name.removesuffix(".npy"): np.load(io.BytesIO(pack.read(name)), allow_pickle=False)
        for name in pack.namelist()
        if name.endswith(".npy")
    }
    for name in [n.removesuffix(".text") for n in arrays if n.endswith(".text")]:
        arrays[name] = _decode_text(arrays.pop(f"{name}.text"), arrays.pop(f"{name}.ends"))
    return arrays


def _member(pack: zipfile.ZipFile, name: str, data: bytes | memoryview) -> None:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.create_system = _UNIX
    with pack.open(info, "w", force_zip64=True) as member:
        member.write(data)


def _npy(array: AnyArray) -> memoryview:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getbuffer()


def _encode_text(array: AnyArray) -> dict[str, AnyArray]:
    parts = [str(v).encode("utf-8", "surrogatepass") for v in array.tolist()]
    lengths = np.fromiter(map(len, parts), dtype=np.int64, count=len(parts))
    return {
        "text": np.frombuffer(b"".join(parts), dtype=np.uint8),
        "ends": np.cumsum(lengths, dtype=np.int64),
    }


def _decode_text(text: AnyArray, ends: AnyArray) -> AnyArray:
    blob = text.tobytes()
    stops = ends.tolist()
    starts = [0, *stops][: len(stops)]
    out = np.empty(len(stops), dtype=object)
    out[:] = [
        blob[a:b].decode("utf-8", "surrogatepass") for a, b in zip(starts, stops, strict=True)
    ]
    return out
