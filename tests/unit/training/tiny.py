"""A base of two random layers with a vocabulary of its own, and pairs to learn by heart."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import BertConfig, BertModel

WORDS = ["alder", "birch", "cedar", "elm", "fir", "hazel", "larch", "maple", "oak", "pine"]
OTHERS = ["red", "green", "tall", "old", "wet", "dry", "near", "far", "big", "thin"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]


def tokenizer() -> Tokenizer:
    """Words and signs, lower case."""
    vocabulary = [*SPECIAL, *WORDS, *OTHERS, "where", "is", "the", "?", ".", ","]
    made = Tokenizer(models.WordLevel({w: i for i, w in enumerate(vocabulary)}, unk_token="[UNK]"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return made


def write_base(folder: Path, *, hidden: int = 32, layers: int = 2, seed: int = 0) -> Path:
    """An encoder as transformers saves it: config.json, tokenizer.json, model.safetensors."""
    folder.mkdir(parents=True, exist_ok=True)
    config = BertConfig(
        vocab_size=tokenizer().get_vocab_size(),
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=2 * hidden,
        max_position_embeddings=128,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = BertModel(config, add_pooling_layer=False)
    save_file(model.state_dict(), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config.to_dict()), "utf-8")
    tokenizer().save(str(folder / "tokenizer.json"))
    return folder


def rows(n: int, *, seed: int = 0) -> list[dict[str, Any]]:
    """Pairs that ask for a tree; the sentence that names it is the one to keep."""
    draw = random.Random(seed)
    made = []
    for number in range(n):
        trees = draw.sample(WORDS, 4)
        asked = draw.choice([*trees[:3], trees[3]])  # the fourth is not in the passage
        text, spans = "", []
        for tree in trees[:3]:
            sentence = f"The {tree} is {' '.join(draw.choices(OTHERS, k=draw.randint(1, 4)))}. "
            spans.append([len(text), len(text) + len(sentence)])
            text += sentence
        keep = [int(tree == asked) for tree in trees[:3]]
        made.append(
            {
                "id": f"p{number}",
                "query": f"where is the {asked}?",
                "passage": text,
                "sentences": spans,
                "keep": keep,
                "relevant": int(any(keep)),
                "group": "ab"[number % 2],
            }
        )
    return made


def write_rows(path: Path, made: list[dict[str, Any]]) -> Path:
    """The rows as JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in made), "utf-8")
    return path
