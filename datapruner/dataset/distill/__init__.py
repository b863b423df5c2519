"""Knowledge distillation on pruned data: cached teacher logits, the loss, and what to set.

A teacher that has seen every row makes up for the rows that a student does not see. Its answers are
computed once, kept on disk by row id, and mixed into the loss of an ordinary training loop:

    cache = TeacherCache.build("teacher", ids, batches, teacher=model, classes=10)
    loss = kd_loss(student(x), cache.take(ids_of_batch), y, alpha=suggest_alpha(0.1))

Source: Ben-Baruch et al., "Distilling the Knowledge in Data Pruning", arXiv:2403.07854.
"""

from __future__ import annotations

from datapruner.dataset.distill.advice import Advice, Estimate, advise_teacher, suggest_alpha
from datapruner.dataset.distill.cache import TeacherCache
from datapruner.dataset.distill.fingerprint import model_fingerprint
from datapruner.dataset.distill.guard import check_classes, estimate_noise
from datapruner.dataset.distill.loss import kd_loss
from datapruner.dataset.distill.probe import probe_alpha
from datapruner.dataset.distill.selfteach import self_distill
from datapruner.dataset.distill.subsets import kd_subset
from datapruner.dataset.distill.topk import TopK, top_k
from datapruner.dataset.distill.writer import CacheWriter

__all__ = [
    "Advice",
    "CacheWriter",
    "Estimate",
    "TeacherCache",
    "TopK",
    "advise_teacher",
    "check_classes",
    "estimate_noise",
    "kd_loss",
    "kd_subset",
    "model_fingerprint",
    "probe_alpha",
    "self_distill",
    "suggest_alpha",
    "top_k",
]
