"""The query-free scorer: prose over boilerplate, pages apart, no company that matters."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datapruner.context.html.prune import HtmlPruner
from datapruner.core.items import Items
from datapruner.errors import MissingColumnError
from datapruner.scorers.maincontent import MainContent, lifted
from datapruner.scorers.mainfeatures import (
    FIRST,
    SECOND,
    around,
    first_features,
    second_features,
)
from datapruner.scorers.mainweights import FIRST_WEIGHTS, SECOND_WEIGHTS
from datapruner.scorers.marks import NAMED, TAGGED, Marks, bits_of

PROSE = (
    "The harbour was closed for three days after the storm, and the ferries stayed in port until "
    "the coast guard had searched the channel. Nobody was hurt, the mayor said on Tuesday."
)
PAGE = f"""<html><body>
<nav class="menu"><ul><li><a href="/">Home</a></li><li><a href="/s">Sport</a></li>
<li><a href="/w">Weather</a></li></ul></nav>
<article class="article-body"><h1>Ferries wait out the storm</h1>
<p>{PROSE}</p><p>{PROSE.replace("harbour", "airport")}</p><p>{PROSE.replace("storm", "flood")}</p>
</article>
<aside class="related"><h3>Read more</h3><ul><li><a href="/1">Ten islands to see</a></li>
<li><a href="/2">A castle for sale</a></li></ul></aside>
<div class="newsletter-signup">Subscribe to our newsletter</div>
<footer class="footer">Copyright 2020 <a href="/imprint">Imprint</a></footer></body></html>"""


def items_of(texts: list[str], marks: Marks | None = None, page: list[int] | None = None) -> Items:
    group = np.array(page or [0] * len(texts), dtype=np.int32)
    names = [str(code) for code in range(int(group.max(initial=0)) + 1)]
    extra = {} if marks is None else {"marks": marks}
    return Items.of(len(texts), group=group, group_names=names, text=texts, **extra)


def marks_of(page: list[int], bits: int = 0, linked: float = 0.0) -> Marks:
    found = Marks.none(np.array(page, dtype=np.int64))
    n = len(page)
    return replace(found, bits=np.full(n, bits, dtype=np.int64), linked=np.full(n, linked))


def test_the_article_stays_and_its_frame_goes() -> None:
    made = HtmlPruner(method="main", block_tokens=32, to="text")(PAGE)
    assert made.text.count("ferries stayed in port") == 3
    for boilerplate in ("Weather", "castle", "Subscribe", "Imprint"):
        assert boilerplate not in made.text


def test_a_page_without_a_query_is_pruned_to_its_main_content() -> None:
    by_default = HtmlPruner(block_tokens=32)(PAGE)
    assert by_default.text == HtmlPruner(method="main", block_tokens=32)(PAGE).text


def test_a_budget_takes_the_article_first() -> None:
    made = HtmlPruner(method="main", block_tokens=32, to="text", budget="70 tokens", fill="stop")(
        PAGE
    )
    assert "ferries stayed in port" in made.text
    assert "Weather" not in made.text


def test_even_a_page_of_links_has_a_main_part() -> None:
    scores = MainContent()(items_of(["Home", "Imprint"], marks_of([0, 0], 1, 1.0)))
    assert scores.values.max() > 0.5


def test_scores_are_chances() -> None:
    scores = MainContent()(items_of([PROSE, "Home", "", "x" * 10_000]))
    assert ((scores.values > 0) & (scores.values < 1)).all()


def test_prose_is_ahead_of_a_row_of_links() -> None:
    kinds = np.array([bits_of("ul", "")] * 3 + [bits_of("p", "")] * 3)
    linked = np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])
    container = np.array([1, 1, 1, 2, 2, 2])
    marks = replace(marks_of([0] * 6), bits=kinds, linked=linked, container=container)
    values = MainContent()(items_of(["Home", "Sport", "Weather", *[PROSE] * 3], marks)).values
    assert values[3:].min() > values[:3].max()


def test_nothing_has_no_scores() -> None:
    assert MainContent()(items_of([])).values.shape == (0,)


def test_a_missing_column_is_named() -> None:
    with pytest.raises(MissingColumnError, match="text"):
        MainContent()(Items.of(2))


def test_the_query_and_the_seed_change_nothing() -> None:
    items = items_of([PROSE, "Home", PROSE])
    plain = MainContent()(items).values
    assert (MainContent()(items, query="storm?", seed=7).values == plain).all()


@given(st.lists(st.sampled_from([PROSE, "Home", "Read more", "12:30", "", "好的。"]), min_size=1))
def test_a_page_knows_nothing_of_the_others(texts: list[str]) -> None:
    alone = MainContent()(items_of(texts)).values
    both = items_of([*texts, PROSE, "Menu"], page=[0] * len(texts) + [1, 1])
    np.testing.assert_allclose(MainContent()(both).values[: len(texts)], alone, atol=1e-9)


def test_pages_may_come_in_any_order() -> None:
    texts = ["Home", PROSE, "Menu", PROSE + " Yes."]
    apart = MainContent()(items_of(texts, page=[0, 1, 0, 1])).values
    sorted_ = MainContent()(items_of([texts[i] for i in (0, 2, 1, 3)], page=[0, 0, 1, 1])).values
    np.testing.assert_allclose(apart[[0, 2, 1, 3]], sorted_, atol=1e-9)


@pytest.mark.parametrize(
    ("odds", "page", "expected"),
    [
        ([-3.0, -2.0], [0, 0], [0.0, 1.0]),
        ([-3.0, 2.0], [0, 0], [-3.0, 2.0]),
        ([-3.0, 2.0, -1.0], [0, 0, 4], [-3.0, 2.0, 1.0]),
        ([], [], []),
    ],
)
def test_only_unlikely_pages_are_lifted(
    odds: list[float], page: list[int], expected: list[float]
) -> None:
    found = lifted(np.array(odds), np.array(page, dtype=np.int64))
    assert found.tolist() == expected


def test_every_column_has_a_weight_and_every_weight_a_column() -> None:
    assert list(FIRST_WEIGHTS) == [*FIRST, "constant"]
    assert list(SECOND_WEIGHTS) == [*SECOND, "constant"]
    marks = marks_of([0, 0])
    section = np.zeros(2, dtype=np.int64)
    first = first_features([PROSE, "Home"], marks, section)
    assert first.shape == (2, len(FIRST))
    assert second_features(first[:, 0], [PROSE, "Home"], marks, section).shape == (2, len(SECOND))
    assert np.isfinite(first).all()


def test_features_of_a_text_are_what_they_say() -> None:
    text = "In 2020, Paris was warm."
    row = dict(zip(FIRST, first_features([text], marks_of([0]), np.zeros(1, int))[0], strict=True))
    assert row["words"] == pytest.approx(np.log1p(5))
    assert row["few words"] == 0.5
    assert row["stops"] == pytest.approx(1 / 5)
    assert row["commas"] == pytest.approx(1 / 5)
    assert row["digits"] == pytest.approx(4 / 5)
    assert row["capitals"] == pytest.approx(2 / 5)
    assert row["ends"] == 1
    assert row["place"] == pytest.approx(0.5)
    assert row["repeated"] == 0
    assert row["prose within 3"] == 0


@given(
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 50), st.integers(0, 2)), max_size=12),
    st.integers(1, 4),
)
def test_neighbours_are_averaged_within_their_page(
    rows: list[tuple[float, int, int]], width: int
) -> None:
    rows = sorted(rows, key=lambda row: row[2])
    values, words = (np.array([row[k] for row in rows], dtype=float) for k in (0, 1))
    page = np.array([row[2] for row in rows], dtype=np.int64)
    found = around(values, words, page, width)
    for i in range(len(rows)):
        near = [
            j
            for j in range(max(i - width, 0), min(i + width + 1, len(rows)))
            if j != i and page[j] == page[i]
        ]
        weights = [np.sqrt(words[j] + 1) for j in near]
        expected = np.average(values[near], weights=weights) if near else 0.0
        assert found[i] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("tag", "names", "expected"),
    [
        ("nav", "", {"nav"}),
        ("div", "", set()),
        ("div", "Comment-List", {".comment"}),
        ("p", "article-body", {"paragraph", ".body"}),
        ("div", "gradient", set()),
        ("div", "ad-slot", {".outside"}),
        ("ul", "social menu", {"list", ".share", ".chrome"}),
    ],
)
def test_bits_name_tags_and_classes(tag: str, names: str, expected: set[str]) -> None:
    known = [name for name, _ in TAGGED] + [f".{name}" for name, _ in NAMED]
    bits = bits_of(tag, names)
    assert {name for place, name in enumerate(known) if bits >> place & 1} == expected
