"""The targets of the README, each as a claim that a run's entries meet or miss."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.rag.baselines import BASELINES

SINGLE = ("xquad.en", "squadshifts_newwiki", "nq_open_oracle", "qed", "clapnq", "covid_qa")
MULTI_HOP = ("hotpotqa_distractor", "2wikimultihop", "musique")
SETS = (*SINGLE, *MULTI_HOP)

Entries = list[dict[str, Any]]


def judged(curves: Entries, against: Entries, data: dict[str, Any] | None = None) -> Entries:
    """Every target that the run says something of: what was asked, what came out, is it met.

    Of the answers of single passages also what any choice of whole sentences could have kept.
    """
    found = []
    for name in SETS:
        mine = [one for one in curves if one["dataset"] == name]
        model = [one for one in mine if one["method"] == "sentences"]
        if name in SINGLE:
            ceiling = (data or {}).get(name, {}).get("ceiling_30")
            found += [{**one, "ceiling": ceiling} for one in _single(name, model)]
        else:
            found += [
                _claim(name, "all gold kept at 25 % of the tokens", one["gold"], 85)
                for one in model
                if one["limit"] == "0.25" and "gold" in one
            ]
        found += _ahead(name, [one for one in against if one["dataset"] == name])
        if name == "hotpotqa_distractor":
            for one in mine:
                if (one["method"], one["limit"]) == ("lexical", "0.5"):
                    found.append(_claim(name, "lexical: answer kept at half", one["answer"], 93))
                    found.append(_claim(name, "lexical: all gold kept at half", one["gold"], 85))
    return found


def _single(name: str, model: Entries) -> Entries:
    # A hard budget of 30 % is no target: it has no room for the answer in a third of the
    # passages, not even for the oracle.
    # One price for all questions: short answers pay for long ones, up to 30 % on average.
    free = [one for one in model if one["limit"].startswith("p") and "answer" in one]
    if not free:
        return []
    return [_claim(name, "answer kept by one price, at 30 % on average", at(free, 30), 95)]


def at(entries: Entries, kept: float) -> float:
    """The share of answers at a share of tokens, straight between the points that were measured.

    Reading the curve there chooses nothing by what came out of it.
    """
    points = sorted((one["kept"], one["answer"]) for one in entries)
    return round(float(np.interp(kept, *zip(*points, strict=True))), 2)


def _ahead(name: str, against: Entries) -> Entries:
    mine = [one for one in against if one["method"] == "sentences" and one["baseline"] in BASELINES]
    if not mine:
        return []
    wins = sum(one["verdict"] == "win" for one in mine)
    share = round(100 * wins / len(mine), 1)
    return [_claim(name, "ahead of every baseline at every budget, % of cells", share, 100)]


def _claim(name: str, what: str, value: float, least: float) -> dict[str, Any]:
    return {
        "dataset": name,
        "target": what,
        "least": least,
        "measured": value,
        "met": bool(value >= least),
    }
