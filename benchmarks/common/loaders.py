"""The data sets of the benchmarks, each as plain arrays, with a fingerprint of what was read.

Nothing is downloaded. A set that is not on this machine raises ``DataAbsentError`` with one
sentence on how to get it, and the benchmarks then skip it aloud. Three of them come with a package
(digits, docstrings, Fashion-MNIST); the others lie in a folder of Parquet files: the one that the
environment variable ``DATAPRUNER_DATA`` names, else ``../shared/data`` beside the repository.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib
import inspect
import io
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
FASHION = Path("/usr/share/datasets/fashion-mnist")  # where the Debian package puts it
DOC_MODULES = (
    "scipy.stats",
    "scipy.signal",
    "scipy.optimize",
    "scipy.linalg",
    "scipy.sparse",
    "scipy.special",
    "scipy.ndimage",
    "numpy",
    "sklearn",
    "torch",
)


class DataAbsentError(RuntimeError):
    """A data set is not on this machine; the message says how to get it."""


@dataclass(frozen=True)
class Raw:
    """One data set before any feature is computed.

    Attributes:
        name: the name on the command line.
        train: texts (list) or images (uint8 array), n rows.
        label: shape (n,), int64, 0..C-1.
        test: as ``train``.
        test_label: as ``label``.
        fingerprint: 16 hexadecimal digits of SHA-256 over all of it.
    """

    name: str
    train: Any
    label: np.ndarray
    test: Any
    test_label: np.ndarray
    fingerprint: str


def fingerprint(*parts: Any) -> str:
    """Sixteen hexadecimal digits that change when any array or text changes."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            digest.update(f"{part.dtype.str}{part.shape}".encode())
            digest.update(np.ascontiguousarray(part).data)
        else:
            digest.update("\x1e".join(part).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:16]


def _raw(name: str, train: Any, label: Any, test: Any, test_label: Any) -> Raw:
    y, z = np.asarray(label, dtype=np.int64), np.asarray(test_label, dtype=np.int64)
    return Raw(name, train, y, test, z, fingerprint(train, y, test, z))


def data_folder() -> Path:
    """The folder of Parquet data sets.

    Raises:
        DataAbsentError: the environment variable is unset or wrong and no folder is beside us.
    """
    named = os.environ.get("DATAPRUNER_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        fault = "names no folder" if named else "is not set, and no data folder is beside us"
        raise DataAbsentError(f"DATAPRUNER_DATA {fault}; point it at the Parquet data sets")
    return folder


def _parquet(name: str, *files: str) -> Any:
    import polars as pl

    paths = [data_folder() / name / f"{file}.parquet" for file in files]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise DataAbsentError(f"{name}: {', '.join(missing)} is not in the data folder")
    return pl.concat([pl.read_parquet(path) for path in paths])


def text_set(name: str) -> Raw:
    """A labelled text set of the data folder (``banking77``, ``clinc150``), its own split."""
    train, test = _parquet(name, "train"), _parquet(name, "test")
    return _raw(
        name,
        train["text"].to_list(),
        train["label"].to_numpy(),
        test["text"].to_list(),
        test["label"].to_numpy(),
    )


def cifar10() -> Raw:
    """CIFAR-10 from its JPEG bytes: (n, 32, 32, 3) uint8, 50,000 train rows."""
    from PIL import Image

    def pixels(frame: Any) -> np.ndarray:
        rows = [np.asarray(Image.open(io.BytesIO(blob))) for blob in frame["image"].to_list()]
        return np.stack(rows).astype(np.uint8)

    train, test = _parquet("cifar10", "train-0", "train-1"), _parquet("cifar10", "test")
    return _raw(
        "cifar10",
        pixels(train),
        train["label"].to_numpy(),
        pixels(test),
        test["label"].to_numpy(),
    )


def fashion() -> Raw:
    """Fashion-MNIST: (n, 784) uint8, 60,000 train and 10,000 test rows."""

    def read(stem: str, kind: str, offset: int) -> np.ndarray:
        path = FASHION / f"{stem}-{kind}-ubyte.gz"
        if not path.is_file():
            raise DataAbsentError(
                "fashion: install the Debian package dataset-fashion-mnist "
                "(apt-get install dataset-fashion-mnist)"
            )
        with gzip.open(path) as stream:
            return np.frombuffer(stream.read(), np.uint8, offset=offset)

    return _raw(
        "fashion",
        read("train", "images-idx3", 16).reshape(-1, 784),
        read("train", "labels-idx1", 8),
        read("t10k", "images-idx3", 16).reshape(-1, 784),
        read("t10k", "labels-idx1", 8),
    )


def digits(seed: int) -> Raw:
    """The 8 x 8 digits of scikit-learn: 1797 rows, of which 450 stratified test rows per seed."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    pixels, label = load_digits(return_X_y=True)
    train, test, y, z = train_test_split(
        pixels.astype(np.float32), label, test_size=450, stratify=label, random_state=seed
    )
    return _raw("digits", train, y, test, z)


def docstrings(seed: int, *, test_rows: int = 500, per_class: int = 300) -> Raw:
    """First 600 characters of the API docstrings of ten modules; the module is the class.

    The counts shift with the versions of the libraries, so only orders can be compared.
    """
    texts: list[str] = []
    labels: list[int] = []
    seen: set[str] = set()
    for number, module in enumerate(DOC_MODULES):
        found = [doc for doc in _module_docs(module) if not (doc in seen or seen.add(doc))]
        found = sorted(found, key=lambda doc: hashlib.sha256(doc.encode()).digest())[:per_class]
        texts += found
        labels += [number] * len(found)
    order = np.random.default_rng(seed).permutation(len(texts))
    label = np.asarray(labels, dtype=np.int64)
    test, train = order[:test_rows], order[test_rows:]
    return _raw(
        "docstrings", [texts[i] for i in train], label[train], [texts[i] for i in test], label[test]
    )


def _module_docs(name: str) -> list[str]:
    """Docstrings of the public callables of a module, and for sklearn of its submodules."""
    import pkgutil

    names = [name]
    module = importlib.import_module(name)
    if name == "sklearn":
        public = [m.name for m in pkgutil.iter_modules(module.__path__) if m.name[0] != "_"]
        names = [f"sklearn.{m}" for m in public if m not in {"conftest", "tests", "experimental"}]
    docs: list[str] = []
    for one in names:
        try:
            module = importlib.import_module(one)
        except ImportError:
            continue
        for attribute in sorted(dir(module)):
            if attribute.startswith("_"):
                continue
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                value = getattr(module, attribute, None)
            if callable(value):
                doc = inspect.getdoc(value) or ""
                if len(doc) >= 80:
                    docs.append(doc[:600])
    return docs
