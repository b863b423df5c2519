"""Writing a cache: any order, once each, killed at any time, and resumed to the same bytes."""

from __future__ import annotations

import logging
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from datapruner.dataset.distill import TeacherCache, model_fingerprint
from datapruner.dataset.distill import fingerprint as prints
from datapruner.dataset.distill import writer as module
from datapruner.errors import InputError, OutputError

IDS = list(range(200))
Z = (np.random.default_rng(0).normal(size=(200, 5)) * 4).astype(np.float32)


def files(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def create(path, **change):
    options = {"fingerprint": "T", "classes": 5, "segment_bytes": 300} | change
    return TeacherCache.create(path, IDS, **options)


class Teacher:
    """Counts the rows it is asked about; stops for good after some."""

    def __init__(self, until=10**9):
        self.asked, self.until = [], until

    def __call__(self, rows):
        if len(self.asked) + len(rows) > self.until:
            raise KeyboardInterrupt
        self.asked += list(rows)
        return Z[rows]


def build(path, teacher, size=16, order=IDS, **change):
    feed = ((order[a : a + size], order[a : a + size]) for a in range(0, len(order), size))
    options = {"fingerprint": "T", "classes": 5, "segment_bytes": 300} | change
    return TeacherCache.build(path, IDS, feed, teacher=teacher, **options)


def test_rows_in_any_order_and_batches_of_any_size(tmp_path):
    draw = np.random.default_rng(1)
    order = draw.permutation(200)
    with create(tmp_path / "c") as cache:
        for some in np.split(order, np.sort(draw.integers(0, 200, 12))):
            cache.write(some, Z[some])
        assert cache.missing == 0
    found = TeacherCache.open(tmp_path / "c", ids=IDS).take(IDS)
    np.testing.assert_allclose(found, Z - Z.max(1, keepdims=True), atol=0.02)


@pytest.mark.parametrize("size", [1, 7, 16, 200])
def test_the_bytes_do_not_depend_on_the_size_of_the_batches(tmp_path, size):
    build(tmp_path / "a", Teacher(), size=size)
    build(tmp_path / "b", Teacher())
    assert files(tmp_path / "a") == files(tmp_path / "b")


@pytest.mark.parametrize("stop", [0, 1, 16, 48, 100, 199])
@pytest.mark.parametrize("topk", [None, 2])
def test_a_run_that_was_stopped_goes_on_and_ends_with_the_same_bytes(tmp_path, stop, topk):
    build(tmp_path / "whole", Teacher(), topk=topk)
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "c", Teacher(until=stop), topk=topk)
    with create(tmp_path / "c", topk=topk) as cache:
        done = 200 - cache.missing
    again = Teacher()
    build(tmp_path / "c", again, topk=topk)
    assert files(tmp_path / "c") == files(tmp_path / "whole")
    assert again.asked[0] == done // 16 * 16  # from the batch of the first missing row on
    finished = Teacher()
    build(tmp_path / "c", finished, topk=topk)
    assert finished.asked == []


KILLED = """
import sys, time
import numpy as np
from datapruner.dataset.distill import TeacherCache

folder, ids = sys.argv[1], list(range(3000))
z = np.random.default_rng(0).normal(size=(3000, 50)).astype(np.float32)


def teacher(rows):
    time.sleep(0.002)
    return z[rows]


batches = ((ids[a : a + 10], ids[a : a + 10]) for a in range(0, 3000, 10))
print("begun", flush=True)
TeacherCache.build(
    folder, ids, batches, teacher=teacher, fingerprint="T", classes=50, segment_bytes=20_000
)
"""


def start(folder):
    return subprocess.Popen(
        [sys.executable, "-c", KILLED, str(folder)], stdout=subprocess.PIPE, text=True
    )


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="the system knows no SIGKILL")
def test_a_run_that_was_killed_ends_with_the_same_bytes(tmp_path):
    whole = start(tmp_path / "whole")
    whole.stdout.readline()
    begun = time.monotonic()
    whole.communicate()
    assert whole.returncode == 0
    took = time.monotonic() - begun
    draw = random.Random(0)
    for _ in range(3):
        running = start(tmp_path / "c")
        running.stdout.readline()
        time.sleep(draw.uniform(0.1, 0.5) * took)
        running.kill()
        running.communicate()
    last = start(tmp_path / "c")
    last.communicate()
    assert last.returncode == 0
    assert files(tmp_path / "c") == files(tmp_path / "whole")


def test_drafts_of_a_killed_run_are_swept(tmp_path):
    build(tmp_path / "c", Teacher())
    expected = files(tmp_path / "c")
    (tmp_path / "c" / "segment-000099.safetensors.tmp-0123abcd").write_bytes(b"half")
    build(tmp_path / "c", Teacher())
    assert files(tmp_path / "c") == expected


def test_a_damaged_segment_is_made_anew_with_a_warning(tmp_path, caplog):
    build(tmp_path / "c", Teacher())
    expected = files(tmp_path / "c")
    path = tmp_path / "c" / "segment-000002.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    (tmp_path / "c" / "segment-000004.safetensors").write_bytes(b"")
    again = Teacher()
    with caplog.at_level(logging.WARNING, logger="datapruner"):
        build(tmp_path / "c", again)
    assert caplog.text.count("a segment is made anew") == 2
    assert 0 < len(again.asked) < 200
    assert files(tmp_path / "c") == expected


def test_a_foreign_file_beside_the_segments_is_no_segment(tmp_path):
    build(tmp_path / "c", Teacher())
    (tmp_path / "c" / "segment-mine.safetensors").write_bytes(b"")
    assert len(TeacherCache.open(tmp_path / "c")) == 200


class TestOnce:
    """Nothing is silently repeated or skipped."""

    def test_a_row_is_written_once(self, tmp_path):
        with create(tmp_path / "c") as cache:
            cache.write([3, 4], Z[3:5])
            assert cache.has([2, 3]).tolist() == [False, True]
            with pytest.raises(InputError, match=r"1 were written before.*\[4\]"):
                cache.write([5, 4], Z[5:7])
            with pytest.raises(InputError, match=r"one stands twice among them .*\[6, 6\]"):
                cache.write([6, 6], Z[6:8])
            cache.write([5, 6], Z[5:7])  # what was refused left nothing behind
            assert cache.missing == 196

    def test_batches_that_bring_a_row_twice(self, tmp_path):
        with pytest.raises(InputError, match=r"bring a row twice, near the ids \[7\]"):
            build(tmp_path / "c", Teacher(), order=[*IDS[:20], 7, *IDS[20:]])
        with pytest.raises(InputError, match=r"bring a row twice"):
            build(tmp_path / "d", Teacher(), order=[5, 5])

    def test_an_id_of_another_data_set(self, tmp_path):
        with (
            create(tmp_path / "c") as cache,
            pytest.raises(InputError, match=r"1 of these 2 ids are not of the data set.*\[999\]"),
        ):
            cache.write([1, 999], Z[:2])

    def test_writing_nothing(self, tmp_path):
        with create(tmp_path / "c") as cache:
            cache.write([], np.zeros((0, 5)))
        assert list(files(tmp_path / "c")) == ["header.json"]


class TestBadLogits:
    @pytest.mark.parametrize(
        "shape", [(3, 5), (2, 4), (2,), (2, 5, 1)], ids=["rows", "classes", "flat", "deep"]
    )
    def test_another_shape(self, tmp_path, shape):
        with (
            create(tmp_path / "c") as cache,
            pytest.raises(InputError, match=r"2 ids and 5 classes need \(2, 5\)"),
        ):
            cache.write([1, 2], np.zeros(shape))

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("topk", [None, 2])
    def test_not_finite(self, tmp_path, bad, topk):
        z = Z[:3].copy()
        z[1, 2] = bad
        with create(tmp_path / "c", topk=topk) as cache:
            with pytest.raises(InputError, match=r"logits of 1 rows are not finite.*ids 11\."):
                cache.write([10, 11, 12], z)
            assert cache.missing == 200

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
    def test_tensors_of_any_float(self, tmp_path, dtype):
        z = torch.tensor(Z).to(dtype).requires_grad_()
        with create(tmp_path / "c") as cache:
            cache.write(IDS, z)
        expected = z.detach().double().numpy()
        found = TeacherCache.open(tmp_path / "c").take(IDS)
        np.testing.assert_allclose(found, expected - expected.max(1, keepdims=True), atol=0.02)


class TestTorchTeacher:
    def test_a_module_is_named_by_its_weights(self, tmp_path):
        model = torch.nn.Linear(3, 5).eval()
        x = torch.ones((200, 3))
        options = {"classes": 5, "teacher": model}
        cache = TeacherCache.build(tmp_path / "c", IDS, [(IDS, x)], **options)
        assert cache.plan.fingerprint == model_fingerprint(model)
        with torch.no_grad():
            model.weight[0, 0] += 1e-3
        with pytest.raises(InputError, match=r"holds the answers of the teacher"):
            TeacherCache.build(tmp_path / "c", IDS, [(IDS, x)], **options)

    def test_a_module_in_training_mode_is_refused(self, tmp_path):
        with pytest.raises(InputError, match=r"Linear is in training mode.*teacher\.eval\(\)"):
            TeacherCache.build(
                tmp_path / "c", IDS, [], teacher=torch.nn.Linear(3, 5).train(), classes=5
            )

    def test_gradients_are_off(self, tmp_path):
        seen = []

        def teacher(rows):
            seen.append(torch.is_grad_enabled())
            return Z[rows]

        build(tmp_path / "c", teacher)
        assert set(seen) == {False}
        assert torch.is_grad_enabled()

    def test_a_plain_function_needs_a_name(self, tmp_path):
        with pytest.raises(InputError, match=r"function has no state_dict.*fingerprint="):
            TeacherCache.build(tmp_path / "c", IDS, [], teacher=lambda x: x, classes=5)

    def test_the_fingerprint_knows_names_types_shapes_and_values(self):
        torch_of = torch.nn.Linear
        with torch.no_grad():
            base = torch_of(2, 3)
            base.weight.zero_(), base.bias.zero_()
            turned = torch_of(3, 2)
            turned.weight.zero_(), turned.bias.zero_()
        prints = {
            model_fingerprint(base),
            model_fingerprint(turned),
            model_fingerprint(torch.nn.Sequential(base)),
        }
        assert len(prints) == 3
        assert model_fingerprint(base) == model_fingerprint(base)
        assert model_fingerprint(base.double()) not in prints


def test_a_disk_too_small_is_told_before_the_teacher_is_asked(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: usage._replace(free=4000))
    asked = Teacher()
    with pytest.raises(OutputError, match=r"needs 0\.00 GB more, and 0\.00 GB are free"):
        build(tmp_path / "c", asked)
    assert asked.asked == []
    # How many tokens there will be is not known, so those are let through.
    create(tmp_path / "d", per="token", topk=2).close()


def test_a_disk_that_fills_up_is_told_and_nothing_half_is_left(tmp_path, monkeypatch):
    def full(path, arrays):
        raise OutputError("disk full while writing")

    monkeypatch.setattr(module, "write_segment", full)
    with pytest.raises(OutputError, match=r"disk full"):
        build(tmp_path / "c", Teacher())
    assert list(files(tmp_path / "c")) == ["header.json"]
    # An error in the middle is the one that is told, not that of the segment before it.
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "c", Teacher(until=20))


@pytest.mark.skipif(os.name != "posix", reason="locks files the POSIX way")
def test_one_process_writes_at_a_time(tmp_path):
    first = create(tmp_path / "c")
    with pytest.raises(OutputError, match=r"another process is writing to the cache"):
        create(tmp_path / "c")
    first.close()
    create(tmp_path / "c").close()


def test_a_refused_folder_is_let_go_of(tmp_path):
    create(tmp_path / "c").close()
    with pytest.raises(InputError, match=r"teacher 'T', not of 'U'"):
        create(tmp_path / "c", fingerprint="U")
    create(tmp_path / "c").close()


def test_a_system_without_such_locks_does_without(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fcntl", None)
    create(tmp_path / "c").close()


def test_closing_twice_is_closing_once(tmp_path):
    cache = create(tmp_path / "c")
    cache.write(IDS[:3], Z[:3])
    cache.close()
    cache.close()
    assert len(list((tmp_path / "c").glob("segment-*"))) == 1


def test_ids_that_share_a_hash_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(prints, "id_keys", lambda ids: np.zeros(len(ids), dtype=np.uint64))
    with pytest.raises(InputError, match=r"two of these ids share a 64-bit hash"):
        create(tmp_path / "c")


def test_impossible_sizes_are_refused(tmp_path):
    for change, message in (
        ({"classes": 0}, r"classes is 0"),
        ({"topk": 6}, r"topk is 6; of 5 classes"),
        ({"per": "word"}, r"per is 'word'"),
        ({"segment_bytes": 0}, r"segment_bytes is 0"),
    ):
        with pytest.raises(InputError, match=message):
            create(tmp_path / "c", **change)


def test_memory_is_used_again_only_when_its_rows_are_on_the_disk(tmp_path, monkeypatch):
    build(tmp_path / "right", Teacher(), size=200)
    write, fresh = module.write_segment, []
    draw = random.Random(0)

    def late(path, arrays):
        time.sleep(draw.choice([0, 0.01]))  # so that segments overtake one another
        write(path, arrays)

    empty = np.empty
    monkeypatch.setattr(module, "write_segment", late)
    monkeypatch.setattr(
        module.np, "empty", lambda size, dtype: fresh.append(size) or empty(size, dtype)
    )
    with create(tmp_path / "c") as cache:
        for start in range(0, 200, 4):  # no segment ends where a batch ends
            cache.write(IDS[start : start + 4], Z[start : start + 4])
        monkeypatch.undo()
    assert files(tmp_path / "c") == files(tmp_path / "right")
    assert 0 < len([size for size in fresh if size == 40]) < 50
