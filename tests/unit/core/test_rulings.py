"""Rulings: what fits together, what is saved, and what select, explain and report make of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datapruner.core.archive import read_archive, write_archive
from datapruner.core.blend import blend
from datapruner.core.explain import quality_text
from datapruner.core.items import Items
from datapruner.core.reason import Reason
from datapruner.core.rulings import RULINGS, Rulings, united
from datapruner.core.scores import Scores
from datapruner.core.select import select
from datapruner.core.selection import Selection
from datapruner.core.twins import Twins
from datapruner.errors import FormatError, ScoreError
from datapruner.methods import PICKERS

COPY, POOR = int(Reason.DUPLICATE), int(Reason.QUALITY)
# Row 1 repeats row 0; rows 3 and 4 are too poor, row 4 by its tie key alone.
REASON = np.array([0, COPY, 0, POOR, POOR, 0])
QUALITY = np.array([0.9, 0.8, 0.5, 0.1, 0.5, 0.7])
VECTORS = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)


def rulings(**change: Any) -> Rulings:
    given = {"reason": REASON, "column": "clip", "quality": QUALITY, "limit": 0.5}
    return Rulings(**{**given, **change})


def scores(values: Any = (5, 9, 4, 8, 7, 1), **change: Any) -> Scores:
    items = Items.of(6, id=list("abcdef"), group=list("xxyyxy"), embedding=VECTORS, **change)
    twins = Twins(
        np.array([-1, 0, 0, -1, -1, -1]),
        np.array([0, 0.99, 0.3, 0, 0, 0]),
        np.array([0, 1, 0, 0, 0, 0]),
        ("semantic",),
    )
    return Scores(np.array(values, dtype=float), items, twins=twins, rulings=rulings())


# What fits.


def test_columns_have_their_types() -> None:
    found = rulings(quality=QUALITY.astype(np.float32))
    assert (found.reason.dtype, found.is_out.dtype) == (np.uint8, bool)
    assert found.quality is not None
    assert found.quality.dtype == np.float64
    assert found.is_out.tolist() == [False, True, False, True, True, False]
    assert Rulings(np.zeros(0)).reason.shape == (0,)
    assert [r.name for r in RULINGS] == ["DUPLICATE", "QUALITY"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"reason": np.zeros((2, 2), dtype=int)}, r"int64 of shape \(2, 2\)"),
        ({"reason": np.zeros(6)}, "rulings are float64"),
        ({"reason": np.array([0, 0, 12, 0, 0, 0])}, r"row 2 .* reason 12; .*20 \(DUPLICATE\), 22"),
        ({"reason": np.array([0, int(Reason.PINNED), 0, 0, 0, 0])}, "for the reason 1"),
        ({"column": None}, "both or neither"),
        ({"quality": None}, "both or neither"),
        ({"quality": QUALITY[:5]}, r'"clip" has shape \(5,\) for 6 rows'),
        ({"quality": np.array([0, np.nan, 0, 0, 0, 0])}, '"clip" is nan in row 1'),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ScoreError, match=says):
        rulings(**change)


def test_scores_refuse_rulings_of_other_rows() -> None:
    with pytest.raises(ScoreError, match="given: rulings for 6 rows do not fit 2 rows"):
        Scores(np.zeros(2), Items.of(2), rulings=rulings())


def test_united_rulings_are_out_where_one_is() -> None:
    first = Rulings(np.array([0, COPY, 0, 0, COPY, 0]))
    both = united([None, first, rulings()])
    assert both is not None
    assert both.reason.tolist() == [0, COPY, 0, POOR, COPY, 0]
    assert (both.column, both.limit) == ("clip", 0.5)
    assert united([None, None]) is None
    plain = united([first])
    assert plain is not None
    assert plain.column is None


# What select makes of them.


@pytest.mark.parametrize("pick", PICKERS)
@pytest.mark.parametrize("fill", ["skip", "stop"])
def test_no_picker_keeps_what_is_ruled_out(pick: str, fill: Any) -> None:
    kept = select(scores(), "everything", pick=pick, fill=fill)
    assert kept.indices.tolist() == [0, 2, 5]
    assert kept.reasons[[1, 3, 4]].tolist() == [COPY, POOR, POOR]
    assert len(select(scores(), "2 items", pick=pick, fill=fill)) == 2


def test_a_share_is_one_of_all_rows() -> None:
    assert len(select(scores(), "50%")) == 3
    assert len(select(scores(), "34%")) == 2


@pytest.mark.parametrize("pick", ["mixed", "middle", "ccs", "kcentre", "uniform"])
def test_pickers_that_spread_see_the_others_alone(pick: str) -> None:
    whole, part = scores(), scores().take(np.array([0, 2, 5]))
    for budget in ("1 items", "2 items"):
        kept = select(whole, budget, pick=pick).ids.tolist()
        assert kept == select(part, budget, pick=pick).ids.tolist()


def test_pinned_rows_are_never_ruled_out() -> None:
    pinned = scores(pinned=np.arange(6) == 3)
    assert pinned.rulings is not None
    assert pinned.rulings.reason.tolist() == [0, COPY, 0, 0, POOR, 0]
    kept = select(pinned, "2 items")
    assert kept.ids.tolist() == ["d", "a"]
    assert kept.reasons[3] == Reason.PINNED


@pytest.mark.parametrize("spread", ["proportional", "equal", "weighted"])
def test_quotas_and_floors_count_the_others_alone(spread: str) -> None:
    given = Scores(
        np.arange(10.0),
        Items.of(10),
        group=np.repeat([0, 1], 5),
        group_weight=np.array([1.0, 1.0]),
        group_floor=np.array([4, 1]),
        rulings=Rulings(np.array([COPY] * 4 + [0] + [0] * 5)),
    )
    kept = select(given, "4 items", allocate=spread)
    assert len(kept) == 4
    assert np.bincount(given.groups[kept.order], minlength=2).tolist() == [1, 3]


def test_a_floor_of_the_budget_promises_what_is_there() -> None:
    given = Scores(
        np.arange(6.0),
        Items.of(6, group=list("aaabbb")),
        rulings=Rulings(np.array([0, POOR, POOR, 0, 0, 0])),
    )
    kept = select(given, "4 items, floor 2")
    assert kept.indices.tolist() == [0, 3, 4, 5]


def test_the_ruling_is_told_before_the_threshold_and_after_the_barred() -> None:
    given = scores(barred=np.arange(6) == 4)
    kept = select(given, "threshold 100")
    assert [Reason(r).name for r in kept.reasons] == [
        "THRESHOLD", "DUPLICATE", "THRESHOLD", "QUALITY", "BAD_ROW", "THRESHOLD",
    ]  # fmt: skip


def test_an_ancestor_comes_along_even_where_it_is_ruled_out() -> None:
    items = Items.of(3, parent=[-1, 0, -1], embedding=VECTORS[:3])
    given = Scores(np.array([0.0, 2, 1]), items, rulings=Rulings(np.array([COPY, 0, 0])))
    kept = select(given, "2 items")
    assert kept.order.tolist() == [0, 1]
    assert kept.reasons[0] == Reason.ANCESTOR
    pinned = Items.of(3, parent=[-1, 0, -1], pinned=[False, True, False], embedding=VECTORS[:3])
    ruled = Scores(given.values, pinned, rulings=Rulings(np.array([COPY, 0, 0])))
    assert select(ruled, "3 items", pick="kcentre").order.tolist() == [0, 1, 2]


# What is told.


def test_explain_tells_the_value_and_the_limit() -> None:
    kept = select(scores(), "1 items")
    assert quality_text(kept, 3) == '0.1 in "clip"; the lowest that stays is 0.5'
    assert quality_text(kept, 4).endswith(
        "the lowest that stays; of equal rows the tie keys decided"
    )
    told = kept.explain(3)
    assert "row 3 (id d): dropped" in told
    assert '  value  0.1 in "clip"' in told
    assert '  rule   too low in "clip"; the lowest that stays is 0.5' in told
    assert "score" not in told
    assert "rank   1 of 3, highest first" in kept.explain(0)


def test_explain_names_the_row_that_a_duplicate_repeats() -> None:
    told = select(scores(), "everything").explain(1)
    assert "twin   duplicates row 0 (id a), similarity 0.99 (semantic)" in told
    assert "rule   duplicates another row" in told


def test_without_a_column_or_a_limit_less_is_told() -> None:
    bare = Scores(np.arange(2.0), Items.of(2), rulings=Rulings(np.array([POOR, 0])))
    told = select(bare, "1 items").explain(0)
    assert "rule   ruled out for its quality" in told
    assert "value" not in told
    none = Rulings(np.array([POOR, 0]), "clip", np.array([0.25, 1]), None)
    open_ended = select(Scores(np.arange(2.0), Items.of(2), rulings=none), "1 items")
    assert quality_text(open_ended, 0) == '0.25 in "clip"'
    assert '  rule   too low in "clip"\n' in open_ended.explain(0) + "\n"


def test_a_barred_row_has_no_value_to_tell() -> None:
    kept = select(scores(barred=np.arange(6) == 4), "1 items")
    assert "value" not in kept.explain(4)


def test_the_report_counts_what_was_ruled_out() -> None:
    told = select(scores(), "5 items").report()
    assert told.dropped == {
        'too low in "clip"; the lowest that stays is 0.5': 2,
        "duplicates another row": 1,
    }
    assert (told.rows, told.kept) == (6, 3)
    assert told.unspent.startswith('2 rows: too low in "clip"')
    assert (told.score["lowest"], told.score["highest"]) == (1, 5)


def test_a_cut_keeps_the_rulings() -> None:
    cut = select(scores(), "everything").cut("1 items")
    assert cut.order.tolist() == [0]
    assert cut.reasons[[1, 3, 4]].tolist() == [COPY, POOR, POOR]


# What is passed on.


def test_take_keeps_the_rulings_of_its_rows() -> None:
    some = scores().take(np.array([3, 1, 0]))
    assert some.rulings is not None
    assert some.rulings.reason.tolist() == [POOR, COPY, 0]
    assert some.rulings.quality is not None
    assert some.rulings.quality.tolist() == [0.1, 0.8, 0.9]


def test_a_duplicate_that_has_lost_its_twin_is_none() -> None:
    some = scores().take(np.array([3, 1]))
    assert some.rulings is not None
    assert some.rulings.reason.tolist() == [POOR, 0]
    bare = rulings(column=None, quality=None).take(np.array([1, 3]))
    assert (bare.reason.tolist(), bare.quality) == ([COPY, POOR], None)


def test_a_blend_is_out_where_a_part_is() -> None:
    plain = Scores(np.arange(6.0), scores().items)
    mixed = blend([plain, scores()])
    assert select(mixed, "everything", pick="high").indices.tolist() == [0, 2, 5]
    assert blend([plain]).rulings is None


def test_they_are_saved_with_scores_and_selections(tmp_path: Path) -> None:
    scores().save(tmp_path / "s.npz")
    again = Scores.load(tmp_path / "s.npz")
    kept = select(again, "1 items")
    kept.save(tmp_path / "k.npz")
    loaded = Selection.load(tmp_path / "k.npz")
    for found in (again, loaded.scores):
        assert found.rulings is not None
        assert found.rulings.reason.tolist() == REASON.tolist()
        assert found.rulings.quality is not None
        assert found.rulings.quality.tolist() == QUALITY.tolist()
        assert (found.rulings.column, found.rulings.limit) == ("clip", 0.5)
    assert [loaded.explain(r) for r in range(6)] == [kept.explain(r) for r in range(6)]
    json.dumps(loaded.report().to_dict())


def test_rulings_without_a_column_are_saved_too(tmp_path: Path) -> None:
    plain = Scores(np.zeros(2), Items.of(2), rulings=Rulings(np.array([0, COPY])))
    plain.save(tmp_path / "s.npz")
    found = Scores.load(tmp_path / "s.npz").rulings
    assert found is not None
    assert (found.reason.tolist(), found.column, found.quality) == ([0, COPY], None, None)
    Scores(np.zeros(2), Items.of(2)).save(tmp_path / "n.npz")
    assert Scores.load(tmp_path / "n.npz").rulings is None


@pytest.mark.parametrize("damage", ["code", "column", "length"])
def test_a_damaged_file_is_an_error_of_its_own(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "s.npz"
    scores().save(path)
    header, arrays = read_archive(path, "scores")
    if damage == "code":
        arrays["ruled_out"] = np.full(6, 99, dtype=np.uint8)
    elif damage == "length":
        arrays["ruled_out"] = arrays["ruled_out"][:5]
    else:
        del header["quality_column"]
    kept = {k: v for k, v in header.items() if k not in ("format", "version")}
    write_archive(path, "scores", kept, arrays, overwrite=True)
    with pytest.raises(FormatError, match="damaged"):
        Scores.load(path)
