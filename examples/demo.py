"""Prune a real corpus and look at every decision: the docstrings of everything installed here.

Nothing is downloaded. The texts are read from source files without running any of them: the
standard library and the installed packages, thousands of real texts with real near-duplicates.
"""

from __future__ import annotations

import argparse
import ast
import json
import subprocess
import sys
import sysconfig
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

# Shorter docstrings are mostly signatures and "See above."; longer ones are whole manuals.
SHORTEST, LONGEST = 40, 2000
SKIPPED = {"test", "tests", "idlelib", "lib2to3", "site-packages", "__pycache__", "_vendor"}


def source_files(root: Path) -> Iterator[Path]:
    """Python files below a folder, sorted, without test suites and vendored copies."""
    for path in sorted(root.rglob("*.py")):
        if not SKIPPED & set(path.relative_to(root).parts[:-1]):
            yield path


def docstrings(root: Path) -> Iterator[dict[str, str]]:
    """One row a docstring: an id, the package it is from, and the text."""
    for path in source_files(root):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError, OSError):
            continue
        module = ".".join(path.relative_to(root).with_suffix("").parts)
        for node in ast.walk(tree):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                text = (ast.get_docstring(node) or "").strip()
                if SHORTEST <= len(text) <= LONGEST:
                    name = getattr(node, "name", "")
                    line = getattr(node, "lineno", 0)
                    yield {
                        "id": f"{module}:{name}:{line}",
                        "package": module.split(".")[0],
                        "text": text,
                    }


def collect(path: Path, limit: int) -> int:
    """Write the corpus as JSON lines; returns the number of rows."""
    places = sysconfig.get_paths()
    rows = 0
    with path.open("w", encoding="utf-8") as out:
        for root in dict.fromkeys((Path(places["stdlib"]), Path(places["purelib"]))):
            for row in docstrings(root):
                out.write(json.dumps(row, ensure_ascii=False) + "\n")
                rows += 1
                if rows == limit:
                    return rows
    return rows


def run(*arguments: str) -> str:
    """Run the command line as a user would, show the command, and return what it printed."""
    shown = " ".join(f'"{a}"' if " " in a or "%" in a else a for a in arguments)
    print(f"\n$ datapruner {shown}", flush=True)
    done = subprocess.run(
        [sys.executable, "-m", "datapruner", *arguments], stdout=subprocess.PIPE, text=True
    )
    if done.returncode:
        raise SystemExit(done.returncode)
    return done.stdout


def main() -> None:
    """Collect, prune, explain, verify."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("demo-output"))
    parser.add_argument("--limit", type=int, default=20_000, help="most docstrings to collect")
    options = parser.parse_args()
    options.out.mkdir(exist_ok=True)
    corpus, kept = options.out / "docstrings.jsonl", options.out / "kept.parquet"

    begun = time.perf_counter()
    rows = collect(corpus, options.limit)
    size = corpus.stat().st_size / 1e6
    took = time.perf_counter() - begun
    print(f"collected {rows:,} docstrings ({size:.1f} MB) in {took:.0f} s: {corpus}")

    begun = time.perf_counter()
    run(
        *("prune", str(corpus), "--method", "prototypes", "--budget", "30%"),
        *("--text", "text", "--id", "id", "--out", str(kept)),
        *("--report", str(options.out / "report.json"), "--overwrite"),
    )
    print(f"\npruned in {time.perf_counter() - begun:.0f} s. Why did a row stay, and another go?")
    stays, goes = one_of_each(corpus, kept)
    print(run("explain", str(kept), "--id", stays), end="")
    print(run("explain", str(kept), "--id", goes), end="")
    print(f"\nkept rows: {kept}\nreport:    {options.out / 'report.json'}")
    print(f"repeat it: datapruner verify {kept}.manifest.json")


def one_of_each(corpus: Path, kept: Path) -> tuple[str, str]:
    """The id of a row that was kept, and of one that was not."""
    import polars

    stays = set(polars.read_parquet(kept, columns=["id"])["id"])
    ids = (json.loads(line)["id"] for line in corpus.open(encoding="utf-8"))
    goes = next(name for name in ids if name not in stays)
    return min(stays), goes


if __name__ == "__main__":
    main()
