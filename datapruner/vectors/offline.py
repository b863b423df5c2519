"""An embedder that needs no model: hashed words and characters, projected to a few hundred numbers.

Nothing is fitted, so a text's vector depends on the text alone, to the last bit: term counts are
mapped through a fixed table, a row's terms are added in the order of their hash, and rows are
normalised one by one. It knows spelling, not meaning: near-duplicates and topics with shared words
come out close, paraphrases do not.
"""

from __future__ import annotations

import unicodedata
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from datapruner import rng
from datapruner.errors import InputError
from datapruner.vectors.content import unit_rows

__all__ = ["HashedEmbedder"]

FEATURES = 2**18
"""Buckets for each family; a short text has some hundred terms, so they seldom meet."""

SIGNS = 8
"""Non-zero entries per bucket of the projection (Kane and Nelson 2014, sparser JL transforms)."""

MOST = 4096
"""Counts are cut here; the logarithm makes more meaningless."""


class HashedEmbedder:
    """Words, word pairs and character 3- to 5-grams, hashed, 1 + log(count), randomly projected.

    Args:
        dimensions: width of the vectors, at least 8.

    Attributes:
        name: ``"offline-hashed-384"``, with the width.
        fingerprint: the same and a version; it changes when the vectors would.
        dimensions: width of the vectors.
    """

    def __init__(self, dimensions: int = 384) -> None:
        if dimensions < SIGNS:
            raise InputError(
                f"dimensions={dimensions}: the hashed embedder needs at least {SIGNS}."
            )
        self.dimensions = dimensions
        self.name = f"offline-hashed-{dimensions}"
        self.fingerprint = f"{self.name}-v1"

    def encode(self, texts: list[str]) -> npt.NDArray[np.float32]:
        """Unit vectors of texts; compatibility forms and case of letters make no difference.

        Args:
            texts: any strings; one without letters or signs gets a zero row.

        Returns:
            Shape (len(texts), dimensions), float32.
        """
        if not texts:
            return np.zeros((0, self.dimensions), dtype=np.float32)
        plain = [unicodedata.normalize("NFKC", text).lower() for text in texts]
        total = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for vectorizer, projection in zip(self._vectorizers, self._projections, strict=True):
            counts = vectorizer.transform(plain)
            counts.sum_duplicates()
            counts.data = self._weights[np.minimum(counts.data, MOST - 1).astype(np.int64)]
            total += (counts @ projection).toarray()
        return unit_rows(total)[0]

    @cached_property
    def _weights(self) -> npt.NDArray[np.float32]:
        """1 + log(count) for every count: vectorised logarithms may round by position."""
        counts = np.arange(MOST, dtype=np.float64)
        return (1 + np.log(np.maximum(counts, 1))).astype(np.float32)

    @cached_property
    def _vectorizers(self) -> tuple[Any, Any]:
        from sklearn.feature_extraction.text import HashingVectorizer

        common = {"n_features": FEATURES, "alternate_sign": False, "norm": None, "lowercase": False}
        words = HashingVectorizer(ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b", **common)
        return words, HashingVectorizer(analyzer="char_wb", ngram_range=(3, 5), **common)

    @cached_property
    def _projections(self) -> tuple[Any, Any]:
        """For each family a fixed (FEATURES, dimensions) matrix with eight +-1 in a row."""
        from scipy.sparse import csr_array

        made = []
        for family in ("words", "characters"):
            draw = rng.stream(0, f"offline projection {family} {self.dimensions}")
            columns = draw.integers(0, self.dimensions, FEATURES * SIGNS, dtype=np.int32)
            signs = draw.integers(0, 2, FEATURES * SIGNS, dtype=np.int8).astype(np.float32) * 2 - 1
            rows = np.arange(0, FEATURES * SIGNS + 1, SIGNS, dtype=np.int32)
            made.append(csr_array((signs, columns, rows), shape=(FEATURES, self.dimensions)))
        return made[0], made[1]
