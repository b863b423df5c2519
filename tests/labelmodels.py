"""Small labelling models: one that looks words up, random networks in the published layouts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from datapruner.core.items import Items
from datapruner.scorers.labelformat import LabelSettings, Special

WORDS = (
    "who", "what", "wrote", "built", "it", "the", "old", "new", "ada", "bob", "tower", "poem",
    "red", "tall",
)  # fmt: skip
SIGNS = (".", "?", ",")
BERT = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
ROBERTA = ("<s>", "<pad>", "</s>", "<unk>")
HIDDEN, LAYERS, HEADS = 32, 2, 2


def tokenizer(special: tuple[str, ...] = BERT) -> Tokenizer:
    """Words and signs in lower case; packs pairs as BERT or as RoBERTa does."""
    vocabulary = {word: number for number, word in enumerate([*special, *WORDS, *SIGNS])}
    unknown = special[1] if special is BERT else special[3]
    made = Tokenizer(models.WordLevel(vocabulary, unk_token=unknown))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    if special is BERT:
        made.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]",
            pair="[CLS] $A [SEP] $B:1 [SEP]:1",
            special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
        )
    else:
        made.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return made


def byte_tokenizer() -> Tokenizer:
    """Every byte of the text is a token, so a character has up to four."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: number for number, letter in enumerate([*BERT, *letters])}
    made = Tokenizer(models.BPE(vocabulary, [], unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return made


class LookUp:
    """A model that knows a logit for every token id and looks at nothing else.

    Attributes:
        calls: shapes of the inputs it was given.
    """

    def __init__(
        self,
        keep: Any,
        *,
        made: Tokenizer | None = None,
        max_length: int = 64,
        batch_tokens: int = 0,
        **settings: Any,
    ) -> None:
        self.name = "look-up"
        self.tokenizer = made or tokenizer()
        self.settings = LabelSettings(
            "datapruner", Special.pair(self.tokenizer), max_length, **settings
        )
        self.batch_tokens = batch_tokens
        self.keep = np.asarray(keep, dtype=np.float32)
        self.calls: list[tuple[int, int]] = []
        self.inputs: list[tuple[Any, Any, Any]] = []

    def run(self, ids: Any, mask: Any, types: Any) -> tuple[Any, Any]:
        self.calls.append(ids.shape)
        self.inputs.append((ids.copy(), mask.copy(), types.copy()))
        logits = self.keep[ids] * mask
        return logits, (logits * types).sum(axis=1).astype(np.float32)


def logits(size: int, seed: int = 0) -> Any:
    """One logit a token id."""
    return np.random.default_rng(seed).normal(scale=2.0, size=size).astype(np.float32)


def items(*chunks: Any, titles: Any = None) -> Items:
    """Rows of chunks, each a list of sentences."""
    codes = [code for code, chunk in enumerate(chunks) for _ in chunk]
    features: dict[str, Any] = {"text": [text for chunk in chunks for text in chunk]}
    if titles is not None:
        features["title"] = [titles[code] for code in codes]
    names = [f"chunk {code}" for code in range(len(chunks))] or ["none"]
    return Items.of(
        len(codes), group=np.array(codes, dtype=np.int32), group_names=names, **features
    )


def write(folder: Path, config: Any, tensors: Any, made: Tokenizer) -> Path:
    """A folder as checkpoints are published."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    made.save(str(folder / "tokenizer.json"))
    if tensors is not None:
        save_file({name: t.contiguous().clone() for name, t in tensors.items()},
                  folder / "model.safetensors")  # fmt: skip
    return folder


def drawn(shapes: Any, seed: int = 0) -> dict[str, Any]:
    """Random tensors by name; norms near 1, or nothing would get through."""
    import torch

    draw = torch.Generator().manual_seed(seed)
    made = {}
    for name, shape in shapes.items():
        made[name] = torch.randn(shape, generator=draw) * 0.2
        if "norm" in name.lower() and name.endswith("weight"):
            made[name] += 1.0
    return made


def shapes_of(module: Any, prefix: str) -> dict[str, Any]:
    """The names and shapes of a module's tensors under a prefix."""
    return {f"{prefix}{name}": tuple(t.shape) for name, t in module.state_dict().items()}


def linear(name: str, rows: int, columns: int = HIDDEN) -> dict[str, Any]:
    """Names and shapes of a linear layer."""
    return {f"{name}.weight": (rows, columns), f"{name}.bias": (rows,)}


def own_config(size: int, max_length: int = 64, **change: Any) -> dict[str, Any]:
    """config.json of our own format, over a small BERT."""
    return {
        "backbone": {
            "model_type": "bert",
            "vocab_size": size,
            "hidden_size": HIDDEN,
            "num_hidden_layers": LAYERS,
            "num_attention_heads": HEADS,
            "intermediate_size": 2 * HIDDEN,
            "max_position_embeddings": 128,
            "pad_token_id": 0,
        },
        "datapruner": {
            "family": "datapruner",
            "version": 1,
            "packing": "pair",
            "rounding": "probability",
            "threshold": 0.1,
            "max_length": max_length,
            "head_input": "last_hidden_state",
            "question_normalisation": "none",
            "trained": {},
        }
        | change,
    }
