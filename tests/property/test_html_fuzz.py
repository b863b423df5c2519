"""A few mutated pages in every run, ten thousand with ``make fuzz``; and that faults are seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fuzz.html import Hangs, check_again, no_longer_than, run
from fuzz.wellformed import faults, plain

from datapruner.context.html.prune import prune_html
from datapruner.context.html.result import PrunedHtml


def test_mutated_pages_break_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The same pages on every machine, whatever data sets it has; the slow run takes those, too.
    monkeypatch.setenv("DATAPRUNER_DATA", str(tmp_path))
    # Measuring coverage slows everything down several times; a hang takes far longer than this.
    assert run(100, seed=1, most_seconds=15.0) == []


@pytest.mark.slow
def test_ten_thousand_mutated_pages_break_nothing() -> None:
    assert run(10_000, seed=0) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("<p>a", "<p> is never closed"),
        ("<p><b>a</p></b>", "</p> closes nothing"),
        ("a</p>", "</p> closes nothing"),
        ('<p a="1" a="2">x</p>', "<p> has an attribute twice: ['a', 'a']"),
        ("<p hidden>x</p>", "<p> has an attribute without a value: [('hidden', None)]"),
        ("<p>a < b</p>", "1 bare angle brackets"),
        ("<!-- a -->", "a comment: ' a '"),
        ("<!DOCTYPE html>", "a declaration: 'DOCTYPE html'"),
        ("<?x?>", "an instruction: 'x?'"),
    ],
)
def test_what_is_not_well_formed_is_told(text: str, fault: str) -> None:
    assert fault in faults(text)


def test_well_formed_pages_have_no_faults_and_say_their_text() -> None:
    text = '<p a="b">x<br>&lt;<i>&amp;</i></p><textarea><b>y</b></textarea>'
    assert faults(text) == []
    assert plain(text) == "x<&y"


@pytest.mark.parametrize(
    ("text", "again", "told"),
    [
        ("<p>a</p>", "<p>b</p>", "another text"),
        ("<p>a</p>", "<p>a</p><p hidden>b</p>", "hidden content is left"),
    ],
)
def test_what_is_not_read_back_as_it_is_is_told(text: str, again: str, told: str) -> None:
    check_again(text, prune_html(text, budget="everything"))
    with pytest.raises(AssertionError, match=told):
        check_again(text, prune_html(again, budget="everything"))


def test_a_page_that_is_written_otherwise_again_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def changing(html: Any, *given: Any, **settings: Any) -> PrunedHtml:
        calls.append(html)
        page = f"<div><div>{'a' if len(calls) % 2 else '<b>a</b>'}</div></div>"
        return prune_html(page, *given, **settings)

    monkeypatch.setattr("fuzz.html.prune_html", changing)
    assert any("it is another page" in line for line in run(20, seed=5))


def _hang() -> None:
    while True:
        pass


def test_a_page_that_hangs_is_given_up() -> None:
    with pytest.raises(Hangs), no_longer_than(0.05):
        _hang()


def test_what_a_page_raises_is_a_line_of_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(page: bytes | str) -> None:
        raise ValueError(f"{type(page)} is no page")

    monkeypatch.setattr("fuzz.html.check_front", failing)
    assert [line.split(": ")[:2] for line in run(2, seed=5)] == [
        ["page 0 of seed 5", "ValueError"],
        ["page 1 of seed 5", "ValueError"],
    ]


def test_a_page_that_takes_too_long_is_a_line_of_the_report() -> None:
    lines = run(1, seed=5, most_seconds=1e-9)
    assert any(" took " in line or "Hangs" in line for line in lines)
