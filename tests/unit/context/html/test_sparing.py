"""Large pages keep only the attributes that are read, and are pruned as if they had kept all."""

from __future__ import annotations

import pytest

from datapruner.context.html import parse as parsing
from datapruner.context.html.build import SparingBuilder
from datapruner.context.html.parse import parse
from datapruner.context.html.prune import HtmlPruner

PART = (
    b'<ol start="3" data-x="y"><li class="item" id="a" title="t"><a class="item" href="/x">one '
    b'price</a></li></ol><p style="display:none" onclick="f()">hidden</p><div class="note" '
    b'data-k="v">seen <b lang="de">zwei</b></div><style>.note{visibility:hidden}</style>'
)


def large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsing, "_LARGE", 1)


def test_only_named_attributes_stay_and_equal_ones_are_one_mapping() -> None:
    builder = SparingBuilder({"class", "id"})
    builder.start("html", {})
    for number in range(3):
        builder.start("p", {"class": "a", "href": f"/{number}"})
        builder.end("p")
    builder.start("p", {"href": "/"})
    tree = builder.close().tree()
    assert [dict(held or {}) for held in tree.attributes] == [{}, *[{"class": "a"}] * 3, {}]
    assert tree.attributes[1] is tree.attributes[2] is tree.attributes[3]


def test_small_pages_keep_all(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = parse(PART)
    assert parse(PART, attributes=("id",)).tree.attributes == whole.tree.attributes
    large(monkeypatch)
    assert parse(PART).tree.attributes == whole.tree.attributes
    held = [set(given or ()) for given in parse(PART, attributes=("id",)).tree.attributes]
    assert {"id"} in held
    assert all(names <= {"id"} for names in held)


@pytest.mark.parametrize("keep", [(), ("href", "title"), ("class",)])
@pytest.mark.parametrize("level", ["lossless", "minimal", "text"])
@pytest.mark.parametrize("query", ["the price", ""])
def test_the_result_is_that_of_all_attributes(
    monkeypatch: pytest.MonkeyPatch, level: str, keep: tuple[str, ...], query: str
) -> None:
    pruner = HtmlPruner(budget="12 words", level=level, keep=keep)
    before = pruner(PART * 5, query)
    large(monkeypatch)
    after = pruner(PART * 5, query)
    assert after.text == before.text != ""
    assert [repr(part) for part in after.removed] == [repr(part) for part in before.removed]
