"""A small causal language model, as a scorer of given answers needs it: read once, ask often."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from datapruner.core.types import FloatArray
from datapruner.errors import FormatError, InputError, MissingExtraError
from datapruner.scorers.checkpointfiles import PICKLES
from datapruner.scorers.labelwindows import readable

__all__ = ["CausalModel", "Reading"]

_PLACE = "\ue000content\ue001"
"""Stands for a message while a chat template is filled in: no text of a template has it."""

_WINDOW = 2048
"""Of a model that does not say how much it reads."""

_LAST_ONLY = ("logits_to_keep", "num_logits_to_keep")
"""What asks a model for the last logits alone, in today's transformers and before 4.48."""

_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")


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
        # A base model goes on with the text, which begins as its tokenizer begins any.
        begins = list(tokenizer("")["input_ids"])
        return [token for token in begins if token == tokenizer.bos_token_id], self.encode("\n")

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


@lru_cache(maxsize=2)
def _loaded(model: str, device: str) -> CausalModel:
    try:
        import torch
        import transformers
    except ImportError as error:
        raise MissingExtraError(
            'causal models need torch and transformers: pip install "datapruner[cpu]".'
        ) from error
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    where, options = _source(model)
    from datapruner.vectors.sentence import quiet

    try:
        with quiet():
            named = {
                key: options[key] for key in ("gguf_file", "local_files_only") if key in options
            }
            tokenizer = transformers.AutoTokenizer.from_pretrained(
                where, trust_remote_code=False, **named
            )
            network = transformers.AutoModelForCausalLM.from_pretrained(
                where, trust_remote_code=False, **options
            )
    except ImportError as error:
        raise MissingExtraError(
            f'{model} needs a package that is not here: pip install "datapruner[gguf]". ({error})'
        ) from error
    except (OSError, ValueError, KeyError) as error:  # the hub's own are OSError or ValueError
        raise InputError(f"causal model {model} cannot be loaded: {error}") from error
    # Half precision is slower and less exact on a CPU.
    network = network.float() if device == "cpu" else network
    return CausalModel(network.to(device).eval(), tokenizer, Path(model).name)


def _source(model: str) -> tuple[str, dict[str, Any]]:
    """What transformers is to load, and how."""
    import transformers

    path = Path(model)
    if path.is_file() and path.suffix == ".gguf":
        options: dict[str, Any] = {"gguf_file": path.name, "local_files_only": True}
        settings = getattr(transformers, "GgufConfig", None)
        if settings is not None:  # earlier releases always unpack the weights
            options["quantization_config"] = settings(dequantize=True)
        return str(path.parent), options
    if path.is_dir():
        if not list(path.glob("*.safetensors")):
            pickled = sorted(p.name for p in path.iterdir() if p.suffix in PICKLES)
            found = f"{pickled[0]}, which could run code" if pickled else "no weights"
            raise FormatError(f"{path} holds {found}; weights must be in safetensors.")
        return model, {"local_files_only": True, "use_safetensors": True}
    if path.exists() or not _HUB_NAME.fullmatch(model):
        raise InputError(
            f"{model!r} is no folder and no .gguf file here; a model of the hub is written "
            "owner/name."
        )
    return model, {"use_safetensors": True}
