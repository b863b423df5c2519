"""From what a user writes to a recipe: a built-in learner, a callable, or a function in a file."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datapruner.dataset.compare.learners import LEARNERS, Learner
from datapruner.dataset.compare.trial import Recipe
from datapruner.errors import InputError, nearest

__all__ = ["Named", "named_recipe"]


@dataclass(frozen=True, eq=False)
class Named:
    """A recipe with what reports and journals know it by.

    Attributes:
        recipe: trains on a trial, gives its score.
        name: for the report.
        unit: what the score is.
        mark: changes when the recipe does, as far as that can be seen: the settings of a built-in
            learner, the text of a file, the source of a function. What these call in turn is not
            looked at.
    """

    recipe: Recipe
    name: str
    unit: str
    mark: str


def named_recipe(given: Any, *, unit: str | None = None, device: str = "auto") -> Named:
    """The recipe that is meant.

    Args:
        given: ``"linear"``, ``"mlp"`` or ``"cnn"``; a callable from a Trial to a number; or
            ``"path/to/file.py:function"``, which runs that file.
        unit: what a score is; None: the attribute ``unit`` of the recipe, else ``"score"``.
        device: of a built-in learner that is named.

    Raises:
        InputError: no such learner, file or function, or nothing that can be called.
    """
    mark = None
    if isinstance(given, str) and given in LEARNERS:
        recipe: Any = LEARNERS[given](device=device)
        name = given
    elif isinstance(given, str) and ".py:" in given:
        recipe, mark = _from_file(given)
        name = given
    elif callable(given):
        recipe = given
        name = repr(given) if isinstance(given, Learner) else _name_of(given)
    else:
        raise InputError(
            f"recipe is {given!r:.60}; give a function of a Trial, path/to/file.py:function, or a "
            f"learner. {nearest(str(given), LEARNERS)}"
        )
    told = unit if unit is not None else getattr(recipe, "unit", "score")
    return Named(recipe, name, str(told), mark or _mark_of(recipe))


def _from_file(given: str) -> tuple[Any, str]:
    path, _, name = given.rpartition(":")
    try:
        text = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"the recipe's file {path} cannot be read: {error.strerror}.") from error
    spec = importlib.util.spec_from_file_location("datapruner_recipe", path)
    assert spec is not None, "a name that ends in .py has a loader"
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise InputError(f"{path} failed to load: {type(error).__name__}: {error}") from error
    found = getattr(module, name, None)
    if not callable(found):
        known = [
            one
            for one, value in vars(module).items()
            if callable(value) and not one.startswith("_")
        ]
        raise InputError(f"{path} has no function {name!r}. {nearest(name, known)}")
    return found, f"{name} {hashlib.sha256(text).hexdigest()}"


def _name_of(recipe: Any) -> str:
    return str(getattr(recipe, "__name__", type(recipe).__name__))


def _mark_of(recipe: Any) -> str:
    if isinstance(recipe, Learner):
        return repr(recipe)
    named = f"{getattr(recipe, '__module__', '')}.{_name_of(recipe)}"
    try:
        source = inspect.getsource(recipe if inspect.isroutine(recipe) else type(recipe))
    except (OSError, TypeError):
        return named
    return f"{named} {hashlib.sha256(source.encode()).hexdigest()}"
