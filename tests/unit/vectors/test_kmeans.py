import builtins
import sys
import types
from importlib.util import find_spec

import numpy as np
import pytest

from datapruner.errors import FormatError, InputError, MissingExtraError, OutputError
from datapruner.vectors import assign as assign_module
from datapruner.vectors import kmeans as module
from datapruner.vectors import proposals
from datapruner.vectors import threads as threads_module
from datapruner.vectors.centroids import Centroids, tidy
from datapruner.vectors.content import row_keys, scan, unit_rows
from datapruner.vectors.kmeans import assign, assign_blocks, default_k, fit_centroids
from datapruner.vectors.store import open_vectors

rng = np.random.default_rng(3)
BACKENDS = ["faiss", "sklearn"]


def blobs(n=3000, d=24, k=12, noise=0.5, seed=0):
    draw = np.random.default_rng(seed)
    centres = draw.standard_normal((k, d))
    return (centres[draw.integers(0, k, n)] + noise * draw.standard_normal((n, d))).astype(
        np.float32
    )


X = blobs()


def as_centroids(rows, metric="cosine"):
    rows = np.asarray(rows, np.float32)
    return Centroids(rows, len(rows), metric, "faiss", "cpu", len(rows), 1, 0)


def unit(x):
    x = np.asarray(x, np.float64)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def inertia(x, centroids, spherical):
    if spherical:
        return (1 - (unit(x) @ unit(centroids).T).max(1)).sum()
    return ((x[:, None].astype(float) - centroids[None]) ** 2).sum(2).min(1).sum()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("spherical", [True, False])
def test_shuffled_rows_give_the_same_bits(backend, spherical):
    pytest.importorskip(backend)
    order = rng.permutation(len(X))
    options = {
        "spherical": spherical,
        "points_per_centroid": 30,
        "backend": backend,
        "device": "cpu",
    }
    one = fit_centroids(open_vectors(X), 20, **options)
    two = fit_centroids(open_vectors(X[order]), 20, **options)
    np.testing.assert_array_equal(one.centroids, two.centroids)
    assert one.sample_size == 600
    assert (one.backend, one.device, one.metric) == (
        backend,
        "cpu",
        "cosine" if spherical else "l2",
    )

    first = assign(open_vectors(X), one, block_rows=256, threads=1)
    second = assign(open_vectors(X[order]), two, block_rows=77, threads=2)
    for name in ("labels", "distance", "keys", "bad"):
        np.testing.assert_array_equal(getattr(first, name)[order], getattr(second, name))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("d", "k"), [(33, 40), (384, 50)])
def test_training_does_not_depend_on_threads(backend, d, k):
    pytest.importorskip(backend)
    faiss = pytest.importorskip("faiss")
    x = open_vectors(blobs(6000, d, k, noise=1.0))
    before = faiss.omp_get_max_threads()
    made = []
    try:
        for threads in (1, 2, 4):
            faiss.omp_set_num_threads(threads)
            made.append(fit_centroids(x, k, iterations=5, backend=backend, device="cpu").centroids)
    finally:
        faiss.omp_set_num_threads(before)
    np.testing.assert_array_equal(made[0], made[1])
    np.testing.assert_array_equal(made[0], made[2])


@pytest.mark.parametrize("spherical", [True, False])
def test_scikit_learn_comes_close_to_faiss(spherical):
    pytest.importorskip("faiss")
    made = [
        inertia(
            X,
            fit_centroids(open_vectors(X), 20, spherical=spherical, backend=b).centroids,
            spherical,
        )
        for b in BACKENDS
    ]
    whole = inertia(X, X.mean(0, keepdims=True), spherical)
    assert abs(made[0] - made[1]) < 0.02 * whole
    assert max(made) < 0.6 * whole


@pytest.mark.parametrize("metric", ["cosine", "l2"])
@pytest.mark.parametrize("backend", ["numpy", "torch"])
@pytest.mark.parametrize("tile", [4096, 7])
def test_labels_and_distances_equal_a_float64_oracle(metric, backend, tile, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setattr(proposals, "TILE_CENTROIDS", tile)
    centroids = as_centroids(blobs(30, 24, 12, seed=5), metric)
    found = assign(open_vectors(X), centroids, backend=backend, device="cpu")
    if metric == "cosine":
        # The definition is over unit rows in float32; row 188 is a tie but for that rounding.
        exact = (
            1 - unit_rows(X)[0].astype(float) @ unit_rows(centroids.centroids)[0].astype(float).T
        )
    else:
        exact = np.linalg.norm(X[:, None].astype(float) - centroids.centroids[None], axis=2)
    np.testing.assert_array_equal(found.labels, exact.argmin(1))
    np.testing.assert_allclose(found.distance, exact.min(1), atol=2e-6, rtol=2e-6)
    np.testing.assert_array_equal(found.keys, row_keys(X))


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_near_ties_are_settled_alike_in_any_block(metric):
    base = unit(rng.standard_normal((1, 384)))
    centroids = (base + 1e-7 * rng.standard_normal((40, 384))).astype(np.float32)
    x = (base + 0.3 * rng.standard_normal((500, 384))).astype(np.float32)
    wide = unit(unit(centroids).astype(np.float32)) if metric == "cosine" else centroids
    cents = as_centroids(wide, metric)
    whole = assign(open_vectors(x), cents)
    for options in (
        {"block_rows": 1},
        {"block_rows": 37},
        {"threads": 2, "block_rows": 50},
        {"backend": "torch"},
    ):
        if options.get("backend") == "torch":
            pytest.importorskip("torch")
        other = assign(open_vectors(x), cents, device="cpu", **options)
        np.testing.assert_array_equal(whole.labels, other.labels)
        np.testing.assert_array_equal(whole.distance, other.distance)
    assert len(np.unique(whole.labels)) > 5


def test_exact_ties_go_to_the_lowest_index():
    x = np.array([[1, 1], [2, 2]], np.float32)
    for metric in ("cosine", "l2"):
        found = assign(open_vectors(x), as_centroids([[0, 1], [1, 0]], metric))
        assert found.labels.tolist() == [0, 0]


def test_a_device_that_rounds_coarsely_is_found_out_and_corrected(monkeypatch):
    """A product in half precision, as some GPUs make it, must not change a label."""

    def coarse(centroids, half):
        exact = proposals.numpy_proposer(centroids.astype(np.float16).astype(np.float32), half)
        return lambda rows, margin: exact(rows.astype(np.float16).astype(np.float32), margin)

    centroids = as_centroids(rng.standard_normal((300, 24)))
    expected = assign(open_vectors(X), centroids)
    monkeypatch.setattr(assign_module, "proposer", lambda *_: coarse)
    found = assign(open_vectors(X), centroids)
    np.testing.assert_array_equal(found.labels, expected.labels)
    np.testing.assert_array_equal(found.distance, expected.distance)


def test_scale_of_rows_does_not_change_cosine_results():
    scaled = X * np.exp2(rng.integers(-40, 40, len(X))).astype(np.float32)[:, None]
    centroids = as_centroids(X[:30])
    one, two = assign(open_vectors(X), centroids), assign(open_vectors(scaled), centroids)
    np.testing.assert_array_equal(one.labels, two.labels)
    np.testing.assert_array_equal(one.distance, two.distance)


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_dtype_and_layout_of_the_source_do_not_matter(dtype):
    source = np.asfortranarray(X.astype(dtype))
    plain = source.astype(np.float32)
    one, two = (fit_centroids(open_vectors(v), 8) for v in (source, plain))
    np.testing.assert_array_equal(one.centroids, two.centroids)
    np.testing.assert_array_equal(
        assign(open_vectors(source), one).distance, assign(open_vectors(plain), two).distance
    )


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_bad_rows_are_flagged_and_change_nothing_else(metric):
    dirty = X.copy()
    dirty[[5, 700]] = np.nan
    dirty[6, 2] = np.inf
    dirty[7] = 0
    good = np.ones(len(X), bool)
    good[[5, 6, 7, 700]] = False
    spherical = metric == "cosine"
    fitted = fit_centroids(open_vectors(dirty), 9, spherical=spherical)
    np.testing.assert_array_equal(
        fitted.centroids, fit_centroids(open_vectors(X[good]), 9, spherical=spherical).centroids
    )
    found = assign(open_vectors(dirty), fitted)
    assert found.bad[~good].tolist() == [1, 2, 3, 1]
    assert (found.labels[~good] == -1).all()
    assert np.isnan(found.distance[~good]).all()
    clean = assign(open_vectors(X[good]), fitted)
    np.testing.assert_array_equal(found.distance[good], clean.distance)
    assert (assign(open_vectors(dirty[5:8]), fitted).labels == -1).all()


def test_known_keys_and_rows_save_a_pass_and_change_nothing():
    vectors = open_vectors(X)
    keys, bad = scan(vectors)
    one, two = fit_centroids(vectors, 9), fit_centroids(vectors, 9, rows=bad == 0, keys=keys)
    np.testing.assert_array_equal(one.centroids, two.centroids)
    np.testing.assert_array_equal(assign(vectors, one, keys=keys).keys, assign(vectors, one).keys)
    half = np.arange(len(X)) < 1500
    np.testing.assert_array_equal(
        fit_centroids(vectors, 9, rows=half).centroids,
        fit_centroids(open_vectors(X[:1500]), 9).centroids,
    )


def test_another_seed_is_another_sample():
    vectors = open_vectors(X)
    a, b = (fit_centroids(vectors, 9, seed=s, points_per_centroid=20).centroids for s in (0, 1))
    assert a.shape == b.shape
    assert not np.array_equal(a, b)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("spherical", [True, False])
def test_more_centroids_than_distinct_rows_are_fewer_and_said_so(backend, spherical):
    pytest.importorskip(backend)
    few = blobs(5, 24, 5)
    x = few[rng.integers(0, 5, 400)]
    x[:5] = few
    fitted = fit_centroids(open_vectors(x), 20, spherical=spherical, backend=backend)
    assert (fitted.k_asked, fitted.k) == (20, 5)
    found = assign(open_vectors(x), fitted)
    assert found.distance.max() < 1e-6
    assert len(np.unique(found.labels)) == 5


def test_rows_that_differ_in_length_alone_are_one_prototype():
    x = X[:1] * np.arange(1, 50, dtype=np.float32)[:, None]
    fitted = fit_centroids(open_vectors(x), 10)
    assert (fitted.k_asked, fitted.k) == (10, 1)
    assert fit_centroids(open_vectors(x), 10, spherical=False).k == 10


def test_many_duplicates_train_without_repeated_centroids():
    x = np.concatenate([np.repeat(X[:20], 100, 0), X[:100]])
    fitted = fit_centroids(open_vectors(x), 40)
    assert len(np.unique(fitted.centroids, axis=0)) == fitted.k <= 40
    gram = unit(fitted.centroids) @ unit(fitted.centroids).T
    assert (gram - np.eye(fitted.k)).max() <= 1 - 1e-6


def test_k_out_of_range_is_refused_with_the_numbers():
    vectors = open_vectors(X[:10])
    with pytest.raises(InputError, match=r"k=11 centroids.*10 usable rows"):
        fit_centroids(vectors, 11)
    for options in ({"k": 0}, {"k": 1, "iterations": 0}, {"k": 1, "points_per_centroid": 0}):
        with pytest.raises(InputError, match="at least 1"):
            fit_centroids(vectors, **options)
    assert fit_centroids(vectors, 1).k == 1
    assert fit_centroids(vectors, 10).k == 10


def test_vectors_too_long_for_squares_are_refused_for_l2_only():
    x = X * np.float32(1e20)
    assert fit_centroids(open_vectors(x), 3).k == 3
    with pytest.raises(InputError, match="too long"):
        fit_centroids(open_vectors(x), 3, spherical=False)
    with pytest.raises(InputError, match="too long"):
        assign(open_vectors(x), as_centroids(X[:3], "l2"))


def test_widths_and_key_counts_must_fit():
    with pytest.raises(InputError, match=r"width 3 .* width 24"):
        assign(open_vectors(np.ones((2, 3))), as_centroids(X[:2]))
    with pytest.raises(InputError, match="2 keys"):
        assign(open_vectors(X), as_centroids(X[:2]), keys=np.zeros(2, np.uint64))


def test_no_rows_are_assigned_to_nothing():
    found = assign(open_vectors(np.zeros((0, 24))), as_centroids(X[:2]))
    assert found.labels.shape == found.keys.shape == (0,)


def test_a_stream_of_blocks_is_the_assignment():
    centroids = as_centroids(X[:9])
    blocks = list(assign_blocks(open_vectors(X), centroids, block_rows=1000, threads=2))
    whole = assign(open_vectors(X), centroids)
    assert [b.start for b in blocks] == [0, 1000, 2000]
    np.testing.assert_array_equal(np.concatenate([b.labels for b in blocks]), whole.labels)


def test_progress_reports_each_stage_to_its_end():
    calls = []
    fitted = fit_centroids(open_vectors(X), 5, progress=lambda *call: calls.append(call))
    assign(open_vectors(X), fitted, progress=lambda *call: calls.append(call))
    assert list(dict.fromkeys(c[0] for c in calls)) == ["scan", "train", "assign"]
    assert all(done <= total for _, done, total in calls)
    assert calls[-1] == ("assign", 3000, 3000)


def test_a_bare_installation_runs_on_one_thread(monkeypatch):
    monkeypatch.setattr(threads_module, "find_spec", lambda _: None)
    centroids = as_centroids(X[:9])
    np.testing.assert_array_equal(
        assign(open_vectors(X), centroids, device="cpu").labels,
        assign(open_vectors(X), centroids, threads=2).labels,
    )


def test_l2_and_cosine_agree_inside_a_cluster_and_differ_across():
    """The same order inside a cluster, another one where centroids are short."""
    x = unit(X).astype(np.float32)
    means = np.stack([x[i::7].mean(0) for i in range(7)]) * np.linspace(0.2, 1, 7)[:, None]
    cosine = assign(open_vectors(x), as_centroids(means))
    for j in range(7):
        mine = cosine.labels == j
        l2 = assign(open_vectors(x[mine]), as_centroids(means[j : j + 1], "l2")).distance
        np.testing.assert_allclose(
            l2.astype(float) ** 2,
            1
            + (means[j] ** 2).sum()
            - 2 * np.linalg.norm(means[j]) * (1 - cosine.distance[mine].astype(float)),
            atol=1e-5,
        )


def test_the_metrics_rank_the_published_pair_oppositely():
    """A worked example: the two metrics order a pair in opposite ways."""
    x = np.array([[np.cos(0.3), np.sin(0.3)], [np.cos(0.2), np.sin(0.2)]], np.float32)
    c = [np.array([[0.9, 0.0]]), np.array([[0.3, 0.0]])]
    l2, cosine = (
        [
            float(assign(open_vectors(x[i : i + 1]), as_centroids(c[i], m)).distance[0])
            for i in (0, 1)
        ]
        for m in ("l2", "cosine")
    )
    np.testing.assert_allclose(l2, [0.300656, 0.708491], atol=2e-6)
    np.testing.assert_allclose(cosine, [0.044664, 0.019933], atol=2e-6)


def test_tidy_drops_repeats_and_fixes_the_order():
    rows = np.array(
        [[3, 0, 0], [0, 1, 0], [1, 1e-4, 0], [0, 0, 0], [np.nan, 0, 0], [0, -0.0, 2]], np.float32
    )
    for order in (np.arange(6), rng.permutation(6)):
        cosine = tidy(rows[order], "cosine")
        assert len(cosine) == 3
        np.testing.assert_array_equal(cosine, tidy(rows, "cosine"))
    assert len(tidy(np.concatenate([rows, rows]), "l2")) == 5


def test_a_chain_of_near_equal_centroids_keeps_its_ends():
    angles = np.arange(4) * 1.2e-3  # neighbours are nearer than 1e-6, next neighbours are not
    rows = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
    kept = tidy(rows, "cosine")
    gram = unit(kept) @ unit(kept).T - np.eye(len(kept))
    assert 2 <= len(kept) < 4
    assert gram.max() <= 1 - 1e-6


@pytest.mark.parametrize(
    ("n", "classes", "k"), [(0, None, 1), (1, None, 1), (5, None, 5), (50, None, 10), (10_000,
    None, 100), (10**12, None, 50_000),
     (100, 7, 7), (5, 7, 5), (100, 0, 10)],
)  # fmt: skip
def test_the_default_k_follows_its_rule(n, classes, k):
    assert default_k(n, classes) == k


def test_centroids_survive_a_file(tmp_path):
    fitted = fit_centroids(open_vectors(X), 6, seed=2)
    fitted.save(tmp_path / "c.safetensors")
    again = Centroids.load(tmp_path / "c.safetensors")
    np.testing.assert_array_equal(again.centroids, fitted.centroids)
    for name in (
        "k_asked",
        "metric",
        "backend",
        "device",
        "sample_size",
        "iterations",
        "seed",
        "k",
    ):
        assert getattr(again, name) == getattr(fitted, name)


def test_other_files_are_no_centroids(tmp_path):
    from safetensors.numpy import save_file

    (tmp_path / "a").write_bytes(b"nothing")
    save_file({"centroids": X}, tmp_path / "b")
    for name in ("a", "b", "missing"):
        with pytest.raises(FormatError):
            Centroids.load(tmp_path / name)
    with pytest.raises(OutputError, match="Cannot write"):
        as_centroids(X[:2]).save(tmp_path / "no" / "c")


def test_centroids_check_their_shape_and_metric():
    with pytest.raises(InputError, match="shape"):
        Centroids(np.zeros((0, 3), np.float32), 1, "l2", "faiss", "cpu", 1, 1, 0)
    with pytest.raises(InputError, match="metric"):
        Centroids(X, 1, "dot", "faiss", "cpu", 1, 1, 0)


class FakeFaiss(types.SimpleNamespace):
    """Only what the choice looks at."""

    def __init__(self, gpus):
        super().__init__(get_num_gpus=lambda: gpus, StandardGpuResources=object)


@pytest.mark.parametrize(
    ("gpus", "device", "runs"),
    [(1, "auto", "cuda"), (1, "cuda", "cuda"), (1, "cpu", "cpu"), (0, "auto", "cpu")],
)
def test_cuda_runs_only_where_faiss_counts_a_gpu(gpus, device, runs, monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", FakeFaiss(gpus))
    assert module.choose_backend("auto", device) == ("faiss", runs)


def test_cuda_without_a_gpu_is_an_error_not_a_silent_cpu(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", FakeFaiss(0))
    for backend in ("auto", "faiss", "sklearn"):
        with pytest.raises(InputError, match="sees none"):
            module.choose_backend(backend, "cuda")


def test_the_cuda_path_asks_faiss_for_its_gpu(monkeypatch):
    faiss = pytest.importorskip("faiss")
    asked = {}

    def kmeans(d, k, *, gpu, **options):
        asked["gpu"] = gpu
        return real(d, k, gpu=False, **options)

    real = faiss.Kmeans
    monkeypatch.setattr(faiss, "Kmeans", kmeans)
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 1)
    monkeypatch.setattr(faiss, "StandardGpuResources", object, raising=False)
    fitted = fit_centroids(open_vectors(X), 4, device="cuda")
    assert asked["gpu"] is True
    assert fitted.device == "cuda"


@pytest.mark.parametrize("error", [ImportError, RuntimeError])
def test_without_faiss_scikit_learn_runs(error, monkeypatch):
    real = builtins.__import__

    def refuse(name, *rest):
        if name == "faiss":
            raise error("no")
        return real(name, *rest)

    monkeypatch.setattr(module, "import_module", refuse)
    assert module.choose_backend("auto", "auto") == ("sklearn", "cpu")
    with pytest.raises(MissingExtraError, match=r"datapruner\[cpu\]"):
        module.choose_backend("faiss", "cpu")


def test_unknown_backends_and_devices_are_named():
    for options in ({"backend": "jax"}, {"device": "tpu"}):
        with pytest.raises(InputError, match="not known"):
            fit_centroids(open_vectors(X), 2, **options)
        with pytest.raises(InputError, match="not known"):
            assign(open_vectors(X), as_centroids(X[:2]), **options)


def test_assigning_asks_torch_only_where_a_gpu_may_be(monkeypatch):
    torch = pytest.importorskip("torch")
    choose = proposals.proposer
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose("auto", "auto") is proposals.numpy_proposer
    assert choose("faiss", "cpu") is proposals.numpy_proposer
    assert choose("torch", "auto").keywords == {"device": "cpu"}
    with pytest.raises(InputError, match="GPU that torch sees"):
        choose("auto", "cuda")
    with pytest.raises(InputError, match="NumPy has no CUDA"):
        choose("numpy", "cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose("auto", "auto").keywords == {"device": "cuda"}
    assert choose("torch", "cpu").keywords == {"device": "cpu"}
    monkeypatch.setattr(proposals, "find_spec", lambda _: None)
    assert choose("auto", "auto") is proposals.numpy_proposer
    with pytest.raises(MissingExtraError, match=r"datapruner\[gpu\]"):
        choose("torch", "cpu")


def test_training_takes_the_gpu_path_where_faiss_sees_a_gpu(monkeypatch):
    """No GPU here: FAISS's own Kmeans is told of one, and the index stays where it is."""
    faiss = pytest.importorskip("faiss")
    from faiss import extra_wrappers

    sent = []

    def send(index, ngpu):
        sent.append(ngpu)
        return index

    for owner in (faiss, extra_wrappers):
        monkeypatch.setattr(owner, "get_num_gpus", lambda: 1, raising=False)
    monkeypatch.setattr(faiss, "StandardGpuResources", object, raising=False)
    monkeypatch.setattr(faiss, "index_cpu_to_all_gpus", send, raising=False)
    assert module.choose_backend("auto", "auto") == ("faiss", "cuda")
    assert module.choose_backend("auto", "cpu") == ("faiss", "cpu")
    plain = fit_centroids(open_vectors(X), 9, device="cpu")
    assert not sent
    fitted = fit_centroids(open_vectors(X), 9, device="cuda")
    assert set(sent) == {1}
    assert fitted.device == "cuda"
    np.testing.assert_array_equal(fitted.centroids, plain.centroids)


def test_a_gpu_wheel_without_a_gpu_runs_on_the_cpu_and_says_so(monkeypatch):
    """There StandardGpuResources and Kmeans(gpu=True) succeed, silently on the CPU."""
    faiss = pytest.importorskip("faiss")
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 0)
    monkeypatch.setattr(faiss, "StandardGpuResources", object, raising=False)
    assert fit_centroids(open_vectors(X), 3).device == "cpu"
    with pytest.raises(InputError, match="sees none"):
        fit_centroids(open_vectors(X), 3, device="cuda")


@pytest.mark.gpu
def test_the_gpu_agrees_with_the_cpu():
    faiss = pytest.importorskip("faiss")
    if not getattr(faiss, "get_num_gpus", lambda: 0)() or find_spec("torch") is None:
        pytest.skip("no GPU that FAISS sees")
    vectors = open_vectors(X)
    cpu, gpu = (fit_centroids(vectors, 20, device=device) for device in ("cpu", "cuda"))
    assert gpu.device == "cuda"
    assert abs(inertia(X, cpu.centroids, True) / inertia(X, gpu.centroids, True) - 1) < 0.02
    one, two = (assign(vectors, cpu, device=device) for device in ("cpu", "cuda"))
    np.testing.assert_array_equal(one.labels, two.labels)
    np.testing.assert_array_equal(one.distance, two.distance)
