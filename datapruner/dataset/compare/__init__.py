"""Methods against each other at equal steps: compare(), its result, recipes and learners."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datapruner.dataset.compare.comparison import Cell as Cell
    from datapruner.dataset.compare.comparison import Comparison as Comparison
    from datapruner.dataset.compare.comparison import Versus as Versus
    from datapruner.dataset.compare.learners import CNN as CNN
    from datapruner.dataset.compare.learners import MLP as MLP
    from datapruner.dataset.compare.learners import Linear as Linear
    from datapruner.dataset.compare.pool import Pool as Pool
    from datapruner.dataset.compare.run import compare as compare
    from datapruner.dataset.compare.trial import Trial as Trial

_HOME = {
    "CNN": "learners",
    "Cell": "comparison",
    "Comparison": "comparison",
    "Linear": "learners",
    "MLP": "learners",
    "Pool": "pool",
    "Trial": "trial",
    "Versus": "comparison",
    "compare": "run",
}

__all__ = [
    "CNN",
    "MLP",
    "Cell",
    "Comparison",
    "Linear",
    "Pool",
    "Trial",
    "Versus",
    "compare",
]


def __getattr__(name: str) -> Any:
    """Find a public name where it lives, on first use."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
