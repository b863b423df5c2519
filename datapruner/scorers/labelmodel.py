"""Labelling models of our own format, run by onnxruntime; neither torch nor transformers is needed.

Every window goes through the model alone. A model with weights of eight bits takes the scale of its
activations from the whole batch, so in company a sentence's score would depend on its neighbours;
alone it does not, and nothing is padded.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from datapruner.core.types import IntArray
from datapruner.errors import FormatError, InputError, MissingExtraError
from datapruner.scorers.labelformat import LabelSettings, own_settings, read_json, read_tokenizer
from datapruner.vectors.threads import thread_count

__all__ = ["PACKAGED", "WEIGHTS", "OnnxLabeller", "load_onnx", "packaged"]

WEIGHTS = "model.onnx"
PACKAGED = Path(__file__).parent / "sentence_model"
"""Where the model lies that comes with this package."""

_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_OUTPUTS = ("keep_logits", "rank_logits")
_REQUIRED = frozenset(_INPUTS[:2])


class OnnxLabeller:
    """A labelling model under onnxruntime, on the CPU.

    Attributes:
        name: of the folder, and eight digits of a hash of the weights.
        tokenizer: a ``tokenizers.Tokenizer``.
        settings: how it wants its input.
        batch_tokens: 0, one window at a time.
    """

    def __init__(self, name: str, session: Any, tokenizer: Any, settings: LabelSettings) -> None:
        self.name = name
        self.tokenizer = tokenizer
        self.settings = settings
        self.batch_tokens = 0
        self._session = session
        self._wanted = frozenset(given.name for given in session.get_inputs())

    def run(self, ids: IntArray, mask: IntArray, types: IntArray) -> tuple[Any, Any]:
        """Keep logits (b, L) and rank logits (b,), float32, of inputs (b, L), int64."""
        feed = dict(zip(_INPUTS, (ids, mask, types), strict=True))
        keep, rank = self._session.run(
            list(_OUTPUTS), {name: feed[name] for name in _INPUTS if name in self._wanted}
        )
        return keep, rank


def packaged() -> Path:
    """The folder of the model that comes with this package.

    Raises:
        InputError: this installation has none.
    """
    if not (PACKAGED / WEIGHTS).is_file():
        raise InputError(
            f"this installation of datapruner carries no sentence model ({PACKAGED / WEIGHTS} is "
            'not there). Name a folder or a hub model, Sentences(model="..."), or take '
            'method="lexical", which needs none.'
        )
    return PACKAGED


def load_onnx(folder: str | Path, *, threads: int | None = None) -> OnnxLabeller:
    """The labelling model in a folder of our format: config.json, tokenizer.json, model.onnx.

    Args:
        folder: as ``datapruner train sentences --export`` writes it.
        threads: inside one forward pass; None: as many as NumPy may use.

    Raises:
        FormatError: a file is missing, of another version, or not what its name says.
        MissingExtraError: onnxruntime is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError(
            'the sentence model runs on onnxruntime: pip install "onnxruntime>=1.17".'
        ) from error
    folder = Path(folder)
    config = read_json(folder / "config.json")
    tokenizer = read_tokenizer(folder)
    settings = own_settings(config, tokenizer, folder)
    path = folder / WEIGHTS
    if not path.is_file():
        raise FormatError(f"{folder} holds no {WEIGHTS}; export one, or load it with torch.")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = thread_count(threads)
    options.inter_op_num_threads = 1
    # Idle threads sleep: spinning would double the CPU time of a short call.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    weights = path.read_bytes()
    try:
        session = onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own errors derive from nothing closer
        raise FormatError(f"{path} is no model that onnxruntime can run: {error}") from error
    _check_names(session, path)
    digest = hashlib.blake2b(weights, digest_size=4).hexdigest()
    return OnnxLabeller(f"{folder.name}@{digest}", session, tokenizer, settings)


def _check_names(session: Any, path: Path) -> None:
    given = {one.name for one in session.get_inputs()}
    made = {one.name for one in session.get_outputs()}
    if not _REQUIRED <= given <= set(_INPUTS) or not set(_OUTPUTS) <= made:
        raise FormatError(
            f"{path} takes {', '.join(sorted(given))} and gives {', '.join(sorted(made))}; a "
            f"labelling model takes {', '.join(_INPUTS)} and gives {', '.join(_OUTPUTS)}."
        )
