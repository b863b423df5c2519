"""Sentence-transformers models, made to give a text the same vector in any company.

A matrix product rounds by the shape of its operands, and padding changes shapes, so the usual loop
gives a text vectors that differ in the last bits with its neighbours. Here texts are sorted by
token length into buckets of fixed widths and every forward pass has exactly (batch_size, width)
tokens, filled up with dummy rows: a text meets one shape only, whatever else is embedded.

The promise. On the CPU, with one build of torch, one batch size and one kind of processor, a
text's vector is bit-identical whatever the other texts of the call, their order and its place in
the batch. For all-MiniLM-L6-v2 on torch 2.13 (AMD EPYC 7003) it was so at widths 16 to 256, for
every place in the batch, with one and with two threads; a test repeats this. It stops there:
another batch size, processor or version of torch, and half precision on CUDA, may change the last
bits.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from datapruner.core.types import IntArray
from datapruner.errors import FormatError, InputError
from datapruner.vectors.content import unit_rows

__all__ = ["SentenceEmbedder", "fetch", "quiet"]

Float32Array: TypeAlias = npt.NDArray[np.float32]

WIDTHS = (16, 32, 48, 64, 96, 128, 192, 256, 384, 512)
"""Token widths of the buckets; a text is padded by a third at most, from 32 tokens on by half."""

HASH_BYTES = 2**20


class SentenceEmbedder:
    """A sentence-transformers model in a local folder, loaded at first use.

    Args:
        folder: as ``SentenceTransformer.save`` writes it, weights in safetensors.
        name: for people; None: the folder's name.
        device: ``"cpu"``, ``"cuda"``, or ``"auto"``: CUDA where torch sees a GPU. Half precision on
            CUDA, float32 on the CPU.
        batch_size: texts in a forward pass; short calls are filled up to it.

    Attributes:
        name: for people.

    Raises:
        InputError: batch_size below 1, or CUDA asked for and not there.
        FormatError: the folder holds no such model.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        name: str | None = None,
        device: str = "auto",
        batch_size: int = 32,
    ) -> None:
        self.folder = Path(folder)
        self.name = name or self.folder.name
        self.batch_size = batch_size
        self._asked = device
        if batch_size < 1 or device not in ("auto", "cpu", "cuda"):
            raise InputError(
                f'batch_size={batch_size}, device="{device}": 1 or more; auto, cpu, cuda.'
            )
        if not list(self.folder.rglob("*.safetensors")):
            raise FormatError(f"{folder} holds no model with weights in safetensors.")

    @cached_property
    def device(self) -> str:
        """Where it runs: ``"cpu"`` or ``"cuda"``."""
        import torch

        has_cuda = torch.cuda.is_available()
        if self._asked == "cuda" and not has_cuda:
            raise InputError(
                'device="cuda" needs a GPU that torch sees; device="auto" does without.'
            )
        return "cuda" if has_cuda and self._asked != "cpu" else "cpu"

    @cached_property
    def fingerprint(self) -> str:
        """Name, SHA-256 of weights and settings, batch size and precision; loads no model."""
        digest = hashlib.sha256()
        for path in sorted(self.folder.rglob("*")):
            if path.is_file() and path.suffix in (".safetensors", ".json", ".txt", ".model"):
                digest.update(path.relative_to(self.folder).as_posix().encode())
                with path.open("rb") as file:
                    while piece := file.read(HASH_BYTES):
                        digest.update(piece)
        precision = "fp16" if self.device == "cuda" else "fp32"
        return f"{self.name}@{digest.hexdigest()[:32]}/batch{self.batch_size}/{precision}"

    @cached_property
    def dimensions(self) -> int:
        """Width of the vectors, from the settings if they say it, else from the model."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            modules = json.loads((self.folder / "modules.json").read_text("utf-8"))
            kinds = {str(module["type"]).rpartition(".")[2] for module in modules}
            pooling = next(m["path"] for m in modules if str(m["type"]).endswith(".Pooling"))
            if kinds <= {"Transformer", "Pooling", "Normalize"}:
                settings = json.loads((self.folder / pooling / "config.json").read_text("utf-8"))
                modes = [on for key, on in settings.items() if key.startswith("pooling_mode_")]
                if sum(map(bool, modes)) <= 1:
                    return int(settings["word_embedding_dimension"])
        return len(self.encode(["width"])[0])

    def encode(self, texts: list[str]) -> Float32Array:
        """Unit vectors of texts; texts beyond the model's length are cut at its end.

        Args:
            texts: any strings.

        Returns:
            Shape (len(texts), dimensions), float32; a zero row for a text of white space.
        """
        if not texts:
            return np.zeros((0, self.dimensions), dtype=np.float32)
        prompted = [self._prompt + text.strip() for text in texts]
        lengths = np.minimum(self.count_tokens(prompted), self._longest)
        width = np.asarray(self._widths)[np.searchsorted(self._widths, lengths)]
        made: Float32Array | None = None
        # Rising widths, and inside one the order given, which fixed shapes make irrelevant.
        order = np.argsort(width, kind="stable")
        for bucket in np.unique(width).tolist():
            members = order[width[order] == bucket]
            for first in range(0, len(members), self.batch_size):
                rows = members[first : first + self.batch_size]
                part = self._forward([prompted[i] for i in rows], bucket)
                if made is None:
                    made = np.empty((len(texts), part.shape[1]), dtype=np.float32)
                made[rows] = part
        vectors = unit_rows(made)[0] if made is not None else np.zeros((0, 0), dtype=np.float32)
        vectors[[i for i, text in enumerate(texts) if not text.strip()]] = 0
        return vectors

    def count_tokens(self, texts: list[str]) -> IntArray:
        """Tokens of each text with the model's own tokenizer, special tokens included, not cut.

        Returns:
            Shape (len(texts),), int64.
        """
        with quiet():
            ids = self._model.tokenizer(list(texts), truncation=False, verbose=False)["input_ids"]
        return np.array([len(row) for row in ids], dtype=np.int64)

    def _forward(self, texts: list[str], width: int) -> Float32Array:
        """One pass of exactly (batch_size, width) tokens."""
        import torch

        filled = texts + [""] * (self.batch_size - len(texts))
        features = self._model.tokenizer(
            filled, padding="max_length", truncation=True, max_length=width, return_tensors="pt"
        )
        on_device = {key: value.to(self.device) for key, value in features.items()}
        with torch.inference_mode():
            out = self._model.forward(on_device)["sentence_embedding"]
        vectors: Float32Array = out[: len(texts)].float().cpu().numpy()
        return vectors

    @cached_property
    def _model(self) -> Any:
        with quiet():
            from sentence_transformers import SentenceTransformer

            model = SentenceTransformer(
                str(self.folder),
                device=self.device,
                local_files_only=True,
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True},
            )
        model.eval()
        return model.half() if self.device == "cuda" else model

    @cached_property
    def _prompt(self) -> str:
        """The text that the model wants before every other, if it names one."""
        name = getattr(self._model, "default_prompt_name", None)
        return str((getattr(self._model, "prompts", None) or {}).get(name, "")) if name else ""

    @cached_property
    def _longest(self) -> int:
        return int(self._model.max_seq_length or self._model.tokenizer.model_max_length)

    @cached_property
    def _widths(self) -> list[int]:
        doubled = [WIDTHS[-1] * 2**i for i in range(1, 20)]
        return [*(w for w in (*WIDTHS, *doubled) if w < self._longest), self._longest]


def fetch(model: str) -> Path:
    """Download a model of the hub: weights in safetensors, settings and vocabulary, no code.

    Raises:
        InputError: there is no such model, or no network.
    """
    from huggingface_hub import snapshot_download

    try:
        folder = snapshot_download(
            model, allow_patterns=["*.json", "*.txt", "*.model", "*.safetensors"]
        )
    except (OSError, ValueError) as error:  # the hub's own errors are OSError or ValueError
        raise InputError(f"Model {model} cannot be fetched: {error}") from error
    return Path(folder)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence the bars and chatter of transformers for a while; its settings are put back."""
    from transformers.utils import logging as chatter

    had_bar, level = chatter.is_progress_bar_enabled(), chatter.get_verbosity()
    chatter.disable_progress_bar()
    chatter.set_verbosity_error()
    try:
        yield
    finally:
        chatter.set_verbosity(level)
        if had_bar:
            chatter.enable_progress_bar()
