"""The distributed path over a list of blocks in this process: every pass but Ray itself."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pytest

import datapruner as dp
from datapruner.core.budget import Budget
from datapruner.core.items import Items
from datapruner.dataset import driver as driver_module
from datapruner.dataset.blocks import Check, Draw, Embed, column, drawn_sample, masked, table_of
from datapruner.dataset.distributed import _checked_names, _recipe
from datapruner.dataset.driver import Driver, hash_bound
from datapruner.dataset.judged import GROUP, SCORE, Cuts
from datapruner.errors import BudgetError, InputError, MissingColumnError, ScoreError
from datapruner.pickers.cuts import Cut
from datapruner.rng import mix
from datapruner.vectors.content import row_keys

N, D = 400, 8


class Blocks:
    """A data set: some tables, and as much of a ``ray.data.Dataset`` as is asked of it."""

    def __init__(self, tables: list[pa.Table]) -> None:
        self.blocks = tables

    def select_columns(self, names: list[str]) -> Blocks:
        assert len(names) == len(set(names))
        return Blocks([table.select(names) for table in self.blocks])

    def limit(self, rows: int) -> Blocks:
        return Blocks([self.blocks[0].slice(0, rows)])

    def count(self) -> int:
        return sum(len(table) for table in self.blocks)

    def schema(self) -> Any:
        return self.blocks[0].schema if self.blocks else None


class InProcess:
    """Hands work out to nobody: the stages of a data set, worked off here, last block first."""

    def mapped(self, data: Blocks, work: Any) -> Blocks:
        return Blocks([work(table) for table in reversed(data.blocks)])

    def by_group(self, data: Blocks, name: str, work: Any, size: int, groups: int) -> Blocks:
        whole = pa.concat_tables(data.blocks)
        assert size >= 0
        assert groups >= 1
        codes = column(whole, name).to_numpy()
        return Blocks([work(masked(whole, codes == code)) for code in np.unique(codes)])

    def kept(self, data: Blocks, stage: str) -> Blocks:
        return data

    def told(self, data: Blocks, work: Any, stage: str) -> Any:
        return self.rows(self.mapped(data, work), stage)

    def rows(self, data: Blocks, stage: str) -> Any:
        for table in self.tables(data, stage):
            yield from table.to_pylist()

    def tables(self, data: Blocks, stage: str) -> Any:
        yield from data.blocks


def vectors() -> np.ndarray:
    rng = np.random.default_rng(5)
    centres = rng.standard_normal((5, D))
    width = rng.uniform(0.05, 0.7, 5)
    which = rng.integers(0, 5, N)
    x = centres[which] + width[which, None] * rng.standard_normal((N, D))
    x[300:330] = x[:30]
    return x.astype(np.float32)


def rows_of(x: np.ndarray, ids: list[Any] | None = None) -> pa.Table:
    listed = pa.FixedSizeListArray.from_arrays(pa.array(x.reshape(-1)), x.shape[1])
    n = len(x)
    return pa.table({"id": ids or list(range(n)), "v": listed, "note": list(range(n))})


def cut_up(table: pa.Table, sizes: tuple[int, ...] = (1, 150, 0, 249)) -> Blocks:
    starts = np.cumsum([0, *sizes])
    return Blocks([table.slice(at, size) for at, size in zip(starts[:-1], sizes, strict=True)])


def distributed(data: Blocks, budget: str, method: str = "concepts", **options: Any) -> list[Any]:
    shared = {"device": "cpu", "on_bad": options.pop("on_bad", "error")}
    named = [options.pop(name, None) for name in ("pick", "allocate")]
    recipe = _recipe(method, budget, *named, options.pop("seed", 0), shared, options)
    names = _checked_names(data, "id", None, "v", ())
    made = Driver(InProcess(), recipe, "id", "v", names)  # type: ignore[arg-type]
    return sorted(row["id"] for table in made.pruned(data).blocks for row in table.to_pylist())


def local(table: pa.Table, budget: str, method: str = "concepts", **options: Any) -> list[Any]:
    kept = dp.prune(table, method=method, budget=budget, id="id", embedding="v", **options)
    return sorted(kept.ids.tolist())


@pytest.mark.parametrize("most", [1 << 20, 5])
@pytest.mark.parametrize(
    ("method", "budget", "options"),
    [
        ("concepts", "30%", {"k": 6}),
        ("concepts", "everything", {"k": 6}),
        ("concepts", "0 items", {"k": 6}),
        ("concepts", "3 items", {"k": 6, "pick": "uniform", "seed": 11}),
        ("concepts", "30%", {"k": 6, "allocate": "whole"}),
        ("concepts", "50%, 20 per group", {"k": 6, "temperature": 0.02, "neighbours": 2}),
        ("concepts", "30%, floor 4", {"pick": "low"}),
        ("prototypes", "30%", {"k": 6, "pick": "high", "metric": "l2"}),
        ("prototypes", "61%", {"seed": 3}),
        ("prototypes", "20%", {"k": 6, "pick": "uniform", "allocate": "proportional"}),
        ("prototypes", "20%, floor 50%", {"k": 6, "pick": "low", "allocate": "equal"}),
        ("duplicates", "everything", {"k": 6}),
        ("duplicates", "40%", {"k": 6, "rule": "any_earlier", "keep": "first"}),
        ("duplicates", "0 items", {"k": 6}),
        ("duplicates", "99%", {"k": 6, "keep": "best", "by": "note", "rule": "components"}),
    ],
)
def test_blocks_apart_keep_what_one_machine_keeps(monkeypatch, most, method, budget, options):
    monkeypatch.setattr(driver_module, "FETCHED", most)
    table = rows_of(vectors())
    found = distributed(cut_up(table), budget, method, **dict(options))
    assert found == local(table, budget, method, **options)


def test_neither_the_cut_into_blocks_nor_their_order_matters():
    table = rows_of(vectors(), [f"row {i}" for i in range(N)])
    whole = distributed(Blocks([table]), "30%", k=6)
    shuffled = table.take(np.random.default_rng(0).permutation(N))
    assert distributed(cut_up(shuffled, (80,) * 5), "30%", k=6) == whole


def test_rows_of_few_contents_fill_the_sample_with_copies(monkeypatch):
    x = np.repeat(np.eye(4, D, dtype=np.float32), [200, 150, 49, 1], axis=0)
    table = rows_of(x)
    options = {"k": 3, "points_per_centroid": 2}
    monkeypatch.setattr(driver_module, "hash_bound", lambda size, usable: 2**58)
    assert distributed(cut_up(table), "30%", **options) == local(table, "30%", **options)


def test_a_bad_row_is_told_by_its_id_or_left_out():
    x = vectors()
    x[200, 1], x[7] = np.inf, 0
    table = rows_of(x, [f"row {i}" for i in range(N)])
    with pytest.raises(ScoreError, match=r"2 of 400 rows .*id 'row 200': .*id 'row 7': its vector"):
        distributed(cut_up(table), "30%", k=6)
    for method, pick in (("concepts", None), ("duplicates", None), ("prototypes", "high")):
        options = {"k": 6, "on_bad": "drop", "pick": pick}
        found = distributed(cut_up(table), "30%", method, **options)
        assert found == local(table, "30%", method, **options)


def test_nothing_usable_is_nothing_kept():
    table = rows_of(np.zeros((N, D), dtype=np.float32))
    assert distributed(cut_up(table), "30%", on_bad="drop") == []
    assert distributed(Blocks([table.slice(0, 0)]), "30%") == []


def test_vectors_of_two_widths_are_refused():
    two = [rows_of(np.ones((3, 4), np.float32)), rows_of(np.ones((3, 5), np.float32))]
    with pytest.raises(InputError, match=r'"v" has vectors of \d and of \d numbers'):
        distributed(Blocks(two), "30%")
    with pytest.raises(InputError, match="k=9 centroids cannot be fitted to 3 usable rows"):
        distributed(Blocks(two[:1]), "30%", k=9)


def test_faults_of_a_block_come_back_as_values():
    texts = pa.table({"id": [1, 2, 2], "text": ["a", " ", None]})
    told = Check("id", "text", None)(texts).to_pylist()[0]
    assert told["fault"] == "InputError"
    assert "2 in rows 1, 2" in told["told"]
    fine = Check("id", "text", None)(texts.set_column(0, "id", pa.array(["x", "y", "z"])))
    assert fine["bad"].to_pylist() == [2]
    assert fine["shown"].to_pylist() == [["id 'y': \"text\" is empty", "id 'z': \"text\" is empty"]]
    assert Check("id", "text", None).columns == ("id", "text")
    numbers = Check("id", "id", None)(texts.slice(0, 1)).to_pylist()[0]
    assert numbers["told"] == '"id" is a column of int64, not of text.'
    nulls = Check("text", None, None)(texts).to_pylist()[0]
    assert "nulls" in nulls["told"]
    with pytest.raises(MissingColumnError, match=r'no column "tex" .*Did you mean "text"'):
        column(texts, "tex")


def test_texts_without_words_have_no_vector_and_equal_ones_the_same():
    class Lengths:
        name, fingerprint, dimensions = "lengths", "lengths", 2
        seen: ClassVar[list[str]] = []

        def encode(self, texts: list[str]) -> np.ndarray:
            self.seen += texts
            return np.array([[len(text), 1] for text in texts], dtype=np.float32)

    embed = Embed("text", Lengths(), "cpu")
    made = embed(pa.table({"text": ["ab", None, "abc", "ab", " "]}))
    assert made["datapruner_embedding"].to_pylist() == [[2, 1], [0, 0], [3, 1], [2, 1], [0, 0]]
    assert Lengths.seen == ["ab", "", "abc", " "]
    assert len(embed(pa.table({"text": pa.array([], pa.string())}))) == 0


def test_the_sample_of_blocks_is_the_sample_of_the_whole():
    x = vectors()
    seed = 4
    hashes = mix(row_keys(x), seed)
    order = np.argsort(hashes, kind="stable")[:50]
    draws = [
        Draw("v", seed, 2**64 - 1)(table).to_pylist()[0] for table in cut_up(rows_of(x)).blocks
    ]
    sample, found = drawn_sample(draws, 50, D)
    assert np.array_equal(found, hashes[order])
    assert np.array_equal(row_keys(sample), row_keys(x)[order])
    assert drawn_sample([], 50, D)[0].shape == (0, D)


@pytest.mark.parametrize(("size", "usable"), [(100, 100), (50, 10_000), (256_000, 10**10)])
def test_the_bound_holds_enough_rows_and_few_more(size, usable):
    bound = hash_bound(size, usable)
    expected = bound / 2**64 * usable
    assert expected >= min(usable, size + 6 * size**0.5) * 0.999
    assert expected <= size + 6 * size**0.5 + 17


def test_a_group_without_a_cut_keeps_nothing():
    cuts = Cuts({1: Cut(5, 5)})
    group = np.array([0, 1, 1, 2])
    place = np.array([0, 5, 6, 0], dtype=np.uint64)
    assert cuts.keeps(group, place, np.zeros(4, np.uint64)).tolist() == [False, True, False, False]


def test_scores_and_groups_come_along_when_asked_for():
    table = rows_of(vectors())
    recipe = _recipe(
        "concepts", "30%", None, None, 0, {"device": "cpu", "on_bad": "error"}, {"k": 6}
    )
    names = ("id", SCORE, GROUP)
    data = Driver(InProcess(), recipe, "id", "v", names).pruned(cut_up(table))  # type: ignore[arg-type]
    here = dp.prune(table, method="concepts", budget="30%", id="id", embedding="v", k=6)
    for block in data.blocks:
        assert block.column_names == list(names)
        for row in block.to_pylist():
            assert row[SCORE] == here.scores.values[row["id"]]
            assert row[GROUP] == here.scores.groups[row["id"]]


@pytest.mark.parametrize(
    ("named", "match"),
    [
        ({"id": "name"}, 'no column "name"'),
        ({"embedding": None}, "name one column"),
        ({"text": "note"}, "name one column"),
        ({"id": "v"}, "cannot be the ids"),
        ({"add": ("group",)}, "add holds 'group'"),
    ],
)
def test_names_that_do_not_fit_are_refused(named, match):
    asked = {"id": "id", "text": None, "embedding": "v", "add": ()} | named
    with pytest.raises(InputError, match=match):
        _checked_names(cut_up(rows_of(vectors())), **asked)


def test_a_column_with_a_name_of_ours_is_refused():
    data = Blocks([table_of({"id": [1], "v": [[1.0]], SCORE: [0.5]})])
    with pytest.raises(InputError, match='"datapruner_score" has a name that is ours'):
        _checked_names(data, "id", None, "v", ())
    assert _checked_names(Blocks([]), "id", None, "v", ()) == ()


@pytest.mark.parametrize(
    ("asked", "error", "match"),
    [
        (
            ("random", "30%", None, None),
            InputError,
            "has concepts, prototypes, duplicates",
        ),
        (("concepts", "30%", "mixed", None), BudgetError, "looks at all rows at once"),
        (("concepts", "threshold 0.5", None, None), BudgetError, "has a threshold"),
        (("prototypes", "9 per group", "high", None), BudgetError, "speaks of groups"),
        (("duplicates", "30%", None, "equal"), InputError, "compared inside their cluster"),
    ],
)
def test_what_needs_all_rows_in_one_place_is_refused(asked, error, match):
    with pytest.raises(error, match=match):
        _recipe(*asked, 0, {"device": "cpu", "on_bad": "error"}, {})


def test_a_price_and_an_unknown_parameter_are_refused():
    table = rows_of(vectors())
    with pytest.raises(BudgetError, match="limits a price"):
        distributed(cut_up(table), "20 tokens", k=6)
    with pytest.raises(InputError, match="temprature"):
        distributed(cut_up(table), "30%", temprature=1)
    with pytest.raises(BudgetError, match="'mixed' looks at all rows"):
        distributed(cut_up(table), "30%", "prototypes", k=6)


@pytest.mark.parametrize(
    "budget", ["everything", "29%", "7 items", "29%, 7 items", "50%, floor 3", "50%, floor 40%"]
)
@pytest.mark.parametrize("n", [0, 1, 100])
def test_limits_of_a_number_of_rows_are_those_of_the_rows(budget, n):
    wanted = Budget.parse(budget)
    assert wanted.resolve_counts(n, 4) == wanted.resolve(Items.of(n), 4)
