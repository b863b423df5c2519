"""The recorder of training runs: what was given is what is read, and whole epochs survive."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import datapruner as dp
from datapruner.dataset.loggedrun import LoggedColumn, open_run, run_items
from datapruner.dataset.runfile import Epoch, digest_of_ids
from datapruner.dataset.runlog import RunLog
from datapruner.errors import FormatError, InputError, OutputError
from datapruner.scorers.difficulty import EL2N, GraNd
from datapruner.scorers.forgetting import Forgetting
from datapruner.scorers.memorisation import Memorisation

N, C = 20, 3
LABELS = np.arange(N) % C


def logits(epoch: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed + 100 * epoch).normal(size=(N, C)).astype(np.float32)


def log_epoch(log: RunLog, epoch: int, *, batch: int = 6, seed: int = 0, **more: Any) -> None:
    """One epoch in shuffled batches."""
    z = logits(epoch, seed)
    order = np.random.default_rng(epoch).permutation(N)
    for start in range(0, N, batch):
        rows = order[start : start + batch]
        extra = {name: values[rows] for name, values in more.items()}
        log.record(rows, z[rows], LABELS[rows], epoch=epoch, **extra)


def logged(folder: Path, epochs: int = 3, **how: Any) -> Path:
    path = folder / "run.log"
    with RunLog(path, n=N, classes=C, **how) as log:
        for epoch in range(epochs):
            log_epoch(log, epoch)
    return path


def read(path: Path) -> np.ndarray:
    """Shape (n, epochs, C): the logits as scorers see them."""
    column = run_items(open_run(path)).features["logits"]
    return np.stack([column.snapshot(e, 0, N)[0] for e in range(column.count)], axis=1)


def test_what_is_read_is_what_was_recorded(tmp_path: Path) -> None:
    path = logged(tmp_path)
    run = open_run(path)
    assert read(path).tolist() == np.stack([logits(e) for e in range(3)], axis=1).tolist()
    assert run.labels.tolist() == LABELS.tolist()
    assert run.epochs == tuple(Epoch(e, N, 0, 0) for e in range(3))
    assert sorted(os.listdir(tmp_path)) == ["run.log", "run.log.json"]


def test_scores_of_a_log_are_those_of_the_arrays(tmp_path: Path) -> None:
    features = np.random.default_rng(5).normal(size=(N, 4)).astype(np.float32)
    path = tmp_path / "run.log"
    with RunLog(path, n=N, classes=C, features=4) as log:
        for epoch in range(3):
            log_epoch(log, epoch, features=features + epoch)
    z = np.stack([logits(e) for e in range(3)], axis=1)
    h = np.stack([features + e for e in range(3)], axis=1)
    items = run_items(open_run(path))
    plain = dp.Items.of(N, logits=z, label_codes=LABELS, features=h)
    for scorer in (EL2N(), GraNd(), Forgetting()):
        assert scorer(items).values.tolist() == scorer(plain).values.tolist()
    assert items.features["embedding"].tolist() == (features + 2).tolist()
    assert items.group_names == ("0", "1", "2")


def test_score_and_select_take_a_run_as_data(tmp_path: Path) -> None:
    path = logged(tmp_path)
    ids = [f"row {r}" for r in range(N)]
    kept = dp.prune(open_run(path), method="el2n", budget="50%", id=ids)
    assert len(kept) == 10
    assert kept.ids[0].startswith("row ")
    assert len(kept.apply(ids)) == 10


def test_half_precision_takes_half_the_size_and_says_what_does_not_fit(tmp_path: Path) -> None:
    path = logged(tmp_path, dtype="float16")
    exact = np.stack([logits(e) for e in range(3)], axis=1)
    assert read(path) == pytest.approx(exact, rel=2**-11)
    with RunLog(tmp_path / "b.log", n=N, classes=C, dtype="float16") as log:
        z = logits(0)
        z[7, 1] = 1e6
        with pytest.raises(InputError, match=r"1 rows are too large for float16 .*\(rows 7\)"):
            log.record(np.arange(N), z, LABELS, epoch=0)


def test_rows_recorded_twice_or_never_are_counted_and_the_last_time_counts(tmp_path: Path) -> None:
    path = tmp_path / "run.log"
    with RunLog(path, n=N, classes=C) as log:
        log.record([3, 4, 3], [[1, 0, 0], [2, 0, 0], [3, 0, 0]], LABELS[[3, 4, 3]], epoch=0)
        log.record([4], [[9, 0, 0]], LABELS[[4]], epoch=0)
        log.record([5], [[7, 0, 0]], LABELS[[5]], epoch=4)
    run = open_run(path)
    assert run.epochs == (Epoch(0, 2, N - 2, 2), Epoch(4, 1, N - 1, 0))
    values, seen = run_items(run).features["logits"].snapshot(0, 0, N)
    assert np.flatnonzero(seen).tolist() == [3, 4]
    assert values[[3, 4], 0].tolist() == [3, 9]
    assert run.labels.tolist() == [-1, -1, -1, *LABELS[3:6].tolist(), *[-1] * (N - 6)]
    items = run_items(run)
    assert items.group_names == ("0", "1", "2", "never logged")
    scores = EL2N(on_bad="drop")(items)
    assert np.flatnonzero(~scores.items.barred).tolist() == [3, 4, 5]
    assert len(dp.score(run, method="el2n", on_bad="drop").items.only_countable(np.arange(N))) == 3


def test_tensors_are_taken_without_importing_torch_here(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    z = torch.tensor(logits(0), requires_grad=True)
    with RunLog(tmp_path / "run.log", n=N, classes=C) as log:
        log.record(torch.arange(N), z, torch.tensor(LABELS), epoch=0)
        log.record(torch.arange(N), z.bfloat16(), torch.tensor(LABELS), epoch=1)
    found = read(tmp_path / "run.log")
    assert found[:, 0].tolist() == logits(0).tolist()
    assert found[:, 1] == pytest.approx(logits(0), rel=2**-8)


def test_the_recorder_needs_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys, numpy as np\nfrom datapruner.dataset.runlog import RunLog\n"
        "RunLog(sys.argv[1], n=2, classes=2).record([0], np.zeros((1, 2)), [0], epoch=0)\n"
        "print('torch' in sys.modules)"
    )
    args = [sys.executable, "-c", code, str(tmp_path / "run.log")]
    done = subprocess.run(args, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_ids_stand_for_rows_and_are_remembered(tmp_path: Path) -> None:
    ids = [f"row {r}" for r in range(N)]
    path = tmp_path / "run.log"
    with RunLog(path, n=N, classes=C, ids=ids) as log:
        log.record(["row 3", "row 1"], logits(0)[[3, 1]], LABELS[[3, 1]], epoch=0)
        with pytest.raises(InputError, match=r"2 ids are none of the log's \(a, b\)"):
            log.record(["a", "row 1", "b"], logits(0)[:3], LABELS[:3], epoch=0)
        wrong = logits(0)[:2]
        wrong[1] = np.nan
        with pytest.raises(InputError, match=r"\(rows row 5\)"):
            log.record(["row 4", "row 5"], wrong, LABELS[4:6], epoch=0)
    run = open_run(path)
    assert np.flatnonzero(run.labels >= 0).tolist() == [1, 3]
    assert run_items(run, id=ids).ids[3] == "row 3"
    with pytest.raises(InputError, match="the ids are not those"):
        run_items(run, id=ids[::-1])
    with pytest.raises(InputError, match="is a log with ids"):
        RunLog(path, n=N, classes=C)


def test_the_digest_of_ids_knows_their_order() -> None:
    assert digest_of_ids([1, 2, 3]) == digest_of_ids(np.array(["1", "2", "3"]))
    assert digest_of_ids([1, 2, 3]) != digest_of_ids([2, 1, 3])


# -- resuming, and what a killed run leaves ----------------------------------------------------


def test_a_run_that_goes_on_gives_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    whole = logged(tmp_path / "a", epochs=4)
    parts = tmp_path / "b" / "run.log"
    for epochs in ((0, 1), (2,), (3,)):
        with RunLog(parts, n=N, classes=C) as log:
            for epoch in epochs:
                log_epoch(log, epoch)
    assert parts.read_bytes() == whole.read_bytes()
    assert open_run(parts).epochs == open_run(whole).epochs


KILLED = """
import os, signal, sys, numpy as np
from datapruner.dataset.runlog import RunLog
log = RunLog(sys.argv[1], n=20, classes=3)
labels = np.arange(20) % 3
for epoch in range(3):
    z = np.random.default_rng(100 * epoch).normal(size=(20, 3)).astype(np.float32)
    rows = np.arange(20)[: 20 if epoch < 2 else 9]
    log.record(rows, z[rows], labels[rows], epoch=epoch)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_run_leaves_its_whole_epochs_and_can_go_on(tmp_path: Path) -> None:
    path = tmp_path / "run.log"
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert [epoch.epoch for epoch in open_run(path).epochs] == [0, 1]
    assert read(path)[:, 1].tolist() == logits(1).tolist()
    with RunLog(path, n=N, classes=C) as log:
        some = np.arange(10, 14)
        log.record(some, logits(2)[some], LABELS[some], epoch=2)
    # Nothing of the epoch that was cut off is left in the one that took its place.
    assert open_run(path).epochs[2] == Epoch(2, 4, N - 4, 0)


def test_an_epoch_that_an_error_ended_is_none(tmp_path: Path) -> None:
    path = tmp_path / "run.log"

    def diverges() -> None:
        with RunLog(path, n=N, classes=C) as log:
            log_epoch(log, 0)
            log.end_epoch()
            log_epoch(log, 1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        diverges()
    assert [epoch.epoch for epoch in open_run(path).epochs] == [0]


def test_epochs_do_not_go_back_unless_rewound(tmp_path: Path) -> None:
    path = logged(tmp_path)
    with RunLog(path, n=N, classes=C) as log:
        assert [epoch.epoch for epoch in log.epochs] == [0, 1, 2]
        assert (log.n, log.classes) == (N, C)
        with pytest.raises(
            InputError, match=r"epoch 1 cannot be recorded .* after epoch 2\. Go on"
        ):
            log_epoch(log, 1)
        log.rewind(1)
        log_epoch(log, 1, seed=7)
        log.rewind(1)  # also the one that is being recorded
        log_epoch(log, 1, seed=8)
        log.rewind(5)  # nothing there
    assert [epoch.epoch for epoch in open_run(path).epochs] == [0, 1]
    assert read(path)[:, 1].tolist() == logits(1, seed=8).tolist()


def test_one_process_writes_one_log(tmp_path: Path) -> None:
    path = tmp_path / "run.log"
    with (
        RunLog(path, n=N, classes=C),
        pytest.raises(OutputError, match="file of its own"),
    ):
        RunLog(path, n=N, classes=C)
    RunLog(path, n=N, classes=C).close()


def test_a_closed_log_takes_nothing_and_closes_twice(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "run.log", n=N, classes=C)
    log_epoch(log, 0)
    log.close()
    log.close()
    log.end_epoch()
    with pytest.raises(InputError, match="is closed already"):
        log_epoch(log, 1)


# -- bad input ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"logits": np.full((2, C), np.nan)}, r"logits of 2 rows are NaN .*epoch 0 \(rows 4, 5\)"),
        ({"logits": np.full((2, C), np.inf)}, "NaN or infinite"),
        ({"logits": np.zeros((2, 9))}, r"shape \(2, 9\); 2 rows need numbers of shape \(2, 3\)"),
        ({"logits": np.array([["a"] * C] * 2)}, "need numbers"),
        ({"labels": [0, 3]}, r"1 labels are outside 0 to 2 \(rows 5; the first is 3\)"),
        ({"labels": [-1, 0]}, r"1 labels are outside 0 to 2 \(rows 4"),
        ({"labels": [0.0, 1.0]}, "labels are float64"),
        ({"labels": [0]}, r"labels are int64 of shape \(1,\)"),
        ({"rows": [4, 20]}, "row 20 is outside 0 to 19"),
        ({"rows": [-1, 4]}, "row -1 is outside"),
        ({"rows": [0.5, 4.0]}, "rows are float64; give row numbers"),
        ({"rows": [[4], [5]]}, r"rows have shape \(2, 1\)"),
        ({"rows": [4, 4], "labels": [0, 1]}, r"than before \(rows 4; the first had 0"),
        ({"features": np.zeros((2, 4))}, "logs no features, but some were given"),
        ({"epoch": -1}, "epoch is -1; it must be"),
        ({"epoch": 1.5}, r"epoch is 1\.5; it must be"),
        ({"epoch": True}, "epoch is True; it must be"),
    ],
)  # fmt: skip
def test_a_bad_batch_is_refused_whole(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    batch = {"rows": [4, 5], "logits": np.zeros((2, C)), "labels": [1, 2], "epoch": 0} | change
    with RunLog(tmp_path / "run.log", n=N, classes=C) as log:
        with pytest.raises(InputError, match=message):
            log.record(batch.pop("rows"), batch.pop("logits"), batch.pop("labels"), **batch)
        log.record([0], np.zeros((1, C)), [0], epoch=0)
    assert open_run(tmp_path / "run.log").epochs == (Epoch(0, 1, N - 1, 0),)


def test_a_label_that_changes_is_noticed(tmp_path: Path) -> None:
    with RunLog(tmp_path / "run.log", n=N, classes=C) as log:
        log_epoch(log, 0)
        other = (LABELS + (np.arange(N) == 6)) % C
        message = r"1 rows have another label than before \(rows 6; the first had 0, now 1\)"
        with pytest.raises(InputError, match=message):
            log.record(np.arange(N), logits(1), other, epoch=1)


def test_features_are_asked_for_where_they_were_announced(tmp_path: Path) -> None:
    with (
        RunLog(tmp_path / "run.log", n=N, classes=C, features=4) as log,
        pytest.raises(InputError, match=r"features are object of shape \(\); 20 rows need"),
    ):
        log_epoch(log, 0, batch=N)


@pytest.mark.parametrize(
    "how", [{"n": 0}, {"classes": 1}, {"features": -1}, {"dtype": "float64"}]
)  # fmt: skip
def test_a_log_that_cannot_be_is_refused(tmp_path: Path, how: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="cannot be; give"):
        RunLog(tmp_path / "run.log", **({"n": N, "classes": C} | how))


@pytest.mark.parametrize("ids", [["a"] * N, ["a"]])
def test_ids_must_be_n_different_ones(tmp_path: Path, ids: list[str]) -> None:
    with pytest.raises(InputError, match="do not name 20 rows"):
        RunLog(tmp_path / "run.log", n=N, classes=C, ids=ids)


@pytest.mark.parametrize(
    ("how", "name"),
    [({"n": 21}, "n"), ({"classes": 4}, "classes"), ({"features": 2}, "width"),
     ({"dtype": "float16"}, "dtype"), ({"ids": list(range(N))}, "ids")],
)  # fmt: skip
def test_a_log_of_other_rows_is_not_gone_on_with(
    tmp_path: Path, how: dict[str, Any], name: str
) -> None:
    path = logged(tmp_path, epochs=1)
    before = path.read_bytes()
    with pytest.raises(InputError, match=f"is a log with {name} "):
        RunLog(path, **({"n": N, "classes": C} | how))
    assert path.read_bytes() == before
    RunLog(path, n=N, classes=C).close()  # and the refusal let go of it


def test_files_that_are_no_logs_are_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "notes.txt"
    other.write_text("mine")
    with pytest.raises(InputError, match="exists and is no run log"):
        RunLog(other, n=N, classes=C)
    assert other.read_text() == "mine"
    with pytest.raises(OutputError, match="cannot write"):
        RunLog(tmp_path / "no" / "run.log", n=N, classes=C)


def test_a_full_disk_is_an_error_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with RunLog(tmp_path / "run.log", n=N, classes=C) as log:
        log_epoch(log, 0)
        monkeypatch.setattr(os, "posix_fallocate", full)
        with pytest.raises(OutputError, match="No space left on device"):
            log_epoch(log, 1)
    assert [epoch.epoch for epoch in open_run(tmp_path / "run.log").epochs] == [0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "not the header of a run log"),
        ({"version": 3}, "has format version 3; this datapruner reads 2"),
        ({"n": 10**6}, "bytes of"),
        ({"n": "many"}, "cannot be read"),
        ({"dtype": "int8"}, "its shape or dtype cannot be"),
        ({"classes": -3}, "its shape or dtype cannot be"),
        ({"epochs": [{}]}, "cannot be read"),
        ({"more": 1}, "cannot be read"),
    ],
)
def test_damaged_headers_are_said_to_be(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    path = logged(tmp_path)
    header = tmp_path / "run.log.json"
    header.write_text(json.dumps(json.loads(header.read_text()) | change))
    with pytest.raises(FormatError, match=message):
        open_run(path)


def test_missing_and_cut_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no file .*run\.log"):
        open_run(tmp_path / "run.log")
    path = logged(tmp_path)
    (tmp_path / "run.log.json").write_text("[1")
    with pytest.raises(FormatError, match="cannot be read"):
        open_run(path)
    (tmp_path / "run.log.json").write_text("[]")
    with pytest.raises(FormatError, match="cannot be read"):
        open_run(path)


# -- several runs ------------------------------------------------------------------------------


def several(folder: Path, count: int = 3, **how: Any) -> list[Any]:
    runs = []
    for number in range(count):
        path = folder / f"run{number}.log"
        with RunLog(path, n=N, classes=C, **how) as log:
            for epoch in range(2):
                log_epoch(log, epoch, seed=number)
        runs.append(open_run(path))
    return runs


def test_one_epoch_of_several_runs_is_a_snapshot_each(tmp_path: Path) -> None:
    runs = several(tmp_path)
    for wanted, epoch in ((None, 1), (0, 0)):
        column = run_items(*runs, epoch=wanted).features["logits"]
        assert column.count == 3
        for number in range(3):
            values = column.snapshot(number, 0, N)[0]
            assert values.tolist() == logits(epoch, seed=number).tolist()
    assert run_items(runs[0], epoch=0).features["logits"].count == 1
    held_in = np.array([[True, False, True], [False, True, False]])[np.arange(N) % 2]
    scores = Memorisation()(run_items(*runs, held_in=held_in))
    assert scores.details["runs"] == 3


def test_runs_of_other_rows_are_refused(tmp_path: Path) -> None:
    first = several(tmp_path, 1)[0]
    with RunLog(tmp_path / "c.log", n=N, classes=4) as log:
        log.record([0], np.zeros((1, 4)), [0], epoch=0)
    with pytest.raises(InputError, match=r"has classes 4, .* has 3"):
        run_items(first, open_run(tmp_path / "c.log"))
    with RunLog(tmp_path / "d.log", n=N, classes=C) as log:
        log.record([0, 1], np.zeros((2, C)), [2, 1], epoch=0)
    with pytest.raises(InputError, match=r"disagree on the labels of 1 rows \(rows 0\)"):
        run_items(first, open_run(tmp_path / "d.log"))
    with pytest.raises(InputError, match="no run was given"):
        run_items()
    with pytest.raises(InputError, match=r"no whole epoch 5; it holds 0 to 1"):
        run_items(first, epoch=5)
    RunLog(tmp_path / "e.log", n=N, classes=C).close()
    with pytest.raises(InputError, match="no whole epoch; it holds none"):
        run_items(open_run(tmp_path / "e.log"))


def test_labels_of_one_run_serve_another_that_never_saw_the_row(tmp_path: Path) -> None:
    runs = []
    for number, rows in enumerate((np.arange(12), np.arange(8, N))):
        path = tmp_path / f"{number}.log"
        with RunLog(path, n=N, classes=C) as log:
            log.record(rows, logits(0)[rows], LABELS[rows], epoch=0)
        runs.append(open_run(path))
    items = run_items(*runs)
    assert items.features["label_codes"].tolist() == LABELS.tolist()
    assert EL2N()(items).notes[-1].startswith("el2n: 16 of 20 rows")


@settings(max_examples=20)
@given(rows=st.lists(st.integers(0, N - 1), max_size=12), more=st.data())
def test_taking_rows_of_a_column_is_taking_rows_of_its_values(rows: list[int], more: Any) -> None:
    column = TAKEN[0]
    taken = column.take(np.array(rows, dtype=np.int64))
    assert len(taken) == len(rows)
    whole, seen = column.snapshot(1, 0, N)
    values, there = taken.snapshot(1, 0, len(rows))
    assert values.tolist() == whole[rows].tolist()
    assert there.tolist() == seen[rows].tolist()
    if rows:
        again = more.draw(st.lists(st.integers(0, len(rows) - 1), max_size=5))
        twice = taken.take(np.array(again, dtype=np.int64))
        assert twice.snapshot(0, 0, len(again))[0].tolist() == (
            column.snapshot(0, 0, N)[0][np.array(rows)[again]].reshape(-1, C).tolist()
        )


TAKEN: list[LoggedColumn] = []


@pytest.fixture(autouse=True, scope="module")
def a_column(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = logged(tmp_path_factory.mktemp("log"))
    TAKEN.append(run_items(open_run(path)).features["logits"])
    return TAKEN[0]


def test_scores_of_some_rows_keep_their_columns(tmp_path: Path) -> None:
    items = run_items(open_run(logged(tmp_path)))
    rows = np.array([7, 2, 11])
    assert EL2N()(items.take(rows)).values.tolist() == EL2N()(items).values[rows].tolist()
