"""The training data of the sentence model: its records, its split, its pairs."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from benchmarks.common.loaders import DataAbsentError, data_folder  # noqa: E402 (path is set)
from benchmarks.rag import records, splits, training_data  # noqa: E402
from benchmarks.rag.records import Doc, Record  # noqa: E402
from datapruner.training.pairs import read_pairs  # noqa: E402


def doc(key: str, text: str = "One. Two.", *, title: str = "") -> Doc:
    return Doc(title, text, records.sentence_spans(text, language="en"), key)


def record(*docs: Doc, gold: tuple[tuple[int, int], ...] = ((0, 0),), **more: Any) -> Record:
    facts = {"set": "qed", "part": "", "id": "1", "question": "who?", "answers": ["Two"], **more}
    return Record(docs=list(docs), gold=list(gold), **facts)


def has_data() -> None:
    try:
        data_folder()
    except DataAbsentError:
        pytest.skip("the optional data sets are not here; DATAPRUNER_DATA names their folder")


# --- the split -----------------------------------------------------------------------------------


def test_no_document_is_in_two_parts() -> None:
    stored = json.loads(splits.FILE.read_text("utf-8"))
    names = [name for part in splits.PARTS for name in stored["documents"][part].split()]
    assert set(stored["documents"]) == set(splits.PARTS)
    assert len(names) == len(set(names)) > 5000
    assert all(len(name) == splits.DIGITS for name in names)


def test_a_question_is_where_its_documents_are() -> None:
    def part(*found: str, gold: tuple[tuple[int, int], ...] = ((0, 0),)) -> str:
        made = record(*(doc(f"{name}{n}") for n, name in enumerate(found)), gold=gold)
        return splits.part_of(made, lambda key: key[:-1])

    assert part("test", "test") == "test"
    assert part("validation", "validation") == "validation"
    assert part("validation", "test") == "validation"
    assert part("train", "train") == "train"
    assert part("train", "test") == "train"  # a held-out distractor is no training material
    assert part("test", "train") == "unused"
    assert part("train", "test", gold=((0, 0), (1, 0))) == "unused"
    assert part("train", "test", gold=()) == "unused"
    assert part("train", gold=()) == "train"


def test_documents_with_a_passage_in_common_are_one() -> None:
    words = [f"w{n}" for n in range(40)]
    shared = " ".join(words[:12])
    texts = {"a": f"{shared} x", "b": f"y {shared}", "c": " ".join(words[:11]), "d": "short"}
    made = splits.same_text([record(doc(key, text)) for key, text in texts.items()], str.lower)
    assert made == {"a": "a", "b": "a", "c": "c", "d": "d"}


def test_boilerplate_joins_nothing() -> None:
    phrase = " ".join(f"w{n}" for n in range(12))
    many = [record(doc(f"d{n}", f"{phrase} {n}")) for n in range(splits.MOST_KEYS + 1)]
    assert len(set(splits.same_text(many, str.lower).values())) == len(many)
    assert len(set(splits.same_text(many[1:], str.lower).values())) == 1


def test_gold_documents_of_one_question_stay_together_and_distractors_do_not() -> None:
    text_of = {key: key for key in "abcdef"}
    asked = [
        record(doc("a"), doc("b"), doc("c"), gold=((0, 0), (1, 0))),
        record(doc("b"), doc("d"), gold=((0, 0),)),
        record(doc("c"), doc("e"), gold=((0, 0),)),
        record(doc("e"), doc("f"), gold=()),
    ]
    assert splits.asked_together(asked, text_of) == ["a", "a", "c", "e"]


def test_a_document_is_held_out_as_soon_as_one_held_out_question_shows_it() -> None:
    asked = [record(doc("a"), doc("b")), record(doc("c"), doc("b")), record(doc("d"))]
    text_of = {"a": "a", "b": "b", "c": "c", "d": "a"}
    made = splits.held_out(asked, ["test", "train", "validation"], text_of)
    assert made == {"a": "test", "b": "test", "c": "train", "d": "test"}


def test_parts_come_near_their_shares() -> None:
    draw = np.random.default_rng(0)
    counts = {f"g{n}": Counter({"qed": int(draw.integers(1, 30))}) for n in range(300)}
    counts |= {f"t{n}": Counter({"squadshifts_reddit": 5}) for n in range(300)}
    part = splits.deal(counts)
    for name, shares in (
        ("qed", splits.SHARES),
        ("squadshifts_reddit", splits.TRAINING_SHARES),
    ):
        total = sum(count[name] for count in counts.values())
        for where, share in zip(splits.PARTS, shares, strict=True):
            have = sum(count[name] for group, count in counts.items() if part[group] == where)
            assert have / total == pytest.approx(share, abs=0.01)


def test_training_sets_have_no_test_part() -> None:
    both = {"g": Counter({"squadshifts_reddit": 1, "qed": 1000}), "h": Counter({"qed": 10})}
    assert splits.deal(both)["g"] != "test"


def test_a_document_that_the_split_does_not_know_is_an_error() -> None:
    with pytest.raises(DataAbsentError, match="does not know the document 'nonesuch'"):
        splits.document_part()("nonesuch")
    with pytest.raises(DataAbsentError, match="nonesuch is no set"):
        records.read("nonesuch")


# --- the records ---------------------------------------------------------------------------------


def test_answers_vote_for_sentences() -> None:
    text = "Ada came in 1840. She wrote it. Bob read it in 1841."
    spans = records.sentence_spans(text, language="en")
    assert len(spans) == 3

    def gold(*answers: str) -> list[int]:
        starts = [text.find(answer) for answer in answers]
        return records._answer_sentences(text, spans, list(answers), starts)

    assert gold("1840") == [0]
    assert gold("1840", "1840", "1841") == [0]  # the minority is not gold
    assert gold("1840", "1841") == [0, 2]
    assert gold("1840. She wrote") == [0, 1]
    assert gold("1840", "She", "Bob") == [0, 1, 2]
    assert gold("Wrote It") == [1]  # no offset: the sentences that contain it
    assert gold("nothing") == []


def test_sentences_that_come_apart_are_joined_with_one_space() -> None:
    text, spans, places = records._joined(["One .", "  ", " Two.", "Three "])
    assert text == "One . Two. Three"
    assert [text[a:b] for a, b in spans.tolist()] == ["One . ", "Two. ", "Three"]
    assert places == {0: 0, 2: 1, 3: 2}
    assert records._joined([" "])[1].shape == (0, 2)


def test_a_supporting_paragraph_gives_the_sentences_of_its_step() -> None:
    docs = [doc("a", "Ann is here. Bob is there."), doc("b", "Some one. Some two.")]
    steps = [{"paragraph_support_idx": 0, "answer": "bob"}]
    found = records._paragraph_gold(docs, [(0, 0), (1, 0)], steps)
    assert found == {(0, 1), (1, 0), (1, 1)}


def test_one_article_has_one_name_in_every_set() -> None:
    key = records.document_key
    assert key("qed", "Ada Lovelace", "x") == key("squadshifts_newwiki", "Ada_Lovelace", "y")
    assert key("clapnq", "The_Ada!", "x") == key("musique", "ada", "y") == "wiki:ada"
    assert key("xquad.de", "article-3", "x") == key("xquad.en", "article-3", "y")
    assert key("squadshifts_reddit", "all", "x") != key("squadshifts_reddit", "all", "y")
    assert key("covid_qa", "doc-1", "x") != key("squadshifts_amazon", "doc-1", "x")
    assert key("qed", "???", "Text") == "wiki:text"


def test_answers_are_whole_words() -> None:
    assert records.holds("It was the Duke, of York.", ["duke of york"])
    assert not records.holds("It was 1840.", ["84", ""])


# --- the pairs -----------------------------------------------------------------------------------


def test_a_title_stands_outside_every_sentence() -> None:
    made = record(doc("a", title="Ada"), gold=((0, 1),))
    row = training_data.line(made, made.docs[0], {1}, "0", titled=True)
    assert row["passage"] == "Ada\nOne. Two."
    told = [row["passage"][a:b] for a, b in row["sentences"]]
    assert (told, row["keep"]) == (["One. ", "Two."], [0, 1])
    bare = training_data.line(made, made.docs[0], set(), "0", titled=False)
    assert (bare["passage"], bare["relevant"]) == ("One. Two.", 0)


def test_distractors_that_are_held_out_are_no_material() -> None:
    docs = [doc(f"d{n}", f"Words about {n}. Who?") for n in range(6)]
    made = record(*docs, gold=((1, 0), (4, 1)), set="musique")
    rows = list(training_data.pairs(made, seed=0, distractors=2, usable=lambda d: d.key != "d0"))
    assert [row["keep"] for row in rows[:2]] == [[1, 0], [0, 1]]
    assert len(rows) == 2 + 3
    assert not any("about 0" in row["passage"] for row in rows)
    assert [row["relevant"] for row in rows] == [1, 1, 0, 0, 0]


def test_what_is_retrieved_holds_no_answer() -> None:
    many = [
        record(doc("a", "Ada wrote the program. Two."), question="who wrote program", id="1"),
        record(doc("b", "Bob wrote a program, two of them."), question="who is Bob", id="2"),
        record(doc("c", "Carl wrote no program."), question="who is Carl", id="3"),
        record(doc("d", "Nothing of that."), question="nothing", gold=(), id="4"),
    ]
    made = {row["id"]: row for row in training_data.retrieved(many, 1.0, 0)}
    assert made["qed/1/negative"]["passage"] == "Carl wrote no program."
    assert set(made) == {"qed/1/negative", "qed/2/negative", "qed/3/negative"}
    assert not any(row["relevant"] or any(row["keep"]) for row in made.values())
    assert list(training_data.retrieved(many, 0.0, 0)) == []
    assert list(training_data.retrieved([], 1.0, 0)) == []


# --- the real sets -------------------------------------------------------------------------------


@pytest.mark.data
def test_the_real_sets_are_split_as_told() -> None:
    has_data()
    for name in ("xquad.en", "xquad.zh", "nq_open_oracle", "qed", "hotpotqa_distractor", "musique"):
        found = records.read(name)
        count = Counter(one.part for one in found)
        assert count["test"] >= 0.35 * (len(found) - count["unused"])
        assert count["train"] >= 0.25 * (len(found) - count["unused"])
        for one in found:
            for number, sentence in one.gold:
                assert one.docs[number].sentence(sentence).strip()
    english = {one.id: one.part for one in records.read("xquad.en")}
    assert {one.id: one.part for one in records.read("xquad.zh")}.items() <= english.items()


@pytest.mark.data
def test_answers_lie_in_their_gold_sentences() -> None:
    has_data()
    found = [one for one in records.read("xquad.en") if one.part == "validation"]
    held = [
        any(records.holds(one.docs[0].sentence(sentence), one.answers) for _, sentence in one.gold)
        for one in found
    ]
    assert len(found) > 50
    assert np.mean(held) > 0.95  # the rest is cut by a sentence border or by normalisation


@pytest.mark.data
def test_no_text_of_an_evaluation_part_is_trained_on(tmp_path: Path) -> None:
    has_data()
    names = ("qed", "hotpotqa_distractor", "musique")
    training_data.write(
        tmp_path / "train.jsonl", "train", sets=names, negatives=0.5, distractors=2, seed=0
    )
    made = read_pairs(tmp_path / "train.jsonl")
    shown = {
        one.text
        for name in names
        for held in records.read(name)
        if held.part in ("validation", "test")
        for one in held.docs
    }
    assert len(made) > 500
    assert not any(pair.passage.endswith(tuple(shown)) for pair in made)
    assert os.path.getsize(tmp_path / "train.jsonl") > 0
