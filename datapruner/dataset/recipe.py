"""What an index was made with, and whether another run's rows can be compared with its own."""

from __future__ import annotations

from dataclasses import dataclass

from datapruner.core.scores import Scores
from datapruner.dataset.reading import Reading
from datapruner.errors import InputError
from datapruner.scorers.dedup import Dedup
from datapruner.scorers.minhash import PERMUTATIONS, Prints, hash_scheme
from datapruner.vectors.store import open_vectors

__all__ = ["Recipe", "check_comparable", "check_extendable", "recipe_of", "recipe_of_run"]


@dataclass(frozen=True)
class Recipe:
    """What is known of every row, and from where rows counted as duplicates.

    Attributes:
        has_texts: exact digests of texts.
        ignore_case: those digests tell no cases apart.
        permutations: entries of a MinHash signature; 0 where there are none.
        hashes: how they were made, ``minhash.hash_scheme``; None where there are none.
        width: of the vectors; None where there are none.
        embedder: fingerprint of the model that made the vectors; None where they were given.
        embedder_name: the same for people.
        jaccard, eps: the thresholds.
    """

    has_texts: bool
    ignore_case: bool
    permutations: int
    hashes: str | None
    width: int | None
    embedder: str | None
    embedder_name: str | None
    jaccard: float
    eps: float


def recipe_of_run(reading: Reading, scorer: Dedup, needs: tuple[str, ...]) -> Recipe:
    """The recipe of rows that are still to be read; an embedder that will run is resolved already.

    Args:
        reading: how.
        scorer: the stages.
        needs: what will be read of every row.
    """
    embedder = None
    if "embedding" in needs and reading.embedding is None and not isinstance(reading.embedder, str):
        embedder = reading.embedder
    return Recipe(
        has_texts="prints" in needs,
        ignore_case=reading.ignore_case,
        permutations=PERMUTATIONS if reading.signatures else 0,
        hashes=hash_scheme() if reading.signatures else None,
        width=None if embedder is None else embedder.dimensions,
        embedder=None if embedder is None else embedder.fingerprint,
        embedder_name=None if embedder is None else embedder.name,
        jaccard=scorer.jaccard,
        eps=scorer.semantic.eps,
    )


def recipe_of(scores: Scores, reading: Reading, scorer: Dedup) -> Recipe:
    """The recipe of rows that were read and scored."""
    features = scores.items.features
    prints: Prints | None = features.get("prints")
    permutations = 0 if prints is None else prints.signature.shape[1]
    vectors = features.get("embedding")
    made = scores.details.get("fingerprints", {}).get("embedder")
    return Recipe(
        has_texts=prints is not None,
        ignore_case=reading.ignore_case,
        permutations=permutations,
        hashes=hash_scheme() if permutations else None,
        width=None if vectors is None else open_vectors(vectors).d,
        embedder=made,
        embedder_name=scores.details.get("embedder"),
        jaccard=scorer.jaccard,
        eps=scorer.semantic.eps,
    )


def check_comparable(held: Recipe, ours: Recipe, name: str) -> None:
    """Refuse an index that a run's rows cannot be compared with.

    Thresholds may differ: they are for the run to choose.

    Args:
        held: the index's.
        ours: the run's; its width may be unknown yet.
        name: of the index.

    Raises:
        InputError: what differs, and how to make the two fit.
    """
    if held.has_texts != ours.has_texts:
        raise InputError(
            f"the index {name} was made of {_rows(held)}, but this run has {_rows(ours)}; its rows "
            "cannot be compared. Give the same columns, or make the index again."
        )
    if ours.has_texts and held.ignore_case != ours.ignore_case:
        flag = "with" if held.ignore_case else "without"
        raise InputError(
            f"the index {name} was made {flag} ignore_case (--ignore-case), this run is not. Use "
            "the same, or make the index again."
        )
    if ours.has_texts and ours.jaccard < 1 and held.permutations != PERMUTATIONS:
        raise InputError(
            f"the index {name} holds no signatures for the MinHash stage (it was made with "
            f"jaccard {held.jaccard:g}), but this run has jaccard {ours.jaccard:g}. Give jaccard 1 "
            "(--jaccard 1), or make the index again."
        )
    if ours.has_texts and ours.jaccard < 1 and held.hashes != ours.hashes:
        raise InputError(
            f"the signatures in the index {name} were made by other hashes ({held.hashes}) than "
            f"those of this version ({ours.hashes}); they cannot be compared. Make the index again."
        )
    if ours.eps > 0:
        _check_vectors(held, ours, name)


def _rows(recipe: Recipe) -> str:
    return "texts" if recipe.has_texts else "vectors alone"


def _check_vectors(held: Recipe, ours: Recipe, name: str) -> None:
    if held.width is None:
        raise InputError(
            f"the index {name} holds no vectors (it was made with eps {held.eps:g}), but this run "
            f"has eps {ours.eps:g}. Give eps 0 (--eps 0), or make the index again."
        )
    if held.embedder != ours.embedder:
        raise InputError(
            f"the index {name} holds vectors of {_embedder(held)}, but this run has those of "
            f"{_embedder(ours)}; they cannot be compared. Use the same embedder, or make the index "
            "again."
        )
    if ours.width is not None and held.width != ours.width:
        raise InputError(
            f"the index {name} holds vectors of width {held.width}, but this run's have width "
            f"{ours.width}. Give vectors of the same kind, or make the index again."
        )


def _embedder(recipe: Recipe) -> str:
    if recipe.embedder is None:
        return "no embedder (they were given)"
    return f"{recipe.embedder_name} ({recipe.embedder})"


def check_extendable(held: Recipe, ours: Recipe, name: str) -> None:
    """Refuse to put rows of another recipe into an index.

    Raises:
        InputError: a threshold differs, so the index would hold rows kept by two rules.
    """
    for what in ("eps", "jaccard"):
        then, now = getattr(held, what), getattr(ours, what)
        if then != now:
            raise InputError(
                f"the index {name} was made with {what} {then:g}, but this run has {what} {now:g}: "
                f"one index holds rows kept by one rule. Give {what} {then:g} (--{what} {then:g}), "
                "or write to a new index."
            )
