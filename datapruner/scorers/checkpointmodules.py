"""The networks of the labelling families as plain torch modules, with the published tensor names.

Each builder returns a container of modules and a function that runs it; no class of a checkpoint is
imported, and none of its code is run; settings that no network can have raise what transformers
raises. With encoder states h_t, token logits u_t in R^2:

    provence        r = classifier(act(pooler.dense(h_0)))       u_t = token_classifier(h_t)
    xprovence       r = classifier(roberta's own pooler(h))      u_t = token_classifier(h_t)
    open_provence   r = the sequence classifier's first logit    u_t = pruning_head.classifier(g_t)
    datapruner      r = rank.out(tanh(rank.dense(h_0)))          u_t = tokens(h_t)

g_t is what enters ModernBERT's final norm, else h_t: the released models were trained on
``hidden_states[-1]`` of transformers 4, which is that; transformers 5 puts the normed state there.
A hook reads it, so both give the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from datapruner.errors import FormatError

__all__ = ["BUILDERS", "Network"]

_NOT_SETTINGS = (
    "_name_or_path",
    "architectures",
    "auto_map",
    "dtype",
    "model_type",
    "torch_dtype",
    "transformers_version",
)


@dataclass(frozen=True)
class Network:
    """A network and how to run it.

    Attributes:
        module: a ``torch.nn.Module``; its state has the published names.
        forward: from ids, mask and types (b, L) to token logits (b, L, 2) and rank logits (b,).
        config: of the encoder.
    """

    module: Any
    forward: Callable[[Any, Any, Any], tuple[Any, Any]]
    config: Any


def provence(config: Mapping[str, Any]) -> Network:
    """naver's Provence: DeBERTa-v3, a pooler, and two linear heads.

    Args:
        config: contents of config.json.
    """
    from torch import nn
    from transformers import DebertaV2Config, DebertaV2Model
    from transformers.activations import ACT2FN

    settings = _settings(DebertaV2Config, config)
    width = int(getattr(settings, "pooler_hidden_size", settings.hidden_size))
    module = nn.ModuleDict(
        {
            "deberta": DebertaV2Model(settings),
            "pooler": nn.ModuleDict({"dense": nn.Linear(width, width)}),
            "classifier": nn.Linear(width, settings.num_labels),
            "token_classifier": nn.Linear(settings.hidden_size, 2),
        }
    )
    activation = ACT2FN[settings.pooler_hidden_act]

    def forward(ids: Any, mask: Any, types: Any) -> tuple[Any, Any]:
        states = module["deberta"](input_ids=ids, attention_mask=mask)[0]
        pooled = activation(module["pooler"]["dense"](states[:, 0]))
        return module["token_classifier"](states), module["classifier"](pooled)[:, 0]

    return Network(module, forward, settings)


def xprovence(config: Mapping[str, Any]) -> Network:
    """XProvence: XLM-RoBERTa with its own pooler, and two linear heads.

    Args:
        config: contents of config.json.
    """
    from torch import nn
    from transformers import XLMRobertaConfig, XLMRobertaModel

    settings = _settings(XLMRobertaConfig, config)
    module = nn.ModuleDict(
        {
            "roberta": XLMRobertaModel(settings),
            "classifier": nn.Linear(settings.hidden_size, settings.num_labels),
            "token_classifier": nn.Linear(settings.hidden_size, 2),
        }
    )

    def forward(ids: Any, mask: Any, types: Any) -> tuple[Any, Any]:
        made = module["roberta"](input_ids=ids, attention_mask=mask)
        ranks = module["classifier"](made.pooler_output)[:, 0]
        return module["token_classifier"](made.last_hidden_state), ranks

    return Network(module, forward, settings)


def open_provence(config: Mapping[str, Any]) -> Network:
    """open_provence: a sequence classifier of any kind, and a linear head on its tokens.

    Args:
        config: contents of config.json, with ``base_model_config``.

    Raises:
        FormatError: no such settings, or a head that is not of two labels.
    """
    from torch import nn
    from transformers import AutoModelForSequenceClassification

    base = config.get("base_model_config")
    if not isinstance(base, Mapping) or "model_type" not in base:
        raise FormatError("there is no base_model_config with a model_type.")
    labels = config.get("num_pruning_labels", 2)
    if labels != 2:
        raise FormatError(f"num_pruning_labels is {labels}; a token is kept or not, that is 2.")
    settings = _auto_settings(base)
    settings.num_labels = int(config.get("num_labels", 1))
    ranking = AutoModelForSequenceClassification.from_config(settings, **_attention(settings))
    module = nn.ModuleDict(
        {
            "ranking_model": ranking,
            "pruning_head": nn.ModuleDict({"classifier": nn.Linear(settings.hidden_size, 2)}),
        }
    )
    head, types_too = module["pruning_head"]["classifier"], _has_types(settings)
    encoder = ranking.base_model
    seen: list[Any] = []

    def before_norm(_: Any, given: tuple[Any, ...]) -> None:
        seen[:] = given[:1]

    def after_encoder(_: Any, given: tuple[Any, ...], made: Any) -> None:
        seen[:] = [made[0]]

    # ModernBERT alone has a final norm; its heads were trained on what goes into it.
    if hasattr(encoder, "final_norm"):
        encoder.final_norm.register_forward_pre_hook(before_norm)
    else:
        encoder.register_forward_hook(after_encoder)

    def forward(ids: Any, mask: Any, types: Any) -> tuple[Any, Any]:
        extra = {"token_type_ids": types} if types_too else {}
        ranks = ranking(input_ids=ids, attention_mask=mask, **extra).logits[:, 0]
        states = seen.pop()
        return head(states.to(head.weight.dtype)), ranks

    return Network(module, forward, settings)


def datapruner(config: Mapping[str, Any]) -> Network:
    """Our own format: any encoder, a linear head on its tokens, and a rank head of two layers.

    Args:
        config: contents of config.json, with ``backbone``.
    """
    import torch
    from torch import nn
    from transformers import AutoModel

    settings = _auto_settings(config["backbone"])
    try:
        encoder = AutoModel.from_config(settings, add_pooling_layer=False, **_attention(settings))
    except TypeError:  # no pooling layer to leave out
        encoder = AutoModel.from_config(settings, **_attention(settings))
    width = settings.hidden_size
    module = nn.ModuleDict(
        {
            "encoder": encoder,
            "tokens": nn.Linear(width, 2),
            "rank": nn.ModuleDict({"dense": nn.Linear(width, width), "out": nn.Linear(width, 1)}),
        }
    )
    types_too = _has_types(settings)

    def forward(ids: Any, mask: Any, types: Any) -> tuple[Any, Any]:
        extra = {"token_type_ids": types} if types_too else {}
        states = encoder(input_ids=ids, attention_mask=mask, **extra).last_hidden_state
        ranks = module["rank"]["out"](torch.tanh(module["rank"]["dense"](states[:, 0])))
        return module["tokens"](states), ranks[:, 0]

    return Network(module, forward, settings)


BUILDERS: dict[str, Callable[[Mapping[str, Any]], Network]] = {
    "datapruner": datapruner,
    "open_provence": open_provence,
    "provence": provence,
    "xprovence": xprovence,
}
"""From a family's name to the function that builds its network from config.json."""


def _settings(kind: Any, config: Mapping[str, Any]) -> Any:
    return kind(**{key: value for key, value in config.items() if key not in _NOT_SETTINGS})


def _auto_settings(config: Mapping[str, Any]) -> Any:
    from transformers import AutoConfig

    plain = {key: value for key, value in config.items() if key not in _NOT_SETTINGS}
    # ModernBERT compiles itself at the first call where it may, which takes longer than most jobs.
    if "reference_compile" in plain:
        plain["reference_compile"] = False
    return AutoConfig.for_model(config.get("model_type"), **plain)


def _has_types(settings: Any) -> bool:
    return int(getattr(settings, "type_vocab_size", 0) or 0) > 1


def _attention(settings: Any) -> dict[str, str]:
    """ModernBERT takes flash attention where it finds it, which packs a batch into one row."""
    return {"attn_implementation": "sdpa"} if settings.model_type == "modernbert" else {}
