import gc
import os

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file

from datapruner.errors import FormatError, InputError, OutputError
from datapruner.vectors.store import BLOCK_BYTES, Vectors, VectorWriter, open_vectors

X = np.random.default_rng(0).standard_normal((23, 5)).astype(np.float32)


def read(vectors: Vectors, rows: int | None = None) -> np.ndarray:
    return np.concatenate([block for _, block in vectors.blocks(rows)])


def save_npy(folder):
    np.save(folder / "x.npy", X)
    return folder / "x.npy"


def save_memmap(folder):
    return np.load(save_npy(folder), mmap_mode="r")


def save_tensors(folder):
    save_file({"x": X, "ids": np.arange(23)}, folder / "x.safetensors")
    return folder / "x.safetensors"


def save_named_tensor(folder):
    save_file({"x": X, "y": X + 1}, folder / "x.safetensors")
    return f"{folder}/x.safetensors:x"


def save_parquet(folder):
    table = pa.table({"id": range(23), "v": pa.array(X.tolist(), pa.list_(pa.float32()))})
    pq.write_table(table, folder / "x.parquet", row_group_size=7)
    return f"{folder}/x.parquet:v"


def save_default_column(folder):
    pq.write_table(pa.table({"embedding": X.tolist()}), folder / "x.parquet")
    return folder / "x.parquet"


def tensor(_):
    return pytest.importorskip("torch").from_numpy(X.copy()).requires_grad_()


SOURCES = {
    "array": lambda _: X,
    "fortran": lambda _: np.asfortranarray(X),
    "strided": lambda _: np.repeat(np.repeat(X, 2, 0), 3, 1)[::2, ::3],
    "float64": lambda _: X.astype(np.float64),
    "big-endian": lambda _: X.astype(">f4"),
    "memmap": save_memmap,
    "sliced memmap": lambda f: save_memmap(f)[:],
    "npy": save_npy,
    "safetensors": save_tensors,
    "safetensors:name": save_named_tensor,
    "parquet": save_parquet,
    "parquet, default column": save_default_column,
    "arrow list": lambda _: pa.array(X.tolist(), pa.list_(pa.float32())),
    "arrow large list": lambda _: pa.array(X.tolist(), pa.large_list(pa.float64())),
    "arrow fixed": lambda _: pa.FixedSizeListArray.from_arrays(X.ravel(), 5),
    "arrow chunks": lambda _: pa.chunked_array(
        [pa.array(part.tolist(), pa.list_(pa.float32())) for part in (X[:9], X[9:9], X[9:])],
        pa.list_(pa.float32()),
    ),
    "arrow slice": lambda _: pa.array([[0.0] * 5, *X.tolist()], pa.list_(pa.float32()))[1:],
    "arrow tensor": lambda _: pa.FixedShapeTensorArray.from_numpy_ndarray(X),
    "polars list": lambda _: pl.Series("v", X.tolist(), dtype=pl.List(pl.Float32)),
    "polars array": lambda _: pl.Series("v", X.tolist(), dtype=pl.Array(pl.Float32, 5)),
    "torch": tensor,
    "lists": lambda _: X.tolist(),
    "tuple of arrays": lambda _: tuple(X),
    "vectors": lambda _: open_vectors(X),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_every_source_gives_the_same_float32_rows(kind, tmp_path):
    vectors = open_vectors(SOURCES[kind](tmp_path))
    rows = np.array([22, 0, 9, 9, 8])

    assert (vectors.n, vectors.d, len(vectors)) == (23, 5, 23)
    for size in (1, 4, 23, 100, None):
        np.testing.assert_array_equal(read(vectors, size), X)
    np.testing.assert_array_equal(vectors.take(rows), X[rows])
    assert vectors.take(rows).dtype == np.float32
    assert str(vectors.n) in repr(vectors)


def test_blocks_are_writable_copies_numbered_by_their_first_row():
    blocks = list(open_vectors(X).blocks(10))

    assert [start for start, _ in blocks] == [0, 10, 20]
    for _, block in blocks:
        assert block.flags.c_contiguous
        block[:] = 0
    assert X.any()


def test_a_default_block_is_about_16_mib():
    wide = open_vectors(np.lib.stride_tricks.as_strided(X, (10**6, 384), (0, 0)))

    _, block = next(iter(wide.blocks()))

    assert 0.99 * BLOCK_BYTES < block.nbytes <= BLOCK_BYTES


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_widened_without_loss(dtype, tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file as save_torch

    half = torch.from_numpy(X).to(getattr(torch, dtype))
    save_torch({"x": half}, tmp_path / "x.safetensors")
    expected = half.float().numpy()

    for source in (half, tmp_path / "x.safetensors"):
        vectors = open_vectors(source)
        np.testing.assert_array_equal(read(vectors, 7), expected)
        np.testing.assert_array_equal(vectors.take(np.array([3, 1])), expected[[3, 1]])


def test_a_float64_beyond_float32_becomes_infinite():
    vectors = open_vectors(np.array([[1e300, 1.0]]))

    assert np.isinf(read(vectors)[0, 0])
    assert np.isinf(vectors.take(np.array([0]))[0, 0])


def test_no_rows_is_no_error(tmp_path):
    pq.write_table(pa.table({"v": pa.array([], pa.list_(pa.float32()))}), tmp_path / "e.parquet")
    save_file({"x": np.zeros((0, 4), np.float32)}, tmp_path / "e.safetensors")
    empty_sources = [
        np.zeros((0, 4), np.float32),
        [],
        pa.array([], pa.list_(pa.float32())),
        f"{tmp_path}/e.parquet:v",
        tmp_path / "e.safetensors",
    ]
    for source in empty_sources:
        vectors = open_vectors(source)
        assert vectors.n == 0
        assert list(vectors.blocks()) == []
        assert vectors.take(np.array([], dtype=np.int64)).shape == (0, vectors.d)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (np.array([[1.0], [2.0, 3.0]], dtype=object), "dtype object"),
        (np.zeros(4), "two dimensions"),
        (np.zeros((2, 2, 2)), "two dimensions"),
        (np.zeros((2, 2), int), r"astype\('float32'\)"),
        (np.zeros((2, 0)), "no columns"),
        ([[1.0, 2.0], [1.0]], "row 1 has 1"),
        ([[1.0], None, [2.0], None], "rows 1, 3"),
        ([1.0, 2.0], "flat list of float"),
        (["a", "b"], "flat list of str"),
        (3.5, "Cannot read embedding from float"),
        ("nowhere.npy", "no file nowhere.npy"),
        ("nowhere.parquet:v", "no file nowhere.parquet"),
        (pa.array([1.0, 2.0]), "column of lists"),
        (pa.array([[1, 2]]), "Cast it"),
        (pa.array([[1.0, 2.0], None]), "no vector in row 1"),
        (pa.array([[1.0, 2.0], [1.0]]), "row 1 has 1 values"),
        (pa.array([[1.0, 2.0], [1.0, None]]), "missing values inside row 1"),
        (pa.array([[], []], pa.list_(pa.float32())), "no columns"),
        (pa.chunked_array([[[1.0, 2.0]], [[1.0]]]), "row 1 has 1 values"),
    ],
)
def test_what_is_no_matrix_of_floats_is_refused_with_the_fact(source, says):
    with pytest.raises(InputError, match=says):
        open_vectors(source)


def test_messages_use_the_name_given():
    with pytest.raises(InputError, match=r"^teacher has shape"):
        open_vectors(np.zeros(3), name="teacher")


def test_files_of_another_kind_are_format_errors(tmp_path):
    for name in ("a.npy", "a.safetensors", "a.parquet"):
        (tmp_path / name).write_bytes(b"this is something else entirely")
        with pytest.raises(FormatError, match=name):
            open_vectors(tmp_path / name)
    np.savez(tmp_path / "z.npy.npz", x=X)
    with pytest.raises(FormatError, match="archive"):
        open_vectors(tmp_path / "z.npy.npz")
    np.save(tmp_path / "o.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(FormatError, match=r"o.npy"):
        open_vectors(tmp_path / "o.npy")


def test_a_truncated_safetensors_file_is_refused(tmp_path):
    path = save_tensors(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[:-100])
    with pytest.raises(FormatError, match="cut short"):
        open_vectors(path)


def test_safetensors_messages_name_the_tensors(tmp_path):
    save_file(
        {"x": X, "y": X, "z": np.zeros(3), "i": np.zeros((2, 2), int)}, tmp_path / "m.safetensors"
    )
    for suffix, says in (("", "i, x, y"), (":w", 'no tensor "w"'), (":z", "shape"), (":i", "I64")):
        with pytest.raises(InputError, match=says):
            open_vectors(f"{tmp_path}/m.safetensors{suffix}")


def test_a_missing_parquet_column_is_named_with_its_neighbours(tmp_path):
    save_parquet(tmp_path)
    with pytest.raises(InputError, match=r'no column "w".*Known: id, v'):
        open_vectors(f"{tmp_path}/x.parquet:w")


def test_a_bad_parquet_row_leaves_no_temporary_files(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    for rows in ([[1.0], None], [None, [1.0]]):
        pq.write_table(pa.table({"v": [[0.5]] * 5000 + rows}), tmp_path / "x.parquet")
        with pytest.raises(InputError, match="no vector in row 500"):
            open_vectors(f"{tmp_path}/x.parquet:v")
    pq.write_table(pa.table({"v": [None, [1.0]]}), tmp_path / "x.parquet")
    with pytest.raises(InputError, match="row 0"):
        open_vectors(f"{tmp_path}/x.parquet:v")
    assert os.listdir(tmp_path / "tmp") == []


def test_a_parquet_spill_lives_as_long_as_its_vectors(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    vectors = open_vectors(save_parquet(tmp_path))
    assert len(os.listdir(tmp_path / "tmp")) == 1
    del vectors
    gc.collect()
    assert os.listdir(tmp_path / "tmp") == []


def test_rows_out_of_range_and_empty_blocks_are_refused():
    vectors = open_vectors(X)
    for row in (-1, 23):
        with pytest.raises(InputError, match=f"Row {row} "):
            vectors.take(np.array([0, row]))
    with pytest.raises(InputError, match="at least one row"):
        next(vectors.blocks(0))


def test_changes_in_a_private_map_survive_reading(tmp_path):
    private = np.load(save_npy(tmp_path), mmap_mode="c")
    private[0] = 7
    vectors = open_vectors(private)
    read(vectors)
    assert (read(vectors)[0] == 7).all()


def test_resident_memory_does_not_grow_with_the_file(tmp_path):
    psutil = pytest.importorskip("psutil")
    path = tmp_path / "big.npy"
    with VectorWriter(path, 384) as writer:
        for _ in range(20):
            writer.append(np.ones((8192, 384), np.float32))  # 252 MB in all
    process = psutil.Process()
    vectors = open_vectors(path)
    before = process.memory_info().rss
    peak = 0
    for _, block in vectors.blocks():
        peak = max(peak, process.memory_info().rss)
        assert block[0, 0] == 1
    vectors.take(np.arange(0, vectors.n, 97))
    after = process.memory_info().rss
    assert peak - before < 80 * 2**20
    assert after - before < 40 * 2**20


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_written_file_is_what_numpy_reads(dtype, tmp_path):
    with VectorWriter(tmp_path / "w.npy", 5, dtype) as writer:
        writer.append(X[:3])
        writer.append(X[3:3])
        writer.append(np.asfortranarray(X[3:]))
    np.testing.assert_array_equal(np.load(tmp_path / "w.npy"), X.astype(dtype))
    assert writer.n == 23
    writer.close()
    assert os.listdir(tmp_path) == ["w.npy"]


def test_nothing_stands_under_the_name_before_close(tmp_path):
    writer = VectorWriter(tmp_path / "w.npy", 5)
    writer.append(X)
    assert not (tmp_path / "w.npy").exists()
    writer.close()
    with pytest.raises(InputError, match="closed"):
        writer.append(X)


def test_an_error_inside_leaves_the_old_file(tmp_path):
    (tmp_path / "w.npy").write_bytes(b"old")
    with (
        pytest.raises(InputError, match="does not fit"),
        VectorWriter(tmp_path / "w.npy", 5) as writer,
    ):
        writer.append(np.zeros((2, 4)))
    assert (tmp_path / "w.npy").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["w.npy"]


def test_an_unwritable_place_is_an_output_error(tmp_path):
    with pytest.raises(OutputError, match="Cannot write"):
        VectorWriter(tmp_path / "no" / "w.npy", 5)


def test_a_full_disk_is_an_output_error_and_leaves_nothing(tmp_path, monkeypatch):
    writer = VectorWriter(tmp_path / "w.npy", 5)

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        writer.close()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("order", ["C", "F"])
def test_rows_taken_from_several_parts_stand_where_they_were_asked_for(order):
    parts = [
        np.asarray(part, order=order) for part in np.split(np.repeat(X, 300, axis=0), [7, 4000])
    ]
    vectors = Vectors(parts, 5, dtype="float32", description="three parts")
    whole = np.concatenate(parts)
    rng = np.random.default_rng(1)

    for rows in (np.arange(len(whole)), rng.integers(0, len(whole), 5000), np.array([], dtype=int)):
        np.testing.assert_array_equal(vectors.take(rows), whole[rows])
