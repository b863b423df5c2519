"""The exported model: ONNX says what torch says, in both precisions."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from unit.training import tiny

from datapruner.errors import FormatError, MissingExtraError
from datapruner.scorers.checkpoints import load_checkpoint
from datapruner.scorers.labelmodel import load_onnx
from datapruner.training import export, network
from datapruner.training.job import SentenceJob
from datapruner.training.loop import collate
from datapruner.training.pairs import read_pairs
from datapruner.training.recipe import Recipe
from datapruner.training.windows import Window, cut_windows

RECIPE = Recipe(epochs=10, batch_tokens=256, max_length=64, rate=2e-3, head_rate=2e-3)


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> SentenceJob:
    folder = tmp_path_factory.mktemp("export")
    made = SentenceJob(
        data=tiny.write_rows(folder / "pairs.jsonl", tiny.rows(24)),
        out=folder / "out",
        base=str(tiny.write_base(folder / "base", hidden=64)),
        recipe=RECIPE,
    )
    made.run()
    return made


def loaded(job: SentenceJob) -> tuple[Any, list[Window]]:
    """The trained network from its safetensors, and the windows it was trained on."""
    model = network.build(network.backbone_config(job.out))
    network.initialise(model, job.out, seed=5)
    pairs = read_pairs(job.data)
    windows = cut_windows(pairs, tiny.tokenizer(), max_length=64, others=1, seed=0)
    return model.eval(), windows


@pytest.mark.parametrize(("name", "within"), [("model.onnx", 1e-4), ("model-int8.onnx", 0.25)])
def test_onnx_says_what_torch_says(job: SentenceJob, name: str, within: float) -> None:
    done = replace(job, export=True).run()
    assert done.resumed == done.total  # nothing was trained again
    assert {"model.onnx", "model-int8.onnx"} <= set(done.files)
    model, _ = loaded(job)
    session = onnxruntime.InferenceSession(job.out / name, providers=["CPUExecutionProvider"])
    for rows, length in ((1, 5), (3, 40)):
        ids = torch.randint(4, 30, (rows, length), generator=torch.Generator().manual_seed(rows))
        mask, types = torch.ones_like(ids), torch.zeros_like(ids)
        mask[-1, length // 2 :] = 0
        types[:, 3:] = 1
        with torch.no_grad():
            keep, rank = (x.numpy() for x in model(ids, mask, types))
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
        outputs = session.run(
            ["keep_logits", "rank_logits"], {n: v.numpy() for n, v in feed.items()}
        )
        spread = float(np.abs(keep).max())
        here = mask.numpy() == 1
        assert np.abs(outputs[0] - keep)[here].max() <= within * max(1.0, spread)
        assert np.abs(outputs[1] - rank).max() <= within * max(1.0, float(np.abs(rank).max()))
    figures = done.exported[name]
    assert figures["megabytes"] == pytest.approx((job.out / name).stat().st_size / 1e6, abs=0.01)
    assert figures["largest_logit"] <= within * 10
    assert 0 <= figures["mean_probability"] <= figures["largest_probability"] <= 1


def test_both_runtimes_of_the_package_read_the_folder(job: SentenceJob) -> None:
    replace(job, export=True).run()
    model, windows = loaded(job)
    batch = collate(windows[:3], 0)
    inputs = [batch[name] for name in ("ids", "mask", "types")]
    with torch.no_grad():
        wanted = [made.numpy() for made in model(*inputs)]
    here = batch["mask"].numpy() == 1
    for runtime in (load_checkpoint(job.out, device="cpu"), load_onnx(job.out)):
        assert runtime.settings.max_length == 64
        keep, rank = runtime.run(*(value.numpy() for value in inputs))
        np.testing.assert_allclose(keep[here], wanted[0][here], atol=1e-4)
        np.testing.assert_allclose(rank, wanted[1], atol=1e-4)


def test_int8_is_smaller_and_keeps_the_products_with_outliers(job: SentenceJob) -> None:
    made = replace(job, export=True).run().exported
    assert made["model-int8.onnx"]["megabytes"] < 0.7 * made["model.onnx"]["megabytes"]
    nodes = onnx.load(job.out / "model-int8.onnx").graph.node
    exact = [node.name for node in nodes if node.op_type == "MatMul" and "dense" in node.name]
    assert sorted(exact) == [
        f"/encoder/encoder/layer.{layer}/output/dense/MatMul" for layer in (0, 1)
    ]
    assert any(node.op_type == "MatMulInteger" for node in nodes)


def test_a_graph_that_differs_is_not_written(
    job: SentenceJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, windows = loaded(job)
    monkeypatch.setattr(export, "AGREEMENT", -1.0)
    with pytest.raises(FormatError, match=r"model.onnx differs from torch by .* nothing was"):
        export.write_onnx(tmp_path, model, windows, 0)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtraError, match=r"datapruner\[train\]"):
        export.write_onnx(tmp_path, model, windows, 0)


def test_deviations_count_what_moved(job: SentenceJob) -> None:
    replace(job, export=True).run()
    model, windows = loaded(job)
    batch = collate(windows, 0)
    with torch.no_grad():
        keep = model(batch["ids"], batch["mask"], batch["types"])[0][batch["labels"] >= 0]
        model.tokens.bias[1] -= 100.0  # now torch drops everything
    told = export.deviations(job.out / "model.onnx", model, windows, 0)
    p = torch.sigmoid(keep).numpy()
    assert told["largest_logit"] == pytest.approx(100.0, abs=1e-3)
    assert told["largest_probability"] == pytest.approx(p.max(), abs=1e-5)
    assert told["mean_probability"] == pytest.approx(p.mean(), abs=1e-5)
    assert told["decisions"] == pytest.approx(np.mean(p > 0.1), abs=0.01)


def test_names_of_places_are_no_settings() -> None:
    made = export.settings(
        {"model_type": "bert", "_name_or_path": "/here", "transformers_version": "1"},
        max_length=7,
        trained={"steps": 1},
    )
    assert made["backbone"] == {"model_type": "bert"}
    assert made["datapruner"]["max_length"] == 7
    assert made["datapruner"]["trained"] == {"steps": 1}
