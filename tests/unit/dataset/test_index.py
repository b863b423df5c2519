"""An index of what was kept: splits, other recipes, damage, and what a killed run leaves."""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import datapruner as dp
from datapruner.dataset import index as index_module
from datapruner.dataset.index import HEAD, Index, check_target
from datapruner.dataset.recipe import check_comparable
from datapruner.dataset.segment import OURS, Segment

WORDS = [f"word{n}" for n in range(500)]
OFFLINE: dict[str, Any] = {"embedder": "offline", "id": "id"}


def text(seed: int) -> str:
    return " ".join(random.Random(seed).sample(WORDS, 40))


def rows(*seeds: int) -> list[dict[str, Any]]:
    return [{"id": f"r{seed}", "text": text(seed)} for seed in seeds]


def kept(found: dp.Selection) -> set[str]:
    return {str(id) for id in found.ids.tolist()}


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def held(tmp_path: Path) -> Path:
    dp.dedup(rows(*range(20)), save_index=tmp_path / "i", **OFFLINE)
    return tmp_path / "i"


def test_a_later_shard_is_pruned_against_what_was_kept(held: Path) -> None:
    shard = [*rows(*range(100, 110)), {"id": "near", "text": text(5) + " more"}, *rows(3)]
    found = dp.dedup(shard, index=held, **OFFLINE)
    assert kept(found) == {f"r{i}" for i in range(100, 110)}
    assert "duplicates id r5 of another data set" in found.explain(10)
    assert "similarity 1 (exact against the index i)" in found.explain(11)
    told = found.provenance.details
    assert told["index"]["rows"] == 20
    assert told["against"][0]["exact"] == 1
    assert len(files(held)) == 3  # nothing was added


def test_it_is_the_same_as_against_the_kept_rows_themselves(held: Path) -> None:
    shard = [{"id": f"x{i}", "text": text(i).replace("word1", "wurd1")} for i in range(15, 40)]
    by_index = dp.dedup(shard, index=held, **OFFLINE)
    by_rows = dp.dedup(shard, against=rows(*range(20)), **OFFLINE)
    assert (by_index.mask == by_rows.mask).all()
    assert (by_index.scores.values == by_rows.scores.values).all()
    one, other = by_index.scores.twins, by_rows.scores.twins
    assert one is not None
    assert other is not None
    assert (one.similarity == other.similarity).all()
    assert [one.foreign_id(i) for i in range(25)] == [other.foreign_id(i) for i in range(25)]


def test_only_kept_rows_are_remembered(tmp_path: Path) -> None:
    data = [*rows(1, 2), {"id": "twin", "text": text(2)}]
    first = dp.dedup(data, save_index=tmp_path / "i", budget="1 items", **OFFLINE)
    again = dp.dedup(rows(1, 2), index=tmp_path / "i", **OFFLINE)
    assert len(again) == 1
    gone = {"twin": "r2"}.get(next(iter(kept(first))), next(iter(kept(first))))
    assert kept(again) == {"r1", "r2"} - {gone}


@settings(max_examples=30)
@given(
    texts=st.lists(st.sampled_from("abcdefg"), max_size=25),
    cuts=st.lists(st.integers(0, 25), max_size=4),
)
def test_any_split_keeps_as_many_distinct_texts_as_one_run(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], cuts: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("split") / "i"
    how: dict[str, Any] = {"eps": 0, "jaccard": 1}
    bounds = [0, *sorted(min(cut, len(texts)) for cut in cuts), len(texts)]
    total: list[str] = []
    for start, stop in pairwise(bounds):
        shard = texts[start:stop]
        found = dp.dedup(shard, index=folder, save_index=folder, **how)
        total += found.apply(shard)
    assert sorted(total) == sorted(set(texts))
    assert len(dp.dedup(texts, **how)) == len(total)
    assert Index.open(folder).rows == len(total)


def test_rows_kept_by_the_first_run_stay_kept_and_the_index_grows(tmp_path: Path) -> None:
    folder = tmp_path / "i"
    first = dp.dedup(rows(*range(10)), save_index=folder, **OFFLINE)
    second = dp.dedup(rows(*range(5, 15)), index=folder, save_index=folder, **OFFLINE)
    third = dp.dedup(rows(*range(20)), index=folder, **OFFLINE)
    assert kept(first) == {f"r{i}" for i in range(10)}
    assert kept(second) == {f"r{i}" for i in range(10, 15)}
    assert kept(third) == {f"r{i}" for i in range(15, 20)}
    assert [segment.rows for segment in Index.open(folder).segments] == [10, 5]


def test_another_folder_gets_the_rows_of_both_and_the_old_one_stays(held: Path) -> None:
    before = files(held)
    other = held.with_name("j")
    dp.dedup(rows(*range(15, 25)), index=held, save_index=other, **OFFLINE)
    assert files(held) == before
    assert [segment.rows for segment in Index.open(other).segments] == [20, 5]
    shutil.rmtree(held)
    assert len(dp.dedup(rows(*range(30)), index=other, **OFFLINE)) == 5


def test_the_order_of_the_rows_means_nothing(tmp_path: Path) -> None:
    data = rows(*range(15))
    dp.dedup(data, save_index=tmp_path / "i", **OFFLINE)
    dp.dedup(data[::-1], save_index=tmp_path / "j", **OFFLINE)
    assert files(tmp_path / "i") == files(tmp_path / "j")


def test_vectors_alone_and_float16_are_kept_as_they_came(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(30, 8)).astype(np.float16)
    dp.dedup(x[:20], save_index=tmp_path / "i")
    (name,) = (path for path in (tmp_path / "i").iterdir() if path.suffix == ".npy")
    assert np.load(name).dtype == np.float16
    found = dp.dedup(x, index=tmp_path / "i", save_index=tmp_path / "i")
    assert found.indices.tolist() == list(range(20, 30))
    with pytest.raises(dp.InputError, match="width 4, those of the index i 8"):
        dp.dedup(x[:, :4].copy(), index=tmp_path / "i")
    with pytest.raises(dp.InputError, match="made of vectors alone, but this run has texts"):
        dp.dedup(rows(1), index=tmp_path / "i", embedder="offline")


def test_numbers_and_names_may_meet_in_one_index(tmp_path: Path) -> None:
    folder = tmp_path / "i"
    first = [{"id": 5, "text": text(1)}]
    dp.dedup(first, save_index=folder, **OFFLINE)
    assert Index.open(folder).reference().ids.tolist() == [5]
    dp.dedup(rows(2), index=folder, save_index=folder, **OFFLINE)
    assert Index.open(folder).reference().ids.tolist() == [5, "r2"]
    assert "id 5 of another" in dp.dedup(rows(1), index=folder, **OFFLINE).explain(0)


class Other:
    """An embedder of the same width and another name."""

    name, fingerprint, dimensions = "other", "other-1", 384

    def encode(self, texts: list[str]) -> np.ndarray:
        return np.ones((len(texts), 384), dtype=np.float32)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"embedder": Other()}, r"vectors of offline-hashed-384 .* those of other \(other-1\)"),
        ({"embedding": np.ones((1, 384), np.float32)}, "no embedder"),
        ({"ignore_case": True}, "made without ignore_case"),
        ({"eps": 0.1, "save": True}, "made with eps 0.05, but this run has eps 0.1"),
        ({"jaccard": 0.7, "save": True}, "made with jaccard 0.8"),
    ],
)
def test_another_recipe_is_refused_before_anything_is_done(
    held: Path, how: dict[str, Any], says: str
) -> None:
    before = files(held)
    more = {**OFFLINE, **how}
    if more.pop("save", False):
        more["save_index"] = held
    with pytest.raises(dp.InputError, match=says):
        dp.dedup(rows(1), index=held, **more)
    assert files(held) == before


def test_one_model_of_another_width_is_refused(held: Path) -> None:
    ours = Index.open(held).recipe
    with pytest.raises(dp.InputError, match="of width 384, but this run's have width 8"):
        check_comparable(ours, replace(ours, width=8), "i")
    check_comparable(ours, replace(ours, width=None), "i")


def test_thresholds_may_differ_where_nothing_is_added(held: Path) -> None:
    assert len(dp.dedup(rows(1, 30), index=held, eps=0.2, jaccard=0.9, **OFFLINE)) == 1
    assert len(dp.dedup(rows(1, 30), index=held, eps=0, jaccard=1, **OFFLINE)) == 1


def test_signatures_of_other_hashes_are_refused(held: Path) -> None:
    ours = Index.open(held).recipe
    with pytest.raises(dp.InputError, match=r"other hashes \(0123\) than those of this version"):
        check_comparable(replace(ours, hashes="0123"), ours, "i")
    check_comparable(replace(ours, hashes="0123"), replace(ours, jaccard=1), "i")


def test_an_index_without_signatures_or_vectors_says_so(tmp_path: Path) -> None:
    dp.dedup(rows(1), save_index=tmp_path / "i", eps=0, jaccard=1)
    with pytest.raises(dp.InputError, match="holds no signatures"):
        dp.dedup(rows(1), index=tmp_path / "i", eps=0)
    with pytest.raises(dp.InputError, match="holds no vectors"):
        dp.dedup(rows(1), index=tmp_path / "i", jaccard=1, **OFFLINE)


def damage(folder: Path, kind: str) -> None:
    head = folder / HEAD
    told = json.loads(head.read_text())
    if kind in (".npz", ".npy"):
        path = next(p for p in folder.iterdir() if p.suffix == kind)
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    elif kind == "gone":
        next(p for p in folder.iterdir() if p.suffix == ".npy").unlink()
    elif kind == "version":
        head.write_text(json.dumps({**told, "version": 1}))
    elif kind == "other":
        head.write_text(json.dumps({**told, "format": "something"}))
    elif kind == "keys":
        head.write_text(json.dumps({**told, "recipe": {}}))
    else:
        head.write_text(kind)


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (".npz", "npz, a segment of the index, is damaged"),
        (".npy", "npy, a segment of the index, is damaged"),
        ("gone", "npy, a segment of the index, is missing"),
        ("version", "format version 1; this datapruner reads 2"),
        ("other", "holds 'something'"),
        ("keys", "damaged"),
        ("{", "damaged"),
        ("[]", "damaged"),
    ],
)
def test_damage_is_a_format_error_and_not_a_wrong_answer(held: Path, kind: str, says: str) -> None:
    damage(held, kind)
    with pytest.raises(dp.FormatError, match=says):
        dp.dedup(rows(1), index=held, **OFFLINE)


def test_nothing_is_written_over_what_is_not_ours(tmp_path: Path, held: Path) -> None:
    with pytest.raises(dp.OutputError, match="is an index"):
        dp.dedup(rows(1), save_index=held, **OFFLINE)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(dp.OutputError, match="other files in it"):
        dp.dedup(rows(1), save_index=tmp_path / "mine", **OFFLINE)
    with pytest.raises(dp.OutputError, match="is a file"):
        dp.dedup(rows(1), save_index=tmp_path / "mine" / "thesis.txt", **OFFLINE)
    with pytest.raises(dp.OutputError, match="no folder"):
        dp.dedup(rows(1), save_index=tmp_path / "none" / "i", **OFFLINE)
    (tmp_path / "empty").mkdir()
    dp.dedup(rows(1), save_index=tmp_path / "empty", **OFFLINE)
    assert Index.open(tmp_path / "empty").rows == 1


def test_a_run_that_dies_before_the_list_leaves_the_old_index(
    held: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files(held)

    def fail(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(index_module, "atomic_write_bytes", fail)
        with pytest.raises(KeyboardInterrupt):
            dp.dedup(rows(50), index=held, save_index=held, **OFFLINE)
    left = files(held)
    assert before.items() < left.items()
    assert all(OURS.fullmatch(name) for name in left.keys() - before.keys())
    assert kept(dp.dedup(rows(1, 50), index=held, **OFFLINE)) == {"r50"}
    (held / ".segment-0123456789abcdef.npy.77.tmp").write_text("half a fi")
    (held / f"{HEAD}.tmp-0123abcd").write_text("{")
    (held / "notes.txt").write_text("mine")
    dp.dedup(rows(51), index=held, save_index=held, **OFFLINE)
    index = Index.open(held)
    assert [segment.rows for segment in index.segments] == [20, 1]
    assert len(files(held)) == 2 * 2 + 1 + 1
    assert (held / "notes.txt").exists()


def test_two_runs_at_once_lose_nothing(held: Path) -> None:
    mine = Segment("segment-0123456789abcdef", 3, {})
    index = Index.open(held)
    used = [segment.name for segment in index.segments]
    assert index.extended(mine, used).segments[1:] == (mine,)
    with pytest.raises(dp.OutputError, match="extended by another run"):
        index.extended(mine, [])
    with pytest.raises(dp.InputError, match="does not start with"):
        index.upto(["segment-of-yesterday"])


def test_a_run_that_is_started_again_finds_its_own_segment() -> None:
    old, mine, later = (Segment(f"segment-{i:016x}", 1, {}, f"run {i}") for i in range(3))
    recipe: Any = None
    both = Index(Path("i"), recipe, (old, mine))
    other = Segment("segment-9", 1, {}, mine.run)
    assert both.extended(mine, [old.name]) == both
    assert both.extended(other, [old.name]).segments == (old, other)
    three = Index(Path("i"), recipe, (old, mine, later))
    assert three.extended(mine, [old.name]) is three
    with pytest.raises(dp.OutputError, match="later shards were pruned"):
        three.extended(other, [old.name])


def test_what_the_same_run_left_may_be_replaced(held: Path) -> None:
    told = json.loads((held / HEAD).read_text())
    told["segments"][-1]["run"] = "me"
    (held / HEAD).write_text(json.dumps(told))
    check_target(held, run="me")
    for run in ("", "you"):
        with pytest.raises(dp.OutputError, match="is an index"):
            check_target(held, run=run)


def test_a_folder_that_cannot_be_made_or_copied_is_an_output_error(
    held: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(index_module.shutil, "copyfile", refuse)
        with pytest.raises(dp.OutputError, match="No space left"):
            dp.dedup(rows(50), index=held, save_index=tmp_path / "j", **OFFLINE)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", refuse)
        with pytest.raises(dp.OutputError, match="cannot make the index"):
            dp.dedup(rows(50), save_index=tmp_path / "k", **OFFLINE)
