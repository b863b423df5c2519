"""From questions to curves: what each budget keeps, and how sure the differences are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common.features import cache_folder
from benchmarks.common.loaders import fingerprint
from benchmarks.html.methods import BUDGETS, OURS, OUTSIDE, inside, ours, outside, tokens
from benchmarks.html.records import Record, holds, share_held, visible_text
from datapruner import rng

VERSION = 1
"""Raise it where a cell means something else; finished ones are then measured again."""

RESAMPLES = 1000
FIELDS = ("answer", "gold", "tokens")
ROOT = Path(__file__).resolve().parents[2]


def judged(record: Record, made: dict[int, str], is_html: bool) -> dict[str, list[Any]]:
    """One question at every budget.

    Returns:
        ``answer``: 1 where all answers are in the text; ``gold``: share of the gold's runs of five
        words that are, None where the set has no gold; ``tokens`` of the output, markup included.
    """
    found: dict[str, list[Any]] = {name: [] for name in FIELDS}
    for budget in BUDGETS:
        output = made[budget]
        text = visible_text(output) if is_html else output
        spent = tokens(output)
        if spent > budget:
            raise RuntimeError(f"{record.set} {record.id}: {spent} tokens, budget {budget}")
        found["answer"].append(int(all(holds(text, answer) for answer in record.answers)))
        found["gold"].append(round(share_held(text, record.gold), 4) if record.gold else None)
        found["tokens"].append(spent)
    return found


def code_name(method: str) -> str:
    """What names the code that a cell comes from: ours changes, a released package has a version.

    Ours is a digest of the modules that a score can depend on, so that a changed pruner is measured
    again.
    """
    if method in OUTSIDE or method in ("bm25_chunks", "first"):
        return ""
    digest = hashlib.sha256()
    for folder in ("context", "scorers", "core"):
        for path in sorted((ROOT / "datapruner" / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def model_name(model: str | None) -> str:
    """What names the weights of the sentence model in a cell."""
    if model is None:
        return "packaged"
    digest = hashlib.sha256()
    for path in sorted(Path(model).glob("*")):
        if path.suffix in (".json", ".onnx", ".safetensors"):
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def cell(
    method: str, records: list[Record], model: str | None, python: str | None
) -> dict[str, Any]:
    """All questions of a set with one method, from the memory outside the repository or measured.

    Args:
        method: one of ``methods.METHODS``.
        records: of one set.
        model: folder of the sentence model, None for the packaged one.
        python: interpreter for ``methods.OUTSIDE``.

    Raises:
        RuntimeError: a method broke its budget, or failed.
    """
    name = records[0].set
    texts = [f"{r.id}\x1f{r.question}\x1f{len(p.html)}" for r in records for p in r.pages]
    weights = model_name(model) if method == "sentences" else ""
    budgets = ",".join(map(str, BUDGETS))
    key = fingerprint(texts, [str(VERSION), method, weights, budgets, code_name(method)])
    path = cache_folder() / f"html-{name}-{method}-{key}.json"
    if path.is_file():
        known: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return known
    if method in OUTSIDE:
        assert python is not None
        made = outside(method, records, python)
    else:
        inner = ours if method in OURS or method == "oracle" else None
        made = [inner(method, r, model) if inner else inside(method, r) for r in records]
    is_html = method in (*OURS, "oracle") or method.startswith("htmlrag")
    rows = [judged(record, one, is_html) for record, one in zip(records, made, strict=True)]
    found: dict[str, Any] = {"dataset": name, "method": method, "ids": [r.id for r in records]}
    for field in FIELDS:
        found[field] = [row[field] for row in rows]
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(found), "utf-8")
    partial.replace(path)
    return found


def table_of(one: dict[str, Any], field: str, ids: list[str] | None = None) -> np.ndarray:
    """Shape (questions, budgets), float64, NaN where there is nothing to keep."""
    values = np.array(one[field], dtype=np.float64)
    if ids is None:
        return values
    place = {name: row for row, name in enumerate(one["ids"])}
    return values[[place[name] for name in ids]]


def resampled(values: np.ndarray, name: str) -> np.ndarray:
    """Means over RESAMPLES draws of the rows with replacement: (draws, budgets)."""
    generator = rng.stream(0, f"bootstrap {name}")
    n = len(values)
    counts = generator.multinomial(n, np.full(n, 1 / n), size=RESAMPLES).astype(np.float64)
    means: np.ndarray = counts @ values / n
    return means


def curve(one: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """An entry for every budget of a cell: means in per cent and bootstrap 95 % intervals."""
    answer, gold = table_of(one, "answer"), table_of(one, "gold")
    low, high = np.quantile(resampled(answer, one["dataset"]), (0.025, 0.975), axis=0)
    spent = table_of(one, "tokens").mean(axis=0)
    for place, budget in enumerate(BUDGETS):
        entry: dict[str, Any] = {
            "dataset": one["dataset"],
            "method": one["method"],
            "budget": budget,
            "questions": len(answer),
            "tokens": round(float(spent[place]), 1),
            "answer": round(100 * float(answer[:, place].mean()), 2),
            "answer_low": round(100 * float(low[place]), 2),
            "answer_high": round(100 * float(high[place]), 2),
        }
        known = gold[:, place][~np.isnan(gold[:, place])]
        if known.size:
            entry["gold"] = round(100 * float(known.mean()), 2)
            entry["reached"] = round(100 * float((known > 0).mean()), 2)
        yield entry


def versus(mine: dict[str, Any], theirs: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Paired differences in per cent points over the questions that both were asked.

    A difference outside its interval is a win or a loss, any other a tie.
    """
    asked = set(theirs["ids"])
    ids = [name for name in mine["ids"] if name in asked]
    if not ids:
        return
    gap = table_of(mine, "answer", ids) - table_of(theirs, "answer", ids)
    low, high = np.quantile(resampled(gap, mine["dataset"]), (0.025, 0.975), axis=0)
    for place, mean in enumerate(gap.mean(axis=0).tolist()):
        verdict = "win" if low[place] > 0 else "lose" if high[place] < 0 else "tie"
        yield {
            "dataset": mine["dataset"],
            "method": mine["method"],
            "baseline": theirs["method"],
            "budget": BUDGETS[place],
            "questions": len(ids),
            "difference": round(100 * mean, 2),
            "low": round(100 * float(low[place]), 2),
            "high": round(100 * float(high[place]), 2),
            "verdict": verdict,
        }


def outside_versions(python: str) -> dict[str, str]:
    """Versions of the packages in the other interpreter."""
    import subprocess

    names = ("htmlrag", "trafilatura", "beautifulsoup4", "langchain-community", "lxml")
    code = (
        "import json, sys; from importlib import metadata as m; "
        "print(json.dumps({n: m.version(n) for n in sys.argv[1:]}))"
    )
    done = subprocess.run([python, "-c", code, *names], capture_output=True, text=True, check=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found | {"bm25s": metadata.version("bm25s")}
