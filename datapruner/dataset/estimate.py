"""What a run would need, without running it: rows, memory and time, from a small measured pilot."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from datapruner.core.items import Items
from datapruner.dataset.discover import Files, find_files
from datapruner.dataset.job import PruneJob, ScoreJob
from datapruner.dataset.loggedrun import logged_columns
from datapruner.dataset.prune import counter_for, scorer_of
from datapruner.dataset.reading import column_or_vectors, is_vectors
from datapruner.dataset.runrows import (
    check_runs,
    open_runs,
    read_held_in,
    reads_log,
    refuse_other_count,
)
from datapruner.dataset.source import BadRow, Block, Source
from datapruner.errors import DataPrunerError, InputError, MissingColumnError, nearest
from datapruner.methods import Method, dataset_method, load
from datapruner.vectors.store import Vectors

__all__ = ["Estimate", "Step", "count_rows", "estimate", "expected_rows"]

# Rows are counted in the first bytes of a file; enough for thousands of documents.
_SAMPLE_BYTES = 4 << 20
_PILOT_TEXTS = 64
_PILOT_LOGGED = 4096
# Ids, reasons, ties and scores of a row in memory: 21 bytes of columns, and the id as an object.
_ROW_BYTES = 200
# An interpreter with the libraries of this run; measured on Linux: without and with torch.
_BASE_BYTES, _TORCH_BYTES = 200e6, 700e6
_ITERATIONS, _POINTS = 20, 256


@dataclass(frozen=True)
class Step:
    """One part of the work.

    Attributes:
        name: for people.
        seconds: estimated.
        basis: what the estimate rests on.
    """

    name: str
    seconds: float
    basis: str


@dataclass(frozen=True)
class Estimate:
    """What a run would need. ``print`` shows it as a table.

    Attributes:
        rows: how many there are.
        is_exact: whether they were counted, not extrapolated.
        kept: how many the budget keeps at most; None where prices decide.
        embedder: what would embed the texts; None where vectors are there.
        dimensions: width of the vectors.
        k: number of prototypes; None for a method without them.
        memory: peak, in bytes.
        disk: temporary vectors, in bytes.
        steps: the parts of the work with their times.
        pilot: rows of the pilot.
        bad: those of them that cannot be used.
    """

    rows: int
    is_exact: bool
    kept: int | None
    embedder: str | None
    dimensions: int
    k: int | None
    memory: float
    disk: float
    steps: tuple[Step, ...]
    pilot: int = 0
    bad: int = 0

    @property
    def seconds(self) -> float:
        """Of all steps together."""
        return sum(step.seconds for step in self.steps)

    def to_dict(self) -> dict[str, Any]:
        """Plain types only, ready for JSON; ``seconds`` is in it."""
        return {**asdict(self), "seconds": self.seconds}

    def __str__(self) -> str:
        about = "" if self.is_exact else "about "
        lines = ["dry run: estimates from a small pilot; nothing was written"]
        lines.append(f"  rows     {about}{self.rows:,}")
        if self.bad:
            lines.append(f"  bad rows {self.bad:,} of the first {self.pilot:,}")
        if self.kept is not None:
            lines.append(f"  keep     {about}{self.kept:,}")
        if self.embedder is not None:
            lines.append(f"  embedder {self.embedder}, {self.dimensions} dimensions")
        if self.k is not None:
            lines.append(f"  k        {self.k:,} prototypes")
        lines.append(f"  memory   about {_size(self.memory)}")
        if self.disk:
            lines.append(f"  disk     about {_size(self.disk)} of temporary vectors")
        lines.append(f"  time     about {_time(self.seconds)}")
        cells = [(step.name, _time(step.seconds), step.basis) for step in self.steps]
        table = [("step", "time", "measured on"), *cells]
        return "\n".join([*lines, "", *(f"{a:<10}  {b:>9}  {c}" for a, b, c in table)])


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{max(count / 1e6, 1):.0f} MB"


def _time(seconds: float) -> str:
    if seconds < 1:
        return "under 1 s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def expected_rows(job: ScoreJob) -> int:
    """About how many rows the job has, at the cost of a glance; 0 where a glance does not tell."""
    if "-" in job.inputs or any(is_vectors(name) for name in job.inputs):
        return 0
    try:
        return count_rows(find_files([Path(name) for name in job.inputs], job.format))[0]
    except DataPrunerError:
        return 0  # the run itself finds out, and says it better


def count_rows(files: Files) -> tuple[int, bool]:
    """How many rows, and whether that is exact.

    Parquet says it; lines are counted in the first 4 MiB of each of the first files and
    extrapolated by bytes, compressed ones too.
    """
    if files.format == "parquet":
        import pyarrow.parquet as pq

        try:
            return sum(pq.read_metadata(path).num_rows for path in files.paths), True
        except Exception:  # pyarrow raises many kinds; the run names the file
            return 0, False
    lines = seen = 0
    is_whole = True
    for path in files.paths[:16]:
        found, size = _count_lines(path)
        lines, seen = lines + found, seen + size
        is_whole &= size >= path.stat().st_size
    total = sum(path.stat().st_size for path in files.paths)
    headers = len(files.paths) if files.format in ("csv", "tsv") else 0
    is_exact = is_whole and len(files.paths) <= 16 and not headers
    return max(round(lines * total / max(seen, 1)) - headers, 0), is_exact


def _count_lines(path: Path) -> tuple[int, int]:
    """(lines that hold something in the first bytes, those bytes)."""
    with path.open("rb") as file:
        raw = file.read(_SAMPLE_BYTES)
    text = _inflate(raw, path)
    lines = text.split(b"\n")
    # A piece of a line at the end counts only if the file ends there too.
    whole = lines if len(raw) < _SAMPLE_BYTES else lines[:-1]
    return sum(1 for line in whole if line.strip()), len(raw)


def _inflate(raw: bytes, path: Path) -> bytes:
    opener: Callable[[], Any] | None = None
    if raw.startswith(b"\x1f\x8b"):
        import zlib

        opener = lambda: zlib.decompressobj(wbits=31)  # noqa: E731
    elif raw.startswith(b"\x28\xb5\x2f\xfd"):
        import zstandard

        opener = lambda: zstandard.ZstdDecompressor().decompressobj()  # noqa: E731
    if opener is None:
        return raw
    try:
        inflated: bytes = opener().decompress(raw)
    except Exception:  # a damaged file: the run says where
        return b""
    return inflated


def estimate(job: ScoreJob) -> Estimate:
    """Rows, memory and time of a job, from its first rows and a pilot of a second or two.

    Raises:
        DataPrunerError: what would stop the run at its start would stop this too.
    """
    budget = job.check() if isinstance(job, PruneJob) else None
    entry = dataset_method(job.method)
    check_runs(entry, open_runs(job.log), job.epoch, job.held_in)
    data = job.open()
    if isinstance(data, Vectors):
        rows, is_exact, pilot = data.n, True, _Pilot(None, data.d, ())
    else:
        rows, is_exact = _rows_of(job, data)
        tokens = job.tokens or (None if budget is None else counter_for(budget))
        pilot = _pilot(job, data, "embedding" in entry.needs, tokens is not None, rows)
    steps = list(pilot.steps)
    if reads_log(entry):
        steps.insert(1, _scoring(job, entry, rows if is_exact else None, data.description))
    k = None
    if "embedding" in entry.needs and rows:
        from datapruner.vectors.kmeans import default_k

        own = getattr(load(entry.scorer), "default_k", default_k)
        k = job.params.get("k") or own(rows)
        steps += _clustering(rows, pilot.dimensions, k)
    d = pilot.dimensions
    sample = min(rows, _POINTS * (k or 0)) * d * 4
    base = _BASE_BYTES + (_TORCH_BYTES if pilot.has_torch else 0)
    kept = None
    if budget is not None and not (budget.cost or budget.share_of == "cost"):
        kept = min(rows, budget.count or rows, int((budget.share or 1) * rows + 1e-9))
    return Estimate(
        rows=rows,
        is_exact=is_exact,
        kept=kept,
        embedder=pilot.embedder,
        dimensions=d,
        k=k,
        memory=base + rows * _ROW_BYTES + 2 * sample,
        disk=0.0 if isinstance(data, Vectors) else rows * d * 4.0,
        steps=tuple(steps),
        pilot=pilot.read,
        bad=pilot.bad,
    )


@dataclass(frozen=True)
class _Pilot:
    embedder: str | None
    dimensions: int
    steps: tuple[Step, ...]
    has_torch: bool = False
    read: int = 0
    bad: int = 0


def _rows_of(job: ScoreJob, data: Source) -> tuple[int, bool]:
    if "-" not in job.inputs:
        return count_rows(find_files([Path(name) for name in job.inputs], job.format))
    return sum(block.rows for block in data.blocks()), True


def _pilot(job: ScoreJob, data: Source, embeds: bool, counts: bool, rows: int) -> _Pilot:
    """Read the first block, and embed some of its texts.

    Raises:
        InputError: none of its rows can be used.
    """
    column, vectors = column_or_vectors(job.embedding, data)
    needs_text = counts or (embeds and column is None and vectors is None)
    text = (job.text or "text") if needs_text else job.text
    wanted = [name for name in (text, job.label, job.id, job.cost, column) if name is not None]
    for name in wanted:
        if data.columns and name not in data.columns:
            hint = nearest(name, data.columns)
            raise MissingColumnError(f'no column "{name}" in {data.description}. {hint}')
    begun = time.perf_counter()
    block = next(islice(data.blocks(wanted, content=job.id is None), 1), None)
    spent = time.perf_counter() - begun
    read = block.rows if block is not None else 0
    bad = {} if block is None else _bad_rows(block, text, data)
    if block is not None and bad and len(bad) == read:
        worst = bad[min(bad)]
        raise InputError(
            f"bad rows: {read:,} of the first {read:,}; no row can be used. The first: "
            f"{worst.where}: {worst.reason}. Mend the input."
        )
    counts_of: dict[str, Any] = {"read": read, "bad": len(bad)}
    steps = [Step("read", spent * rows / max(read, 1), f"the first {read:,} rows")]
    # Every row is read twice: to be scored, and to be written.
    steps.append(Step("write", steps[0].seconds, "the same"))
    if vectors is not None:
        return _Pilot(None, vectors.d, tuple(steps), **counts_of)
    if block is None:
        return _Pilot(None, 0, tuple(steps))
    if column is not None:
        first = next((v for v in block.columns[column] if v is not None), ())
        return _Pilot(None, len(first), tuple(steps), **counts_of)
    if not embeds:
        return _Pilot(None, 0, tuple(steps), **counts_of)
    texts = [value for value in block.columns[str(text)] if isinstance(value, str)]
    chosen = texts[:: max(1, len(texts) // _PILOT_TEXTS)][:_PILOT_TEXTS]
    return replace(_embedding(job, chosen, rows, steps), **counts_of)


def _bad_rows(block: Block, text: str | None, data: Source) -> dict[int, BadRow]:
    """The rows that the run could not use, as far as it can be told before the work."""
    found = {row.row: row for row in block.bad}
    if text is not None and text in block.columns:
        for number, value in enumerate(block.columns[text], block.start):
            if not isinstance(value, str) or not value.strip():
                reason = f'"{text}" is empty or not text'
                where = f"{data.description} row {number}"
                found.setdefault(number, BadRow(number, where, reason, ""))
    return found


def _embedding(job: ScoreJob, texts: list[str], rows: int, steps: list[Step]) -> _Pilot:
    from datapruner.vectors.embed import resolve_embedder

    embedder = resolve_embedder(job.embedder, device=job.device)
    begun = time.perf_counter()
    embedder.encode(texts[:8])  # loads the model
    loading = time.perf_counter() - begun
    begun = time.perf_counter()
    embedder.encode(texts)
    spent = time.perf_counter() - begun
    seconds = loading + spent * rows / max(len(texts), 1)
    step = Step("embed", seconds, f"{len(texts)} of their texts; none from the cache")
    steps.insert(1, step)
    has_torch = not embedder.name.startswith("offline")
    return _Pilot(embedder.name, embedder.dimensions, tuple(steps), has_torch)


def _scoring(job: ScoreJob, entry: Method, rows: int | None, where: str) -> Step:
    """The score of a log, from that of its first rows.

    Args:
        rows: of the input, if they were counted.
        where: what messages call the input.
    """
    runs = open_runs(job.log)
    if rows is not None:
        refuse_other_count(rows, runs[0], where)
    columns = logged_columns(runs, job.epoch)
    if job.held_in is not None:
        columns["held_in"] = read_held_in(job.held_in, runs)
    few = np.arange(min(len(runs[0]), _PILOT_LOGGED))
    items = Items.of(len(runs[0]), **columns).take(few)
    # Rows that were never logged are found out by the run itself.
    scorer = scorer_of(entry, replace(job.reading(), on_bad="drop"), job.params)
    begun = time.perf_counter()
    scorer(items, seed=job.seed)
    spent = time.perf_counter() - begun
    seconds = spent * len(runs[0]) / max(few.size, 1)
    return Step("score", seconds, f"{few.size:,} rows of the log")


def _clustering(rows: int, d: int, k: int) -> Iterator[Step]:
    """Training and the nearest prototypes, from the speed of one matrix product."""
    left = np.ones((1024, max(d, 1)), dtype=np.float32)
    right = np.ones((max(d, 1), min(k, 1024)), dtype=np.float32)
    left @ right
    begun = time.perf_counter()
    for _ in range(4):
        left @ right
    rate = 4 * left.shape[0] * right.shape[1] / max(time.perf_counter() - begun, 1e-9)
    basis = "a matrix product of 1,024 rows"
    yield Step("prototypes", min(rows, _POINTS * k) * k * _ITERATIONS / rate, basis)
    # The search for the nearest costs about as much again as its product.
    yield Step("distances", 2 * rows * k / rate, "the same")
