"""What our components of Haystack share: they can be saved, and give documents back as copies."""

# No "from __future__ import annotations": Haystack 2 compares the annotations of run as they stand.
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any, Protocol, Self

from datapruner.core.budget import Budget
from datapruner.errors import InputError, MissingExtraError
from datapruner.integrations.documents import DETAILS

try:
    from haystack import Document, default_from_dict, default_to_dict
except ImportError as error:  # pragma: no cover - the tests have it
    raise MissingExtraError(
        'the component needs Haystack: pip install "datapruner[haystack]".'
    ) from error

__all__ = ["SavedComponent", "plain", "rebuilt"]


class _Piece(Protocol):
    """What is left of a document."""

    @property
    def text(self) -> str: ...
    @property
    def score(self) -> float | None: ...
    @property
    def details(self) -> dict[str, Any]: ...


class _Pruner(Protocol):
    def warm_up(self) -> object: ...


class SavedComponent:
    """A component that reads its settings once, and that a pipeline can save.

    Attributes are set by the component: ``_given``, its settings by name, and ``_pruner``.
    """

    _given: Mapping[str, Any]
    _pruner: _Pruner

    def warm_up(self) -> None:
        """Read the settings and load what they name, once.

        Raises:
            DataPrunerError: a setting that cannot be used; the message says which.
        """
        self._pruner.warm_up()

    def to_dict(self) -> dict[str, Any]:
        """The component as plain values, for ``Pipeline.dumps``.

        Raises:
            InputError: a setting that is an object, which no file can hold.
        """
        values: dict[str, Any] = default_to_dict(
            self, **{name: plain(name, value) for name, value in self._given.items()}
        )
        return values

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The component that ``to_dict`` described.

        Args:
            data: its answer, after a round trip through JSON or YAML or not.
        """
        made: Self = default_from_dict(cls, data)
        return made


def plain(name: str, value: Any) -> Any:
    """A setting as JSON and YAML know it.

    Args:
        name: of the setting, for the error.
        value: text, number, budget or path, None, or a list, tuple or set of those.

    Raises:
        InputError: it is another object.
    """
    if isinstance(value, Budget | PurePath):
        return str(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(name, part) for part in value]
    if value is None or isinstance(value, str | int | float):
        return value
    raise InputError(
        f"{name} is {value!r}, which no file can hold. For a component that is saved, give a name, "
        "a path or a number."
    )


def rebuilt(
    documents: Sequence[Document],
    metas: Sequence[Mapping[str, Any]],
    placed: Sequence[tuple[int, _Piece | None]],
) -> list[Document]:
    """The documents that stay, as copies with what is left of them.

    Args:
        documents: as they came in.
        metas: what each keeps of its meta.
        placed: number of a document, and what is left of it; None: it passes unchanged.
    """
    made = []
    for place, piece in placed:
        document = documents[place]
        if piece is not None:
            document = dataclasses.replace(
                document,
                content=piece.text,
                meta={**metas[place], DETAILS: piece.details},
                score=document.score if piece.score is None else piece.score,
            )
        made.append(document)
    return made
