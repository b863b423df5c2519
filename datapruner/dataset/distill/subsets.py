"""Which rows a student should see: a fair draw by default, or a ranking by what the teacher says.

With distillation a fair draw is as good as elaborate rankings (Ben-Baruch et al., arXiv:2403.07854;
within a point of the best of them in benchmarks/distill), at no cost and without their blind spots,
so it is the default. The rankings are there to be compared with.
"""

from __future__ import annotations

from typing import Any, Literal

from datapruner.core.budget import Budget
from datapruner.core.items import Items
from datapruner.core.pruner import Pruner, Scorer
from datapruner.core.select import Picker
from datapruner.core.selection import Selection
from datapruner.dataset.distill.fingerprint import plain_ids
from datapruner.dataset.distill.pieces import as_float32
from datapruner.errors import InputError
from datapruner.scorers.draw import Draw
from datapruner.scorers.teacher import Disagreement, TeacherMargin

__all__ = ["kd_subset"]

Rank = Literal["random", "margin", "disagreement"]


def kd_subset(
    ids: Any,
    budget: Budget | str | float,
    *,
    labels: Any = None,
    rank: Rank = "random",
    teacher_logits: Any = None,
    student_logits: Any = None,
    pick: str | Picker = "high",
    seed: int = 0,
) -> Selection:
    """The rows to train a student on, labels in their own proportions.

    Args:
        ids: of the n rows, whole numbers or texts; the answer does not depend on their order.
        budget: what to keep, ``"10%"``, ``"500 items"``, 0.1, or a Budget.
        labels: of the rows; each label then gets its share of the budget. None: no such shares.
        rank: ``"random"``: a fair draw. ``"margin"``: rows where the teacher is least sure first
            (``TeacherMargin``). ``"disagreement"``: rows where the student is farthest from the
            teacher first (``Disagreement``).
        teacher_logits: shape (n, C), for the rankings: ``cache.logits(ids)``.
        student_logits: shape (n, C), for ``"disagreement"``: of a student trained a little.
        pick: which end of the ranking, or any other pick; a fair draw has no end.
        seed: of the draw.

    Returns:
        The selection; ``selection.indices`` are the kept row numbers.

    Raises:
        InputError: an unknown rank, or ids that cannot be.
        MissingColumnError: logits that the rank needs are missing.
        ScoreError: logits of another shape, or not finite.
        BudgetError: a budget that cannot be met.
    """
    scorers: dict[str, Scorer] = {
        "random": Draw(),
        "margin": TeacherMargin(),
        "disagreement": Disagreement(),
    }
    if rank not in scorers:
        raise InputError(f"rank is {rank!r}; it is one of {', '.join(scorers)}.")
    given = {"teacher_logits": teacher_logits, "student_logits": student_logits}
    features: dict[str, Any] = {
        name: as_float32(value) for name, value in given.items() if value is not None
    }
    items = Items.of(len(ids), id=plain_ids(ids), group=labels, **features)
    recipe = Pruner(
        scorers[rank], allocate="whole" if labels is None else "proportional", pick=pick
    )
    return recipe(items, budget, seed=seed)
