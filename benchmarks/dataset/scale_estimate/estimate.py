"""From what a row costs to what many rows cost: arithmetic, with every assumption a parameter."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from benchmarks.common import tables

SIZES = {"10 million": 10**7, "1 billion": 10**9, "10 billion": 10**10}
ITERATIONS, POINTS = 20, 256
CONCEPTS, MOST_CLUSTERS = 500, 50_000
HOUR = 3600.0


@dataclass(frozen=True)
class Assumptions:
    """What no measurement here can say.

    Attributes:
        cores: of the whole cluster.
        driver_cores: of the machine that trains centroids.
        used: share of the cores' time that is spent on the work itself.
        price: of a core for an hour, in whatever currency.
        d: width of the vectors.
    """

    cores: int = 1000
    driver_cores: int = 32
    used: float = 0.7
    price: float = 0.04
    d: int = 384


def line(fit: dict[str, float], x: float) -> float:
    """A fitted cost at ``x``: CPU seconds a row."""
    return fit["fixed"] + fit["slope"] * x


def training(figures: dict[str, Any], k: int, n: int) -> float:
    """CPU seconds of k-means on its sample."""
    return float(figures["train_s_per_row_centroid"] * min(n, POINTS * k) * k * ITERATIONS)


def stages(figures: dict[str, Any], n: int) -> dict[str, float]:
    """CPU seconds of every stage at n rows."""
    k = min(max(round(math.sqrt(n)), 10), MOST_CLUSTERS)
    concepts = min(CONCEPTS, max(20, round(n / 2000)))
    return {
        "embed, MiniLM": figures["minilm_s"] * n,
        "embed, offline": figures["offline_s"] * n,
        "MinHash signatures": figures["minhash_s"] * n,
        "look at every row, twice": 2 * figures["scan_s"] * n,
        "train concepts": training(figures, concepts, n),
        "assign to concepts, twice": 2 * line(figures["assign"], concepts) * n,
        "pick inside concepts": figures["select_s"] * n,
        "train clusters for duplicates": training(figures, k, n),
        "assign to them": line(figures["assign"], k) * n,
        "compare inside them": line(figures["compare"], n / k) * n,
    }


CONCEPT_STAGES = (
    "look at every row, twice",
    "assign to concepts, twice",
    "pick inside concepts",
)
DUPLICATE_STAGES = ("look at every row, twice", "assign to them", "compare inside them")


def hours(work: float, train: float, assumed: Assumptions) -> float:
    """On the clock: what is spread over all cores, and training, which one machine does."""
    spread = work / (assumed.cores * assumed.used)
    return (spread + train / (assumed.driver_cores * assumed.used)) / HOUR


def table(figures: dict[str, Any], assumed: Assumptions) -> str:
    """Core-hours of every stage, then time, cost and memory, at the three sizes."""
    cost = {name: stages(figures, n) for name, n in SIZES.items()}
    rows = [
        [f"{stage}: core-hours", *(_number(cost[name][stage] / HOUR) for name in SIZES)]
        for stage in cost["10 million"]
    ]
    for title, parts, train in (
        ("`concepts`", CONCEPT_STAGES, "train concepts"),
        ("`duplicates`", DUPLICATE_STAGES, "train clusters for duplicates"),
    ):
        whole = {
            name: (sum(cost[name][part] for part in parts), cost[name][train]) for name in SIZES
        }
        rows.append([f"{title} on vectors: hours", *(_hours(*whole[n], assumed) for n in SIZES)])
        rows.append([f"{title} on vectors: price", *(_price(*whole[n], assumed) for n in SIZES)])
        embedded = {
            name: (work + cost[name]["embed, MiniLM"], own) for name, (work, own) in whole.items()
        }
        rows.append(
            [f"{title} with MiniLM: hours", *(_hours(*embedded[n], assumed) for n in SIZES)]
        )
        rows.append(
            [f"{title} with MiniLM: price", *(_price(*embedded[n], assumed) for n in SIZES)]
        )
    rows += memory(figures, assumed)
    return tables.markdown(["what", *SIZES], rows)


def memory(figures: dict[str, Any], assumed: Assumptions) -> list[list[str]]:
    """Bytes, in words, by whose they are."""
    d = assumed.d
    clusters = {n: min(max(round(math.sqrt(n)), 10), MOST_CLUSTERS) for n in SIZES.values()}
    return [
        ["vectors as float16, on disk", *(_size(2 * d * n) for n in SIZES.values())],
        [
            'driver, `engine="ray"` or local',
            *(_size(figures["driver_bytes"] * n) for n in SIZES.values()),
        ],
        [
            "driver, `prune_dataset`, `concepts`: the sample",
            *(_size(2 * 4 * d * POINTS * CONCEPTS) for _ in SIZES),
        ],
        [
            "driver, `prune_dataset`, `duplicates`: the sample",
            *(_size(2 * 4 * d * min(n, POINTS * clusters[n])) for n in SIZES.values()),
        ],
        [
            "object store, `prune_dataset`: reduced rows",
            *(_size(figures["slim_bytes"] * n) for n in SIZES.values()),
        ],
        [
            "worker, `duplicates`: a cluster of ten times the mean",
            *(_size(10 * 4 * d * n / clusters[n]) for n in SIZES.values()),
        ],
    ]


def sentence(assumed: Assumptions, measured: dict[str, Any]) -> str:
    """What stands above the table: where its numbers come from."""
    where = measured["environment"]
    return (
        f"Arithmetic from CPU seconds a row on one core ({where['cpu']}, {measured['date']}; texts "
        f"of {measured['words']} words, vectors of {assumed.d}), not runs of that size. "
        f"Assumed: {assumed.cores:,} cores, "
        f"{assumed.driver_cores} of them in the driver's machine, {assumed.used:.0%} of their time "
        f"at work, {assumed.price:g} a core-hour."
    )


def _hours(work: float, train: float, assumed: Assumptions) -> str:
    return _number(hours(work, train, assumed))


def _price(work: float, train: float, assumed: Assumptions) -> str:
    return _number((work + train) / assumed.used / HOUR * assumed.price)


def _number(value: float) -> str:
    """Two significant digits, or whole with separators."""
    if value >= 100:
        return f"{float(f'{value:.2g}'):,.0f}"
    return f"{value:.2g}" if value >= 0.01 else "< 0.01"


def _size(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            break
        size /= 1000
    return f"{float(f'{size:.2g}'):,.0f} {unit}" if size >= 10 else f"{size:.1f} {unit}"
