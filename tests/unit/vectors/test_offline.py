import numpy as np
import pytest

from datapruner.errors import InputError
from datapruner.vectors.embed import Embedder
from datapruner.vectors.offline import HashedEmbedder

TEXTS = [
    "The cat sat on the mat.",
    "the cat sat on a mat",
    "Quantum field theory in curved spacetime",
    "Ｔｈｅ ｃａｔ ｓａｔ ｏｎ ｔｈｅ ｍａｔ.",
    "猫坐在垫子上",
]


@pytest.fixture(scope="module")
def embedder():
    return HashedEmbedder(128)


def test_it_keeps_the_protocol(embedder):
    assert isinstance(embedder, Embedder)
    vectors = embedder.encode(TEXTS)
    assert vectors.shape == (5, 128)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert embedder.encode([]).shape == (0, 128)
    assert "128" in embedder.fingerprint


def test_a_text_has_the_same_bits_in_any_company(embedder):
    many = [f"{text} {i} and {i * 7}" for i in range(40) for text in TEXTS]
    whole = embedder.encode(many)
    order = np.random.default_rng(0).permutation(len(many))
    np.testing.assert_array_equal(embedder.encode([many[i] for i in order]), whole[order])
    np.testing.assert_array_equal(embedder.encode([many[3]])[0], whole[3])
    np.testing.assert_array_equal(HashedEmbedder(128).encode(many[:9]), whole[:9])


def test_shared_words_bring_texts_together(embedder):
    similarity = embedder.encode(TEXTS) @ embedder.encode(TEXTS[:1])[0]
    assert similarity[1] > 0.6 > 0.35 > similarity[2]


def test_width_and_case_of_letters_do_not_matter(embedder):
    vectors = embedder.encode([TEXTS[0], TEXTS[3], TEXTS[0].upper()])
    np.testing.assert_array_equal(vectors[1], vectors[0])
    np.testing.assert_array_equal(vectors[2], vectors[0])


def test_texts_without_content_are_zero(embedder):
    assert not embedder.encode(["", "  \n\t"]).any()


def test_vectors_approximate_the_exact_term_vectors():
    """The projection keeps inner products: compare with the unprojected counts."""
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import CountVectorizer

    plain = [text.lower() for text in TEXTS[:3]]
    words = CountVectorizer(ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b").fit_transform(plain)
    grams = CountVectorizer(analyzer="char_wb", ngram_range=(3, 5)).fit_transform(plain)
    counts = hstack([words, grams]).toarray().astype(float)
    exact = np.where(counts > 0, 1 + np.log(np.maximum(counts, 1)), 0)
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    made = HashedEmbedder(2048).encode(TEXTS[:3])
    np.testing.assert_allclose(made @ made.T, exact @ exact.T, atol=0.1)


def test_too_few_dimensions_are_refused():
    with pytest.raises(InputError, match="at least 8"):
        HashedEmbedder(4)
