"""Sentence spans: the golden vectors, every script, lines, code, and characters kept whole."""

from __future__ import annotations

import os
import time
import unicodedata
from pathlib import Path

import polars as pl
import pytest

from datapruner.context import sentences as module
from datapruner.context.cutting import cut_long, joined, whole_graphemes
from datapruner.context.lines import fences, line_cuts
from datapruner.context.script import guess_language
from datapruner.context.sentences import sentence_spans
from datapruner.errors import InputError


def split(text: str, **options: object) -> list[str]:
    spans = sentence_spans(text, **options)  # type: ignore[arg-type]
    assert spans.dtype.kind == "i"
    assert spans.shape == (len(spans), 2)
    parts = [text[start:end] for start, end in spans.tolist()]
    assert "".join(parts) == text
    assert all(parts)
    return parts


# -- golden vectors -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            "Dr. Smith paid $3.50. He left! 你好。世界？مرحبا؟ نعم.",
            ["Dr. Smith paid $3.50. ", "He left! ", "你好。", "世界？", "مرحبا؟ ", "نعم."],
        ),
        ("See v1.2.3 at a.b.com now", ["See v1.2.3 at a.b.com now"]),
        ('"Stop!" he said.', ['"Stop!" he said.']),
        ("- a\n- b", ["- a\n", "- b"]),
        ("", []),
    ],
)
def test_golden_vectors(text: str, parts: list[str]) -> None:
    assert split(text) == parts


def test_five_thousand_letters_without_a_space_are_five_units() -> None:
    assert [len(p) for p in split("x" * 5000)] == [1200, 1200, 1200, 1200, 200]


# -- scripts ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("他来了。她走了！你呢？好｡", 4),
        ("今日は晴れです。明日は「雨。」と言った。本当？！はい。", 5),
        ("ذهب الولد إلى المدرسة. هل عاد؟ نعم عاد.", 3),
        ("وہ آیا۔ وہ گیا۔", 2),
        ("राम घर गया। सीता आई॥ ठीक है।", 3),
        ("Մարդը եկավ։ Նա գնաց։", 2),
        ("ሰላም። እንዴት ነህ።", 2),
        ("Он пришёл. Она ушла! А ты?", 3),
        ("Er kam am 3. Mai mit der Bahn zurück. Dr. Müller blieb für die Nacht und das Fest.", 2),
        ("Él llegó. ¿Quién es? ¡Nadie! Así que la fiesta siguió.", 4),
        ("2. Dünya Savaşı bitti ve bir gün sonra. Sonra olarak bu geldi.", 2),
    ],
)
def test_sentences_of_many_languages(text: str, number: int) -> None:
    assert len(split(text)) == number


def test_thai_is_cut_at_spaces_into_clauses_of_bounded_length() -> None:
    parts = split("สวัสดีครับ วันนี้อากาศดี " * 60)
    assert all(len(part) <= 200 for part in parts)
    assert all(part.endswith(" ") for part in parts)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("plain ASCII, whatever it says", "en"),
        ("Ein Bär ist nicht mit dem Fuchs und der Gans verwandt", "de"),
        ("Ça ne va pas: le chat est dans la maison et les souris", "fr"),
        ("naïve", "en"),
        ("東京は日本の首都です", "ja"),
        ("北京是中国的首都", "zh"),
        ("서울은 한국의 수도이다", "ko"),
        ("القاهرة عاصمة مصر", "ar"),
        ("दिल्ली भारत की राजधानी है", "hi"),
        ("กรุงเทพเป็นเมืองหลวง", "th"),
        ("Москва", "ru"),
        ("one word Москва in a long English sentence about many other things", "en"),
        ("☃☃☃", "en"),
        ("", "en"),
    ],
)
def test_the_language_is_guessed_by_script_and_small_words(text: str, code: str) -> None:
    assert guess_language(text) == code


def test_mixed_scripts_end_sentences_each_in_its_way() -> None:
    assert split("Hello there. 你好。हाँ। مرحبا؟ Bye!") == [
        "Hello there. ",
        "你好。",
        "हाँ। ",
        "مرحبا؟ ",
        "Bye!",
    ]


# -- full stops that end nothing ----------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "J. K. Rowling wrote it",
        "Prof. Ada and Mrs. Byron met",
        "Smith et al. (2003) found it",
        "See Fig. 3 and p. 12 now",
        "On Jan. 5 he came",
        "approx. five of them",
        "1. Wash the rice",
        "a. Wash the rice",
        "version 3.14 is out",
        "write to ada@b.org. or so",
        "see https://a.org/x?y=1. z",
        "wait ... what is it",
        '"Really?" she asked',
    ],
)
def test_one_sentence(text: str) -> None:
    assert split(text) == [text]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("He said no. Then he left.", 2),
        ("He won.[3] Then he lost.[4][5] More.", 3),
        ("He left. (It rained.) She stayed.", 3),
        ("i went home. then he returned. great", 2),
        ("So it ended… Then more.", 2),
        ("Yes! no? maybe", 3),
        ("The army (of the U.S.) Won. It did.", 2),
        ("It was 1994. Then came 1995.", 2),
    ],
)
def test_several_sentences(text: str, number: int) -> None:
    assert len(split(text)) == number


def test_a_quotation_is_one_sentence_unless_it_runs_on() -> None:
    assert split('He said "I came. I saw. I won." Then he left.') == [
        'He said "I came. I saw. I won." ',
        "Then he left.",
    ]
    unpaired = 'A disk of 5" is old. ' + "Nobody uses that any more. " * 20 + 'Or "does he.'
    assert len(split(unpaired)) == 22


# -- lines --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("one\n\ntwo", ["one\n\n", "two"]),
        ("one\r\n\r\ntwo", ["one\r\n\r\n", "two"]),
        ("Title\nText begins here.", ["Title\n", "Text begins here."]),
        ("a line that\nwraps softly", ["a line that\nwraps softly"]),
        ("ends, with a comma,\nThen goes on", ["ends, with a comma,\nThen goes on"]),
        ("1. one\n2. two", ["1. one\n", "2. two"]),
        ("a) one\nb) two", ["a) one\n", "b) two"]),
        ("| x | y |\n| 1 | 2 |", ["| x | y |\n", "| 1 | 2 |"]),
        ("text\n# Head", ["text\n", "# Head"]),
        ("标题\n正文", ["标题\n", "正文"]),
        ("w " * 13 + "end\nNext", ["w " * 13 + "end\nNext"]),
        ("  \n lead", ["  \n lead"]),
        ("text\n", ["text\n"]),
    ],
)
def test_lines(text: str, parts: list[str]) -> None:
    assert split(text) == parts


def test_code_is_cut_at_blank_lines_alone() -> None:
    code = "```py\nx = 1. Y\n- z\n\ndef f():\n    pass\n```"
    assert split(f"Look. Here\n{code}\nAfter. Next") == [
        "Look. ",
        "Here\n",
        "```py\nx = 1. Y\n- z\n\n",
        "def f():\n    pass\n```\n",
        "After. ",
        "Next",
    ]
    assert split("~~~\na. B\nc. D") == ["~~~\na. B\nc. D"]
    assert [f[:2] for f in fences("```\n~~~\n```\nx")] == [(0, 12)]


def test_line_cuts_may_name_the_end() -> None:
    assert list(line_cuts("a\n\n")) == [3]


# -- long spans and composed characters ---------------------------------------------------------


def test_long_spans_are_cut_at_the_best_place_there_is() -> None:
    assert split("aa, bb cc dd", longest=8) == ["aa, ", "bb cc dd"]
    assert split("aa bb cc", longest=4) == ["aa ", "bb ", "cc"]
    assert split("aa\nbb, cc", longest=7) == ["aa\n", "bb, cc"]
    assert cut_long("Aa. bb cc dd", [0, 12], 9) == [0, 4, 12]
    # Behind this comma stands a mark that belongs to it: the space before is the better place.
    assert split("ab c,\u0301d", longest=5) == ["ab ", "c,\u0301d"]


def test_no_composed_character_is_torn() -> None:
    family = "👨\u200d👩\u200d👧"
    text = (family + "e\u0301" + "🇫🇷" + "👍🏽" + "❤\ufe0f" + "각") * 3
    for longest in range(1, 12):
        for part in split(text, longest=longest):
            assert unicodedata.category(part[0])[0] != "M"
            assert part[0] != "\u200d"
            assert not part.endswith("\u200d")
    assert split("🇫🇷🇩🇪", longest=1) == ["🇫🇷", "🇩🇪"]
    assert split(family, longest=1) == [family]


@pytest.mark.parametrize(
    ("text", "place", "torn"),
    [
        ("ab", 1, False),
        ("ab", 0, False),
        ("ab", 2, False),
        ("a\u0301", 1, True),
        ("\r\n", 1, True),
        ("\n\r", 1, False),
        ("👍🏽", 1, True),
        ("\ud83d\ude00", 1, True),
        ("\ud83da", 1, False),
        ("🇫🇷🇩🇪", 2, False),
        ("🇫🇷🇩🇪", 3, True),
        ("\u1100\u1161", 1, True),
        ("क\u094d\u200dष", 3, True),
        ("क\u094d\u200d", 2, True),
        ("a\u200c", 1, True),
        ("中文", 1, False),
    ],
)
def test_what_a_cut_would_tear(text: str, place: int, torn: bool) -> None:
    assert joined(text, place) is torn


def test_cuts_move_behind_what_they_would_tear_and_its_space() -> None:
    assert whole_graphemes("你。\ufe01 好", [2]) == [4]
    assert whole_graphemes("a\u0301", [1]) == []
    assert split("好。\ufe01 是") == ["好。\ufe01 ", "是"]


# -- anything goes in ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["\ud800 a. B", "B\u2028.」?", "B\x85.'。", "\x00. A", " ", "\u200b", "\ufeff. A", "?" * 50],
)
def test_odd_texts_are_partitioned(text: str) -> None:
    split(text)


def test_a_panic_of_the_library_leaves_our_own_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    import sentencex

    class PanicException(BaseException):
        pass

    def panic(language: str, text: str) -> list[str]:
        raise PanicException

    monkeypatch.setattr(sentencex, "segment", panic)
    assert split("Dr. Who came home. He left.") == ["Dr. Who came home. ", "He left."]

    def stop(language: str, text: str) -> list[str]:
        raise KeyboardInterrupt

    monkeypatch.setattr(sentencex, "segment", stop)
    with pytest.raises(KeyboardInterrupt):
        module.sentence_spans("a")


@pytest.mark.parametrize("longest", [0, -1, 1.5, True, "9"])
def test_a_length_that_is_none_is_refused(longest: object) -> None:
    with pytest.raises(InputError, match="longest is"):
        sentence_spans("a", longest=longest)  # type: ignore[arg-type]


def test_only_text_has_sentences() -> None:
    with pytest.raises(InputError, match="not a bytes"):
        sentence_spans(b"a")  # type: ignore[arg-type]


# -- real text ----------------------------------------------------------------------------------


def data_file(name: str) -> Path:
    named = os.environ.get("DATAPRUNER_DATA")
    beside = Path(__file__).resolve().parents[4] / "shared" / "data"
    path = (Path(named) if named else beside) / name
    if not path.is_file():
        pytest.skip("the optional data sets are not here; DATAPRUNER_DATA names their folder")
    return path


@pytest.mark.data
@pytest.mark.parametrize("language", ["ar", "de", "en", "es", "hi", "ru", "tr", "zh"])
def test_hardly_any_answer_is_cut_in_two(language: str) -> None:
    rows = pl.read_parquet(data_file(f"xquad/{language}.parquet"))
    cut = total = 0
    starts: dict[str, list[int]] = {}
    for context, answers, places in rows.select("context", "answers", "answer_starts").iter_rows():
        if context not in starts:
            starts[context] = sentence_spans(context)[:, 0].tolist()
        for answer, place in zip(answers, places, strict=True):
            total += 1
            cut += any(place < start < place + len(answer) for start in starts[context])
    assert total > 700
    assert cut <= 0.01 * total
    # And they are sentences: a paragraph of this set has several of them.
    assert sum(map(len, starts.values())) > 3 * len(starts)


@pytest.mark.parametrize(
    "unit",
    [
        "? ", "?", "! two", "``` two ", "“ two. ", "« two ", "‘‘‘ two ", "```\ntwo\n", "(“", "水。",
        "水!", "é!", "አ።", "這。", "ا؟", "é!a ",
    ],
)  # fmt: skip
def test_no_run_of_marks_takes_more_than_linear_time(unit: str) -> None:
    few, many = unit * 3_000, unit * 30_000
    start = time.process_time()
    sentence_spans(few)
    middle = time.process_time()
    sentence_spans(many)
    assert time.process_time() - middle < 30 * (middle - start) + 1.0


def test_a_long_paragraph_without_spaces_has_the_same_sentences_as_short_ones() -> None:
    unit = "水壶的价格是十四欧元。它多少钱！“谁知道呢？”他说。"
    once = split(unit)
    assert len(once) > 2
    assert split(unit * 3_000) == once * 3_000


def test_a_text_with_very_many_quotations_is_cut_where_sentences_end() -> None:
    text = "One ‘word’ stands here. " * 1_500
    spans = sentence_spans(text)
    assert "".join(text[a:b] for a, b in spans) == text
    assert {text[a:b] for a, b in spans} == {"One ‘word’ stands here. "}
