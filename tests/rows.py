"""The same small corpus in every container, for the tests of this folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from datapruner.dataset.source import Source

ROWS: list[dict[str, Any]] = [
    {
        "id": number,
        "text": f"row {number} é ☃ \"quoted\", 'and' more\nnext line",
        "label": ["a", "b", None][number % 3],
        "score": number / 4 if number % 5 else None,
        "vector": [float(number), 0.5],
        "meta": {"page": number, "tags": ["x"] * (number % 3)},
    }
    for number in range(20)
]
CHOICE = np.array([1, 2, 5, 11, 19])
MASK = np.isin(np.arange(20), CHOICE)


def write_lines(path: Path, rows: list[dict[str, Any]] = ROWS) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def column(source: Source, name: str) -> list[Any]:
    values: list[Any] = []
    for block in source.blocks([name]):
        found = block.columns[name]
        values.extend(found.tolist() if isinstance(found, np.ndarray) else found)
    return values


def contents(source: Source) -> list[bytes]:
    return [digest for block in source.blocks((), content=True) for digest in block.content or ()]


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if ".tmp-" in path.name]
