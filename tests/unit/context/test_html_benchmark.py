"""The benchmark of the HTML pruner counts what it says it counts."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from lxml import html

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from benchmarks.html import articles, curves, methods, records, targets  # noqa: E402 (path first)
from benchmarks.html.records import Page, Record  # noqa: E402

ANSWER = "The ferry leaves at noon from the old harbour and takes two hours to the island."
PAGE = (
    "<html><head><title>Ferries</title><script>noon</script></head><body><nav>Home Sport</nav>"
    + "".join(f"<p>Part {n} is about the weather in town, of no use to you.</p>" for n in range(40))
    + f"<section><p>{ANSWER}</p></section></body></html>"
)  # fmt: skip

needs_tokenizer = pytest.mark.skipif(
    find_spec(methods.MODEL_PACKAGE) is None, reason="the package with the tokenizer is not there"
)


def record(answers: tuple[str, ...] = (ANSWER,), gold: str = ANSWER) -> Record:
    page = Page("ferries", "Ferries", PAGE.encode())
    return Record("made", "1", "When does the ferry leave?", (page,), answers, gold)


@pytest.mark.parametrize(
    ("text", "answer", "expected"),
    [
        ("It costs 63 euros.", "63", True),
        ("It costs 163 euros.", "63", False),
        ('It is 190.7 " long', '190.7 "', True),
        ("one two three-four <b>five</b>", "One, two, three four b five", True),
        ("one two three four six five", "one two three four five", False),
        ("ten, nine, eight", "nine eight", True),
        ("", "nine eight", False),
    ],
)
def test_an_answer_is_there_or_not(text: str, answer: str, expected: bool) -> None:
    assert records.holds(text, answer) is expected


def test_the_text_of_an_output_is_what_a_browser_shows_in_order() -> None:
    output = "<p>a<b>b</b>c<!-- no --><script>no</script>d</p><style>no</style>e"
    assert records.visible_text(output).split() == ["a", "b", "c", "d", "e"]
    assert records.visible_text(" ") == records.visible_text("<!-- no -->").strip() == ""


def test_a_deep_output_has_its_text() -> None:
    assert "in" in records.visible_text("<div>" * 1_500 + "in" + "</div>" * 1_500)


def test_the_opening_ends_with_a_sentence_and_is_never_endless() -> None:
    assert records.opening("One. Two is short.") == "One. Two is short."
    text = " ".join(["word"] * 24) + ". Another one."
    assert records.opening(text) == " ".join(["word"] * 24) + "."
    assert len(records.opening("word " * 500).split()) == 3 * records.KEY_WORDS


def test_the_share_of_the_gold_is_of_its_runs_of_five_words() -> None:
    gold = "a b c d e f"
    assert records.share_held("x a b c d e y", gold) == 0.5
    assert records.share_held(gold, gold) == 1
    assert records.share_held("", "") == 1


@pytest.mark.parametrize(
    ("name", "headings"),
    [("python_faq", ["Why is it so?", "And now?"]), ("python_faq_untitled", ["And now?"])],
)
def test_a_heading_of_the_manual_is_asked_and_its_section_is_the_gold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, headings: list[str]
) -> None:
    (tmp_path / "faq").mkdir()
    page = (
        "<html><head><title>FAQ</title></head><body><a href='#q'>Why is it so?</a>"
        "<section><h2>General</h2><section id=q><h3>Why is it so?<a>¶</a></h3><p>Because of that."
        "</p></section><section><h3>And now?</h3><p>Nothing happens here at all.</p></section>"
        "</section></body></html>"
    )
    (tmp_path / "faq" / "made.html").write_text(page, encoding="utf-8")
    monkeypatch.setenv("DATAPRUNER_MANUAL", str(tmp_path))
    found = records.read(name)
    assert [one.question for one in found] == ["Why is it so?", "And now?"]
    assert [one.id for one in found] == ["made-0", "made-1"]
    assert found[0].gold.strip() == "Because of that."
    root = html.document_fromstring(found[0].pages[0].html.decode())
    assert [h.text_content().rstrip("¶") for h in root.xpath("//h3")] == headings
    assert "Why is it so?" in root.text_content()


def test_a_manual_that_is_not_there_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATAPRUNER_MANUAL", str(tmp_path))
    with pytest.raises(records.DataAbsentError, match="-doc"):
        records.read("python_faq")


def test_half_of_the_questions_that_defaults_were_chosen_on_is_not_reported() -> None:
    page = (Page("p", "", b""),)
    made = [Record("faq_html", str(n), "?", page, ("a",), "") for n in range(400)]
    drawn = [records.is_training(one) for one in made]
    assert 150 < sum(drawn) < 250
    assert drawn == [records.is_training(one) for one in made]
    # The same question with and without its heading is of the same half.
    both = [
        [records.is_training(Record(name, str(n), "?", page, ("a",), "")) for n in range(50)]
        for name in ("python_faq", "python_faq_untitled")
    ]
    assert both[0] == both[1]
    assert not records.is_training(Record("websrc", "1", "?", page, ("a",), ""))


@needs_tokenizer
@pytest.mark.parametrize("method", ["oracle", "lexical", "main", "first", "bm25_chunks"])
def test_no_method_is_over_a_budget(method: str) -> None:
    is_ours = method in (*methods.OURS, "oracle")
    made = methods.ours(method, record(), None) if is_ours else methods.inside(method, record())
    found = curves.judged(record(), made, is_ours)
    assert list(made) == list(methods.BUDGETS)
    spent = zip(found["tokens"], methods.BUDGETS, strict=True)
    assert all(tokens <= budget for tokens, budget in spent)
    assert found["answer"][-1] == 1
    assert found["gold"][-1] == 1
    if method == "oracle":
        assert set(found["answer"]) == {1}
    if method == "first":
        assert found["answer"][0] == 0


@needs_tokenizer
def test_an_output_over_its_budget_stops_the_benchmark() -> None:
    made = dict.fromkeys(methods.BUDGETS, "word " * 300)
    with pytest.raises(RuntimeError, match="300 tokens, budget 256"):
        curves.judged(record(), made, False)


@needs_tokenizer
def test_a_text_is_cut_at_a_token() -> None:
    assert methods.cut("one two three", 2) == "one two"
    assert methods.cut("one two", 2) == "one two"
    assert methods.cut("", 2) == ""


def cell(method: str, answers: list[int], ids: list[str] | None = None) -> dict:
    width = len(methods.BUDGETS)
    return {
        "dataset": "made",
        "method": method,
        "ids": ids or [str(place) for place in range(len(answers))],
        "answer": [[answer] * width for answer in answers],
        "gold": [[None] * width for _ in answers],
        "tokens": [[100] * width for _ in answers],
    }


def test_differences_are_paired_over_the_questions_that_both_were_asked() -> None:
    mine = cell("lexical", [1] * 30 + [0] * 10)
    theirs = cell("first", [0] * 10, [str(place) for place in range(10)])
    found = list(curves.versus(mine, theirs))
    assert {(one["questions"], one["difference"], one["verdict"]) for one in found} == {
        (10, 100.0, "win")
    }
    assert list(curves.versus(mine, cell("first", [0], ["another"]))) == []
    assert {one["verdict"] for one in curves.versus(mine, mine)} == {"tie"}


def test_a_curve_has_an_entry_for_each_budget_with_its_interval() -> None:
    found = list(curves.curve(cell("lexical", [1, 0] * 50)))
    assert [one["budget"] for one in found] == list(methods.BUDGETS)
    for one in found:
        assert one["answer_low"] < one["answer"] == 50 < one["answer_high"]
        assert "gold" not in one


def test_targets_are_met_or_missed() -> None:
    at = {"dataset": "python_faq", "budget": 1024}
    lines = [
        {**at, "method": "lexical", "answer": 96.0},
        {**at, "method": "semantic", "answer": 97},
    ]
    gap = {"dataset": "html_articles", "method": "m", "difference": -2.0, "high": -1.0}
    pairs = [
        {"dataset": "x", "method": "lexical", "baseline": "first", "budget": b, "verdict": "win"}
        for b in methods.BUDGETS
    ]
    met = {
        one["target"]: one["met"]
        for one in [*targets.of_questions(lines, pairs), *targets.of_main([gap])]
    }
    assert list(met.values()) == [True, False, True, False]


def test_words_are_compared_as_bags() -> None:
    assert articles.overlap("a a b", "A, b c") == (2 / 3, 2 / 3, 2 / 3)
    assert articles.overlap("x", "y") == (0, 0, 0)


def test_snippets_are_right_where_kept_ones_are_there_and_dropped_ones_are_not() -> None:
    page = articles.Article("s", "1", "x", "test", b"", "", ("to keep", "also"), ("to drop",))
    assert articles.snippets_right("To <b>keep</b> to drop", page) == (0.0, 0.0)
    assert articles.snippets_right("To keep, yes", page) == (0.5, 1.0)


def test_the_intervals_need_no_seed_of_their_own() -> None:
    values = np.array([[0.0], [1.0], [1.0]])
    assert (curves.resampled(values, "a") == curves.resampled(values, "a")).all()
