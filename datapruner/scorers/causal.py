"""A small causal language model, as a scorer of given answers needs it: read once, ask often."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from datapruner.core.types import FloatArray
from datapruner.errors import InputError
from datapruner.scorers.causalfiles import load_network
from datapruner.scorers.labelwindows import readable

__all__ = ["CausalModel", "Reading"]

_PLACE = "\ue000content\ue001"
"""Stands for a message while a chat template is filled in: no text of a template has it."""

_WINDOW = 2048
"""Of a model that does not say how much it reads."""

_BATCH_TOKENS = 1024
"""Of prompts that are read at once, padding included: more gain nothing on a CPU."""

_LAST_ONLY = ("logits_to_keep", "num_logits_to_keep")
"""What asks a model for the last logits alone, in today's transformers and before 4.48."""


class CausalModel:
    """A causal language model with its tokenizer.

    Args:
        model: of transformers, a network of attention layers; recurrent ones cannot forget a
            branch.
        tokenizer: its own, of transformers.
        name: for details; None: what the model's configuration says.

    Attributes:
        name: as given.
        window: tokens that it reads at most.
        terminator: token that ends an answer.

    Raises:
        InputError: one of the two cannot be used.
    """

    def __init__(self, model: Any, tokenizer: Any, name: str | None = None) -> None:
        if not callable(model) or getattr(model, "config", None) is None:
            raise InputError(
                f"model is a {type(model).__name__}; give a causal language model of transformers."
            )
        if not callable(tokenizer) or getattr(tokenizer, "eos_token_id", None) is None:
            raise InputError(
                f"tokenizer is a {type(tokenizer).__name__} without eos_token_id; give the "
                "tokenizer of the model."
            )
        self._model, self._tokenizer = model, tokenizer
        self.name = name or str(getattr(model.config, "name_or_path", "") or type(model).__name__)
        # Of a model of texts and images, what counts is the part for texts.
        config = model.config.get_text_config()
        self.window = int(getattr(config, "max_position_embeddings", None) or _WINDOW)
        self.terminator = int(tokenizer.eos_token_id)
        known = inspect.signature(model.forward).parameters
        self._last = {name: 1 for name in _LAST_ONLY if name in known}

    @staticmethod
    def load(model: str | Path, device: str = "auto") -> CausalModel:
        """The model of a name, loaded once a process.

        Args:
            model: a folder with config.json, a tokenizer and weights in safetensors; a GGUF file,
                whose weights are read as float32; or ``owner/name`` on the Hugging Face hub, which
                alone is ever fetched.
            device: ``"auto"`` (CUDA where torch sees a GPU), ``"cpu"`` or ``"cuda"``.

        Raises:
            InputError: no such model, or transformers cannot load it.
            FormatError: the folder has pickled weights alone.
            MissingExtraError: torch, transformers or, for a GGUF file, gguf is not installed.
        """
        return _loaded(str(model), device)

    def encode(self, text: str) -> list[int]:
        """Token ids of a text; what looks like a special token in it is plain text.

        Args:
            text: any; lone surrogates count as unknown characters.
        """
        made = self._tokenizer(
            readable(text), add_special_tokens=False, split_special_tokens=True, verbose=False
        )
        return list(made["input_ids"])

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids.

        Args:
            ids: as ``encode`` gives them.
        """
        return str(self._tokenizer.decode(list(ids)))

    def framed(self, content: Sequence[int]) -> list[int]:
        """A message to the model, in its chat template if it has one; what follows is its answer.

        Args:
            content: token ids of the message.
        """
        before, after = self._frame
        return [*before, *content, *after]

    @cached_property
    def opening(self) -> list[int]:
        """Token ids with which the model's tokenizer begins a text: one or none."""
        begins = list(self._tokenizer("")["input_ids"])
        return [token for token in begins if token == self._tokenizer.bos_token_id]

    @cached_property
    def _frame(self) -> tuple[list[int], list[int]]:
        tokenizer = self._tokenizer
        if getattr(tokenizer, "chat_template", None):
            told = tokenizer.apply_chat_template(
                [{"role": "user", "content": _PLACE}], tokenize=False, add_generation_prompt=True
            )
            parts = told.split(_PLACE)
            if len(parts) == 2:
                before, after = (
                    list(tokenizer(part, add_special_tokens=False)["input_ids"]) for part in parts
                )
                return before, after
        # A base model goes on with the text.
        return self.opening, self.encode("\n")

    def log_likelihoods(self, prompts: Sequence[Sequence[int]], said: Sequence[int]) -> FloatArray:
        """How likely the model is to go on with the same words after each of some prompts.

        Args:
            prompts: token ids, one or more each.
            said: token ids, one or more.

        Returns:
            Shape (prompts,), float64: sums of the logarithms of the tokens' chances.
        """
        found = np.zeros(len(prompts))
        for places in _batches([len(prompt) + len(said) for prompt in prompts]):
            found[places] = self._likelihoods([prompts[place] for place in places], said)
        return found

    def _likelihoods(self, prompts: Sequence[Sequence[int]], said: Sequence[int]) -> FloatArray:
        import torch

        lengths = torch.tensor([len(prompt) for prompt in prompts], device=self._model.device)
        most = int(lengths.max())
        # What is put behind a prompt that is shorter than others changes nothing before it.
        rows = [[*p, *said, *[self.terminator] * (most - len(p))] for p in prompts]
        ids = torch.tensor(rows, dtype=torch.long, device=self._model.device)
        wanted = most - int(lengths.min()) + len(said) + 1
        options = dict.fromkeys(self._last, wanted)
        with torch.inference_mode():
            logits = self._model(input_ids=ids, use_cache=False, **options).logits
            # A model that gives fewer positions gives the last ones.
            first = lengths - 1 - (ids.shape[1] - logits.shape[1])
            at = first[:, None] + torch.arange(len(said), device=ids.device)
            told = logits[torch.arange(len(rows), device=ids.device)[:, None], at].float()
            goals = torch.tensor(list(said), device=ids.device).expand(len(rows), -1)
            chances = told.log_softmax(-1).gather(2, goals[:, :, None])[:, :, 0]
        sums: FloatArray = chances.double().sum(1).cpu().numpy()
        return sums

    def read(self, prompt: Sequence[int]) -> Reading:
        """The model after it has read a prompt.

        Args:
            prompt: token ids, one or more.
        """
        return Reading(self._model, self._last, prompt)


class Reading:
    """A model that has read a prompt and keeps its keys and values, to go on in several ways.

    Args:
        model: as in ``CausalModel``.
        options: of its forward pass.
        prompt: token ids, one or more.
    """

    def __init__(self, model: Any, options: dict[str, Any], prompt: Sequence[int]) -> None:
        from transformers import DynamicCache

        self._model, self._options = model, options
        # Made without the model's configuration, it keeps all positions in layers that look back
        # a few alone as well: what has slid out of their window may be needed after a cut.
        self._cache = DynamicCache()
        self._length = len(prompt)
        self._answer = 0
        self._first = self._feed(prompt)

    def ask(self, kept: int, tokens: Sequence[int]) -> FloatArray:
        """Logits of the token that follows the prompt and an answer so far.

        Args:
            kept: how many tokens of the answer so far stay.
            tokens: the answer goes on with these; none only if none are kept.

        Returns:
            Shape (V,), float32, of the last position.
        """
        if not kept and not tokens:
            return self._first
        if self._answer > kept:
            # Negative: so many to take away, which every release understands.
            self._cache.crop(kept - self._answer)
        self._answer = kept + len(tokens)
        return self._feed(tokens)

    def _feed(self, tokens: Sequence[int]) -> FloatArray:
        import torch

        ids = torch.tensor([list(tokens)], dtype=torch.long, device=self._model.device)
        with torch.inference_mode():
            made = self._model(
                input_ids=ids, past_key_values=self._cache, use_cache=True, **self._options
            )
        logits: FloatArray = made.logits[0, -1].float().cpu().numpy()
        return logits


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Numbers of prompts that are read at once, of about one length."""
    batch: list[int] = []
    for place in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and lengths[place] * (len(batch) + 1) > _BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


@lru_cache(maxsize=2)
def _loaded(model: str, device: str) -> CausalModel:
    return CausalModel(*load_network(model, device), Path(model).name)
