"""Self-distillation: a model is its own next teacher, in one call around the user's own training.

Source: Furlanello et al. 2018, "Born-again neural networks", arXiv:1805.04770.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from datapruner.dataset.distill.cache import TeacherCache
from datapruner.dataset.distill.fingerprint import model_fingerprint
from datapruner.errors import InputError

__all__ = ["self_distill"]


def self_distill(
    train: Callable[[TeacherCache | None], Any],
    path: str | os.PathLike[str],
    ids: Any,
    batches: Callable[[], Iterable[tuple[Any, Any]]],
    *,
    generations: int = 1,
    fingerprint: Callable[[Any], str] = model_fingerprint,
    **options: Any,
) -> Any:
    """The model of the last generation, each taught by the one before.

    Generation 0 is ``train(None)``; its answers for all rows are cached in ``path/generation-0``,
    and generation 1 is ``train(that cache)``, and so on. To pay off on pruned data, generation 0
    trains on all rows and the later ones on what is kept.

    Args:
        train: trains a model of its own, without a teacher (None) or with one (a cache for
            ``kd_loss``), and returns it: something that is called with an input and gives logits.
        path: folder for the caches.
        ids: of all rows that a teacher is asked about.
        batches: called once for each generation; gives pairs of ids and input, every row once.
        generations: how many are taught by another, 1 or more.
        fingerprint: names a model; the default needs torch modules. If training gives the same
            weights again, a run that was killed goes on with the caches it has; if it does not,
            they are refused.
        **options: ``classes`` and everything else ``TeacherCache.create`` takes.

    Raises:
        InputError: generations below 1; as ``TeacherCache.build``.
        OutputError: as ``TeacherCache.build``.
    """
    if generations < 1:
        raise InputError(f"generations is {generations}; at least one model must have a teacher.")
    model = train(None)
    for number in range(generations):
        if hasattr(model, "eval"):
            model.eval()
        cache = TeacherCache.build(
            Path(path) / f"generation-{number}",
            ids,
            batches(),
            teacher=model,
            fingerprint=fingerprint(model),
            **options,
        )
        model = train(cache)
    return model
