"""Blocks by the question: how likely a causal language model is to ask it after reading each."""

from __future__ import annotations

from collections.abc import Sequence

from datapruner.core.types import FloatArray
from datapruner.errors import InputError
from datapruner.scorers.causal import CausalModel
from datapruner.scorers.listing import Entry, parts_of, shortened
from datapruner.scorers.pathtrie import log_softmax

__all__ = ["Asking"]

_LEAST_ROOM = 32
"""Tokens of a block without which no question can be judged by it."""


class Asking:
    """Each block in a prompt of its own, which ends where the question begins.

    If every block is as likely as any other to be asked about, the chance of a block given the
    question is in proportion to that of the question given the block.

    Args:
        model: that is asked.
        query: the question; what exceeds a quarter of the window is cut off, with a warning.
        window: tokens of a prompt with the question at most.

    Raises:
        InputError: the window leaves no room for a block.

    Source: Sachan et al. 2022 (UPR), arXiv:2204.07496. Departs from it in: the form of the prompt,
    which small models without instructions go on with; and the sum of the logarithms, where the
    mean over the question's tokens is taken there, which ranks the same.
    """

    def __init__(self, model: CausalModel, query: str, window: int) -> None:
        self._model = model
        self._question = shortened(model.encode(" " + " ".join(query.split())), window)
        self._before = [*model.opening, *model.encode("Answer:")]
        self._after = model.encode("\nQuestion:")
        around = len(self._before) + len(self._after) + len(self._question)
        self._room = window - around
        if self._room < _LEAST_ROOM:
            raise InputError(
                f"a prompt for {model.name} has {window} tokens, of which the question and what "
                f"stands around it take {around}: too few are left for a block. Raise window, or "
                "take a model that reads more."
            )

    def split(self, text: str) -> list[str]:
        """A text in parts that fit a prompt, one where it is short enough.

        Args:
            text: white space collapsed.
        """
        return parts_of(self._model, text, self._room // 2)

    def tags(self, row: int) -> str:
        """Nothing: paths are not told.

        Args:
            row: of the items.
        """
        return ""

    def held(self, entries: Sequence[Entry]) -> FloatArray:
        """The logarithm of each entry's chance; chances sum to 1.

        Args:
            entries: one or more, of this form.
        """
        prompts = [self._prompt(entry) for entry in entries]
        return log_softmax(self._model.log_likelihoods(prompts, self._question))

    def _prompt(self, entry: Entry) -> list[int]:
        encode = self._model.encode
        title = encode(f" {entry.title}\n")[: self._room // 4] if entry.title else []
        # Decoded and encoded again, a part may have a token more.
        text = encode(f" {entry.text}")[: self._room - len(title)]
        return [*self._before, *title, *text, *self._after]
