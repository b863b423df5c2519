"""Sentences one by one against the question, with any CrossEncoder of sentence-transformers."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.core.types import FloatArray
from datapruner.errors import FormatError, InputError, MissingExtraError
from datapruner.scorers.checkpointfiles import PICKLES
from datapruner.scorers.labelling import logistic

__all__ = ["CrossEncoder"]

SCALES = ("sigmoid", "raw")
# The argument's name before sentence-transformers 4, and since.
_ACTIVATIONS = ("activation_fn", "activation_fct")
_SETTINGS = ("model_kwargs", "automodel_args")


@dataclass(frozen=True)
class CrossEncoder:
    """Relevance of each sentence by itself to the question, judged by a reranker.

    The library's ``predict`` puts a sigmoid over the logit or does not, as the model's settings
    say; here the logit itself is asked for, and ``scale`` decides, the same for every model.

    Attributes:
        model: a folder or hub name, or an object with ``predict(pairs)``. None comes with the
            package: name one.
        scale: ``"sigmoid"``: values in [0, 1]; ``"raw"``: the logits.
        batch_size: pairs in a forward pass, 1 or more.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.

    Raises:
        InputError: a value that is none of these.

    Source: Hwang et al. 2024 (DSLR), arXiv:2407.03627, which reranks sentences so.
    """

    model: Any = None
    scale: str = "sigmoid"
    batch_size: int = 32
    device: str = "auto"

    needs: ClassVar[frozenset[str]] = frozenset({"text"})
    meaning: ClassVar[str] = "more relevant"
    default_budget: ClassVar[str] = "50% of tokens"

    def __post_init__(self) -> None:
        for name, known in (("scale", SCALES), ("device", ("auto", "cpu", "cuda"))):
            value = getattr(self, name)
            if value not in known:
                raise InputError(f"{name} is {value!r}; it must be one of {', '.join(known)}.")
        if isinstance(self.batch_size, bool) or self.batch_size < 1:
            raise InputError(f"batch_size is {self.batch_size!r}; it must be 1 or more.")

    def __call__(self, items: Items, *, query: str | None = None, seed: int = 0) -> Scores:
        """Scores of the sentences; equal texts are judged once.

        Args:
            items: rows with a column ``text``.
            query: the question.
            seed: not used, nothing is drawn.

        Returns:
            Scores with float64 values of shape (n,). A ``RuntimeWarning`` says how many sentences
            are longer than the model reads.

        Raises:
            InputError: the query is empty, no model is named, or it gives no single score.
            FormatError: the folder has pickled weights alone.
            MissingColumnError: the items have no texts.
            MissingExtraError: sentence-transformers is not installed.
        """
        texts = list(items.feature("text", "crossencoder"))
        if items.n and (query is None or not query.strip()):
            raise InputError("sentences are judged by a question, and the query is empty.")
        details: dict[str, Any] = {"scale": self.scale}
        if not items.n:
            return Scores(np.zeros(0), items, self.meaning, "crossencoder", details=details)
        model = self._loaded()
        details["model"] = _name(self.model)
        place = {text: row for row, text in enumerate(dict.fromkeys(texts))}
        _warn_of_cuts(model, str(query), list(place))
        logits = self._logits(model, [(str(query), text) for text in place])
        found = logits if self.scale == "raw" else logistic(logits)
        values = found[[place[text] for text in texts]]
        return Scores(values, items, self.meaning, "crossencoder", details=details)

    def _loaded(self) -> Any:
        if self.model is None:
            raise InputError(
                "no cross-encoder comes with datapruner. Name one: "
                'CrossEncoder(model="cross-encoder/ms-marco-MiniLM-L6-v2"), or a folder.'
            )
        if isinstance(self.model, str | Path):
            return _kept(str(self.model), self.device)
        if not callable(getattr(self.model, "predict", None)):
            raise InputError(
                f"model is a {type(self.model).__name__} without predict(pairs); give a folder, a "
                "name, or a CrossEncoder of sentence-transformers."
            )
        return self.model

    def _logits(self, model: Any, pairs: Sequence[tuple[str, str]]) -> FloatArray:
        asked = {"batch_size": self.batch_size, "show_progress_bar": False}
        known = inspect.signature(model.predict).parameters
        options = {key: value for key, value in asked.items() if key in known}
        activation = next((name for name in _ACTIVATIONS if name in known), None)
        if activation is not None:
            from torch import nn

            options[activation] = nn.Identity()
        made = np.asarray(model.predict(list(pairs), **options), dtype=np.float64)
        if made.shape == (len(pairs), 1):
            made = made[:, 0]
        if made.shape != (len(pairs),):
            raise InputError(
                f"{_name(self.model)} gave shape {made.shape} for {len(pairs)} pairs; a reranker "
                "gives one number each. A model of several classes is none."
            )
        return made


def _name(model: Any) -> str:
    return Path(model).name if isinstance(model, str | Path) else type(model).__name__


def _warn_of_cuts(model: Any, query: str, texts: Sequence[str]) -> None:
    # The name since sentence-transformers 6, which warns of the older one.
    longest = getattr(model, "max_seq_length", None) or getattr(model, "max_length", None)
    tokenizer = getattr(model, "tokenizer", None)
    if not isinstance(longest, int) or tokenizer is None:
        return
    # A token is a character at the least, so most texts need no counting.
    doubtful = [text for text in texts if len(text) + len(query) + 3 > longest]
    if not doubtful:
        return
    made = tokenizer([query] * len(doubtful), doubtful, truncation=False, verbose=False)
    number = sum(len(ids) > longest for ids in made["input_ids"])
    if number:
        warnings.warn(
            f"{number} of {len(texts)} sentences are longer with the question than the {longest} "
            "tokens that the model reads; their ends are not judged. Cut shorter with longest=.",
            RuntimeWarning,
            stacklevel=3,
        )


@lru_cache(maxsize=2)
def _kept(model: str, device: str) -> Any:
    """The model of a name, once a process."""
    folder = Path(model)
    if folder.is_dir():
        if not list(folder.glob("*.safetensors")):
            pickled = sorted(p.name for p in folder.iterdir() if p.suffix in PICKLES)
            found = f"{pickled[0]}, which could run code" if pickled else "no weights"
            raise FormatError(f"{folder} holds {found}; weights must be in safetensors.")
    elif "/" not in model:
        raise InputError(f"{model!r} is no folder here; a model of the hub is written owner/name.")
    try:
        import sentence_transformers
    except ImportError as error:
        raise MissingExtraError(
            'cross-encoders need sentence-transformers: pip install "datapruner[cpu]".'
        ) from error
    from datapruner.vectors.sentence import quiet

    known = inspect.signature(sentence_transformers.CrossEncoder).parameters
    options: dict[str, Any] = {"trust_remote_code": False}
    setting = next((name for name in _SETTINGS if name in known), None)
    if setting is not None:
        options[setting] = {"use_safetensors": True}
    if folder.is_dir():
        options["local_files_only"] = True
    chosen = None if device == "auto" else device
    try:
        with quiet():
            return sentence_transformers.CrossEncoder(model, device=chosen, **options)
    except (OSError, ValueError) as error:  # the hub's own errors are OSError or ValueError
        raise InputError(f"cross-encoder {model} cannot be loaded: {error}") from error
