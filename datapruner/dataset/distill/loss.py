"""The loss of a student: labels and teacher mixed, for classification and for language models.

    p = softmax(z_s), p_T = softmax(z_s / T), q_T = softmax(z_t / T)
    L = (1 - alpha) mean CE(y, p) + alpha T^2 mean KL(q_T || p_T)

T^2 keeps gradients comparable across temperatures (Hinton et al. 2015, arXiv:1503.02531); the mix
on pruned data is that of Ben-Baruch et al., arXiv:2403.07854. The gradient in the student's logits
is ``((1 - alpha)(p - y) + alpha T (p_T - q_T)) / positions``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, SupportsFloat

import numpy as np

from datapruner.dataset.distill.topk import TopK, check_temperature
from datapruner.errors import InputError, ScoreError

if TYPE_CHECKING:
    import torch

__all__ = ["kd_loss"]

_SHOWN = 5
_ADVICE = {
    "student": "Training has diverged: lower the learning rate, or compute in float32.",
    "teacher": "Look at these rows, or run the teacher in float32.",
}


def kd_loss(
    student_logits: torch.Tensor,
    teacher_logits: Any,
    labels: torch.Tensor | None = None,
    *,
    alpha: SupportsFloat,
    temperature: float = 4.0,
    ignore_index: int = -100,
) -> torch.Tensor:
    """The distillation loss of a batch, a scalar that carries gradients to the student.

    Args:
        student_logits: shape (b, C), or (b, L, C) for tokens; any float dtype. The divergence is
            computed in float32 at least.
        teacher_logits: the same shape, a tensor or array on any device, or what
            ``TeacherCache.take`` gives. It receives no gradient.
        labels: shape (b,) or (b, L), int64, in [0, C); None only with alpha 1. Position t of
            labels, teacher and student speak of the same token: shift them first, as for
            cross-entropy. A position whose label is ``ignore_index`` counts in neither part.
        alpha: how much the teacher counts, 0..1: a number, or what ``suggest_alpha`` gives. 0 is
            ``torch.nn.functional.cross_entropy`` to the bit; with 1 labels say nothing beyond which
            positions to ignore.
        temperature: T. benchmarks/distill was measured with 4; for a vocabulary cut to its top
            classes take 1 (see ``TopK.bound``).
        ignore_index: see labels.

    Returns:
        The mean over the positions that count; 0 where none does.

    Raises:
        InputError: alpha or temperature out of range, shapes that do not fit, labels out of range,
            labels where the teacher was not asked.
        ScoreError: the loss is not finite.
    """
    import torch

    share = _check(student_logits, alpha)
    temperature = check_temperature(temperature)
    classes = student_logits.shape[-1]
    student = student_logits.reshape(-1, classes)
    counted = _counted(student_logits, labels, share, ignore_index)
    if share == 0:
        if not student.shape[0] or (counted is not None and not counted.any()):
            return student.sum() * 0.0
        target = _flat(labels)
        loss = torch.nn.functional.cross_entropy(student, target, ignore_index=ignore_index)
        return _finite(loss, student_logits, None)
    if isinstance(teacher_logits, TopK):
        counted = _within(teacher_logits, student_logits, labels, counted)
    chosen = student if counted is None else student[counted]
    if not chosen.shape[0]:
        return student.sum() * 0.0
    soft = chosen if chosen.dtype == torch.float64 else chosen.float()
    log_p = torch.log_softmax(soft / temperature, dim=-1)
    if isinstance(teacher_logits, TopK):
        divergence = _from_top(log_p, teacher_logits, student_logits, counted, temperature)
    else:
        divergence = _from_all(log_p, teacher_logits, student_logits, counted, temperature)
    loss = share * temperature**2 * divergence
    if share < 1:
        target = _flat(labels) if counted is None else _flat(labels)[counted]
        loss = loss + (1 - share) * torch.nn.functional.cross_entropy(chosen, target)
    return _finite(loss, student_logits, teacher_logits)


def _check(student: Any, alpha: SupportsFloat) -> float:
    try:
        share = float(alpha)
    except (TypeError, ValueError):
        share = math.nan
    if not 0 <= share <= 1:
        raise InputError(
            f"alpha is {alpha}; it is how much the teacher counts, between 0 (labels alone) and 1 "
            "(teacher alone)."
        )
    is_float = getattr(student, "is_floating_point", None)
    if is_float is None or not is_float() or student.ndim not in (2, 3):
        shape = tuple(getattr(student, "shape", ()))
        told = getattr(student, "dtype", type(student).__name__)
        raise InputError(
            f"student logits have shape {shape} and are {told}; they must be a floating tensor of "
            "shape (b, C), or (b, L, C) for tokens."
        )
    return share


def _flat(labels: Any) -> Any:
    return labels.reshape(-1)


def _counted(student: Any, labels: Any, share: float, ignore_index: int) -> Any:
    """Shape (positions,), bool: those that count; None: all do, and nobody said otherwise."""
    if labels is None:
        if share < 1:
            raise InputError(
                f"labels are missing, and alpha {share:g} gives them a weight of {1 - share:g}. "
                "Pass labels, or alpha=1."
            )
        return None
    if not hasattr(labels, "aminmax") or labels.is_floating_point():
        raise InputError(
            f"labels are {getattr(labels, 'dtype', type(labels).__name__)}; give a tensor of whole "
            "numbers, the class of every position."
        )
    if labels.shape != student.shape[:-1]:
        raise InputError(
            f"labels have shape {tuple(labels.shape)}; student logits of shape "
            f"{tuple(student.shape)} need {tuple(student.shape[:-1])}."
        )
    flat = labels.reshape(-1)
    if not flat.shape[0] or (0 <= ignore_index < student.shape[-1]):
        inside = False
    else:  # the common case, in one pass
        low, high = (int(end) for end in flat.aminmax())
        inside = low >= 0 and high < student.shape[-1]
    if inside:
        return None
    counted = flat != ignore_index
    wrong = counted & ((flat < 0) | (flat >= student.shape[-1]))
    if share < 1 and wrong.any():
        first = int(flat[wrong][0])
        raise InputError(
            f"{int(wrong.sum())} labels are outside [0, {student.shape[-1]}), the first is {first}."
            f" Map them to classes, or to {ignore_index} to leave them out."
        )
    return None if counted.all() else counted


def _within(teacher: TopK, student: Any, labels: Any, counted: Any) -> Any:
    """The positions that count, without those that rows of tokens were padded with."""
    import torch

    if teacher.lengths is None:
        return counted
    if student.ndim != 3 or len(teacher.lengths) != student.shape[0]:
        raise InputError(
            f"the teacher's tokens are of {len(teacher.lengths)} rows, the student's logits have "
            f"shape {tuple(student.shape)}; give ({len(teacher.lengths)}, L, C)."
        )
    width = teacher.rest.shape[1]
    if student.shape[1] < width:
        raise InputError(
            f"the student has {student.shape[1]} positions a row and the teacher up to {width}: "
            "the rows were cut since. Give the student the same tokens."
        )
    lengths = torch.as_tensor(teacher.lengths, device=student.device)
    real = (torch.arange(student.shape[1], device=student.device) < lengths[:, None]).reshape(-1)
    if labels is None:
        return real
    beyond = ~real if counted is None else counted & ~real
    if beyond.any():
        row = int(torch.nonzero(beyond)[0, 0]) // student.shape[1]
        raise InputError(
            f"row {row} of the batch has labels beyond the {int(lengths[row])} tokens that the "
            "teacher saw; ignore those positions, or build the cache again on these rows."
        )
    return counted


def _from_all(log_p: Any, teacher: Any, student: Any, counted: Any, temperature: float) -> Any:
    """Mean divergence from a teacher that tells all classes."""
    import torch

    z = _tensor(teacher, student.device).detach()
    if z.shape != student.shape:
        raise InputError(
            f"teacher logits have shape {tuple(z.shape)}, the student's {tuple(student.shape)}; "
            "both need one row of logits for each position, over the same classes."
        )
    z = z.reshape(-1, z.shape[-1])
    z = (z if counted is None else z[counted]).to(log_p.dtype)
    log_q = torch.log_softmax(z / temperature, dim=-1)
    return torch.nn.functional.kl_div(log_p, log_q, log_target=True, reduction="batchmean")


def _from_top(log_p: Any, teacher: TopK, student: Any, counted: Any, temperature: float) -> Any:
    """Mean divergence from a short answer, without spreading it out: O(K) beside the student."""
    import torch

    if teacher.width != student.shape[-1] or (
        teacher.lengths is None and teacher.rest.shape != student.shape[:-1]
    ):
        raise InputError(
            f"the teacher tells the top of {teacher.width} classes for positions of shape "
            f"{teacher.rest.shape}, the student has logits of shape {tuple(student.shape)}."
        )

    def chosen(array: Any) -> Any:
        value = _tensor(array, student.device)
        if teacher.lengths is not None:  # padded to the width of the student
            room = value.new_zeros((value.shape[0], student.shape[1], *value.shape[2:]))
            room[:, : value.shape[1]] = value
            value = room
        value = value.reshape(-1, *value.shape[student.ndim - 1 :])
        return value if counted is None else value[counted]

    top = chosen(teacher.values).to(log_p.dtype) / temperature
    classes, others = chosen(teacher.classes).long(), teacher.width - teacher.values.shape[-1]
    log_p_top = log_p.gather(1, classes)
    if not others:
        log_q = torch.log_softmax(top, dim=-1)
        return (log_q.exp() * (log_q - log_p_top)).sum(-1).mean()
    spread = math.log(others)
    tail = (chosen(teacher.rest).to(log_p.dtype) - spread) / temperature + spread
    log_z = torch.logsumexp(torch.cat([top, tail[:, None]], dim=1), dim=1)
    log_q, mass = top - log_z[:, None], (tail - log_z).exp()
    tail_log_p = (log_p.sum(1) - log_p_top.sum(1)) / others
    inside = (log_q.exp() * (log_q - log_p_top)).sum(1)
    outside = torch.special.xlogy(mass, mass) - mass * (spread + tail_log_p)
    return (inside + outside).mean()


def _tensor(values: Any, device: Any) -> Any:
    """A tensor on that device; an array that may not be written to is copied, as torch asks."""
    import torch

    if isinstance(values, np.ndarray) and not values.flags.writeable:
        values = values.copy()
    return torch.as_tensor(values, device=device)


def _finite(loss: Any, student: Any, teacher: Any) -> Any:
    value = float(loss.detach())
    if math.isfinite(value):
        return loss
    # Who is to blame is looked for only once there is something to blame.
    for name, logits in (("student", student), ("teacher", teacher)):
        values = logits.values if isinstance(logits, TopK) else logits
        if values is None:
            continue
        good = _tensor(values, student.device).detach().isfinite()
        rows = (~good.reshape(len(good), -1).all(1)).nonzero()[:, 0].tolist()
        if rows:
            shown = ", ".join(map(str, rows[:_SHOWN]))
            raise ScoreError(
                f"the loss is {value}: the logits of the {name} are not finite in {len(rows)} of "
                f"{len(good)} rows of the batch (rows {shown}). {_ADVICE[name]}"
            )
    raise ScoreError(
        f"the loss is {value}: the logits of student and teacher are too far apart for their "
        "dtype. Lower the learning rate, or compute in float32."
    )
