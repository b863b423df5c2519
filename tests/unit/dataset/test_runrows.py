"""Rows and their log: found by id or by position, whatever is missing is named."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import datapruner as dp
from datapruner.core.items import Items
from datapruner.dataset.loggedrun import LoggedRun, open_run, run_items
from datapruner.dataset.runlog import RunLog
from datapruner.dataset.runrows import check_runs, digest_of_runs, join_runs, open_runs
from datapruner.errors import InputError, MissingColumnError
from datapruner.methods import METHODS
from datapruner.scorers.difficulty import AUM

N, CLASSES = 12, 3
IDS = [f"row {row}" for row in range(N)]
CODES = np.arange(N) % CLASSES


def logged(path: Path, epochs: int = 2, seed: int = 0, n: int = N, **options: Any) -> LoggedRun:
    draw = np.random.default_rng(seed)
    width = options.get("features", 0)
    names = np.arange(n) if "ids" not in options else options["ids"]
    with RunLog(path, n=n, classes=CLASSES, **options) as log:
        for epoch in range(epochs):
            features = draw.normal(size=(n, width)) if width else None
            logits = draw.normal(size=(n, CLASSES))
            log.record(names, logits, CODES[:n], epoch=epoch, features=features)
    return open_run(path)


@pytest.fixture(scope="module")
def with_ids(tmp_path_factory: pytest.TempPathFactory) -> LoggedRun:
    return logged(tmp_path_factory.mktemp("log") / "run.log", ids=IDS, features=2)


def values_of(items: Items, name: str) -> np.ndarray:
    return np.stack([items.features[name].snapshot(s, 0, items.n)[0] for s in range(2)])


@settings(max_examples=25)
@given(order=st.permutations(range(N)))
def test_every_row_gets_what_was_logged_of_its_id(with_ids: LoggedRun, order: list[int]) -> None:
    alone = run_items(with_ids)
    items = join_runs(Items.of(N, id=[IDS[row] for row in order]), [with_ids])
    for name in ("logits", "features"):
        expected = values_of(alone, name)[:, order]
        assert values_of(items, name).tolist() == expected.tolist()
    assert items.features["label_codes"].tolist() == CODES[order].tolist()
    assert np.array_equal(items.features["embedding"], alone.features["embedding"][order])
    assert [items.group_names[g] for g in items.group] == [str(CODES[row]) for row in order]


def test_numbers_and_the_texts_of_them_are_the_same_ids(tmp_path: Path) -> None:
    run = logged(tmp_path / "run.log", ids=np.arange(100, 100 + N))
    texts = [str(number) for number in range(100, 100 + N)][::-1]
    items = join_runs(Items.of(N, id=texts), [run])
    assert items.features["label_codes"].tolist() == CODES[::-1].tolist()


def test_rows_in_the_order_of_the_log_are_not_copied(with_ids: LoggedRun) -> None:
    items = join_runs(Items.of(N, id=IDS), [with_ids])
    assert items.features["logits"].rows is None
    assert not items.features["embedding"].flags.owndata


def test_a_row_that_cannot_be_read_may_have_lost_its_id(with_ids: LoggedRun) -> None:
    names = [*IDS[:3], "(bad row 3)", *IDS[4:]]
    barred = np.arange(N) == 3
    items = join_runs(Items.of(N, id=names, barred=barred), [with_ids])
    assert items.features["label_codes"].tolist() == np.where(barred, -1, CODES).tolist()
    assert "never logged" not in items.group_names
    alone = dp.score(with_ids, method="aum").values
    assert AUM()(items).values[~barred].tolist() == alone[~barred].tolist()
    with pytest.raises(InputError, match=r"1 of 12 rows are not in it \(ids \(bad row 3\)\)"):
        join_runs(Items.of(N, id=names), [with_ids])


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["new", *IDS], r"1 of 13 rows are not in it \(ids new\); give the rows"),
        (IDS[2:], r"2 of its 12 rows are not there \(its rows 0, 1\)"),
        (
            [f"other {row}" for row in range(N)],
            r"ids other 0, other 1, other 2, other 3, other 4, \.\.\.\) and 12 of its 12 rows",
        ),
    ],
)
def test_rows_without_their_fellow_are_named(
    with_ids: LoggedRun, names: list[str], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        join_runs(Items.of(len(names), id=names), [with_ids], id="id")


def test_content_ids_are_said_to_be_the_wrong_ones(with_ids: LoggedRun) -> None:
    with pytest.raises(InputError, match=r"name the column of those ids with id="):
        join_runs(Items.of(N, id=[f"{row:032x}" for row in range(N)]), [with_ids])


@pytest.mark.parametrize("n", [0, N - 1, N + 1])
def test_by_position_the_numbers_of_rows_must_agree(tmp_path: Path, n: int) -> None:
    run = logged(tmp_path / "run.log")
    with pytest.raises(InputError, match=f"made of 12 rows, and the data has {n}"):
        join_runs(Items.of(n), [run])


def test_the_data_may_be_vectors_rows_or_a_table(tmp_path: Path) -> None:
    run = logged(tmp_path / "run.log")
    expected = dp.score(run, method="aum").values.tolist()
    rows = [{"text": f"text {row}"} for row in range(N)]
    for data in (np.random.default_rng(0).normal(size=(N, 3)).astype(np.float32), rows):
        for log in (run, run.path, str(run.path), [run]):
            assert dp.score(data, method="aum", log=log).values.tolist() == expected
    kept = dp.prune(rows, method="aum", log=run, budget="3 items", pick="high")
    hardest = sorted(np.argsort(expected)[-3:].tolist())
    assert kept.apply(rows) == [rows[row] for row in hardest]


def test_an_embedding_of_the_rows_goes_before_the_logged_features(tmp_path: Path) -> None:
    run = logged(tmp_path / "run.log", features=2)
    vectors = np.eye(N, dtype=np.float32)
    rows = [{"text": f"text {row}"} for row in range(N)]
    ours = dp.score(rows, method="aum", log=run, embedding=vectors).items.features["embedding"]
    assert ours.d == N
    logged_features = dp.score(rows, method="aum", log=run).items.features["embedding"]
    assert logged_features.shape == (N, 2)


def test_a_log_as_data_takes_no_columns(tmp_path: Path) -> None:
    run = logged(tmp_path / "run.log")
    for options in ({"text": "t"}, {"label": list(CODES)}, {"log": run}, {"embedding": np.eye(N)}):
        with pytest.raises(InputError, match="the log of a run has no columns"):
            dp.score(run, method="aum", **options)


def test_what_a_method_reads_and_what_is_given_must_agree(tmp_path: Path) -> None:
    run = logged(tmp_path / "run.log")
    rows = [{"text": "a"}] * N
    cases: list[tuple[Any, dict[str, Any], Any, str]] = [
        (rows, {"method": "el2n"}, MissingColumnError, "no log was given"),
        (rows, {"method": "random", "log": run}, InputError, "reads no log"),
        (rows, {"method": "random", "epoch": 1}, InputError, "leave epoch"),
        (rows, {"method": "grand", "log": run}, MissingColumnError, "inputs of the last layer"),
        (run, {"method": "grand"}, MissingColumnError, "inputs of the last layer"),
        (run, {"method": "memorisation"}, MissingColumnError, "two logs or more, here are 1"),
        (run, {"method": "aum", "held_in": np.eye(2)}, InputError, "does not ask which rows"),
    ]
    for data, options, kind, message in cases:
        with pytest.raises(kind, match=message):
            dp.score(data, **options)


def test_a_log_as_data_serves_methods_of_vectors_too(tmp_path: Path) -> None:
    run = logged(tmp_path / "run.log", features=2)
    assert len(dp.score(run, method="prototypes", k=2).values) == N
    with pytest.raises(InputError, match="reads no log"):
        check_runs(METHODS["prototypes"], open_runs([run.path]), None, None)


@pytest.mark.parametrize(
    ("held_in", "message"),
    [
        (np.ones((N, 2)), r"is float64 of shape \(12, 2\)"),
        (np.ones((N, 3), dtype=bool), r"is bool of shape \(12, 3\); 12 rows and 2 runs"),
        ("none.npy", "there is no file none.npy"),
        ("text.npy", r"no array is in text\.npy"),
        ("two.npz", "is several arrays"),
    ],
)
def test_what_is_no_held_in_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held_in: Any, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.npy").write_text("no array")
    np.savez("two.npz", a=np.ones(2), b=np.ones(2))
    runs = [logged(tmp_path / f"{seed}.log", seed=seed) for seed in range(2)]
    with pytest.raises(InputError, match=message):
        dp.score([{"a": 1}] * N, method="memorisation", log=runs, held_in=held_in)


def test_held_in_goes_with_the_rows_of_the_log(tmp_path: Path) -> None:
    runs = [logged(tmp_path / f"{seed}.log", seed=seed, ids=IDS) for seed in range(2)]
    held_in = np.stack([CODES == 0, CODES != 0], axis=1)
    rows = [{"id": name} for name in IDS]
    plain = dp.score(rows, method="memorisation", log=runs, held_in=held_in, id="id").values
    p = [np.exp(run_items(run).features["logits"].snapshot(1, 0, N)[0]) for run in runs]
    own = [(e / e.sum(axis=1, keepdims=True))[np.arange(N), CODES] for e in p]
    assert plain == pytest.approx(np.where(CODES == 0, own[0] - own[1], own[1] - own[0]))
    turned = dp.score(rows[::-1], method="memorisation", log=runs, held_in=held_in, id="id")
    assert turned.values.tolist() == plain[::-1].tolist()


def test_labels_that_do_not_pair_off_are_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = logged(tmp_path / "run.log")

    def said(labels: list[str]) -> str:
        caplog.clear()
        rows = [{"kind": label} for label in labels]
        with caplog.at_level(logging.WARNING, logger="datapruner"):
            scores = dp.score(rows, method="aum", log=run, label="kind")
        assert set(scores.items.group_names) == set(labels)
        return caplog.text

    names = ["cat", "dog", "owl"]
    right = [names[code] for code in CODES]
    assert said(right) == ""
    assert said([f"{one}{row % 2}" for row, one in enumerate(right)]) == ""  # finer: no classes
    assert "2 of 12 rows have another code" in said([right[1], right[0], *right[2:]])


def test_the_digest_is_of_what_was_read(tmp_path: Path) -> None:
    run = logged(tmp_path / "run.log", epochs=2)
    first = run_items(run).features["logits"]
    digest = digest_of_runs(first)
    with RunLog(run.path, n=N, classes=CLASSES) as log:
        log.record(np.arange(N), np.ones((N, CLASSES)), CODES, epoch=2)
    assert digest_of_runs(first) == digest
    assert digest_of_runs(run_items(open_run(run.path)).features["logits"]) != digest
    assert digest_of_runs(run_items(open_run(run.path), epoch=1).features["logits"]) != digest
    for place in (0, run.path.stat().st_size // 2):
        kept = run.path.read_bytes()
        run.path.write_bytes(kept[:place] + bytes([kept[place] ^ 1]) + kept[place + 1 :])
        assert digest_of_runs(first) != digest
        run.path.write_bytes(kept)
    assert digest_of_runs(first) == digest
