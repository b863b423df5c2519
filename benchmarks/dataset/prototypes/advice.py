"""What ``datapruner.recommend`` answers for every set and share, next to what then came out."""

from __future__ import annotations

import sys
from typing import Any

import datapruner
from benchmarks.dataset.prototypes import bench_data
from datapruner.dataset.recommendation import Evidence, Recommendation

# The probe cuts high, low and mixed with the class guarantee, so these are their counterparts.
COUNTERPART = {
    "high": "hard b=.5",
    "low": "easy b=.5",
    "mixed": "mixed b=.5",
    "kcentre": "k-centre",
    "uniform": "random",
}


def advise(result: dict[str, Any]) -> list[dict[str, Any]]:
    """One row a set and share of a full result: the advice, its lead there, the best pick."""
    entries = {(e["dataset"], e["method"], e["share"]): e for e in result["cells"]}
    rows = []
    for name in result["data"]:
        task = bench_data.load(name, 0)
        shares = sorted({share for one, _, share in entries if one == name} - {1.0}, reverse=True)
        for share in shares:
            found = datapruner.recommend(task.embedding, task.y, share=share)
            rows.append(_row(name, share, found, entries))
            print(f"{name} {share:.0%}: {found.words}", file=sys.stderr)
    return rows


def _row(
    name: str,
    share: float,
    found: Recommendation,
    entries: dict[tuple[str, str, float], dict[str, Any]],
) -> dict[str, Any]:
    probed: Evidence = next(
        row for row in found.evidence if (row.pick, row.share) == (found.pick, share)
    )
    real = entries[name, COUNTERPART[found.pick], share]
    leads = {
        method: entries[name, method, share].get("vs_random", 0.0)
        for method in COUNTERPART.values()
    }
    best = max(leads, key=lambda method: leads[method])
    return {
        "dataset": name,
        "share": share,
        "pick": found.pick,
        "words": found.words,
        "probed": round(probed.difference, 2),
        "probed_error": round(probed.difference_error, 2),
        "real": real.get("vs_random", 0.0),
        "verdict": real.get("verdict", "tie"),
        "best": f"{best} {leads[best]:+.1f}",
    }
