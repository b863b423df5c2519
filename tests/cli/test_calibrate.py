"""``datapruner calibrate``: a threshold, what is promised of it, and how it did on other rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli.shell import Inside, write_jsonl

import datapruner as dp
from datapruner.context.calibration import Calibration
from datapruner.context.examples import read_examples, split_examples

RUN = ("calibrate", "examples.jsonl", "--keep-answer", "0.9")
PLACES = [f"city{number}" for number in range(60)]


def example(place: str) -> dict[str, Any]:
    text = f"Cats purr. {place.title()} is in land{place[4:]}. Dogs bark."
    return {"query": f"Where is {place}?", "chunks": [text], "answers": [f"land{place[4:]}"]}


@pytest.fixture(autouse=True)
def examples(tmp_path: Path) -> list[dict[str, Any]]:
    rows = [example(place) for place in PLACES]
    write_jsonl(tmp_path / "examples.jsonl", rows)
    return rows


def test_the_threshold_and_the_promise_go_to_stdout(
    shell: Inside, examples: list[dict[str, Any]]
) -> None:
    done = shell.ok(*RUN)
    found = dp.calibrate(examples, keep_answer=0.9)
    assert done.out.splitlines()[0] == f"threshold {found.threshold!r}"
    assert found.promise in done.out
    assert f"  {found.examples}" in done.out
    assert "held out" not in done.out
    assert not done.err


def test_the_file_holds_what_the_library_reads(shell: Inside) -> None:
    done = shell.ok(*RUN, "--out", "found.json", "--neighbours", "1", "--pin", "numbers")
    assert "found.json" in done.err
    loaded = Calibration.load(shell.folder / "found.json")
    assert done.out.startswith(f"threshold {loaded.threshold!r}\n")
    assert (loaded.pruner.neighbours, loaded.pruner.pins) == (1, ["numbers"])
    assert "found.json exists" in shell.refused(*RUN, "--out", "found.json")
    shell.ok(*RUN, "--out", "found.json", "--overwrite", "--quiet")
    assert Calibration.load(shell.folder / "found.json").pruner.neighbours == 0


def test_held_out_rows_are_reported_and_not_chosen_by(
    shell: Inside, examples: list[dict[str, Any]]
) -> None:
    done = shell.ok(*RUN, "--held-out", "50%", "--seed", "3", "--json")
    plain = json.loads(done.out)
    chosen_by, others = split_examples(read_examples(examples), 0.5, seed=3)
    found = dp.calibrate(chosen_by, keep_answer=0.9)
    assert plain["threshold"] == found.threshold
    assert plain["examples"]["n"] == plain["held_out"]["n"] == 30
    assert plain["held_out"]["kept_share"] == found.check(others).kept_share
    told = shell.ok(*RUN, "--held-out", "0.5", "--seed", "3").out
    assert f"on those held out:\n  {found.check(others)}" in told


def test_a_confidence_asks_for_more_and_says_so(shell: Inside) -> None:
    told = shell.ok(*RUN, "--confidence", "0.9").out
    assert "With probability 0.9 or more" in told
    assert json.loads(shell.ok(*RUN, "--json").out)["held_out"] is None


def test_flags_may_stand_in_a_file(shell: Inside) -> None:
    (shell.folder / "c.toml").write_text('keep_answer = 0.8\nheld_out = "25%"\n')
    plain = json.loads(shell.ok("calibrate", "examples.jsonl", "--config", "c.toml", "--json").out)
    assert (plain["keep_answer"], plain["held_out"]["n"]) == (0.8, 15)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (("--keep-answer", "0.999"), "60 examples are too few to promise 0.999"),
        (("--keep-answer", "95"), "keep_answer is 95"),
        (("--confidence", "1"), "confidence is 1"),
        (("--held-out", "half"), "held_out is 'half'"),
        (("--held-out", "0"), "more than none"),
        (("--held-out", "100%"), "less than all"),
        (("--held-out", "90%"), "6 examples are too few"),
        (("--method", "prototypes"), "is for data sets"),
        (("--method", "lexicl"), 'Did you mean "lexical"?'),
        (("--on-empty", "keep_all"), 'on_empty is "keep_all"'),
        (("--pin", "nombers"), "nombers"),
        (("--out", "-"), "--json"),
        (("--out", "examples.jsonl", "--overwrite"), "examples.jsonl is the input"),
        (("--out", "no/found.json"), "no folder"),
    ],
)
def test_what_the_user_can_mend_is_told_in_one_line(
    shell: Inside, more: tuple[str, ...], why: str
) -> None:
    assert why in shell.refused(*RUN, *more)
    assert {path.name for path in shell.folder.iterdir()} == {"examples.jsonl"}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "line 61 of examples.jsonl is no JSON"),
        ('{"query": "Who?", "chunks": ["A."]}', "line 61 of examples.jsonl"),
        ('["Who?"]', "line 61 of examples.jsonl"),
    ],
)
def test_a_bad_example_is_named_by_its_line(shell: Inside, line: str, why: str) -> None:
    with (shell.folder / "examples.jsonl").open("a") as file:
        file.write(line)
    assert why in shell.refused(*RUN)


def test_a_file_that_is_not_there_is_said(shell: Inside) -> None:
    assert "none.jsonl" in shell.refused("calibrate", "none.jsonl")


def test_parts_are_drawn_by_what_examples_are_and_not_by_their_places(
    examples: list[dict[str, Any]],
) -> None:
    given = read_examples(examples)
    first, second = split_examples(given, 0.29)
    assert (len(first), len(second)) == (43, 17)
    assert [one for one in given if one in second] == second
    assert [one for one in given if one in first] == first
    back = split_examples(given[::-1], 0.29)[1]
    assert {one.query for one in back} == {one.query for one in second}
    assert {one.query for one in split_examples(given, 0.29, seed=1)[1]} != {
        one.query for one in second
    }
    assert split_examples(given, 0.0) == (given, [])
    assert split_examples(given, 1.0) == ([], given)
    assert split_examples([], 0.5) == ([], [])
