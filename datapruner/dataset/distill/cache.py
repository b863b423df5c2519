"""TeacherCache: what a teacher said of every row, on disk, found by row id.

A folder holds ``header.json`` (teacher, data set, view, sizes) and segments. Logits are stored as
float16, less the largest of their row, for only differences count; with ``topk`` the K most likely
classes are stored, and the mass of the others. Reading maps the files into memory.

An answer holds for the view of the row that the teacher saw. A student that trains on augmented
rows needs a cache for each view (``view`` names it), weak augmentation, or the teacher itself.

Source: distillation from stored answers, Hinton et al. 2015, arXiv:1503.02531; on pruned data
Ben-Baruch et al., arXiv:2403.07854.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

import numpy as np

from datapruner.core.types import FloatArray, UInt64Array
from datapruner.dataset.distill.answers import Answers
from datapruner.dataset.distill.fingerprint import (
    content_digest,
    id_keys,
    ids_digest,
    model_fingerprint,
    unique_keys,
)
from datapruner.dataset.distill.held import Held, refuse_other_rows
from datapruner.dataset.distill.plan import Plan
from datapruner.dataset.distill.segments import open_segment, segment_paths
from datapruner.dataset.distill.topk import TopK
from datapruner.dataset.distill.writer import SEGMENT_BYTES, CacheWriter, estimate_bytes
from datapruner.errors import InputError

__all__ = ["TeacherCache"]


class TeacherCache:
    """The answers of one teacher for one data set; made by ``build``, read again by ``open``.

    Attributes:
        folder: where it lies.
        plan: its header.
    """

    def __init__(self, folder: Path, plan: Plan, held: Held) -> None:
        self.folder = folder
        self.plan = plan
        self._answers = Answers(plan, held)

    def __len__(self) -> int:
        """Number of rows."""
        return len(self._answers.held)

    def __repr__(self) -> str:
        """One line: how many rows and classes, and of which teacher."""
        kept = "logits" if self.plan.topk is None else f"the top {self.plan.topk}"
        return (
            f"TeacherCache({len(self):,} rows, {kept} of {self.plan.classes:,} classes a "
            f"{self.plan.per}, teacher {self.plan.fingerprint!r})"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Workers of a data loader open the folder again rather than copy what is mapped."""
        return TeacherCache.open, (self.folder,)

    @staticmethod
    def estimate(
        n: int, classes: int, topk: int | None = None, *, tokens: int | None = None
    ) -> int:
        """Bytes that a cache will take on the disk, at most; exact but for its headers.

        Args:
            n: rows.
            classes: C.
            topk: how many are kept; None: all.
            tokens: of all rows together, for a cache of tokens; None: one answer a row.

        Returns:
            ``n (8 + 2 C)``, or ``n (8 + 6 K + 4)`` with ``topk``; with tokens the second part
            counts for each of them and 16 bytes for a row; and at most 1 KiB for each segment.

        Raises:
            InputError: a negative number, or no classes.
        """
        return estimate_bytes(n, classes, topk, tokens)

    @staticmethod
    def create(
        path: str | os.PathLike[str],
        ids: Any,
        *,
        fingerprint: str,
        classes: int,
        topk: int | None = None,
        per: Literal["row", "token"] = "row",
        content: Any = None,
        view: str = "as it is",
        segment_bytes: int = SEGMENT_BYTES,
    ) -> CacheWriter:
        """A writer to feed by hand: ``with ... as cache: cache.write(ids, logits)``.

        Args:
            path: a folder of its own; one that was begun with the same arguments is gone on with.
            ids: of all n rows, whole numbers or texts, unique, in any order.
            fingerprint: a text that names the teacher and changes whenever its answers do.
            classes: C, the length of an answer.
            topk: how many classes of each answer to keep; None: all of them.
            per: ``"token"`` for language models: an answer for each token; needs ``topk``.
            content: what stands under the ids, one text, bytes or array row each. Then a data set
                whose rows changed under the same ids is refused, now and by ``open``.
            view: which view of the rows the teacher sees.
            segment_bytes: size of a segment; changes nothing in what is read.

        Raises:
            InputError: arguments that cannot be, or a cache of something else stands there.
            OutputError: the folder cannot be used, or the disk has too little room.
        """
        keys = unique_keys(ids)
        plan = Plan(
            fingerprint=fingerprint,
            n=len(keys),
            classes=classes,
            topk=topk,
            per=per,
            view=view,
            ids=ids_digest(keys),
            content=None if content is None else content_digest(keys, content),
            segment_bytes=segment_bytes,
        )
        return CacheWriter(Path(path), plan, keys, content)

    @classmethod
    def build(
        cls,
        path: str | os.PathLike[str],
        ids: Any,
        batches: Iterable[tuple[Any, Any]],
        *,
        teacher: Callable[[Any], Any],
        fingerprint: str | None = None,
        **options: Any,
    ) -> TeacherCache:
        """Ask the teacher about every row that is not there yet, and open the cache.

        A run that was stopped, by a kill too, is simply started again with the same arguments: the
        finished segments are verified and kept, and the teacher is not asked about them.

        Args:
            path: a folder of its own.
            ids: of all rows, as for ``create``.
            batches: pairs of the ids of some rows and the input for the teacher; every row once,
                in any order.
            teacher: from an input to logits (see ``CacheWriter.write``). Gradients are off while it
                runs; a torch module must be in evaluation mode.
            fingerprint: names the teacher; None: of the weights of a torch module.
            **options: ``classes`` and everything else ``create`` takes.

        Raises:
            InputError: as ``create`` and ``CacheWriter.write``; a teacher in training mode; rows
                that no batch brought.
            OutputError: as ``create``.
        """
        if getattr(teacher, "training", False):
            raise InputError(
                f"the teacher {type(teacher).__name__} is in training mode, so its answers would "
                "vary (dropout, batch statistics). Call teacher.eval() first."
            )
        name = model_fingerprint(teacher) if fingerprint is None else fingerprint
        with cls.create(path, ids, fingerprint=name, **options) as writer, _no_gradients():
            for some, inputs in batches:
                writer.ask(some, inputs, teacher)
        return cls.open(path, ids=ids)

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        ids: Any = None,
        content: Any = None,
        fingerprint: str | None = None,
        view: str | None = None,
    ) -> TeacherCache:
        """A cache for reading; what is given is compared with what it was made from.

        Args:
            path: its folder.
            ids: of all rows of the data set now, in any order.
            content: what stands under them now, in the order of ``ids``.
            fingerprint: of the teacher that is meant.
            view: that the student trains on.

        Raises:
            InputError: there is no cache, it is not finished, or it is of another data set, teacher
                or view.
            FormatError: a file of it is damaged.
        """
        folder = Path(path)
        plan = Plan.load(folder)
        if fingerprint is not None:
            plan.refuse_other_teacher(folder, fingerprint)
        if view is not None:
            plan.refuse_other_view(folder, view)
        held = Held.of([open_segment(path) for path in segment_paths(folder).values()])
        if content is not None and ids is None:
            raise InputError("content was given without ids; give the ids it stands under.")
        if ids is not None:
            keys = unique_keys(ids)
            refuse_other_rows(plan, folder, held, keys, content)
            _refuse_unfinished(plan, folder, held, ids, keys)
        if len(held) != plan.n:
            raise InputError(_unfinished(plan, folder, held, "run the build again to finish it"))
        return cls(folder, plan, held)

    def take(self, ids: Any) -> FloatArray | TopK:
        """The answers for some rows, ready for ``kd_loss``; a row may be asked for twice.

        Args:
            ids: b ids.

        Returns:
            Logits of shape (b, C), float32, the largest of each row 0; with ``topk`` a TopK whose
            values have the shape (b, K); of tokens (b, L, K), L the most tokens any of them has,
            shorter rows padded on the right.

        Raises:
            InputError: an id that is not in the cache.
            FormatError: a segment is damaged (found at its first use).
        """
        place = self._answers.held.find(id_keys(ids))
        if (place < 0).any():
            some = np.asarray(ids)[place < 0][:5].tolist()
            raise InputError(
                f"{int((place < 0).sum())} of these {len(place)} ids are not in the cache in "
                f"{self.folder}, among them {some}. They belong to another data set."
            )
        return self._answers.at(place)

    def logits(self, ids: Any) -> FloatArray:
        """As ``take``, with the short form spread out: shape (b, C) or (b, L, C), float32."""
        found = self.take(ids)
        return found.dense() if isinstance(found, TopK) else found

    def verify(self) -> None:
        """Read every segment and compare with its checksums.

        Raises:
            FormatError: one is damaged.
        """
        self._answers.verify()


def _refuse_unfinished(plan: Plan, folder: Path, held: Held, ids: Any, keys: UInt64Array) -> None:
    missing = np.flatnonzero(held.find(keys) < 0)
    if missing.size:
        some = [ids[int(row)] for row in missing[:5]]
        shown = ", ".join(str(name) for name in some)
        raise InputError(
            _unfinished(
                plan,
                folder,
                held,
                f"missing are the ids {shown}; run the build again with batches that bring them",
            )
        )


def _unfinished(plan: Plan, folder: Path, held: Held, advice: str) -> str:
    return (
        f"the cache in {folder} is not finished: it holds {len(held)} of {plan.n} rows; {advice}."
    )


def _no_gradients() -> Any:
    """Inference without gradients, where torch is loaded at all."""
    if "torch" not in sys.modules:
        return contextlib.nullcontext()
    import torch

    return torch.inference_mode()
