"""Training pairs as read from a file: what fits together, and what is said of what does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from unit.training import tiny

from datapruner.errors import FormatError, InputError
from datapruner.training.pairs import Pair, fingerprint, read_pairs

GOOD: dict[str, Any] = {
    "id": "one",
    "query": "who?",
    "passage": "It is old. Ada wrote it.",
    "sentences": [[0, 11], [11, 24]],
    "keep": [0, 1],
    "relevant": 1,
    "group": "mine",
}


def read_one(tmp_path: Path, **changes: Any) -> list[Pair]:
    row = {**GOOD, **changes}
    row = {key: value for key, value in row.items() if value is not ...}
    return read_pairs(tiny.write_rows(tmp_path / "pairs.jsonl", [row]))


def test_a_line_becomes_a_pair(tmp_path: Path) -> None:
    (pair,) = read_one(tmp_path)
    assert pair == Pair(
        "one", "who?", "It is old. Ada wrote it.", ((0, 11), (11, 24)), (0, 1), 1, "mine"
    )


def test_what_may_be_left_out_is_filled_in(tmp_path: Path) -> None:
    (pair,) = read_one(tmp_path, id=..., relevant=..., group=...)
    assert (pair.id, pair.relevant, pair.group) == ("1", 1, "")
    (pair,) = read_one(tmp_path, relevant=..., keep=[0, 0])
    assert pair.relevant == 0


def test_blank_lines_are_no_pairs(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text("\n" + json.dumps(GOOD) + "\n  \n", "utf-8")
    assert len(read_pairs(path)) == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"query": "  "}, "query is blank"),
        ({"query": 3}, "query is a int"),
        ({"passage": None}, "passage is a NoneType"),
        ({"sentences": []}, "sentences is empty"),
        ({"sentences": "0-11"}, "must be a list"),
        ({"sentences": [[0, 11], [11]]}, "must be a list"),
        ({"sentences": [[0, 11], [11, 24.5]]}, "must be a list"),
        ({"sentences": [[0, 11], [11, True]]}, "must be a list"),
        ({"sentences": [[0, 11], [10, 24]]}, "sentence [10, 24] is empty, out of order"),
        ({"sentences": [[0, 0], [11, 24]]}, "sentence [0, 0]"),
        ({"sentences": [[0, 11], [11, 25]]}, "outside the passage of 24 characters"),
        ({"sentences": [[-1, 11], [11, 24]]}, "sentence [-1, 11]"),
        ({"keep": [1]}, "keep has 1 labels for 2 sentences"),
        ({"keep": 1}, "keep is a int"),
        ({"keep": [0, 2]}, "keep is [0, 2]"),
        ({"keep": [0, True]}, "labels are 0 or 1"),
        ({"keep": [0, "1"]}, "labels are 0 or 1"),
        ({"relevant": 2}, "relevant is 2"),
        ({"relevant": False}, "relevant is False"),
        ({"relevant": 0}, "a sentence is kept but relevant is 0"),
    ],
)
def test_a_pair_that_contradicts_itself_is_named(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError) as caught:
        read_one(tmp_path, **changes)
    assert said in str(caught.value)
    assert "pairs.jsonl, line 1: pair 'one'" in str(caught.value)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "no JSON"),
        ("[1]", "a list; each line is one JSON object"),
        ('{"text": "a", "label": 1}', "query, passage, sentences, keep missing"),
        (json.dumps({**GOOD, "pasage": "x"}), "unknown key 'pasage'. Did you mean \"passage\"?"),
    ],
)
def test_a_file_of_another_schema_is_refused(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text(json.dumps(GOOD) + "\n" + line + "\n", "utf-8")
    with pytest.raises(FormatError) as caught:
        read_pairs(path)
    assert said in str(caught.value)
    assert "line 2" in str(caught.value)


def test_an_id_stands_once(tmp_path: Path) -> None:
    path = tiny.write_rows(tmp_path / "pairs.jsonl", [GOOD, {**GOOD, "query": "what?"}])
    with pytest.raises(InputError, match="line 2: id 'one' stands in line 1 too"):
        read_pairs(path)


def test_a_file_must_be_there_and_hold_something(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a file"):
        read_pairs(tmp_path / "none.jsonl")
    (tmp_path / "empty.jsonl").write_text("\n", "utf-8")
    with pytest.raises(InputError, match="holds no pairs"):
        read_pairs(tmp_path / "empty.jsonl")


def test_the_fingerprint_knows_pairs_and_not_their_order(tmp_path: Path) -> None:
    pairs = read_pairs(tiny.write_rows(tmp_path / "pairs.jsonl", tiny.rows(5)))
    assert fingerprint(pairs) == fingerprint(pairs[::-1])
    assert fingerprint(pairs) != fingerprint(pairs[1:])
    assert len(fingerprint(pairs)) == 16
