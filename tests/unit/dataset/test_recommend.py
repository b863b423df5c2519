"""The probe on planted data: where the answer is known, and where there is none to be had."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from datapruner.dataset.recommend import recommend
from datapruner.dataset.recommendation import WORDS, Evidence, Recommendation
from datapruner.errors import BudgetError, DataPrunerError, InputError

Rows = tuple[np.ndarray, np.ndarray]
BRIEF = {"splits": 3, "draws": 1}  # where the claim is not a statistical one


def _blobs(n: int, classes: int, spread: float, seed: int, d: int = 8) -> Rows:
    """Round, separable classes: many rows say the same thing."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(classes, d))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    y = np.arange(n) % classes
    return (centres[y] + spread * rng.normal(size=(n, d))).astype(np.float32), y


def _noisy_tail(seed: int) -> Rows:
    """A third of the rows lie far from every centre and carry a random label: hard is noise."""
    rng = np.random.default_rng(seed)
    x, y = _blobs(400, 4, 0.12, seed)
    far = rng.random(len(x)) < 0.33
    x[far] = rng.normal(size=(int(far.sum()), x.shape[1]))
    y[far] = rng.integers(0, 4, int(far.sum()))
    return x, y


def _one_mass_and_rare_modes(seed: int) -> Rows:
    """Most rows are near copies; the classes are told apart by twenty rare directions."""
    rng = np.random.default_rng(seed)
    modes = np.eye(24, dtype=np.float32)
    which = np.where(rng.random(600) < 0.75, 0, rng.integers(1, 24, 600))
    x = modes[which] + 0.02 * rng.normal(size=(600, 24))
    return x.astype(np.float32), which % 6


def _at(found: Recommendation, pick: str) -> Evidence:
    return next(row for row in found.evidence if (row.pick, row.share) == (pick, found.share))


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("share", [0.1, 0.3])
def test_a_noisy_hard_tail_is_never_recommended(seed: int, share: float) -> None:
    found = recommend(*_noisy_tail(seed), share=share, seed=seed)
    assert found.pick != "high"
    assert _at(found, "high").difference < 0


@pytest.mark.parametrize("seed", [0, 1])
def test_with_clean_redundant_rows_most_of_them_kept_hard_is_no_worse(seed: int) -> None:
    hard = _at(recommend(*_blobs(400, 4, 0.25, seed), share=0.8), "high")
    assert hard.difference > -2 * hard.difference_error - 0.5


@pytest.mark.parametrize("seed", range(5))
def test_labels_that_are_pure_noise_say_use_random(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = recommend(rng.normal(size=(300, 8)), rng.integers(0, 3, 300), share=0.3, seed=seed)
    assert found.words == "use random"
    assert any("always guessing" in note for note in found.notes)
    assert any("No pick beat random" in note for note in found.notes)


def test_a_cover_is_recommended_where_random_misses_the_rare_modes() -> None:
    found = recommend(*_one_mass_and_rare_modes(0), share=0.1)
    assert found.pick == "kcentre"
    assert found.floor == 0
    assert found.words == "keep a cover (k-centre)"


@pytest.mark.parametrize("with_ids", [False, True])
def test_the_order_of_the_rows_changes_nothing(with_ids: bool) -> None:
    x, y = _noisy_tail(3)
    ids = [f"row-{i}" for i in range(len(x))]
    order = np.random.default_rng(0).permutation(len(x))
    shuffled = [ids[i] for i in order]
    plain = recommend(x, y, share=0.3, pilot=200, id=ids if with_ids else None, **BRIEF)
    names = shuffled if with_ids else None
    again = recommend(x[order], y[order], share=0.3, pilot=200, id=names, **BRIEF)
    assert again == plain
    assert plain.pilot == 200


def test_the_same_call_gives_the_same_answer_and_another_seed_another_pilot() -> None:
    x, y = _blobs(200, 3, 0.5, 0)
    first = recommend(x, y, share=0.3, pilot=100, **BRIEF)
    assert recommend(x, y, share=0.3, pilot=100, **BRIEF) == first
    assert recommend(x, y, share=0.3, pilot=100, seed=1, **BRIEF).evidence != first.evidence


def test_labels_of_any_kind_give_the_same_answer() -> None:
    x, y = _blobs(120, 3, 0.4, 1)
    words = [("ant", "bee", "cat")[i] for i in y]
    assert recommend(x, words, share=0.5, **BRIEF) == recommend(x, y, share=0.5, **BRIEF)


@pytest.mark.parametrize(("share", "pick"), [(0.6, "high"), (0.59, "uniform")])
def test_without_labels_the_guide_answers_and_says_so(share: float, pick: str) -> None:
    found = recommend(_blobs(80, 2, 0.3, 0)[0], share=share)
    assert (found.pick, found.basis, found.evidence) == (pick, "guide", ())
    assert "Evidence: none" in found.notes[0]
    assert "Evidence: none" in str(found)


def test_shares_are_the_one_asked_for_its_half_and_its_double() -> None:
    x, y = _blobs(120, 2, 0.3, 0)
    for asked in ([0.2, 0.1, 0.4], [0.6, 0.3, 0.9], [0.9, 0.45]):
        evidence = recommend(x, y, share=asked[0], **BRIEF).evidence
        assert list(dict.fromkeys(row.share for row in evidence)) == asked


def test_a_pilot_that_keeps_fewer_rows_a_class_than_the_real_run_is_flagged() -> None:
    x, y = _blobs(150, 3, 0.3, 0)
    found = recommend(x, y, share=0.5, kept_count=5000, **BRIEF)
    assert found.kept == 5000
    assert any("keeps 1666.7 rows a class" in note for note in found.notes)


def test_very_few_rows_a_class_are_flagged() -> None:
    found = recommend(*_blobs(60, 12, 0.1, 0), share=0.3, **BRIEF)
    assert any("too few to say much" in note for note in found.notes)


def test_it_is_written_as_a_table_and_as_plain_data() -> None:
    found = recommend(*_blobs(120, 3, 0.3, 0), share=0.4, **BRIEF)
    text = str(found)
    assert text.splitlines()[0].startswith(found.words)
    assert max(len(line) for line in text.splitlines() if not line.startswith("- ")) <= 110
    for pick in WORDS:
        assert pick in text
    plain = json.loads(json.dumps(found.to_dict()))
    assert plain["words"] == found.words
    assert len(plain["evidence"]) == len(found.evidence) == 15


def test_random_is_the_reference_of_itself() -> None:
    found = recommend(*_blobs(120, 3, 0.3, 0), share=0.4, **BRIEF)
    assert _at(found, "uniform").difference == 0


def test_a_subset_of_one_class_and_copies_of_rows_are_no_obstacle() -> None:
    x = np.repeat(np.eye(2, 4, dtype=np.float32), [57, 3], axis=0)
    found = recommend(x, np.repeat([0, 1], [57, 3]), share=0.05, **BRIEF)
    assert found.basis == "probe"


def _change(**changes: object) -> dict[str, object]:
    x, y = _blobs(60, 3, 0.3, 0)
    return {"data": x, "label": y, "share": 0.3} | changes


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"floor": 1.5}, "floor is 1.5"),
        ({"splits": 2}, "splits is 2"),
        ({"draws": 0}, "draws 0"),
        ({"pilot": 10}, "pilot is 10"),
        ({"label": [0, 1]}, "2 labels for 60"),
        ({"label": [0] * 60}, 'all 60 rows have the label "0"'),
        ({"label": [None, 1] * 30}, r"30 rows have no label \(rows 0, 2, 4, 6, 8\)"),
        ({"label": [float("nan"), 1.0] * 30}, "30 rows have no label"),
        ({"data": np.ones((20, 3)), "label": [0, 1] * 10}, "20 rows are too few"),
        ({"data": np.ones(60)}, "60"),
        ({"id": ["a"]}, "1 ids for 60"),
        ({"kept_count": 0}, "kept_count is 0"),
        ({"prototypes": 0}, "prototypes is 0"),
    ],
)
def test_arguments_that_cannot_be_used_are_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        recommend(**_change(**changes))  # type: ignore[arg-type]


def test_vectors_without_direction_are_named() -> None:
    x, y = _blobs(60, 3, 0.3, 0)
    x[7] = np.nan
    x[9] = 0
    with pytest.raises(DataPrunerError, match=r"2 of 60 .*row 7: not a number, row 9: zero"):
        recommend(x, y, share=0.3)


def test_a_pilot_without_a_second_class_is_an_error() -> None:
    rng = np.random.default_rng(0)
    y = np.zeros(2000, dtype=int)
    y[0] = 1
    with pytest.raises(InputError, match="single class"):
        recommend(rng.normal(size=(2000, 4)), y, share=0.3, pilot=50, seed=3)


RENAMED: dict[str, Any] = {
    "permuted": lambda y: ["cdab"[i] for i in y],
    "numbers": lambda y: [[40, 7, 3000, -1][i] for i in y],
    "reversed": lambda y: [f"class {9 - i}" for i in y],
}


@pytest.mark.parametrize("naming", sorted(RENAMED))
def test_what_the_classes_are_called_changes_nothing(naming: str) -> None:
    x, y = _noisy_tail(5)
    x[:40], y[:40] = x[40:80], (y[40:80] + 1) % 4  # copies under another label
    plain = recommend(x, y, share=0.3, pilot=200, **BRIEF)
    assert recommend(x, RENAMED[naming](y), share=0.3, pilot=200, **BRIEF) == plain


def test_the_order_of_copies_with_different_labels_changes_nothing() -> None:
    x, y = _noisy_tail(6)
    x[:40], y[:40] = x[40:80], (y[40:80] + 1) % 4
    plain = recommend(x, y, share=0.3, pilot=200, **BRIEF)
    back = recommend(x[::-1].copy(), y[::-1].copy(), share=0.3, pilot=200, **BRIEF)
    assert back == plain


def _random_labels(seed: int) -> Rows:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(150, 6)).astype(np.float32), rng.integers(0, 3, 150)


def _all_picks_alike(seed: int) -> Rows:
    """Labels that half follow the first two coordinates, in round data: no end is better."""
    rng = np.random.default_rng(seed)
    x = rng.choice([-1.0, 1.0], size=(150, 6)) + 0.01 * rng.normal(size=(150, 6))
    return x.astype(np.float32), (x[:, 0] + 1.5 * rng.normal(size=150) > 0).astype(int)


@pytest.mark.parametrize("rows", [_random_labels, _all_picks_alike])
def test_where_there_is_nothing_to_find_every_seed_says_use_random(rows: Any) -> None:
    x, y = rows(0)
    again = [recommend(x, y, share=0.3, draws=1, seed=seed).pick for seed in range(10)]
    assert again.count("uniform") >= 9


@pytest.mark.parametrize("seed", range(3))
def test_a_clear_case_is_found_by_every_seed(seed: int) -> None:
    found = recommend(*_one_mass_and_rare_modes(seed), share=0.1, seed=seed)
    assert found.pick == "kcentre"


def test_the_rule_is_students_t_shared_by_four_picks() -> None:
    found = recommend(*_blobs(120, 3, 0.3, 0), share=0.4, draws=1)
    assert found.errors == pytest.approx(3.111, abs=0.001)  # t(9) at 1 - 0.05 / 8
    assert "rule: a lead over random above 3.11 standard errors" in str(found)
    brief = recommend(*_blobs(120, 3, 0.3, 0), share=0.4, **BRIEF)
    assert brief.errors == pytest.approx(8.860, abs=0.001)  # t(2)


@pytest.mark.parametrize("share", ["40%", "0.4", "48 items"])
def test_a_share_is_written_as_in_prune(share: str) -> None:
    x, y = _blobs(120, 3, 0.3, 0)
    assert recommend(x, y, share=share, **BRIEF) == recommend(x, y, share=0.4, **BRIEF)


@pytest.mark.parametrize(
    ("share", "message"),
    [
        (None, "None"),
        (0.0, r"share is 0\.0"),
        (1.0, r"share is 1\.0"),
        ("100%", r"share is 1\.0"),
        ("130%", r"share is 1\.3"),
        (30, "a bare 30"),
        ("200 items", "200 items of 60"),
        ("200 tokens", "share is '200 tokens'"),
        ("30% of tokens", "share of the rows"),
        ("30%, floor 2", "share of the rows"),
        ("everything", "share is 'everything'"),
        ("a lot", "a lot"),
        ("nan", "nan"),
    ],
)
def test_a_share_that_cannot_be_used_is_a_budget_error(share: Any, message: str) -> None:
    with pytest.raises(BudgetError, match=message):
        recommend(**_change(share=share))  # type: ignore[arg-type]


def test_rows_in_any_container_and_bare_vectors_give_the_same_answer(tmp_path: Path) -> None:
    x, y = _blobs(90, 3, 0.3, 0)
    names = [f"c{i}" for i in y]
    rows = [{"kind": k, "vec": v.tolist()} for k, v in zip(names, x, strict=True)]
    pl.DataFrame(rows).write_parquet(tmp_path / "rows.parquet")
    np.save(tmp_path / "x.npy", x)
    plain = recommend(embedding=x, label=names, share="30%", **BRIEF)
    assert recommend(str(tmp_path / "x.npy"), names, share="30%", **BRIEF) == plain
    for data in (rows, pl.DataFrame(rows), tmp_path / "rows.parquet"):
        assert recommend(data, label="kind", embedding="vec", share=0.3, **BRIEF) == plain
        assert recommend(data, label="kind", embedding=x, share=0.3, **BRIEF) == plain
    assert recommend(rows, embedding="vec", share=0.3).basis == "guide"


def test_rows_with_a_text_are_embedded() -> None:
    words = (("sun", "heat", "dry"), ("rain", "wet", "cold"))
    rng = np.random.default_rng(0)
    rows = [{"say": " ".join(rng.choice(words[i % 2], 4)), "kind": i % 2} for i in range(80)]
    found = recommend(rows, text="say", label="kind", share=0.3, embedder="offline", **BRIEF)
    assert (found.rows, found.classes, found.basis) == (80, 2, "probe")


def test_vectors_without_direction_can_be_left_out() -> None:
    x, y = _blobs(90, 3, 0.3, 0)
    x[7] = 0
    plain = recommend(np.delete(x, 7, 0), np.delete(y, 7), share=0.3, **BRIEF)
    assert recommend(x, y, share=0.3, on_bad="drop", **BRIEF) == plain


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": None}, "nothing to probe"),
        ({"embedding": np.ones((60, 2))}, "not both"),
        ({"label": "kind"}, "label is 'kind', but vectors alone have no columns"),
        ({"text": "say"}, "text is 'say', but vectors alone"),
        ({"on_bad": "skip"}, "on_bad is 'skip'"),
        ({"data": [{"v": [1.0, 2.0]}] * 60, "embedding": "v"}, "label is a"),
    ],
)
def test_data_that_do_not_fit_together_are_named(changes: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        recommend(**_change(**changes))  # type: ignore[arg-type]


def test_a_missing_label_is_no_class_of_its_own() -> None:
    x, y = _blobs(90, 3, 0.3, 0)
    rows = [{"kind": int(k), "vec": v.tolist()} for k, v in zip(y, x, strict=True)]
    rows[7]["kind"] = None  # type: ignore[assignment]
    options: dict[str, Any] = {"label": "kind", "embedding": "vec", "share": 0.3}
    with pytest.raises(InputError, match=r"1 rows have no label \(rows 7\)"):
        recommend(rows, **options)
    found = recommend(rows, **options, on_bad="drop", **BRIEF)
    assert (found.rows, found.classes) == (89, 3)


def test_without_a_label_rows_are_counted_and_not_embedded() -> None:
    found = recommend([{"other": 1}] * 80, share="20 items", embedder=None)
    assert (found.rows, found.kept, found.share, found.basis) == (80, 20, 0.25, "guide")


def test_its_repr_is_one_line() -> None:
    x, y = _blobs(120, 3, 0.3, 0)
    found = recommend(x, y, share=0.3, **BRIEF)
    assert repr(found) == f'Recommendation("{found.words}", share 30 %, 120 pilot rows)'
    assert repr(recommend(x, share=0.3)).endswith("share 30 %, not probed)")
