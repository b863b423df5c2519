"""Writes a trained network in our format: safetensors, and ONNX for running without torch.

``model.onnx`` takes ``input_ids``, ``attention_mask`` and ``token_type_ids``, int64 of shape
(b, L), and gives ``keep_logits`` (b, L) and ``rank_logits`` (b,). ``model-int8.onnx`` is the same
with weights of 8 bits, less than a third of the size; activations are quantised as they come.
"""

from __future__ import annotations

import json
import re
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from datapruner.errors import FormatError, MissingExtraError
from datapruner.output import AtomicFile
from datapruner.training.loop import collate
from datapruner.training.network import FAMILY
from datapruner.training.windows import NO_LABEL, Window

__all__ = ["AGREEMENT", "deviations", "settings", "write_model", "write_onnx"]

AGREEMENT = 1e-4
"""Largest difference of a logit between ONNX in float32 and torch that is borne."""

THRESHOLD = 0.1
"""Of the published models of this family; calibration on labelled examples replaces it."""

_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_OUTPUTS = ("keep_logits", "rank_logits")
_OPSET = 17
_OUTLIERS = re.compile(r"/layer\.[01]/output/dense/")
# What names a place or a version says nothing about the network.
_NOT_SETTINGS = ("_name_or_path", "architectures", "transformers_version", "torch_dtype")


def settings(
    backbone: dict[str, Any], *, max_length: int, trained: dict[str, Any]
) -> dict[str, Any]:
    """The contents of config.json.

    Args:
        backbone: configuration of the encoder, with ``model_type``.
        max_length: tokens of a window.
        trained: facts for people and cards: recipe, data, metrics.
    """
    return {
        "backbone": {key: value for key, value in backbone.items() if key not in _NOT_SETTINGS},
        "datapruner": {
            "family": FAMILY,
            "version": 1,
            "packing": "pair",
            "rounding": "probability",
            "threshold": THRESHOLD,
            "max_length": max_length,
            "head_input": "last_hidden_state",
            "question_normalisation": "none",
            "trained": trained,
        },
    }


def write_model(folder: Path, network: Any, tokenizer: Any, config: dict[str, Any]) -> list[str]:
    """Write config.json, tokenizer.json and model.safetensors, over what is there.

    Returns:
        Their names.

    Raises:
        OutputError: the folder cannot be written.
    """
    from safetensors.torch import save

    state = {name: value.contiguous() for name, value in network.state_dict().items()}
    contents = {
        "config.json": json.dumps(config, indent=1).encode() + b"\n",
        "tokenizer.json": tokenizer.to_str().encode(),
        "model.safetensors": save(state),
    }
    for name, content in contents.items():
        _write(folder / name, content)
    return list(contents)


def write_onnx(
    folder: Path, network: Any, windows: Sequence[Window], padding: int
) -> dict[str, dict[str, float]]:
    """Write model.onnx and model-int8.onnx, and compare both with the network.

    Args:
        folder: where they go, over what is there.
        network: the trained module.
        windows: some inputs to compare on, at least one.
        padding: id of the padding token.

    Returns:
        For each file name ``megabytes`` and the figures of ``deviations``.

    Raises:
        FormatError: ONNX in float32 differs from torch by more than ``AGREEMENT``.
        MissingExtraError: onnx or onnxruntime is not installed.
    """
    try:
        import onnx
        from onnxruntime.quantization import QuantType, quantize_dynamic
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ImportError as error:
        raise MissingExtraError(
            'ONNX needs onnx and onnxruntime: pip install "datapruner[train]".'
        ) from error
    made: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as place:
        exact, small = Path(place, "model.onnx"), Path(place, "model-int8.onnx")
        shaped = Path(place, "shaped.onnx")
        _trace(network, windows[:2], padding, exact)
        # Only the shapes are filled in; onnxruntime optimises the graph when it loads it.
        quant_pre_process(exact, shaped, skip_optimization=True, skip_symbolic_shape=True)
        # Seven bits of weight: without VNNI the products of eight saturate in pairs.
        quantize_dynamic(
            shaped,
            small,
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=_kept_exact(onnx.load(shaped)),
        )
        for path in (exact, small):
            facts = deviations(path, network, windows, padding)
            made[path.name] = {"megabytes": round(path.stat().st_size / 1e6, 2), **facts}
        largest = made[exact.name]["largest_logit"]
        if not largest <= AGREEMENT:
            raise FormatError(
                f"model.onnx differs from torch by {largest:.2g} in a logit, more than "
                f"{AGREEMENT:.0e}; nothing was written. Try another release of torch."
            )
        for path in (exact, small):
            _write(folder / path.name, path.read_bytes())
    return made


def deviations(
    path: Path, network: Any, windows: Sequence[Window], padding: int
) -> dict[str, float]:
    """How far an ONNX file is from the network on some inputs.

    Returns:
        ``largest_logit``: largest difference of a keep logit of a labelled token or of a rank
        logit; ``largest_probability`` and ``mean_probability``: of keep probabilities;
        ``decisions``: share of labelled tokens on the other side of ``THRESHOLD``.
    """
    import onnxruntime
    import torch
    from scipy.special import expit

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    gaps: list[Any] = []
    sides, shifts = [], []
    network.eval()
    for first in range(0, len(windows), 8):
        batch = collate(windows[first : first + 8], padding)
        inputs = [batch[name] for name in ("ids", "mask", "types")]
        with torch.inference_mode():
            keep, rank = (made.numpy() for made in network(*inputs))
        feed = {n: value.numpy() for n, value in zip(_INPUTS, inputs, strict=True)}
        wanted = {given.name for given in session.get_inputs()}
        other, ranked = session.run(
            list(_OUTPUTS), {n: value for n, value in feed.items() if n in wanted}
        )
        labelled = batch["labels"].numpy() != NO_LABEL
        gaps += [np.abs(keep - other)[labelled], np.abs(rank - ranked)]
        before, after = (expit(made[labelled]) for made in (keep, other))
        shifts.append(np.abs(before - after))
        sides.append((before > THRESHOLD) != (after > THRESHOLD))
    return {
        "largest_logit": float(np.concatenate(gaps).max()),
        "largest_probability": float(np.concatenate(shifts).max()),
        "mean_probability": float(np.concatenate(shifts).mean()),
        "decisions": float(np.concatenate(sides).mean()),
    }


def _kept_exact(graph: Any) -> list[str]:
    """Names of the products that are not quantised: those with outliers among their inputs.

    In the lowest two layers of MiniLM they are behind the activation function. With all products
    in 8 bits keep probabilities were off by .017 on average, with these two in float32 by .012, at
    the same speed and 27 MB for 23; no other pair of products gained as much.
    """
    return [node.name for node in graph.graph.node if _OUTLIERS.search(node.name)]


def _trace(network: Any, windows: Sequence[Window], padding: int, path: Path) -> None:
    """Write the graph. Attention is spelt out: onnxruntime recognises and fuses that form."""
    import torch

    batch = collate(windows, padding)
    inputs = tuple(batch[name] for name in ("ids", "mask", "types"))
    free = {name: {0: "batch", 1: "length"} for name in (*_INPUTS, _OUTPUTS[0])}
    before = network.encoder.config._attn_implementation
    network.eval()
    network.encoder.set_attn_implementation("eager")
    try:
        with torch.no_grad(), warnings.catch_warnings():
            # The tracer warns of every Python value it meets; the comparison that follows judges.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                network,
                inputs,
                str(path),
                input_names=list(_INPUTS),
                output_names=list(_OUTPUTS),
                dynamic_axes={**free, _OUTPUTS[1]: {0: "batch"}},
                opset_version=_OPSET,
                dynamo=False,
            )
    finally:
        network.encoder.set_attn_implementation(before)


def _write(path: Path, content: bytes) -> None:
    with AtomicFile(path, overwrite=True) as file:
        file.write(content)
