"""datapruner decides what to keep: an exact budget, and a reason for every row.

Public names are resolved on first use, so ``import datapruner`` needs NumPy alone.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datapruner.context.calibrate import calibrate as calibrate
    from datapruner.context.chunks import ContextPruner as ContextPruner
    from datapruner.context.chunks import prune_chunks as prune_chunks
    from datapruner.context.html.prune import HtmlPruner as HtmlPruner
    from datapruner.context.html.prune import prune_html as prune_html
    from datapruner.context.html.result import PrunedHtml as PrunedHtml
    from datapruner.context.result import PrunedContext as PrunedContext
    from datapruner.core.blend import blend as blend
    from datapruner.core.budget import Budget as Budget
    from datapruner.core.items import Items as Items
    from datapruner.core.ledger import Ledger as Ledger
    from datapruner.core.pruner import Cascade as Cascade
    from datapruner.core.pruner import Pruner as Pruner
    from datapruner.core.pruner import select as select
    from datapruner.core.reason import Reason as Reason
    from datapruner.core.report import Report as Report
    from datapruner.core.scores import Scores as Scores
    from datapruner.core.selection import Selection as Selection
    from datapruner.dataset.compare.run import compare as compare
    from datapruner.dataset.dedup import dedup as dedup
    from datapruner.dataset.distill.advice import suggest_alpha as suggest_alpha
    from datapruner.dataset.distill.cache import TeacherCache as TeacherCache
    from datapruner.dataset.distill.loss import kd_loss as kd_loss
    from datapruner.dataset.distill.subsets import kd_subset as kd_subset
    from datapruner.dataset.prune import prune as prune
    from datapruner.dataset.prune import score as score
    from datapruner.dataset.recommend import recommend as recommend
    from datapruner.dataset.resample import resample as resample
    from datapruner.dataset.schedule import Schedule as Schedule
    from datapruner.errors import BudgetError as BudgetError
    from datapruner.errors import DataPrunerError as DataPrunerError
    from datapruner.errors import FormatError as FormatError
    from datapruner.errors import InputError as InputError
    from datapruner.errors import MissingColumnError as MissingColumnError
    from datapruner.errors import MissingExtraError as MissingExtraError
    from datapruner.errors import OutputError as OutputError
    from datapruner.errors import ScoreError as ScoreError
    from datapruner.errors import UnknownMethodError as UnknownMethodError

_HOME = {
    "Budget": "core.budget",
    "Cascade": "core.pruner",
    "ContextPruner": "context.chunks",
    "HtmlPruner": "context.html.prune",
    "Items": "core.items",
    "Ledger": "core.ledger",
    "PrunedContext": "context.result",
    "PrunedHtml": "context.html.result",
    "Pruner": "core.pruner",
    "Reason": "core.reason",
    "Report": "core.report",
    "Schedule": "dataset.schedule",
    "Scores": "core.scores",
    "Selection": "core.selection",
    "TeacherCache": "dataset.distill.cache",
    "blend": "core.blend",
    "calibrate": "context.calibrate",
    "compare": "dataset.compare.run",
    "dedup": "dataset.dedup",
    "kd_loss": "dataset.distill.loss",
    "kd_subset": "dataset.distill.subsets",
    "prune": "dataset.prune",
    "prune_chunks": "context.chunks",
    "prune_html": "context.html.prune",
    "recommend": "dataset.recommend",
    "resample": "dataset.resample",
    "score": "dataset.prune",
    "select": "core.pruner",
    "suggest_alpha": "dataset.distill.advice",
    **dict.fromkeys(
        (
            "BudgetError",
            "DataPrunerError",
            "FormatError",
            "InputError",
            "MissingColumnError",
            "MissingExtraError",
            "OutputError",
            "ScoreError",
            "UnknownMethodError",
        ),
        "errors",
    ),
}

__all__ = [
    "Budget",
    "BudgetError",
    "Cascade",
    "ContextPruner",
    "DataPrunerError",
    "FormatError",
    "HtmlPruner",
    "InputError",
    "Items",
    "Ledger",
    "MissingColumnError",
    "MissingExtraError",
    "OutputError",
    "PrunedContext",
    "PrunedHtml",
    "Pruner",
    "Reason",
    "Report",
    "Schedule",
    "ScoreError",
    "Scores",
    "Selection",
    "TeacherCache",
    "UnknownMethodError",
    "__version__",
    "blend",
    "calibrate",
    "compare",
    "dedup",
    "kd_loss",
    "kd_subset",
    "prune",
    "prune_chunks",
    "prune_html",
    "recommend",
    "resample",
    "score",
    "select",
    "suggest_alpha",
]

logging.getLogger(__name__).addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:
    """Find a public name where it lives, on first use."""
    if name == "__version__":
        from importlib.metadata import version

        return version("datapruner")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names, loaded or not."""
    return __all__
