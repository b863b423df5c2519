"""Result files: benchmarks/results/<question>-<date>-<commit>.json, one a run."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "results"


def write(question: str, payload: dict[str, Any]) -> Path:
    """Write one result and say where; the environment's commit goes into the name.

    Args:
        question: folder of the benchmark with a dash for the slash, and its mode.
        payload: must hold ``environment`` as ``env.stamp`` gives it.
    """
    FOLDER.mkdir(exist_ok=True)
    date = dt.datetime.now(dt.UTC).date().isoformat()
    path = FOLDER / f"{question}-{date}-{payload['environment']['commit']}.json"
    body = {"question": question, "date": date, **payload}
    path.write_text(_compact(body) + "\n", encoding="utf-8")
    return path


def latest(question: str) -> dict[str, Any]:
    """The newest result of a question.

    Raises:
        FileNotFoundError: there is none; the message says so.
    """
    found = sorted(FOLDER.glob(f"{question}-[0-9]*.json"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise FileNotFoundError(f"no result of {question!r} in benchmarks/results; run it first")
    content: dict[str, Any] = json.loads(found[-1].read_text(encoding="utf-8"))
    return content


def _compact(body: dict[str, Any]) -> str:
    """Indented JSON, but each cell on one line, so that a change reads as a change of cells."""
    cells = body.pop("cells", [])
    text = json.dumps(body, indent=1, ensure_ascii=False)
    lines = ",\n  ".join(json.dumps(cell, ensure_ascii=False) for cell in cells)
    return text[:-2] + ',\n "cells": [\n  ' + lines + "\n ]\n}" if cells else text
