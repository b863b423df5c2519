"""Random weights in every published layout, against compositions written from the formulas."""

from __future__ import annotations

import copy
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from labelmodels import (
    HEADS,
    HIDDEN,
    LAYERS,
    ROBERTA,
    drawn,
    items,
    linear,
    own_config,
    shapes_of,
    tokenizer,
    write,
)

from datapruner.errors import FormatError, InputError, MissingExtraError
from datapruner.scorers.checkpoints import load_checkpoint
from datapruner.scorers.labeller import Sentences

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

SIZE = tokenizer().get_vocab_size()
SHARED = {
    "vocab_size": SIZE,
    "hidden_size": HIDDEN,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "intermediate_size": 2 * HIDDEN,
}
# As naver's config.json has them, but for the sizes.
PROVENCE = SHARED | {
    "_name_or_path": "somewhere",
    "architectures": ["Provence"],
    "auto_map": {"AutoConfig": "modeling_provence.ProvenceConfig"},
    "model_type": "Provence",
    "torch_dtype": "float32",
    "transformers_version": "4.41.0",
    "max_position_embeddings": 128,
    "position_buckets": 16,
    "max_relative_positions": -1,
    "relative_attention": True,
    "pos_att_type": ["p2c", "c2p"],
    "share_att_key": True,
    "norm_rel_ebd": "layer_norm",
    "position_biased_input": False,
    "type_vocab_size": 0,
    "layer_norm_eps": 1e-7,
    "hidden_act": "gelu",
    "pooler_hidden_act": "gelu",
    "pooler_hidden_size": HIDDEN,
    "pooler_dropout": 0,
    "pad_token_id": 0,
    "id2label": {"0": "LABEL_0"},
}
XPROVENCE = SHARED | {
    "architectures": ["XLMRobertaForCompressionAndRanking"],
    "model_type": "xlm-roberta",
    "max_position_embeddings": 130,
    "type_vocab_size": 1,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
    "id2label": {"0": "LABEL_0"},
}
# As transformers 4 writes it, frequencies apart for global and local attention.
MODERNBERT = SHARED | {
    "model_type": "modernbert",
    "max_position_embeddings": 128,
    "global_attn_every_n_layers": 2,
    "global_rope_theta": 5000.0,
    "local_rope_theta": 70.0,
    "local_attention": 16,
    "reference_compile": True,
    "pad_token_id": 0,
    "cls_token_id": 2,
    "sep_token_id": 3,
    "bos_token_id": 2,
    "eos_token_id": 3,
}
XLM_BASE = {key: value for key, value in XPROVENCE.items() if key not in ("architectures",)}


def open_config(base: dict[str, Any], **change: Any) -> dict[str, Any]:
    return {
        "model_type": "open_provence",
        "mode": "reranking_pruning",
        "base_model_config": base,
        "pruning_config": {"hidden_size": HIDDEN, "num_labels": 2},
        "max_length": 64,
        "num_labels": 1,
        "num_pruning_labels": 2,
    } | change


def inputs(rows: int = 3, length: int = 20, seed: int = 0, padding: int = 0) -> tuple[Any, ...]:
    draw = np.random.default_rng(seed)
    ids = draw.integers(4, SIZE, (rows, length))
    mask, types = np.ones_like(ids), np.zeros_like(ids)
    mask[1, -6:] = 0
    ids[mask == 0] = padding
    types[:, 8:] = 1
    return ids, mask, types * mask


def provence_tensors(seed: int = 1) -> Any:
    config = transformers.DebertaV2Config(
        **{k: v for k, v in PROVENCE.items() if k not in ("model_type", "auto_map")}
    )
    encoder = transformers.DebertaV2Model(config)
    shapes = shapes_of(encoder, "deberta.") | linear("pooler.dense", HIDDEN)
    shapes |= linear("classifier", 1) | linear("token_classifier", 2)
    return encoder, drawn(shapes, seed)


def strip(tensors: Any, prefix: str) -> Any:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}


def affine(tensors: Any, name: str, states: Any) -> Any:
    return states @ tensors[f"{name}.weight"].T + tensors[f"{name}.bias"]


def same(found: Any, tokens: Any, rank: Any, mask: Any) -> None:
    keep, ranks = found
    assert keep.dtype == ranks.dtype == np.float32
    expected = (tokens[..., 1] - tokens[..., 0]).detach().numpy()
    assert keep[mask == 1] == pytest.approx(expected[mask == 1], abs=2e-5)
    assert ranks == pytest.approx(rank.detach().numpy(), abs=2e-5)
    assert np.ptp(ranks) > 1e-4


def test_naver_provence_is_the_composition_of_its_formulas(tmp_path):
    encoder, tensors = provence_tensors()
    folder = write(tmp_path / "provence", PROVENCE, tensors, tokenizer())
    model = load_checkpoint(folder, device="cpu")
    assert model.settings.family == "provence"
    assert model.settings.rounding == "decision"
    assert model.settings.threshold == 0.1
    assert model.settings.max_length == 128
    assert model.settings.normalisation == "plain-words"
    ids, mask, types = inputs()
    encoder.load_state_dict(strip(tensors, "deberta."))
    encoder.eval()
    states = encoder(torch.tensor(ids), torch.tensor(mask)).last_hidden_state
    pooled = torch.nn.functional.gelu(affine(tensors, "pooler.dense", states[:, 0]))
    rank = affine(tensors, "classifier", pooled)[:, 0]
    same(model.run(ids, mask, types), affine(tensors, "token_classifier", states), rank, mask)


@pytest.mark.parametrize("named", [XPROVENCE, XPROVENCE | {"model_type": "XProvence"}])
def test_xprovence_uses_robertas_pooler_and_one_separator(tmp_path, named):
    kept = {k: v for k, v in XPROVENCE.items() if k not in ("model_type", "architectures")}
    encoder = transformers.XLMRobertaModel(transformers.XLMRobertaConfig(**kept))
    shapes = shapes_of(encoder, "roberta.") | linear("classifier", 1)
    tensors = drawn(shapes | linear("token_classifier", 2), 2)
    folder = write(tmp_path / "x", named, tensors, tokenizer(ROBERTA))
    model = load_checkpoint(folder, device="cpu")
    assert model.settings.family == "xprovence"
    assert model.settings.rounding == "decision"
    assert model.settings.max_length == 128
    assert model.settings.normalisation == "none"
    special = model.settings.special
    assert (special.first, special.between, special.last, special.padding) == ((0,), (2,), (2,), 1)
    ids, mask, types = inputs(padding=1)
    encoder.load_state_dict(strip(tensors, "roberta."))
    encoder.eval()
    states = encoder(torch.tensor(ids), torch.tensor(mask)).last_hidden_state
    pooled = torch.tanh(affine(tensors, "roberta.pooler.dense", states[:, 0]))
    rank = affine(tensors, "classifier", pooled)[:, 0]
    same(model.run(ids, mask, types), affine(tensors, "token_classifier", states), rank, mask)


def open_base(base: dict[str, Any]) -> Any:
    config = transformers.AutoConfig.for_model(
        base["model_type"], **{k: v for k, v in base.items() if k != "model_type"}
    )
    config.num_labels = 1
    return transformers.AutoModelForSequenceClassification.from_config(config)


def open_tensors(base: dict[str, Any], seed: int = 3) -> Any:
    ranking = open_base(base)
    shapes = shapes_of(ranking, "ranking_model.") | linear("pruning_head.classifier", 2)
    return ranking, drawn(shapes, seed)


def test_open_provence_on_modernbert_reads_the_states_before_the_final_norm(tmp_path):
    ranking, tensors = open_tensors(MODERNBERT)
    tensors["ranking_model.model.final_norm.weight"] *= 3.0
    config = open_config(MODERNBERT, default_threadshold=0.05)
    model = load_checkpoint(write(tmp_path / "open", config, tensors, tokenizer()), device="cpu")
    assert model.settings.rounding == "probability"
    assert model.settings.threshold == 0.05
    assert model.settings.max_length == 64
    ids, mask, types = inputs()
    ranking.load_state_dict(strip(tensors, "ranking_model."))
    ranking.eval()
    given = (torch.tensor(ids), torch.tensor(mask))
    rank = ranking(*given).logits[:, 0]
    encoder = copy.deepcopy(ranking.model)
    normed = encoder(*given).last_hidden_state
    encoder.final_norm = torch.nn.Identity()
    states = encoder(*given).last_hidden_state
    tokens = affine(tensors, "pruning_head.classifier", states)
    same(model.run(ids, mask, types), tokens, rank, mask)
    # The trap: what comes after the norm gives other labels.
    wrong = affine(tensors, "pruning_head.classifier", normed)
    gap = (wrong - tokens).abs().max()
    assert gap > 0.1


def test_modernberts_frequencies_are_read_as_transformers_4_wrote_them(tmp_path):
    _, tensors = open_tensors(MODERNBERT)
    folder = write(tmp_path / "open", open_config(MODERNBERT), tensors, tokenizer())
    plain = load_checkpoint(folder, device="cpu").run(*inputs())[0]
    for key in ("global_rope_theta", "local_rope_theta"):
        other = open_config(MODERNBERT | {key: 9.0})
        folder = write(tmp_path / key, other, tensors, tokenizer())
        assert np.abs(load_checkpoint(folder, device="cpu").run(*inputs())[0] - plain).max() > 1e-4


@pytest.mark.parametrize("kind", ["bert", "deberta-v2", "xlm-roberta"])
def test_open_provence_on_other_encoders_reads_their_last_states(tmp_path, kind):
    roberta = kind == "xlm-roberta"
    deberta = {k: v for k, v in PROVENCE.items() if k != "auto_map"} | {"model_type": kind}
    bert = own_config(SIZE)["backbone"]
    base = {"bert": bert, "deberta-v2": deberta, "xlm-roberta": XLM_BASE}[kind]
    ranking, tensors = open_tensors(base)
    made = tokenizer(ROBERTA) if roberta else tokenizer()
    model = load_checkpoint(write(tmp_path / "o", open_config(base), tensors, made), device="cpu")
    assert model.settings.special.between == ((2, 2) if roberta else (3,))
    ids, mask, types = inputs(padding=int(roberta))
    ranking.load_state_dict(strip(tensors, "ranking_model."))
    ranking.eval()
    extra = {"token_type_ids": torch.tensor(types)} if kind == "bert" else {}
    given = {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)} | extra
    rank = ranking(**given).logits[:, 0]
    states = ranking.base_model(**given).last_hidden_state
    tokens = affine(tensors, "pruning_head.classifier", states)
    same(model.run(ids, mask, types), tokens, rank, mask)


def test_early_open_provence_files_without_a_prefix_give_the_same(tmp_path):
    _, tensors = open_tensors(MODERNBERT)
    early = {name.removeprefix("ranking_model."): value for name, value in tensors.items()}
    early |= drawn(linear("pruning_head.pooling_weights", 1), 9)
    new = write(tmp_path / "new", open_config(MODERNBERT), tensors, tokenizer())
    old = write(tmp_path / "old", open_config(MODERNBERT), early, tokenizer())
    found, expected = (load_checkpoint(f, device="cpu").run(*inputs()) for f in (old, new))
    assert found[0].tobytes() == expected[0].tobytes()
    assert found[1].tobytes() == expected[1].tobytes()


def test_a_threshold_that_is_spelt_right_is_taken_with_a_warning(tmp_path):
    _, tensors = open_tensors(own_config(SIZE)["backbone"])
    config = open_config(own_config(SIZE)["backbone"], default_threshold=0.3)
    folder = write(tmp_path / "o", config, tensors, tokenizer())
    with pytest.warns(RuntimeWarning, match=r"0\.3 is taken"):
        assert load_checkpoint(folder, device="cpu").settings.threshold == 0.3
    shutil.rmtree(folder)
    plain = write(folder, open_config(own_config(SIZE)["backbone"]), tensors, tokenizer())
    assert load_checkpoint(plain, device="cpu").settings.threshold == 0.1


def own_tensors(seed: int = 4) -> Any:
    config = transformers.BertConfig(
        **{k: v for k, v in own_config(SIZE)["backbone"].items() if k != "model_type"}
    )
    encoder = transformers.BertModel(config, add_pooling_layer=False)
    shapes = shapes_of(encoder, "encoder.") | linear("tokens", 2)
    return encoder, drawn(shapes | linear("rank.dense", HIDDEN) | linear("rank.out", 1), seed)


@pytest.fixture
def own(tmp_path) -> Path:
    return write(tmp_path / "own", own_config(SIZE), own_tensors()[1], tokenizer())


def test_our_own_format_is_the_composition_of_its_formulas(own):
    encoder, tensors = own_tensors()
    encoder.load_state_dict(strip(tensors, "encoder."))
    encoder.eval()
    ids, mask, types = inputs()
    states = encoder(*map(torch.tensor, (ids, mask, types))).last_hidden_state
    pooled = torch.tanh(affine(tensors, "rank.dense", states[:, 0]))
    rank = affine(tensors, "rank.out", pooled)[:, 0]
    model = load_checkpoint(str(own), device="cpu")
    assert model.settings.family == "datapruner"
    same(model.run(ids, mask, types), affine(tensors, "tokens", states), rank, mask)


def test_our_own_format_loads_and_loads_again_bit_for_bit(own, tmp_path):
    model = load_checkpoint(own, device="cpu")
    config = json.loads((own / "config.json").read_text())
    again = write(tmp_path / "again", config, model.module.state_dict(), tokenizer())
    other = load_checkpoint(again, device="cpu")
    for name, value in own_tensors()[1].items():
        assert torch.equal(other.module.state_dict()[name], value)
    for one, two in zip(model.run(*inputs()), other.run(*inputs()), strict=True):
        assert one.tobytes() == two.tobytes()


def test_an_encoder_without_a_pooling_layer_to_leave_out_loads_too(tmp_path):
    config = own_config(SIZE)
    config["backbone"] = MODERNBERT
    kept = {k: v for k, v in MODERNBERT.items() if k != "model_type"}
    encoder = transformers.AutoModel.from_config(
        transformers.AutoConfig.for_model("modernbert", **kept)
    )
    shapes = shapes_of(encoder, "encoder.") | linear("tokens", 2)
    tensors = drawn(shapes | linear("rank.dense", HIDDEN) | linear("rank.out", 1))
    folder = write(tmp_path / "m", config, tensors, tokenizer())
    keep, rank = load_checkpoint(folder, device="cpu").run(*inputs())
    assert np.isfinite(keep).all()
    assert np.isfinite(rank).all()


def test_training_and_loading_agree_on_the_network(tmp_path, own):
    network = pytest.importorskip("datapruner.training.network")
    made = network.build(own_config(SIZE)["backbone"])
    made.load_state_dict(own_tensors()[1], strict=True)
    made.eval()
    ids, mask, types = inputs()
    with torch.inference_mode():
        keep, rank = made(*map(torch.tensor, (ids, mask, types)))
    found = load_checkpoint(own, device="cpu").run(ids, mask, types)
    assert found[0] == pytest.approx(keep.numpy(), abs=1e-5)
    assert found[1] == pytest.approx(rank.numpy(), abs=1e-5)


def test_scores_of_a_checkpoint_do_not_depend_on_batches_or_order(own):
    chunks = [["Ada wrote it. ", "The red tower. " * n] for n in (1, 4, 9, 30)]
    plain = Sentences(str(own), device="cpu")(items(*chunks), query="who wrote it?")
    turned = Sentences(str(own), device="cpu")(items(*chunks[::-1]), query="who wrote it?")
    assert turned.values.reshape(4, 2)[::-1].ravel() == pytest.approx(plain.values, abs=1e-5)
    alone = Sentences(str(own), device="cpu")(items(chunks[0]), query="who wrote it?")
    assert alone.values == pytest.approx(plain.values[:2], abs=1e-5)
    assert plain.details["model"].startswith("own@")


def test_a_folder_that_is_written_anew_is_read_anew(own):
    given = items(["Ada wrote it. "])
    before = Sentences(str(own), device="cpu")(given, query="who?")
    write(own, own_config(SIZE, threshold=0.7), own_tensors(8)[1], tokenizer())
    after = Sentences(str(own), device="cpu")(given, query="who?")
    assert after.values.tolist() != before.values.tolist()
    assert after.details["threshold"] == 0.7


def test_provence_questions_lose_case_and_punctuation(tmp_path):
    _, tensors = provence_tensors()
    folder = write(tmp_path / "p", PROVENCE, tensors, tokenizer())
    given = items(["Ada wrote it. ", "The red tower."])
    scorer = Sentences(load_checkpoint(folder, device="cpu"))
    plain = scorer(given, query="who wrote it")
    assert scorer(given, query="Who  wrote: IT?!").values.tolist() == plain.values.tolist()
    assert scorer(given, query="?").values.tolist() != plain.values.tolist()


@pytest.mark.parametrize("family", ["provence", "open", "own"])
def test_tensors_that_are_missing_extra_or_of_another_shape_are_named(tmp_path, family):
    config, tensors, head = {
        "provence": lambda: (PROVENCE, provence_tensors()[1], "token_classifier"),
        "open": lambda: (open_config(MODERNBERT), open_tensors(MODERNBERT)[1],
                         "pruning_head.classifier"),
        "own": lambda: (own_config(SIZE), own_tensors()[1], "tokens"),
    }[family]()  # fmt: skip
    lacking = {name: value for name, value in tensors.items() if name != f"{head}.bias"}
    folder = write(tmp_path / "a", config, lacking, tokenizer())
    with pytest.raises(FormatError, match=rf"1 missing: {head}\.bias"):
        load_checkpoint(folder, device="cpu")
    more = tensors | {f"extra.{n}": torch.zeros(1) for n in range(7)}
    folder = write(tmp_path / "b", config, more, tokenizer())
    with pytest.raises(FormatError, match=r"7 too many: .*extra\.0.* and 2 more"):
        load_checkpoint(folder, device="cpu")
    other = tensors | {f"{head}.bias": torch.zeros(3)}
    folder = write(tmp_path / "c", config, other, tokenizer())
    with pytest.raises(FormatError, match=rf"1 of another shape: {head}\.bias is \(3,\)"):
        load_checkpoint(folder, device="cpu")


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "weights.pkl"])
def test_pickled_weights_are_refused_by_name(own, name):
    (own / "model.safetensors").unlink()
    (own / name).write_bytes(b"\x80\x04.")
    with pytest.raises(FormatError, match=rf"holds {name} and no model\.safetensors"):
        load_checkpoint(own, device="cpu")


def test_a_pickle_under_another_name_is_not_opened(own):
    (own / "model.safetensors").write_bytes(b"\x80\x04cos\nsystem\n.")
    with pytest.raises(FormatError, match="is no safetensors file"):
        load_checkpoint(own, device="cpu")
    (own / "model.safetensors").unlink()
    with pytest.raises(FormatError, match=r"holds no model\.safetensors\."):
        load_checkpoint(own, device="cpu")


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"model_type": "zilliz"}, "model_type 'zilliz', which is no labelling model"),
        ({"model_type": "deberta-v2"}, "model_type 'deberta-v2'"),
        ({"model_type": "bert", "architectures": ["BertForCompressionAndRanking"]}, "'bert'"),
        ({}, "model_type ''"),
        ({"model_type": "open_provence"}, "no base_model_config"),
        (open_config({"model_type": "unheard-of"}), "unheard-of"),
        (open_config(MODERNBERT, num_pruning_labels=3), "num_pruning_labels is 3"),
        (open_config(MODERNBERT, max_length=20), "max_length is 20"),
        (PROVENCE | {"hidden_size": "wide"}, "describes no network"),
    ],
)
def test_families_and_settings_that_are_not_known_are_refused(own, config, told):
    (own / "config.json").write_text(json.dumps(config))
    with pytest.raises(FormatError, match=told):
        load_checkpoint(own, device="cpu")


def test_devices_dtypes_and_places_that_cannot_be_are_refused(own, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="device is 'gpu'"):
        load_checkpoint(own, device="gpu")
    with pytest.raises(InputError, match="dtype is 'int8'"):
        load_checkpoint(own, device="cpu", dtype="int8")
    with pytest.raises(InputError, match="dtype='float16' is for CUDA"):
        load_checkpoint(own, device="cpu", dtype="float16")
    with pytest.raises(InputError, match="is a file; give the folder"):
        load_checkpoint(own / "config.json", device="cpu")
    with pytest.raises(InputError, match="is no folder here"):
        load_checkpoint(tmp_path / "nowhere", device="cpu")
    with pytest.raises(InputError, match="'model' is no folder here"):
        load_checkpoint("model", device="cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="needs a GPU"):
        load_checkpoint(own, device="cuda")
    assert load_checkpoint(own, dtype="float32").device == "cpu"


def test_a_name_of_the_hub_is_looked_up_here_before_it_is_fetched(own, monkeypatch):
    import huggingface_hub

    asked: list[Any] = []

    def snapshot(model: str, *, revision: Any, local_files_only: bool = False, **_: Any) -> str:
        asked.append((model, revision, local_files_only))
        if len(asked) == 1 or model == "no/such":
            raise OSError("not here")
        return str(own)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    model = load_checkpoint("some/model", device="cpu", revision="v2")
    assert asked == [("some/model", "v2", True), ("some/model", "v2", False)]
    assert model.name.startswith("model@")
    load_checkpoint("some/model", device="cpu")
    assert asked[2:] == [("some/model", None, True)]
    with pytest.raises(InputError, match="no/such cannot be fetched: not here"):
        load_checkpoint("no/such", device="cpu")


def test_half_a_model_in_the_cache_is_fetched_whole(own, tmp_path, monkeypatch):
    import huggingface_hub

    half = tmp_path / "half"
    half.mkdir()
    (half / "config.json").write_text("{}")
    monkeypatch.setattr(
        huggingface_hub,
        "snapshot_download",
        lambda model, *, local_files_only=False, **_: str(half if local_files_only else own),
    )
    assert load_checkpoint("some/model", device="cpu").settings.family == "datapruner"


def test_without_transformers_the_install_line_is_told(own, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match="pip install"):
        load_checkpoint(own, device="cpu")


def test_loading_moves_no_global_generator(own):
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    load_checkpoint(own, device="cpu")
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("family", ["provence", "open", "own"])
def test_half_precision_on_cuda_agrees_with_the_cpu(tmp_path, family):
    config, tensors = {
        "provence": lambda: (PROVENCE, provence_tensors()[1]),
        "open": lambda: (open_config(MODERNBERT), open_tensors(MODERNBERT)[1]),
        "own": lambda: (own_config(SIZE), own_tensors()[1]),
    }[family]()
    folder = write(tmp_path / "m", config, tensors, tokenizer())
    ids, mask, types = inputs()
    slow = load_checkpoint(folder, device="cpu").run(ids, mask, types)
    half = load_checkpoint(folder, device="cuda")
    assert half.module.state_dict().popitem()[1].dtype == torch.float16
    fast = half.run(ids, mask, types)
    exact = load_checkpoint(folder, device="cuda", dtype="float32").run(ids, mask, types)
    assert fast[0].dtype == np.float32
    assert exact[0][mask == 1] == pytest.approx(slow[0][mask == 1], abs=5e-3)
    assert fast[0][mask == 1] == pytest.approx(slow[0][mask == 1], abs=0.1)
    assert fast[1] == pytest.approx(slow[1], abs=0.1)
