"""prune_chunks(): policies, failures, pins and companions, and what stands in the answer."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import datapruner as dp
from datapruner.context.chunks import ContextPruner, prune_chunks
from datapruner.context.result import PrunedContext
from datapruner.core.items import Items
from datapruner.core.scores import Scores

QUERY = "What is the capital of France?"
CHUNKS = [
    "# Rome\nRome is the capital of Italy. It has 2.8 million people. The Tiber flows there.",
    'Paris is the capital of France. It lies on the Seine. Bakeries abound. "Bread," they say.',
    "Cats purr.",
]


@dataclass
class Told:
    """A scorer that gives each sentence the value told for its first word; others get 0."""

    values: dict[str, float] = field(default_factory=dict)
    fails_at: str = "\0"
    calls: list[int] = field(default_factory=list)
    error: Exception = field(default_factory=lambda: RuntimeError("broken"))

    def __call__(self, items: Items, *, query: str | None = None, seed: int = 0) -> Scores:
        texts = items.feature("text", "told")
        self.calls.append(items.n)
        if any(self.fails_at in text for text in texts):
            raise self.error
        words = [text.split()[0] if text.split() else "" for text in texts]
        values = np.array([self.values.get(word, 0.0) for word in words])
        return Scores(values, items, "as told", "told")


def units(costs: list[int]) -> str:
    """Sentences ``A a a. B b b. `` ... of so many words; the final stop counts as one."""
    return "".join(
        f"{name}{f' {name.lower()}' * (cost - 2)}. "
        for name, cost in zip(("Aa", "Bb", "Cc", "Dd"), costs, strict=False)
    )


def kept(made: PrunedContext) -> list[int]:
    return [s.index for s in made.kept]


# -- golden vectors: additive costs -------------------------------------------------------------

FIVES = Told({"Aa": 0.9, "Bb": 0.1, "Cc": 0.5})
UNEQUAL = Told({"Aa": 0.9, "Bb": 0.8, "Cc": 0.7})


@pytest.mark.parametrize(("budget", "rows"), [(15, [0, 1, 2]), (10, [0, 2]), (9, [0])])
def test_golden_budgets(budget: int, rows: list[int]) -> None:
    made = prune_chunks("q", units([5, 5, 5]), budget=f"{budget} tokens", method=FIVES)
    assert kept(made) == rows


def test_golden_budget_below_the_shortest_sentence() -> None:
    text = units([5, 5, 5])
    empty = prune_chunks("q", text, budget="4 tokens", method=FIVES, on_empty="empty")
    assert (empty.text, empty.flags) == ("", ("empty",))
    cut = prune_chunks("q", text, budget="4 tokens", method=FIVES)
    assert (cut.text, cut.tokens) == ("Aa aa aa aa", 4)
    assert cut.flags == ("fallback", "cut")
    assert [(s.reason, s.start, s.end) for s in cut.kept] == [("fallback", 0, 11)]


def test_golden_pins() -> None:
    pinned = prune_chunks(
        "q", units([5, 5, 5]), budget="10 tokens", method=FIVES, pins=re.compile("Bb")
    )
    assert kept(pinned) == [0, 1]
    assert [s.reason for s in pinned.kept] == ["admitted", "pinned"]


@pytest.mark.parametrize(
    ("options", "rows"),
    [
        ({"fill": "stop"}, [0]),
        ({"fill": "skip"}, [0]),
        ({"pick": "density"}, [1, 2]),
        ({"pick": "exact"}, [1, 2]),
    ],
)
def test_golden_policies(options: dict[str, Any], rows: list[int]) -> None:
    made = prune_chunks("q", units([8, 5, 5]), budget="10 tokens", method=UNEQUAL, **options)
    assert kept(made) == rows


def test_golden_title_rule() -> None:
    text = "# Head\nBb b. Cc cc."
    values = {"#": 0.02, "Bb": 0.4, "Cc": 0.01}
    with_title = prune_chunks("q", text, threshold=0.1, method=Told(values))
    assert kept(with_title) == [0, 1]
    assert [s.reason for s in with_title.kept] == ["ancestor", "admitted"]
    without = prune_chunks("q", text, threshold=0.1, method=Told(values), pins=())
    assert kept(without) == [1]
    none = prune_chunks("q", text, threshold=0.1, method=Told({**values, "Bb": 0.03}))
    assert kept(none) == []


# -- thresholds, floors, ceilings ---------------------------------------------------------------


def test_threshold_and_budget_hold_together() -> None:
    text = units([5, 5, 5])
    both = prune_chunks("q", text, threshold=0.5, budget="9 tokens", method=FIVES)
    assert kept(both) == [0]
    assert [s.reason for s in both.dropped] == ["threshold", "cost"]
    assert kept(prune_chunks("q", text, threshold=0.5, method=FIVES)) == [0, 2]
    assert kept(prune_chunks("q", text, budget="threshold 0.5", method=FIVES)) == [0, 2]


def test_without_limits_the_method_has_its_own() -> None:
    whole = prune_chunks(QUERY, CHUNKS, method="lexical")
    assert whole.tokens <= whole.tokens_before // 2
    assert whole.selection.provenance.budget == "50% of tokens"
    packaged = prune_chunks(QUERY, CHUNKS)
    assert packaged.selection.provenance.budget.startswith("threshold 0.0")
    assert packaged.flags == ()


@pytest.mark.parametrize(
    ("budget", "each"), [("20 tokens, floor 1", (1, 3)), ("9 items, 1 per group", (1, 1))]
)
def test_floors_and_ceilings_count_sentences_of_a_chunk(budget: str, each: tuple[int, int]) -> None:
    made = prune_chunks(QUERY, CHUNKS, budget=budget, pins=())
    numbers = [sum(s.position == p for s in made.kept) for p in range(3)]
    assert all(each[0] <= number <= each[1] for number in numbers)


def test_a_floor_is_for_sentences_above_the_threshold_alone() -> None:
    made = prune_chunks(
        "q", ["Aa aa.", "Bb bb."], budget="9 tokens, floor 1, threshold 0.5", method=FIVES
    )
    assert [s.position for s in made.kept] == [0]


def test_a_floor_that_does_not_fit_says_so() -> None:
    with pytest.raises(dp.BudgetError, match="the floor asks for 3 sentences"):
        prune_chunks(QUERY, CHUNKS, budget="12 tokens, floor 1")


def test_floors_of_counts_are_the_cores_own() -> None:
    made = prune_chunks(QUERY, CHUNKS, budget="3 sentences, floor 1", pins=())
    assert [s.position for s in made.kept] == [0, 1, 2]


# -- what stays and what comes along ------------------------------------------------------------


def test_pins_that_do_not_fit_say_so() -> None:
    with pytest.raises(dp.BudgetError, match="pinned"):
        prune_chunks(QUERY, CHUNKS, budget="3 tokens", pins="numbers")


def test_a_pin_must_answer() -> None:
    with pytest.raises(dp.InputError, match="it must say True or False"):
        prune_chunks(QUERY, CHUNKS, pins=lambda sentence: None)


def test_a_pinned_title_is_a_row_like_others() -> None:
    made = prune_chunks(
        "q", "# Head 7\nBb b.", threshold=9, method=FIVES, pins=("title", "numbers")
    )
    assert [s.reason for s in made.kept] == ["pinned"]


def test_neighbours_come_along_below_the_threshold_and_within_the_budget() -> None:
    text = units([3, 3, 3, 3])
    scorer = Told({"Bb": 1.0})
    wide = prune_chunks("q", text, threshold=0.5, method=scorer, neighbours=1)
    assert [s.reason for s in wide.kept] == ["neighbour", "admitted", "neighbour"]
    tight = prune_chunks("q", text, threshold=0.5, budget="6 tokens", method=scorer, neighbours=1)
    assert kept(tight) == [0, 1]
    assert kept(prune_chunks("q", text, threshold=0.5, method=scorer, neighbours=9)) == [0, 1, 2, 3]


def test_neighbours_stay_inside_the_chunk() -> None:
    made = prune_chunks(
        "q", ["Aa aa.", "Bb bb.", "Cc cc."], threshold=0.5, method=Told({"Bb": 1.0}), neighbours=2
    )
    assert [s.position for s in made.kept] == [1]


def test_an_antecedent_comes_along_and_is_paid_for() -> None:
    text = "Ada wrote it. She was first. They knew."
    scorer = Told({"They": 1.0})
    made = prune_chunks("q", text, threshold=0.5, method=scorer, antecedents=True)
    assert [s.reason for s in made.kept] == ["ancestor", "ancestor", "admitted"]
    tight = prune_chunks(
        "q",
        text,
        threshold=0.5,
        budget="7 tokens",
        method=scorer,
        antecedents=True,
        on_empty="empty",
    )
    assert kept(tight) == []
    assert kept(prune_chunks("q", text, threshold=0.5, method=scorer)) == [2]


def test_a_row_that_came_as_a_neighbour_is_not_offered_again() -> None:
    made = prune_chunks(
        "q", "Aa aa. Bb bb. Cc cc. Dd dd.", method=UNEQUAL, neighbours=1, budget="9 tokens, floor 1"
    )
    assert kept(made) == [0, 1, 2]


# -- rendering ----------------------------------------------------------------------------------


def test_a_gap_stands_for_more_than_itself_or_not_at_all() -> None:
    text = "Aa aa. Bb. Cc cc."
    scorer = Told({"Aa": 1.0, "Cc": 1.0})
    wide = prune_chunks(
        "q", "Aa aa. Bb bb bb bb bb. Cc cc.", threshold=0.5, method=scorer, gap=" … "
    )
    assert wide.text == "Aa aa.  … Cc cc."
    assert len(prune_chunks("q", text, threshold=0.5, method=scorer, gap=" … " * 3).text) <= len(
        text
    )


def test_chunks_in_another_order_keep_their_sentences_in_order() -> None:
    chunks = ["Aa aa. Dd dd.", "Bb bb.", "Cc cc."]
    scorer = Told({"Aa": 0.2, "Bb": 0.9, "Cc": 0.5})
    options = {"threshold": 0.0, "method": scorer, "separator": " | "}
    assert prune_chunks("q", chunks, order="score", **options).text == (
        "Bb bb. | Cc cc. | Aa aa. Dd dd."
    )
    assert prune_chunks("q", chunks, order="edges", **options).text == (
        "Bb bb. | Aa aa. Dd dd. | Cc cc."
    )


def test_settling_trims_what_separators_and_seams_add() -> None:
    # Every text costs two more than its letters: prices of sentences do not add up.
    def count(text: str) -> int:
        return len(text.replace(" ", "")) + 7 * text.count("|")

    chunks = ["Aa aa.", "Bb bb.", "Cc cc."]
    scorer = Told({"Aa": 0.9, "Bb": 0.8, "Cc": 0.7})
    made = prune_chunks(
        "q", chunks, budget="12 tokens", method=scorer, counter=count, separator="|", pins=()
    )
    assert made.text == "Aa aa."
    assert [s.reason for s in made.dropped] == ["cost", "cost"]
    with pytest.raises(dp.BudgetError, match="sentences that must stay"):
        prune_chunks(
            "q",
            chunks,
            budget="12 tokens",
            method=scorer,
            counter=count,
            separator="|",
            pins=re.compile("Aa|Cc"),
        )


def test_settling_fills_up_with_what_still_fits() -> None:
    def count(text: str) -> int:
        return len(text.split()) + 5 * ("Bb" in text and "Aa" in text)

    text = "Aa aa. Bb bb. Cc cc."
    scorer = Told({"Aa": 0.9, "Bb": 0.8, "Cc": 0.7})
    options: dict[str, Any] = {"budget": "6 tokens", "method": scorer, "counter": count}
    assert kept(prune_chunks("q", text, **options)) == [0, 2]
    assert kept(prune_chunks("q", text, fill="stop", **options)) == [0]


def test_settling_drops_the_title_of_what_it_drops() -> None:
    def count(text: str) -> int:
        return len(text.split()) + 9 * text.count("|")

    chunks = ["# Head\nAa a.", "# Other\nBb b."]
    scorer = Told({"Aa": 0.9, "Bb": 0.8})
    made = prune_chunks("q", chunks, budget="8 tokens", method=scorer, counter=count, separator="|")
    assert made.text == "# Head\nAa a."
    assert [s.reason for s in made.dropped] == ["shell", "cost"]


def test_settling_brings_nothing_back_without_what_it_leans_on() -> None:
    def count(text: str) -> int:
        return len(text.split()) + 9 * ("Bb" in text and "Aa" in text)

    text = "Aa aa. Bb bb. It cc."
    scorer = Told({"Aa": 0.9, "It": 0.8})
    made = prune_chunks(
        "q", text, budget="6 tokens", method=scorer, counter=count, antecedents=True
    )
    assert kept(made) == [0]


# -- the failure policy -------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["", "  \n"])
def test_an_empty_query_changes_nothing_without_a_budget(query: str) -> None:
    scorer = Told()
    for options in ({}, {"threshold": 9.0}):
        made = prune_chunks(query, CHUNKS, method=scorer, **options)
        assert made.text == "\n\n".join(CHUNKS)
        assert made.flags == ("no_query",)
    assert not scorer.calls


def test_an_empty_query_under_a_budget_goes_by_place_and_centrality() -> None:
    made = prune_chunks("", CHUNKS, budget="12 tokens", threshold=5.0)
    assert 0 < made.tokens <= 12
    assert made.flags == ("no_query",)
    assert "place and centrality" in made.notes[0]


@pytest.mark.parametrize("chunks", [[], "", [""], ["  ", "\n"], [{"text": ""}]])
def test_nothing_in_nothing_out_and_no_scorer_is_asked(chunks: Any) -> None:
    scorer = Told()
    made = prune_chunks("q", chunks, budget="5 tokens", method=scorer)
    assert (made.text, made.tokens, made.tokens_before) == ("", 0, 0)
    assert made.flags == ("empty",)
    assert made.compression == 0
    assert not scorer.calls


@pytest.mark.parametrize(
    ("on_empty", "limits", "rows", "flags"),
    [
        (None, {}, [], ("empty",)),
        (None, {"budget": "8 tokens"}, [0], ("fallback",)),
        ("top1", {}, [0], ("fallback",)),
        ("empty", {"budget": "8 tokens"}, [], ("empty",)),
        ("keep_all", {}, [0, 1, 2], ("fallback",)),
        ("keep_all", {"budget": "10 tokens"}, [0, 2], ("fallback",)),
        ("keep_all", {"budget": "2 tokens"}, [0], ("fallback", "cut")),
        ("top1", {"budget": "0 items"}, [], ("empty",)),
        ("top1", {"budget": "0 per group"}, [], ("empty",)),
        ("top1", {"budget": "0 tokens"}, [], ("empty",)),
    ],
)
def test_nothing_above_the_threshold(
    on_empty: str | None, limits: dict[str, Any], rows: list[int], flags: tuple[str, ...]
) -> None:
    made = prune_chunks(
        "q", units([5, 5, 5]), threshold=5.0, method=FIVES, on_empty=on_empty, **limits
    )
    assert (kept(made), made.flags) == (rows, flags)
    assert {s.reason for s in made.kept} <= {"fallback"}


def test_a_chunk_that_breaks_the_scorer_stays_whole_and_the_others_are_pruned() -> None:
    scorer = Told({"Aa": 1.0}, fails_at="bad")
    with pytest.warns(RuntimeWarning, match="1 of 3 chunks"):
        made = prune_chunks(
            "q", ["Aa aa. Bb bb.", "bad one. Bb bb.", "Cc cc."], threshold=0.5, method=scorer
        )
    assert made.text == "Aa aa. \n\nbad one. Bb bb."
    assert made.flags == ("scorer_failed",)
    assert "RuntimeError: broken" in made.notes[0]


def test_a_chunk_that_breaks_the_scorer_is_ranked_without_it_under_a_budget() -> None:
    scorer = Told({"Aa": 1.0, "Cc": 0.5}, fails_at="bad")
    with pytest.warns(RuntimeWarning, match="broken"):
        made = prune_chunks(
            "q", ["Aa aa.", "bad one two.", "Cc cc. Cc cc."], budget="6 tokens", method=scorer
        )
    assert made.tokens <= 6
    assert made.kept[0].text == "Aa aa."


def test_scorers_that_fail_everywhere_fail_open() -> None:
    with pytest.warns(RuntimeWarning, match="2 of 2 chunks"):
        made = prune_chunks(
            "q", ["bad.", "bad too."], budget="4 tokens", method=Told(fails_at="bad")
        )
    assert made.text in ("bad.", "bad too.")
    assert made.flags == ("scorer_failed",)


def test_a_scorer_that_fails_for_all_at_once_is_asked_one_by_one() -> None:
    class Crowded(Told):
        def __call__(self, items: Items, **options: Any) -> Scores:
            if len(set(items.group.tolist())) > 1:
                raise RuntimeError("too many")
            return super().__call__(items, **options)

    with pytest.warns(RuntimeWarning, match="too many"):
        made = prune_chunks("q", ["Aa aa.", "Bb bb."], threshold=0.5, method=Crowded({"Bb": 1.0}))
    assert (made.text, made.flags) == ("Bb bb.", ())


def test_an_error_of_the_setup_is_raised() -> None:
    missing = Told(fails_at="a", error=dp.MissingExtraError("pip install more"))
    with pytest.raises(dp.MissingExtraError):
        prune_chunks("q", "a b.", method=missing)

    class Later(Told):
        def __call__(self, items: Items, **options: Any) -> Scores:
            if len(self.calls) > 0:
                raise dp.MissingExtraError("pip install more")
            return super().__call__(items, **options)

    with pytest.raises(dp.MissingExtraError):
        prune_chunks("q", ["a b.", "c."], method=Later(fails_at="a"))


def test_scores_that_are_not_finite_count_as_a_failure() -> None:
    with pytest.warns(RuntimeWarning, match="ScoreError"):
        made = prune_chunks(
            "q", ["Aa aa.", "Bb bb."], threshold=0.5, method=Told({"Aa": np.inf, "Bb": 1.0})
        )
    assert made.flags == ("scorer_failed",)
    assert made.text == "Aa aa.\n\nBb bb."


def test_a_repeated_chunk_is_scored_once_and_treated_alike() -> None:
    scorer = Told({"Aa": 1.0})
    made = prune_chunks(
        "q", ["Aa aa. Bb bb.", "Cc cc.", "Aa aa. Bb bb."], threshold=0.5, method=scorer
    )
    assert scorer.calls == [3]
    assert [(s.position, s.index) for s in made.kept] == [(0, 0), (2, 0)]
    lexical = prune_chunks(QUERY, [CHUNKS[1], CHUNKS[2], CHUNKS[1]], budget="50% of tokens")
    assert lexical.chunks[0].score == lexical.chunks[2].score


def test_one_long_sentence_and_many_short_ones() -> None:
    long = prune_chunks("word", "word " * 2000, budget="30 tokens", method="lexical")
    assert 0 < long.tokens <= 30
    text = "".join(f"Tea {i} is hot. " for i in range(5000))
    many = prune_chunks("tea", text, budget="1000 tokens", method="lexical")
    assert many.source.items.n == 5000
    assert 990 <= many.tokens <= 1000


def test_hidden_characters_are_flagged_dropped_or_kept() -> None:
    text = "Pa\u200bris is the capital of France. Ro\u202eme is not."
    flagged = prune_chunks(QUERY, [text, "Cats."], budget="8 tokens")
    assert flagged.flags == ("hidden",)
    assert "2 characters" in flagged.notes[0]
    dropped = prune_chunks(QUERY, [text, "Cats."], budget="8 tokens", hidden="drop")
    assert dropped.text == "Paris is the capital of France. "
    one = dropped.kept[0]
    assert text[one.start : one.end].replace("\u200b", "") == one.text
    assert "left out" in dropped.notes[0]
    assert prune_chunks(QUERY, text, hidden="keep").flags == ()


# -- going on from an earlier answer ------------------------------------------------------------


def test_an_earlier_answer_stays_in_front_byte_for_byte() -> None:
    first = prune_chunks(QUERY, CHUNKS, budget="10 tokens")
    second = prune_chunks(
        "Do cats purr? Which river?",
        [*CHUNKS[::-1], "Dogs bark."],
        budget="30 tokens",
        previous=first,
    )
    assert second.text.startswith(first.text)
    assert second.tokens <= 30
    new = second.text[len(first.text) :]
    assert "Cats purr." in new
    assert first.kept[0].text.strip() not in new
    third = prune_chunks(
        "Do dogs bark?", ["Dogs bark.", *CHUNKS], budget="40 tokens", previous=second
    )
    assert third.text.startswith(second.text)
    assert third.text.count("Paris is the capital") == 1


def test_an_earlier_answer_alone_may_be_too_long() -> None:
    first = prune_chunks(QUERY, CHUNKS, budget="20 tokens")
    with pytest.raises(dp.BudgetError, match="the earlier text has"):
        prune_chunks(QUERY, CHUNKS, budget="10 tokens", previous=first)
    with pytest.raises(dp.InputError, match="would move it"):
        prune_chunks(QUERY, CHUNKS, order="score", previous=first)


def test_going_on_without_limits_or_with_nothing_new() -> None:
    first = prune_chunks(QUERY, CHUNKS, budget="10 tokens")
    assert prune_chunks(QUERY, [], previous=first).text == first.text
    more = prune_chunks("q", "New one.", threshold=0.5, method=Told({"New": 1.0}), previous=first)
    assert more.text == f"{first.text}\n\nNew one."


def test_a_sentence_that_was_cut_can_come_whole_later() -> None:
    scorer = Told({"Aa": 1.0})
    first = prune_chunks("q", "Aa aa aa aa aa aa.", budget="3 tokens", method=scorer)
    second = prune_chunks(
        "q", "Aa aa aa aa aa aa.", budget="20 tokens", method=scorer, previous=first
    )
    assert second.text == "Aa aa aa\n\nAa aa aa aa aa aa."


# -- the answer ---------------------------------------------------------------------------------


def test_offsets_lead_back_to_the_chunk_in_any_script() -> None:
    chunks = [
        "😀 is 𝒳. Next 👨\u200d👩\u200d👧 one.",
        "العربية هنا. وهنا؟ نعم.",
        "क\u094dष है। और।",
        "你好。世界。",
    ]
    made = prune_chunks("Next هنا 世界", [{"id": f"c{i}", "text": t} for i, t in enumerate(chunks)])
    for s in (*made.kept, *made.dropped):
        assert chunks[s.position][s.start : s.end] == s.text
        assert s.chunk == f"c{s.position}"
    for chunk, text in zip(made.chunks, chunks, strict=True):
        assert "".join(text[a:b] for a, b in chunk.spans) == chunk.text


def test_the_answer_as_json_as_a_frame_and_as_a_line() -> None:
    made = prune_chunks(QUERY, CHUNKS, budget="20 tokens")
    told = made.to_dict()
    assert json.loads(json.dumps(told)) == told
    assert told["tokens"] == made.tokens
    assert [c["tokens_before"] for c in told["chunks"]] == [22, 23, 3]
    frame = made.to_frame()
    assert frame.height == 9
    assert frame.filter("kept")["text"].to_list() == [s.text for s in made.kept]
    assert "of 48 tokens" in repr(made)
    assert 0 < made.compression < 100
    assert prune_chunks(QUERY, []).to_frame().height == 0


def test_explain_tells_the_whole_or_one() -> None:
    made = prune_chunks(QUERY, CHUNKS, budget="10 tokens", threshold=0.01)
    lines = made.explain().splitlines()
    assert len(lines) == 10
    assert lines[0] == "10 of 48 tokens (words)"
    one = made.explain(1, 0)
    assert one.startswith("chunk 1, sentence 0: kept")
    assert "Paris is the capital of France." in one
    assert "did not fit" in made.explain(1, 1)
    with pytest.raises(dp.InputError, match="no chunk has the id 9"):
        made.explain(9)
    with pytest.raises(dp.InputError, match="has 4 sentences"):
        made.explain(1, 4)


def test_explain_knows_companions_and_fallbacks() -> None:
    scorer = Told({"Bb": 1.0})
    beside = prune_chunks("q", "Aa aa. Bb bb.", threshold=0.5, method=scorer, neighbours=1)
    assert "beside it" in beside.explain(0, 0)
    alone = prune_chunks("q", "Aa aa. Bb bb.", threshold=5.0, method=scorer, on_empty="top1")
    assert "left nothing" in alone.explain(0, 1)
    assert "beyond the threshold 5.0" in alone.explain(0, 0)
    assert "note:" in prune_chunks("", "Aa aa.").explain()


def test_a_long_sentence_is_shortened_in_the_story() -> None:
    made = prune_chunks("q", "word " * 100 + ".", threshold=9.0)
    assert made.explain().splitlines()[1].endswith("…")


# -- settings -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        ({"method": "lexicl"}, dp.UnknownMethodError, "lexical"),
        ({"method": "prototypes"}, dp.UnknownMethodError, "is for data sets"),
        ({"method": 3}, dp.InputError, "give a name or a scorer"),
        ({"order": "best"}, dp.InputError, "order is 'best'"),
        ({"pick": "low"}, dp.InputError, "pick is 'low'"),
        ({"hidden": "no"}, dp.InputError, "hidden is 'no'"),
        ({"on_empty": "x"}, dp.InputError, "on_empty is 'x'"),
        ({"fill": "x"}, dp.BudgetError, "fill is 'x'"),
        ({"neighbours": -1}, dp.InputError, "neighbours is -1"),
        ({"neighbours": True}, dp.InputError, "neighbours is True"),
        ({"longest": 0}, dp.InputError, "longest is 0"),
        ({"budget": 100}, dp.BudgetError, "bare 100"),
        ({"counter": "nothing"}, dp.InputError, "no token counter"),
        ({"seed": 1.5}, dp.DataPrunerError, "seed"),
    ],
)
def test_a_wrong_setting_is_refused_before_any_work(
    options: dict[str, Any], error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        ContextPruner(**options)


def test_a_query_is_a_text() -> None:
    with pytest.raises(dp.InputError, match="the query is a NoneType"):
        prune_chunks(None, CHUNKS)  # type: ignore[arg-type]


def test_a_pruner_is_a_value_that_is_called_often() -> None:
    pruner = dp.ContextPruner(budget="10 tokens")
    assert pruner == dp.ContextPruner(budget="10 tokens")
    assert pruner(QUERY, CHUNKS).text == prune_chunks(QUERY, CHUNKS, budget="10 tokens").text
    assert "Cats purr." in pruner("Do cats purr?", CHUNKS).text


def test_a_scorer_may_rate_chunks_itself() -> None:
    class Rated(Told):
        def __call__(self, items: Items, **options: Any) -> Scores:
            scores = super().__call__(items, **options)
            return Scores(
                scores.values, items, method="rated", details={"chunk_scores": [0.1, 0.9, 0.5]}
            )

    made = prune_chunks(
        "q", ["Aa aa.", "Bb bb.", "Aa aa."], threshold=0, order="score", method=Rated()
    )
    assert [c.score for c in made.chunks] == [0.1, 0.9, 0.1]
    assert made.text == "Bb bb.\n\nAa aa.\n\nAa aa."


def test_a_price_asks_more_of_long_sentences() -> None:
    text = "One two. Three four five six. Seven."
    scored = {"One two. ": 0.2, "Three four five six. ": 0.25, "Seven.": 0.05}

    def scorer(items: Any, *, query: str, seed: int = 0) -> Scores:
        return Scores(np.array([scored[t] for t in items.feature("text", "test")]), items)

    made = prune_chunks("q", [text], method=scorer, price=0.06)
    assert made.text == "One two. "
    assert [s.reason for s in made.dropped] == ["threshold", "threshold"]
    assert made.selection.provenance.limits["price"] == 0.06
    # A price holds beside a threshold and a budget; of price 0 nothing is too dear.
    assert prune_chunks("q", [text], method=scorer, price=0.04, threshold=0.1).text == text[:30]
    assert prune_chunks("q", [text], method=scorer, price=0.04, budget="3 tokens").tokens == 3
    assert prune_chunks("q", [text], method=scorer, price=0).text == text


def test_without_a_query_a_price_means_nothing() -> None:
    made = prune_chunks("", ["One two. Three."], price=0.9)
    assert made.text == "One two. Three."
    assert made.flags == ("no_query",)


@pytest.mark.parametrize("price", [-1, float("nan"), float("inf"), "0.1", True])
def test_a_price_must_be_one(price: Any) -> None:
    with pytest.raises(dp.InputError, match="price is"):
        prune_chunks("q", ["One."], price=price)
