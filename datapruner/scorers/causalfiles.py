"""Causal language models from their files: safetensors or GGUF, never pickles."""

from __future__ import annotations

import re
from contextlib import nullcontext, redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

from datapruner.errors import FormatError, InputError, MissingExtraError
from datapruner.scorers.checkpointfiles import PICKLES

__all__ = ["load_network"]

_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")


def load_network(model: str, device: str) -> tuple[Any, Any]:
    """A network of transformers, ready to be asked, and its tokenizer.

    Args:
        model: a folder, a GGUF file, or ``owner/name`` on the hub, which alone is ever fetched.
        device: ``"auto"`` (CUDA where torch sees a GPU), ``"cpu"`` or ``"cuda"``.

    Raises:
        InputError: no such model, or transformers cannot load it.
        FormatError: the folder has pickled weights alone.
        MissingExtraError: torch, transformers or, for a GGUF file, gguf is not installed.
    """
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
        # The bar that unpacks a GGUF file is drawn whatever is set.
        with quiet(), redirect_stderr(StringIO()) if "gguf_file" in options else nullcontext():
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
    return network.to(device).eval(), tokenizer


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
