"""The benchmark of the context pruner counts what it says it counts."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from benchmarks.rag import baselines, curves, table, targets  # noqa: E402 (after the path is set)
from benchmarks.rag.records import Doc, Record  # noqa: E402
from datapruner.context.sentences import sentence_spans  # noqa: E402

SENTENCES = ["Rome lies on the Tiber. ", "Ada built the tower there. ", "Cats purr all day long."]


def record(gold: list[tuple[int, int]], answers: list[str], docs: int = 2) -> Record:
    ends = np.cumsum([len(text) for text in SENTENCES])
    spans = np.stack([ends - [len(text) for text in SENTENCES], ends], axis=1)
    doc = Doc("", "".join(SENTENCES), spans, "k")
    other = Doc("", "Dogs bark. Nothing else is here to say.", np.array([[0, 11], [11, 39]]), "o")
    return Record("made", "test", "1", "Who built the tower?", answers, [doc, other][:docs], gold)


def test_the_oracle_keeps_the_answer_and_the_gold_and_nothing_is_over_budget() -> None:
    found = curves.measure("oracle", record([(0, 1), (1, 0)], ["Ada"]), None)
    assert all(s <= limit for s, limit in zip(found["share"], curves.SHARES, strict=True))
    # 9 and 3 of 26 words are gold (a full stop counts): .3 has room for one of them, .5 for both.
    half = curves.SHARES.index(0.5)
    assert found["answer"][half:] == [1, 1]
    assert found["gold"][half:] == [1, 1]
    assert found["gold"][0] == 0


def test_an_answer_that_is_nowhere_and_gold_that_is_not_told_count_as_neither() -> None:
    found = curves.measure("lead", record([], ["Bob"]), None)
    assert set(found["answer"]) == set(found["gold"]) == {None}


@pytest.mark.parametrize("method", ["random", "lead", "bm25", "lexical", "oracle"])
def test_methods_score_every_question(method: str) -> None:
    found = curves.measure(method, record([(0, 1)], ["Ada"]), None)
    assert [len(found[name]) for name in curves.FIELDS] == [len(curves.SHARES)] * 3
    assert found == curves.measure(method, record([(0, 1)], ["Ada"]), None)


def test_gold_rows_are_those_that_share_a_character_with_a_gold_sentence() -> None:
    rows: list[np.ndarray] = []

    def scorer(items, *, query, seed=0):
        rows.append(baselines.gold_rows(record([(0, 2), (1, 0)], []), items))
        return baselines.Lead()(items, query=query)

    from datapruner.context.chunks import prune_chunks

    prune_chunks("q", curves.chunks_of(record([], [])), method=scorer)
    assert rows[0].tolist() == [False, False, True, True, False]


def test_the_calibration_error_is_the_weighted_gap() -> None:
    values = np.array([0.05, 0.05, 0.95, 1.0])
    gold = np.array([0, 1, 1, 1])
    counts = curves.bins(values, gold)
    # Bin 0: 2 rows, mean .05, half of them gold; bin 9: 2 rows, mean .975, all gold.
    assert curves.calibration_error(counts) == pytest.approx((2 * 0.45 + 2 * 0.025) / 4)


def cell(method: str, answers: list[int]) -> dict:
    rows = [[answer] * len(curves.SHARES) for answer in answers]
    return {
        "dataset": "xquad.en",
        "method": method,
        "limits": curves.limits_of("lexical"),
        "share": [[0.3] * len(curves.SHARES)] * len(rows),
        "answer": rows,
        "gold": [[None] * len(curves.SHARES)] * len(rows),
    }


def test_a_paired_difference_is_judged_by_its_interval() -> None:
    ours = cell("sentences", [1] * 30 + [0] * 10)
    worse = cell("bm25", [1] * 15 + [0] * 25)
    even = cell("lead", [0] * 2 + [1] * 28 + [0] * 8 + [1] * 2)
    won = list(curves.versus(ours, worse))
    assert {one["verdict"] for one in won} == {"win"}
    assert {one["difference"] for one in won} == {37.5}
    assert {one["what"] for one in won} == {"answer"}
    assert all(one["low"] < 37.5 < one["high"] for one in won)
    assert {one["verdict"] for one in curves.versus(worse, ours)} == {"lose"}
    assert {one["verdict"] for one in curves.versus(ours, even)} == {"tie"}


def test_curves_targets_and_tables_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = cell("sentences", [1] * 39 + [0])
    theirs = cell("bm25", [1] * 20 + [0] * 20)
    entries = [entry for one in (ours, theirs) for entry in curves.curve(one)]
    assert entries[0]["answer"] == 97.5
    assert entries[0]["answer_low"] <= 97.5 <= entries[0]["answer_high"]
    assert "gold" not in entries[0]
    pairs = list(curves.versus(ours, theirs))
    judged = targets.judged(entries, pairs)
    assert [(one["measured"], one["met"]) for one in judged] == [(100.0, True)]
    page = tmp_path / "README.md"
    page.write_text("<!-- generated: begin -->\n<!-- generated: end -->\n")
    monkeypatch.setattr(table, "README", page)
    table.main(
        {
            "date": "today",
            "environment": {"commit": "c", "cpu": "x", "threads": 1, "command": "run"},
            "targets": judged,
            "against": pairs,
            "data": {"xquad.en": {"questions": 40}},
            "curves": entries,
            "calibration_error": {"xquad.en": 0.1},
        }
    )
    text = page.read_text()
    assert "at every budget, % of cells | 100 | 100.0 |  | yes |" in text
    assert "| bm25 | 50 / - |" in text
    assert "| sentences, answer | 0 / 0 / 0 | 0 / 0 / 0 | 7 / 0 / 0 |" in text


def test_the_curve_of_prices_is_read_at_the_target_itself() -> None:
    model = {"dataset": "xquad.en", "method": "sentences"}
    entries = [
        {**model, "limit": limit, "kept": kept, "answer": answer}
        for limit, kept, answer in (
            ("p0.01", 28.0, 94.0),
            ("p0.005", 32.0, 98.0),
            ("p0.001", 60.0, 100.0),
            ("t0.1", 30.0, 10.0),
            ("0.3", 22.0, 60.0),
        )
    ]
    (judged,) = targets.judged(entries, [])
    assert (judged["measured"], judged["met"]) == (96.0, True)


def test_the_ceiling_buys_the_cheapest_answers_first() -> None:
    def record(number: int, text: str) -> Record:
        docs = [Doc("", text, sentence_spans(text), f"d{number}")]
        return Record("made", "test", str(number), "who?", ["Ada"], docs, [(0, 0)])

    # The answer in two of ten words, in five of ten, in all of them; of the last question in none.
    short = record(1, "Ada wrote. Some more words stand here without it.")
    half = record(2, "It was the young Ada. She then left the town.")
    whole = record(3, "Ada wrote it and then went away to the town.")
    never = record(4, "Nobody knows.")
    found = [baselines.ceiling([short, half, whole, never], kept) for kept in (0.05, 0.3, 0.6, 1.0)]
    assert found == [0.0, 66.67, 100.0, 100.0]
    assert baselines.ceiling([never], 0.3) is None
