"""The query-free scorer: prose over boilerplate, pages apart, no company that matters."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datapruner.context.html.prune import HtmlPruner
from datapruner.core.items import Items
from datapruner.errors import FormatError, MissingColumnError
from datapruner.scorers.maincontent import TREES, MainContent, lifted
from datapruner.scorers.mainfeatures import FIRST, Sheet, first_features
from datapruner.scorers.mainsecond import SECOND, second_features
from datapruner.scorers.mainsums import Inside, around, shifted, together
from datapruner.scorers.maintrees import Trees
from datapruner.scorers.mainweights import FIRST_WEIGHTS
from datapruner.scorers.marks import CUES, FAR, Marks, Outline, bits_of

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
    linked = np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])
    marks = replace(marks_of([0] * 6), linked=linked)
    values = MainContent()(items_of(["Home", "Sport", "Weather", *[PROSE] * 3], marks)).values
    assert values[3:].min() > values[:3].max()


REMARK = "I was in that port, and nobody told us for how long we would have to wait. Never again!"
COMMENT = f"""<li class="comment"><div class="comment-author">Jo</div>
<div class="comment-meta">12 May 2020</div>
<div class="comment-body"><p>{REMARK}</p><p>{REMARK[:50]}</p></div>
<a href="/r">Reply</a></li>"""
COMMENTS = f"""<section id="comments"><h2>Comments</h2><ol class="comment-list">{COMMENT * 3}</ol>
</section>"""


def test_comments_are_not_the_article() -> None:
    page = PAGE.replace("</article>", f"</article>{COMMENTS}")
    made = HtmlPruner(method="main", to="text")(page)
    assert made.text.count("ferries stayed in port") == 3
    assert "Never again" not in made.text


def test_what_a_page_is_wrapped_in_says_nothing_of_its_parts() -> None:
    wrapped = PAGE.replace("<body>", '<body><div class="has-sidebar comment">')
    made = HtmlPruner(to="text")(wrapped.replace("</body>", "</div></body>"))
    assert made.text.count("ferries stayed in port") == 3
    assert "Weather" not in made.text


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
    both = items_of([PROSE, "Menu", *texts], page=[0, 0] + [1] * len(texts))
    assert MainContent()(both).values[2:].tolist() == alone.tolist()


def test_pages_with_markup_know_nothing_of_each_other() -> None:
    alone = HtmlPruner(to="text")(PAGE).selection.scores.values
    both = HtmlPruner(to="text")([COMMENTS, PAGE]).selection.scores.values
    mine = both[-alone.size :]
    # Rows that are no candidates have the lowest score of the call.
    assert mine[mine > both.min()].tolist() == alone[alone > both.min()].tolist()


def test_pages_may_come_in_any_order() -> None:
    texts = ["Home", PROSE, "Menu", PROSE + " Yes."]
    apart = MainContent()(items_of(texts, page=[0, 1, 0, 1])).values
    sorted_ = MainContent()(items_of([texts[i] for i in (0, 2, 1, 3)], page=[0, 0, 1, 1])).values
    assert apart[[0, 2, 1, 3]].tolist() == sorted_.tolist()


@pytest.mark.parametrize(
    ("odds", "expected"),
    [([-3.0, -2.0], [0.0, 1.0]), ([-3.0, 2.0], [-3.0, 2.0]), ([-1.0], [1.0]), ([], [])],
)
def test_only_unlikely_pages_are_lifted(odds: list[float], expected: list[float]) -> None:
    assert lifted(np.array(odds)).tolist() == expected


def sheet_of(texts: list[str], marks: Marks | None = None, title: str = "") -> Sheet:
    n = len(texts)
    section = np.zeros(n, dtype=np.int64)
    return Sheet(texts, [title] * n, marks_of([0] * n) if marks is None else marks, section)


def test_every_column_has_a_weight_and_every_weight_a_column() -> None:
    assert list(FIRST_WEIGHTS) == [*FIRST, "constant"]
    sheet = sheet_of([PROSE, "Home"])
    first = first_features(sheet)
    assert first.whole().shape == (2, len(FIRST)) == (2, len(set(FIRST)))
    second = second_features(np.array([0.9, 0.1]), sheet, first).whole()
    assert second.shape == (2, len(SECOND)) == (2, len(set(SECOND)))
    assert np.isfinite(second).all()
    trees = Trees.load(TREES)
    assert 0 <= trees.feature.min() <= trees.feature.max() < len(SECOND)


def test_trees_are_read_from_the_root_to_a_leaf(tmp_path: Path) -> None:
    inf = np.inf
    trees = Trees(
        np.array([[0, 0, 0], [1, 0, 0]], dtype=np.int16),
        np.array([[0.5, inf, inf], [2.0, inf, inf]], dtype=np.float32),
        np.array([[1, 1, 2], [1, 1, 2]], dtype=np.int16),
        np.array([[2, 1, 2], [2, 1, 2]], dtype=np.int16),
        np.array([[0, -1, 1], [0, -10, 10]], dtype=np.float32),
        np.array(1),
        np.array(100.0),
    )
    rows = np.array([[0.5, 2.0], [0.6, 2.0], [0.5, 2.1], [0.6, 3.0]], dtype=np.float32)
    assert trees.log_odds(rows).tolist() == [89.0, 91.0, 109.0, 111.0]
    assert trees.log_odds(np.tile(rows, (2000, 1))).tolist() == [89.0, 91.0, 109.0, 111.0] * 2000
    np.savez(tmp_path / "trees.npz", **vars(trees))
    again = Trees.load(tmp_path / "trees.npz")
    assert again.log_odds(rows).tolist() == trees.log_odds(rows).tolist()
    np.savez(tmp_path / "other.npz", feature=trees.feature)
    with pytest.raises(FormatError, match=r"other.npz holds \['feature'\]"):
        Trees.load(tmp_path / "other.npz")


def test_the_weights_are_small_enough_to_ship() -> None:
    assert TREES.stat().st_size < 300_000


def features_of(
    texts: list[str], marks: Marks | None = None, title: str = ""
) -> list[dict[str, float]]:
    columns = first_features(sheet_of(texts, marks, title)).whole().tolist()
    return [dict(zip(FIRST, row, strict=True)) for row in columns]


def test_features_of_a_text_are_what_they_say() -> None:
    (row,) = features_of(["In 2020, Paris was warm."], title="City > Read more")
    expected = {
        "words": 5,
        "stops": 1 / 5,
        "commas": 1 / 5,
        "digits": 4 / 5,
        "capitals": 2 / 5,
        "ends": 1,
        "dated": 1,
        "lower": 0,
        "quoted": 0,
        "phrases": 0,
        "place": 0.5,
        "repeated": 0,
        "is part": 0,
        "run words": 5,
        "headings": 1,
        "heading phrase": 1,
        "titled": 0,
        "prose within 3": 0,
        "far main": FAR,
        "scope main": 1,
    }
    assert {name: row[name] for name in expected} == pytest.approx(expected)


def test_phrases_of_the_frame_are_counted() -> None:
    rows = features_of(["Subscribe to our newsletter", "“Ships sail.”", "and ships", "and ships"])
    assert [row["phrases"] > 0 for row in rows] == [True, False, False, False]
    assert [row["quoted"] for row in rows] == [0, 1, 0, 0]
    assert [row["lower"] for row in rows] == [0, 0, 1, 1]
    assert [row["repeated"] for row in rows] == [0, 0, 1, 1]


def test_parts_of_a_run_know_the_whole_of_it() -> None:
    marks = replace(
        marks_of([0] * 3), run=np.array([4, 4, 7]), whole=np.array([False, False, True])
    )
    rows = features_of(["One two three.", "Four.", "Five six."], marks)
    assert [row["run words"] for row in rows] == [4, 4, 2]
    assert [row["run stops"] for row in rows] == [2, 2, 1]
    assert [row["is part"] for row in rows] == [1, 1, 0]


def outline(parents: list[int]) -> Outline:
    ends = list(range(1, len(parents) + 1))
    for row in range(len(parents) - 1, 0, -1):
        ends[parents[row]] = max(ends[parents[row]], ends[row])
    none = np.zeros(0, dtype=np.int64)
    return Outline(np.array(parents, dtype=np.int64), np.array(ends, dtype=np.int64), none)


def test_elements_hold_the_rows_inside_them() -> None:
    # 0 > (1 > (2, 3), 4 > 5); text directly in 1, then the whole of 2, 3 and 5.
    inside = Inside(
        outline([0, 0, 1, 1, 0, 4]),
        np.array([1, 2, 3, 5]),
        np.array([False, True, True, True]),
    )
    assert [up.tolist() for up in inside.up] == [[1, 1, 1, 4], [0] * 4, [0] * 4]
    assert inside.sums(np.array([1.0, 2.0, 4.0, 8.0])).tolist() == [15, 7, 2, 4, 8, 8]
    assert inside.holds(1).tolist() == [True, True, True, False]
    assert inside.lifted(np.ones(4)).tolist() == [2, 3, 0, 0, 1, 0]
    assert inside.highest(np.arange(6.0)).tolist() == [1, 1, 1, 4]


def test_sums_and_shifts() -> None:
    values = np.array([1.0, 2.0, 4.0])
    assert together(values, np.array([0, 1, 0])).tolist() == [5, 2, 5]
    before, after = shifted(values)
    assert (before.tolist(), after.tolist()) == ([0, 1, 2], [2, 4, 0])


def test_a_row_between_sure_ones_knows_it() -> None:
    texts = [PROSE, "Yes.", PROSE, "Home", "Imprint"]
    sheet = sheet_of(texts)
    chance = np.array([0.9, 0.2, 0.9, 0.1, 0.1])
    columns = second_features(chance, sheet, first_features(sheet)).whole().tolist()
    rows = [dict(zip(SECOND, row, strict=True)) for row in columns]
    assert [row["between (1)"] for row in rows] == pytest.approx([0, 0.9, 0.1, 0.1, 0])
    assert [row["to next sure (1)"] for row in rows] == [0, 1, 0, 99, 99]
    assert [row["from last sure (1)"] for row in rows] == [0, 1, 0, 1, 2]
    assert rows[0]["part before (1)"] == 0
    assert rows[4]["part after (1)"] == pytest.approx(0, abs=1e-6)


@given(
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 50)), max_size=12),
    st.integers(1, 4),
)
def test_neighbours_are_averaged(rows: list[tuple[float, int]], width: int) -> None:
    values, words = (np.array([row[k] for row in rows], dtype=float) for k in (0, 1))
    found = around(values, words, width)
    for i in range(len(rows)):
        near = [j for j in range(max(i - width, 0), min(i + width + 1, len(rows))) if j != i]
        weights = [np.sqrt(words[j] + 1) for j in near]
        expected = np.average(values[near], weights=weights) if near else 0.0
        assert found[i] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("tag", "names", "expected"),
    [
        ("nav", "", {"nav"}),
        ("div", "", set()),
        ("div", "Comment-List", {".comment", ".list"}),
        ("p", "article-body", {"paragraph", ".article", ".text", ".article text"}),
        ("div", "entryContent", {".article", ".text", ".article text"}),
        ("div", "gradient", set()),
        ("div", "ad-slot", {".outside"}),
        ("ul", "social menu", {"list", ".share", ".menu"}),
    ],
)
def test_bits_name_tags_and_classes(tag: str, names: str, expected: set[str]) -> None:
    bits = bits_of(tag, names)
    assert {name for place, name in enumerate(CUES) if bits >> place & 1} == expected
