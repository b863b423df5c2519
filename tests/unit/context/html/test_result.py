"""PrunedHtml: what it tells of every block, and that its paths lead where they say."""

from __future__ import annotations

import json

import lxml.html
import pytest

from datapruner.context.html.prune import prune_html
from datapruner.context.html.result import PrunedHtml
from datapruner.errors import InputError

PAGE = (
    "<html><body><div><div><h1>Trees</h1><p>Oaks are <i>hard</i> and old as anything.</p></div>"
    "</div><p hidden>Buy now</p><p>Elms are tall trees with many leaves.</p>own text here</body>"
)


@pytest.fixture
def made() -> PrunedHtml:
    return prune_html(
        {"html": PAGE, "source": "trees.html"}, "oaks", budget="46 tokens", block_tokens=8
    )


def test_kept_and_dropped_are_all_blocks_in_document_order(made: PrunedHtml) -> None:
    assert [(b.kind, b.text, b.reason) for b in made.kept] == [
        ("heading", "Trees", "ancestor"),
        ("block", "Oaks are hard and old as anything.", "admitted"),
    ]
    assert [(b.kind, b.text, b.reason) for b in made.dropped] == [
        ("block", "Elms are tall trees with many leaves.", "cost"),
        ("own_text", "own text here", "cost"),
    ]
    indexes = sorted(b.index for b in (*made.kept, *made.dropped))
    assert len(set(indexes)) == 4
    assert {b.source for b in made.kept} == {"trees.html"}


def test_xpaths_lead_to_the_text_in_the_page_as_parsed(made: PrunedHtml) -> None:
    page = lxml.html.document_fromstring(PAGE)
    for block in (*made.kept, *made.dropped):
        (found,) = page.xpath(block.xpath)
        assert block.text in " ".join(found.text_content().split())
    assert made.kept[1].xpath == "/html/body/div/div/p"


def test_the_report_tells_what_was_hidden_and_where(made: PrunedHtml) -> None:
    assert [(part.path, part.text) for part in made.removed] == [("/html/body/p[1]", "Buy now")]
    assert made.to_dict()["removed"][0]["rule"] == "hidden attribute"


def test_a_round_trip_through_json_changes_nothing(made: PrunedHtml) -> None:
    told = made.to_dict()
    assert json.loads(json.dumps(told)) == told
    assert told["text"] == made.text
    assert told["method"] == "lexical"
    assert told["budget"] == "46 tokens"
    assert told["tokens_before"] > told["tokens"]


def test_the_frame_has_a_row_a_block(made: PrunedHtml) -> None:
    frame = made.to_frame()
    assert frame["kept"].to_list() == [True, True, False, False]
    assert frame["index"].to_list() == sorted(frame["index"].to_list())
    assert prune_html([], "q", budget="3 tokens").to_frame().shape == (0, 10)


def test_explain_has_a_line_a_block_and_a_story_for_one(made: PrunedHtml) -> None:
    lines = made.explain().splitlines()
    assert lines[0] == f"{made.tokens} of {made.tokens_before} tokens (words)"
    assert sum(line.startswith("+ ") for line in lines) == 2
    assert sum(line.startswith("- ") for line in lines) == 2
    assert any(line.startswith("hidden: /html/body/p[1] (hidden attribute)") for line in lines)
    story = made.explain(made.kept[1].index)
    assert "/html/body/div/div/p" in story.splitlines()[0]
    assert "Oaks are hard" in story


@pytest.mark.parametrize("index", [-1, 0, 999, "x"])
def test_explaining_a_block_that_is_none_names_some_that_are(
    made: PrunedHtml, index: object
) -> None:
    with pytest.raises(InputError, match=f"there is no block {index!r}"):
        made.explain(index)  # type: ignore[arg-type]


def test_it_says_in_a_line_what_became_of_the_page(made: PrunedHtml) -> None:
    assert repr(made) == f"PrunedHtml({made.tokens} tokens, 1 of 3 blocks, hidden)"
    assert repr(prune_html("", "q")) == "PrunedHtml(0 tokens, 0 of 0 blocks, empty)"
