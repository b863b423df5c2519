"""Windows, rounding and scores of the labelling scorer, on a model that looks words up."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelmodels import (
    SIGNS,
    WORDS,
    LookUp,
    byte_tokenizer,
    items,
    logits,
    own_config,
    tokenizer,
)

from datapruner.errors import FormatError, InputError, MissingColumnError
from datapruner.scorers.labelformat import (
    LabelSettings,
    Special,
    normalised,
    own_settings,
    read_json,
    read_tokenizer,
)
from datapruner.scorers.labeller import Sentences
from datapruner.scorers.labelling import logistic, rounded, with_title
from datapruner.scorers.labelwindows import Passage, Window, batches, cut_windows, tokenise

SIZE = tokenizer().get_vocab_size()
LOGITS = logits(SIZE)
QUERY = "who wrote it?"


def by_hand(sentence: str, keep: Any = LOGITS) -> list[float]:
    """Token probabilities of a sentence that starts at a word, from the formula."""
    ids = tokenizer().encode(sentence, add_special_tokens=False).ids
    return [1 / (1 + math.exp(-float(keep[i]))) for i in ids]


def mean(values: list[float]) -> float:
    return math.fsum(values) / len(values) if values else 0.0


@pytest.mark.parametrize(
    ("tokens", "threshold", "decision", "probability"),
    [
        ([0.2] * 3 + [0.0] * 17, 0.1, True, False),
        ([0.2] * 3 + [0.0] * 17, 0.5, False, False),
        ([1.0] + [0.05] * 9, 0.1, False, True),
        ([1.0] + [0.05] * 9, 0.5, False, False),
        ([0.45] * 10, 0.1, True, True),
        ([0.45] * 10, 0.5, False, False),
        ([0.6] * 4 + [0.1] * 6, 0.1, True, True),
        ([0.6] * 4 + [0.1] * 6, 0.5, False, False),
        ([0.6] * 6 + [0.1] * 4, 0.1, True, True),
        ([0.6] * 6 + [0.1] * 4, 0.5, True, False),
    ],
)
def test_both_rules_decide_as_the_golden_table_says(tokens, threshold, decision, probability):
    means, shares = rounded(np.array(tokens), np.zeros(len(tokens), dtype=int), 1, threshold)
    assert bool(shares[0] > threshold) is decision
    assert bool(means[0] > threshold) is probability


def test_a_title_is_kept_in_company_alone():
    some = np.array([0.02, 0.4, 0.01]) > 0.1
    none = np.array([0.02, 0.03, 0.01]) > 0.1
    assert with_title(some).tolist() == [True, True, False]
    assert some.tolist() == [False, True, False]
    assert with_title(none).tolist() == [False, False, False]
    assert with_title(np.zeros(0, dtype=bool)).tolist() == []


def test_a_sentence_without_tokens_has_the_value_0():
    means, shares = rounded(np.array([0.5, 0.9]), np.array([-1, 1]), 3, 0.1)
    assert means.tolist() == [0.0, 0.9, 0.0]
    assert shares.tolist() == [0.0, 1.0, 0.0]


def test_the_logistic_neither_overflows_nor_loses_small_numbers():
    made = logistic(np.array([-80.0, 0.0, 800.0, -800.0]))
    assert made[0] == pytest.approx(math.exp(-80), rel=1e-12)
    assert made[1:].tolist() == [0.5, 1.0, 0.0]
    assert logistic(np.float32([1.0])).dtype == np.float32


def test_values_are_mean_probabilities_of_the_sentences_tokens():
    chunks = (["Ada wrote it. ", "The tower, old."], ["Bob built the red tower."])
    runtime = LookUp(LOGITS)
    scores = Sentences(runtime)(items(*chunks), query=QUERY)
    expected = [mean(by_hand(text)) for chunk in chunks for text in chunk]
    assert scores.values.dtype == np.float64
    assert scores.values == pytest.approx(expected, abs=1e-6)
    assert scores.method == "sentences"
    assert scores.details["windows"] == 2
    ids, mask, types = runtime.inputs[0]
    asked = tokenizer().encode(QUERY, "Bob built the red tower.")
    assert ids[0].tolist() == asked.ids
    assert types[0].tolist() == asked.type_ids
    assert mask.all()


SENTENCE = st.lists(st.sampled_from([*WORDS, *SIGNS]), min_size=0, max_size=40).map(
    lambda words: " ".join([*words, ""]) or " "
)


@given(
    chunks=st.lists(st.lists(SENTENCE, min_size=1, max_size=8), min_size=1, max_size=4),
    max_length=st.integers(38, 90),
    overlap=st.integers(0, 3),
    batch_tokens=st.sampled_from([0, 100, 1000]),
    titled=st.booleans(),
)
def test_windows_batches_titles_and_overlap_change_no_value_of_a_model_without_context(
    chunks, max_length, overlap, batch_tokens, titled
):
    runtime = LookUp(LOGITS, max_length=max_length, batch_tokens=batch_tokens)
    titles = ["tall tower"] * len(chunks) if titled else None
    labels = Sentences(runtime, overlap=overlap).label(items(*chunks, titles=titles), query=QUERY)
    hands = [by_hand(text) for chunk in chunks for text in chunk]
    assert labels.probabilities == pytest.approx([mean(hand) for hand in hands], abs=1e-6)
    shares = [mean([float(p > 0.1) for p in hand]) for hand in hands]
    assert labels.fractions == pytest.approx(shares, abs=1e-6)
    assert all(length <= max_length for _, length in runtime.calls)


@given(
    lengths=st.lists(st.integers(0, 30), min_size=1, max_size=12),
    room=st.integers(16, 50),
    overlap=st.integers(0, 2),
    head=st.integers(0, 12),
)
def test_windows_hold_whole_sentences_and_every_token(lengths, room, overlap, head):
    words = [["red"] * n for n in lengths]
    title = " ".join(["old"] * head)
    passage = Passage(title, tuple(" ".join([*w, ""]) or " " for w in words))
    tokens = tokenise(tokenizer(), [passage])[0]
    assert tokens.head == head
    windows = cut_windows(tokens, room, overlap)
    n = head + sum(lengths)
    if n == 0:
        assert windows == []
        return
    read = np.zeros(n, dtype=bool)
    for window in windows:
        assert 0 < len(window) <= room
        assert (np.diff(window) > 0).all()
        read[window] = True
    assert read[head:].all()
    shown = head <= room // 4 or n <= room
    if shown:
        assert all(window[:head].tolist() == list(range(head)) for window in windows)
    space = room - (head if shown else 0)
    for window in windows:
        for sentence in range(len(lengths)):
            own = np.flatnonzero(tokens.sentence == sentence)
            if len(own) <= space and n > room:
                assert np.isin(own, window).sum() in (0, len(own))


def test_neighbouring_windows_share_one_sentence_where_the_next_still_fits():
    passage = Passage("", tuple(["red " * 6] * 5))
    tokens = tokenise(tokenizer(), [passage])[0]
    assert [sorted(set(tokens.sentence[w].tolist())) for w in cut_windows(tokens, 18, 1)] == [
        [0, 1, 2],
        [2, 3, 4],
    ]
    assert [sorted(set(tokens.sentence[w].tolist())) for w in cut_windows(tokens, 18, 0)] == [
        [0, 1, 2],
        [3, 4],
    ]
    # No room for two of these: then nothing is shared, and still all is read.
    longer = tokenise(tokenizer(), [Passage("", tuple(["red " * 10] * 3))])[0]
    assert [sorted(set(longer.sentence[w].tolist())) for w in cut_windows(longer, 18, 1)] == [
        [0],
        [1],
        [2],
    ]


class Placed(LookUp):
    """Its logits are the places of the tokens in the window."""

    def run(self, ids: Any, mask: Any, types: Any) -> tuple[Any, Any]:
        super().run(ids, mask, types)
        places = np.broadcast_to(np.arange(ids.shape[1]) / 10 - 2, ids.shape)
        return places.astype(np.float32), places[:, -1].astype(np.float32)


def test_a_sentence_in_two_windows_has_the_mean_of_its_token_probabilities():
    query = "who"  # one token, so passages begin at place 3
    runtime = Placed(LOGITS, max_length=35)
    # Room for 31 tokens: sentences of 12, windows (0, 1), (1, 2).
    scores = Sentences(runtime).label(items(["red " * 12] * 3), query=query)
    p = 1 / (1 + np.exp(-(np.arange(40) / 10 - 2)))
    expected = [p[3:15].mean(), (p[15:27].mean() + p[3:15].mean()) / 2, p[15:27].mean()]
    assert scores.probabilities == pytest.approx(expected, abs=1e-6)
    assert scores.windows == 2


def test_pieces_of_a_long_sentence_weigh_what_they_have_tokens():
    # 32 tokens and room for 31: pieces of 16.
    keep = np.zeros(SIZE, dtype=np.float32)
    keep[tokenizer().token_to_id("red")] = 3.0
    text = "red " * 31 + "old "
    found = Sentences(LookUp(keep, max_length=35)).label(items([text]), query="who")
    assert found.windows == 2
    assert found.probabilities == pytest.approx([mean(by_hand(text, keep))], abs=1e-6)


@pytest.mark.parametrize(("rank", "expected"), [("first", 0), ("max", 1), ("mean", 2)])
def test_the_rank_score_is_of_the_first_the_best_or_the_mean_window(rank, expected):
    keep = np.zeros(SIZE, dtype=np.float32)
    keep[tokenizer().token_to_id("red")], keep[tokenizer().token_to_id("old")] = 0.01, 0.05
    runtime = LookUp(keep, max_length=35)
    chunk = ["red " * 20, "old " * 25]
    scores = Sentences(runtime, rank=rank, overlap=0)(items(chunk, ["\u200b"]), query="who")
    value = [0.2, 1.25, 0.725][expected]
    # The second chunk is one unknown token, whose logit is 0.
    assert scores.details["chunk_logits"] == pytest.approx([value, 0.0], abs=1e-6)
    both = [1 / (1 + math.exp(-value)), 0.5]
    assert scores.details["chunk_scores"] == pytest.approx(both, abs=1e-6)


def test_a_chunk_without_rows_or_tokens_has_no_logit_and_the_lowest_score():
    given = items(["Ada wrote it."], [" "], [])
    scores = Sentences(LookUp(LOGITS))(given, query=QUERY)
    assert scores.details["chunk_scores"][1:] == [0.0, 0.0]
    assert scores.details["chunk_logits"][1:] == [None, None]
    assert scores.values[1] == 0.0


def test_an_explicit_title_is_read_and_shifts_nothing():
    chunk = ["The red tower. ", "Ada wrote it. ", "Bob built the old tower."]
    title = "who what wrote built it the old new ada bob tower poem"  # twelve tokens
    bare, titled = LookUp(LOGITS), LookUp(LOGITS)
    plain = Sentences(bare)(items(chunk), query=QUERY)
    with_one = Sentences(titled)(items(chunk, titles=[title]), query=QUERY)
    assert with_one.values.tolist() == plain.values.tolist()
    assert titled.calls[0][1] == bare.calls[0][1] + 12


def test_a_title_that_is_the_first_sentence_is_not_read_twice():
    bare, titled = LookUp(LOGITS), LookUp(LOGITS)
    chunk = ["The red tower\n", "Ada wrote it."]
    Sentences(bare)(items(chunk), query=QUERY)
    Sentences(titled)(items(chunk, titles=["The red tower "]), query=QUERY)
    assert titled.inputs[0][0].tolist() == bare.inputs[0][0].tolist()


def test_equal_chunks_are_read_once_and_each_gets_its_values():
    runtime = LookUp(LOGITS)
    chunk, other = ["Ada wrote it. ", "Red."], ["Bob built it."]
    scores = Sentences(runtime)(items(chunk, other, chunk), query=QUERY)
    assert len(runtime.calls) == 2
    assert scores.values[:2].tolist() == scores.values[3:].tolist()
    assert scores.details["chunk_scores"][0] == scores.details["chunk_scores"][2]


def test_the_order_of_the_chunks_changes_no_value():
    chunks = [["red " * n, "Ada wrote it. "] for n in (3, 40, 9, 70)]
    runtime = LookUp(LOGITS, batch_tokens=200)
    plain = Sentences(runtime)(items(*chunks), query=QUERY)
    turned = Sentences(runtime)(items(*chunks[::-1]), query=QUERY)
    assert turned.values.reshape(4, 2)[::-1].tolist() == plain.values.reshape(4, 2).tolist()


def test_batches_are_of_like_lengths_and_keep_their_limit():
    draw = np.random.default_rng(0).integers(1, 60, 50)
    windows = [Window(0, np.arange(n)) for n in draw]
    made = list(batches(windows, 256, 7))
    assert sorted(number for batch in made for number in batch) == list(range(50))
    assert all(len(batch) * (7 + max(draw[batch])) <= 256 for batch in made)
    assert max(map(len, made)) > 3
    assert all(len(batch) == 1 for batch in batches(windows, 0, 7))
    assert list(batches([], 256, 7)) == []


def test_padding_is_masked():
    runtime = LookUp(LOGITS, batch_tokens=1000)
    Sentences(runtime)(items(["red"], ["red old tall"]), query="who")
    ids, mask, types = runtime.inputs[0]
    assert mask.tolist() == [[1, 1, 1, 1, 1, 0, 0], [1] * 7]
    assert types.tolist() == [[0, 0, 0, 1, 1, 0, 0], [0, 0, 0, 1, 1, 1, 1]]
    assert ids[0, 5:].tolist() == [0, 0]


def test_a_question_longer_than_half_the_window_is_cut_with_a_warning():
    runtime = LookUp(LOGITS, max_length=40)
    with pytest.warns(
        RuntimeWarning, match="the question has 100 tokens; the model reads the firs"
    ):
        scores = Sentences(runtime)(items(["Ada wrote it. ", "red " * 30]), query="who " * 100)
    assert scores.values[0] == pytest.approx(mean(by_hand("Ada wrote it.")), abs=1e-6)
    ids = runtime.inputs[0][0][0].tolist()
    assert ids.count(tokenizer().token_to_id("who")) == 20


def test_a_small_window_keeps_room_for_sixteen_tokens_of_the_passage():
    runtime = LookUp(LOGITS, max_length=35)
    with pytest.warns(RuntimeWarning, match="the first 16"):
        Sentences(runtime)(items(["red " * 60]), query="who " * 60)
    assert max(length for _, length in runtime.calls) <= 35


@pytest.mark.parametrize(
    "sentences",
    [
        ["\u4f60\u597d\u3002", "\u4e16\u754c\uff1f", "\u65e5\u672c\u8a9e"],
        ["\u0645\u0631\u062d\u0628\u0627\u061f ", "\u0646\u0639\u0645."],
        ["\u0928\u092e\u0938\u094d\u0924\u0947\u0964 ", "\u0939\u093e\u0901\u0964"],
        ["\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35 ", "\u0e04\u0e23\u0e31\u0e1a"],
        ["a \U0001f469\u200d\U0001f469\u200d\U0001f467! ", "\U0001f1e9\U0001f1ea ok."],
        ["\u202eabc\u202c ", "\u200b\ufeff", "x\u00ad."],
        ["lone \ud800 surrogate. ", "next"],
        ["\x00\x01 ", "\n\n", "tab\t"],
    ],
)
def test_every_script_is_read_by_code_points(sentences):
    made = byte_tokenizer()
    keep = logits(made.get_vocab_size(), 3)
    found = Sentences(LookUp(keep, made=made, max_length=60)).label(items(sentences), query="who?")
    expected = []
    for text in sentences:
        data = text.replace("\ud800", "\ufffd").encode()
        alphabet = {ord(letter): letter for letter in map(chr, range(33, 127))}
        letters = [alphabet.get(byte) or byte_letter(byte) for byte in data]
        p = [1 / (1 + math.exp(-float(keep[made.token_to_id(letter)]))) for letter in letters]
        expected.append(mean(p))
    assert found.probabilities == pytest.approx(expected, abs=1e-6)


def byte_letter(byte: int) -> str:
    """The letter that stands for a byte in byte-level vocabularies."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    if byte in printable:
        return chr(byte)
    others = [b for b in range(256) if b not in printable]
    return chr(256 + others.index(byte))


def test_one_sentence_of_ten_thousand_characters_and_five_thousand_sentences():
    runtime = LookUp(LOGITS, max_length=128, batch_tokens=2048)
    long = ("Ada wrote the old poem, " * 420)[:10_000]
    many = ["Bob built the tall tower. "] * 5000
    labels = Sentences(runtime).label(items([long], many), query=QUERY)
    assert labels.probabilities[0] == pytest.approx(mean(by_hand(long)), abs=1e-6)
    assert labels.probabilities[1:] == pytest.approx(mean(by_hand(many[0])), abs=1e-6)
    assert max(rows * length for rows, length in runtime.calls) <= 2048


def test_a_mixture_of_empty_and_other_chunks_is_scored():
    given = items([" "], ["Ada."], ["\n"], ["\u200b"], [])
    scores = Sentences(LookUp(LOGITS))(given, query=QUERY)
    assert np.isfinite(scores.values).all()


def test_no_rows_need_no_question_and_no_pass():
    runtime = LookUp(LOGITS)
    scores = Sentences(runtime)(items([]), query="")
    assert scores.values.shape == (0,)
    assert scores.details["chunk_scores"] == [0.0]
    assert runtime.calls == []


def test_the_decision_rule_keeps_what_its_share_says_and_ranks_by_the_mean():
    draw = np.random.default_rng(5)
    texts = [" ".join(draw.choice(WORDS, 7)) + ". " for _ in range(40)]
    runtime = LookUp(logits(SIZE) - 2, max_length=512, rounding="decision", threshold=0.3)
    given = items(texts)
    labels = Sentences(runtime).label(given, query=QUERY)
    scores = Sentences(runtime)(given, query=QUERY)
    kept = labels.fractions > 0.3
    assert 0 < kept.sum() < 40
    assert ((scores.values > 0.3) == kept).all()
    assert (scores.values >= 0).all()
    assert (scores.values <= 1).all()
    for part in (kept, ~kept):
        means = labels.probabilities[part]
        assert np.argsort(means).tolist() == np.argsort(scores.values[part]).tolist()
    assert scores.details["rounding"] == "decision"
    plain = Sentences(runtime, rounding="probability")(given, query=QUERY)
    assert plain.values.tolist() == labels.probabilities.tolist()


def test_the_default_limit_is_the_models_threshold_or_the_given_one():
    runtime = LookUp(LOGITS, threshold=0.00003)
    assert Sentences(runtime).default_budget == "threshold 0.00003"
    assert Sentences(runtime, threshold=0.5).default_budget == "threshold 0.5"
    assert Sentences(runtime, threshold=1).default_budget == "threshold 1"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"device": "gpu"}, "device is 'gpu'"),
        ({"rounding": "up"}, "rounding is 'up'"),
        ({"rank": "last"}, "rank is 'last'"),
        ({"threshold": 1.5}, "threshold is 1.5"),
        ({"overlap": -1}, "overlap is -1"),
        ({"overlap": True}, "overlap is True"),
    ],
)
def test_settings_that_cannot_be_are_refused(change, told):
    with pytest.raises(InputError, match=told):
        Sentences(**change)


def test_what_is_no_model_no_question_or_no_text_is_refused():
    with pytest.raises(InputError, match="model is a int"):
        Sentences(3)(items(["red"]), query=QUERY)
    for query in (None, " \n"):
        with pytest.raises(InputError, match="the query is empty"):
            Sentences(LookUp(LOGITS))(items(["red"]), query=query)
    given = items(["red"])
    bare = type(given).of(1)
    with pytest.raises(MissingColumnError, match="sentences needs the column 'text'"):
        Sentences(LookUp(LOGITS))(bare, query=QUERY)


def test_questions_are_normalised_as_the_model_wants_them():
    assert normalised("Who  WROTE it?!", "none") == "Who  WROTE it?!"
    assert normalised("Who  WROTE it?!", "plain-words") == "who wrote it"
    assert normalised("?!", "plain-words") == "?!"


def test_special_tokens_come_from_names_or_from_the_tokenizers_own_template():
    roberta = tokenizer(("<s>", "<pad>", "</s>", "<unk>"))
    assert Special.pair(roberta) == Special((0,), (2,), (2,), 1)
    assert Special.template(roberta, 7) == Special((0,), (2, 2), (2,), 7)
    assert Special.template(roberta) == Special((0,), (2, 2), (2,), 1)
    assert Special.template(roberta).overhead == 4
    assert Special.template(tokenizer()) == Special.pair(tokenizer(), 0)
    # No post-processor: nothing to learn from.
    assert Special.template(byte_tokenizer()) == Special.pair(byte_tokenizer())
    from tokenizers import Regex, Tokenizer, models, normalizers, processors

    # One that ends texts and begins none packs no pair either.
    ends = tokenizer()
    ends.post_processor = processors.TemplateProcessing(
        single="$A [SEP]", pair="$A [SEP] $B [SEP]", special_tokens=[("[SEP]", 3)]
    )
    assert Special.template(ends) == Special.pair(ends)
    # One that knows none of the letters gives nothing to look at.
    silent = byte_tokenizer()
    silent.normalizer = normalizers.Replace(Regex("."), "")
    assert Special.template(silent) == Special.pair(silent)
    nothing = Tokenizer(models.WordLevel({"a": 0, "[UNK]": 1}, unk_token="[UNK]"))
    with pytest.raises(FormatError, match=r"none of \[CLS\], <s>, <cls>"):
        Special.template(nothing)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"max_length": 34}, "max_length is 34; a window has 35"),
        ({"max_length": "512"}, "max_length is '512'"),
        ({"rounding": "up"}, "rounding is 'up'"),
        ({"threshold": -0.1}, "threshold is -0.1"),
        ({"threshold": None}, "threshold is None"),
        ({"version": 2}, "'datapruner' version 2"),
        ({"family": "other"}, "'other' version 1"),
        ({"packing": "triple"}, "packing is 'triple'"),
        ({"head_input": "pre_final_norm"}, "head_input is 'pre_final_norm'"),
        ({"question_normalisation": None}, "question_normalisation is None"),
    ],
)
def test_settings_of_another_release_are_refused(change, told, tmp_path):
    with pytest.raises(FormatError, match=told):
        own_settings(own_config(SIZE, **change), tokenizer(), tmp_path)


def test_a_config_without_its_parts_is_refused(tmp_path):
    with pytest.raises(FormatError, match='no "datapruner" and "backbone"'):
        own_settings({"model_type": "bert"}, tokenizer(), tmp_path)
    config = own_config(SIZE)
    del config["datapruner"]["threshold"]
    with pytest.raises(FormatError, match="says no 'threshold'"):
        own_settings(config, tokenizer(), tmp_path)
    found = own_settings(own_config(SIZE), tokenizer(), tmp_path)
    assert found == LabelSettings("datapruner", Special.pair(tokenizer()), 64)


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(FormatError, match=r"config\.json cannot be read"):
        read_json(tmp_path / "config.json")
    (tmp_path / "config.json").write_text(json.dumps([1]))
    with pytest.raises(FormatError, match="holds a list"):
        read_json(tmp_path / "config.json")
    with pytest.raises(FormatError, match=r"holds no tokenizer\.json"):
        read_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(FormatError, match="is no tokenizer"):
        read_tokenizer(tmp_path)
