"""Tiny causal models with random weights, and a tokenizer that knows a few words."""

from __future__ import annotations

from functools import cache
from typing import Any

from tokenizers import Regex, Tokenizer, models, pre_tokenizers

from datapruner.scorers.causal import CausalModel

_TEXT = (
    "blocks of a web page which block answers the question reply with its number in brackets tags "
    "and repeat first words html body div p li what is red green blue tall old new tower river "
    "poem ada bob seine paris rome flows through capital france it lies on stands markets open"
)
WORDS = _TEXT.split()
SPECIAL = ("<unk>", "<s>", "</s>", "<|user|>", "<|assistant|>")
TEMPLATE = (
    "{% for m in messages %}<s><|user|>{{ m['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def tokenizer(template: str | None = TEMPLATE) -> Any:
    """Words, digits and signs; decoding puts spaces between them."""
    from transformers import PreTrainedTokenizerFast

    signs = [*"0123456789[]<>/#:?.,\n"]
    vocabulary = {word: number for number, word in enumerate([*SPECIAL, *signs, *WORDS])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Split(Regex(r"\d|[a-zA-Z]+|\S|\n"), "removed", True)
    ready = PreTrainedTokenizerFast(
        tokenizer_object=made, unk_token="<unk>", bos_token="<s>", eos_token="</s>",
        additional_special_tokens=["<|user|>", "<|assistant|>"],
    )  # fmt: skip
    ready.chat_template = template
    return ready


def network(family: str = "llama", window: int = 4096, seed: int = 0) -> Any:
    """A random network of two layers; large weights, so that its answers differ."""
    import torch
    import transformers

    sizes = {
        "vocab_size": len(tokenizer()), "hidden_size": 32, "intermediate_size": 64,
        "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
        "max_position_embeddings": window, "initializer_range": 0.6,
        "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
    }  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if family == "llama":
            made = transformers.LlamaForCausalLM(transformers.LlamaConfig(**sizes))
        else:
            made = transformers.MistralForCausalLM(
                transformers.MistralConfig(**sizes, sliding_window=8)
            )
    return made.eval()


@cache
def tiny(family: str = "llama", window: int = 4096) -> CausalModel:
    """The model of a family with its tokenizer, made once."""
    return CausalModel(network(family, window), tokenizer(), f"tiny {family}")
