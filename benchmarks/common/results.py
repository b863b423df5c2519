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
    content: dict[str, Any] = json.loads(_newest(question).read_text(encoding="utf-8"))
    return content


def rewrite(question: str, payload: dict[str, Any]) -> Path:
    """Put a richer payload in the place of the newest result of a question."""
    path = _newest(question)
    path.write_text(_compact(dict(payload)) + "\n", encoding="utf-8")
    return path


def _newest(question: str) -> Path:
    # By the date in the name first: a checkout gives all files the same time.
    found = FOLDER.glob(f"{question}-[0-9]*.json")
    dated = sorted(
        found, key=lambda path: (path.name[len(question) + 1 :][:10], path.stat().st_mtime)
    )
    if not dated:
        raise FileNotFoundError(f"no result of {question!r} in benchmarks/results; run it first")
    return dated[-1]


def _compact(body: dict[str, Any]) -> str:
    """JSON with one line an entry, and one line a cell, so that a change reads as what changed."""
    parts = []
    for name, value in body.items():
        text = json.dumps(value, ensure_ascii=False)
        if isinstance(value, list) and value and isinstance(value[0], dict):
            lines = ",\n  ".join(json.dumps(entry, ensure_ascii=False) for entry in value)
            text = f"[\n  {lines}\n ]"
        elif isinstance(value, dict):
            lines = ",\n  ".join(
                f"{json.dumps(key)}: {json.dumps(entry, ensure_ascii=False)}"
                for key, entry in value.items()
            )
            text = f"{{\n  {lines}\n }}"
        parts.append(f' "{name}": {text}')
    return "{\n" + ",\n".join(parts) + "\n}"
