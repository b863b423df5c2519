"""The ONNX runtime, on a graph that looks words up, and on one that training exports."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from labelmodels import LookUp, items, logits, own_config, tokenizer

from datapruner.errors import FormatError, InputError, MissingExtraError
from datapruner.scorers import labelmodel
from datapruner.scorers.labeller import Sentences
from datapruner.scorers.labelmodel import load_onnx

pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")

SIZE = tokenizer().get_vocab_size()
LOGITS = logits(SIZE)
QUERY = "who wrote it?"


def graph(
    *, outputs: tuple[str, str] = ("keep_logits", "rank_logits"), typed: bool = True
) -> bytes:
    """A model whose keep logits are looked up, and whose rank logit is their sum over types 1."""
    from onnx import TensorProto, helper, numpy_helper

    names = ["input_ids", "attention_mask", "token_type_ids"][: 3 if typed else 2]
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["found"]),
        helper.make_node("Cast", [names[-1]], ["weights"], to=TensorProto.FLOAT),
        helper.make_node("Identity", ["found"], [outputs[0]]),
        helper.make_node("Mul", ["found", "weights"], ["weighted"]),
        helper.make_node("ReduceSum", ["weighted", "axis"], [outputs[1]], keepdims=0),
    ]
    made = helper.make_graph(
        nodes,
        "look-up",
        [helper.make_tensor_value_info(n, TensorProto.INT64, ["b", "l"]) for n in names],
        [
            helper.make_tensor_value_info(outputs[0], TensorProto.FLOAT, ["b", "l"]),
            helper.make_tensor_value_info(outputs[1], TensorProto.FLOAT, ["b"]),
        ],
        [
            numpy_helper.from_array(LOGITS, "table"),
            numpy_helper.from_array(np.array([1], dtype=np.int64), "axis"),
        ],
    )
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(made, opset_imports=opset, ir_version=8)
    return bytes(model.SerializeToString())


@pytest.fixture
def folder(tmp_path) -> Path:
    made = tmp_path / "small"
    made.mkdir()
    (made / "config.json").write_text(json.dumps(own_config(SIZE)))
    tokenizer().save(str(made / "tokenizer.json"))
    (made / "model.onnx").write_bytes(graph())
    return made


CHUNKS = (["Ada wrote it. ", "The red tower. " * 20], ["Bob built the old tower. "] * 5)


@pytest.mark.parametrize("typed", [True, False])
def test_it_gives_what_the_graph_says(folder, typed):
    (folder / "model.onnx").write_bytes(graph(typed=typed))
    found = Sentences(str(folder))(items(*CHUNKS), query=QUERY)
    expected = Sentences(LookUp(LOGITS))(items(*CHUNKS), query=QUERY)
    assert found.values == pytest.approx(expected.values, abs=1e-6)
    if typed:
        ranks = expected.details["chunk_logits"]
        assert found.details["chunk_logits"] == pytest.approx(ranks, abs=1e-5)
    assert found.details["model"].startswith("small@")


def test_every_window_goes_alone_and_company_changes_no_bit(folder):
    assert load_onnx(folder).batch_tokens == 0
    whole = Sentences(str(folder))(items(*CHUNKS), query=QUERY)
    alone = Sentences(str(folder))(items(CHUNKS[0]), query=QUERY)
    assert alone.values.tolist() == whole.values[:2].tolist()


def test_threads_and_paths_are_taken(folder):
    ids = np.array([[2, 5, 3, 6, 3]])
    for model in (load_onnx(str(folder), threads=1), load_onnx(folder, threads=2)):
        keep, rank = model.run(ids, np.ones_like(ids), np.ones_like(ids))
        assert keep.dtype == rank.dtype == np.float32
        assert keep.tolist() == LOGITS[ids].tolist()


def test_without_a_packaged_model_the_error_says_what_else_there_is(tmp_path, monkeypatch):
    monkeypatch.setattr(labelmodel, "PACKAGED", tmp_path / "nowhere")
    with pytest.raises(InputError, match=r'no sentence model .* method="lexical"'):
        Sentences()(items(["red"]), query=QUERY)
    with pytest.raises(InputError, match="no sentence model"):
        _ = Sentences().default_budget


def test_the_packaged_model_is_the_default(folder, monkeypatch):
    monkeypatch.setattr(labelmodel, "PACKAGED", folder)
    found = Sentences()(items(*CHUNKS), query=QUERY)
    assert (
        found.values.tolist() == Sentences(str(folder))(items(*CHUNKS), query=QUERY).values.tolist()
    )


def test_files_that_are_missing_or_no_model_are_named(folder):
    (folder / "model.onnx").write_bytes(b"\x80\x04.")
    with pytest.raises(FormatError, match=r"model\.onnx is no model that onnxruntime can run"):
        load_onnx(folder)
    (folder / "model.onnx").write_bytes(graph(outputs=("logits", "rank_logits")))
    with pytest.raises(FormatError, match="gives logits, rank_logits; a labelling model"):
        load_onnx(folder)
    (folder / "model.onnx").unlink()
    with pytest.raises(FormatError, match=r"holds no model\.onnx"):
        load_onnx(folder)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(FormatError, match=r"holds no tokenizer\.json"):
        load_onnx(folder)


def test_without_onnxruntime_the_install_line_is_told(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match="pip install"):
        load_onnx(folder)


FRESH = """
import json, sys
from datapruner.core.items import Items
from datapruner.scorers.labeller import Sentences
items = Items.of(1, text=["Ada wrote it."])
scores = Sentences(sys.argv[1])(items, query="who?")
heavy = {"torch", "transformers", "sentence_transformers", "sklearn", "onnx"} & set(sys.modules)
print(json.dumps([scores.values.tolist(), sorted(heavy)]))
"""


def test_neither_torch_nor_transformers_is_imported(folder):
    done = subprocess.run(
        [sys.executable, "-c", FRESH, str(folder)], capture_output=True, text=True, check=True
    )
    values, heavy = json.loads(done.stdout)
    assert heavy == []
    given = items(["Ada wrote it."])
    assert values == Sentences(str(folder))(given, query="who?").values.tolist()


def test_another_family_with_an_onnx_file_is_not_run_by_it(folder):
    pytest.importorskip("torch")
    config: dict[str, Any] = {"model_type": "zilliz"}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(FormatError, match="no labelling model"):
        Sentences(str(folder), device="cpu")(items(["red"]), query=QUERY)


def test_what_training_exports_gives_what_torch_gives(tmp_path):
    pytest.importorskip("torch")
    export = pytest.importorskip("datapruner.training.export")
    network = pytest.importorskip("datapruner.training.network")
    windows = pytest.importorskip("datapruner.training.windows")
    pairs = pytest.importorskip("datapruner.training.pairs")
    from labelmodels import HIDDEN, drawn, linear, shapes_of

    config = own_config(SIZE)
    made = network.build(config["backbone"])
    shapes = shapes_of(made.encoder, "encoder.") | linear("tokens", 2)
    made.load_state_dict(drawn(shapes | linear("rank.dense", HIDDEN) | linear("rank.out", 1)))
    pair = pairs.Pair("p", QUERY, "Ada wrote it. Red.", ((0, 14), (14, 18)), (1, 0), 1)
    cut = windows.cut_windows([pair], tokenizer(), max_length=64, others=0, seed=0)
    export.write_model(tmp_path, made, tokenizer(), config)
    export.write_onnx(tmp_path, made, cut, 0)
    given = items(*CHUNKS, titles=["old poem", ""])
    from datapruner.scorers.checkpoints import load_checkpoint

    expected = Sentences(load_checkpoint(tmp_path, device="cpu"))(given, query=QUERY)
    found = Sentences(str(tmp_path))(given, query=QUERY)
    assert found.values == pytest.approx(expected.values, abs=1e-5)
    ranks = expected.details["chunk_logits"]
    assert found.details["chunk_logits"] == pytest.approx(ranks, abs=1e-4)
    (tmp_path / "model-int8.onnx").replace(tmp_path / "model.onnx")
    small = Sentences(load_onnx(tmp_path))(given, query=QUERY)
    assert small.values == pytest.approx(expected.values, abs=0.05)
