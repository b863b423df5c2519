"""Rerankers of sentences: the logit itself is asked for, whatever the model's settings say."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from labelmodels import drawn, items, own_config, shapes_of, tokenizer

from datapruner.errors import FormatError, InputError, MissingColumnError, MissingExtraError
from datapruner.scorers.crossencoder import CrossEncoder

SIZE = tokenizer().get_vocab_size()
TEXTS = ["Ada wrote it.", "The red tower is old.", "Bob built the tall tower."]


class Lengths:
    """Judges a pair by its lengths."""

    def __init__(self, shape: tuple[int, ...] = ()) -> None:
        self.shape = shape
        self.asked: list[Any] = []

    def predict(self, pairs: list[tuple[str, str]]) -> Any:
        self.asked += pairs
        values = np.array([(len(text) - len(query)) / 10 for query, text in pairs])
        return values.reshape(-1, *self.shape) if self.shape else values


def test_values_are_the_models_squashed_or_raw() -> None:
    given, query = items(["aaaa", "b"], ["aaaa"]), "qq"
    raw = CrossEncoder(Lengths(), scale="raw")(given, query=query)
    assert raw.values == pytest.approx([0.2, -0.1, 0.2])
    both = CrossEncoder(Lengths((1,)))(given, query=query)
    assert both.values == pytest.approx([1 / (1 + math.exp(-x)) for x in (0.2, -0.1, 0.2)])
    assert both.details == {"scale": "sigmoid", "model": "Lengths"}
    assert both.method == "crossencoder"


def test_equal_sentences_are_judged_once() -> None:
    model = Lengths()
    CrossEncoder(model)(items(["a", "b", "a"], ["a"]), query="q")
    assert model.asked == [("q", "a"), ("q", "b")]


def test_no_rows_need_no_model() -> None:
    assert CrossEncoder()(items([]), query=None).values.shape == (0,)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"scale": "log"}, "scale is 'log'"),
        ({"device": "gpu"}, "device is 'gpu'"),
        ({"batch_size": 0}, "batch_size is 0"),
    ],
)
def test_settings_that_cannot_be_are_refused(change: Any, told: str) -> None:
    with pytest.raises(InputError, match=told):
        CrossEncoder(**change)


def test_what_is_no_model_no_question_or_no_text_is_refused(tmp_path: Path) -> None:
    given = items(["a"])
    with pytest.raises(InputError, match="no cross-encoder comes with datapruner"):
        CrossEncoder()(given, query="q")
    with pytest.raises(InputError, match=r"a int without predict\(pairs\)"):
        CrossEncoder(3)(given, query="q")
    with pytest.raises(InputError, match="'somewhere' is no folder here"):
        CrossEncoder("somewhere")(given, query="q")
    with pytest.raises(InputError, match=r"gave shape \(1, 2\) for 1 pairs"):
        CrossEncoder(type("Two", (), {"predict": lambda self, pairs: np.zeros((1, 2))})())(
            given, query="q"
        )
    for query in (None, ""):
        with pytest.raises(InputError, match="the query is empty"):
            CrossEncoder(Lengths())(given, query=query)
    with pytest.raises(MissingColumnError, match="crossencoder needs the column 'text'"):
        CrossEncoder(Lengths())(type(given).of(1), query="q")
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(FormatError, match=r"holds pytorch_model\.bin, which could run code"):
        CrossEncoder(str(tmp_path))(given, query="q")
    (tmp_path / "pytorch_model.bin").unlink()
    with pytest.raises(FormatError, match="holds no weights"):
        CrossEncoder(tmp_path)(given, query="q")


def test_without_sentence_transformers_the_install_line_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(MissingExtraError, match="pip install"):
        CrossEncoder(str(tmp_path))(items(["a"]), query="q")


def reranker(folder: Path, activation: str | None, longest: int = 64) -> tuple[Path, Any]:
    """A BERT with one label, saved as transformers does, and the same model in memory."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("sentence_transformers")
    plain = {k: v for k, v in own_config(SIZE)["backbone"].items() if k != "model_type"}
    config = transformers.BertConfig(**plain, num_labels=1)
    model = transformers.BertForSequenceClassification(config)
    model.load_state_dict(drawn(shapes_of(model, "")))
    model.eval()
    model.save_pretrained(folder)
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer(),
        model_max_length=longest,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )
    fast.save_pretrained(folder)
    if activation is not None:
        path = folder / "config.json"
        stored = json.loads(path.read_text())
        stored["sentence_transformers"] = {"activation_fn": activation}
        path.write_text(json.dumps(stored))

    def logit(query: str, text: str) -> float:
        made = tokenizer().encode(query, text)
        with torch.inference_mode():
            out = model(torch.tensor([made.ids]), token_type_ids=torch.tensor([made.type_ids]))
        return float(out.logits[0, 0])

    return folder, logit


@pytest.mark.parametrize("activation", [None, "torch.nn.modules.linear.Identity"])
def test_a_real_reranker_gives_its_logit_whatever_its_settings_say(tmp_path, activation) -> None:
    folder, logit = reranker(tmp_path, activation)
    query = "who wrote it?"
    expected = [logit(query, text) for text in TEXTS]
    assert np.ptp(expected) > 1e-3
    raw = CrossEncoder(str(folder), scale="raw", device="cpu")(items(TEXTS), query=query)
    assert raw.values == pytest.approx(expected, abs=1e-4)
    scores = CrossEncoder(str(folder), device="cpu")(items(TEXTS), query=query)
    assert scores.values == pytest.approx([1 / (1 + math.exp(-x)) for x in expected], abs=1e-5)
    assert scores.details["model"] == tmp_path.name


def test_a_name_of_the_hub_is_asked_for_without_code_and_pickles(monkeypatch) -> None:
    library = pytest.importorskip("sentence_transformers")
    asked: list[Any] = []

    class Loaded(Lengths):
        def __init__(
            self,
            name: str,
            *,
            device: Any = None,
            trust_remote_code: bool = True,
            model_kwargs: Any = None,
        ) -> None:
            super().__init__()
            asked.append((name, device, trust_remote_code, model_kwargs))
            if name == "no/such":
                raise OSError("not there")

    monkeypatch.setattr(library, "CrossEncoder", Loaded)
    scorer = CrossEncoder("some/model", scale="raw")
    assert scorer(items(["aaa"]), query="q").values == pytest.approx([0.2])
    assert scorer(items(["a"]), query="q").values == pytest.approx([0.0])
    assert asked == [("some/model", None, False, {"use_safetensors": True})]
    with pytest.raises(InputError, match="no/such cannot be loaded: not there"):
        CrossEncoder("no/such", device="cpu")(items(["a"]), query="q")


def test_sentences_longer_than_the_model_reads_are_counted_in_a_warning(tmp_path) -> None:
    folder, _ = reranker(tmp_path, None, longest=16)
    texts = [*TEXTS, "red " * 40, "Ada wrote it, " + " " * 90]
    with pytest.warns(RuntimeWarning, match="1 of 5 sentences are longer with the question than t"):
        CrossEncoder(str(folder), device="cpu")(items(texts), query="who?")
