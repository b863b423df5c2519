from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from datapruner.errors import InputError
from datapruner.tokens import TokenCounter, resolve_counter

TEXTS = ["Hello, world!", "", "naïve ☃ a_b", "日本語"]


@pytest.fixture
def tokenizer() -> Tokenizer:
    words = ["[UNK]", "[CLS]", "one", "two"]
    made = Tokenizer(models.WordLevel({word: at for at, word in enumerate(words)}, "[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A", special_tokens=[("[CLS]", 1)]
    )
    made.enable_truncation(2)
    made.enable_padding(length=9)
    return made


@pytest.mark.parametrize(
    ("name", "expected"),
    [("words", [4, 0, 3, 1]), ("characters", [13, 0, 11, 3]), ("bytes", [13, 0, 14, 9])],
)
def test_built_in_counters_count(name: str, expected: list[int]) -> None:
    counter = resolve_counter(name)
    counts = counter.count(TEXTS)
    assert isinstance(counter, TokenCounter)
    assert counter.name == name
    assert counts.dtype == np.int64
    assert counts.tolist() == expected


def test_no_texts_give_no_counts() -> None:
    counts = resolve_counter("words").count([])
    assert counts.shape == (0,)
    assert counts.dtype == np.int64


def test_none_means_the_default_and_that_is_words() -> None:
    assert resolve_counter(None).name == "words"
    assert resolve_counter(None, default="bytes").name == "bytes"
    assert resolve_counter("characters", default="bytes").name == "characters"


def test_a_tokenizer_file_or_its_folder_counts_all_but_special_tokens(
    tmp_path: Path, tokenizer: Tokenizer
) -> None:
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    for spec in (tmp_path, str(tmp_path / "tokenizer.json")):
        counter = resolve_counter(spec)
        assert counter.name == str(spec)
        assert counter.count(["one two one two", "", "one"]).tolist() == [4, 0, 1]


def test_a_tokenizer_object_keeps_its_own_settings(tokenizer: Tokenizer) -> None:
    counter = resolve_counter(tokenizer)
    assert counter.name == "Tokenizer"
    assert counter.count(["one two one two"] * 1100).tolist() == [4] * 1100
    assert tokenizer.truncation is not None
    assert tokenizer.padding is not None


def test_a_model_in_the_cache_is_found_without_network(
    tmp_path: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "cached.json"
    tokenizer.save(str(file))
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda name, part: str(file))
    counter = resolve_counter("some/model")
    assert (counter.name, counter.count(["one two"]).tolist()) == ("some/model", [2])


@pytest.mark.parametrize(
    "name", ["wrods", "no/such-model", "not a // name", "/none/tokenizer.json"]
)
def test_an_unknown_name_says_what_was_tried(name: str) -> None:
    with pytest.raises(
        InputError, match=r"Tried: the built-in words, .*; the file .*; the Hugging"
    ):
        resolve_counter(name)


def test_without_the_hub_library_only_files_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def no_hub(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("huggingface_hub"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", no_hub)
    with pytest.raises(InputError, match="no token counter"):
        resolve_counter("some/model")


def test_a_file_that_is_no_tokenizer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(InputError, match=r"is not a tokenizer.json that can be read"):
        resolve_counter(tmp_path)


class _Count:
    name = "mine"

    def count(self, texts: list[str]) -> list[int]:
        return [len(text) // 2 for text in texts if text != "lost"]


class _HuggingFace:
    def encode(self, text: str, add_special_tokens: bool = True) -> list[int]:
        return [0] * (len(text) + 2 * add_special_tokens)


class _Tiktoken:
    def encode(self, text: str, *, disallowed_special: object = "all") -> list[int]:
        assert disallowed_special == ()
        return [0] * len(text)


class _Plain:
    def encode(self, text: str) -> list[int]:
        return [0] * len(text)


class _Broken:
    def encode(self, text: str, **options: object) -> list[int]:
        raise TypeError("cannot")


def test_an_object_that_counts_is_asked_and_checked() -> None:
    counter = resolve_counter(_Count())
    assert counter.name == "mine"
    assert counter.count(["abcd"]).dtype == np.int64
    with pytest.raises(InputError, match="gave 1 counts for 2 texts"):
        counter.count(["abcd", "lost"])


@pytest.mark.parametrize("spec", [_HuggingFace(), _Tiktoken(), _Plain()])
def test_an_object_that_encodes_is_asked_without_special_tokens(spec: object) -> None:
    counter = resolve_counter(spec)
    assert counter.name == type(spec).__name__
    assert counter.count(["abc", ""]).tolist() == [3, 0]


def test_an_error_of_the_users_own_counter_is_not_hidden() -> None:
    with pytest.raises(TypeError, match="cannot"):
        resolve_counter(_Broken()).count(["a"])


@pytest.mark.parametrize("spec", [["words"], {"a": 1}, 17, object()])
def test_other_things_are_refused(spec: object) -> None:
    with pytest.raises(InputError, match="is no token counter"):
        resolve_counter(spec)
