"""Published labelling checkpoints, read natively: no code of theirs is run, no pickle is opened.

Four families: naver's Provence, XProvence, open_provence, and our own format. The formulas are in
``checkpointmodules``; docs/checkpoints.md says what each one needs and may be used for.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datapruner.core.types import IntArray
from datapruner.errors import FormatError, InputError, MissingExtraError
from datapruner.scorers.checkpointfiles import (
    TENSORS,
    check_tensors,
    digest,
    find_folder,
    read_tensors,
)
from datapruner.scorers.labelformat import (
    FAMILY,
    LabelSettings,
    Special,
    own_settings,
    read_json,
    read_tokenizer,
)

__all__ = ["TorchLabeller", "load_checkpoint"]

DTYPES = ("float32", "float16", "bfloat16")

BATCH_TOKENS = {"cpu": 2048, "cuda": 65536}
"""Tokens of a forward pass: on a CPU more gains nothing, a GPU wants to be filled."""

_WINDOW = 512
"""Tokens that every published model of the family was trained on."""

_COMPRESSING = "CompressionAndRanking"
_HEAD, _RANKING = "pruning_head.", "ranking_model."
# Sums up token logits for training; inference has no use for it.
_UNUSED = "pruning_head.pooling_weights."
_MISSPELT = "default_threadshold"


class TorchLabeller:
    """A labelling model under torch.

    Attributes:
        name: of the folder or hub model, and eight digits of a hash of the weights.
        tokenizer: a ``tokenizers.Tokenizer``.
        settings: how it wants its input.
        batch_tokens: tokens of one forward pass, padding included.
        device: ``"cpu"`` or ``"cuda"``.
        module: the ``torch.nn.Module``; its state has the published names.
    """

    def __init__(
        self, name: str, network: Any, tokenizer: Any, settings: LabelSettings, device: str
    ) -> None:
        self.name = name
        self.tokenizer = tokenizer
        self.settings = settings
        self.device = device
        self.batch_tokens = BATCH_TOKENS[device]
        self.module = network.module
        self._forward = network.forward
        # One hook of a network serves one call at a time.
        self._turn = threading.Lock()

    def run(self, ids: IntArray, mask: IntArray, types: IntArray) -> tuple[Any, Any]:
        """Keep logits (b, L) and rank logits (b,), float32, of inputs (b, L), int64."""
        import torch

        inputs = [torch.from_numpy(part).to(self.device) for part in (ids, mask, types)]
        with self._turn, torch.inference_mode():
            tokens, rank = self._forward(*inputs)
            # In half precision the difference of two logits would be rounded once more.
            both = tokens.float()
            keep = (both[..., 1] - both[..., 0]).cpu().numpy()
            return keep, rank.float().cpu().numpy()


def load_checkpoint(
    path_or_id: str | Path,
    *,
    device: str = "auto",
    dtype: str | None = None,
    revision: str | None = None,
) -> TorchLabeller:
    """A labelling model of any of the four families, ready to run.

    Args:
        path_or_id: a folder with config.json, tokenizer.json and model.safetensors, or the name of
            such a model on the hub, ``owner/name``; only then, and where it is not in the hub's
            cache, is anything fetched.
        device: ``"auto"`` (CUDA where torch sees a GPU), ``"cpu"`` or ``"cuda"``.
        dtype: ``"float32"``, ``"float16"`` or ``"bfloat16"``; None: float16 on CUDA, float32 on the
            CPU, which takes nothing else.
        revision: of the hub: a branch, tag or commit.

    Raises:
        InputError: no such folder or model, device or dtype.
        FormatError: an unknown family, tensors missing or too many, or pickled weights.
        MissingExtraError: torch or transformers is not installed.
    """
    try:
        import torch
        import transformers  # noqa: F401  # the encoders are its
    except ImportError as error:
        raise MissingExtraError(
            'published checkpoints need torch and transformers: pip install "datapruner[cpu]".'
        ) from error
    where = _device(device)
    number = _dtype(where, dtype)
    folder = find_folder(path_or_id, revision)
    config = read_json(folder / "config.json")
    family = _family(config, folder)
    tokenizer = read_tokenizer(folder)
    settings = _label_settings(family, config, tokenizer, folder)
    from datapruner.scorers.checkpointmodules import BUILDERS

    stored = read_tensors(folder)
    # Fresh weights are drawn from torch's global generator, which is not ours to move.
    with torch.random.fork_rng(devices=[]):
        try:
            network = BUILDERS[family](config)
        except Exception as error:  # transformers refuses settings with errors of many kinds
            raise FormatError(f"{folder}/config.json describes no network: {error}") from error
    tensors = _with_prefix(stored) if family == "open_provence" else stored
    check_tensors(network.module.state_dict(), tensors, folder, family)
    network.module.load_state_dict(tensors, strict=True)
    network.module.to(device=where, dtype=getattr(torch, number)).eval()
    name = f"{Path(path_or_id).name}@{digest(folder / TENSORS)}"
    return TorchLabeller(name, network, tokenizer, settings, where)


def _device(asked: str) -> str:
    import torch

    if asked not in ("auto", "cpu", "cuda"):
        raise InputError(f"device is {asked!r}; it must be auto, cpu or cuda.")
    has_cuda = torch.cuda.is_available()
    if asked == "cuda" and not has_cuda:
        raise InputError('device="cuda" needs a GPU that torch sees; device="auto" does without.')
    return "cuda" if has_cuda and asked != "cpu" else "cpu"


def _dtype(device: str, asked: str | None) -> str:
    if asked is None:
        return "float16" if device == "cuda" else "float32"
    if asked not in DTYPES:
        raise InputError(f"dtype is {asked!r}; it must be one of {', '.join(DTYPES)}.")
    if device == "cpu" and asked != "float32":
        raise InputError(f"dtype={asked!r} is for CUDA; on the CPU it is slower and less exact.")
    return asked


def _family(config: Mapping[str, Any], folder: Path) -> str:
    """Which family a config.json is of; the hub's copies and naver's training code differ in it."""
    if "datapruner" in config:
        return FAMILY
    kind = str(config.get("model_type", ""))
    named = kind.lower().replace("-", "_")
    if named in ("provence", "xprovence", "open_provence"):
        return named
    if any(_COMPRESSING in str(name) for name in config.get("architectures") or ()):
        own = {"deberta_v2": "provence", "xlm_roberta": "xprovence"}
        if named in own:
            return own[named]
    raise FormatError(
        f"{folder}/config.json has model_type {kind!r}, which is no labelling model that is known "
        "here: Provence, XProvence, open_provence, or our own format. A plain reranker is for "
        'method="crossencoder".'
    )


def _label_settings(
    family: str, config: Mapping[str, Any], tokenizer: Any, folder: Path
) -> LabelSettings:
    if family == FAMILY:
        return own_settings(config, tokenizer, folder)
    if family == "open_provence":
        base = config.get("base_model_config") or {}
        special = Special.template(tokenizer, base.get("pad_token_id"))
        length = int(config.get("max_length", _WINDOW))
        return LabelSettings(family, special, length, "probability", _stated_threshold(config))
    special = Special.pair(tokenizer, config.get("pad_token_id"))
    if family == "provence":
        length = min(_WINDOW, int(config.get("max_position_embeddings", _WINDOW)))
        return LabelSettings(family, special, length, "decision", 0.1, "plain-words")
    # RoBERTa counts positions from the padding id on, so that many are never used.
    most = int(config.get("max_position_embeddings", _WINDOW + 2)) - special.padding - 1
    return LabelSettings(family, special, min(_WINDOW, most), "decision", 0.1)


def _stated_threshold(config: Mapping[str, Any]) -> float:
    if _MISSPELT in config:
        return float(config[_MISSPELT])
    if "default_threshold" in config:
        warnings.warn(
            f"config.json says default_threshold; released models spell it {_MISSPELT}. "
            f"{config['default_threshold']} is taken.",
            RuntimeWarning,
            stacklevel=4,
        )
        return float(config["default_threshold"])
    return 0.1


def _with_prefix(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The tensors under today's names: early files have no prefix on the ranking model's."""
    used = {name: value for name, value in stored.items() if not name.startswith(_UNUSED)}
    if any(name.startswith(_RANKING) for name in used):
        return used
    return {
        name if name.startswith(_HEAD) else f"{_RANKING}{name}": value
        for name, value in used.items()
    }
