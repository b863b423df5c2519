"""calibrate(): the promise holds on rows not seen; the loss is the pruner's own; files, errors."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import datapruner as dp
from datapruner import calibrate
from datapruner.context.answers import holding, normalised
from datapruner.context.calibrate import check
from datapruner.context.calibration import Calibration
from datapruner.context.chunks import ContextPruner
from datapruner.context.examples import Example, read_examples
from datapruner.context.riskcontrol import allowed_losses, clopper_pearson, fewest_examples
from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.errors import FormatError, InputError, OutputError, ScoreError


@dataclass(frozen=True)
class Written:
    """A scorer that reads each sentence's score off its end: ``Aa .25 fine.``"""

    def __call__(self, items: Items, *, query: str, seed: int = 0) -> Scores:
        values = [float(text.split()[1]) for text in items.feature("text", "written")]
        return Scores(np.array(values), items, "as written", "written")


def chunk(*scores: float) -> str:
    """Sentence i says ``Word<i>`` and its score."""
    return " ".join(f"Word{i} {score} is here." for i, score in enumerate(scores))


def example(*scores: float, answer: str = "Word0") -> dict[str, Any]:
    return {"query": "q", "chunks": [chunk(*scores)], "answers": [answer]}


# -- the arithmetic -----------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [0.5, 0.8, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("n", [1, 4, 18, 19, 20, 38, 39, 98, 99, 100, 500])
def test_the_allowed_losses_are_those_of_the_inequality(keep: float, n: int) -> None:
    risk = 1 - Fraction(str(keep))
    held = [
        k for k in range(n + 1) if Fraction(n, n + 1) * Fraction(k, n) + Fraction(1, n + 1) <= risk
    ]
    assert allowed_losses(n, keep) == max(held, default=-1)


@pytest.mark.parametrize("keep", [0.5, 0.9, 0.95])
@pytest.mark.parametrize("sure", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("n", [1, 44, 45, 100, 300])
def test_the_stricter_allowance_is_the_exact_binomial_one(keep: float, sure: float, n: int) -> None:
    risk = 1 - keep
    pmf = [math.comb(n, k) * risk**k * keep ** (n - k) for k in range(n + 1)]
    held = [k for k in range(n + 1) if math.fsum(pmf[: k + 1]) <= 1 - sure + 1e-12]
    assert allowed_losses(n, keep, sure) == max(held, default=-1)
    # Never above what the promise on average allows, at a confidence of one half or more.
    assert allowed_losses(n, keep, sure) <= max(0, allowed_losses(n, keep))


@pytest.mark.parametrize(
    ("keep", "sure", "fewest"),
    [(0.95, None, 19), (0.9, None, 9), (0.99, None, 99), (0.5, None, 1), (0.95, 0.9, 45)],
)
def test_the_fewest_examples(keep: float, sure: float | None, fewest: int) -> None:
    assert fewest_examples(keep, sure) == fewest
    assert allowed_losses(fewest, keep, sure) == 0
    assert allowed_losses(fewest - 1, keep, sure) == -1


@pytest.mark.parametrize("keep", [0.5, 0.75, 0.9, 0.97])
@pytest.mark.parametrize("sure", [0.5, 0.75, 0.875, 0.95])
def test_the_fewest_examples_with_confidence_are_fewest(keep: float, sure: float) -> None:
    found = fewest_examples(keep, sure)
    assert allowed_losses(found, keep, sure) >= 0
    assert allowed_losses(found - 1, keep, sure) == -1


def test_clopper_pearson_ends_where_the_tails_are_a_fortieth() -> None:
    low, high = clopper_pearson(3, 40)
    upper = sum(math.comb(40, k) * low**k * (1 - low) ** (40 - k) for k in range(3, 41))
    lower = sum(math.comb(40, k) * high**k * (1 - high) ** (40 - k) for k in range(4))
    assert upper == pytest.approx(0.025)
    assert lower == pytest.approx(0.025)
    assert clopper_pearson(0, 5)[0] == 0.0
    assert clopper_pearson(5, 5)[1] == 1.0


# -- the promise --------------------------------------------------------------------------------


def draws(rng: np.random.Generator, n: int) -> np.ndarray:
    """Scores of the sentences with the answers, coarse enough that there are ties."""
    return np.round(rng.beta(2, 1, n), 2)


def found_threshold(scores: np.ndarray, **levels: Any) -> float:
    rows = [example(float(score), 0.005) for score in scores]
    return calibrate(rows, method=Written(), **levels).threshold


def test_on_average_over_draws_no_more_is_lost_than_promised() -> None:
    rng = np.random.default_rng(0)
    # On rows not seen the loss is known exactly: the share of all scores below the threshold.
    everything = draws(rng, 400_000)
    risks = [
        np.mean(everything < found_threshold(draws(rng, 9), keep_answer=0.8)) for _ in range(60)
    ]
    spread = np.std(risks) / math.sqrt(len(risks))
    assert np.mean(risks) <= 0.2 + 2 * spread
    # Nor is it far from what was promised: a threshold of nothing would keep the promise, too.
    assert np.mean(risks) > 0.12


def test_with_confidence_few_draws_lose_more_than_promised() -> None:
    rng = np.random.default_rng(1)
    everything = draws(rng, 400_000)
    levels = {"keep_answer": 0.8, "confidence": 0.8}
    missed = [
        np.mean(everything < found_threshold(draws(rng, 15), **levels)) > 0.2 for _ in range(40)
    ]
    assert np.mean(missed) <= 0.2 + 2 * math.sqrt(0.2 * 0.8 / len(missed))


@pytest.mark.parametrize(("n", "keep", "sure"), [(39, 0.9, 0.9), (200, 0.95, 0.95)])
def test_the_number_of_losses_keeps_both_promises_over_many_draws(
    n: int, keep: float, sure: float
) -> None:
    limits = np.sort(np.random.default_rng(n).random((20_000, n)), axis=1)
    # Of uniform limits the share below a threshold is the threshold.
    mean = limits[:, allowed_losses(n, keep)].mean()
    assert 1 - keep - 1 / (n + 1) < mean <= 1 - keep + 0.001
    missed = limits[:, allowed_losses(n, keep, sure)] > 1 - keep
    assert 0.2 * (1 - sure) < missed.mean() <= 1 - sure + 0.005
    # The promise on average is the weaker one: about half of the draws do worse.
    assert (limits[:, allowed_losses(n, keep)] > 1 - keep).mean() > 1 - sure


@pytest.mark.parametrize("n", [19, 20, 59, 100])
def test_the_threshold_is_the_highest_that_holds(n: int) -> None:
    scores = np.random.default_rng(n).permutation(n) / n + 0.001
    found = calibrate([example(s, 0.0) for s in scores.tolist()], method=Written())
    assert found.allowed == (n + 1) // 20 - 1
    # Distinct scores: exactly the allowed number is lost, and one more a hair above.
    assert found.examples.lost == found.allowed
    assert found.threshold == np.sort(scores)[found.allowed]


def test_ties_at_the_threshold_are_kept() -> None:
    found = calibrate([example(0.5, 0.1)] * 40, method=Written())
    assert (found.threshold, found.examples.lost) == (0.5, 0)


def test_the_order_of_the_examples_does_not_matter() -> None:
    rows = [example(s, 0.3) for s in np.random.default_rng(3).random(50).tolist()]
    assert calibrate(rows, method=Written()) == calibrate(rows[::-1], method=Written())


# -- the loss -----------------------------------------------------------------------------------


@settings(max_examples=50)
@given(
    scores=st.lists(st.integers(0, 4), min_size=1, max_size=8),
    answer=st.integers(0, 7),
    neighbours=st.integers(0, 1),
    on_empty=st.sampled_from([None, "top1"]),
    antecedents=st.booleans(),
)
def test_the_limit_is_that_of_the_pruner_itself(
    scores: list[int], answer: int, neighbours: int, on_empty: str | None, antecedents: bool
) -> None:
    answer %= len(scores)
    pruner = ContextPruner(
        method=Written(), neighbours=neighbours, on_empty=on_empty, antecedents=antecedents
    )
    text = " ".join(
        f"{'They' if i % 3 == 2 else f'Word{i}'} {s} saw mark{i}." for i, s in enumerate(scores)
    )
    row = {"query": "q", "chunks": [text], "answers": [f"mark{answer}"]}
    found = calibrate([row], method=pruner, keep_answer=0.5)
    kept = [
        f"mark{answer}" in replace(pruner, threshold=t)("q", [text]).text
        for t in (0.0, 1.0, 2.0, 3.0, 4.0)
    ]
    assert kept == sorted(kept, reverse=True)
    assert found.examples.lost == 0
    best = max(t for t, there in enumerate(kept) if there)
    top = max(scores)
    assert found.threshold <= min(best, top)
    between = [s for s in scores if found.threshold < s <= best]
    assert not between, "a higher score would have kept the answer as well"


def test_any_place_of_an_answer_will_do_and_any_answer() -> None:
    rows = [
        {
            "query": "q",
            "chunks": ["Paris 0.2 is it.", "In 0.9 Paris.", "Lyon 0.4 no."],
            "answers": ["Lyon", "paris"],
        }
    ] * 19
    assert calibrate(rows, method=Written()).threshold == 0.9


def test_of_gold_everything_must_stay() -> None:
    text = chunk(0.9, 0.7, 0.3, 0.8)
    spans = [[0, text.index("Word0"), text.index("Word0") + 3]]
    spans += [[0, text.index(" Word3"), len(text)]]
    row = {"query": "q", "chunks": [text], "gold": spans, "answers": ["Word2"]}
    assert calibrate([row] * 19, method=Written()).threshold == 0.8
    whole = {**row, "gold": [[0, 0, len(text)]]}
    assert calibrate([whole] * 19, method=Written()).threshold == 0.3


def test_gold_offsets_are_those_of_the_chunk_with_its_hidden_characters() -> None:
    text = "One 0.1 a\u200b\u200b\u200bb.  Two 0.6 c.  Three 0.3 d."
    start = text.index("Two")
    row = {"query": "q", "chunks": ["x 0 y", text], "gold": [[1, start - 1, start + 3]]}
    pruner = ContextPruner(method=Written(), hidden="drop")
    assert calibrate([row] * 19, method=pruner).threshold == 0.6


def test_pinned_answers_are_never_lost_and_the_threshold_stays_finite() -> None:
    pruner = ContextPruner(method=Written(), pins=("numbers",))
    found = calibrate([example(0.2, 0.7)] * 19, method=pruner)
    assert found.threshold == 0.7
    assert found.examples.lost == 0


def test_a_title_line_is_kept_with_its_chunk() -> None:
    row = {"query": "q", "chunks": ["# Head 0\nWord1 0.4 is here."], "answers": ["Head 0"]}

    def scorer(items: Items, *, query: str, seed: int = 0) -> Scores:
        return Scores(np.array([0.0, 0.4]), items)

    assert calibrate([row] * 19, method=scorer).threshold == 0.4


def test_an_answer_that_is_not_there_is_left_out() -> None:
    rows = [example(0.5, 0.1)] * 19 + [example(0.5, answer="nowhere"), example(0.5, answer="?!")]
    found = calibrate(rows, method=Written())
    assert (found.examples.n, found.examples.left_out) == (19, 2)
    assert "2 left out" in str(found)


@pytest.mark.parametrize(
    ("answers", "runs"),
    [
        (["cat"], [{0}, {3}]),
        (["the Cat!"], [{0}, {3}]),
        (["mat a dog"], [{0, 1}]),
        (["at"], []),
        (["dog", "cat"], [{0}, {1}, {3}]),
        (["dog sleeps cat"], []),
        ([""], []),
    ],
)
def test_runs_that_hold_an_answer(answers: list[str], runs: list[set[int]]) -> None:
    texts = ["The cat on the mat. ", "A dog ", "sleeps.", "(“Cat”)"]
    found = holding(texts, np.array([0, 0, 0, 1]), answers)
    assert found == [frozenset(run) for run in runs]


def test_runs_are_shortest() -> None:
    texts = ["a b", "c", "a b", "x", "b", "c"]
    groups = np.zeros(6, dtype=np.int32)
    assert holding(texts, groups, ["b c"]) == [frozenset({0, 1}), frozenset({4, 5})]


def test_scripts_without_spaces_are_compared_by_characters() -> None:
    assert holding(["東京は首都だ。"], np.zeros(1), ["首 都"]) == [frozenset({0})]
    assert holding(["पेरिस की राजधानी।"], np.zeros(1), ["राज"]) == []


def test_normalised_texts() -> None:
    assert normalised("The  Café—“Ｏne” co\u00adop a") == "café one coop"


# -- reports and files --------------------------------------------------------------------------


def test_a_check_counts_what_the_pruner_does() -> None:
    rows = [example(0.9, 0.1), example(0.4, 0.6), example(0.8, 0.7, 0.2), example(0.1, answer="-")]
    pruner = ContextPruner(method=Written(), threshold=0.5)
    found = check(rows, pruner)
    made = [pruner("q", row["chunks"]) for row in rows[:3]]
    assert (found.n, found.left_out, found.lost) == (3, 1, 1)
    share = sum(m.tokens for m in made) / sum(m.tokens_before for m in made)
    assert found.kept_share == pytest.approx(share)
    assert (found.low, found.high) == clopper_pearson(1, 3)
    assert found.risk == pytest.approx(1 / 3)


def test_where_nothing_is_kept_nothing_is_counted() -> None:
    found = check([example(0.4)], ContextPruner(method=Written(), threshold=0.5))
    assert (found.lost, found.kept_share, str(found)[:14]) == (1, 0.0, "threshold 0.5:")


def test_the_pruner_that_comes_out_has_the_threshold() -> None:
    rows = [example(0.5, 0.1), *[example(0.7, 0.2)] * 30]
    found = calibrate(rows, method=Written())
    assert found.pruner.threshold == found.threshold
    assert found.check(rows) == found.examples
    assert dp.ContextPruner(method=Written(), threshold=found.threshold) == found.pruner


def test_the_promise_says_what_it_is_and_what_it_is_not() -> None:
    rows = [example(0.5, 0.1)] * 60
    mean = calibrate(rows, method=Written()).promise
    assert "at most 5 %" in mean
    assert "on average" in mean
    assert "exchangeable" in mean
    sure = calibrate(rows, method=Written(), confidence=0.9).promise
    assert "With probability 0.9 or more" in sure
    assert "60 examples" in sure


WORDS = [
    {"query": f"Where is city{i}?", "chunks": [f"City{i} is in land{i}. Cats purr."],
     "answers": [f"land{i}"]}
    for i in range(50)
]  # fmt: skip


def test_saved_and_loaded_it_is_the_same(tmp_path: Path) -> None:
    pruner = ContextPruner(
        method="lexical", neighbours=1, pins=("title", "numbers"), on_empty="top1", price=1e-9
    )
    for confidence in (None, 0.9):
        found = calibrate(WORDS, method=pruner, confidence=confidence)
        found.save(tmp_path / "c.json", overwrite=True)
        again = Calibration.load(tmp_path / "c.json")
        assert again == found
        assert again.pruner.pins == ["title", "numbers"]
        assert again.check(WORDS) == found.examples
        assert again.promise == found.promise
    with pytest.raises(OutputError, match="exists"):
        found.save(tmp_path / "c.json")


def test_a_scorer_that_is_an_object_must_be_given_again(tmp_path: Path) -> None:
    found = calibrate([example(0.5, 0.1)] * 30, method=Written())
    path = tmp_path / "c.json"
    found.save(path)
    with pytest.raises(InputError, match="an object as method"):
        Calibration.load(path)
    again = Calibration.load(path, pruner=ContextPruner(method=Written()))
    assert again == found
    assert again.pruner == found.pruner
    with pytest.raises(InputError, match="differs in neighbours"):
        Calibration.load(path, pruner=ContextPruner(method=Written(), neighbours=1))
    with pytest.raises(InputError, match="differs in method"):
        Calibration.load(path, pruner=ContextPruner())
    with pytest.raises(InputError, match="limits of its own"):
        Calibration.load(path, pruner=ContextPruner(method=Written(), threshold=0.4))


@pytest.fixture(scope="module")
def written() -> dict[str, Any]:
    """What the file of a calibration holds."""
    return calibrate(WORDS, method="lexical").to_dict()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"kind": "other"}, "no calibration"),
        ({"version": 2}, "version 2"),
        ({"threshold": "x"}, "damaged"),
        ({"threshold": True}, "damaged"),
        ({"examples": {}}, "damaged"),
        ({"pruner": {"order": "upwards"}}, "cannot be used"),
        ({"pruner": {"surprise": 1}}, "cannot be used"),
        ({"pruner": None}, "damaged"),
    ],
)
def test_damaged_files_are_refused(
    tmp_path: Path, written: dict[str, Any], change: dict[str, Any], match: str
) -> None:
    path = tmp_path / "c.json"
    path.write_text(json.dumps({**written, **change}))
    with pytest.raises(FormatError, match=match):
        Calibration.load(path)


def test_files_that_are_none_of_ours(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        Calibration.load(tmp_path / "none.json")
    for text in ("{", "[]"):
        (tmp_path / "c.json").write_text(text)
        with pytest.raises(FormatError, match="no calibration"):
            Calibration.load(tmp_path / "c.json")


# -- bad input ----------------------------------------------------------------------------------


def test_too_few_examples_are_refused_with_the_number_that_is_needed() -> None:
    rows = [example(0.5, 0.1)] * 18
    with pytest.raises(InputError, match=r"18 examples are too few .* at least 19"):
        calibrate(rows, method=Written())
    with pytest.raises(InputError, match=r"\(1 more have their answer nowhere"):
        calibrate([*rows, example(0.5, answer="nowhere")], method=Written())
    with pytest.raises(InputError, match=r"confidence 0\.9.* at least 45"):
        calibrate(rows * 2, method=Written(), confidence=0.9)
    with pytest.raises(InputError, match="0 examples"):
        calibrate([], method=Written())


@pytest.mark.parametrize("level", [0, 1, 1.5, -0.1, True, "0.9", math.nan])
def test_levels_out_of_range_are_refused(level: Any) -> None:
    with pytest.raises(InputError, match="keep_answer"):
        calibrate(WORDS, keep_answer=level, method="lexical")
    with pytest.raises(InputError, match="confidence"):
        calibrate(WORDS, confidence=level, method="lexical")


@pytest.mark.parametrize(
    ("pruner", "match"),
    [
        (ContextPruner(budget="5 tokens"), "budget '5 tokens'"),
        (ContextPruner(threshold=0.1), r"threshold 0\.1"),
        (ContextPruner(on_empty="keep_all"), "keep_all"),
    ],
)
def test_settings_that_cannot_be_calibrated(pruner: ContextPruner, match: str) -> None:
    with pytest.raises(InputError, match=match):
        calibrate(WORDS, method=pruner)


def test_a_check_needs_a_threshold_and_an_answer() -> None:
    with pytest.raises(InputError, match="no threshold"):
        check(WORDS, ContextPruner())
    with pytest.raises(InputError, match="budget"):
        check(WORDS, ContextPruner(budget="9 tokens", threshold=0.1))
    with pytest.raises(InputError, match="none of the 1 examples"):
        check([example(0.1, answer="-")], ContextPruner(method=Written(), threshold=0.1))


@pytest.mark.filterwarnings("ignore:the scorer failed")
def test_a_scorer_that_fails_is_an_error() -> None:
    rows = [*[example(0.5, 0.1)] * 19, {"query": "q", "chunks": ["No score."], "answers": ["no"]}]
    with pytest.raises(ScoreError, match="example 19: "):
        calibrate(rows, method=Written())


GOOD = {"query": "q", "chunks": ["Some text."], "answers": ["text"]}


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"query": " "}, "has the query ' '"),
        ({"query": None}, "has the query None"),
        ({"chunks": [3]}, "example 0: chunk 0 is"),
        ({"answers": []}, 'neither "answers" nor "gold"'),
        ({"answers": "text"}, "answers is 'text'; give a list"),
        ({"answers": 3}, "give a list"),
        ({"answers": [3]}, "has the answer 3"),
        ({"gold": [[0, 1]]}, r"\[chunk, start, end\]"),
        ({"gold": [0]}, r"\[chunk, start, end\]"),
        ({"gold": [[0, 1.0, 2]]}, r"\[chunk, start, end\]"),
        ({"gold": [[True, 1, 2]]}, r"\[chunk, start, end\]"),
        ({"gold": [[1, 0, 2]]}, "names chunk 1, but there are 1"),
        ({"gold": [[-1, 0, 2]]}, "names chunk -1"),
        ({"gold": [[0, 0, 11]]}, "10 characters long"),
        ({"gold": [[0, 4, 5]]}, "not blank"),
        ({"gold": [[0, 5, 5]]}, "not blank"),
    ],
)
def test_examples_that_cannot_be_used(change: dict[str, Any], match: str) -> None:
    with pytest.raises(InputError, match=match):
        read_examples([{**GOOD, **change}])


@pytest.mark.parametrize("given", [3, {"query": "q"}])
def test_examples_are_a_list(given: Any) -> None:
    with pytest.raises(InputError, match="give a file of JSON lines"):
        read_examples(given)
    with pytest.raises(InputError, match="example 0 is a int"):
        read_examples([3])


def test_examples_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    lines = [{**GOOD, "answers": ["a\u2028b"]}, {**GOOD, "gold": [[0, 0, 4]], "id": 7}]
    path.write_text("\n\n".join(json.dumps(x, ensure_ascii=False) for x in lines), "utf-8")
    found = read_examples(path)
    assert found[0].answers == ("a\u2028b",)
    assert found[1].gold == ((0, 0, 4),)
    assert read_examples(str(path)) == found == read_examples(found)
    assert isinstance(found[0], Example)
    path.write_text(json.dumps(GOOD) + "\n{")
    with pytest.raises(InputError, match=r"line 2 of .*e\.jsonl is no JSON"):
        read_examples(path)
    with pytest.raises(InputError, match="cannot read the examples"):
        read_examples(tmp_path / "none.jsonl")


# -- real questions -----------------------------------------------------------------------------


def questions(name: str) -> list[dict[str, Any]]:
    """One question a passage, so that examples are about as good as drawn one by one."""
    named = os.environ.get("DATAPRUNER_DATA")
    beside = Path(__file__).resolve().parents[4] / "shared" / "data"
    path = (Path(named) if named else beside) / f"{name}.parquet"
    if not path.is_file():
        pytest.skip("the optional data sets are not here; DATAPRUNER_DATA names their folder")
    rows = pl.read_parquet(path).unique("context", keep="first", maintain_order=True)
    return [
        {"query": r["question"], "chunks": [r["context"]], "answers": r["answers"]}
        for r in rows.to_dicts()
    ]


@pytest.mark.data
@pytest.mark.parametrize("name", ["xquad/en", "squadshifts_newwiki/test"])
def test_on_real_questions_not_seen_the_promise_holds(name: str) -> None:
    rows = questions(name)[:240]
    rng = np.random.default_rng(0)
    risks, shares = [], []
    for _ in range(2):
        order = rng.permutation(len(rows))
        half = len(rows) // 2
        found = calibrate([rows[i] for i in order[:half]], keep_answer=0.9, method="lexical")
        seen = found.check([rows[i] for i in order[half:]])
        risks.append(seen.risk)
        shares.append(seen.kept_share)
    # The tests of the splits overlap, so the spread is that of one of them.
    assert np.mean(risks) <= 0.1 + 2 * math.sqrt(0.09 / half)
    assert np.mean(risks) > 0.03
    assert np.mean(shares) < 0.7
