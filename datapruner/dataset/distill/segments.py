"""Segments of a cache: safetensors files that are mapped into memory, each with its checksums.

A segment takes its name when it is whole and on the disk, so a killed run leaves finished segments
and nothing else that is read. Checksums are CRC-32: they tell damage, at the speed of memory; they
are no guard against malice.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from datapruner.core.types import AnyArray, UInt64Array
from datapruner.dataset.distill.plan import FORMAT
from datapruner.errors import FormatError
from datapruner.output import AtomicFile

__all__ = ["Segment", "open_segment", "segment_path", "segment_paths", "write_segment"]

# The name of each type in a safetensors header.
_KINDS = {"U64": "<u8", "I64": "<i8", "I32": "<i4", "F32": "<f4", "F16": "<f2"}
_NAMES = {np.dtype(kind): name for name, kind in _KINDS.items()}
_LARGEST_HEADER = 1 << 20


def segment_path(folder: Path, number: int) -> Path:
    """Where a segment lies."""
    return folder / f"segment-{number:06d}.safetensors"


def segment_paths(folder: Path) -> dict[int, Path]:
    """The segments that have their names, by number, ascending."""
    found = {}
    for path in sorted(folder.glob("segment-*.safetensors")):
        number = path.name.removeprefix("segment-").removesuffix(".safetensors")
        if number.isdigit():
            found[int(number)] = path
    return dict(sorted(found.items()))


def write_segment(path: Path, arrays: Mapping[str, Sequence[AnyArray]]) -> None:
    """Write arrays as one safetensors file that appears whole or not at all.

    The same arrays give the same bytes, in whatever parts they come.

    Args:
        path: must not exist.
        arrays: ``keys`` (uint64) and others, of the dtypes named above, widest first; each in one
            or more parts that stand under each other.

    Raises:
        OutputError: it exists, or cannot be written.
    """
    entries: dict[str, Any] = {}
    sums = {"format": FORMAT}
    place, written = 0, []
    for name, parts in arrays.items():
        rows, total, start = 0, 0, place
        for part in parts:
            flat = np.ascontiguousarray(part).reshape(-1).view(np.uint8).data
            rows, total, place = rows + len(part), zlib.crc32(flat, total), place + len(flat)
            written.append(flat)
        entries[name] = {
            "dtype": _NAMES[parts[0].dtype],
            "shape": [rows, *parts[0].shape[1:]],
            "data_offsets": [start, place],
        }
        sums[name] = f"{total:08x}"
    head = json.dumps({"__metadata__": sums, **entries}).encode()
    head += b" " * (-len(head) % 8)  # so that the arrays start at a multiple of their width
    with AtomicFile(path) as file:
        file.write(len(head).to_bytes(8, "little") + head)
        for flat in written:
            file.write(flat)


@dataclass(frozen=True, eq=False)
class Segment:
    """One mapped segment.

    Attributes:
        path: where it lies.
        arrays: views of the map by name; nothing is read before it is asked for.
        sums: their checksums as written.
    """

    path: Path
    arrays: Mapping[str, AnyArray]
    sums: Mapping[str, str]

    @property
    def keys(self) -> UInt64Array:
        """Shape (m,), uint64: the keys of its rows."""
        return self.arrays["keys"]

    def verify(self) -> None:
        """Read everything and compare with the checksums.

        Raises:
            FormatError: something changed on the disk.
        """
        for name, array in self.arrays.items():
            found = f"{zlib.crc32(array.reshape(-1).view(np.uint8).data):08x}"
            if found != self.sums.get(name):
                raise FormatError(
                    f"{self.path} is damaged: {name} has the checksum {found}, not "
                    f"{self.sums.get(name)}. Delete the file and run the build again; it makes the "
                    "missing rows anew."
                )


def open_segment(path: Path) -> Segment:
    """Map a segment; its arrays are not verified yet.

    Raises:
        FormatError: not a segment of a cache, cut short, or of another version.
    """
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            if size > _LARGEST_HEADER:
                raise ValueError(f"its header would take {size} bytes")
            head = json.loads(file.read(size))
        sums = head.pop("__metadata__")
        if sums["format"] != FORMAT:
            raise ValueError(f"its format is {sums['format']!r}, not {FORMAT!r}")
        end = 8 + size + max(entry["data_offsets"][1] for entry in head.values())
        if path.stat().st_size != end:
            raise ValueError(f"it has {path.stat().st_size} bytes, not {end}")
        # One map for all arrays; a plain view of it, for the subclass is slow to index.
        held = np.asarray(np.memmap(path, dtype=np.uint8, mode="r"))
        arrays = {name: _view(held, 8 + size, entry) for name, entry in head.items()}
        if "keys" not in arrays:
            raise ValueError("it has no keys")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FormatError(
            f"{path} is not a segment of a cache, or is damaged: {error}. Delete the file and run "
            "the build again; it makes the missing rows anew."
        ) from error
    return Segment(path, arrays, sums)


def _view(held: AnyArray, start: int, entry: Mapping[str, Any]) -> AnyArray:
    low, high = entry["data_offsets"]
    return held[start + low : start + high].view(_KINDS[entry["dtype"]]).reshape(entry["shape"])
