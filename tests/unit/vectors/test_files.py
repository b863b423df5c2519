"""Where vectors lie on disk, and when they do not."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import save_file

from datapruner.dataset.spill import spilled
from datapruner.errors import InputError
from datapruner.vectors.files import files_of
from datapruner.vectors.store import Vectors, open_vectors

X = np.arange(12, dtype=np.float32).reshape(4, 3)


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8"])
def test_a_npy_file_is_opened_again_as_what_it_was(tmp_path, dtype):
    np.save(tmp_path / "x.npy", X.astype(dtype))
    vectors = open_vectors(tmp_path / "x.npy")
    found = files_of(vectors)
    assert found is not None
    again = found.open()
    assert (again.n, again.d, again.dtype) == (vectors.n, vectors.d, vectors.dtype)
    assert np.array_equal(again.take(np.arange(4)), X)


def test_a_tensor_inside_a_file_keeps_its_place(tmp_path):
    save_file({"a": X + 100, "b": X}, tmp_path / "x.safetensors")
    found = files_of(open_vectors(f"{tmp_path / 'x.safetensors'}:b"))
    assert found is not None
    assert found.parts[0].offset > 8
    assert np.array_equal(found.open().block(0, 4), X)


def test_a_slice_of_a_map_starts_where_it_starts(tmp_path):
    np.save(tmp_path / "x.npy", X)
    found = files_of(open_vectors(np.load(tmp_path / "x.npy", mmap_mode="r")[1:3]))
    assert found is not None
    assert np.array_equal(found.open().block(0, 2), X[1:3])


def test_what_no_other_process_can_open_has_no_files(tmp_path):
    np.save(tmp_path / "x.npy", X)
    private = np.load(tmp_path / "x.npy", mmap_mode="c")
    private[0] = 7
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    nameless = spilled(tmp_path, 3, lambda writer: writer.append(X))
    gone = np.load(tmp_path / "x.npy", mmap_mode="r")
    for vectors in (
        open_vectors(X),
        open_vectors(private),
        open_vectors(mapped[:, :2]),
        nameless,
        Vectors([mapped, X], 3, dtype="float32", description="both"),
        Vectors([], 3, dtype="float32", description="nothing"),
    ):
        assert files_of(vectors) is None
    (tmp_path / "x.npy").unlink()
    assert files_of(open_vectors(gone)) is None


def test_a_file_that_is_not_there_is_told_with_the_machine(tmp_path):
    np.save(tmp_path / "x.npy", X)
    found = files_of(open_vectors(tmp_path / "x.npy"))
    (tmp_path / "x.npy").unlink()
    with pytest.raises(InputError, match=r"the machine \S+ cannot read .*every machine sees"):
        found.open()
    np.save(tmp_path / "x.npy", X[:1])
    with pytest.raises(InputError, match="cannot read"):
        found.open()
