"""The settings of the pruner as fields, for frameworks whose parts are pydantic models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from datapruner.errors import MissingExtraError
from datapruner.integrations.documents import OPTIONS, DocumentPruner

try:
    from pydantic import BaseModel, ConfigDict, Field, PrivateAttr
except ImportError as error:  # pragma: no cover - both frameworks bring it
    raise MissingExtraError(
        'the bridge needs its framework: pip install "datapruner[langchain]" or '
        '"datapruner[llama-index]".'
    ) from error

__all__ = ["PrunerFields"]


class PrunerFields(BaseModel):  # type: ignore[misc]
    """A pydantic model with the options of ``ContextPruner``, and a pruner made of them.

    Values go to the pruner as they come; it is the one that reads them, when the model is made, and
    loads what they name. What it refuses with a ``ValueError``, pydantic reports as its own
    ``ValidationError``, which is one too, with the pruner's words in it.

    Attributes:
        deadline: seconds for a call, after which documents come back unpruned; None: no deadline.
        drop_empty: whether documents of which nothing is left are left out.
        title_key: the key in a document's metadata under which its title stands; None: no titles.

    All others are those of ``datapruner.prune_chunks``. They are frozen; a copy may change them.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    # Frozen one by one: frameworks set fields of their own on what they are given.
    budget: Any = Field(OPTIONS["budget"], frozen=True)
    threshold: Any = Field(OPTIONS["threshold"], frozen=True)
    price: Any = Field(OPTIONS["price"], frozen=True)
    method: Any = Field(OPTIONS["method"], frozen=True)
    counter: Any = Field(OPTIONS["counter"], frozen=True)
    order: Any = Field(OPTIONS["order"], frozen=True)
    pick: Any = Field(OPTIONS["pick"], frozen=True)
    fill: Any = Field(OPTIONS["fill"], frozen=True)
    pins: Any = Field(OPTIONS["pins"], frozen=True)
    neighbours: Any = Field(OPTIONS["neighbours"], frozen=True)
    antecedents: Any = Field(OPTIONS["antecedents"], frozen=True)
    on_empty: Any = Field(OPTIONS["on_empty"], frozen=True)
    separator: Any = Field(OPTIONS["separator"], frozen=True)
    gap: Any = Field(OPTIONS["gap"], frozen=True)
    hidden: Any = Field(OPTIONS["hidden"], frozen=True)
    language: Any = Field(OPTIONS["language"], frozen=True)
    longest: Any = Field(OPTIONS["longest"], frozen=True)
    seed: Any = Field(OPTIONS["seed"], frozen=True)
    deadline: Any = Field(None, frozen=True)
    drop_empty: bool = Field(True, frozen=True)
    title_key: str | None = Field("title", frozen=True)

    _pruner: DocumentPruner = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        """Make the pruner, so that a wrong setting is refused before there is any work."""
        super().model_post_init(context)
        options = {name: getattr(self, name) for name in OPTIONS}
        self._pruner = DocumentPruner(options, deadline=self.deadline, drop_empty=self.drop_empty)
        self._pruner.warm_up()

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy, with a pruner for what was changed.

        Args:
            update: fields to change, as pydantic has it.
            deep: as pydantic has it.
        """
        made = super().model_copy(update=update, deep=deep)
        made.model_post_init(None)
        return made  # type: ignore[no-any-return]
