"""The files that a job leaves: the kept rows, and beside them the rows that were left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from datapruner.core.scores import Scores
from datapruner.core.selection import Selection
from datapruner.dataset.quarantine import Quarantine
from datapruner.dataset.source import BadRow, Source
from datapruner.dataset.staging import Staging, sidecar
from datapruner.vectors.store import Vectors, VectorWriter

__all__ = ["MANIFEST", "QUARANTINE", "SELECTION", "stage_quarantine", "write_rows"]

SELECTION, MANIFEST, QUARANTINE = "selection.npz", "manifest.json", "quarantine.jsonl"


def write_rows(data: Source | Vectors, selection: Selection, path: Path, format: str | None) -> int:
    """Write the kept rows, or the kept vectors, and say how many there are.

    Args:
        data: where they come from.
        selection: which are kept.
        path: the file to write; one that is there is replaced.
        format: of rows; None for vectors.

    Raises:
        InputError: the data has changed since it was read.
        OutputError: the file cannot be written.
    """
    if not isinstance(data, Vectors):
        return data.write(selection.mask, path, overwrite=True, format=format)
    with VectorWriter(path, data.d, _storable(data.dtype)) as writer:
        for start, block in data.blocks():
            kept = selection.mask[start : start + len(block)]
            writer.append(block[kept])
    return writer.n


def _storable(dtype: Any) -> str:
    return "float16" if np.dtype(dtype) == np.float16 else "float32"


def stage_quarantine(bad: tuple[BadRow, ...], scores: Scores, staging: Staging) -> list[Path]:
    """Write the rows that were left out beside the output, if there are any.

    Returns:
        The names of what was written; nothing is written beside a stream.
    """
    if staging.is_stream:
        return []
    if not bad:
        staging.remove(QUARANTINE)  # of an earlier run to the same output
        return []
    note = Quarantine(staging.draft(QUARANTINE), None, overwrite=True)
    ids = scores.items.ids
    for row in bad:
        value = ids[row.row]
        note.add(row, value if isinstance(value, str) else int(value))
    note.close(scores.items.n)
    return [sidecar(staging.out, QUARANTINE)]
