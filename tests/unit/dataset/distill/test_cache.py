"""TeacherCache: what is read is what was written, by id, and for nobody else's question."""

from __future__ import annotations

import json
import pickle
import sys
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracles import distill_oracle as oracle

from datapruner.dataset.distill import TeacherCache, TopK, kd_loss, top_k
from datapruner.dataset.distill.pieces import as_float32
from datapruner.errors import FormatError, InputError, OutputError

IDS = [f"row {r}" for r in range(100)]
Z = (np.random.default_rng(0).normal(size=(100, 7)) * 4).astype(np.float32)
TEXTS = [f"text {r}" for r in range(100)]


def batches(rows=range(100), size=16, ids=IDS, z=Z):
    for start in range(0, len(rows), size):
        some = rows[start : start + size]
        yield [ids[r] for r in some], z[list(some)]


def build(path, **change):
    options = {"teacher": lambda x: x, "fingerprint": "T", "classes": 7, "segment_bytes": 500}
    options |= change
    feed = options.pop("feed", None)
    return TeacherCache.build(path, IDS, batches() if feed is None else feed, **options)


def shifted(z):
    return z - z.max(axis=1, keepdims=True)


def files(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def segment(folder, number=0):
    return folder / f"segment-{number:06d}.safetensors"


class TestReading:
    def test_logits_come_back_up_to_float16(self, tmp_path):
        build(tmp_path / "c")
        cache = TeacherCache.open(tmp_path / "c", ids=IDS, fingerprint="T")
        order = np.random.default_rng(1).permutation(100)
        found = cache.take([IDS[r] for r in order])
        assert found.dtype == np.float32
        np.testing.assert_array_equal(
            found, shifted(Z)[order].astype(np.float16).astype(np.float32)
        )
        assert len(list((tmp_path / "c").glob("segment-*"))) > 2
        assert len(cache) == 100

    def test_what_was_stored_makes_the_loss_of_the_teacher(self, tmp_path):
        cache = build(tmp_path / "c")
        student = torch.zeros((100, 7))
        found = kd_loss(student, cache.take(IDS), alpha=1)
        assert found.item() == pytest.approx(kd_loss(student, Z, alpha=1).item(), rel=1e-3)

    def test_a_row_may_be_asked_for_twice_and_nothing_too(self, tmp_path):
        cache = build(tmp_path / "c")
        twice = cache.take([IDS[5], IDS[5]])
        np.testing.assert_array_equal(twice[0], twice[1])
        assert cache.take([]).shape == (0, 7)

    @pytest.mark.parametrize("kind", ["list", "array", "tensor"])
    def test_ids_may_be_whole_numbers_in_any_container(self, tmp_path, kind):
        ids = np.arange(100) * 7 - 50
        TeacherCache.build(
            tmp_path / "c", ids, [(ids, Z)], teacher=lambda x: x, fingerprint="T", classes=7
        )
        some = {
            "list": ids[3:5].tolist(),
            "array": ids[3:5],
            "tensor": torch.tensor(ids[3:5]),
        }[kind]
        found = TeacherCache.open(tmp_path / "c").take(some)
        np.testing.assert_allclose(found, shifted(Z)[3:5], atol=0.02)

    def test_an_unknown_id_is_named(self, tmp_path):
        cache = build(tmp_path / "c")
        with pytest.raises(InputError, match=r"1 of these 2 ids are not in the cache.*'row 100'"):
            cache.take(["row 1", "row 100"])

    def test_ids_of_another_type_are_refused(self, tmp_path):
        cache = build(tmp_path / "c")
        with pytest.raises(InputError, match=r"ids are float64 of shape \(1,\)"):
            cache.take([1.5])
        with pytest.raises(InputError, match=r"ids are int64 of shape \(1, 1\)"):
            cache.take([[1]])

    def test_the_top_classes_and_their_rest(self, tmp_path):
        cache = build(tmp_path / "c", topk=3)
        found, expected = cache.take(IDS[:9]), top_k(Z[:9], 3)
        np.testing.assert_array_equal(found.classes, expected.classes)
        np.testing.assert_allclose(found.values, expected.values, rtol=2**-10)
        np.testing.assert_allclose(found.rest, expected.rest, rtol=1e-6)
        np.testing.assert_allclose(cache.logits(IDS[:9]), found.dense())

    def test_the_top_classes_are_no_farther_off_than_the_bound(self, tmp_path):
        short = build(tmp_path / "c", topk=3).take(IDS)
        for row, bound in enumerate(short.bound()):
            found = oracle.softmax(short.dense()[row].tolist())
            true = oracle.softmax(Z[row].tolist())
            # 2**-11 of each log-probability for float16, of which none is below -12 here.
            assert oracle.variation(found, true) <= bound + 12 * 2**-11

    def test_one_segment_and_many_give_the_same(self, tmp_path):
        for topk in (None, 2):
            many = build(tmp_path / f"many {topk}", topk=topk)
            one = build(tmp_path / f"one {topk}", topk=topk, segment_bytes=10**6)
            np.testing.assert_array_equal(many.logits(IDS[::3]), one.logits(IDS[::3]))

    def test_a_worker_gets_a_cache_of_its_own(self, tmp_path):
        cache = build(tmp_path / "c")
        again = pickle.loads(pickle.dumps(cache))
        np.testing.assert_array_equal(again.take(IDS), cache.take(IDS))

    def test_it_tells_what_it_is(self, tmp_path):
        text = repr(build(tmp_path / "c", topk=2))
        assert text == "TeacherCache(100 rows, the top 2 of 7 classes a row, teacher 'T')"
        assert "logits of 7 classes" in repr(build(tmp_path / "d"))

    def test_logits_far_apart_stay_finite(self, tmp_path):
        z = np.array([[3e38, 0.0, -3e38]], dtype=np.float32)
        cache = TeacherCache.build(
            tmp_path / "c", [1], [([1], z)], teacher=lambda x: x, fingerprint="T", classes=3
        )
        assert cache.take([1]).tolist() == [[0.0, -65504.0, -65504.0]]

    def test_a_large_common_offset_costs_no_precision(self, tmp_path):
        cache = build(tmp_path / "c", feed=batches(z=Z + np.float32(4096)))
        np.testing.assert_allclose(cache.take(IDS), shifted(Z), atol=0.02)

    def test_an_empty_data_set(self, tmp_path):
        cache = TeacherCache.build(
            tmp_path / "c", [], [], teacher=lambda x: x, fingerprint="T", classes=7
        )
        assert len(TeacherCache.open(tmp_path / "c", ids=[])) == 0
        assert cache.take([]).shape == (0, 7)


class TestTokens:
    """One answer a token; rows of different length."""

    rng = np.random.default_rng(3)
    pool = rng.normal(size=(15, 50)).astype(np.float32) * 3
    rows = np.split(pool, np.cumsum((3, 0, 5, 1, 4)))
    ids = range(6)

    def make(self, path, **change):
        options = {"classes": 50, "topk": 8, "per": "token", "segment_bytes": 200} | change
        feed = (([r], [self.rows[r]]) for r in self.ids)
        return TeacherCache.build(
            path, self.ids, feed, teacher=lambda x: x, fingerprint="T", **options
        )

    @pytest.mark.parametrize("segment_bytes", [200, 10**6])
    def test_rows_come_back_padded_on_the_right(self, tmp_path, segment_bytes):
        cache = self.make(tmp_path / "c", segment_bytes=segment_bytes)
        found = cache.take([4, 1, 2])
        assert isinstance(found, TopK)
        assert found.lengths.tolist() == [4, 0, 5]
        assert found.values.shape == (3, 5, 8)
        for place, row in enumerate((4, 1, 2)):
            expected = top_k(self.rows[row], 8)
            length = len(self.rows[row])
            np.testing.assert_array_equal(found.classes[place, :length], expected.classes)
            np.testing.assert_allclose(found.values[place, :length], expected.values, rtol=2**-10)
            np.testing.assert_array_equal(found.rest[place, :length], expected.rest)
        assert cache.logits([4, 1, 2]).shape == (3, 5, 50)

    def test_the_loss_of_a_language_model(self, tmp_path):
        cache = self.make(tmp_path / "c", topk=50)
        student = torch.tensor(self.rng.normal(size=(2, 6, 50)))
        labels = torch.full((2, 6), -100)
        labels[0, :5], labels[1, :3] = torch.arange(5), torch.arange(3)
        loss = kd_loss(student, cache.take([2, 0]), labels, alpha=0.5, temperature=1)
        each = [
            oracle.loss(student[place, t].tolist(), self.rows[row][t].tolist(), t, 0.5, 1)
            for place, row in enumerate((2, 0))
            for t in range(len(self.rows[row]))
        ]
        assert loss.item() == pytest.approx(np.mean(each), rel=1e-3)

    def test_nothing_asked_for(self, tmp_path):
        assert self.make(tmp_path / "c").take([]).values.shape == (0, 0, 8)

    def test_a_batch_of_equal_lengths_may_be_one_array(self, tmp_path):
        block = self.rng.normal(size=(4, 3, 50)).astype(np.float32)
        cache = TeacherCache.build(
            tmp_path / "c",
            range(4),
            [(range(4), torch.tensor(block))],
            teacher=lambda x: x,
            fingerprint="T",
            classes=50,
            topk=4,
            per="token",
        )
        np.testing.assert_array_equal(cache.take([2]).classes[0], top_k(block[2], 4).classes)

    def test_tokens_need_a_top(self, tmp_path):
        with pytest.raises(InputError, match=r"keeps the top of 50 classes alone; say how many"):
            self.make(tmp_path / "c", topk=None)

    @pytest.mark.parametrize(
        ("logits", "message"),
        [
            ([np.zeros((2, 50)), np.zeros((2, 49))], r"row 1 has \(2, 49\)"),
            ([np.zeros((2, 50))], r"teacher logits for 1 rows, no more; 2 ids"),
        ],
    )
    def test_other_shapes_are_refused(self, tmp_path, logits, message):
        with (
            TeacherCache.create(
                tmp_path / "c", [1, 2], fingerprint="T", classes=50, topk=4, per="token"
            ) as writer,
            pytest.raises(InputError, match=message),
        ):
            writer.write([1, 2], logits)

    def test_a_token_that_is_not_finite_names_its_row(self, tmp_path):
        rows = [np.zeros((2, 5)), np.zeros((0, 5)), np.zeros((3, 5))]
        rows[2][1, 1] = np.nan
        with (
            TeacherCache.create(
                tmp_path / "c", ["a", "b", "c"], fingerprint="T", classes=5, topk=4, per="token"
            ) as writer,
            pytest.raises(InputError, match=r"logits of 1 rows are not finite, .* ids c\."),
        ):
            writer.write(["a", "b", "c"], rows)


class TestEstimate:
    @given(
        n=st.integers(0, 300),
        classes=st.integers(1, 40),
        short=st.booleans(),
    )
    def test_no_cache_is_larger_and_none_is_much_smaller(self, tmp_path_factory, n, classes, short):
        topk = max(1, classes // 3) if short else None
        folder = tmp_path_factory.mktemp("estimate") / "c"
        z = np.zeros((n, classes), dtype=np.float32)
        TeacherCache.build(
            folder,
            np.arange(n),
            [(np.arange(n), z)],
            teacher=lambda x: x,
            fingerprint="T",
            classes=classes,
            topk=topk,
        )
        size = sum(len(data) for data in files(folder).values())
        estimate = TeacherCache.estimate(n, classes, topk)
        assert size <= estimate <= size + 2048

    def test_of_tokens(self, tmp_path):
        TestTokens().make(tmp_path / "c", segment_bytes=10**6)
        size = sum(len(data) for data in files(tmp_path / "c").values())
        assert size <= TeacherCache.estimate(6, 50, 8, tokens=15) <= size + 2048

    def test_imagenet_takes_two_and_a_half_gigabytes(self):
        assert TeacherCache.estimate(1_281_167, 1000) == pytest.approx(2.57e9, rel=0.01)

    @pytest.mark.parametrize(("n", "classes", "tokens"), [(-1, 5, None), (1, 0, None), (1, 5, -1)])
    def test_impossible_numbers(self, n, classes, tokens):
        with pytest.raises(InputError, match=r"no number may be negative"):
            TeacherCache.estimate(n, classes, tokens=tokens)


class TestOtherQuestions:
    """A cache answers for its own teacher, data set and view alone."""

    def test_another_teacher(self, tmp_path):
        build(tmp_path / "c")
        for again in (
            lambda: TeacherCache.open(tmp_path / "c", fingerprint="U"),
            lambda: build(tmp_path / "c", fingerprint="U"),
        ):
            with pytest.raises(InputError, match=r"answers of the teacher 'T', not of 'U'"):
                again()

    def test_another_view(self, tmp_path):
        build(tmp_path / "c", view="centre crop")
        for again in (
            lambda: TeacherCache.open(tmp_path / "c", view="flipped"),
            lambda: build(tmp_path / "c", view="flipped"),
        ):
            with pytest.raises(InputError, match=r"made on the view 'centre crop'.*'flipped'"):
                again()
        TeacherCache.open(tmp_path / "c", view="centre crop")

    def test_rows_that_were_added_or_removed(self, tmp_path):
        build(tmp_path / "c")
        with pytest.raises(InputError, match=r"changed .* 100 rows then, 99 now; .* 2 are gone"):
            TeacherCache.open(tmp_path / "c", ids=[*IDS[2:], "new"])
        with pytest.raises(InputError, match=r"100 rows then, 101 now; .* 0 are gone"):
            TeacherCache.open(tmp_path / "c", ids=[*IDS, "new"])

    def test_the_order_of_the_rows_is_no_change(self, tmp_path):
        build(tmp_path / "c", content=TEXTS)
        TeacherCache.open(tmp_path / "c", ids=IDS[::-1], content=TEXTS[::-1])

    @pytest.mark.parametrize("kind", ["texts", "bytes", "array", "numbers"])
    def test_content_that_changed_under_the_same_ids(self, tmp_path, kind):
        content, other = {
            "texts": (TEXTS, [*TEXTS[:-1], "other"]),
            "bytes": ([t.encode() for t in TEXTS], [*(t.encode() for t in TEXTS[:-1]), b"?"]),
            "array": (Z, np.where(np.arange(100)[:, None] == 50, Z + 1e-3, Z)),
            "numbers": (np.arange(100), np.arange(100)[::-1]),
        }[kind]
        build(tmp_path / "c", content=content)
        TeacherCache.open(tmp_path / "c", ids=IDS, content=content)
        with pytest.raises(InputError, match=r"the ids are the same, but what stands under"):
            TeacherCache.open(tmp_path / "c", ids=IDS, content=other)
        with pytest.raises(InputError, match=r"the ids are the same, but what stands under"):
            build(tmp_path / "c", content=other)

    def test_content_that_changed_places(self, tmp_path):
        build(tmp_path / "c", content=TEXTS)
        swapped = [TEXTS[1], TEXTS[0], *TEXTS[2:]]
        with pytest.raises(InputError, match=r"what stands under them is not"):
            TeacherCache.open(tmp_path / "c", ids=IDS, content=swapped)

    def test_content_that_nobody_looked_at(self, tmp_path):
        build(tmp_path / "c")
        with pytest.raises(InputError, match=r"begun without content="):
            TeacherCache.open(tmp_path / "c", ids=IDS, content=TEXTS)
        with pytest.raises(InputError, match=r"content was given without ids"):
            TeacherCache.open(tmp_path / "c", content=TEXTS)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (TEXTS[:5], r"content has 5 rows for 100 ids"),
            ([*TEXTS[:99], 1.5], r"content of row 99 is a float"),
            (np.array([*TEXTS[:99], None], dtype=object), r"content of row 99 is a NoneType"),
        ],
    )
    def test_content_that_cannot_be(self, tmp_path, content, message):
        with pytest.raises(InputError, match=message):
            build(tmp_path / "c", content=content)

    @pytest.mark.parametrize(
        ("name", "change"),
        [
            ("topk", {"topk": 3}),
            ("classes", {"classes": 8}),
            ("segment_bytes", {"segment_bytes": 999}),
            ("per", {"per": "token"}),
        ],
    )
    def test_another_size(self, tmp_path, name, change):
        build(tmp_path / "c", topk=2)
        with pytest.raises(InputError, match=rf"begun with {name}="):
            build(tmp_path / "c", **({"topk": 2} | change))

    def test_ids_that_repeat(self, tmp_path):
        with pytest.raises(InputError, match=r"1 ids occur more than once \('a'\)"):
            TeacherCache.create(tmp_path / "c", ["a", "b", "a"], fingerprint="T", classes=2)
        assert not (tmp_path / "c").exists()


class TestUnfinished:
    def test_it_says_what_is_missing(self, tmp_path):
        with TeacherCache.create(tmp_path / "c", IDS, fingerprint="T", classes=7) as writer:
            writer.write(IDS[:60], Z[:60])
        with pytest.raises(InputError, match=r"holds 60 of 100 rows; missing .* row 60, row 61,"):
            TeacherCache.open(tmp_path / "c", ids=IDS)
        with pytest.raises(InputError, match=r"holds 60 of 100 rows; run the build again"):
            TeacherCache.open(tmp_path / "c")

    def test_batches_that_do_not_bring_every_row(self, tmp_path):
        with pytest.raises(InputError, match=r"holds 50 of 100 rows; missing are the ids row 50"):
            build(tmp_path / "c", feed=batches(range(50)))

    def test_no_cache_at_all(self, tmp_path):
        with pytest.raises(InputError, match=r"holds no cache of teacher logits: it has no header"):
            TeacherCache.open(tmp_path)


class TestDamage:
    def test_a_flipped_bit_is_found_at_the_first_use(self, tmp_path):
        build(tmp_path / "c")
        path = segment(tmp_path / "c", 1)
        data = bytearray(path.read_bytes())
        data[-3] ^= 1
        path.write_bytes(data)
        cache = TeacherCache.open(tmp_path / "c", ids=IDS)
        with pytest.raises(FormatError, match=r"segment-000001\S+ is damaged: logits has the che"):
            cache.take(IDS)
        with pytest.raises(FormatError, match=r"is damaged"):
            cache.verify()

    def test_verify_is_content_with_a_sound_cache(self, tmp_path):
        build(tmp_path / "c").verify()

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda data: data[:-1],
            lambda data: data[:20],
            lambda data: b"",
            lambda data: b"\xff" * 200,
            lambda data: data.replace(b"datapruner-teacher-1", b"datapruner-teacher-9"),
            lambda data: data.replace(b'"keys": {', b'"kegs": {'),
            lambda data: (2).to_bytes(8, "little") + b"[]" + data,
        ],
    )
    def test_a_file_that_is_no_segment(self, tmp_path, spoil):
        build(tmp_path / "c")
        path = segment(tmp_path / "c")
        path.write_bytes(spoil(path.read_bytes()))
        with pytest.raises(FormatError, match=r"segment-000000\S+ is not a segment of a cache"):
            TeacherCache.open(tmp_path / "c")

    def test_a_header_of_another_version(self, tmp_path):
        build(tmp_path / "c")
        header = tmp_path / "c" / "header.json"
        header.write_text(json.dumps({**json.loads(header.read_text()), "format": "other"}))
        with pytest.raises(FormatError, match=r"has the format 'other'; this datapruner reads"):
            TeacherCache.open(tmp_path / "c")

    @pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "datapruner-teacher-1"}'])
    def test_a_header_that_cannot_be_read(self, tmp_path, text):
        build(tmp_path / "c")
        (tmp_path / "c" / "header.json").write_text(text)
        with pytest.raises(FormatError, match=r"header\.json is damaged"):
            TeacherCache.open(tmp_path / "c")

    def test_a_segment_that_stands_there_twice(self, tmp_path):
        build(tmp_path / "c")
        segment(tmp_path / "c", 900).write_bytes(segment(tmp_path / "c").read_bytes())
        with pytest.raises(FormatError, match=r"rows stand twice in the cache"):
            TeacherCache.open(tmp_path / "c")

    def test_segments_are_plain_safetensors(self, tmp_path):
        from safetensors.numpy import load_file

        build(tmp_path / "c", topk=3)
        arrays = load_file(segment(tmp_path / "c"))
        assert {name: a.dtype.str for name, a in arrays.items()} == {
            "keys": "<u8",
            "rest": "<f4",
            "classes": "<i4",
            "values": "<f2",
        }

    def test_the_checksum_is_what_the_format_says(self, tmp_path):
        build(tmp_path / "c")
        data = segment(tmp_path / "c").read_bytes()
        size = int.from_bytes(data[:8], "little")
        head = json.loads(data[8 : 8 + size])
        low, high = head["logits"]["data_offsets"]
        body = data[8 + size + low : 8 + size + high]
        assert head["__metadata__"]["logits"] == f"{zlib.crc32(body):08x}"
        assert size % 8 == 0


def test_rounding_is_the_same_with_and_without_torch(monkeypatch, tmp_path):
    z = np.concatenate([Z, Z * 1e-6, Z * 1e4]).astype(np.float32)
    ids = np.arange(300)

    def made(name):
        TeacherCache.build(
            tmp_path / name, ids, [(ids, z)], teacher=lambda x: x, fingerprint="T", classes=7
        )
        return files(tmp_path / name)

    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)]
    through, read = made("torch"), as_float32(halves)
    monkeypatch.delitem(sys.modules, "torch")
    assert made("plain") == through
    np.testing.assert_array_equal(as_float32(halves), read)


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(OutputError, match=r"holds thesis\.txt and no cache"):
        build(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot make the folder"):
        build(tmp_path / "file")
